//! The writing end of the journal.

use std::fs::{File, OpenOptions};
use std::io::{Error, Result, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

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
    state: Mutex<State>,
    shared: Arc<SyncState>,
    syncer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    file: Arc<File>,
    end: Position,
    buffer: Vec<u8>,
}

/// What the thread that forces the journal to the disk shares with the writer.
#[derive(Debug)]
struct SyncState {
    /// Files with bytes that the disk may not have; `None`: the thread shall end.
    dirty: Mutex<Option<Vec<Arc<File>>>>,
    wake: Condvar,
    /// A disk that failed once is not trusted again: it may have dropped what it reported lost.
    has_failed: AtomicBool,
}

impl Writer {
    /// Begins a new segment, `number`.
    pub(crate) fn open(dir: &Path, number: u64, sync: JournalSync) -> Result<Self> {
        let shared = Arc::new(SyncState {
            dirty: Mutex::new(Some(Vec::new())),
            wake: Condvar::new(),
            has_failed: AtomicBool::new(false),
        });
        let state = State::begin(dir, number)?;
        let syncer = match sync {
            JournalSync::Always => None,
            JournalSync::Interval => Some(start_syncer(Arc::clone(&shared))?),
        };
        Ok(Self {
            dir: dir.to_owned(),
            sync,
            state: Mutex::new(state),
            shared,
            syncer: Mutex::new(syncer),
        })
    }

    /// Appends one record that `encode` writes. On an error nothing of it stays in the file.
    pub(crate) fn append(&self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        if self.shared.has_failed.load(Ordering::Relaxed) {
            return Err(Error::other("the disk failed to keep the journal"));
        }
        let mut state = self.state.lock();
        if state.end.offset >= SEGMENT_BYTES_MAX {
            self.rotate(&mut state)?;
        }
        state.write(encode)?;
        match self.sync {
            JournalSync::Always => self.force(&state.file),
            JournalSync::Interval => {
                self.mark_dirty(&state.file);
                Ok(())
            }
        }
    }

    /// How far has been written: what stands before it is whole.
    pub(crate) fn end(&self) -> Position {
        self.state.lock().end
    }

    /// Forces everything to the disk and stops.
    pub(crate) fn close(&self) {
        if let Some(syncer) = self.syncer.lock().take() {
            let left = self.shared.dirty.lock().take().unwrap_or_default();
            self.shared.wake.notify_all();
            if syncer.join().is_err() {
                tracing::error!("the thread that forces the journal to the disk has died");
            }
            sync_all(&left, &self.shared.has_failed);
        }
    }

    fn force(&self, file: &File) -> Result<()> {
        file.sync_data().inspect_err(|_| self.shared.has_failed.store(true, Ordering::Relaxed))
    }

    fn mark_dirty(&self, file: &Arc<File>) {
        let mut dirty = self.shared.dirty.lock();
        if let Some(files) = dirty.as_mut()
            && !files.iter().any(|known| Arc::ptr_eq(known, file))
        {
            files.push(Arc::clone(file));
        }
    }

    fn rotate(&self, state: &mut State) -> Result<()> {
        let next = State::begin(&self.dir, state.end.segment + 1)?;
        *state = next;
        Ok(())
    }
}

impl State {
    fn begin(dir: &Path, number: u64) -> Result<Self> {
        let path = segment_path(dir, number);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(HEADER)?;
        // The name of a file is on the disk only when its folder is.
        File::open(dir)?.sync_all()?;
        let end = Position { segment: number, offset: HEADER.len() as u64 };
        Ok(Self { file: Arc::new(file), end, buffer: Vec::with_capacity(1_024) })
    }

    fn write(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.buffer.clear();
        encode(&mut self.buffer);
        match (&*self.file).write_all(&self.buffer) {
            Ok(()) => {
                self.end.offset += self.buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A full disk may have taken half a record: it must not stand between two others.
                self.file.set_len(self.end.offset)?;
                Err(error)
            }
        }
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
            sync_all(&files, &shared.has_failed);
        }
    })
}

fn sync_all(files: &[Arc<File>], has_failed: &AtomicBool) {
    for file in files {
        if let Err(error) = file.sync_data() {
            has_failed.store(true, Ordering::Relaxed);
            tracing::error!(%error, "the journal cannot be forced to the disk; no call may leave");
        }
    }
}

/// Reads at an offset without moving anybody's position.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    file.read_at(buffer, offset)
}
