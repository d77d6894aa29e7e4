//! Increases that nobody will decide on any more, and those that are long over.

use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::IncreaseState;
use jiff::{SignedDuration, Timestamp};

use crate::db::{on, parsed};
use crate::{Act, Actor, Store, StoreError};

/// Open ones that are looked at together.
const BATCH: i64 = 100;
/// How long one that is over stays to be seen.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Rows that are deleted in one statement.
const DELETED_MAX: i64 = 1_000;

/// Open ones whose keys have ended.
const LAPSED: &str = "
    SELECT i.organization_id, i.id FROM limit_increases i
    JOIN api_keys k ON k.organization_id = i.organization_id AND k.id = i.key_id
    WHERE i.state = 'open' AND (k.revoked_at_us IS NOT NULL OR k.expires_at_us <= $1)
    ORDER BY i.id LIMIT $2";

/// One that still raises its key's limits is not over.
const DELETE: &str = "
    DELETE FROM limit_increases WHERE id IN
        (SELECT id FROM limit_increases
         WHERE state <> 'open' AND decided_at_us < $1 AND (ends_at_us IS NULL OR ends_at_us < $1)
         LIMIT $2)";

impl Store {
    /// Ends those whose keys have ended, which is audited, and deletes those that are long over. Returns
    /// how many have lapsed.
    pub async fn sweep_increases(&self) -> Result<u64, StoreError> {
        let mut lapsed = 0;
        while let found @ 1.. = self.lapse().await? {
            lapsed += found;
        }
        let before = self.clock.now().checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        on!(self.db.write, |pool| {
            sqlx::query(DELETE)
                .bind(before.as_microsecond())
                .bind(DELETED_MAX)
                .execute(pool)
                .await?;
        });
        Ok(lapsed)
    }

    /// One batch; how many there were.
    async fn lapse(&self) -> Result<u64, StoreError> {
        let at = self.clock.now();
        let rows: Vec<(String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(LAPSED).bind(at.as_microsecond()).bind(BATCH).fetch_all(pool).await?
        });
        let mut lapsed = 0;
        for (organization, id) in rows {
            let organization: OrganizationId = parsed("organization", &organization)?;
            let id: IncreaseId = parsed("limit increase", &id)?;
            let found = self.increase(organization, id).await?;
            let act = Act { organization, actor: Actor::System, at };
            let closing = (IncreaseState::Lapsed, String::new(), Vec::new());
            match self.end_asking(&act, &found, closing).await {
                Ok(_) => lapsed += 1,
                // Somebody decided in between.
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lapsed)
    }
}
