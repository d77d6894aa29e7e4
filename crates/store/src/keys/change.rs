//! Making, editing and ending keys.

use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::key::{ApiKey, Life};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::row::StoredRights;
use super::{KeyEdit, NewKey};
use crate::audit::append_audit;
use crate::db::{json_text, on, taken};
use crate::store::random_bytes;
use crate::{Act, Store, StoreError};

const INSERT: &str = "
    INSERT INTO api_keys (id, organization_id, project_id, owner_kind, owner_id, name, description,
        tail, digest, pepper_version, rights, metadata, created_by, created_at_us, updated_at_us,
        expires_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15)";

/// Keys that count against a quota: active and disabled ones.
const COUNT: &str = "
    SELECT COUNT(*) FROM api_keys
    WHERE organization_id = $1 AND owner_id = $2 AND revoked_at_us IS NULL
      AND (expires_at_us IS NULL OR expires_at_us > $3)";

const EDIT: &str = "
    UPDATE api_keys SET description = $3, rights = $4, metadata = $5, expires_at_us = $6,
        updated_at_us = $7
    WHERE organization_id = $1 AND id = $2 AND updated_at_us = $8";

const DISABLE: &str = "
    UPDATE api_keys SET disabled_at_us = COALESCE(disabled_at_us, $3), updated_at_us = $4
    WHERE organization_id = $1 AND id = $2";

const ENABLE: &str = "
    UPDATE api_keys SET disabled_at_us = NULL, updated_at_us = $4
    WHERE organization_id = $1 AND id = $2 AND $3 > 0";

const REVOKE: &str = "
    UPDATE api_keys SET revoked_at_us = COALESCE(revoked_at_us, $3), updated_at_us = $4
    WHERE organization_id = $1 AND id = $2";

