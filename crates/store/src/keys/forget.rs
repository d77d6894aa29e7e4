//! Keys that were put away stay for whoever reads the audit log, and for reports that name them. When
//! neither tells of them any more they are deleted, with all that belongs to them.

use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::append_audit;
use crate::db::on;
use crate::{Act, Actor, Store, StoreError};

/// Keys in one transaction: others wait for it.
const BATCH: i64 = 100;

/// The oldest keys that are over and were put away before `$2`, of which no entry of the audit log and
/// no sum of calls is left: those before `$3` are deleted.
const OVER: &str = "
    SELECT id FROM api_keys
    WHERE organization_id = $1 AND swept_at_us < $2
      AND (revoked_at_us IS NOT NULL OR expires_at_us < $2)
      AND (last_used_at_us IS NULL OR last_used_at_us < $3)
      AND swept_at_us < COALESCE((SELECT at_us FROM audit_entries WHERE organization_id = $1
                                  ORDER BY sequence LIMIT 1), $2)
    ORDER BY swept_at_us, id LIMIT $4";

/// What belongs to a key, then the key itself.
const DELETE: [&str; 6] = [
    "DELETE FROM limit_increases WHERE organization_id = $1 AND key_id = $2",
    "DELETE FROM key_denials WHERE organization_id = $1 AND key_id = $2",
    "DELETE FROM key_uses WHERE organization_id = $1 AND key_id = $2",
    "DELETE FROM key_origins WHERE organization_id = $1 AND key_id = $2",
    "DELETE FROM key_secrets WHERE organization_id = $1 AND key_id = $2",
    "DELETE FROM api_keys WHERE organization_id = $1 AND id = $2",
];

/// Since when an organization keeps what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptFrom {
    /// Entries of the audit log.
    pub(crate) audit: Timestamp,
    /// Sums of calls. `None`: all are kept, so that no key goes that was ever used.
    pub(crate) calls: Option<Timestamp>,
}

impl Store {
    /// Deletes some of the keys of which nothing is kept, which is audited by their ids; how many, and
    /// whether there may be more.
    pub(crate) async fn forget_some_keys(
        &self,
        organization: OrganizationId,
        kept: KeptFrom,
    ) -> Result<(u64, bool), StoreError> {
        let id = organization.to_string();
        let calls = kept.calls.unwrap_or(Timestamp::MIN).as_microsecond();
        let over: Vec<(String,)> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(OVER).bind(&id).bind(kept.audit.as_microsecond());
            query.bind(calls).bind(BATCH).fetch_all(pool).await?
        });
        if over.is_empty() {
            return Ok((0, false));
        }
        let keys: Vec<&str> = over.iter().map(|(key,)| key.as_str()).collect();
        let act = Act { organization, actor: Actor::System, at: self.clock.now() };
        let detail = json!({ "keys": keys, "before": kept.audit });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("key.forget", &id, &detail));
            for key in &keys {
                for sql in DELETE {
                    sqlx::query(sql).bind(&id).bind(*key).execute(&mut *tx).await?;
                }
            }
            tx.commit().await?;
        });
        Ok((keys.len() as u64, keys.len() as u64 == BATCH.unsigned_abs()))
    }
}
