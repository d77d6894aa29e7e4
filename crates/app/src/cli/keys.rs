//! `doorward keys …`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bounds::ModelLimitArg;
use super::key_file::{OpenKeyFile, SaveArgs};
use super::values::{duration, instant, not_negative, positive, since};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it, this once
    Create(Box<CreateKey>),
    /// List keys, newest first
    List(ListKeys),
    /// Show one key
    Show(KeyRef),
    /// Edit a key; what is not named stays, a list that is named replaces the one before, and a
    /// limit that is named leaves the others
    Edit(Box<EditKey>),
    /// Switch a key off; it can be enabled again
    Disable(KeyRef),
    /// Switch a disabled key on again
    Enable(KeyRef),
    /// Give a key a new secret and print it, this once; the old one works a while longer
    Rotate(Box<RotateKey>),
    /// End the old secrets of a rotated key now
    EndOverlap(KeyRef),
    /// End a key, for good
    Revoke(KeyRef),
    /// Print the key in a file that `--save` wrote; needs no server
    Open(OpenKeyFile),
    /// Say what would be decided about a call, and by which rule; nothing is called
    Explain(ExplainKey),
    /// List active keys that nobody uses, and what the others were granted and do not use
    Unused(UnusedKeys),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainKey {
    #[command(flatten)]
    pub(crate) key: KeyRef,
    /// The model that would be called
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// The address that the call would come from
    #[arg(long, value_name = "ADDR")]
    pub(crate) ip: Option<IpAddr>,
    /// The scope that it would need [default with --model: inference:write]
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// When it would come [default: now]
    #[arg(long, value_parser = instant, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct UnusedKeys {
    /// What was not used for this many days
    #[arg(long, value_parser = positive::<NonZeroU32>, default_value = "30", value_name = "N")]
    pub(crate) days: NonZeroU32,
    /// Keys of one user or service account
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Keys of one project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRef {
    /// Its id, dw_…, or its name
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// A name, unique among the keys of its owner
    pub(crate) name: String,
    /// `user`, or `service` for an app or agent
    #[arg(long, value_name = "KIND", value_parser = ["user", "service"])]
    pub(crate) kind: Option<String>,
    /// The user or service account that it acts as [default: you]
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// A service account that is made along with it, and that it acts as
    #[arg(long, value_name = "NAME", conflicts_with = "owner")]
    pub(crate) new_service_account: Option<String>,
    /// The project that it belongs to
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    #[command(flatten)]
    pub(crate) rights: RightsArgs,
    /// Free data, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(crate) metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) save: SaveArgs,
}

/// What a key is for, what it may do, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct RightsArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// What it may do: inference:read, inference:write, analytics:read, keys:read, keys:write,
    /// keys:verify, audit:read, admin [default of a new
    /// key: both of inference]
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// A model that it may call; `*` stands for any text [default of a new key: all]
    #[arg(long = "model", value_name = "PATTERN", value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// An address or CIDR block that it may be used from [default of a new key:
    /// anywhere]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) ip_allow: Vec<String>,
    /// An address or CIDR block that it may not be used from
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) ip_deny: Vec<String>,
    /// The origin, scheme, host and port, of a web page that it lives in: only such pages may use it
    /// then, and it needs a limit and a budget
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allowed_origins: Vec<String>,
    #[command(flatten)]
    pub(crate) expiry: ExpiryArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Limits for the models of a pattern, such as 'gpt-4o*=10rpm,50000tpd' or gpt-5=2concurrent; may be
    /// repeated
    #[arg(long = "model-limit", value_name = "PATTERN=LIMITS")]
    pub(crate) model_limits: Vec<ModelLimitArg>,
    /// Money or tokens that it may spend: 12.50, 12.50/month, 1000000tokens/day; may be repeated
    #[arg(long = "budget", value_name = "AMOUNT[/PERIOD]")]
    pub(crate) budgets: Vec<BudgetArg>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ExpiryArgs {
    /// It ends after this many days
    #[arg(long, value_parser = not_negative, value_name = "N")]
    pub(crate) expires_in_days: Option<u32>,
    /// It ends at this instant, such as 2026-12-31T00:00:00Z
    #[arg(long, value_parser = instant, value_name = "TIME")]
    pub(crate) expires_at: Option<Timestamp>,
    /// It never ends, where the organization allows that
    #[arg(long)]
    pub(crate) never_expires: bool,
}

impl ExpiryArgs {
    /// The field of a request and its value.
    pub(crate) fn field(&self) -> Option<(&'static str, Value)> {
        let days = self.expires_in_days.map(|days| ("expires_in_days", json!(days)));
        let at = self.expires_at.map(|at| ("expires_at", json!(at.to_string())));
        let never = self.never_expires.then_some(("never_expires", Value::Bool(true)));
        days.or(at).or(never)
    }
}

