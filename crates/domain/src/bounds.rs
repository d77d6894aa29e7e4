//! What bounds many calls together: the limits and budgets that all keys of a user, a project or an
//! organization share, and the limits of one key for some models.

use std::fmt;

use crate::budget::Budget;
use crate::credential::KeyId;
use crate::id::{OrganizationId, ProjectId, UserId};
use crate::limit::Limits;
use crate::model_pattern::ModelPattern;

/// Limits and budgets; all of them hold at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// How fast.
    #[serde(default, skip_serializing_if = "is_unlimited")]
    pub limits: Limits,
    /// How much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
}

fn is_unlimited(limits: &Limits) -> bool {
    *limits == Limits::NONE
}

impl Bounds {
    /// Nothing is bounded.
    pub const NONE: Self = Self { limits: Limits::NONE, budgets: Vec::new() };

    /// Whether nothing is bounded.
    pub fn is_none(&self) -> bool {
        is_unlimited(&self.limits) && self.budgets.is_empty()
    }
}

/// Limits of one key for the models of a pattern, together: `{"model": "gpt-4o*", "limits": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelLimits {
    /// Of which models.
    pub model: ModelPattern,
    /// How fast they may be called.
    pub limits: Limits,
}

impl ModelLimits {
    /// Whether every list entry in `theirs` keeps what each entry of `mine` promises. Never says yes
    /// wrongly; it may say no where only several entries together would keep it.
    pub fn list_covers(mine: &[Self], theirs: &[Self]) -> bool {
        let keeps = |mine: &Self, theirs: &Self| {
            theirs.model.covers(&mine.model) && mine.limits.covers(&theirs.limits)
        };
        mine.iter().all(|mine| theirs.iter().any(|theirs| keeps(mine, theirs)))
    }
}

/// Whose limits or budgets bound a call. The text is for the client: it names no figures, and nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoundOf {
    /// What all keys of the organization share.
    Organization,
    /// What all keys of the project share.
    Project,
    /// What all keys of the user share.
    User,
    /// The key's own.
    Key,
    /// The key's own for some models.
    Model,
}

impl BoundOf {
    /// The text form in answers of the management API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::User => "user",
            Self::Key => "key",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for BoundOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Organization => "the organization of this API key",
            Self::Project => "the project of this API key",
            Self::User => "the user of this API key",
            Self::Key => "this API key",
            Self::Model => "this API key for this model",
        })
    }
}

/// What has sums of its own that budgets are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// All keys of an organization.
    Organization(OrganizationId),
    /// All keys of a project.
    Project(ProjectId),
    /// All keys of a user.
    User(UserId),
    /// One key.
    Key(KeyId),
}

impl Subject {
    /// What kind it is.
    pub const fn bound_of(&self) -> BoundOf {
        match self {
            Self::Organization(_) => BoundOf::Organization,
            Self::Project(_) => BoundOf::Project,
            Self::User(_) => BoundOf::User,
            Self::Key(_) => BoundOf::Key,
        }
    }

    /// The key, where it is one.
    pub const fn key(&self) -> Option<KeyId> {
        match self {
            Self::Key(id) => Some(*id),
            Self::Organization(_) | Self::Project(_) | Self::User(_) => None,
        }
    }

    /// Its id alone.
    pub fn id(&self) -> String {
        match self {
            Self::Organization(id) => id.to_string(),
            Self::Project(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::Key(id) => id.to_string(),
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote. `None`: it is no subject.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        match kind {
            "organization" => id.parse().ok().map(Self::Organization),
            "project" => id.parse().ok().map(Self::Project),
            "user" => id.parse().ok().map(Self::User),
            "key" => id.parse().ok().map(Self::Key),
            _ => None,
        }
    }
}

/// The name under which its sums are stored; it never changes.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bound_of().as_str(), self.id())
    }
}

/// With whom a key shared limits or budgets when a call of it began: those have counted the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharedWith(u8);

