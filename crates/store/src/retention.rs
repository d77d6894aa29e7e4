//! How long records are kept: entries of the audit log, keys that are over, single calls and their hourly
//! sums, notices, decided limit increases, prompts.
//!
//! What is kept for so many days is put away by whole days of UTC: so there is something to do once a day,
//! and it is written down once. A sweep goes on until nothing old is left, however much a busy gateway has
//! written, in small statements with a pause after each, in which others write. What one that was
//! stopped has left over is the next one's.

use std::time::Duration;

use doorward_domain::id::OrganizationId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::audit::KeptSince;
use crate::db::{on, parsed};
use crate::keys::{DENIAL_DAYS, KeptFrom};
use crate::{Act, Actor, Store, StoreError};

/// How long notices and limit increases that are over stay to be seen, where the audit log is kept longer.
const SEEN_DAYS: u16 = 90;
const DAY_SECONDS: i64 = 86_400;
/// Rows that are deleted in one statement.
pub(crate) const DELETED_MAX: i64 = 1_000;
/// Between two statements. On SQLite there is one writer, and calls are written down by it too.
const PAUSE: Duration = Duration::from_millis(10);

const DELETE_EVENTS: &str = "
    DELETE FROM usage_events WHERE id IN
        (SELECT id FROM usage_events
         WHERE organization_id = $1 AND started_at_us < $2 ORDER BY started_at_us LIMIT $3)";
const DELETE_HOURS: &str = "
    DELETE FROM usage_hours
    WHERE (organization_id, hour_us, key_id, project_id, provider_id, model) IN
        (SELECT organization_id, hour_us, key_id, project_id, provider_id, model FROM usage_hours
         WHERE organization_id = $1 AND hour_us < $2 ORDER BY hour_us LIMIT $3)";
const DELETE_NOTICES: &str = "
    DELETE FROM notices WHERE id IN
        (SELECT id FROM notices
         WHERE organization_id = $1 AND state <> 'waiting' AND created_at_us < $2 LIMIT $3)";
/// One that still raises its key's limits is not over.
const DELETE_INCREASES: &str = "
    DELETE FROM limit_increases WHERE id IN
        (SELECT id FROM limit_increases
         WHERE organization_id = $1 AND state <> 'open' AND decided_at_us < $2
           AND (ends_at_us IS NULL OR ends_at_us < $2)
         LIMIT $3)";

const DELETE_DENIALS: &str = "
    DELETE FROM key_denials WHERE (key_id, code, day_us) IN
        (SELECT key_id, code, day_us FROM key_denials
         WHERE organization_id = $1 AND day_us < $2 LIMIT $3)";

/// One of all time is remembered, or it would be told again.
const DELETE_ALERTS: &str = "
    DELETE FROM budget_alerts WHERE (subject, period, period_start_us, unit, amount, percent) IN
        (SELECT subject, period, period_start_us, unit, amount, percent FROM budget_alerts
         WHERE organization_id = $1 AND period <> 'total' AND period_start_us < $2
           AND told_at_us IS NOT NULL
         LIMIT $3)";

/// What one [`sweep`](Store::sweep_old_records) deleted that is of interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Entries of the audit log.
    pub audit_entries: u64,
    /// Keys that were over.
    pub keys: u64,
    /// Calls.
    pub calls: u64,
    /// Hourly sums of calls.
    pub hours: u64,
    /// What was asked and answered in calls.
    pub prompts: u64,
}

impl Store {
    /// Deletes what is older than the organizations keep it, all of it.
    pub async fn sweep_old_records(&self) -> Result<Forgotten, StoreError> {
        self.sweep_old_records_until(&CancellationToken::new()).await
    }

