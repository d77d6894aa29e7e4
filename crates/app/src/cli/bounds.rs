//! What all keys of a user, a project or the organization share, as it is typed.

use std::num::NonZeroU32;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::increases::RaiseShared;
use super::keys::{BudgetArg, LimitArgs};

/// Limits and budgets that keys share.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "All keys together")]
pub(crate) struct BoundsArgs {
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Money or tokens that they may spend: 12.50, 12.50/month, 1000000tokens/day; may be repeated
    #[arg(long = "budget", value_name = "AMOUNT[/PERIOD]")]
    pub(crate) budgets: Vec<BudgetArg>,
}

/// An edit of them: limits one by one, budgets all at once.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "All keys together")]
pub(crate) struct EditBoundsArgs {
    #[command(flatten)]
    pub(crate) bounds: BoundsArgs,
    /// Take all of these away, before what else is named
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) clear: Vec<BoundField>,
}

/// What an edit can take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BoundField {
    Limits,
    Budgets,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationCommand {
    /// Show it, with what bounds all its keys together
    Show,
    Edit(EditOrganization),
    /// Raise limits or budgets that all its keys share, until an end
    Increase(RaiseShared),
    /// End what raises them, before its time
    EndIncrease,
}

/// Edit the name of the organization, and what bounds all its keys together
#[derive(Debug, Args)]
pub(crate) struct EditOrganization {
    /// A new name: whoever signs in where there are several organizations types it
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    #[command(flatten)]
    pub(crate) bounds: EditBoundsArgs,
}

/// Limits for the models of a pattern, as they are typed: `gpt-4o*=10rpm,50000tpd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelLimitArg(Value);

/// How limits are written, and their fields.
const UNITS: [(&str, &str); 7] = [
    ("rpm", "requests_per_minute"),
    ("rph", "requests_per_hour"),
    ("rpd", "requests_per_day"),
    ("tpm", "tokens_per_minute"),
    ("tph", "tokens_per_hour"),
    ("tpd", "tokens_per_day"),
    ("concurrent", "concurrency"),
];

const MALFORMED: &str = "limits for models are like 'gpt-4o*=10rpm,50000tpd', in rpm, rph, rpd, \
    tpm, tph, tpd or concurrent";

impl ModelLimitArg {
    /// The entry as a request has it.
    pub(crate) fn as_json(&self) -> Value {
        self.0.clone()
    }
}

impl FromStr for ModelLimitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, limits) = text.rsplit_once('=').ok_or(MALFORMED)?;
        let limits: Option<Map<String, Value>> = limits.split(',').map(limit).collect();
        Ok(Self(json!({ "model": model, "limits": limits.ok_or(MALFORMED)? })))
    }
}

fn limit(text: &str) -> Option<(String, Value)> {
    let typed = |(unit, field)| Some((text.strip_suffix(unit)?, field));
    let (number, field) = UNITS.into_iter().find_map(typed)?;
    let number: NonZeroU32 = number.parse().ok()?;
    Some((field.to_owned(), json!(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_for_models_are_read_or_refused_with_an_example() {
        #[rustfmt::skip]
        let cases = [
            ("gpt-4o*=10rpm,50000tpd",    Some(json!({"model": "gpt-4o*", "limits": {"requests_per_minute": 10, "tokens_per_day": 50000}}))),
            ("a=b=2concurrent",           Some(json!({"model": "a=b", "limits": {"concurrency": 2}}))),
            ("gpt-4o",                    None),
            ("gpt-4o=",                   None),
            ("gpt-4o=10",                 None),
            ("gpt-4o=0rpm",               None),
            ("gpt-4o=-1rpm",              None),
            ("gpt-4o=10rpm,",             None),
        ];
        for (text, expected) in cases {
            let read: Result<ModelLimitArg, String> = text.parse();
            assert_eq!(read.as_ref().ok().map(ModelLimitArg::as_json), expected, "{text}");
            assert!(read.is_ok() || read.is_err_and(|error| error.contains("10rpm")));
        }
    }
}
