//! The open store: its options, its parts, how it opens and closes.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use secrecy::SecretString;

use crate::{Clock, MasterKey, OpenError};

/// When the journal is forced to the disk. `kill -9` loses nothing either way; a power cut does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalSync {
    /// Every 100 ms.
    Interval,
    /// Before each call leaves.
    Always,
}

/// How to open a [`Store`].
#[derive(Debug)]
pub struct Options {
    /// The data directory: database, journal, lock, master key. Made with mode 0700 if missing.
    pub data_dir: PathBuf,
    /// A `postgres://` URL. `None`: SQLite in the data directory.
    pub database_url: Option<SecretString>,
    /// The key that wraps the keyring; `None`: `master.key` in the data directory, made on first use.
    pub master_key: Option<MasterKey>,
    /// The time.
    pub clock: Clock,
    /// The calendar of budgets.
    pub time_zone: TimeZone,
    /// When the journal is forced to the disk.
    pub journal_sync: JournalSync,
    /// How many keys are kept in memory at most.
    pub call_keys_max: usize,
}

/// Figures for `/metrics`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreStats {
    /// Look-ups of keys in the database, by the data plane.
    pub key_lookups: u64,
    /// Finished calls that are in the journal and not yet in the database.
    pub events_waiting: u64,
    /// Finished calls written to the database since the start.
    pub events_written: u64,
    /// Keys held in memory.
    pub call_keys: u64,
}

/// The open store. One per process and data directory; shared as `Arc<Store>`.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Opens the store: takes the lock, checks the master key against the data, migrates, replays
    /// the journal. On any error the data is as it was.
    pub async fn open(options: Options) -> Result<Arc<Self>, OpenError> {
        todo!()
    }

    /// Writes everything to the database, forces the journal to the disk and lets go of the lock.
    pub async fn close(&self) {
        todo!()
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        todo!()
    }

    /// A random number of the operating system.
    pub fn random_u64(&self) -> u64 {
        todo!()
    }

    /// Whether the database answers, for `/readyz`.
    pub async fn is_ready(&self) -> bool {
        todo!()
    }

    /// Figures for `/metrics`.
    pub fn stats(&self) -> StoreStats {
        todo!()
    }
}
