//! Roles in a project: what its members may do there.

use std::str::FromStr;

/// What a user may do in a project, besides what their role in the organization says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProjectRole {
    /// The project and its members.
    Admin,
    /// Own keys in the project.
    Member,
    /// Look, and not touch.
    Viewer,
}

/// A text that names no role in a project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role in a project; the roles are admin, member, viewer")]
pub struct UnknownProjectRole;

impl ProjectRole {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// Whether whoever has this role can have keys of their own in the project.
    pub const fn makes_keys(self) -> bool {
        match self {
            Self::Admin | Self::Member => true,
            Self::Viewer => false,
        }
    }
}

impl FromStr for ProjectRole {
    type Err = UnknownProjectRole;

    fn from_str(text: &str) -> Result<Self, UnknownProjectRole> {
        [Self::Admin, Self::Member, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownProjectRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ProjectRole; 3] = [ProjectRole::Admin, ProjectRole::Member, ProjectRole::Viewer];

    #[test]
    fn roles_are_read_by_their_exact_names() {
        for role in ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{}\"", role.as_str()));
        }
        for bad in ["", "owner", "Admin", "member "] {
            assert_eq!(bad.parse::<ProjectRole>(), Err(UnknownProjectRole), "{bad:?}");
        }
    }

    #[test]
    fn whoever_only_looks_has_no_keys_in_a_project() {
        assert_eq!(ALL.map(ProjectRole::makes_keys), [true, true, false]);
    }
}
