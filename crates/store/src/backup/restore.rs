//! Restoring a backup into an empty place.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::archive::{Archive, ArchiveError, Part, check};
use super::ended::end;
use super::format::{Cell, Head};
use super::revocations::{self, Ended, Opened, RevocationSource, of_live};
use super::schema::{Table, quoted, tables};
use super::spend::{raise_spend, spend_after};
use crate::age::Passphrase;
use crate::audit::append_audit;
use crate::db::{Db, Pool, Session, on, on_session, parsed};
use crate::keyring::{Keyring, Wrapped, wrap};
use crate::store::{LOCK_FILE, make_dir, make_master_key, take_lock};
use crate::{Act, Actor, Clock, MasterKey, OpenError, StoreError};

/// Tables that a new database has rows in.
const SEEDED: [&str; 1] = ["audit_head"];
/// What ends by being deleted cannot be told from what ended since: whoever was signed in signs in
/// again, and a one-time link is asked for again.
const NOT_REVIVED: [&str; 2] = ["sessions", "password_links"];
/// The root of a file system has it.
const OF_FILE_SYSTEM: &str = "lost+found";
/// What a folder may hold and is empty all the same.
const NOTHING: [&str; 2] = [OF_FILE_SYSTEM, LOCK_FILE];

/// What is restored, and where.
#[derive(Debug)]
pub struct RestoreOptions {
    /// The backup.
    pub archive: PathBuf,
    /// What it opens under.
    pub passphrase: Passphrase,
    /// The data directory: empty, or not there.
    pub data_dir: PathBuf,
    /// An empty PostgreSQL database. `None`: SQLite in the data directory.
    pub database_url: Option<SecretString>,
    /// The key that is to wrap the keyring; `None`: a new `master.key` in the data directory.
    pub master_key: Option<MasterKey>,
    /// The time.
    pub clock: Clock,
    /// What tells of everything that ended since.
    pub revocations: Vec<RevocationSource>,
}

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made.
    pub made_at: Timestamp,
    /// Rows of the backup.
    pub rows: u64,
    /// Keys that had been revoked since.
    pub keys_revoked: u64,
    /// Keys that had been switched off since.
    pub keys_disabled: u64,
    /// Rotations since that left an old secret no, or less, time.
    pub secrets_ended: u64,
    /// Users and service accounts that had been removed or switched off since.
    pub owners_ended: u64,
    /// Sums of budgets that had grown since.
    pub spend_raised: u64,
}

/// Why nothing was restored. The place is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is not usable.
    #[error("{0}. Nothing was written")]
    Archive(#[from] ArchiveError),
    /// There is something already.
    #[error(
        "{0} is not empty, and a backup is restored into an empty place only. Nothing was written"
    )]
    NotEmpty(String),
    /// There are no old data.
    #[error("there is no database of doorward in {0}. Nothing was written")]
    NoLiveData(String),
    /// A list of revocations is none.
    #[error("line {line} of {path} is no entry of an exported audit log. Nothing was written")]
    List {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// A list of revocations lacks some.
    #[error(
        "{path} does not reach back to the backup: it lacks the entry {needed} of the audit log. \
         Nothing was written"
    )]
    ListBeginsLate {
        /// Which file.
        path: PathBuf,
        /// The first entry after the backup.
        needed: i64,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The place cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl Restored {
    fn new(head: &Head) -> Self {
        Self {
            made_at: head.made_at,
            rows: 0,
            keys_revoked: 0,
            keys_disabled: 0,
            secrets_ended: 0,
            owners_ended: 0,
            spend_raised: 0,
        }
    }

    pub(super) fn count(&mut self, ended: &Ended) {
        match ended {
            Ended::Key { .. } => self.keys_revoked += 1,
            Ended::KeyDisabled { .. } => self.keys_disabled += 1,
            Ended::Secrets { .. } | Ended::Overlap { .. } => self.secrets_ended += 1,
            Ended::Owner { .. } | Ended::OwnerDisabled { .. } => self.owners_ended += 1,
        }
    }
}

/// Restores a backup, all or nothing: the whole file is checked before anything is written.
/// `passed` is told how many bytes were read since it was last told; the file is read twice.
///
/// Reads the file without giving way to other tasks: for a process that does nothing else.
pub async fn restore(
    options: &RestoreOptions,
    passed: &mut (dyn FnMut(u64) + Send),
) -> Result<Restored, RestoreError> {
    let is_new = check_place(&options.data_dir)?;
    check(&options.archive, &options.passphrase, passed)?;
    let archive = Archive::open(&options.archive, &options.passphrase)?;
    let mut sources = Vec::new();
    for source in &options.revocations {
        sources.push(revocations::open(source, archive.head.audit_sequence).await?);
    }
    make_dir(&options.data_dir)?;
    let lock = take_lock(&options.data_dir)?;
    // Again, now that nobody else can put anything there: what is there is taken away on a failure.
    check_place(&options.data_dir)?;
    let restored = Box::pin(write(options, archive, &sources, passed)).await;
    for source in &sources {
        if let Opened::Live(pool) = source {
            on!(*pool, |pool| pool.close().await);
        }
    }
    if matches!(restored, Err(Failure::Before(_))) {
        clear(&options.data_dir, is_new);
    }
    drop(lock);
    restored.map_err(|failure| match failure {
        Failure::Before(error) | Failure::Unknown(error) => error,
    })
}

/// Whether the data are as they were. Where the answer to the commit is lost, nobody knows, and the
/// master key must stay.
enum Failure {
    Before(RestoreError),
    Unknown(RestoreError),
}

impl<E: Into<RestoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

/// Whether the folder is still to be made; it is refused when it holds anything.
fn check_place(dir: &Path) -> Result<bool, RestoreError> {
    let fault = |source| RestoreError::Io { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(fault(error)),
    };
    for entry in entries {
        let name = entry.map_err(fault)?.file_name();
        if NOTHING.iter().all(|nothing| name != *nothing) {
            return Err(RestoreError::NotEmpty(dir.display().to_string()));
        }
    }
    Ok(false)
}

/// Takes away what a restore that failed has put into the folder, which was empty.
fn clear(dir: &Path, is_new: bool) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name() != OF_FILE_SYSTEM {
            let removed = fs::remove_file(entry.path());
            if let Err(error) = removed {
                tracing::warn!(%error, "{} is left behind", entry.path().display());
            }
        }
    }
    if is_new && let Err(error) = fs::remove_dir(dir) {
        tracing::warn!(%error, "{} is left behind", dir.display());
    }
}

