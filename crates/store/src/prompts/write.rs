//! Writing what waits.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::queue::Signals;
use super::read::Sealed;
use super::{PromptRecord, Queue};
use crate::db::on;
use crate::keyring::Keyring;
use crate::{Store, StoreError};

/// Records in one transaction.
const BATCH: usize = 32;
/// The most that somebody who asks waits for.
const BATCHES_MAX: usize = 64;
/// How long records gather before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// How long a database that failed is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// A record as it is written.
#[derive(Debug)]
pub(super) struct Row {
    call: String,
    organization: String,
    project: String,
    at_us: i64,
    sealed: Vec<u8>,
}

impl Row {
    fn of(record: PromptRecord, keyring: &Keyring) -> Result<Self, StoreError> {
        let (call, organization) = (record.call.to_string(), record.organization);
        Ok(Self {
            organization: organization.to_string(),
            project: record.project.to_string(),
            at_us: record.at.as_microsecond(),
            sealed: Sealed::of(record).seal(keyring, organization, &call)?,
            call,
        })
    }
}

/// Writes until the store is closed or gone.
async fn write(store: Weak<Store>, signals: Arc<Signals>) {
    let mut pause = GATHER;
    loop {
        tokio::select! {
            () = signals.stop.cancelled() => return,
            () = signals.wake.notified() => {}
        }
        tokio::select! {
            () = signals.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Some(store) = store.upgrade() else { return };
        pause = match store.flush_prompts().await {
            Ok(()) => GATHER,
            Err(error) => {
                tracing::warn!(%error, "prompts cannot be written; they wait");
                signals.wake.notify_one();
                RETRY
            }
        };
    }
}

impl Store {
    /// Starts the task that writes prompts until the store is closed or gone.
    pub(crate) fn start_prompts(self: &Arc<Self>) {
        let Queue { signals, tasks, .. } = &self.prompts;
        tasks.spawn(write(Arc::downgrade(self), Arc::clone(signals)));
    }

    /// Hands over what was asked and answered in a call. Returns at once; where too much waits, it is
    /// dropped and counted.
    pub fn keep_prompt(&self, record: PromptRecord) {
        self.prompts.push(record);
    }

    /// Writes what was handed over before this call.
    pub(crate) async fn flush_prompts(&self) -> Result<(), StoreError> {
        let mut rows = self.prompts.writing.lock().await;
        for _ in 0..BATCHES_MAX {
            if rows.is_empty() {
                for record in self.prompts.take(BATCH) {
                    rows.push(Row::of(record, &self.keyring)?);
                    // Each takes some milliseconds of the processor: calls go on in between.
                    tokio::task::yield_now().await;
                }
            }
            if rows.is_empty() {
                break;
            }
            self.insert_prompts(&rows).await?;
            rows.clear();
        }
        Ok(())
    }

    /// Only for projects that keep them still: a call may end after its project has thought better of it.
    async fn insert_prompts(&self, rows: &[Row]) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO prompts (call_id, organization_id, project_id, created_at_us, sealed)
            SELECT $3, organization_id, id, $4, $5 FROM projects
            WHERE organization_id = $1 AND id = $2
              AND prompts IS NOT NULL AND removed_at_us IS NULL
            ON CONFLICT (call_id) DO NOTHING";
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            for row in rows {
                sqlx::query(SQL)
                    .bind(&row.organization)
                    .bind(&row.project)
                    .bind(&row.call)
                    .bind(row.at_us)
                    .bind(row.sealed.as_slice())
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
        });
        Ok(())
    }
}
