//! The writing end of the journal.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use doorward_domain::call::{Hold, Settlement};
use doorward_domain::id::{DeploymentId, ProviderId};
use parking_lot::{Condvar, Mutex};

use super::record::{write_hold, write_settled};
use super::{HEADER, Position, segment_path};
use crate::JournalSync;

/// A segment is closed when it is this long.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
/// How often the journal is forced to the disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// Appends records. Shared by all calls; the lock is held for one `write`.
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
    /// The record that is being written.
    buffer: Vec<u8>,
    /// Settlements that are still to be written. While there are some no call may leave, so there
    /// are never more than there were calls in flight.
    owed: Vec<u8>,
}

/// How a file is forced to the disk; only tests of failing disks have another way.
type Force = fn(&File) -> Result<()>;

/// What the thread that forces the journal to the disk shares with the writer.
#[derive(Debug)]
struct SyncState {
    force: Force,
    /// Files with bytes that the disk may not have; `None`: the thread shall end.
    dirty: Mutex<Option<Vec<Arc<File>>>>,
    wake: Condvar,
    /// A file that could not be forced to the disk is not forced again: the second attempt would
    /// succeed, and say nothing about what the first one lost. Calls leave again when a new file
    /// can be; the database gets what stands in the old one.
    has_failed: AtomicBool,
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

    /// Writes down that a call is about to leave. On an error nothing of it stays in the file.
    pub(crate) fn append_hold(&self, hold: &Hold) -> Result<()> {
        let mut state = self.state.lock();
        self.make_ready(&mut state)?;
        state.buffer.clear();
        write_hold(hold, &mut state.buffer);
        state.write()?;
        if let Err(error) = self.keep(&state.file) {
            // The call is refused, so nobody may be billed for it.
            state.has_rest = true;
            state.cut_rest()?;
            return Err(error);
        }
        state.advance();
        Ok(())
    }

    /// Writes down how a call ended. What cannot be written now is written before the next record.
    pub(crate) fn append_settled(
        &self,
        settled: &Settlement,
        provider: ProviderId,
        deployment: DeploymentId,
    ) {
        let mut state = self.state.lock();
        write_settled(settled, provider, deployment, &mut state.owed);
        if let Err(error) = self.write_owed(&mut state) {
            tracing::error!(%error, call = %settled.call, "a settlement cannot be written yet");
        }
    }

    /// Writes what is owed, and returns how far has been written: what stands before it is whole.
    pub(crate) fn catch_up(&self) -> Position {
        let mut state = self.state.lock();
        if let Err(error) = self.write_owed(&mut state) {
            tracing::error!(%error, "settlements cannot be written yet");
        }
        state.end
    }

    /// Forces everything to the disk and stops.
    pub(crate) fn close(&self) {
        self.catch_up();
        if let Some(syncer) = self.syncer.lock().take() {
            let left = self.shared.dirty.lock().take().unwrap_or_default();
            self.shared.wake.notify_all();
            if syncer.join().is_err() {
                tracing::error!("the thread that forces the journal to the disk has died");
            }
            self.shared.force_all(&left);
        }
    }

    /// No hold is written before all settlements are, nor to a file that the disk may not keep.
    fn make_ready(&self, state: &mut State) -> Result<()> {
        self.write_owed(state)?;
        state.cut_rest()?;
        let has_failed = self.shared.has_failed.load(Ordering::Relaxed);
        if has_failed || state.end.offset >= self.segment_bytes_max {
            if !has_failed {
                // Only the last segment may be torn.
                self.shared.force(&state.file)?;
            }
            let next = State::begin(&self.dir, state.end.segment + 1, self.shared.force)?;
            *state = next;
            self.shared.has_failed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A settlement that the disk may not keep is still true, and the database will have it.
    fn write_owed(&self, state: &mut State) -> Result<()> {
        if state.owed.is_empty() {
            return Ok(());
        }
        state.buffer.clear();
        let State { buffer, owed, .. } = state;
        buffer.extend_from_slice(owed);
        state.write()?;
        state.advance();
        state.owed.clear();
        drop(self.keep(&state.file));
        Ok(())
    }

    /// Sees to it that the disk gets what was written, now or soon.
    fn keep(&self, file: &Arc<File>) -> Result<()> {
        match self.sync {
            JournalSync::Always => self.shared.force(file),
            JournalSync::Interval => {
                self.mark_dirty(file);
                Ok(())
            }
        }
    }

    fn mark_dirty(&self, file: &Arc<File>) {
        let mut dirty = self.shared.dirty.lock();
        if let Some(files) = dirty.as_mut()
            && !files.iter().any(|known| Arc::ptr_eq(known, file))
        {
            files.push(Arc::clone(file));
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
    fn force(&self, file: &File) -> Result<()> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(Error::other("the disk failed to keep the journal"));
        }
        (self.force)(file).inspect_err(|error| {
            self.has_failed.store(true, Ordering::Relaxed);
            tracing::error!(%error, "the journal cannot be forced to the disk; no call may leave");
        })
    }

    fn force_all(&self, files: &[Arc<File>]) {
        for file in files {
            // What goes wrong is logged, and the next call sees it.
            drop(self.force(file));
        }
    }
}

impl State {
    /// Begins a segment. It may be there already, empty, as the rest of an attempt that failed.
    fn begin(dir: &Path, number: u64, force: Force) -> Result<Self> {
        let path = segment_path(dir, number);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        if file.metadata()?.len() > HEADER.len() as u64 {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        file.set_len(0)?;
        file.write_all(HEADER)?;
        force(&file)?;
        // The name of a file is on the disk only when its folder is.
        File::open(dir)?.sync_all()?;
        let end = Position { segment: number, offset: HEADER.len() as u64 };
        let buffer = Vec::with_capacity(1_024);
        Ok(Self { file: Arc::new(file), end, has_rest: false, buffer, owed: Vec::new() })
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
