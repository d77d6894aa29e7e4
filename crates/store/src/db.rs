//! The two engines behind one set of queries.

mod bounded;
mod lock;
mod session;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use bounded::{Bounded, limited};
use lock::Lock;
pub(crate) use session::{Session, on_session};

use crate::{OpenError, StoreError, migrations};

/// Longest wait for a connection or a lock; then the caller answers 503.
const WAIT: Duration = Duration::from_secs(2);
/// The longest statement that somebody waits for, on a PostgreSQL server.
const STATEMENT_MAX: Duration = Duration::from_secs(5);
/// The longest report.
const REPORT_MAX: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
/// Reports sum up millions of rows: they have connections of their own, so that however many are
/// asked for, keys are still found.
const REPORTERS: u32 = 2;
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_FILE: &str = "doorward.db";

/// Connections of one engine.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(Bounded),
}

/// The database: `read` for look-ups, `reports` for what may take long, `write` for changes. On SQLite `write` is one connection, for
/// only one can write at a time, and a transaction that upgrades itself would fail; on PostgreSQL
/// `read` and `write` are the same pool.
#[derive(Debug)]
pub(crate) struct Db {
    pub(crate) read: Pool,
    pub(crate) reports: Pool,
    pub(crate) write: Pool,
    /// How to reach a PostgreSQL server.
    server: Option<PgConnectOptions>,
    /// The lock on a PostgreSQL database, once it was taken.
    lock: OnceLock<Lock>,
}

/// Runs one expression on whichever engine is open. Despite the closure look, `?` and `return` act
/// on the enclosing function. It is type-checked once per engine, so each query is written once.
macro_rules! on {
    ($pool:expr, |$name:ident| $body:expr) => {
        match &$pool {
            $crate::db::Pool::Sqlite($name) => $body,
            $crate::db::Pool::Postgres($name) => $body,
        }
    };
}
pub(crate) use on;

/// Sets the version of a row that an act at `$at` changes: the instant, but later than the one before.
macro_rules! set_next_version {
    ($at:literal) => {
        concat!(
            "updated_at_us = CASE WHEN updated_at_us < ",
            $at,
            " THEN ",
            $at,
            " ELSE updated_at_us + 1 END"
        )
    };
}
pub(crate) use set_next_version;

/// Whether a query finds a row inside an open transaction of either engine. `?` acts on the caller.
macro_rules! finds {
    ($tx:ident, $sql:expr, $($value:expr),+) => {{
        let row: Option<(i32,)> =
            sqlx::query_as($sql)$(.bind($value))+.fetch_optional(&mut *$tx).await?;
        row.is_some()
    }};
}
pub(crate) use finds;

/// A violated uniqueness means that `field` is taken; anything else stays what it is.
pub(crate) fn taken(error: sqlx::Error, field: &'static str) -> StoreError {
    let is_taken = error.as_database_error().is_some_and(DatabaseError::is_unique_violation);
    if is_taken { StoreError::Taken { field } } else { StoreError::Database(error) }
}

/// A violated reference to something means that it is not there; anything else stays what it is.
pub(crate) fn missing(error: sqlx::Error, what: &'static str) -> StoreError {
    if is_reference(&error) { StoreError::Missing(what) } else { StoreError::Database(error) }
}

/// The same for an insert that can be refused for both reasons.
pub(crate) fn refused(error: sqlx::Error, field: &'static str, what: &'static str) -> StoreError {
    if is_reference(&error) { StoreError::Missing(what) } else { taken(error, field) }
}

/// A violated reference from something means that it is in use; anything else stays what it is.
pub(crate) fn in_use(error: sqlx::Error, by: &str) -> StoreError {
    if is_reference(&error) {
        StoreError::InUse(vec![by.to_owned()])
    } else {
        StoreError::Database(error)
    }
}

fn is_reference(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation)
}

/// Whether a text can stand in the database at all: PostgreSQL refuses NUL. A look-up by another one
/// finds nothing, instead of failing.
pub(crate) fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// Refuses texts that cannot be stored, before the database does.
pub(crate) fn check_storable(texts: &[(&'static str, &str)]) -> Result<(), StoreError> {
    match texts.iter().find(|(_, text)| !is_storable(text)) {
        None => Ok(()),
        Some((field, _)) => Err(StoreError::Unstorable { field }),
    }
}

/// The version of an edit, as its time: it rises even where the clock stands still or runs backwards.
pub(crate) fn next_version(last: Timestamp, now: Timestamp) -> Timestamp {
    let next = last.checked_add(SignedDuration::from_micros(1)).unwrap_or(last);
    now.max(next)
}

/// Reads a column's text; rows are parsed, not trusted.
pub(crate) fn parsed<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(what.to_owned()))
}

/// Reads a column's JSON.
pub(crate) fn parsed_json<T: serde::de::DeserializeOwned>(
    what: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(what.to_owned()))
}

/// Writes a value as a column's JSON.
pub(crate) fn json_text<T: serde::Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt(what.to_owned()))
}

/// Reads a column of microseconds since the Unix epoch.
pub(crate) fn timestamp(us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(us).map_err(|_| StoreError::Corrupt("time".to_owned()))
}

