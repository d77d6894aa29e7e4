//! The reading end of the journal.

use std::fs::File;
use std::io::Result;
use std::path::{Path, PathBuf};

use super::record::{Front, RECORD_BYTES_MAX, read_front};
use super::writer::read_at;
use super::{HEADER, Record, segment_path};

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A place in the journal: a segment and an offset in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// Why reading cannot go on.
#[derive(Debug)]
pub(crate) enum Damage {
    /// The file cannot be read.
    Io(PathBuf, std::io::Error),
    /// Bytes at this offset that no writer of ours wrote.
    Bytes(PathBuf, u64),
}

/// Reads records in the order in which they were written.
#[derive(Debug)]
pub(crate) struct Reader {
    dir: PathBuf,
    position: Position,
    file: Option<File>,
    buffer: Vec<u8>,
    /// Where the unread bytes of the buffer begin.
    start: usize,
}

/// The segments in a folder, in their order. Other files are left alone.
pub(crate) fn segments(dir: &Path) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl Reader {
    /// Begins at the front of a segment.
    pub(crate) fn new(dir: &Path, segment: u64) -> Self {
        let position = Position { segment, offset: HEADER.len() as u64 };
        Self { dir: dir.to_owned(), position, file: None, buffer: Vec::new(), start: 0 }
    }

    /// What has been read.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The next record before `end`, in this segment or those after it. `None`: there is none yet.
    pub(crate) fn next_before(
        &mut self,
        end: Position,
    ) -> std::result::Result<Option<Record>, Damage> {
        loop {
            if self.position >= end {
                return Ok(None);
            }
            match read_front(self.unread()) {
                Front::Whole(record, bytes) => {
                    self.start += bytes;
                    self.position.offset += bytes as u64;
                    return Ok(Some(record));
                }
                Front::Damaged => return Err(self.damage()),
                Front::Partial => {
                    if self.fill()? {
                        continue;
                    }
                    if self.position.segment >= end.segment || !self.unread().is_empty() {
                        return Err(self.damage());
                    }
                    self.go_to(self.position.segment + 1);
                }
            }
        }
    }

    /// Reads a segment of a process that died, to its last whole record. The second value counts the
    /// bytes of a torn record behind that.
    pub(crate) fn read_torn(
        &mut self,
        mut each: impl FnMut(Record),
    ) -> std::result::Result<usize, Damage> {
        if !self.has_header()? {
            return Ok(0);
        }
        loop {
            match read_front(self.unread()) {
                Front::Whole(record, bytes) => {
                    self.start += bytes;
                    self.position.offset += bytes as u64;
                    each(record);
                }
                Front::Partial if self.fill()? => {}
                Front::Partial => return Ok(self.unread().len()),
                // Only the last write can be torn, and no write is longer than one record.
                Front::Damaged if self.is_near_end()? => return Ok(self.unread().len()),
                Front::Damaged => return Err(self.damage()),
            }
        }
    }

    /// A segment shorter than its header was being made when the process died: it holds nothing.
    fn has_header(&mut self) -> std::result::Result<bool, Damage> {
        let mut header = [0; HEADER.len()];
        let path = self.path();
        let file = File::open(&path).map_err(|error| Damage::Io(path.clone(), error))?;
        let read =
            read_at(&file, &mut header, 0).map_err(|error| Damage::Io(path.clone(), error))?;
        if read < header.len() {
            return Ok(false);
        }
        if &header == HEADER { Ok(true) } else { Err(Damage::Bytes(path, 0)) }
    }

    fn is_near_end(&mut self) -> std::result::Result<bool, Damage> {
        while self.unread().len() <= RECORD_BYTES_MAX {
            if !self.fill()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads on in the present segment; whether there was anything.
    fn fill(&mut self) -> std::result::Result<bool, Damage> {
        let path = self.path();
        let io = |error| Damage::Io(path.clone(), error);
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&path).map_err(io)?,
        };
        self.buffer.drain(..self.start);
        self.start = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + READ_BYTES, 0);
        let offset = self.position.offset + kept as u64;
        let read =
            read_at(&file, self.buffer.get_mut(kept..).unwrap_or_default(), offset).map_err(io)?;
        self.buffer.truncate(kept + read);
        self.file = Some(file);
        Ok(read > 0)
    }

    fn go_to(&mut self, segment: u64) {
        self.position = Position { segment, offset: HEADER.len() as u64 };
        self.file = None;
        self.buffer.clear();
        self.start = 0;
    }

    fn damage(&self) -> Damage {
        Damage::Bytes(self.path(), self.position.offset)
    }

    fn path(&self) -> PathBuf {
        segment_path(&self.dir, self.position.segment)
    }
}
