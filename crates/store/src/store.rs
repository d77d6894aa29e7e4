//! The open store: its options, its parts, how it opens and closes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use doorward_domain::id::DeploymentId;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use secrecy::SecretString;

use crate::calls::{Calls, check_journal};
use crate::db::{Db, Pool, on};
use crate::keyring::{Keyring, Stored};
use crate::prompts;
use crate::tokens::Tokens;
use crate::{Boards, Clock, KeyCaps, MasterKey, OpenError, StoreError};

/// The file in the data directory that is locked as long as a process has the data.
pub const LOCK_FILE: &str = "doorward.lock";

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
    /// How long keys may live, and how many a user may have.
    pub key_caps: KeyCaps,
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
    /// Prompts that were to be kept and found no room in the queue, since the start.
    pub prompts_dropped: u64,
}

/// The open store. One per process and data directory; shared as `Arc<Store>`.
#[derive(Debug)]
pub struct Store {
    pub(crate) db: Db,
    pub(crate) keyring: Keyring,
    pub(crate) calls: Calls,
    pub(crate) tokens: Tokens,
    pub(crate) prompts: prompts::Queue,
    pub(crate) catalog_epoch: AtomicU64,
    pub(crate) catalog_changes: tokio::sync::Notify,
    /// How the deployments are that the data plane calls.
    pub(crate) health: Mutex<HashMap<DeploymentId, Boards>>,
    pub(crate) clock: Clock,
    pub(crate) time_zone: TimeZone,
    pub(crate) key_caps: KeyCaps,
    /// One backup is made at a time.
    pub(crate) backups: Arc<tokio::sync::Semaphore>,
    /// Held by whoever asks of which pages keys may be used.
    pub(crate) asking_origin: tokio::sync::Mutex<()>,
    /// Held while the store is open: other processes see that somebody has the data.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens the store: takes the lock, checks the master key against the data, migrates, replays
    /// the journal. On any error the data is as it was.
    pub async fn open(options: Options) -> Result<Arc<Self>, OpenError> {
        make_dir(&options.data_dir)?;
        let lock = take_lock(&options.data_dir)?;
        if options.database_url.is_none() {
            check_sqlite(&options).await?;
        }
        let db = Db::connect(&options.data_dir, options.database_url.as_ref()).await?;
        match prepare(&db, &options).await {
            Ok((keyring, calls, tokens)) => {
                let store = Arc::new(Self {
                    db,
                    keyring,
                    calls,
                    tokens,
                    prompts: prompts::Queue::default(),
                    catalog_epoch: AtomicU64::new(1),
                    catalog_changes: tokio::sync::Notify::new(),
                    health: Mutex::default(),
                    clock: options.clock,
                    time_zone: options.time_zone,
                    key_caps: options.key_caps,
                    backups: Arc::new(tokio::sync::Semaphore::new(1)),
                    asking_origin: tokio::sync::Mutex::default(),
                    lock: Mutex::new(Some(lock)),
                });
                store.start_drain();
                store.start_prompts();
                Ok(store)
            }
            Err(error) => {
                // Closing takes SQLite's side files away again.
                db.close().await;
                Err(error)
            }
        }
    }

