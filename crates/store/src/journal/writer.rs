//! The writing end of the journal.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use doorward_domain::call::{Hold, Settlement};
use doorward_domain::id::{DeploymentId, ProviderId};
use parking_lot::{Condvar, Mutex};

use super::record::{LEFT_BYTES, write_attempt, write_hold, write_left, write_settled};
use super::{HEADER, Position, segment_path};
use crate::JournalSync;

/// A segment is closed when it is this long.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
/// How often the journal is forced to the disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// Appends records. Shared by all calls; the lock is held for one `write` at most.
#[derive(Debug)]
pub(crate) struct Writer {
    dir: PathBuf,
    sync: JournalSync,
    segment_bytes_max: u64,
    state: Mutex<State>,
    shared: Arc<SyncState>,
    syncer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    file: Arc<File>,
    /// What stands before it is whole, and is never taken back.
    end: Position,
    /// Something stands behind the end that is to be cut off before anything else is written.
    has_rest: bool,
    /// What is being written.
    buffer: Vec<u8>,
    /// Holds that wait to be written, together, and those who wait for that.
    holds: Vec<u8>,
    batch: Arc<Batch>,
    /// Settlements that are still to be written, and attempts. No hold is written before them, so there
    /// are never more than there were calls in flight, and of attempts as many as each of them may make.
    owed: Vec<u8>,
    /// Nothing is written any more: the next process may be reading.
    is_closed: bool,
}

/// Holds that are written in one go: what many calls share costs each of them little.
#[derive(Debug, Default)]
pub(crate) struct Batch(OnceLock<bool>);

impl Batch {
    /// Whether it was written; `None`: nobody tried so far.
    fn is_written(&self) -> Option<bool> {
        self.0.get().copied()
    }
}

/// How a file is forced to the disk; only tests of failing disks have another way.
type Force = fn(&File) -> Result<()>;

/// What the thread that forces the journal to the disk shares with the writer.
#[derive(Debug)]
struct SyncState {
    force: Force,
    /// Files with bytes that the disk may not have; `None`: the thread shall end.
    dirty: Mutex<Option<Vec<Written>>>,
    wake: Condvar,
    /// A file that could not be forced to the disk is not forced again: the second attempt would
    /// succeed, and say nothing about what the first one lost. Calls leave again when a new file
    /// can be; the database gets what stands in the old one.
    has_failed: AtomicBool,
    /// What stands before it in its segment is on the disk.
    forced: Mutex<Position>,
}

/// A file, and up to where it was written.
#[derive(Debug)]
struct Written {
    file: Arc<File>,
    until: Position,
}

impl Writer {
    /// Begins a new segment, `number`.
    pub(crate) fn open(dir: &Path, number: u64, sync: JournalSync) -> Result<Self> {
        Self::open_with(dir, number, sync, (SEGMENT_BYTES_MAX, File::sync_data))
    }

    fn open_with(
        dir: &Path,
        number: u64,
        sync: JournalSync,
        (segment_bytes_max, force): (u64, Force),
    ) -> Result<Self> {
        let state = State::begin(dir, number, force)?;
        let shared = Arc::new(SyncState {
            force,
            dirty: Mutex::new(Some(Vec::new())),
            wake: Condvar::new(),
            has_failed: AtomicBool::new(false),
            forced: Mutex::new(state.end),
        });
        let syncer = match sync {
            JournalSync::Always => None,
            JournalSync::Interval => Some(start_syncer(Arc::clone(&shared))?),
        };
        Ok(Self {
            dir: dir.to_owned(),
            sync,
            segment_bytes_max,
            state: Mutex::new(state),
            shared,
            syncer: Mutex::new(syncer),
        })
    }

    /// Takes down that a call is about to leave. It may leave once [`write`](Self::write) has
    /// returned for what this returns.
    pub(crate) fn add_hold(&self, hold: &Hold) -> Arc<Batch> {
        let mut state = self.state.lock();
        write_hold(hold, &mut state.holds);
        Arc::clone(&state.batch)
    }

    /// Writes a batch, unless somebody who shares it has done so. On an error nothing of it stays in
    /// the file.
    pub(crate) fn write(&self, batch: &Batch) -> Result<()> {
        let mut written = batch.is_written();
        if written.is_none() {
            let mut state = self.state.lock();
            // While we waited for our turn, another one may have.
            if batch.is_written().is_none() {
                return self.write_batch(&mut state);
            }
            written = batch.is_written();
        }
        match written {
            Some(true) => Ok(()),
            Some(false) | None => Err(Error::other("the journal could not be written")),
        }
    }

