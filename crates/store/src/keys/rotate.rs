//! Giving a key a new secret, and ending the old ones.

use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::key::ApiKey;
use doorward_domain::rotation::{Overlap, SECRETS_MAX, SecretNumber};
use jiff::Timestamp;
use serde_json::json;

use super::role_max::bound_role;
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{next_version, on, set_next_version};
use crate::store::random_bytes;
use crate::{Act, Store, StoreError};

/// What becomes of a key at its rotation.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long the secrets before the new one still work.
    pub overlap: Overlap,
    /// When the key ends. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Only if it was last edited at this instant; else [`StoreError::Stale`].
    pub if_updated_at: Option<Timestamp>,
}

/// Adds a secret to a key, inside an open transaction of either engine. `?` acts on the caller.
macro_rules! insert_secret {
    ($store:ident, $tx:ident, $organization:expr, $plain:expr, $number:expr, $at_us:expr) => {{
        let pepper = $store.keyring.pepper();
        sqlx::query($crate::keys::rotate::INSERT_SECRET)
            .bind($organization)
            .bind($plain.id().as_str())
            .bind(i64::from($number.0))
            .bind($plain.tail())
            .bind(pepper.digest($plain).as_bytes().as_slice())
            .bind(i64::from(pepper.version()))
            .bind($at_us)
            .execute(&mut *$tx)
            .await?;
    }};
}
pub(super) use insert_secret;

