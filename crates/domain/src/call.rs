//! The record of a call: its hold before it leaves, its event when it is over.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::budget::Spend;
use crate::credential::KeyId;
use crate::id::{CallId, DeploymentId, OrganizationId, ProjectId, ProviderId};
use crate::usage::Usage;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The provider answered in full.
    Done,
    /// The provider refused or failed; nothing was produced.
    Failed,
    /// The client went away; what was produced until then is billed.
    Disconnected,
    /// The stream broke, or this program stopped, before the provider was through.
    Interrupted,
}

/// A text that names no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an outcome of a call")]
pub struct UnknownOutcome;

impl Outcome {
    /// Every outcome; the position is the code in compact records and never changes.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Disconnected, Self::Interrupted];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Disconnected => "disconnected",
            Self::Interrupted => "interrupted",
        }
    }

    /// The code in compact records.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Reads a code of a compact record.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// Whether usage counts the call as an error.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Failed | Self::Interrupted)
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(UnknownOutcome)
    }
}

/// What is written down before a call leaves: who, what, and the worst case that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The call.
    pub call: CallId,
    /// Who pays.
    pub organization: OrganizationId,
    /// The project of the key.
    pub project: ProjectId,
    /// The key.
    pub key: KeyId,
    /// The provider that the call goes to.
    pub provider: ProviderId,
    /// The deployment that the call goes to.
    pub deployment: DeploymentId,
    /// The public name of the model.
    pub model: Arc<str>,
    /// When it began, microseconds since the Unix epoch.
    pub started_at_us: i64,
    /// From where.
    pub address: IpAddr,
    /// Estimated input tokens and the most output tokens.
    pub estimate: Usage,
    /// The worst case, set aside.
    pub held: Spend,
}

/// What is written down when a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The call.
    pub call: CallId,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the client got.
    pub status: u16,
    /// What was consumed.
    pub usage: Usage,
    /// What that costs.
    pub spend: Spend,
    /// Whether the figures are counted or estimated here, not reported by the provider.
    pub is_estimated: bool,
    /// From the first byte of the request to the last of the answer, microseconds.
    pub duration_us: u64,
    /// Until the first byte of the answer, microseconds. 0: there was none.
    pub first_byte_us: u64,
}

impl Hold {
    /// The settlement of a call of which nothing more is known than that it left: at its estimate.
    pub fn interrupted(&self) -> Settlement {
        Settlement {
            call: self.call,
            outcome: Outcome::Interrupted,
            status: 0,
            usage: self.estimate,
            spend: self.held,
            is_estimated: true,
            duration_us: 0,
            first_byte_us: 0,
        }
    }
}

/// The record of a finished call, as usage reports sum it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// What was known before.
    pub hold: Hold,
    /// What is known after.
    pub settlement: Settlement,
}

impl UsageEvent {
    /// Whether the provider billed more than was set aside.
    pub fn is_over_hold(&self) -> bool {
        self.settlement.spend.cost > self.hold.held.cost
    }
}
