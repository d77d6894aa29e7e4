//! Keys that were put away stay for whoever reads the audit log. What it does not tell of any more is
//! deleted, with all that belongs to it; what was consumed stays, under the key's id.

use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::append_audit;
use crate::db::on;
use crate::{Act, Actor, Store, StoreError};

/// Keys in one transaction: others wait for it.
const BATCH: u64 = 100;

/// The oldest keys that were put away before then: the same ones all through a transaction.
macro_rules! forgotten {
    () => {
        "(SELECT id FROM api_keys WHERE organization_id = $1 AND swept_at_us < $2
          ORDER BY swept_at_us, id LIMIT $3)"
    };
}

/// What belongs to a key, then the key itself.
const DELETE: [&str; 5] = [
    concat!("DELETE FROM limit_increases WHERE organization_id = $1 AND key_id IN ", forgotten!()),
    concat!("DELETE FROM key_uses WHERE organization_id = $1 AND key_id IN ", forgotten!()),
    concat!("DELETE FROM key_origins WHERE organization_id = $1 AND key_id IN ", forgotten!()),
    concat!("DELETE FROM key_secrets WHERE organization_id = $1 AND key_id IN ", forgotten!()),
    concat!("DELETE FROM api_keys WHERE organization_id = $1 AND id IN ", forgotten!()),
];

impl Store {
    /// Deletes some of the keys that were put away before an instant, which is audited. `true`: there may
    /// be more.
    pub(crate) async fn forget_some_keys(
        &self,
        organization: OrganizationId,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let act = Act { organization, actor: Actor::System, at: self.clock.now() };
        let id = organization.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let mut deleted = 0;
            for sql in DELETE {
                let delete = sqlx::query(sql).bind(&id).bind(before.as_microsecond());
                deleted = delete.bind(BATCH.cast_signed()).execute(&mut *tx).await?.rows_affected();
            }
            if deleted > 0 {
                append_audit!(self, tx, act.entry("key.forget", &id, &json!({ "keys": deleted })));
                tx.commit().await?;
            }
            Ok(deleted == BATCH)
        })
    }
}
