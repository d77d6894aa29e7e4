//! The two engines behind one set of queries.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

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
        Ok(Self { read: Pool::Sqlite(read), write: Pool::Sqlite(write) })
    }

    async fn connect_postgres(url: &SecretString) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.expose_secret().parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(WAIT)
            .connect_with(options)
            .await?;
        Ok(Self { read: Pool::Postgres(pool.clone()), write: Pool::Postgres(pool) })
    }

    /// Brings the schema to this program's version, all or nothing. A schema that this program does
    /// not know is left alone: [`sqlx::migrate::MigrateError::VersionMissing`].
    pub(crate) async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        match &self.write {
            Pool::Sqlite(pool) => sqlx::migrate!("migrations/sqlite").run(pool).await,
            Pool::Postgres(pool) => sqlx::migrate!("migrations/postgres").run(pool).await,
        }
    }
}
