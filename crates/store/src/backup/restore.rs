//! Restoring a backup into an empty place.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::AssertSqlSafe;

use super::archive::{Archive, ArchiveError, Part};
use super::ended::end;
use super::fill::Filling;
use super::format::Head;
use super::list::read_whole_list;
use super::live::apply_live;
use super::passing::end_passing;
use super::revocations::{self, Opened, RevocationSource};
use super::schema::{Table, quoted, tables};
use super::signer::Signer;
use crate::age::Passphrase;
use crate::db::{Db, Session, on, on_session};
use crate::keyring::carried::Carried;
use crate::store::{LOCK_FILE, make_dir, make_master_key, take_lock};
use crate::{Clock, MasterKey, OpenError, StoreError};

/// Tables that a new database has rows in.
const SEEDED: [&str; 2] = ["audit_base", "audit_head"];
const ORGANIZATIONS: &str = "organizations";
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
    /// Keys whose rights had been edited since: they have what they had last.
    pub keys_edited: u64,
    /// Rotations since that left an old secret no, or less, time.
    pub secrets_ended: u64,
    /// Users and service accounts that had been removed or switched off since.
    pub owners_ended: u64,
    /// Users whose role had changed since, or whose e-mail address: they have the role that they had
    /// last, and no address.
    pub users_edited: u64,
    /// Users whose password, second factor or recovery codes had changed since: what had changed is
    /// gone, and a new link sets a new password.
    pub sign_ins_ended: u64,
    /// Webhooks that had been edited, deleted or given a new secret since: they are gone.
    pub webhooks_removed: u64,
    /// Limit increases that held for a while, or that nobody had decided: they are over.
    pub increases_ended: u64,
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
    /// Old data of another installation: what they do not have has not ended.
    #[error(
        "the old data know no organization of the backup: they are another installation's. \
         Nothing was written"
    )]
    OtherData,
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
        "{path} does not tell everything since the backup: it lacks the entry {needed} of the audit \
         log. Export it whole, without filters. Nothing was written"
    )]
    ListLacks {
        /// Which file.
        path: PathBuf,
        /// The first entry after the backup that is not there.
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
    /// Every count with its name, as the audit log and `--json` tell it.
    pub fn counts(&self) -> serde_json::Map<String, serde_json::Value> {
        [
            ("rows", self.rows),
            ("keys_revoked", self.keys_revoked),
            ("keys_disabled", self.keys_disabled),
            ("keys_edited", self.keys_edited),
            ("secrets_ended", self.secrets_ended),
            ("owners_ended", self.owners_ended),
            ("users_edited", self.users_edited),
            ("sign_ins_ended", self.sign_ins_ended),
            ("webhooks_removed", self.webhooks_removed),
            ("increases_ended", self.increases_ended),
            ("spend_raised", self.spend_raised),
        ]
        .map(|(name, count)| (name.to_owned(), count.into()))
        .into_iter()
        .collect()
    }

    fn new(head: &Head) -> Self {
        Self {
            made_at: head.made_at,
            rows: 0,
            keys_revoked: 0,
            keys_disabled: 0,
            keys_edited: 0,
            secrets_ended: 0,
            owners_ended: 0,
            users_edited: 0,
            sign_ins_ended: 0,
            webhooks_removed: 0,
            increases_ended: 0,
            spend_raised: 0,
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
    let organizations = check_counting(options, passed)?;
    let archive = Archive::open(&options.archive, &options.passphrase)?;
    let mut sources = Vec::new();
    for source in &options.revocations {
        sources.push(match source {
            RevocationSource::List(path) if organizations == 1 => {
                Opened::Read(read_whole_list(path, archive.head.audit_sequence)?)
            }
            RevocationSource::List(_)
            | RevocationSource::DataDir(_)
            | RevocationSource::Database(_) => revocations::open(source, &archive.head).await?,
        });
    }
    make_dir(&options.data_dir)?;
    let lock = take_lock(&options.data_dir)?;
    // Again, now that nobody else can put anything there: what is there is taken away on a failure.
    check_place(&options.data_dir)?;
    let restored = Box::pin(write(options, archive, &sources, passed)).await;
    for source in &sources {
        if let Opened::Live(pool, _) = source {
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

/// Reads the whole backup, which proves that it can be restored; how many organizations are in it.
fn check_counting(
    options: &RestoreOptions,
    passed: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, ArchiveError> {
    let mut archive = Archive::open(&options.archive, &options.passphrase)?;
    let (mut organizations, mut is_organizations) = (0, false);
    while let Some(part) = archive.next_part()? {
        passed(archive.take_passed());
        match part {
            Part::Table(table) => is_organizations = table.name == ORGANIZATIONS,
            Part::Row(_) => organizations += u64::from(is_organizations),
        }
    }
    Ok(organizations)
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
        Filling { keyring: Carried::new(&master), tables: tables(&mut session).await? };
    restored.rows = filling.fill(&mut session, archive, passed).await?;
    filling.add_token_key(&mut session, options.clock.now().as_microsecond()).await?;
    let signer = Signer { key: filling.keyring.audit_key()?, clock: options.clock.clone() };
    end_passing(&signer, &mut session, &mut restored).await?;
    for source in sources {
        match source {
            Opened::Read(all) => {
                for ended in all {
                    end(&signer, &mut session, ended, &mut restored).await?;
                }
            }
            Opened::Live(pool, since) => {
                apply_live(&signer, &mut session, (pool, *since), &mut restored).await?;
            }
        }
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
