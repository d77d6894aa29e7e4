//! Settings that an administrator changes at run time, one set per organization.

use doorward_domain::credential::KeyPrefix;
use doorward_domain::id::OrganizationId;
use doorward_domain::lifetime::TTL_MINUTES_DEFAULT;

use crate::db::on;
use crate::{Store, StoreError};

const KEYS_PER_USER_DEFAULT: u32 = 20;
const KEY_PREFIX_DEFAULT: &str = "dw";

/// The settings of an organization. Stored by name; what is not stored has its default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth-token-max-ttl-minutes`: no key lives longer. 0: no cap. Default 129 600 (90 days).
    pub ttl_minutes_max: u64,
    /// `keys-per-user-max`: active and disabled keys of one user. Default 20.
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
        Ok(Settings {
            ttl_minutes_max: setting(
                &rows,
                "auth-token-max-ttl-minutes",
                &TTL_MINUTES_DEFAULT.to_string(),
            )?,
            keys_per_user_max: setting(
                &rows,
                "keys-per-user-max",
                &KEYS_PER_USER_DEFAULT.to_string(),
            )?,
            key_prefix: setting(&rows, "key-prefix", KEY_PREFIX_DEFAULT)?,
        })
    }
}
