//! Moving finished calls from the journal to the database.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use doorward_domain::call::{Hold, UsageEvent};
use doorward_domain::credential::KeyId;
use doorward_domain::id::CallId;
use jiff::tz::TimeZone;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::Db;
use crate::journal::{Damage, Position, Reader, Record, check, segments};
use crate::usage::{note_alerts, write_events};
use crate::{OpenError, Store, StoreError};

/// Finished calls in one transaction.
const BATCH: usize = 400;
/// How long finished calls gather before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// Calls per second that are written while others are being served: the database's work competes
/// with theirs for the processor, and nobody waits for it: a report asks for it first. A backlog is
/// worked off faster, within ten minutes.
const PACE: u64 = 500;
const BACKLOG_SECONDS: u64 = 600;
/// How many batches somebody who asks is willing to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Who looks at a key: about a second of work.
    Look = 20,
    /// Who wants a report, which must be whole: a few seconds.
    Report = 60,
}
/// The longest wait after a database that failed.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The drain: where it stands, and the task that runs it.
#[derive(Debug)]
pub(super) struct Drain {
    progress: tokio::sync::Mutex<Progress>,
    written: AtomicU64,
    signals: Arc<Signals>,
    tasks: TaskTracker,
}

/// What the task waits for. It shares this with the store, and holds the store only while it works,
/// so that a store that nobody uses any more goes away.
#[derive(Debug, Default)]
struct Signals {
    /// A call was settled.
    wake: Notify,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Progress {
    dir: PathBuf,
    reader: Reader,
    /// Holds that were read and whose settlements were not, and the segments that they stand in.
    open: HashMap<CallId, (Hold, u64)>,
    /// Finished calls that were read and are not in the database: a batch that failed.
    batch: Vec<UsageEvent>,
    /// Finished calls that are in the database, and of which nobody has seen what they mean for budgets.
    unnoted: Vec<UsageEvent>,
    /// Segments before this one are deleted.
    oldest: u64,
}

impl Drain {
    pub(super) fn new(dir: &Path, segment: u64) -> Self {
        Self {
            progress: tokio::sync::Mutex::new(Progress {
                dir: dir.to_owned(),
                reader: Reader::new(dir, segment),
                open: HashMap::new(),
                batch: Vec::new(),
                unnoted: Vec::new(),
                oldest: segment,
            }),
            written: AtomicU64::new(0),
            signals: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Finished calls written to the database since the start.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Something was settled.
    pub(super) fn wake(&self) {
        self.signals.wake.notify_one();
    }

    /// Keeps what is in the database as it is until the guard is dropped: no batch is written.
    pub(super) async fn hold_still(&self) -> impl Drop {
        self.progress.lock().await
    }

    pub(super) async fn stop(&self) {
        self.signals.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.signals.stop.cancel();
    }
}

impl Signals {
    /// Waits until something was settled; false: the store is being closed.
    async fn wait(&self) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = self.wake.notified() => true,
        }
    }

    /// Waits for a time; false: the store is being closed.
    async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Drains until the store is closed or gone.
async fn drain(store: Weak<Store>, signals: Arc<Signals>) {
    let mut retry = GATHER;
    while signals.wait().await {
        let mut next = Some(GATHER);
        while let Some(pause) = next {
            if !signals.pause(pause).await {
                return;
            }
            let Some(store) = store.upgrade() else { return };
            next = store.drain_paced(&mut retry).await;
        }
    }
}

impl Store {
    /// Starts the task that drains the journal until the store is closed or gone.
    pub(crate) fn start_drain(self: &Arc<Self>) {
        let signals = Arc::clone(&self.calls.drain.signals);
        self.calls.drain.tasks.spawn(drain(Arc::downgrade(self), signals));
    }

    /// Writes one batch. Returns when to write the next one; `None`: when something is settled.
    /// `retry` is how long to wait after a failure.
    async fn drain_paced(&self, retry: &mut Duration) -> Option<Duration> {
        let end = self.calls.journal.catch_up();
        match self.drain_batch(end).await {
            Ok(events) => {
                *retry = GATHER;
                (events > 0).then(|| self.pause_after(events as u64))
            }
            Err(error) => {
                tracing::error!(%error, "finished calls cannot be written; they stay in the journal");
                let pause = *retry;
                *retry = (pause * 2).min(RETRY_MAX);
                Some(pause)
            }
        }
    }

