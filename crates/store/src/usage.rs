//! Usage: what finished calls consumed, and reports over it.

mod alerts;
mod call;
mod day;
mod events;
mod failures;
mod figures;
mod hours;
mod question;
mod report;
mod spent;
mod sums;

use doorward_domain::budget::Spend;
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, ProjectId, ProviderId, ServiceAccountId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::usage::Usage;
use jiff::Timestamp;

pub use call::FinishedCall;
pub use failures::UsageFailure;
pub use report::{USAGE_ROWS_MAX, UsageRows};

pub(crate) use alerts::note_alerts;
pub(crate) use events::{TOUCH_KEY, TOUCH_SECRET, touch, write_events};
pub(crate) use spent::{PeriodSpend, load_spent, load_spent_of};

/// A column to group a report by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The key's id.
    Key,
    /// The user whose key it is; none for the key of a service account.
    User,
    /// The service account whose key it is; none for the key of a user.
    ServiceAccount,
    /// The project that the key is in.
    Project,
    /// The model's public name.
    Model,
    /// The provider that served the call.
    Provider,
    /// The day, UTC, as `2026-11-21`.
    Day,
    /// The hour, UTC, by its first moment, as `2026-11-21T09:00:00Z`.
    Hour,
}

/// Which calls a report sums up: those of which all that is said is true.
#[derive(Debug, Clone)]
pub struct UsageFilter {
    /// Whose calls.
    pub organization: OrganizationId,
    /// With keys of this user or service account: what somebody may see at most.
    pub owner: Option<Owner>,
    /// With this key.
    pub key: Option<KeyId>,
    /// With keys of this user.
    pub user: Option<UserId>,
    /// With keys of this service account.
    pub service_account: Option<ServiceAccountId>,
    /// With keys of this project.
    pub project: Option<ProjectId>,
    /// Of this model, by its public name.
    pub model: Option<String>,
    /// Served by this provider.
    pub provider: Option<ProviderId>,
    /// Begun at or after this instant.
    pub from: Timestamp,
    /// Begun before this instant.
    pub to: Timestamp,
    /// Whether rows say what the things are called that they are about.
    pub with_names: bool,
}

/// What the things are called that a row is about. What has no name, or was not asked for, is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageNames {
    /// The key.
    pub key: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The service account.
    pub service_account: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The provider.
    pub provider: Option<String>,
}

/// One row of a report. What it is not grouped by is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The key.
    pub key: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The service account.
    pub service_account: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The day.
    pub day: Option<String>,
    /// The hour.
    pub hour: Option<String>,
    /// Calls.
    pub requests: u64,
    /// Calls that failed or were interrupted.
    pub errors: u64,
    /// How often a provider was tried for them: more than there are calls where one failed and another
    /// one, or the same one later, was asked.
    pub attempts: u64,
    /// How long the calls without an error took, together, in microseconds.
    pub duration_us: u64,
    /// The same until the first byte of their answers.
    pub first_byte_us: u64,
    /// What they consumed.
    pub usage: Usage,
    /// Cost and tokens.
    pub spend: Spend,
    /// What is said of its key, user and so on beside their ids.
    pub names: UsageNames,
}

impl GroupBy {
    /// Every column, in the order in which reports show them.
    pub const ALL: [Self; 8] = [
        Self::Key,
        Self::User,
        Self::ServiceAccount,
        Self::Project,
        Self::Model,
        Self::Provider,
        Self::Day,
        Self::Hour,
    ];

    /// The name, as it is sent and typed.
    pub const fn as_str(self) -> &'static str {
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
}

impl UsageFilter {
    /// All calls of an organization in a time.
    pub const fn all(organization: OrganizationId, from: Timestamp, to: Timestamp) -> Self {
        Self {
            organization,
            owner: None,
            key: None,
            user: None,
            service_account: None,
            project: None,
            model: None,
            provider: None,
            from,
            to,
            with_names: false,
        }
    }
}

impl UsageRow {
    /// What the row is about. `None`: it is not grouped by that, or there is none.
    pub fn group(&self, column: GroupBy) -> Option<&str> {
        let value = match column {
            GroupBy::Key => &self.key,
            GroupBy::User => &self.user,
            GroupBy::ServiceAccount => &self.service_account,
            GroupBy::Project => &self.project,
            GroupBy::Model => &self.model,
            GroupBy::Provider => &self.provider,
            GroupBy::Day => &self.day,
            GroupBy::Hour => &self.hour,
        };
        value.as_deref()
    }

    /// What that is called. `None`: it has no name, or names were not asked for.
    pub fn name(&self, column: GroupBy) -> Option<&str> {
        let value = match column {
            GroupBy::Key => &self.names.key,
            GroupBy::User => &self.names.user,
            GroupBy::ServiceAccount => &self.names.service_account,
            GroupBy::Project => &self.names.project,
            GroupBy::Provider => &self.names.provider,
            GroupBy::Model | GroupBy::Day | GroupBy::Hour => return None,
        };
        value.as_deref()
    }
}
