//! The two engines behind one set of queries.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::{OpenError, StoreError};

/// Longest wait for a connection or a lock; then the caller answers 503.
const WAIT: Duration = Duration::from_secs(2);
const READERS: u32 = 4;

/// Connections of one engine.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// The database: `read` for look-ups, `write` for changes. On SQLite `write` is one connection, for
/// only one can write at a time, and a transaction that upgrades itself would fail; on PostgreSQL
/// both are the same pool.
#[derive(Debug)]
pub(crate) struct Db {
    pub(crate) read: Pool,
    pub(crate) write: Pool,
    /// The connection that holds the lock on a PostgreSQL database.
    locking: Mutex<Option<PgConnection>>,
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

/// A violated uniqueness means that `field` is taken; anything else stays what it is.
pub(crate) fn taken(error: sqlx::Error, field: &'static str) -> StoreError {
    let is_taken = error.as_database_error().is_some_and(DatabaseError::is_unique_violation);
    if is_taken { StoreError::Taken { field } } else { StoreError::Database(error) }
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
            None => Self::connect_sqlite(&data_dir.join("doorward.db")).await,
            Some(url) => Self::connect_postgres(url).await,
        }
    }

    async fn connect_sqlite(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT);
        let pool = |size: u32| SqlitePoolOptions::new().max_connections(size).acquire_timeout(WAIT);
        let write = pool(1).connect_with(options.clone()).await?;
        let read = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { read: Pool::Sqlite(read), write: Pool::Sqlite(write), locking: Mutex::default() })
    }

    async fn connect_postgres(url: &SecretString) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.expose_secret().parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(WAIT)
            .connect_with(options)
            .await?;
        Ok(Self {
            read: Pool::Postgres(pool.clone()),
            write: Pool::Postgres(pool),
            locking: Mutex::default(),
        })
    }

    /// Keeps the connection that holds the lock for as long as the database is open.
    pub(crate) fn keep(&self, connection: PgConnection) {
        *self.locking.lock() = Some(connection);
    }

    /// Whether a doorward has ever written here.
    pub(crate) async fn has_schema(&self) -> Result<bool, sqlx::Error> {
        const SQLITE: &str =
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'keyring'";
        const POSTGRES: &str = "SELECT 1 WHERE to_regclass('keyring') IS NOT NULL";
        let row: Option<(i32,)> = match &self.write {
            Pool::Sqlite(pool) => sqlx::query_as(SQLITE).fetch_optional(pool).await?,
            Pool::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_optional(pool).await?,
        };
        Ok(row.is_some())
    }

    /// Brings the schema to this program's version, all or nothing. A schema that this program does
    /// not know is left alone.
    pub(crate) async fn migrate(&self) -> Result<(), OpenError> {
        let migrated = match &self.write {
            Pool::Sqlite(pool) => sqlx::migrate!("migrations/sqlite").run(pool).await,
            Pool::Postgres(pool) => sqlx::migrate!("migrations/postgres").run(pool).await,
        };
        migrated.map_err(|error| {
            if matches!(error, MigrateError::VersionMissing(_)) {
                OpenError::SchemaNewer
            } else {
                OpenError::Database(sqlx::Error::Migrate(Box::new(error)))
            }
        })
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        on!(self.read, |pool| pool.close().await);
        on!(self.write, |pool| pool.close().await);
        let locking = self.locking.lock().take();
        if let Some(connection) = locking
            && let Err(error) = unlock(connection).await
        {
            tracing::debug!(%error, "the lock on the database ends with its connection");
        }
    }
}

/// Gives the lock back before the connection ends: the server notices the end of a connection only
/// some time later, and whoever opens the database next shall not find it locked.
async fn unlock(mut connection: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await?;
    sqlx::Connection::close(connection).await
}