impl SharedWith {
    /// With nobody.
    pub const NONE: Self = Self(0);

    /// These, and one more. What is a key's own is not shared.
    #[must_use]
    pub const fn and(self, of: BoundOf) -> Self {
        Self(self.0 | Self::bit(of))
    }

    /// Whether it is among them.
    pub const fn has(self, of: BoundOf) -> bool {
        self.0 & Self::bit(of) != 0
    }

    /// The byte of compact records.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// Reads what [`to_byte`](Self::to_byte) wrote.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    const fn bit(of: BoundOf) -> u8 {
        match of {
            BoundOf::Organization => 1,
            BoundOf::Project => 2,
            BoundOf::User => 4,
            BoundOf::Key | BoundOf::Model => 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::credential::tests::minted;
    use crate::limit::tests::any_limits;
    use crate::model_pattern::tests::{any_name, any_pattern};

    pub(crate) fn any_model_limits() -> impl Strategy<Value = ModelLimits> {
        (any_pattern(), any_limits()).prop_map(|(model, limits)| ModelLimits { model, limits })
    }

    #[test]
    fn a_subject_reads_back_as_it_was_stored() {
        let subjects = [
            Subject::Organization(OrganizationId::new(1, 2)),
            Subject::Project(ProjectId::new(1, 2)),
            Subject::User(UserId::new(1, 2)),
            Subject::Key(minted("dw", 1).id()),
        ];
        for subject in subjects {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
            assert!(subject.to_string().ends_with(&subject.id()));
        }
        for text in ["", "key", "key:", "user:org_01K36M4YZX0000000000000000", "team:x"] {
            assert_eq!(Subject::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn whom_a_call_was_counted_with_survives_its_byte() {
        let shared = [BoundOf::Organization, BoundOf::Project, BoundOf::User];
        for bits in 0..8_u8 {
            let byte = shared.iter().enumerate().fold(SharedWith::NONE, |with, (n, of)| {
                if bits >> n & 1 == 1 { with.and(*of) } else { with }
            });
            let read = SharedWith::from_byte(byte.to_byte());
            for (n, of) in shared.into_iter().enumerate() {
                assert_eq!(read.has(of), bits >> n & 1 == 1, "{bits} {of:?}");
            }
        }
        assert_eq!(SharedWith::NONE.and(BoundOf::Key).and(BoundOf::Model), SharedWith::NONE);
    }

    #[test]
    fn bounds_in_json_are_known_and_what_is_not_bounded_is_left_out() {
        assert_eq!(serde_json::to_string(&Bounds::NONE).unwrap(), "{}");
        assert!(serde_json::from_str::<Bounds>("{}").unwrap().is_none());
        assert!(serde_json::from_str::<Bounds>(r#"{"limit":{}}"#).is_err());
        let text = r#"{"limits":{"concurrency":2},"budgets":[{"tokens":5,"period":"day","overrun":"deny"}]}"#;
        let bounds: Bounds = serde_json::from_str(text).unwrap();
        assert!(!bounds.is_none());
        assert_eq!(serde_json::to_string(&bounds).unwrap(), text);
    }

    proptest! {
        /// A list that covers another never bounds a call that the other does not bound as tightly.
        #[test]
        fn limits_for_models_are_covered_only_where_each_promise_is_kept(
            mine in prop::collection::vec(any_model_limits(), 0..3),
            theirs in prop::collection::vec(any_model_limits(), 0..3),
            name in any_name(),
        ) {
            prop_assert!(ModelLimits::list_covers(&mine, &mine));
            prop_assert!(ModelLimits::list_covers(&[], &theirs));
            if ModelLimits::list_covers(&mine, &theirs) {
                for entry in mine.iter().filter(|entry| entry.model.matches(&name)) {
                    let mut alike = theirs.iter().filter(|theirs| theirs.model.matches(&name));
                    prop_assert!(alike.any(|theirs| entry.limits.covers(&theirs.limits)));
                }
            }
        }
    }
}
