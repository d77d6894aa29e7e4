//! One connection for a long piece of work: not of the pools, whose statements are bounded.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Error};

use super::{Db, Pool};

/// A connection of one engine. What is not committed when it is dropped is rolled back.
#[derive(Debug)]
pub(crate) enum Session {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs one expression on the connection of whichever engine it is. `?` and `return` act on the
/// enclosing function, as in `on!`.
macro_rules! on_session {
    ($session:expr, |$name:ident| $body:expr) => {
        match $session {
            $crate::db::Session::Sqlite($name) => $body,
            $crate::db::Session::Postgres($name) => $body,
        }
    };
}
pub(crate) use on_session;

impl Session {
    /// Sees all tables as they are now, whatever others write meanwhile.
    pub(crate) async fn begin_snapshot(&mut self) -> Result<(), Error> {
        const POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        match self {
            Self::Sqlite(conn) => sqlx::query("BEGIN").execute(conn).await.map(drop),
            Self::Postgres(conn) => sqlx::query(POSTGRES).execute(conn).await.map(drop),
        }
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(conn) => sqlx::query("BEGIN IMMEDIATE").execute(conn).await.map(drop),
            Self::Postgres(conn) => sqlx::query("BEGIN").execute(conn).await.map(drop),
        }
    }

    /// Makes everything since [`begin`](Self::begin) lasting, and ends the session.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        on_session!(&mut self, |conn| sqlx::query("COMMIT").execute(conn).await.map(drop))?;
        match self {
            Self::Sqlite(conn) => conn.close().await,
            Self::Postgres(conn) => conn.close().await,
        }
    }

    /// How large the whole database is.
    pub(crate) async fn bytes(&mut self) -> Result<i64, Error> {
        const SQLITE: &str = "
            SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        const POSTGRES: &str = "SELECT pg_database_size(current_database())";
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(SQLITE).fetch_one(conn).await,
            Self::Postgres(conn) => sqlx::query_scalar(POSTGRES).fetch_one(conn).await,
        }
    }
}

impl Db {
    /// A connection that only reads, or one that writes.
    pub(crate) async fn session(&self, writes: bool) -> Result<Session, Error> {
        let pool = if writes { &self.write } else { &self.read };
        match (pool, &self.server) {
            (Pool::Sqlite(pool), _) => {
                let options = pool.connect_options();
                SqliteConnection::connect_with(&options).await.map(Session::Sqlite)
            }
            (Pool::Postgres(_), Some(server)) => {
                PgConnection::connect_with(server).await.map(Session::Postgres)
            }
            (Pool::Postgres(_), None) => Err(Error::PoolClosed),
        }
    }
}