pub(super) const INSERT_SECRET: &str = "
    INSERT INTO key_secrets
        (organization_id, key_id, number, tail, digest, pepper_version, created_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const ROTATE: &str = "
    UPDATE api_keys SET tail = $3, expires_at_us = $4, rotated_at_us = $5, updated_at_us = $6,
        noticed_until_us = CASE WHEN expires_at_us IS DISTINCT FROM $4 THEN $5
                                ELSE noticed_until_us END
    WHERE organization_id = $1 AND id = $2 AND updated_at_us = $7 AND revoked_at_us IS NULL
      AND swept_at_us IS NULL";

/// The newest secret, and how many there are that will still work.
const COUNT: &str = "
    SELECT MAX(number), COUNT(CASE WHEN ends_at_us IS NULL OR ends_at_us > $3 THEN 1 END)
    FROM key_secrets WHERE organization_id = $1 AND key_id = $2";

/// What is over already, or ends sooner, stays as it is.
const END_SECRETS: &str = "
    UPDATE key_secrets SET ends_at_us = $3
    WHERE organization_id = $1 AND key_id = $2 AND (ends_at_us IS NULL OR ends_at_us > $3)";

/// A secret that is over is told to be that, instead of wrong, until it is put away. Whoever rotates all
/// the time has but so many of them.
const TOLD_MAX: i64 = 8;
const DROP_OLD: &str = "
    UPDATE key_secrets SET digest = NULL
    WHERE organization_id = $1 AND key_id = $2 AND digest IS NOT NULL AND ends_at_us <= $3
      AND number < $4";

/// The same for all but the newest.
const END_PREVIOUS: &str = "
    UPDATE key_secrets SET ends_at_us = $3
    WHERE organization_id = $1 AND key_id = $2 AND ends_at_us > $3";

/// Gives a key in an overlap a new version, so that no act goes on that an old secret has begun.
const TOUCH_VERSION: &str = concat!(
    "UPDATE api_keys SET ",
    set_next_version!("$3"),
    " WHERE organization_id = $1 AND id = $2 AND revoked_at_us IS NULL
      AND EXISTS (SELECT 1 FROM key_secrets s
                  WHERE s.organization_id = $1 AND s.key_id = $2 AND s.ends_at_us > $3)"
);

impl Store {
    /// Gives a key a new secret, and audits it. Returns the key and, this once, its clear text.
    /// [`StoreError::Missing`] for a key that is revoked; [`StoreError::TooManySecrets`] when as many
    /// as may work at once still would.
    pub async fn rotate_key(
        &self,
        act: &Act,
        id: &KeyId,
        rotation: Rotation,
    ) -> Result<(ApiKey, PlainKey), StoreError> {
        let rotated = self.replace_secret(act, id, rotation).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_key(id);
        rotated
    }

    async fn replace_secret(
        &self,
        act: &Act,
        id: &KeyId,
        rotation: Rotation,
    ) -> Result<(ApiKey, PlainKey), StoreError> {
        let found = self.stored_key(act.organization, id).await?;
        let living = found.filter(|key| key.life.revoked_at.is_none());
        let mut key = living.ok_or(StoreError::Missing("key"))?;
        let read_at = key.life.updated_at;
        if rotation.if_updated_at.is_some_and(|expected| whole_us(expected) != read_at) {
            return Err(StoreError::Stale);
        }
        let plain = PlainKey::mint_secret(*id, random_bytes());
        let now = whole_us(act.at);
        let ends_at = rotation.overlap.ends_at(now);
        key.tail = plain.tail();
        key.rights.expires_at = rotation.expires_at.map(whole_us);
        key.life.rotated_at = Some(now);
        key.life.updated_at = next_version(read_at, now);
        let organization = act.organization.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let (newest, working): (i64, i64) = sqlx::query_as(COUNT)
                .bind(&organization)
                .bind(id.as_str())
                .bind(now.as_microsecond())
                .fetch_one(&mut *tx)
                .await?;
            if !rotation.overlap.is_none() && working >= i64::from(SECRETS_MAX) {
                return Err(StoreError::TooManySecrets);
            }
            let number = SecretNumber(u32::try_from(newest).unwrap_or_default()).next();
            let detail = json!({
                "name": key.name,
                "secret": number.0,
                "previous_end_at": ends_at.to_string(),
                "expires_at": key.rights.expires_at.map(|at| at.to_string()),
            });
            // First: a key that rotates itself is another afterwards.
            append_audit!(self, tx, act.entry("key.rotate", id.as_str(), &detail));
            let done = sqlx::query(ROTATE)
                .bind(&organization)
                .bind(id.as_str())
                .bind(&key.tail)
                .bind(key.rights.expires_at.map(Timestamp::as_microsecond))
                .bind(now.as_microsecond())
                .bind(key.life.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            sqlx::query(END_SECRETS)
                .bind(&organization)
                .bind(id.as_str())
                .bind(ends_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            sqlx::query(DROP_OLD)
                .bind(&organization)
                .bind(id.as_str())
                .bind(now.as_microsecond())
                .bind(i64::from(number.0) - TOLD_MAX)
                .execute(&mut *tx)
                .await?;
            insert_secret!(self, tx, &organization, &plain, number, now.as_microsecond());
            bound_role!(tx, act, &key, rotation.overlap.is_none());
            tx.commit().await?;
        });
        Ok((key, plain))
    }

    /// Ends the overlap of a rotation now: only the newest secret of the key still works, and streams
    /// that were opened with another are ending. Audited, unless there was nothing to end.
    pub async fn end_previous_secrets(&self, act: &Act, id: &KeyId) -> Result<(), StoreError> {
        let done = self.cut_overlap(act, id).await;
        self.calls.forget_key(id);
        done
    }

    async fn cut_overlap(&self, act: &Act, id: &KeyId) -> Result<(), StoreError> {
        let (organization, at_us) = (act.organization.to_string(), act.at.as_microsecond());
        let found = self.stored_key(act.organization, id).await?;
        let detail = json!({ "name": found.ok_or(StoreError::Missing("key"))?.name });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("key.end_overlap", id.as_str(), &detail));
            let done = sqlx::query(TOUCH_VERSION)
                .bind(&organization)
                .bind(id.as_str())
                .bind(at_us)
                .execute(&mut *tx)
                .await?;
            // There is nothing to end: the row of the audit log goes back with the transaction.
            if done.rows_affected() > 0 {
                sqlx::query(END_PREVIOUS)
                    .bind(&organization)
                    .bind(id.as_str())
                    .bind(at_us)
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
            }
        });
        Ok(())
    }
}