async fn write(
    options: &RestoreOptions,
    archive: Archive,
    sources: &[Opened],
    passed: &mut (dyn FnMut(u64) + Send),
) -> Result<Restored, Failure> {
    let db = Db::connect(&options.data_dir, options.database_url.as_ref()).await?;
    let filled = Box::pin(fill(&db, options, archive, sources, passed)).await;
    let done = match filled {
        Ok((session, restored)) => match session.commit().await {
            Ok(()) => Ok(restored),
            Err(error) => Err(Failure::Unknown(error.into())),
        },
        Err(error) => Err(Failure::Before(error)),
    };
    db.close().await;
    done
}

/// Writes everything into a transaction that is left open.
async fn fill(
    db: &Db,
    options: &RestoreOptions,
    archive: Archive,
    sources: &[Opened],
    passed: &mut (dyn FnMut(u64) + Send),
) -> Result<(Session, Restored), RestoreError> {
    take_database(db).await?;
    let master = match &options.master_key {
        Some(given) => given.clone(),
        None => make_master_key(&options.data_dir.join("master.key"))?,
    };
    let mut session = db.session(true).await?;
    session.begin().await?;
    for table in SEEDED {
        let sql = format!("DELETE FROM {}", quoted(table));
        on_session!(&mut session, |conn| sqlx::query(AssertSqlSafe(sql))
            .execute(conn)
            .await
            .map(drop))?;
    }
    let mut restored = Restored::new(&archive.head);
    let mut filling =
        Filling { master: &master, keys: Vec::new(), tables: tables(&mut session).await? };
    restored.rows = filling.fill(&mut session, archive, passed).await?;
    let keyring = Keyring::of(&filling.keys, &master)?;
    let signer = Signer { keyring, clock: options.clock.clone() };
    for source in sources {
        apply(&signer, &mut session, source, &mut restored).await?;
    }
    signer.note(&mut session, &restored).await?;
    Ok((session, restored))
}

/// Locks an empty database and makes its tables.
async fn take_database(db: &Db) -> Result<(), RestoreError> {
    let mark = u64::from(std::process::id());
    if !db.lock(mark).await? {
        return Err(OpenError::AlreadyRunning("this database".to_owned()).into());
    }
    if db.read.has_schema().await? {
        let mut session = db.session(false).await?;
        for table in tables(&mut session).await? {
            if !SEEDED.contains(&table.name.as_str()) && has_rows(&mut session, &table).await? {
                return Err(RestoreError::NotEmpty("the database".to_owned()));
            }
        }
    }
    Ok(db.migrate().await?)
}

async fn has_rows(session: &mut Session, table: &Table) -> Result<bool, sqlx::Error> {
    let sql = format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name));
    on_session!(session, |conn| {
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(conn).await?;
        Ok(row.is_some())
    })
}

/// Puts the rows of a backup into the tables.
struct Filling<'a> {
    master: &'a MasterKey,
    /// The keyring as it is stored from now on.
    keys: Vec<Wrapped>,
    /// Tables that the database has and the backup did not name yet.
    tables: Vec<Table>,
}

