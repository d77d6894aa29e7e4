//! The reading end of the journal.

use std::fs::File;
use std::io::Result as IoResult;
use std::path::{Path, PathBuf};

use super::record::{Front, LEFT_BYTES, read_front};
use super::writer::read_at;
use super::{HEADER, MAGIC, Record, VERSION, segment_path};

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
    /// Bytes at this offset that no writer of ours wrote, and that no crash leaves.
    Bytes(PathBuf, u64),
    /// A later version of this program wrote the file.
    Newer(PathBuf),
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
pub(crate) fn segments(dir: &Path) -> IoResult<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        numbers.extend(number.filter(|number| segment_path(dir, *number) == path));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads every segment that dead processes left, to see that all of it can be replayed.
///
/// Only the last record of all may be torn: a segment is forced to the disk before the next one
/// begins. Where the disk failed to, the next one says up to where this one is whole. A segment
/// without a record, as a process leaves that died at once, may follow any of them.
pub(crate) fn check(dir: &Path, numbers: &[u64]) -> Result<(), Damage> {
    let mut tear = None;
    for number in numbers {
        let mut reader = Reader::new(dir, *number);
        let mut is_empty = true;
        let is_torn = reader.read_left(|_| is_empty = false)?;
        let good = reader.good()?;
        let is_lost = match good {
            Some(good) => reader.position.offset < good,
            None => is_torn,
        };
        match tear {
            Some(tear) if !is_empty => return Err(tear),
            Some(_) => {}
            None => tear = is_lost.then(|| reader.damage()),
        }
    }
    Ok(())
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
    pub(crate) fn next_before(&mut self, end: Position) -> Result<Option<Record>, Damage> {
        loop {
            if self.position >= end {
                return Ok(None);
            }
            match read_front(self.unread()) {
                Front::Whole(record, bytes) => {
                    self.pass(bytes);
                    return Ok(Some(record));
                }
                Front::Damaged { .. } => self.leave(end)?,
                Front::Partial => {
                    let is_last = self.position.segment == end.segment;
                    // What stands behind the end may yet be taken back.
                    if self.fill(if is_last { end.offset } else { u64::MAX })? {
                        continue;
                    }
                    if is_last || !self.unread().is_empty() {
                        self.leave(end)?;
                    } else {
                        self.go_to(self.position.segment + 1);
                    }
                }
            }
        }
    }

    /// Goes on behind what cannot be read, if that is what a disk that failed has lost. Holds whose
    /// settlements were among it stay open, and are booked at their estimate by the next start.
    fn leave(&mut self, end: Position) -> Result<(), Damage> {
        if self.position.segment >= end.segment || !self.is_left()? {
            return Err(self.damage());
        }
        let (segment, offset) = (self.position.segment, self.position.offset);
        tracing::error!(segment, offset, "the disk has lost the end of a part of the journal");
        self.go_to(segment + 1);
        Ok(())
    }

    /// Whether what stands here was left because the disk failed.
    fn is_left(&self) -> Result<bool, Damage> {
        Ok(self.good()?.is_some_and(|good| self.position.offset >= good))
    }

    /// Up to where the segment is on the disk, if the next one says so.
    fn good(&self) -> Result<Option<u64>, Damage> {
        let segment = self.position.segment;
        let mut next = Self::new(&self.dir, segment + 1);
        if !next.path().exists() || !next.has_header()? {
            return Ok(None);
        }
        let mut first = [0; LEFT_BYTES];
        let read = next.read(&mut first, HEADER.len() as u64)?;
        Ok(match read_front(first.get(..read).unwrap_or_default()) {
            Front::Whole(Record::Left(good), _) if good.segment == segment => Some(good.offset),
            Front::Whole(..) | Front::Partial | Front::Damaged { .. } => None,
        })
    }

    /// Reads a segment of a process that died, to its last whole record. Returns whether the rest of
    /// a record stands behind that.
    ///
    /// A process that dies leaves the beginning of its last record. A machine that dies may also
    /// leave zeros, as many as it likes, where bytes did not reach the disk before the length of the
    /// file did. A disk that failed leaves anything. Everything else is damage, a whole record with a
    /// wrong checksum above all.
    pub(crate) fn read_left(&mut self, mut each: impl FnMut(Record)) -> Result<bool, Damage> {
        if !self.has_header()? {
            return Ok(false);
        }
        loop {
            match read_front(self.unread()) {
                Front::Whole(record, bytes) => {
                    self.pass(bytes);
                    each(record);
                }
                Front::Partial if self.fill(u64::MAX)? => {}
                Front::Partial => return Ok(!self.unread().is_empty()),
                Front::Damaged { cut }
                    if self.is_zero_from(self.position.offset + cut as u64)? =>
                {
                    return Ok(true);
                }
                Front::Damaged { .. } if self.is_left()? => return Ok(true),
                Front::Damaged { .. } => return Err(self.damage()),
            }
        }
    }

    /// Checks the version. A segment without its header was being made when the process or the machine
    /// died: it holds nothing.
    fn has_header(&mut self) -> Result<bool, Damage> {
        let mut header = [0; HEADER.len()];
        let read = self.read(&mut header, 0)?;
        let [magic @ .., high, low] = header;
        if read == HEADER.len() && &magic == MAGIC {
            return match u16::from_be_bytes([high, low]) {
                VERSION => Ok(true),
                version if version > VERSION => Err(Damage::Newer(self.path())),
                _ => Err(Damage::Bytes(self.path(), 0)),
            };
        }
        let is_begun = header.get(..read).is_some_and(|read| HEADER.starts_with(read));
        if is_begun || self.is_zero_from(0)? {
            return Ok(false);
        }
        Err(Damage::Bytes(self.path(), 0))
    }

    fn is_zero_from(&mut self, mut offset: u64) -> Result<bool, Damage> {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let read = self.read(&mut bytes, offset)?;
            if read == 0 {
                return Ok(true);
            }
            if bytes.iter().take(read).any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += read as u64;
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.position.offset += bytes as u64;
    }

    /// Reads on in the present segment, not beyond `until`; whether there was anything.
    fn fill(&mut self, until: u64) -> Result<bool, Damage> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        let kept = buffer.len();
        let offset = self.position.offset + kept as u64;
        let left = usize::try_from(until.saturating_sub(offset)).unwrap_or(READ_BYTES);
        buffer.resize(kept + left.min(READ_BYTES), 0);
        let read = self.read(buffer.get_mut(kept..).unwrap_or_default(), offset);
        buffer.truncate(kept + read.as_ref().copied().unwrap_or(0));
        self.buffer = buffer;
        read.map(|read| read > 0)
    }

    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Damage> {
        let path = self.path();
        let io = |error| Damage::Io(path.clone(), error);
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&path).map_err(io)?,
        };
        let read = read_at(&file, buffer, offset).map_err(io);
        self.file = Some(file);
        read
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use doorward_domain::call::Hold;
    use tempfile::TempDir;

    use super::*;
    use crate::journal::record::tests::hold;
    use crate::journal::record::{write_hold, write_left, write_settled};

    /// What a process wrote, and where each record of it ends.
    struct Written {
        bytes: Vec<u8>,
        records: Vec<(Record, usize)>,
    }

    impl Written {
        fn new() -> Self {
            let mut written = Self { bytes: HEADER.to_vec(), records: Vec::new() };
            for n in 1..=3 {
                written.hold(hold(n));
            }
            written.settled(&hold(2));
            written.hold(hold(4));
            written.settled(&hold(1));
            written
        }

        fn hold(&mut self, hold: Hold) {
            write_hold(&hold, &mut self.bytes);
            self.records.push((Record::Hold(Box::new(hold)), self.bytes.len()));
        }

        fn settled(&mut self, hold: &Hold) {
            let settled = hold.interrupted();
            write_settled(&settled, hold.provider, hold.deployment, &mut self.bytes);
            let record = Record::Settled(settled, hold.provider, hold.deployment);
            self.records.push((record, self.bytes.len()));
        }

        /// The records of which every byte is before `end`.
        fn before(&self, end: usize) -> Vec<Record> {
            let whole = self.records.iter().take_while(|(_, record_end)| *record_end <= end);
            whole.map(|(record, _)| record.clone()).collect()
        }

        /// Where the record begins that has the byte at `offset`; the header is one too.
        fn start_of(&self, offset: usize) -> u64 {
            let ends =
                std::iter::once(HEADER.len()).chain(self.records.iter().map(|(_, end)| *end));
            let start = ends.take_while(|end| *end <= offset).last();
            start.unwrap_or(0) as u64
        }
    }

    fn write(dir: &TempDir, segment: u64, parts: &[&[u8]]) {
        std::fs::write(segment_path(dir.path(), segment), parts.concat()).unwrap();
    }

    fn read(dir: &TempDir, segment: u64) -> (Vec<Record>, bool) {
        check(dir.path(), &[segment]).unwrap();
        let mut records = Vec::new();
        let is_torn = Reader::new(dir.path(), segment).read_left(|record| records.push(record));
        (records, is_torn.unwrap())
    }

    /// Where the journal is damaged.
    fn damage(dir: &TempDir) -> Option<(PathBuf, u64)> {
        match check(dir.path(), &segments(dir.path()).unwrap()) {
            Ok(()) => None,
            Err(Damage::Bytes(path, offset)) => Some((path, offset)),
            Err(Damage::Io(path, error)) => panic!("{path:?}: {error}"),
            Err(Damage::Newer(path)) => panic!("{path:?} is newer"),
        }
    }

    fn is_newer(dir: &TempDir) -> bool {
        matches!(check(dir.path(), &[1]), Err(Damage::Newer(path)) if path == segment_path(dir.path(), 1))
    }

    /// The beginning of segment 2, where the disk failed with segment 1.
    fn behind(good: u64) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        write_left(Position { segment: 1, offset: good }, &mut bytes);
        bytes
    }

    #[test]
    fn a_file_torn_at_any_byte_has_the_records_before_it() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        for end in 0..=written.bytes.len() {
            write(&dir, 1, &[&written.bytes[..end]]);
            let (records, is_torn) = read(&dir, 1);
            assert_eq!(records, written.before(end), "torn at {end}");
            let is_cut = end > HEADER.len() && end as u64 != written.start_of(end);
            assert_eq!(is_torn, is_cut, "torn at {end}");
        }
    }

    #[test]
    fn zeros_where_bytes_never_reached_the_disk_end_the_file() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        for end in (HEADER.len()..=written.bytes.len()).chain([0]) {
            for zeros in [1_usize, 7, 2_000, 600_000] {
                if zeros > 2_000 && end % 50 != 0 {
                    continue;
                }
                write(&dir, 1, &[&written.bytes[..end], &vec![0; zeros]]);
                assert_eq!(read(&dir, 1).0, written.before(end), "{zeros} zeros at {end}");
            }
        }
    }

    #[test]
    fn a_changed_byte_is_damage_wherever_it_is() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        for offset in 0..written.bytes.len() {
            for flip in [0xff, 0x04, 0x80] {
                let mut bytes = written.bytes.clone();
                bytes[offset] ^= flip;
                write(&dir, 1, &[&bytes]);
                if (MAGIC.len()..HEADER.len()).contains(&offset) {
                    assert!(is_newer(&dir), "byte {offset} ^ {flip}");
                    continue;
                }
                let place = (segment_path(dir.path(), 1), written.start_of(offset));
                assert_eq!(damage(&dir), Some(place), "byte {offset} ^ {flip}");
            }
        }
    }

    #[test]
    fn records_behind_zeros_are_damage() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        let records = &written.bytes[HEADER.len()..];
        write(&dir, 1, &[&written.bytes, &[0; 4_096], records]);
        let place = (segment_path(dir.path(), 1), written.bytes.len() as u64);
        assert_eq!(damage(&dir), Some(place));
    }

    #[test]
    fn only_the_last_record_of_all_may_be_torn() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        let torn = &written.bytes[..written.bytes.len() - 5];
        write(&dir, 1, &[&written.bytes]);
        write(&dir, 2, &[torn]);
        for empty in [&b""[..], &HEADER[..3], HEADER, &[0; 4_096]] {
            write(&dir, 3, &[empty]);
            assert_eq!(damage(&dir), None, "{empty:?}");
        }
        write(&dir, 3, &[&written.bytes]);
        let start = written.start_of(torn.len());
        assert_eq!(damage(&dir), Some((segment_path(dir.path(), 2), start)));
    }

    #[test]
    fn a_segment_of_another_making_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        for other in [&b"hello"[..], b"DWJRNK\x00\x02 and so on", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            write(&dir, 1, &[other]);
            assert_eq!(damage(&dir), Some((segment_path(dir.path(), 1), 0)), "{other:?}");
        }
    }

    #[test]
    fn a_segment_of_a_newer_version_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for newer in [b"DWJRNL\x00\x02", b"DWJRNL\x01\x01"] {
            write(&dir, 1, &[newer, b"whatever that is"]);
            assert!(is_newer(&dir));
        }
        write(&dir, 1, &[b"DWJRNL\x00\x00", b"no version at all"]);
        assert_eq!(damage(&dir), Some((segment_path(dir.path(), 1), 0)));
    }

    /// What a failed disk leaves of a segment, at every byte: ended, changed, or never written.
    #[test]
    fn what_a_failed_disk_lost_behind_the_good_part_is_no_damage() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        let (_, good) = written.records[2];
        write(&dir, 2, &[&behind(good as u64), &written.bytes[HEADER.len()..]]);
        for at in good..written.bytes.len() {
            let start = usize::try_from(written.start_of(at)).unwrap();
            let (kept, lost) = written.bytes.split_at(at);
            let changed: Vec<u8> = lost.iter().map(|byte| byte ^ 0x40).collect();
            let hole = [&vec![0; lost.len()][..], b"bytes"].concat();
            for rest in [&b""[..], &changed, &hole] {
                write(&dir, 1, &[kept, rest]);
                assert_eq!(damage(&dir), None, "at {at}");
                assert_eq!(read(&dir, 1).0, written.before(start), "at {at}");
            }
        }
    }

    #[test]
    fn damage_before_the_good_end_is_damage_whatever_follows() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        let (_, good) = written.records[2];
        for rest in [&b""[..], &written.bytes[HEADER.len()..]] {
            write(&dir, 2, &[&behind(good as u64), rest]);
            for at in HEADER.len()..good {
                let place = Some((segment_path(dir.path(), 1), written.start_of(at)));
                write(&dir, 1, &[&written.bytes[..at]]);
                assert_eq!(damage(&dir), place, "ends at {at}");
                let mut bytes = written.bytes.clone();
                bytes[at] ^= 0x40;
                write(&dir, 1, &[&bytes]);
                assert_eq!(damage(&dir), place, "changed at {at}");
            }
        }
        // What is said of another segment says nothing of this one.
        write(&dir, 3, &[&behind(good as u64), &written.bytes[HEADER.len()..]]);
        write(&dir, 2, &[&written.bytes]);
        write(&dir, 1, &[&written.bytes[..=good]]);
        assert_eq!(damage(&dir), Some((segment_path(dir.path(), 1), good as u64)));
    }

    /// The running drain meets the same, where the page cache has lost what the disk had not.
    #[test]
    fn a_reader_that_follows_passes_what_a_failed_disk_lost() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        let (_, good) = written.records[2];
        let next = [&behind(good as u64), &written.bytes[HEADER.len()..]].concat();
        let end = Position { segment: 2, offset: next.len() as u64 };
        let follow = |kept: &[u8], rest: &[u8]| {
            write(&dir, 1, &[kept, rest]);
            write(&dir, 2, &[&next]);
            let (mut reader, mut records) = (Reader::new(dir.path(), 1), Vec::new());
            loop {
                match reader.next_before(end) {
                    Ok(Some(Record::Left(_))) => {}
                    Ok(Some(record)) => records.push(record),
                    Ok(None) => break Ok(records),
                    Err(damage) => break Err(damage),
                }
            }
        };
        let all = written.before(written.bytes.len());
        for at in good..=written.bytes.len() {
            for rest in [&b""[..], b"changed"] {
                let records = follow(&written.bytes[..at], rest).unwrap();
                assert_eq!(records, [written.before(at), all.clone()].concat(), "at {at}");
            }
        }
        let early = follow(&written.bytes[..good - 1], b"changed");
        assert!(matches!(early, Err(Damage::Bytes(..))), "{early:?}");
        // As long as it is the last one, what cannot be read may yet be taken back.
        let mut reader = Reader::new(dir.path(), 1);
        let last = Position { segment: 1, offset: good as u64 + 3 };
        while matches!(reader.next_before(last), Ok(Some(_))) {}
        assert!(matches!(reader.next_before(last), Err(Damage::Bytes(..))));
    }

    #[test]
    fn other_files_in_the_folder_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "0000000002.log",
            "0000000010.log",
            "3.log",
            "+000000004.log",
            "a.log",
            "0000000005.bak",
        ] {
            File::create(dir.path().join(name)).unwrap();
        }
        assert_eq!(segments(dir.path()).unwrap(), [2, 10]);
    }

    /// The reader follows the writer, who may take back what stands behind the end.
    #[test]
    fn nothing_behind_the_end_is_ever_read() {
        let (dir, written) = (tempfile::tempdir().unwrap(), Written::new());
        let path = segment_path(dir.path(), 1);
        let (_, end) = written.records[0];
        let (first, second) = (&written.bytes[..end], hold(9));
        write(&dir, 1, &[&written.bytes]);
        let mut reader = Reader::new(dir.path(), 1);
        let at = |end: usize| Position { segment: 1, offset: end as u64 };
        assert_eq!(reader.next_before(at(end)).unwrap(), Some(Record::Hold(Box::new(hold(1)))));
        assert_eq!(reader.next_before(at(end)).unwrap(), None);

        std::fs::write(&path, first).unwrap();
        let mut bytes = Vec::new();
        write_hold(&second, &mut bytes);
        File::options().append(true).open(&path).unwrap().write_all(&bytes).unwrap();
        let read = reader.next_before(at(end + bytes.len())).unwrap();
        assert_eq!(read, Some(Record::Hold(Box::new(second))));
    }
}