    /// As [`sweep_old_records`](Self::sweep_old_records), but stops soon after `shutdown`.
    pub async fn sweep_old_records_until(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<Forgotten, StoreError> {
        let (mut forgotten, mut kept_since) = (Forgotten::default(), KeptSince::new());
        let mut kept = Vec::new();
        for organization in self.organization_ids().await? {
            if shutdown.is_cancelled() {
                return Ok(forgotten);
            }
            let kept_days = self.retention_settings(organization).await?;
            if let Some(before) = self.days_ago(kept_days.calls) {
                forgotten.calls += self.forget_calls(organization, before, shutdown).await?;
            }
            forgotten.prompts += self.forget_prompts(organization, shutdown).await?;
            let audit = self.days_ago(kept_days.audit);
            kept_since.extend(audit.map(|since| (organization.to_string(), since)));
            // Reports name the keys of the sums, which are kept at least as long as the calls.
            let calls = self.days_ago(kept_days.hours());
            if let Some(before) = calls {
                forgotten.hours += self.forget_hours(organization, before, shutdown).await?;
            }
            kept.extend(audit.map(|audit| (organization, KeptFrom { audit, calls })));
            let seen = self.days_ago(SEEN_DAYS).max(audit).unwrap_or(Timestamp::MIN);
            if let Some(before) = self.days_ago(DENIAL_DAYS) {
                self.delete_before(DELETE_DENIALS, organization, before, shutdown).await.1?;
            }
            for sql in [DELETE_NOTICES, DELETE_INCREASES, DELETE_ALERTS] {
                self.delete_before(sql, organization, seen, shutdown).await.1?;
            }
        }
        forgotten.audit_entries = self.cut_whole_audit(&kept_since, shutdown).await?;
        for (organization, kept) in kept {
            forgotten.keys += self.forget_keys(organization, kept, shutdown).await?;
        }
        Ok(forgotten)
    }

    async fn forget_keys(
        &self,
        organization: OrganizationId,
        kept: KeptFrom,
        shutdown: &CancellationToken,
    ) -> Result<u64, StoreError> {
        let mut gone = 0;
        while !shutdown.is_cancelled() {
            let (some, has_more) = self.forget_some_keys(organization, kept).await?;
            gone += some;
            if !has_more {
                break;
            }
            pause(shutdown).await;
        }
        Ok(gone)
    }

    async fn cut_whole_audit(
        &self,
        kept_since: &KeptSince,
        shutdown: &CancellationToken,
    ) -> Result<u64, StoreError> {
        let mut gone = 0;
        while !shutdown.is_cancelled() {
            let cut = self.cut_audit(kept_since).await?;
            gone += cut;
            if cut == 0 {
                break;
            }
            pause(shutdown).await;
        }
        Ok(gone)
    }

    pub(crate) async fn organization_ids(&self) -> Result<Vec<OrganizationId>, StoreError> {
        const SQL: &str = "SELECT id FROM organizations ORDER BY id";
        let rows: Vec<(String,)> =
            on!(self.db.read, |pool| sqlx::query_as(SQL).fetch_all(pool).await?);
        rows.iter().map(|(id,)| parsed("organization", id)).collect()
    }

    /// The midnight since which records of so many days are kept. `None`: all are.
    pub(crate) fn days_ago(&self, days: u16) -> Option<Timestamp> {
        let length = SignedDuration::from_hours(24 * i64::from(days));
        let since = self.clock.now().checked_sub(length).ok()?.as_second();
        let midnight = since - since.rem_euclid(DAY_SECONDS);
        Timestamp::from_second(midnight).ok().filter(|_| days > 0)
    }

    /// Forgets single calls, and audits how many. What was spent stays in the sums behind the budgets and
    /// in those behind reports. A call that began before a midnight that is past is in the database, and
    /// its journal is gone: it is not written a second time.
    async fn forget_calls(
        &self,
        organization: OrganizationId,
        before: Timestamp,
        shutdown: &CancellationToken,
    ) -> Result<u64, StoreError> {
        let (calls, done) = self.delete_before(DELETE_EVENTS, organization, before, shutdown).await;
        self.note_swept(organization, json!({ "calls": calls, "before": before }), calls).await?;
        done.map(|()| calls)
    }

    /// Forgets hourly sums, and audits how many.
    async fn forget_hours(
        &self,
        organization: OrganizationId,
        before: Timestamp,
        shutdown: &CancellationToken,
    ) -> Result<u64, StoreError> {
        let (hours, done) = self.delete_before(DELETE_HOURS, organization, before, shutdown).await;
        self.note_swept(organization, json!({ "sums": hours, "before": before }), hours).await?;
        done.map(|()| hours)
    }

    /// What is gone is written down even when the database failed behind it.
    async fn note_swept(
        &self,
        organization: OrganizationId,
        detail: Value,
        gone: u64,
    ) -> Result<(), StoreError> {
        if gone == 0 {
            return Ok(());
        }
        let act = Act { organization, actor: Actor::System, at: self.clock.now() };
        self.record(&act, "usage.sweep", &organization.to_string(), detail).await
    }

    /// Runs a statement that deletes some rows until there are none, it fails or `shutdown`; how many
    /// there were in any case.
    async fn delete_before(
        &self,
        sql: &'static str,
        organization: OrganizationId,
        before: Timestamp,
        shutdown: &CancellationToken,
    ) -> (u64, Result<(), StoreError>) {
        let mut deleted = 0;
        while !shutdown.is_cancelled() {
            match self.delete_some(sql, organization, before).await {
                Ok(some) => {
                    deleted += some;
                    if some < DELETED_MAX.unsigned_abs() {
                        break;
                    }
                }
                Err(error) => return (deleted, Err(error)),
            }
            pause(shutdown).await;
        }
        (deleted, Ok(()))
    }

    async fn delete_some(
        &self,
        sql: &'static str,
        organization: OrganizationId,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        Ok(on!(self.db.write, |pool| {
            sqlx::query(sql)
                .bind(organization.to_string())
                .bind(before.as_microsecond())
                .bind(DELETED_MAX)
                .execute(pool)
                .await?
                .rows_affected()
        }))
    }
}

pub(crate) async fn pause(shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(PAUSE) => {}
    }
}