/// Reads a column that is never negative.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Writes a figure to a signed column, at most its maximum.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Db {
    /// Opens SQLite in `data_dir`, or PostgreSQL at `url`. Makes no change yet.
    pub(crate) async fn connect(
        data_dir: &Path,
        url: Option<&SecretString>,
    ) -> Result<Self, sqlx::Error> {
        match url {
            None => Self::connect_sqlite(&data_dir.join(SQLITE_FILE)).await,
            Some(url) => Self::connect_postgres(url).await,
        }
    }

    async fn connect_sqlite(path: &Path) -> Result<Self, sqlx::Error> {
        make_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT);
        let pool = |size: u32| SqlitePoolOptions::new().max_connections(size).acquire_timeout(WAIT);
        let write = pool(1).connect_with(options.clone()).await?;
        let options = options.read_only(true);
        let reports = pool(REPORTERS).connect_lazy_with(options.clone());
        let read = pool(READERS).connect_with(options).await?;
        Ok(Self {
            read: Pool::Sqlite(read),
            reports: Pool::Sqlite(reports),
            write: Pool::Sqlite(write),
            server: None,
            lock: OnceLock::new(),
        })
    }

    async fn connect_postgres(url: &SecretString) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.expose_secret().parse()?;
        let pool = Bounded::new(options.clone(), POSTGRES_CONNECTIONS, STATEMENT_MAX);
        pool.check().await?;
        Ok(Self {
            read: Pool::Postgres(pool.clone()),
            reports: Pool::Postgres(Bounded::new(options.clone(), REPORTERS, REPORT_MAX)),
            write: Pool::Postgres(pool),
            server: Some(options),
            lock: OnceLock::new(),
        })
    }

    /// Takes a PostgreSQL database for this process, which `mark` names. `false`: another one has it.
    pub(crate) async fn lock(&self, mark: u64) -> Result<bool, sqlx::Error> {
        let Some(server) = &self.server else { return Ok(true) };
        let taken = Lock::take(limited(server.clone(), STATEMENT_MAX), mark).await?;
        Ok(taken.is_some_and(|lock| self.lock.set(lock).is_ok()))
    }

    /// Sees from now on whether the lock is still held. The schema is there.
    pub(crate) async fn watch_lock(&self) -> Result<(), sqlx::Error> {
        match self.lock.get() {
            Some(lock) => lock.watch().await,
            None => Ok(()),
        }
    }

    /// Whether the database is still this process's own.
    pub(crate) fn is_ours(&self) -> bool {
        self.lock.get().is_none_or(Lock::is_held)
    }

    /// Brings the schema to this program's version, all or nothing. A schema that this program does
    /// not know is left alone.
    pub(crate) async fn migrate(&self) -> Result<(), OpenError> {
        let migrated = match (&self.write, &self.server) {
            (Pool::Sqlite(pool), _) => migrations::sqlite().run(pool).await,
            // On a connection without bounds: a large table may take long.
            (Pool::Postgres(_), Some(server)) => {
                let one = PgPoolOptions::new().max_connections(1).acquire_timeout(WAIT);
                let pool = one.connect_with(server.clone()).await?;
                let migrated = migrations::postgres().run(&pool).await;
                pool.close().await;
                migrated
            }
            (Pool::Postgres(_), None) => return Err(sqlx::Error::PoolClosed.into()),
        };
        migrated.map_err(|error| {
            if matches!(error, MigrateError::VersionMissing(_)) {
                OpenError::SchemaNewer
            } else {
                OpenError::Database(sqlx::Error::Migrate(Box::new(error)))
            }
        })
    }

    /// Closes every connection, the one that holds the lock last.
    pub(crate) async fn close(&self) {
        on!(self.reports, |pool| pool.close().await);
        on!(self.read, |pool| pool.close().await);
        on!(self.write, |pool| pool.close().await);
        if let Some(lock) = self.lock.get() {
            lock.close().await;
        }
    }
}

impl Pool {
    /// SQLite's file in `data_dir` as it lies, if there is one: opened so that a start which is then
    /// refused has changed nothing. Where a killed process left a log, SQLite has to look into it,
    /// for which it makes an index beside it.
    pub(crate) async fn peek_sqlite(data_dir: &Path) -> Result<Option<Self>, sqlx::Error> {
        let path = data_dir.join(SQLITE_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let has_log = path.with_extension("db-wal").exists();
        let options =
            SqliteConnectOptions::new().filename(path).read_only(true).immutable(!has_log);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAIT);
        pool.connect_with(options).await.map(|pool| Some(Self::Sqlite(pool)))
    }

    /// Whether a doorward has ever written here.
    pub(crate) async fn has_schema(&self) -> Result<bool, sqlx::Error> {
        const SQLITE: &str =
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'keyring'";
        const POSTGRES: &str = "SELECT 1 WHERE to_regclass('keyring') IS NOT NULL";
        let row: Option<(i32,)> = match self {
            Self::Sqlite(pool) => sqlx::query_as(SQLITE).fetch_optional(pool).await?,
            Self::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_optional(pool).await?,
        };
        Ok(row.is_some())
    }
}

/// SQLite would make the file readable for everybody; its other files get the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}