    fn pause_after(&self, events: u64) -> Duration {
        let waiting = self.calls.stats().events_waiting;
        let per_second = PACE.max(waiting / BACKLOG_SECONDS);
        Duration::from_micros(events * 1_000_000 / per_second).max(GATHER)
    }

    /// Writes everything that was settled before this call, however long it takes: for the end of
    /// the process only.
    pub(crate) async fn flush_events(&self) -> Result<(), StoreError> {
        while !self.flush_latest(Patience::Report).await? {}
        Ok(())
    }

    /// Writes what was settled before this call, unless that is more than a reader should wait for;
    /// whether it was all.
    pub(crate) async fn flush_latest(&self, patience: Patience) -> Result<bool, StoreError> {
        let end = self.calls.journal.catch_up();
        for _ in 0..patience as usize {
            if self.drain_batch(end).await? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Leaves nothing behind for the next start, if nothing is owed. No call may come any more.
    pub(crate) async fn delete_drained_journal(&self) {
        let end = self.calls.journal.catch_up();
        self.calls.drain.progress.lock().await.delete_if_drained(end);
    }

    /// Writes one batch of what stands before `end`; how many finished calls that were.
    async fn drain_batch(&self, end: Position) -> Result<usize, StoreError> {
        let mut progress = self.calls.drain.progress.lock().await;
        self.note_alerts(&mut progress).await?;
        let is_through = progress.read_batch(end)?;
        let events = progress.batch.len();
        self.write_waiting_uses().await?;
        self.write_waiting_denials().await?;
        if events > 0 {
            write_events(&self.db, &progress.batch, &self.time_zone).await?;
            let calls = progress.batch.iter().filter(|event| event.is_call()).count();
            self.calls.drain.written.fetch_add(calls as u64, Ordering::Relaxed);
            for (key, count) in count_by_key(&progress.batch) {
                self.calls.states.written(&key, count);
            }
            self.calls.shared.written(&progress.batch, &self.time_zone);
            progress.unnoted = std::mem::take(&mut progress.batch);
            self.note_alerts(&mut progress).await?;
        }
        progress.delete_drained();
        // Holds alone make no batch; that there is more to read must still show.
        Ok(if is_through { events } else { events.max(1) })
    }

    /// Apart from the writing: whether it succeeds or not, what is written counts as written.
    async fn note_alerts(&self, progress: &mut Progress) -> Result<(), StoreError> {
        note_alerts(&self.db, &progress.unnoted, &self.time_zone).await?;
        progress.unnoted.clear();
        Ok(())
    }
}

fn count_by_key(events: &[UsageEvent]) -> HashMap<KeyId, u64> {
    let mut counts = HashMap::new();
    for event in events.iter().filter(|event| event.is_call()) {
        *counts.entry(event.hold.key).or_insert(0) += 1;
    }
    counts
}

impl Progress {
    /// Reads until a batch is full or everything before `end` is read; whether the latter.
    fn read_batch(&mut self, end: Position) -> Result<bool, StoreError> {
        while self.batch.len() < BATCH {
            match self.reader.next_before(end) {
                Ok(None) => return Ok(true),
                Ok(Some(record)) => {
                    let segment = self.reader.position().segment;
                    self.batch.extend(pair(&mut self.open, record, segment));
                }
                Err(Damage::Io(_, error)) => return Err(StoreError::Journal(error)),
                Err(Damage::Bytes(path, offset)) => {
                    let place = format!("journal {} at byte {offset}", path.display());
                    return Err(StoreError::Corrupt(place));
                }
                Err(Damage::Newer(path)) => {
                    let place = format!("journal {}, of a newer version", path.display());
                    return Err(StoreError::Corrupt(place));
                }
            }
        }
        Ok(false)
    }

    /// Deletes everything if everything is in the database, so that the next start has nothing to do.
    fn delete_if_drained(&mut self, end: Position) {
        let is_done = self.batch.is_empty() && self.unnoted.is_empty();
        if is_done && self.open.is_empty() && self.reader.position() >= end {
            for number in self.oldest..=end.segment {
                delete_segment(&self.dir, number);
            }
        }
    }

    /// A segment is needed until each hold in it is settled and in the database.
    fn delete_drained(&mut self) {
        let held = self.open.values().map(|(_, segment)| *segment).min();
        let needed = held.unwrap_or(u64::MAX).min(self.reader.position().segment);
        while self.oldest < needed {
            delete_segment(&self.dir, self.oldest);
            self.oldest += 1;
        }
    }
}

fn delete_segment(dir: &Path, number: u64) {
    if let Err(error) = std::fs::remove_file(crate::journal::segment_path(dir, number)) {
        tracing::warn!(%error, number, "a drained segment of the journal cannot be deleted");
    }
}

/// Puts hold and settlement together, and attempts in between with their hold. What is without its hold
/// is of a segment that was drained and deleted: the database has it.
fn pair(
    open: &mut HashMap<CallId, (Hold, u64)>,
    record: Record,
    segment: u64,
) -> Option<UsageEvent> {
    match record {
        Record::Hold(hold) => {
            open.insert(hold.call, (*hold, segment));
            None
        }
        Record::Settled(settlement, provider, deployment) => {
            let (hold, _) = open.remove(&settlement.call)?;
            let hold = Hold { provider, deployment, ..hold };
            Some(UsageEvent { hold, settlement, attempt: UsageEvent::CALL })
        }
        Record::Attempt(settlement, provider, deployment, attempt) => {
            let (hold, _) = open.get(&settlement.call)?;
            let hold = hold.of_attempt(provider, deployment);
            Some(UsageEvent { hold, settlement, attempt })
        }
        Record::Left(_) => None,
    }
}

/// Reads everything that an earlier process left in the journal, and changes nothing: where it
/// cannot be replayed, the data stays as it is.
pub(crate) fn check_journal(dir: &Path) -> Result<(), OpenError> {
    check(dir, &left(dir)?).map_err(damaged)
}

/// Writes everything that an earlier process left in the journal to the database, then deletes it.
/// Holds that were never settled become interrupted calls at their estimate. Done twice, as after a
/// crash in the middle, it counts nothing twice. Returns the number of the next segment.
pub(super) async fn replay(db: &Db, dir: &Path, zone: &TimeZone) -> Result<u64, OpenError> {
    let numbers = left(dir)?;
    let mut open = HashMap::new();
    for number in &numbers {
        let mut events = Vec::new();
        let is_torn = Reader::new(dir, *number)
            .read_left(|record| events.extend(pair(&mut open, record, *number)))
            .map_err(damaged)?;
        if is_torn {
            tracing::warn!(number, "the last record of the journal was torn off");
        }
        write_all(db, &events, zone).await?;
    }
    write_all(db, &interrupted(open), zone).await?;
    for number in &numbers {
        delete_segment(dir, *number);
    }
    Ok(numbers.last().map_or(1, |last| last + 1))
}

fn left(dir: &Path) -> Result<Vec<u64>, OpenError> {
    segments(dir).map_err(|source| OpenError::Io { path: dir.to_owned(), source })
}

fn interrupted(open: HashMap<CallId, (Hold, u64)>) -> Vec<UsageEvent> {
    if !open.is_empty() {
        tracing::warn!(
            calls = open.len(),
            "calls were interrupted; they are booked at their estimate"
        );
    }
    let event = |(hold, _): (Hold, u64)| UsageEvent {
        settlement: hold.interrupted(),
        hold,
        attempt: UsageEvent::CALL,
    };
    open.into_values().map(event).collect()
}

async fn write_all(db: &Db, events: &[UsageEvent], zone: &TimeZone) -> Result<(), StoreError> {
    for batch in events.chunks(BATCH) {
        write_events(db, batch, zone).await?;
        note_alerts(db, batch, zone).await?;
    }
    Ok(())
}

fn damaged(damage: Damage) -> OpenError {
    match damage {
        Damage::Io(path, source) => OpenError::Io { path, source },
        Damage::Bytes(path, offset) => OpenError::JournalDamaged { path, offset },
        Damage::Newer(path) => OpenError::JournalNewer { path },
    }
}
