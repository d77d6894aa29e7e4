//! Increases that nobody will decide on any more.

use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::IncreaseState;

use crate::db::{on, parsed};
use crate::{Act, Actor, Store, StoreError};

/// Open ones that are looked at together.
const BATCH: i64 = 100;
/// Open ones whose keys have ended.
const LAPSED: &str = "
    SELECT i.organization_id, i.id FROM limit_increases i
    JOIN api_keys k ON k.organization_id = i.organization_id AND k.id = i.key_id
    WHERE i.state = 'open' AND (k.revoked_at_us IS NOT NULL OR k.expires_at_us <= $1)
    ORDER BY i.id LIMIT $2";

impl Store {
    /// Ends those whose keys have ended, which is audited; how many there were.
    pub async fn sweep_increases(&self) -> Result<u64, StoreError> {
        let mut lapsed = 0;
        while let found @ 1.. = self.lapse().await? {
            lapsed += found;
        }
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
