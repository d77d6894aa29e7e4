//! Usage: what finished calls consumed, and reports over it.

mod alerts;
mod events;
mod report;
mod spent;

use doorward_domain::budget::Spend;
use doorward_domain::id::OrganizationId;
use doorward_domain::key::Owner;
use doorward_domain::usage::Usage;
use jiff::Timestamp;

pub use report::USAGE_ROWS_MAX;

pub(crate) use events::{TOUCH_KEY, TOUCH_SECRET, touch, write_events};
pub(crate) use spent::{PeriodSpend, load_spent, load_spent_of};

/// A column to group a report by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The key's id.
    Key,
    /// The model's public name.
    Model,
    /// The day, UTC, as `2026-11-21`.
    Day,
}

/// Which calls a report sums up.
#[derive(Debug, Clone)]
pub struct UsageFilter {
    /// Whose calls.
    pub organization: OrganizationId,
    /// Only calls with keys of this user or service account. `None`: everyone's.
    pub owner: Option<Owner>,
    /// Calls begun at or after this instant.
    pub from: Timestamp,
    /// Calls begun before this instant.
    pub to: Timestamp,
}

/// One row of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key, where grouped by it.
    pub key: Option<String>,
    /// The model, where grouped by it.
    pub model: Option<String>,
    /// The day, where grouped by it.
    pub day: Option<String>,
    /// Calls.
    pub requests: u64,
    /// Calls that failed or were interrupted.
    pub errors: u64,
    /// Tokens.
    pub usage: Usage,
    /// Cost and tokens.
    pub spend: Spend,
}
