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

    /// Whether this role is the other one or above it.
    pub const fn is_at_least(self, other: Self) -> bool {
        self.rank() >= other.rank()
    }

    /// The lower of two roles.
    #[must_use]
    pub const fn lower(self, other: Self) -> Self {
        if self.is_at_least(other) { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Owner => 3,
            Self::Admin => 2,
            Self::Member => 1,
            Self::Viewer => 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [OrganizationRole; 4] = [
        OrganizationRole::Owner,
        OrganizationRole::Admin,
        OrganizationRole::Member,
        OrganizationRole::Viewer,
    ];

    #[test]
    fn each_role_covers_the_ones_below_it() {
        for pair in ALL.windows(2) {
            assert!(pair[0].scopes().covers(pair[1].scopes()), "{pair:?}");
        }
    }

    #[test]
    fn a_role_is_at_least_itself_and_all_below_it() {
        for (high, role) in ALL.into_iter().enumerate() {
            for (low, other) in ALL.into_iter().enumerate() {
                assert_eq!(role.is_at_least(other), high <= low, "{role:?} {other:?}");
                assert_eq!(role.lower(other), ALL[high.max(low)], "{role:?} {other:?}");
            }
        }
    }

    #[test]
    fn only_owners_and_admins_reach_what_others_own() {
        #[rustfmt::skip]
        let cases = [
            // role                     manages  admin  calls models  makes keys
            (OrganizationRole::Owner,   true,    true,  true,         true),
            (OrganizationRole::Admin,   true,    true,  true,         true),
            (OrganizationRole::Member,  false,   false, true,         true),
            (OrganizationRole::Viewer,  false,   false, false,        false),
        ];
        for (role, manages, is_admin, calls_models, makes_keys) in cases {
            assert_eq!(role.manages_others(), manages, "{role:?}");
            assert_eq!(role.scopes().allows(Scope::Admin), is_admin, "{role:?}");
            assert_eq!(role.scopes().allows(Scope::InferenceWrite), calls_models, "{role:?}");
            assert_eq!(role.scopes().allows(Scope::KeysWrite), makes_keys, "{role:?}");
        }
    }

    #[test]
    fn no_role_below_admin_reads_the_audit_log() {
        for role in [OrganizationRole::Member, OrganizationRole::Viewer] {
            assert!(!role.scopes().allows(Scope::AuditRead), "{role:?}");
        }
    }

    #[test]
    fn roles_are_read_by_their_exact_names() {
        for role in ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{}\"", role.as_str()));
        }
        for bad in ["", "Owner", "root", "owner "] {
            assert_eq!(bad.parse::<OrganizationRole>(), Err(UnknownRole(bad.to_owned())));
        }
    }
}