    /// Takes down how a call ended. It is safe once [`write_settled`](Self::write_settled) has
    /// returned for what this returns.
    pub(crate) fn add_settled(
        &self,
        settled: &Settlement,
        provider: ProviderId,
        deployment: DeploymentId,
    ) -> Arc<Batch> {
        let mut state = self.state.lock();
        write_settled(settled, provider, deployment, &mut state.owed);
        Arc::clone(&state.batch)
    }

    /// Takes down how an attempt at a call ended that has another one behind it; else as
    /// [`add_settled`](Self::add_settled).
    pub(crate) fn add_attempt(
        &self,
        settled: &Settlement,
        served_by: (ProviderId, DeploymentId),
        number: u16,
    ) -> Arc<Batch> {
        let mut state = self.state.lock();
        write_attempt(settled, served_by, number, &mut state.owed);
        Arc::clone(&state.batch)
    }

    /// Writes a batch with settlements in it, unless somebody who shares it has done so. What cannot
    /// be written now is written before the next hold.
    pub(crate) fn write_settled(&self, batch: &Batch) {
        if batch.is_written() == Some(true) {
            return;
        }
        let mut state = self.state.lock();
        if batch.is_written().is_none() && self.write_batch(&mut state).is_ok() {
            return;
        }
        self.write_owed(&mut state);
    }

    /// Writes what is owed, and returns how far has been written: what stands before it is whole.
    pub(crate) fn catch_up(&self) -> Position {
        let mut state = self.state.lock();
        self.write_owed(&mut state);
        state.end
    }

    /// Forces everything to the disk and stops. No hold is taken any more.
    pub(crate) fn close(&self) {
        self.catch_up();
        self.state.lock().is_closed = true;
        if let Some(syncer) = self.syncer.lock().take() {
            let left = self.shared.dirty.lock().take().unwrap_or_default();
            self.shared.wake.notify_all();
            if syncer.join().is_err() {
                tracing::error!("the thread that forces the journal to the disk has died");
            }
            self.shared.force_all(&left);
        }
    }

    /// Settles the batch that is being gathered, one way or the other, and begins the next.
    fn write_batch(&self, state: &mut State) -> Result<()> {
        let written = self.write_pending(state);
        // Those whose holds these were are refused, so nobody may be billed for them.
        state.holds.clear();
        let batch = std::mem::take(&mut state.batch);
        let _first = batch.0.set(written.is_ok());
        written
    }

    fn write_owed(&self, state: &mut State) {
        // A call that broke off before its hold was written owes nothing until that is.
        let has_holds = !state.holds.is_empty();
        if state.is_closed || state.owed.is_empty() || has_holds && self.write_batch(state).is_ok()
        {
            return;
        }
        if let Err(error) = self.write_settlements(state) {
            tracing::error!(%error, "settlements cannot be written yet");
        }
    }

    /// A settlement that the disk may not keep is still true, and the database will have it.
    fn write_settlements(&self, state: &mut State) -> Result<()> {
        state.gather();
        state.write()?;
        state.advance();
        state.owed.clear();
        drop(self.keep(state.written()));
        Ok(())
    }

    /// Writes the holds and what is owed. A hold comes before its settlement, and none is written to
    /// a file that the disk may not keep. On an error nothing of it stays in the file.
    fn write_pending(&self, state: &mut State) -> Result<()> {
        self.make_ready(state)?;
        state.gather();
        state.write()?;
        let mut written = state.written();
        written.until.offset += state.buffer.len() as u64;
        if let Err(error) = self.keep(written) {
            state.has_rest = true;
            state.cut_rest()?;
            return Err(error);
        }
        state.advance();
        state.owed.clear();
        Ok(())
    }

