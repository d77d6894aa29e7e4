//! Settings of an organization: what is stored for it, else what the program was started with.

use doorward_domain::credential::KeyPrefix;
use doorward_domain::id::OrganizationId;
use doorward_domain::lifetime::TTL_MINUTES_DEFAULT;

use crate::db::on;
use crate::{Store, StoreError};

const KEY_PREFIX_DEFAULT: &str = "dw";

/// How long keys may live and how many an owner may have, in organizations for which nothing else is
/// stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCaps {
    /// No key lives longer. 0: no cap.
    pub ttl_minutes_max: u64,
    /// Active and disabled keys of one user or service account.
    pub per_user_max: u32,
}

impl KeyCaps {
    /// 90 days and 20 keys.
    pub const STANDARD: Self = Self { ttl_minutes_max: TTL_MINUTES_DEFAULT, per_user_max: 20 };
}

/// The settings of an organization. Stored by name; what is not stored has its default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth-token-max-ttl-minutes`: no key lives longer. 0: no cap.
    pub ttl_minutes_max: u64,
    /// `keys-per-user-max`: active and disabled keys of one user or service account.
    pub keys_per_user_max: u32,
    /// `key-prefix`: the brand of new keys. Default `dw`.
    pub key_prefix: KeyPrefix,
}

/// A stored value, or the default where none is stored.
fn setting<T: std::str::FromStr>(
    rows: &[(String, String)],
    name: &str,
    default: &str,
) -> Result<T, StoreError> {
    let stored = rows.iter().find(|(stored, _)| stored == name).map(|(_, value)| value.as_str());
    let value = stored.unwrap_or(default).parse();
    value.map_err(|_| StoreError::Corrupt(format!("setting {name}")))
}

impl Store {
    /// The settings as they are now.
    pub async fn settings(&self, organization: OrganizationId) -> Result<Settings, StoreError> {
        const SQL: &str = "SELECT name, value FROM settings WHERE organization_id = $1";
        let rows: Vec<(String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(organization.to_string()).fetch_all(pool).await?
        });
        let caps = self.key_caps;
        Ok(Settings {
            ttl_minutes_max: setting(
                &rows,
                "auth-token-max-ttl-minutes",
                &caps.ttl_minutes_max.to_string(),
            )?,
            keys_per_user_max: setting(&rows, "keys-per-user-max", &caps.per_user_max.to_string())?,
            key_prefix: setting(&rows, "key-prefix", KEY_PREFIX_DEFAULT)?,
        })
    }
}
