//! Roles: what a member of an organization may do.

use std::str::FromStr;

use crate::scope::{Scope, ScopeSet};

/// What a user may do in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationRole {
    /// Everything, including the end of the organization.
    Owner,
    /// Everything but ownership.
    Admin,
    /// Own keys and own usage.
    Member,
    /// Look, and not touch.
    Viewer,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role `{0}`; the roles are owner, admin, member, viewer")]
pub struct UnknownRole(pub String);

impl OrganizationRole {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// The most that a key of a user with this role can do, whatever its own scopes say.
    pub fn scopes(self) -> ScopeSet {
        use Scope::{AnalyticsRead, InferenceRead, InferenceWrite, KeysRead, KeysWrite};
        match self {
            Self::Owner | Self::Admin => ScopeSet::ALL,
            Self::Member => [InferenceRead, InferenceWrite, AnalyticsRead, KeysRead, KeysWrite]
                .into_iter()
                .collect(),
            Self::Viewer => [InferenceRead, AnalyticsRead, KeysRead].into_iter().collect(),
        }
    }

    /// Whether the role reaches what others in the organization own.
    pub const fn manages_others(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }
}

impl FromStr for OrganizationRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Owner, Self::Admin, Self::Member, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}