    fn make_ready(&self, state: &mut State) -> Result<()> {
        if state.is_closed {
            return Err(Error::other("the journal is closed"));
        }
        state.cut_rest()?;
        let has_failed = self.shared.has_failed.load(Ordering::Relaxed);
        if has_failed || state.end.offset >= self.segment_bytes_max {
            let left = if has_failed {
                // Nobody knows what the disk has of the rest: what reads it must not take that for
                // damage.
                Some(*self.shared.forced.lock())
            } else {
                // Only the last segment may be torn.
                self.shared.force(&state.written())?;
                None
            };
            state.begin_next(&self.dir, left, self.shared.force)?;
            *self.shared.forced.lock() = state.end;
            self.shared.has_failed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Sees to it that the disk gets what was written, now or soon.
    fn keep(&self, written: Written) -> Result<()> {
        match self.sync {
            JournalSync::Always => self.shared.force(&written),
            JournalSync::Interval => {
                self.mark_dirty(written);
                Ok(())
            }
        }
    }

    fn mark_dirty(&self, written: Written) {
        let mut dirty = self.shared.dirty.lock();
        let Some(files) = dirty.as_mut() else { return };
        match files.iter_mut().find(|known| Arc::ptr_eq(&known.file, &written.file)) {
            Some(known) => known.until = written.until,
            None => files.push(written),
        }
    }
}

impl Drop for Writer {
    /// Ends the thread also where nobody closed the store.
    fn drop(&mut self) {
        self.close();
    }
}

impl SyncState {
    fn force(&self, written: &Written) -> Result<()> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(Error::other("the disk failed to keep the journal"));
        }
        (self.force)(&written.file).inspect_err(|error| {
            self.has_failed.store(true, Ordering::Relaxed);
            tracing::error!(%error, "the journal cannot be forced to the disk; no call may leave");
        })?;
        let mut forced = self.forced.lock();
        *forced = written.until.max(*forced);
        Ok(())
    }

    fn force_all(&self, files: &[Written]) {
        for file in files {
            // What goes wrong is logged, and the next call sees it.
            drop(self.force(file));
        }
    }
}

impl State {
    fn begin(dir: &Path, number: u64, force: Force) -> Result<Self> {
        let (file, end) = begin_segment(dir, number, None, force)?;
        Ok(Self {
            file,
            end,
            has_rest: false,
            buffer: Vec::new(),
            holds: Vec::new(),
            batch: Arc::default(),
            owed: Vec::new(),
            is_closed: false,
        })
    }

    fn begin_next(&mut self, dir: &Path, left: Option<Position>, force: Force) -> Result<()> {
        (self.file, self.end) = begin_segment(dir, self.end.segment + 1, left, force)?;
        Ok(())
    }

    fn written(&self) -> Written {
        Written { file: Arc::clone(&self.file), until: self.end }
    }

    fn gather(&mut self) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.holds);
        self.buffer.extend_from_slice(&self.owed);
    }

    /// Writes the buffer behind the end. A full disk may take a part of it: that is cut off again,
    /// now or before the next record.
    fn write(&mut self) -> Result<()> {
        self.cut_rest()?;
        let written = (&*self.file).write_all(&self.buffer);
        if written.is_err() {
            self.has_rest = true;
            self.cut_rest()?;
        }
        written
    }

    /// What is in the buffer has been written and stays.
    fn advance(&mut self) {
        self.end.offset += self.buffer.len() as u64;
    }

    fn cut_rest(&mut self) -> Result<()> {
        if self.has_rest {
            self.file.set_len(self.end.offset)?;
            self.has_rest = false;
        }
        Ok(())
    }
}

/// Begins a segment, where the disk failed with how far the one before is good. It may be there
/// already, without a call, as the rest of an attempt that failed.
fn begin_segment(
    dir: &Path,
    number: u64,
    left: Option<Position>,
    force: Force,
) -> Result<(Arc<File>, Position)> {
    let path = segment_path(dir, number);
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    if file.metadata()?.len() > (HEADER.len() + LEFT_BYTES) as u64 {
        return Err(Error::from(ErrorKind::AlreadyExists));
    }
    let mut beginning = HEADER.to_vec();
    if let Some(good) = left {
        write_left(good, &mut beginning);
    }
    file.set_len(0)?;
    file.write_all(&beginning)?;
    force(&file)?;
    // The name of a file is on the disk only when its folder is.
    File::open(dir)?.sync_all()?;
    Ok((Arc::new(file), Position { segment: number, offset: beginning.len() as u64 }))
}

fn start_syncer(shared: Arc<SyncState>) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name("journal-sync".to_owned()).spawn(move || {
        loop {
            let files = {
                let mut dirty = shared.dirty.lock();
                if dirty.is_some() {
                    shared.wake.wait_for(&mut dirty, SYNC_INTERVAL);
                }
                match dirty.as_mut() {
                    Some(files) => std::mem::take(files),
                    None => return,
                }
            };
            shared.force_all(&files);
        }
    })
}