#[derive(Debug, Default, Args)]
pub(crate) struct LimitArgs {
    /// Requests in any 60 seconds
    #[arg(long, value_parser = positive::<NonZeroU32>, visible_alias = "rpm", value_name = "N")]
    pub(crate) requests_per_minute: Option<NonZeroU32>,
    /// Requests in any hour
    #[arg(long, value_parser = positive::<NonZeroU32>, visible_alias = "rph", value_name = "N")]
    pub(crate) requests_per_hour: Option<NonZeroU32>,
    /// Requests in any 24 hours
    #[arg(long, value_parser = positive::<NonZeroU32>, visible_alias = "rpd", value_name = "N")]
    pub(crate) requests_per_day: Option<NonZeroU32>,
    /// Tokens in any 60 seconds
    #[arg(long, value_parser = positive::<NonZeroU32>, visible_alias = "tpm", value_name = "N")]
    pub(crate) tokens_per_minute: Option<NonZeroU32>,
    /// Tokens in any hour
    #[arg(long, value_parser = positive::<NonZeroU32>, visible_alias = "tph", value_name = "N")]
    pub(crate) tokens_per_hour: Option<NonZeroU32>,
    /// Tokens in any 24 hours
    #[arg(long, value_parser = positive::<NonZeroU32>, visible_alias = "tpd", value_name = "N")]
    pub(crate) tokens_per_day: Option<NonZeroU32>,
    /// Calls at one time
    #[arg(long, value_parser = positive::<NonZeroU32>, value_name = "N")]
    pub(crate) concurrency: Option<NonZeroU32>,
}

impl LimitArgs {
    /// The limits that are named, by the field of a request.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, NonZeroU32)> {
        [
            ("requests_per_minute", self.requests_per_minute),
            ("requests_per_hour", self.requests_per_hour),
            ("requests_per_day", self.requests_per_day),
            ("tokens_per_minute", self.tokens_per_minute),
            ("tokens_per_hour", self.tokens_per_hour),
            ("tokens_per_day", self.tokens_per_day),
            ("concurrency", self.concurrency),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
    }
}

#[derive(Debug, Args)]
pub(crate) struct RotateKey {
    #[command(flatten)]
    pub(crate) key: KeyRef,
    /// How long the old secret still works: 24h, 30m, 7d at most, 0 for no longer at all [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) overlap: Option<SignedDuration>,
    #[command(flatten)]
    pub(crate) expiry: ExpiryArgs,
    /// Tell who still uses the old secret, until nobody did for this long
    #[arg(long, value_name = "TIME", value_parser = duration, num_args = 0..=1,
          default_missing_value = "10m", require_equals = true)]
    pub(crate) wait_until_unused: Option<SignedDuration>,
    #[command(flatten)]
    pub(crate) save: SaveArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListKeys {
    /// active, disabled, expired or revoked [default: all but revoked]
    #[arg(long, value_parser = ["active", "disabled", "expired", "revoked"])]
    pub(crate) status: Option<String>,
    /// Keys of one kind
    #[arg(long, value_parser = ["user", "service"])]
    pub(crate) kind: Option<String>,
    /// Keys of one user or service account
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Keys of one project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Keys that end before this instant
    #[arg(long, value_parser = instant, value_name = "TIME")]
    pub(crate) expires_before: Option<Timestamp>,
    /// Keys that were not used since this instant, or for this many days
    #[arg(long, value_parser = since, value_name = "TIME|DAYS")]
    pub(crate) unused_since: Option<String>,
    /// Keys that one user made
    #[arg(long, value_name = "ID")]
    pub(crate) created_by: Option<String>,
    /// Keys whose name, description or id contains this
    #[arg(long, visible_alias = "q", value_name = "TEXT")]
    pub(crate) search: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EditKey {
    #[command(flatten)]
    pub(crate) key: KeyRef,
    #[command(flatten)]
    pub(crate) rights: RightsArgs,
    /// Takes restrictions away: all models may be called, from anywhere, without limits or budgets; with
    /// its origins a key is for no web page any more
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) clear: Vec<Field>,
    /// Even where the key that asks would refuse itself from here
    #[arg(long)]
    pub(crate) force: bool,
}

/// A restriction that an edit can take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Field {
    Models,
    IpAllow,
    IpDeny,
    Limits,
    ModelLimits,
    Budgets,
    Origins,
}

/// A budget as it is typed. The server checks amounts and periods; here only the two are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BudgetArg(Value);

impl BudgetArg {
    /// The budget as a request has it.
    pub(crate) fn as_json(&self) -> Value {
        self.0.clone()
    }
}

impl FromStr for BudgetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (amount, period) = text.split_once('/').unwrap_or((text, "total"));
        let is_known = ["day", "week", "month", "total"].contains(&period);
        if !is_known {
            return Err(format!("`{period}` is none of day, week, month, total"));
        }
        if let Some(tokens) = amount.strip_suffix("tokens") {
            let tokens: u64 = tokens.trim().parse().map_err(|_| MALFORMED.to_owned())?;
            return Ok(Self(json!({ "tokens": tokens, "period": period })));
        }
        let usd = amount.strip_prefix('$').unwrap_or(amount);
        let is_money = usd.parse::<doorward_domain::money::NanoUsd>();
        is_money.map_err(|error| format!("{error}; {MALFORMED}"))?;
        Ok(Self(json!({ "usd": usd, "period": period })))
    }
}

const MALFORMED: &str = "a budget is like 12.50, 12.50/month or 1000000tokens/day";

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
