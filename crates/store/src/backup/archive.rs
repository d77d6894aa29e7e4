//! Reading a backup: line by line, each part checked before it is used.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::format::{Cell, End, FORMAT, Head, LINE_BYTES_MAX, digest_text};
use super::schema::Table;
use crate::age::{AgeError, Opener, Passphrase};
use crate::migrations;

/// Why a file cannot be restored. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It does not open.
    #[error("the backup does not open: {0}")]
    Sealed(#[from] AgeError),
    /// It opens, and holds something else.
    #[error("the file is no backup of doorward")]
    NotBackup,
    /// It opens, and is not whole or not as it was written.
    #[error("the backup is incomplete or was changed")]
    Damaged,
    /// Another version of the program made it.
    #[error(
        "the backup was made by doorward {program}, whose tables are others; restore it with that \
         version, then start this one"
    )]
    OtherVersion {
        /// Which.
        program: String,
    },
}

/// What a backup holds.
#[derive(Debug, Clone)]
pub struct Summary {
    /// When it was made.
    pub made_at: Timestamp,
    /// How many rows it has.
    pub rows: u64,
}

/// Reads a whole backup and proves that it can be restored; `passed` is told how many bytes were
/// read since it was last told. Blocks.
pub fn check(
    path: &Path,
    passphrase: &Passphrase,
    passed: &mut dyn FnMut(u64),
) -> Result<Summary, ArchiveError> {
    let mut archive = Archive::open(path, passphrase)?;
    while let Some(part) = archive.next_part()? {
        passed(archive.take_passed());
        drop(part);
    }
    Ok(Summary { made_at: archive.head.made_at, rows: archive.rows })
}

/// An open backup.
pub(super) struct Archive {
    pub(super) head: Head,
    pub(super) rows: u64,
    opener: Opener<BufReader<File>>,
    /// What was opened and is not read.
    text: Zeroizing<Vec<u8>>,
    at: usize,
    passed: u64,
    hash: Sha256,
    table: Option<Table>,
}

/// What comes next in a backup.
pub(super) enum Part {
    Table(Table),
    /// A row of the last table.
    Row(Vec<Cell>),
}

impl Archive {
    pub(super) fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(AgeError::Io)?;
        let mut archive = Self {
            opener: Opener::new(BufReader::new(file), passphrase)?,
            // Until the first line is read, which says it.
            head: Head {
                doorward_backup: FORMAT,
                program: String::new(),
                schema: 0,
                made_at: Timestamp::UNIX_EPOCH,
                audit_sequence: 0,
            },
            rows: 0,
            text: Zeroizing::default(),
            at: 0,
            passed: 0,
            hash: Sha256::new(),
            table: None,
        };
        archive.head = archive.read_head()?;
        Ok(archive)
    }

    fn read_head(&mut self) -> Result<Head, ArchiveError> {
        let line = self.line()?.ok_or(ArchiveError::NotBackup)?;
        let head: Value = serde_json::from_slice(&line).map_err(|_| ArchiveError::NotBackup)?;
        let format = head.get("doorward_backup").and_then(Value::as_u64);
        let program = head.get("program").and_then(Value::as_str).unwrap_or("of another version");
        let other = || ArchiveError::OtherVersion { program: program.to_owned() };
        if format.ok_or(ArchiveError::NotBackup)? != u64::from(FORMAT) {
            return Err(other());
        }
        let read: Head = serde_json::from_value(head.clone()).map_err(|_| ArchiveError::Damaged)?;
        if read.schema != migrations::newest() {
            return Err(other());
        }
        self.hash.update(&*line);
        Ok(read)
    }

    /// The next part; `None` after the end, which fits everything before it.
    pub(super) fn next_part(&mut self) -> Result<Option<Part>, ArchiveError> {
        let line = self.line()?.ok_or(ArchiveError::Damaged)?;
        if line.first() == Some(&b'[') {
            self.hash.update(&*line);
            return self.row(&line).map(Some);
        }
        if line.starts_with(b"{\"rows\"") {
            return self.end(&line).map(|()| None);
        }
        self.hash.update(&*line);
        let table: Table = parse(&line)?;
        self.table = Some(table.clone());
        Ok(Some(Part::Table(table)))
    }

    /// How much of the file was read since this was last asked.
    pub(super) fn take_passed(&mut self) -> u64 {
        std::mem::take(&mut self.passed)
    }

    fn row(&mut self, line: &[u8]) -> Result<Part, ArchiveError> {
        let values: Vec<Value> = parse(line)?;
        let table = self.table.as_ref().ok_or(ArchiveError::Damaged)?;
        if values.len() != table.columns.len() {
            return Err(ArchiveError::Damaged);
        }
        let fields = values.into_iter().zip(&table.columns);
        let cells = fields.map(|(value, (_, kind))| Cell::of_json(value, *kind));
        self.rows += 1;
        Ok(Part::Row(cells.collect::<Option<_>>().ok_or(ArchiveError::Damaged)?))
    }

    fn end(&mut self, line: &[u8]) -> Result<(), ArchiveError> {
        let end: End = parse(line)?;
        let sha256 = digest_text(&self.hash.clone().finalize());
        if end != (End { rows: self.rows, sha256 }) || self.line()?.is_some() {
            return Err(ArchiveError::Damaged);
        }
        Ok(())
    }

    /// The next line with its end; `None`: there is none.
    fn line(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ArchiveError> {
        let mut looked = self.at;
        loop {
            let rest = self.text.get(looked..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let end = looked + end + 1;
                let line = self.text.get(self.at..end).unwrap_or_default().to_vec();
                self.at = end;
                return Ok(Some(Zeroizing::new(line)));
            }
            self.text.drain(..self.at);
            self.at = 0;
            looked = self.text.len();
            if looked > LINE_BYTES_MAX {
                return Err(ArchiveError::Damaged);
            }
            match self.opener.next_chunk()? {
                Some(chunk) => {
                    self.passed += chunk.len() as u64;
                    self.text.extend_from_slice(&chunk);
                }
                None if self.text.is_empty() => return Ok(None),
                None => return Err(ArchiveError::Damaged),
            }
        }
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(line).map_err(|_| ArchiveError::Damaged)
}