    /// Writes everything to the database, forces the journal to the disk and lets go of the data.
    pub async fn close(&self) {
        self.calls.stop().await;
        self.prompts.stop().await;
        if let Err(error) = self.flush_prompts().await {
            tracing::warn!(%error, "prompts cannot be written; they are lost");
        }
        let flushed = self.flush_events().await;
        self.calls.close_journal();
        match flushed {
            Ok(()) => self.delete_drained_journal().await,
            Err(error) => {
                tracing::warn!(%error, "finished calls stay in the journal until the next start");
            }
        }
        self.db.close().await;
        drop(self.lock.lock().take());
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A random number of the operating system.
    pub fn random_u64(&self) -> u64 {
        random_u64().unwrap_or_else(|_| self.clock.now().as_microsecond().unsigned_abs())
    }

    /// Whether the database answers and is this process's own, for `/readyz`.
    pub async fn is_ready(&self) -> bool {
        if !self.db.is_ours() {
            return false;
        }
        let answer: Result<(i32,), StoreError> = async {
            Ok(on!(self.db.read, |pool| sqlx::query_as("SELECT 1").fetch_one(pool).await?))
        }
        .await;
        answer.is_ok()
    }

    /// Figures for `/metrics`.
    pub fn stats(&self) -> StoreStats {
        StoreStats { prompts_dropped: self.prompts.dropped(), ..self.calls.stats() }
    }

    /// A new id at the present time.
    pub(crate) fn new_id<T>(&self, make: impl FnOnce(u64, u128) -> T) -> T {
        let at_ms = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        make(at_ms, u128::from(self.random_u64()) << 16 | u128::from(self.random_u64() >> 48))
    }
}

fn random_u64() -> Result<u64, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::NoRandomness)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The operating system's generator, a byte at a time. Where it fails, which no running Linux does,
/// nothing may be minted: the process ends.
pub(crate) fn random_bytes() -> impl FnMut() -> u8 {
    let mut pool = [0_u8; 64];
    let mut left = 0_usize;
    move || {
        if left == 0 {
            if getrandom::fill(&mut pool).is_err() {
                std::process::abort();
            }
            left = pool.len();
        }
        left -= 1;
        pool.get(left).copied().unwrap_or_default()
    }
}

/// Everything between a connection and an open store. The master key and the journal are checked
/// before anything is written.
async fn prepare(db: &Db, options: &Options) -> Result<(Keyring, Calls, Tokens), OpenError> {
    if !db.lock(random_u64()?).await? {
        return Err(OpenError::AlreadyRunning("this database".to_owned()));
    }
    let master = master_key(options, &Stored::read(&db.read).await?)?;
    let journal_dir = options.data_dir.join("journal");
    make_dir(&journal_dir)?;
    check_journal(&journal_dir)?;
    db.migrate().await?;
    let now = options.clock.now();
    let keyring = Keyring::open(db, &master, now).await?;
    db.watch_lock().await?;
    let bounds = (options.journal_sync, options.call_keys_max);
    let calls = Calls::open(db, &journal_dir, &options.time_zone, bounds).await?;
    Ok((keyring, calls, Tokens::open(db, now).await?))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

pub(crate) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))
}

pub(crate) fn take_lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(OpenError::AlreadyRunning(dir.display().to_string()));
        }
        Err(fs::TryLockError::Error(error)) => return Err(io(&path)(error)),
    }
    Ok(file)
}

/// Checks the master key against SQLite's file before that is opened for writing: opening moves what
/// a killed process left in the log.
async fn check_sqlite(options: &Options) -> Result<(), OpenError> {
    if let Some(pool) = Pool::peek_sqlite(&options.data_dir).await? {
        let stored = Stored::read(&pool).await;
        on!(pool, |pool| pool.close().await);
        master_key(options, &stored?)?;
    }
    Ok(())
}

/// The master key, given or from its file, checked against the keyring that it wraps.
fn master_key(options: &Options, stored: &Stored) -> Result<MasterKey, OpenError> {
    stored.check_whole()?;
    let master = match &options.master_key {
        Some(given) => given.clone(),
        None => master_key_file(&options.data_dir.join("master.key"), stored.is_new())?,
    };
    stored.unwrap(&master)?;
    Ok(master)
}

/// Reads the master key's file; makes it only where there is no data that it could have wrapped.
fn master_key_file(path: &Path, is_new: bool) -> Result<MasterKey, OpenError> {
    let mut text = zeroize::Zeroizing::new(String::new());
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => MasterKey::parse(&text, &path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound && is_new => make_master_key(path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(OpenError::MasterKeyMissing { path: path.to_owned() })
        }
        Err(error) => Err(io(path)(error)),
    }
}

pub(crate) fn make_master_key(path: &Path) -> Result<MasterKey, OpenError> {
    let key = MasterKey::generate()?;
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(io(path))?;
    writeln!(file, "{}", key.expose().as_str()).map_err(io(path))?;
    file.sync_all().map_err(io(path))?;
    Ok(key)
}
