//! `doorward usage`.

use clap::{Args, ValueEnum};

use super::Remote;

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// One row for each: key, user, service-account, project, model, provider, day, hour
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', hide_possible_values = true)]
    pub(crate) group_by: Vec<UsageColumn>,
    /// Only calls with this key, by id or name
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only calls with keys of this user, by id or name
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only calls with keys of this service account, by id or name
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) service_account: Option<String>,
    /// Only calls with keys of this project, by id or name
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// Only calls of this model
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Only calls that this provider served, by id or name
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Calls begun at or after this: a day, or a time such as 2026-11-21T09:00:00Z [default: 30 days
    /// ago]
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Calls begun before this [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Print the report as CSV, however long it is
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Print each row as JSON on a line of its own, however many there are
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    pub(crate) jsonl: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageColumn {
    Key,
    User,
    #[value(alias = "service_account")]
    ServiceAccount,
    Project,
    Model,
    Provider,
    Day,
    Hour,
}

impl UsageColumn {
    /// The name that the server knows.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::Project => "project",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    /// How it is headed.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::ServiceAccount => "service account",
            Self::Key
            | Self::User
            | Self::Project
            | Self::Model
            | Self::Provider
            | Self::Day
            | Self::Hour => self.as_str(),
        }
    }
}