/// Reads at an offset without moving anybody's position.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    file.read_at(buffer, offset)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tempfile::TempDir;

    use super::*;
    use crate::journal::record::tests::hold;
    use crate::journal::{Reader, Record, check, segments};

    thread_local! {
        static DISK_FAILS: Cell<bool> = const { Cell::new(false) };
    }

    /// A disk that fails while the test says so.
    fn force(file: &File) -> Result<()> {
        if DISK_FAILS.get() { Err(Error::other("no disk")) } else { file.sync_data() }
    }

    fn open(dir: &TempDir, segment_bytes_max: u64) -> Writer {
        DISK_FAILS.set(false);
        let bounds: (u64, Force) = (segment_bytes_max, force);
        Writer::open_with(dir.path(), 1, JournalSync::Always, bounds).unwrap()
    }

    fn append(writer: &Writer, n: u128) -> Result<()> {
        writer.write(&writer.add_hold(&hold(n)))
    }

    fn settle(writer: &Writer, n: u128) {
        let hold = hold(n);
        let batch = writer.add_settled(&hold.interrupted(), hold.provider, hold.deployment);
        writer.write_settled(&batch);
    }

    /// What the next start reads: the calls of holds, and of settlements.
    fn calls(dir: &TempDir) -> (Vec<u128>, Vec<u128>) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        let number = |call| (1..100).find(|n| hold(*n).call == call).unwrap();
        for segment in segments(dir.path()).unwrap() {
            let is_torn = Reader::new(dir.path(), segment).read_left(|record| match record {
                Record::Hold(hold) => begun.push(number(hold.call)),
                Record::Settled(settlement, ..) => ended.push(number(settlement.call)),
                Record::Left(good) => assert_eq!(good.segment + 1, segment),
                Record::Attempt(..) => panic!("nobody tries twice here"),
            });
            assert!(!is_torn.unwrap());
        }
        (begun, ended)
    }

    #[test]
    fn records_that_come_together_share_one_write() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        let (first, second) = (writer.add_hold(&hold(1)), writer.add_hold(&hold(2)));
        assert_eq!(calls(&dir), (vec![], vec![]));
        writer.write(&first).unwrap();
        assert_eq!((second.is_written(), calls(&dir)), (Some(true), (vec![1, 2], vec![])));
        writer.write(&second).unwrap();

        // A call that breaks off before its hold is written: the hold still comes first.
        let third = writer.add_hold(&hold(3));
        settle(&writer, 3);
        assert_eq!((third.is_written(), calls(&dir)), (Some(true), (vec![1, 2, 3], vec![3])));
    }

    #[test]
    fn a_write_that_fails_fails_for_all_who_share_it() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        let (first, second) = (writer.add_hold(&hold(1)), writer.add_hold(&hold(2)));
        DISK_FAILS.set(true);
        writer.write(&first).unwrap_err();
        DISK_FAILS.set(false);
        writer.write(&second).unwrap_err();
        append(&writer, 3).unwrap();
        assert_eq!(calls(&dir), (vec![3], vec![]));
    }

    #[test]
    fn a_hold_that_the_disk_does_not_keep_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        append(&writer, 1).unwrap();
        DISK_FAILS.set(true);
        append(&writer, 2).unwrap_err();
        assert_eq!(calls(&dir), (vec![1], vec![]));
        let mut reader = Reader::new(dir.path(), 1);
        let end = writer.catch_up();
        assert!(matches!(reader.next_before(end), Ok(Some(_))));
        assert!(matches!(reader.next_before(end), Ok(None)));
    }

    #[test]
    fn after_a_disk_that_failed_calls_leave_again_in_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        append(&writer, 1).unwrap();
        DISK_FAILS.set(true);
        append(&writer, 2).unwrap_err();
        append(&writer, 3).unwrap_err();
        // What ended is true, whether the disk keeps it or not.
        settle(&writer, 1);
        assert_eq!(calls(&dir), (vec![1], vec![1]));

        DISK_FAILS.set(false);
        append(&writer, 4).unwrap();
        assert_eq!(writer.catch_up().segment, 2);
        assert_eq!(calls(&dir), (vec![1, 4], vec![1]));
    }

    /// Up to where segment `number` says that the one before is on the disk.
    fn good_before(dir: &TempDir, number: u64) -> Option<u64> {
        let mut good = None;
        let mut first = |record| {
            if let Record::Left(left) = record {
                good = Some(left.offset);
            }
        };
        Reader::new(dir.path(), number).read_left(&mut first).unwrap();
        good
    }

    /// The power goes after a disk that failed: what it had not been forced to keep is lost.
    #[test]
    fn after_a_disk_that_failed_a_power_cut_stops_no_start() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        append(&writer, 1).unwrap();
        let forced = writer.catch_up();
        DISK_FAILS.set(true);
        settle(&writer, 1);
        let end = writer.catch_up();
        assert!(end.offset > forced.offset);
        // The disk goes on failing for a while: the rest of an attempt is no obstacle.
        append(&writer, 2).unwrap_err();
        append(&writer, 2).unwrap_err();
        DISK_FAILS.set(false);
        append(&writer, 3).unwrap();
        assert_eq!(good_before(&dir, 2), Some(forced.offset));

        let path = segment_path(dir.path(), 1);
        let whole = std::fs::read(&path).unwrap();
        let numbers = segments(dir.path()).unwrap();
        assert_eq!(numbers, [1, 2]);
        for length in (forced.offset..=end.offset).rev() {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
            check(dir.path(), &numbers).unwrap();
        }
        let early = usize::try_from(forced.offset).unwrap() - 1;
        std::fs::write(&path, &whole[..early]).unwrap();
        check(dir.path(), &numbers).unwrap_err();
    }

    #[test]
    fn a_segment_that_the_disk_kept_is_followed_by_nothing_special() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1);
        append(&writer, 1).unwrap();
        append(&writer, 2).unwrap();
        assert_eq!(writer.catch_up().segment, 3);
        assert_eq!((good_before(&dir, 2), good_before(&dir, 3)), (None, None));
    }

    #[test]
    fn after_the_end_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        append(&writer, 1).unwrap();
        writer.close();
        append(&writer, 2).unwrap_err();
        settle(&writer, 1);
        assert_eq!(calls(&dir), (vec![1], vec![]));
    }

    #[test]
    fn a_disk_that_fails_in_the_background_stops_the_next_call() {
        static DISK_FAILS: AtomicBool = AtomicBool::new(false);
        let force: Force = |file| {
            let fails = DISK_FAILS.load(Ordering::Relaxed);
            if fails { Err(Error::other("no disk")) } else { file.sync_data() }
        };
        let dir = tempfile::tempdir().unwrap();
        let bounds = (1_000_000, force);
        let writer = Writer::open_with(dir.path(), 1, JournalSync::Interval, bounds).unwrap();
        append(&writer, 1).unwrap();
        let forced = writer.catch_up();
        while *writer.shared.forced.lock() < forced {
            std::thread::yield_now();
        }
        DISK_FAILS.store(true, Ordering::Relaxed);
        append(&writer, 2).unwrap();
        while !writer.shared.has_failed.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        append(&writer, 3).unwrap_err();
        DISK_FAILS.store(false, Ordering::Relaxed);
        append(&writer, 4).unwrap();
        assert_eq!(calls(&dir).0, [1, 2, 4]);
        assert_eq!(good_before(&dir, 2), Some(forced.offset));
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_written_when_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1_000_000);
        for n in 1..=2 {
            append(&writer, n).unwrap();
        }
        let full = Arc::new(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let file = std::mem::replace(&mut writer.state.lock().file, full);
        settle(&writer, 1);
        settle(&writer, 2);
        append(&writer, 3).unwrap_err();
        // Half a record that could not be cut off at once.
        (&*file).write_all(b"rest").unwrap();
        writer.state.lock().file = file;
        append(&writer, 4).unwrap();
        assert_eq!(calls(&dir), (vec![1, 2, 4], vec![1, 2]));
    }

    #[test]
    fn a_segment_that_cannot_begin_refuses_calls_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open(&dir, 1);
        append(&writer, 1).unwrap();
        let in_the_way = segment_path(dir.path(), writer.catch_up().segment + 1);
        std::fs::create_dir(&in_the_way).unwrap();
        append(&writer, 2).unwrap_err();
        settle(&writer, 1);
        std::fs::remove_dir(&in_the_way).unwrap();
        // The rest of an attempt that failed is no obstacle.
        std::fs::write(&in_the_way, &HEADER[..5]).unwrap();
        append(&writer, 3).unwrap();
        assert_eq!(calls(&dir), (vec![1, 3], vec![1]));
    }

    #[test]
    fn a_segment_with_records_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        append(&open(&dir, 1_000_000), 1).unwrap();
        let refused = Writer::open(dir.path(), 1, JournalSync::Interval).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(calls(&dir).0, [1]);
    }
}
