//! The stored record of an API key.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::credential::KeyId;
use crate::denial::Denial;
use crate::id::{OrganizationId, ProjectId, ServiceAccountId, UserId};
use crate::rights::Rights;

/// As whom a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A user key: its rights are its own and the user's as they are now.
    User(UserId),
    /// A service key, "Agent API key" on screens.
    ServiceAccount(ServiceAccountId),
}

impl Owner {
    /// The kind of key that such an owner has: `user` or `service`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ServiceAccount(_) => "service",
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::ServiceAccount(id) => id.fmt(f),
        }
    }
}

/// One API key: everything but its secret.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The public part of the credential.
    pub id: KeyId,
    /// The last four characters of the secret, for lists.
    pub tail: String,
    /// The organization that pays.
    pub organization: OrganizationId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// As whom it acts.
    pub owner: Owner,
    /// Unique within its owner; never changes.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do, from where, how much, until when.
    pub rights: Rights,
    /// When what happened to it.
    pub life: Life,
    /// The user who made it.
    pub created_by: UserId,
    /// Free data of the organization: a JSON object.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// The dates of a key's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is switched off.
    pub disabled_at: Option<Timestamp>,
    /// When it was ended for good.
    pub revoked_at: Option<Timestamp>,
    /// When its secret was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// When it was last edited; the version for `If-Match`.
    pub updated_at: Timestamp,
}

/// What lists show of a key's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was ended for good.
    Revoked,
}

impl KeyStatus {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl ApiKey {
    /// The status at `now`. What is final comes first; a key expires at the stated instant, not
    /// after it.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.life.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.rights.expires_at.is_some_and(|at| at <= now) {
            KeyStatus::Expired
        } else if self.life.disabled_at.is_some() {
            KeyStatus::Disabled
        } else {
            KeyStatus::Active
        }
    }

    /// Whether the key may be used now and from this address. The caller has checked the secret.
    pub fn check(&self, now: Timestamp, address: IpAddr) -> Result<(), Denial> {
        match self.status(now) {
            KeyStatus::Revoked => Err(Denial::Revoked),
            KeyStatus::Expired => Err(Denial::Expired),
            KeyStatus::Disabled => Err(Denial::Disabled),
            KeyStatus::Active if !self.rights.addresses.allows(address) => {
                Err(Denial::AddressRefused)
            }
            KeyStatus::Active => Ok(()),
        }
    }
}
