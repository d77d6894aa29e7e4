//! The secrets of a key: one, and for a while after a rotation those before it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use doorward_domain::credential::{KeyDigest, KeyId, Pepper, PlainKey};
use doorward_domain::denial::Denial;
use doorward_domain::id::OrganizationId;
use doorward_domain::rotation::{KeySecret, SecretNumber};
use jiff::{SignedDuration, Timestamp};

use crate::db::{on, parsed, timestamp};
use crate::keyring::Keyring;
use crate::row::row;
use crate::{Store, StoreError};

/// What tells that a presented secret is one of a key's.
#[derive(Debug)]
pub(crate) struct Secrets(Vec<Secret>);

#[derive(Debug)]
struct Secret {
    number: SecretNumber,
    digest: KeyDigest,
    pepper: Pepper,
    /// `None`: it ends with its key.
    ends_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    /// When its use elsewhere was last noted, in microseconds.
    noted_us: AtomicI64,
}

/// A secret as it is stored; `digest` is there until it is dropped.
pub(super) struct StoredSecret {
    pub(super) number: i64,
    pub(super) digest: Vec<u8>,
    pub(super) pepper_version: i64,
    pub(super) ends_at_us: Option<i64>,
    pub(super) last_used_at_us: Option<i64>,
}

impl Secrets {
    pub(super) fn new(stored: Vec<StoredSecret>, keyring: &Keyring) -> Result<Self, StoreError> {
        let secrets = stored.into_iter().map(|secret| secret.parse(keyring));
        secrets.collect::<Result<_, _>>().map(Self)
    }

    /// Which of them was presented; each is compared in constant time.
    pub(crate) fn find(&self, presented: &PlainKey) -> Option<SecretNumber> {
        let is_it = |secret: &&Secret| secret.pepper.digest(presented).matches(&secret.digest);
        self.0.iter().find(is_it).map(|secret| secret.number)
    }

    /// The one that was made last.
    pub(crate) fn newest(&self) -> Option<SecretNumber> {
        self.0.iter().map(|secret| secret.number).max()
    }

    /// Whether a secret is there still, be it over or not.
    pub(crate) fn has(&self, number: SecretNumber) -> bool {
        self.0.iter().any(|secret| secret.number == number)
    }

    /// When a secret ends by itself. `None`: with its key.
    pub(crate) fn ends_at(&self, number: SecretNumber) -> Option<Timestamp> {
        self.0.iter().find(|secret| secret.number == number)?.ends_at
    }

    /// When a secret was last used, as the database knew when it was loaded.
    pub(crate) fn last_used_at(&self, number: SecretNumber) -> Option<Timestamp> {
        self.0.iter().find(|secret| secret.number == number)?.last_used_at
    }

    /// Whether its use now is the first one for so long that is to be noted. Only one of several at
    /// the same time is.
    pub(crate) fn is_first_use(
        &self,
        number: SecretNumber,
        now: Timestamp,
        interval: SignedDuration,
    ) -> bool {
        let Some(secret) = self.0.iter().find(|secret| secret.number == number) else {
            return false;
        };
        let (noted_us, now_us) = (secret.noted_us.load(Ordering::Relaxed), now.as_microsecond());
        let is_over = i128::from(now_us) - i128::from(noted_us) >= interval.as_micros();
        let swap = |old| {
            secret.noted_us.compare_exchange(old, now_us, Ordering::Relaxed, Ordering::Relaxed)
        };
        is_over && swap(noted_us).is_ok()
    }

    /// Whether a secret still works. One that is not there any more was replaced long ago.
    pub(crate) fn check(&self, number: SecretNumber, now: Timestamp) -> Result<(), Denial> {
        let works = |secret: &Secret| secret.number == number && !is_over(secret.ends_at, now);
        if self.0.iter().any(works) { Ok(()) } else { Err(Denial::SecretReplaced) }
    }
}

fn is_over(ends_at: Option<Timestamp>, now: Timestamp) -> bool {
    ends_at.is_some_and(|at| at <= now)
}

impl StoredSecret {
    fn parse(self, keyring: &Keyring) -> Result<Secret, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
        let digest: [u8; 32] = self.digest.try_into().map_err(|_| corrupt("digest"))?;
        let version = u32::try_from(self.pepper_version).map_err(|_| corrupt("pepper"))?;
        Ok(Secret {
            number: number(self.number)?,
            digest: KeyDigest::from_bytes(digest),
            pepper: keyring.pepper_version(version).cloned().ok_or_else(|| corrupt("pepper"))?,
            ends_at: self.ends_at_us.map(timestamp).transpose()?,
            last_used_at: self.last_used_at_us.map(timestamp).transpose()?,
            noted_us: AtomicI64::new(self.last_used_at_us.unwrap_or(i64::MIN)),
        })
    }
}

fn number(stored: i64) -> Result<SecretNumber, StoreError> {
    let number = u32::try_from(stored);
    number.map(SecretNumber).map_err(|_| StoreError::Corrupt("number of a secret".to_owned()))
}

row! {
    struct SecretRow {
        key_id: String,
        number: i64,
        tail: String,
        created_at_us: i64,
        ends_at_us: Option<i64>,
        last_used_at_us: Option<i64>,
        last_used_address: Option<String>,
    }
}

impl SecretRow {
    fn parse(self) -> Result<(KeyId, KeySecret), StoreError> {
        let secret = KeySecret {
            number: number(self.number)?,
            tail: self.tail,
            created_at: timestamp(self.created_at_us)?,
            ends_at: self.ends_at_us.map(timestamp).transpose()?,
            last_used_at: self.last_used_at_us.map(timestamp).transpose()?,
            last_used_address: self.last_used_address.and_then(|text| text.parse().ok()),
        };
        Ok((parsed("key", &self.key_id)?, secret))
    }
}

impl Store {
    /// The secrets of some keys that were replaced and still work at `now`, newest first.
    pub(super) async fn previous_secrets_of(
        &self,
        organization: OrganizationId,
        keys: &[KeyId],
        now: Timestamp,
    ) -> Result<HashMap<KeyId, Vec<KeySecret>>, StoreError> {
        const SQL: &str = "
            SELECT key_id, number, tail, created_at_us, ends_at_us, last_used_at_us,
                last_used_address
            FROM key_secrets WHERE organization_id = ";
        let mut secrets: HashMap<KeyId, Vec<KeySecret>> = HashMap::new();
        if keys.is_empty() {
            return Ok(secrets);
        }
        let rows: Vec<SecretRow> = on!(self.db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(SQL);
            query.push_bind(organization.to_string());
            query.push(" AND ends_at_us > ").push_bind(now.as_microsecond());
            query.push(" AND key_id IN (");
            let mut ids = query.separated(", ");
            for key in keys {
                ids.push_bind(key.to_string());
            }
            query.push(") ORDER BY key_id, number DESC");
            query.build_query_as().fetch_all(pool).await?
        });
        for row in rows {
            let (key, secret) = row.parse()?;
            secrets.entry(key).or_default().push(secret);
        }
        Ok(secrets)
    }
}
