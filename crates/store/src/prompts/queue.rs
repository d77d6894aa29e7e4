//! What waits to be written, bounded in bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::PromptRecord;
use super::write::Row;

/// The most that may wait, in bytes: some seconds of the busiest gateway. What comes then is dropped.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// The queue and the task that empties it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    dropped: AtomicU64,
    /// What is being written, held by whoever writes it; it stays here while the database cannot take it.
    pub(super) writing: tokio::sync::Mutex<Vec<Row>>,
    pub(super) signals: Arc<Signals>,
    pub(super) tasks: TaskTracker,
}

/// What the task waits for. It shares this with the store, and holds the store only while it works.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) wake: Notify,
    pub(super) stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<PromptRecord>,
    bytes: usize,
}

impl Queue {
    /// Adds a record, or drops and counts it where there is no room; never waits for anybody who writes.
    pub(super) fn push(&self, record: PromptRecord) {
        let bytes = record.bytes();
        let mut waiting = self.waiting.lock();
        if waiting.bytes + bytes > WAITING_BYTES_MAX {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += bytes;
        waiting.records.push_back(record);
        drop(waiting);
        self.signals.wake.notify_one();
    }

    /// The next ones to write, at most `most`.
    pub(super) fn take(&self, most: usize) -> Vec<PromptRecord> {
        let mut waiting = self.waiting.lock();
        let most = most.min(waiting.records.len());
        let taken: Vec<PromptRecord> = waiting.records.drain(..most).collect();
        waiting.bytes -= taken.iter().map(PromptRecord::bytes).sum::<usize>();
        taken
    }

    /// Records that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Ends the task.
    pub(crate) async fn stop(&self) {
        self.signals.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.signals.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::id::{CallId, OrganizationId, ProjectId};
    use doorward_domain::prompts::PromptPolicy;
    use jiff::Timestamp;

    use super::*;
    use crate::Excerpt;

    fn record(number: u128) -> PromptRecord {
        let text = || Some(Excerpt::of(&vec![b'x'; 100 * 1024]));
        let policy = PromptPolicy { retention_days: 1.try_into().unwrap(), redact: false };
        PromptRecord {
            call: CallId::new(1, number),
            organization: OrganizationId::new(1, 1),
            project: ProjectId::new(1, 1),
            policy,
            at: Timestamp::UNIX_EPOCH,
            request: text(),
            answer: text(),
        }
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_and_room_comes_again() {
        let queue = Queue::default();
        let fits = WAITING_BYTES_MAX / record(0).bytes();
        for number in 0..fits + 5 {
            queue.push(record(number as u128));
        }
        assert_eq!(queue.dropped(), 5);
        let taken = queue.take(2);
        assert_eq!(taken[0].call, CallId::new(1, 0), "the oldest first");
        queue.push(record(1_000));
        assert_eq!(queue.dropped(), 5);
        assert_eq!(queue.take(usize::MAX).len(), fits - 2 + 1);
        assert_eq!(queue.waiting.lock().bytes, 0);
    }
}
