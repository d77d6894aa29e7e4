//! From which web pages keys may be used, to be found by the page.

use std::time::Duration;

use doorward_domain::origin::Origin;

use crate::db::on;
use crate::{Store, StoreError};

pub(crate) const DELETE: &str =
    "DELETE FROM key_origins WHERE organization_id = $1 AND key_id = $2";
pub(crate) const INSERT: &str =
    "INSERT INTO key_origins (organization_id, key_id, origin) VALUES ($1, $2, $3)";

/// Across organizations: whoever asks has shown no key yet.
const FIND: &str = "
    SELECT 1 FROM key_origins o
    JOIN api_keys k ON k.id = o.key_id AND k.organization_id = o.organization_id
    WHERE o.origin = $1 AND k.revoked_at_us IS NULL AND k.disabled_at_us IS NULL
      AND (k.expires_at_us IS NULL OR k.expires_at_us > $2)
    LIMIT 1";

/// The longest wait for an answer, the wait for those before it included.
const WAIT: Duration = Duration::from_secs(2);

/// Writes the origins of a key in place of those before, inside an open transaction of either engine.
/// `?` acts on the caller.
macro_rules! write_origins {
    ($tx:ident, $organization:expr, $key:expr) => {{
        sqlx::query($crate::keys::origins::DELETE)
            .bind($organization)
            .bind($key.id.as_str())
            .execute(&mut *$tx)
            .await?;
        let origins = $key.rights.allowed_origins.as_ref().map(|origins| origins.as_slice());
        for origin in origins.unwrap_or_default() {
            sqlx::query($crate::keys::origins::INSERT)
                .bind($organization)
                .bind($key.id.as_str())
                .bind(origin.as_str())
                .execute(&mut *$tx)
                .await?;
        }
    }};
}
pub(crate) use write_origins;

impl Store {
    /// Whether any key that is active now may be used from a page of this origin. Anybody can ask, so
    /// one question is asked of the database at a time: a flood of them keeps no key from being found.
    pub async fn is_origin_allowed(&self, origin: &Origin) -> Result<bool, StoreError> {
        let asking = async {
            let _one_at_a_time = self.asking_origin.lock().await;
            self.find_origin(origin).await
        };
        let asked = tokio::time::timeout(WAIT, asking).await;
        asked.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
    }

    async fn find_origin(&self, origin: &Origin) -> Result<bool, StoreError> {
        let found: Option<(i32,)> = on!(self.db.read, |pool| {
            sqlx::query_as(FIND)
                .bind(origin.as_str())
                .bind(self.clock.now().as_microsecond())
                .fetch_optional(pool)
                .await?
        });
        Ok(found.is_some())
    }
}