impl Store {
    /// Makes a key and audits it, in one transaction. Returns it and, this once, its clear text.
    /// [`StoreError::Taken`] with `name`; [`StoreError::InUse`] when the quota is reached.
    pub async fn create_key(
        &self,
        act: &Act,
        new: NewKey,
    ) -> Result<(ApiKey, PlainKey), StoreError> {
        let settings = self.settings(act.organization).await?;
        let plain = PlainKey::mint(&settings.key_prefix, random_bytes());
        let quota = new.quota;
        let key = new_key(act, new, &plain);
        let rights = StoredRights::text(&key.rights)?;
        let metadata = json_text("metadata", &key.metadata)?;
        let pepper = self.keyring.pepper();
        let digest = pepper.digest(&plain);
        let at_us = act.at.as_microsecond();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let organization = act.organization.to_string();
            sqlx::query(INSERT)
                .bind(key.id.as_str())
                .bind(&organization)
                .bind(key.project.to_string())
                .bind(key.owner.kind())
                .bind(key.owner.to_string())
                .bind(&key.name)
                .bind(&key.description)
                .bind(&key.tail)
                .bind(digest.as_bytes().as_slice())
                .bind(i64::from(pepper.version()))
                .bind(&rights)
                .bind(&metadata)
                .bind(key.created_by.to_string())
                .bind(at_us)
                .bind(key.rights.expires_at.map(Timestamp::as_microsecond))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            // Counted after the insert, inside the transaction that the audit row serializes.
            append_audit!(self, tx, act.entry("key.create", key.id.as_str(), &summary(&key)));
            let (count,): (i64,) = sqlx::query_as(COUNT)
                .bind(&organization)
                .bind(key.owner.to_string())
                .bind(at_us)
                .fetch_one(&mut *tx)
                .await?;
            if quota.is_some_and(|quota| count > i64::from(quota)) {
                return Err(StoreError::InUse(vec!["the quota of keys".to_owned()]));
            }
            tx.commit().await?;
        });
        self.calls.forget_key(&key.id);
        Ok((key, plain))
    }

    /// Edits a key and audits it. The data plane sees the change with its next call.
    pub async fn edit_key(
        &self,
        act: &Act,
        id: &KeyId,
        edit: KeyEdit,
    ) -> Result<ApiKey, StoreError> {
        let found = self.find_key(act.organization, id).await?;
        let mut key = found.ok_or(StoreError::Missing("key"))?.key;
        let read_at = key.life.updated_at;
        if edit.if_updated_at.is_some_and(|expected| expected != read_at) {
            return Err(StoreError::Stale);
        }
        key.description = edit.description.unwrap_or(key.description);
        key.rights = edit.rights.unwrap_or(key.rights);
        key.metadata = edit.metadata.unwrap_or(key.metadata);
        key.life.updated_at = after(read_at, act.at);
        let rights = StoredRights::text(&key.rights)?;
        let metadata = json_text("metadata", &key.metadata)?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(EDIT)
                .bind(act.organization.to_string())
                .bind(id.as_str())
                .bind(&key.description)
                .bind(&rights)
                .bind(&metadata)
                .bind(key.rights.expires_at.map(Timestamp::as_microsecond))
                .bind(key.life.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            append_audit!(self, tx, act.entry("key.edit", id.as_str(), &summary(&key)));
            tx.commit().await?;
        });
        self.calls.forget_key(id);
        Ok(key)
    }

    /// Switches a key off (`true`) or on again, and audits it. Doing it twice keeps the first instant.
    pub async fn set_key_disabled(
        &self,
        act: &Act,
        id: &KeyId,
        is_disabled: bool,
    ) -> Result<ApiKey, StoreError> {
        if is_disabled {
            self.change_life(act, id, (DISABLE, "key.disable")).await
        } else {
            self.change_life(act, id, (ENABLE, "key.enable")).await
        }
    }

    /// Ends a key for good and audits it. Doing it twice keeps the first instant. When this returns,
    /// the data plane of this process refuses the key and its open streams are ending.
    pub async fn revoke_key(&self, act: &Act, id: &KeyId) -> Result<ApiKey, StoreError> {
        self.change_life(act, id, (REVOKE, "key.revoke")).await
    }

    async fn change_life(
        &self,
        act: &Act,
        id: &KeyId,
        (sql, action): (&'static str, &'static str),
    ) -> Result<ApiKey, StoreError> {
        let found = self.find_key(act.organization, id).await?;
        let before = found.ok_or(StoreError::Missing("key"))?.key;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(sql)
                .bind(act.organization.to_string())
                .bind(id.as_str())
                .bind(act.at.as_microsecond())
                .bind(after(before.life.updated_at, act.at).as_microsecond())
                .execute(&mut *tx)
                .await?;
            append_audit!(
                self,
                tx,
                act.entry(action, id.as_str(), &json!({ "name": before.name }))
            );
            tx.commit().await?;
        });
        self.calls.forget_key(id);
        let changed = self.find_key(act.organization, id).await?;
        changed.map(|record| record.key).ok_or(StoreError::Missing("key"))
    }
}

/// Versions rise even where the clock stands still or runs backwards.
fn after(last: Timestamp, now: Timestamp) -> Timestamp {
    let next = last.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(last);
    now.max(next)
}

fn new_key(act: &Act, new: NewKey, plain: &PlainKey) -> ApiKey {
    let life = Life {
        created_at: act.at,
        disabled_at: None,
        revoked_at: None,
        rotated_at: None,
        updated_at: act.at,
    };
    ApiKey {
        id: plain.id(),
        tail: plain.tail(),
        organization: act.organization,
        project: new.project,
        owner: new.owner,
        name: new.name,
        description: new.description,
        rights: new.rights,
        life,
        created_by: new.created_by,
        metadata: new.metadata,
    }
}

/// What the audit log says about a key: its name and its rights, nothing of its secret.
fn summary(key: &ApiKey) -> Value {
    json!({
        "name": key.name,
        "owner": key.owner.to_string(),
        "project": key.project,
        "scopes": key.rights.scopes,
        "models": key.rights.models,
        "limits": key.rights.limits,
        "budgets": key.rights.budgets,
        "expires_at": key.rights.expires_at,
    })
}