impl Filling<'_> {
    async fn fill(
        &mut self,
        session: &mut Session,
        mut archive: Archive,
        passed: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64, RestoreError> {
        let mut open: Option<(Table, String)> = None;
        while let Some(part) = archive.next_part()? {
            passed(archive.take_passed());
            match (part, &open) {
                (Part::Table(table), _) => {
                    self.take_table(&table)?;
                    let sql = table.insert();
                    open = Some((table, sql));
                }
                (Part::Row(_), Some((table, _))) if NOT_REVIVED.contains(&&*table.name) => {}
                (Part::Row(mut cells), Some((table, sql))) => {
                    self.rewrap(table, &mut cells)?;
                    insert(session, sql, &cells).await?;
                }
                (Part::Row(_), None) => return Err(ArchiveError::Damaged.into()),
            }
        }
        if self.tables.is_empty() { Ok(archive.rows) } else { Err(ArchiveError::Damaged.into()) }
    }

    /// Each table of the database is in the backup once, with the same columns.
    fn take_table(&mut self, named: &Table) -> Result<(), ArchiveError> {
        let at = self.tables.iter().position(|table| table.name == named.name);
        let found = at.map(|at| self.tables.swap_remove(at)).ok_or(ArchiveError::Damaged)?;
        let sorted = |table: &Table| {
            let mut columns: Vec<_> = table.columns.iter().map(|(name, _)| name.clone()).collect();
            columns.sort();
            columns
        };
        if sorted(&found) == sorted(named) { Ok(()) } else { Err(ArchiveError::Damaged) }
    }

    /// Wraps a key of the keyring, which stands in the backup as it is, with the new master key.
    fn rewrap(&mut self, table: &Table, cells: &mut [Cell]) -> Result<(), RestoreError> {
        if table.name != "keyring" {
            return Ok(());
        }
        let find = |name| table.position(name).and_then(|at| cells.get(at));
        let (
            Some(Cell::Text(Some(purpose))),
            Some(Cell::Number(Some(version))),
            Some(Cell::Bytes(Some(key))),
        ) = (find("purpose"), find("version"), find("wrapped"))
        else {
            return Err(ArchiveError::Damaged.into());
        };
        let wrapped = wrap(self.master, purpose, *version, key)?;
        self.keys.push((purpose.clone(), *version, wrapped.clone()));
        if let Some(place) = table.position("wrapped").and_then(|at| cells.get_mut(at)) {
            *place = Cell::Bytes(Some(zeroize::Zeroizing::new(wrapped)));
        }
        Ok(())
    }
}

async fn insert(session: &mut Session, sql: &str, cells: &[Cell]) -> Result<(), sqlx::Error> {
    on_session!(session, |conn| {
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        for cell in cells {
            query = match cell {
                Cell::Text(text) => query.bind(text.as_deref()),
                Cell::Number(number) => query.bind(*number),
                Cell::Bytes(bytes) => query.bind(bytes.as_ref().map(|bytes| bytes.as_slice())),
            };
        }
        query.execute(conn).await.map(drop)
    })
}

async fn apply(
    signer: &Signer,
    session: &mut Session,
    source: &Opened,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    match source {
        Opened::Read(all) => {
            for ended in all {
                end(signer, session, ended, restored).await?;
            }
        }
        Opened::Live(pool) => {
            for ended in of_live(pool).await? {
                end(signer, session, &ended, restored).await?;
            }
            raise_all(pool, session, restored).await?;
        }
    }
    Ok(())
}

async fn raise_all(
    pool: &Pool,
    session: &mut Session,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let mut place = (String::new(), String::new(), i64::MIN);
    loop {
        let page = spend_after(pool, &place).await?;
        let Some(last) = page.last() else { return Ok(()) };
        place = last.place();
        for row in &page {
            restored.spend_raised += u64::from(raise_spend(session, row).await?);
        }
    }
}

/// Writes down what the restore does, in the chain that it restores.
pub(super) struct Signer {
    keyring: Keyring,
    clock: Clock,
}

impl Signer {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) async fn append(
        &self,
        session: &mut Session,
        act: &Act,
        (action, subject): (&str, &str),
        detail: &Value,
    ) -> Result<(), StoreError> {
        on_session!(session, |tx| {
            append_audit!(self, tx, act.entry(action, subject, detail));
        });
        Ok(())
    }

    /// The restore itself, for each organization: each reads its own part of the log.
    async fn note(&self, session: &mut Session, restored: &Restored) -> Result<(), StoreError> {
        const ALL: &str = "SELECT id FROM organizations ORDER BY created_at_us, id";
        let organizations: Vec<(String,)> =
            on_session!(&mut *session, |conn| sqlx::query_as(ALL).fetch_all(conn).await?);
        let detail = json!({
            "backup_made_at": restored.made_at.to_string(),
            "rows": restored.rows,
            "keys_revoked": restored.keys_revoked,
            "keys_disabled": restored.keys_disabled,
            "secrets_ended": restored.secrets_ended,
            "owners_ended": restored.owners_ended,
            "spend_raised": restored.spend_raised,
        });
        for (id,) in organizations {
            let organization = parsed("organization", &id)?;
            let act = Act { organization, actor: Actor::System, at: self.now() };
            self.append(session, &act, ("installation.restore", &id), &detail).await?;
        }
        Ok(())
    }
}
