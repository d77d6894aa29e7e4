//! The stored record of an API key.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::credential::KeyId;
use crate::denial::Denial;
use crate::id::{OrganizationId, ProjectId, ServiceAccountId, UserId};
use crate::rights::Rights;

/// As whom a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

impl Life {
    /// Since when the newest secret is there.
    pub fn secret_made_at(&self) -> Timestamp {
        self.rotated_at.unwrap_or(self.created_at)
    }
}

/// What lists show of a key's life.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::AddressRules;
    use crate::credential::tests::minted;
    use crate::limit::Limits;
    use crate::model_pattern::ModelRule;
    use crate::scope::ScopeSet;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn at(offset_us: i64) -> Timestamp {
        Timestamp::from_microsecond(NOW_US + offset_us).unwrap()
    }

    fn sample(expires: Option<i64>, disabled: Option<i64>, revoked: Option<i64>) -> ApiKey {
        let plain = minted("dw", 1);
        let user = UserId::new(1, 1);
        ApiKey {
            id: plain.id(),
            tail: "abcd".to_owned(),
            organization: OrganizationId::new(1, 1),
            project: ProjectId::new(1, 1),
            owner: Owner::User(user),
            name: "ci".to_owned(),
            description: String::new(),
            rights: Rights {
                scopes: ScopeSet::ALL,
                models: ModelRule::All,
                addresses: AddressRules {
                    allow: Some(vec!["10.0.0.0/8".parse().unwrap()]),
                    deny: vec![],
                },
                limits: Limits::NONE,
                model_limits: vec![],
                budgets: vec![],
                expires_at: expires.map(at),
                allowed_origins: None,
            },
            life: Life {
                created_at: at(-10),
                disabled_at: disabled.map(at),
                revoked_at: revoked.map(at),
                rotated_at: None,
                updated_at: at(-5),
            },
            created_by: user,
            metadata: serde_json::Map::new(),
        }
    }

    #[test]
    fn what_is_final_decides_before_what_is_not() {
        #[rustfmt::skip]
        let cases = [
            // expires  disabled  revoked   status               refused with
            (None,      None,     None,     KeyStatus::Active,   None),
            (Some(1),   None,     None,     KeyStatus::Active,   None),
            (Some(0),   None,     None,     KeyStatus::Expired,  Some(Denial::Expired)), // at that instant
            (Some(-1),  None,     None,     KeyStatus::Expired,  Some(Denial::Expired)),
            (None,      Some(-5), None,     KeyStatus::Disabled, Some(Denial::Disabled)),
            (Some(1),   Some(-5), None,     KeyStatus::Disabled, Some(Denial::Disabled)),
            (Some(0),   Some(-5), None,     KeyStatus::Expired,  Some(Denial::Expired)),
            (None,      None,     Some(-5), KeyStatus::Revoked,  Some(Denial::Revoked)),
            (Some(-1),  None,     Some(-5), KeyStatus::Revoked,  Some(Denial::Revoked)),
            (Some(-1),  Some(-5), Some(-5), KeyStatus::Revoked,  Some(Denial::Revoked)),
        ];
        for (expires, disabled, revoked, status, denial) in cases {
            let key = sample(expires, disabled, revoked);
            let verdict = key.check(at(0), "10.0.0.1".parse().unwrap());
            assert_eq!(key.status(at(0)), status, "{key:?}");
            assert_eq!(verdict.err(), denial, "{key:?}");
        }
    }

    #[test]
    fn a_working_key_is_refused_from_elsewhere() {
        let elsewhere = "192.0.2.1".parse().unwrap();
        let verdict = sample(None, None, None).check(at(0), elsewhere);
        assert_eq!(verdict, Err(Denial::AddressRefused));
    }

    #[test]
    fn a_dead_key_says_nothing_about_addresses() {
        let elsewhere = "192.0.2.1".parse().unwrap();
        assert_eq!(sample(None, None, Some(-5)).check(at(0), elsewhere), Err(Denial::Revoked));
        assert_eq!(sample(None, Some(-5), None).check(at(0), elsewhere), Err(Denial::Disabled));
        assert_eq!(sample(Some(0), None, None).check(at(0), elsewhere), Err(Denial::Expired));
    }

    #[test]
    fn a_status_reads_in_json_as_everywhere_else() {
        use KeyStatus::{Active, Disabled, Expired, Revoked};
        for status in [Active, Disabled, Expired, Revoked] {
            let json = format!("\"{}\"", status.as_str());
            assert_eq!(serde_json::to_string(&status).unwrap(), json);
            assert_eq!(serde_json::from_str::<KeyStatus>(&json).unwrap(), status);
        }
    }

    #[test]
    fn an_owner_prints_its_id_and_knows_its_kind_of_key() {
        let (user, account) = (UserId::new(1, 2), ServiceAccountId::new(1, 2));
        assert_eq!(Owner::User(user).to_string(), user.to_string());
        assert_eq!(Owner::ServiceAccount(account).to_string(), account.to_string());
        assert_eq!(Owner::User(user).kind(), "user");
        assert_eq!(Owner::ServiceAccount(account).kind(), "service");
    }
}
