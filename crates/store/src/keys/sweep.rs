//! What is over is put away: ended keys leave the lists, and secrets that work no longer leave the
//! database. The rows stay as long as the audit log, for whoever reads it.

use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use serde_json::json;

use crate::audit::append_audit;
use crate::db::{on, parsed};
use crate::{Act, Actor, Store, StoreError};

/// Keys in one transaction: others wait for it.
const BATCH: i64 = 100;

/// What one [`sweep`](Store::sweep_keys) put away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Keys that had expired or were revoked.
    pub keys: u64,
    /// Secrets that a rotation had replaced and whose overlap was over.
    pub secrets: u64,
}

/// Keys that are over and in the lists still.
const ENDED: &str = "
    SELECT organization_id, id FROM api_keys
    WHERE swept_at_us IS NULL AND (revoked_at_us IS NOT NULL OR expires_at_us <= $1)
    ORDER BY id LIMIT $2";

/// Looked at again: a key may have been rotated, and live on, since it was found.
const SWEEP: &str = "
    UPDATE api_keys SET swept_at_us = $3
    WHERE organization_id = $1 AND id = $2 AND swept_at_us IS NULL
      AND (revoked_at_us IS NOT NULL OR expires_at_us <= $3)
    RETURNING name";

/// Secrets that are over although their keys are not.
const REPLACED: &str = "
    SELECT organization_id, key_id FROM key_secrets
    WHERE digest IS NOT NULL AND ends_at_us <= $1
    GROUP BY organization_id, key_id ORDER BY key_id LIMIT $2";

const DROP_ALL: &str = "
    UPDATE key_secrets SET digest = NULL
    WHERE organization_id = $1 AND key_id = $2 AND digest IS NOT NULL";

const DROP_REPLACED: &str = "
    UPDATE key_secrets SET digest = NULL
    WHERE organization_id = $1 AND key_id = $2 AND digest IS NOT NULL AND ends_at_us <= $3";

impl Store {
    /// Puts everything away that is over now. Each key and each rotation is audited.
    pub async fn sweep_keys(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        while let found @ 1.. = self.sweep_ended().await? {
            swept.keys += found;
        }
        while let found @ 1.. = self.sweep_replaced().await? {
            swept.secrets += found;
        }
        Ok(swept)
    }

    async fn over(&self, sql: &'static str) -> Result<Vec<(Act, KeyId)>, StoreError> {
        let at = self.clock.now();
        let rows: Vec<(String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(sql).bind(at.as_microsecond()).bind(BATCH).fetch_all(pool).await?
        });
        let parse = |(organization, id): (String, String)| {
            let organization: OrganizationId = parsed("organization", &organization)?;
            Ok((Act { organization, actor: Actor::System, at }, parsed("key", &id)?))
        };
        rows.into_iter().map(parse).collect()
    }

    /// One batch of ended keys; how many there were.
    async fn sweep_ended(&self) -> Result<u64, StoreError> {
        let mut swept = 0;
        for (act, id) in self.over(ENDED).await? {
            swept += u64::from(self.put_away(&act, &id).await?);
            self.calls.forget_key(&id);
        }
        Ok(swept)
    }

    async fn put_away(&self, act: &Act, id: &KeyId) -> Result<bool, StoreError> {
        let (organization, at_us) = (act.organization.to_string(), act.at.as_microsecond());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let ended: Option<(String,)> = sqlx::query_as(SWEEP)
                .bind(&organization)
                .bind(id.as_str())
                .bind(at_us)
                .fetch_optional(&mut *tx)
                .await?;
            let Some((name,)) = ended else { return Ok(false) };
            sqlx::query(DROP_ALL).bind(&organization).bind(id.as_str()).execute(&mut *tx).await?;
            append_audit!(self, tx, act.entry("key.sweep", id.as_str(), &json!({ "name": name })));
            tx.commit().await?;
        });
        Ok(true)
    }

    /// One batch of keys with secrets whose overlap is over; how many secrets there were.
    async fn sweep_replaced(&self) -> Result<u64, StoreError> {
        let mut swept = 0;
        for (act, id) in self.over(REPLACED).await? {
            swept += self.drop_replaced(&act, &id).await?;
            self.calls.forget_key(&id);
        }
        Ok(swept)
    }

    async fn drop_replaced(&self, act: &Act, id: &KeyId) -> Result<u64, StoreError> {
        let dropped = on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(DROP_REPLACED)
                .bind(act.organization.to_string())
                .bind(id.as_str())
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            let detail = json!({ "secrets": done.rows_affected() });
            append_audit!(self, tx, act.entry("key.sweep_secrets", id.as_str(), &detail));
            tx.commit().await?;
            done.rows_affected()
        });
        Ok(dropped)
    }
}
