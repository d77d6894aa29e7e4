//! Settings that an administrator changes at run time, one set per organization.

use doorward_domain::credential::KeyPrefix;
use doorward_domain::id::OrganizationId;

use crate::{Store, StoreError};

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

impl Store {
    /// The settings as they are now.
    pub async fn settings(&self, organization: OrganizationId) -> Result<Settings, StoreError> {
        todo!()
    }
}
