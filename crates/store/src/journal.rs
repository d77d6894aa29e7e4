//! The journal of calls: an append-only file that loses nothing when the program dies.
//!
//! Before a call leaves, its hold is written, by one `write` and no wait for the disk; its
//! settlement likewise. The page cache outlives the process, so `kill -9` loses no record. The
//! journal is also the queue to the database: the drain reads it behind the writer and writes
//! batches of finished calls, at its own pace, so that a call never waits for the database and
//! memory does not grow with the backlog.

mod reader;
mod record;
mod writer;

pub(crate) use reader::{Damage, Position, Reader, check, segments};
pub(crate) use record::Record;
pub(crate) use writer::{Batch, Writer};

use std::path::{Path, PathBuf};

/// The first bytes of a segment: what it is, and the version of its records.
const HEADER: &[u8; 8] = b"DWJRNL\x00\x01";
/// What they begin with in every version; two bytes follow, big-endian.
const MAGIC: &[u8; 6] = b"DWJRNL";
/// How the records of a segment are written.
const VERSION: u16 = 1;

/// The file of a segment.
pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}
