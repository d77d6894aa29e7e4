//! Forgetting what is kept no longer.

use doorward_domain::id::OrganizationId;
use doorward_domain::prompts::PromptPolicy;
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::db::{on, parsed_json};
use crate::retention::{DELETED_MAX, pause};
use crate::row::row;
use crate::{Act, Actor, Store, StoreError};

row! {
    struct KeepingRow {
        id: String,
        prompts: Option<String>,
        removed_at_us: Option<i64>,
    }
}

impl KeepingRow {
    /// For how many days the project keeps prompts. `None`: it does not.
    fn kept_days(&self) -> Result<Option<u16>, StoreError> {
        let kept = self.prompts.as_deref().filter(|_| self.removed_at_us.is_none());
        let policy = kept.map(|text| parsed_json::<PromptPolicy>("prompts", text)).transpose()?;
        Ok(policy.map(|policy| policy.retention_days.get()))
    }
}

impl Store {
    /// Forgets what the projects of an organization keep no longer: what is older than each of them says now,
    /// and all of those that keep nothing any more or are gone. Returns how many it were.
    pub(crate) async fn forget_prompts(
        &self,
        organization: OrganizationId,
        shutdown: &CancellationToken,
    ) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for project in self.projects_with_prompts(organization).await? {
            let before = match project.kept_days()? {
                Some(days) => self.days_ago(days),
                None => Some(Timestamp::MAX),
            };
            let Some(before) = before else { continue };
            let (gone, done) =
                self.forget_before(organization, &project.id, before, shutdown).await;
            if gone > 0 {
                let act = Act { organization, actor: Actor::System, at: self.clock.now() };
                let detail = json!({ "prompts": gone });
                self.record(&act, "prompt.sweep", &project.id, detail).await?;
            }
            done?;
            forgotten += gone;
        }
        Ok(forgotten)
    }

    async fn projects_with_prompts(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<KeepingRow>, StoreError> {
        const SQL: &str = "
            SELECT id, prompts, removed_at_us FROM projects
            WHERE organization_id = $1 AND EXISTS
                (SELECT 1 FROM prompts
                 WHERE prompts.organization_id = projects.organization_id
                   AND prompts.project_id = projects.id)";
        Ok(on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(organization.to_string()).fetch_all(pool).await?
        }))
    }

    /// In small statements with a pause after each, in which others write; how many there were in any case.
    async fn forget_before(
        &self,
        organization: OrganizationId,
        project: &str,
        before: Timestamp,
        shutdown: &CancellationToken,
    ) -> (u64, Result<(), StoreError>) {
        let mut forgotten = 0;
        while !shutdown.is_cancelled() {
            match self.forget_some_prompts(organization, project, before).await {
                Ok(some) => {
                    forgotten += some;
                    if some < DELETED_MAX.unsigned_abs() {
                        break;
                    }
                }
                Err(error) => return (forgotten, Err(error)),
            }
            pause(shutdown).await;
        }
        (forgotten, Ok(()))
    }

    async fn forget_some_prompts(
        &self,
        organization: OrganizationId,
        project: &str,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM prompts WHERE call_id IN
                (SELECT call_id FROM prompts
                 WHERE organization_id = $1 AND project_id = $2 AND created_at_us < $3
                 ORDER BY created_at_us LIMIT $4)";
        Ok(on!(self.db.write, |pool| {
            sqlx::query(SQL)
                .bind(organization.to_string())
                .bind(project)
                .bind(before.as_microsecond())
                .bind(DELETED_MAX)
                .execute(pool)
                .await?
                .rows_affected()
        }))
    }
}
