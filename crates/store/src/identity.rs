//! Who presents a key to the control plane.

use std::net::IpAddr;

use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::key::ApiKey;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::token::Claims;
use jiff::{SignedDuration, Timestamp};

use crate::db::on;
use crate::keys::{StoredCallKey, load_call_key};
use crate::usage::touch;
use crate::{Store, StoreError};

/// How exact the last use of a key on the management API is.
const TOUCH_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// Who presents a key to the control plane.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The key, whatever its status: [`ApiKey::check`] decides.
    pub key: ApiKey,
    /// Which of its secrets was presented.
    pub secret: SecretNumber,
    /// When that secret stops working. `None`: with the key.
    pub secret_ends_at: Option<Timestamp>,
    /// Whether the owner is active.
    pub owner_is_active: bool,
    /// The user's role; for a service key [`OrganizationRole::Member`] with its own keys only.
    pub user_role: OrganizationRole,
    /// The role that the key acts with at most, for somebody else has seen its secret. `None`: that of
    /// its user.
    pub role_max: Option<OrganizationRole>,
    /// When that secret was last used.
    pub last_used_at: Option<Timestamp>,
}

impl Identity {
    /// The role that the key acts with.
    pub fn role(&self) -> OrganizationRole {
        self.role_max.map_or(self.user_role, |max| self.user_role.lower(max))
    }

    fn new(stored: StoredCallKey, secret: SecretNumber) -> Self {
        Self {
            secret,
            secret_ends_at: stored.secrets.ends_at(secret),
            last_used_at: stored.secrets.last_used_at(secret),
            key: stored.key,
            owner_is_active: stored.owner_is_active,
            user_role: stored.user_role,
            role_max: stored.role_max,
        }
    }
}

impl Store {
    /// Finds who presents this key, checking its digest in constant time. `None`: nobody.
    /// Reads the database each time: an administrator's rights are never stale.
    pub async fn identify(&self, key: &PlainKey) -> Result<Option<Identity>, StoreError> {
        let Some(stored) = load_call_key(&self.db, &self.keyring, &key.id()).await? else {
            // A key that there is not takes as long as a wrong secret of one that there is.
            std::hint::black_box(self.keyring.pepper().digest(key));
            return Ok(None);
        };
        let secret = stored.secrets.find(key);
        Ok(secret.map(|secret| Identity::new(stored, secret)))
    }

    /// Who presents a token that was [checked](Self::check_token). `None`: the secret that asked for
    /// it is not there any more, or its key is not.
    pub async fn identify_token(&self, claims: &Claims) -> Result<Option<Identity>, StoreError> {
        let stored = load_call_key(&self.db, &self.keyring, &claims.key).await?;
        let stored = stored.filter(|stored| stored.secrets.has(claims.secret));
        Ok(stored.map(|stored| Identity::new(stored, claims.secret)))
    }

    /// Whom the newest secret of a key stands for, without its being presented: for what its owner may ask
    /// in its place. `None`: there is no such key, or it has no secret any more.
    pub async fn identify_newest(&self, key: &KeyId) -> Result<Option<Identity>, StoreError> {
        let Some(stored) = load_call_key(&self.db, &self.keyring, key).await? else {
            return Ok(None);
        };
        let newest = stored.secrets.newest();
        Ok(newest.map(|secret| Identity::new(stored, secret)))
    }

    /// Notes that a key was used on the management API now, at most once a minute: scripts that ask
    /// all the time must not make each of their requests a write.
    pub async fn touch_key(&self, identity: &Identity, address: IpAddr) -> Result<(), StoreError> {
        let (key, now) = (&identity.key, self.clock.now());
        let is_fresh = |last: Timestamp| now.duration_since(last) < TOUCH_INTERVAL;
        if identity.last_used_at.is_some_and(is_fresh) {
            return Ok(());
        }
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            touch!(tx, key.organization, key.id, identity.secret, now.as_microsecond(), address);
            tx.commit().await?;
        });
        Ok(())
    }
}
