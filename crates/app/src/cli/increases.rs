//! `doorward increases …`.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::Named;
use super::keys::{BudgetArg, LimitArgs};
use super::values::{instant, not_negative};

#[derive(Debug, Subcommand)]
pub(crate) enum IncreasesCommand {
    Ask(AskIncrease),
    List(ListIncreases),
    /// Show one
    Show(IncreaseRef),
    Grant(GrantIncrease),
    Decline(DeclineIncrease),
    /// Take back what was asked for; what was granted for a while ends now
    Withdraw(IncreaseRef),
}

#[derive(Debug, Args)]
pub(crate) struct IncreaseRef {
    /// Its id, inc_…
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// Ask for higher limits or budgets of a key; administrators are told
#[derive(Debug, Args)]
pub(crate) struct AskIncrease {
    /// The key, by id or name [default: the key that asks]
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) raise: RaiseArgs,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// What is raised, and how high; of what is not named nothing changes.
#[derive(Debug, Args)]
pub(crate) struct RaiseArgs {
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// The higher amount of a budget that is there: 12.50, 12.50/month, 1000000tokens/day; may be
    /// repeated
    #[arg(long = "budget", value_name = "AMOUNT[/PERIOD]")]
    pub(crate) budgets: Vec<BudgetArg>,
}

/// List what was asked for, newest first
#[derive(Debug, Args)]
pub(crate) struct ListIncreases {
    /// Only those in this state
    #[arg(long, value_name = "STATE",
          value_parser = ["open", "granted", "declined", "withdrawn", "lapsed"])]
    pub(crate) state: Option<String>,
    /// Only those of one key, by id or name
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Grant what was asked for, or the limits and budgets that are named in its place; for good, unless an
/// end is named. The owner of the key is told
#[derive(Debug, Args)]
pub(crate) struct GrantIncrease {
    #[command(flatten)]
    pub(crate) increase: IncreaseRef,
    #[command(flatten)]
    pub(crate) raise: RaiseArgs,
    #[command(flatten)]
    pub(crate) end: EndArgs,
    /// A word to whoever asked
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct EndArgs {
    /// The old limits hold again after this many days
    #[arg(long, value_parser = not_negative, value_name = "N")]
    pub(crate) ends_in_days: Option<u32>,
    /// The old limits hold again from this instant on, such as 2026-12-31T00:00:00Z
    #[arg(long, value_parser = instant, value_name = "TIME")]
    pub(crate) ends_at: Option<Timestamp>,
}

/// What all keys of somebody share, raised until an end. Whoever it concerns is told
#[derive(Debug, Args)]
pub(crate) struct RaiseShared {
    #[command(flatten)]
    pub(crate) raise: RaiseArgs,
    #[command(flatten)]
    pub(crate) end: EndArgs,
    /// A word to whoever it concerns
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// The same of one that is named.
#[derive(Debug, Args)]
pub(crate) struct RaiseNamed {
    #[command(flatten)]
    pub(crate) whose: Named,
    #[command(flatten)]
    pub(crate) raise: RaiseShared,
}

/// Decline it. The owner of the key is told
#[derive(Debug, Args)]
pub(crate) struct DeclineIncrease {
    #[command(flatten)]
    pub(crate) increase: IncreaseRef,
    /// A word to whoever asked
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}
