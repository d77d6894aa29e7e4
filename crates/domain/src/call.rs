//! The record of a call: its hold before it leaves, its event when it is over.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::bounds::{SharedWith, Subject};
use crate::budget::Spend;
use crate::credential::KeyId;
use crate::id::{CallId, DeploymentId, OrganizationId, ProjectId, ProviderId};
use crate::key::Owner;
use crate::rotation::SecretNumber;
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
    /// As whom the key acts.
    pub owner: Owner,
    /// Whose limits and budgets beside the key's own have counted the call.
    pub shared: SharedWith,
    /// Which of its secrets was presented.
    pub secret: SecretNumber,
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
    /// The same for an attempt at the call by this deployment, after which there was another one. What is
    /// set aside is so for the last one: whatever this one costs is beyond it.
    #[must_use]
    pub fn of_attempt(&self, provider: ProviderId, deployment: DeploymentId) -> Self {
        Self { provider, deployment, held: Spend::default(), ..self.clone() }
    }

    /// Whose sums the call adds to.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        let user = match self.owner {
            Owner::User(user) => Some(Subject::User(user)),
            Owner::ServiceAccount(_) => None,
        };
        let own = [Subject::Key(self.key), Subject::Project(self.project)];
        own.into_iter().chain(user).chain([Subject::Organization(self.organization)])
    }

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

/// The record of a finished call, or of an attempt at it after which there was another one, as usage
/// reports sum it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// What was known before.
    pub hold: Hold,
    /// What is known after.
    pub settlement: Settlement,
    /// [`CALL`](Self::CALL), or which attempt it was of those that reached a provider and had another
    /// one behind them, from 1. With the call's id it makes the event's identity.
    pub attempt: u16,
}

impl UsageEvent {
    /// The number of the one event that every hold has: it tells of the call as a whole, and of its last
    /// attempt.
    pub const CALL: u16 = 0;

    /// Whether it tells of a call as a whole: only those count as requests.
    pub const fn is_call(&self) -> bool {
        self.attempt == Self::CALL
    }

    /// Whether the provider billed more than was set aside.
    pub fn is_over_hold(&self) -> bool {
        self.settlement.spend.cost > self.hold.held.cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::tests::minted;
    use crate::id::{ServiceAccountId, UserId};
    use crate::money::NanoUsd;

    fn hold() -> Hold {
        Hold {
            call: CallId::new(1, 1),
            organization: OrganizationId::new(1, 1),
            project: ProjectId::new(1, 1),
            key: minted("dw", 1).id(),
            owner: Owner::User(UserId::new(1, 1)),
            shared: SharedWith::NONE,
            secret: SecretNumber::FIRST,
            provider: ProviderId::new(1, 1),
            deployment: DeploymentId::new(1, 1),
            model: "gpt-4o".into(),
            started_at_us: 0,
            address: "192.0.2.1".parse().unwrap(),
            estimate: Usage { input_tokens: 10, output_tokens: 20, ..Usage::default() },
            held: Spend { cost: NanoUsd::from_nanos(300), tokens: 30 },
        }
    }

    #[test]
    fn the_codes_of_compact_records_never_change() {
        #[rustfmt::skip]
        let cases = [
            // outcome                code  text            error
            (Outcome::Done,           0,    "done",         false),
            (Outcome::Failed,         1,    "failed",       true),
            (Outcome::Disconnected,   2,    "disconnected", false),
            (Outcome::Interrupted,    3,    "interrupted",  true),
        ];
        for (outcome, code, text, is_error) in cases {
            assert_eq!(
                (outcome.code(), outcome.as_str(), outcome.is_error()),
                (code, text, is_error)
            );
            assert_eq!(Outcome::from_code(code), Some(outcome));
            assert_eq!(text.parse(), Ok(outcome));
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn what_is_no_outcome_is_not_guessed() {
        assert!((4..=u8::MAX).all(|code| Outcome::from_code(code).is_none()));
        for text in ["", "Done", "ok", "done "] {
            assert_eq!(text.parse::<Outcome>(), Err(UnknownOutcome));
        }
    }

    #[test]
    fn an_interrupted_call_is_settled_at_its_estimate() {
        let hold = hold();
        let settlement = hold.interrupted();
        assert_eq!(settlement.call, hold.call);
        assert_eq!(settlement.outcome, Outcome::Interrupted);
        assert_eq!((settlement.usage, settlement.spend), (hold.estimate, hold.held));
        assert!(settlement.is_estimated);
    }

    #[test]
    fn a_call_adds_to_the_sums_of_its_key_project_user_and_organization() {
        use crate::bounds::BoundOf::{Key, Organization, Project, User};
        let of = |hold: &Hold| hold.subjects().map(|s| s.bound_of()).collect::<Vec<_>>();
        let hold = hold();
        let account = Owner::ServiceAccount(ServiceAccountId::new(1, 1));
        assert_eq!(of(&hold), [Key, Project, User, Organization]);
        assert_eq!(of(&Hold { owner: account, ..hold }), [Key, Project, Organization]);
    }

    #[test]
    fn a_bill_beyond_the_hold_is_flagged() {
        #[rustfmt::skip]
        let cases = [
            // nano-dollars  flagged
            (0,              false),
            (299,            false),
            (300,            false),
            (301,            true),
        ];
        for (nanos, is_over) in cases {
            let spend = Spend { cost: NanoUsd::from_nanos(nanos), tokens: 30 };
            let settlement = Settlement { spend, ..hold().interrupted() };
            let event = UsageEvent { hold: hold(), settlement, attempt: UsageEvent::CALL };
            assert_eq!(event.is_over_hold(), is_over, "{nanos}");
        }
    }
}
