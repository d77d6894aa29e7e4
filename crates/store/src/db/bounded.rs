//! PostgreSQL connections on which nothing waits for ever.
//!
//! The server bounds each statement and each wait for a lock. That helps nobody while the server
//! itself stands still or its machine is gone, so the waits for its answers are bounded here too: a
//! TCP connection to a stopped server looks alive.

use std::io::ErrorKind;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgQueryResult, PgRow, PgStatement,
    PgTypeInfo, Postgres,
};
use sqlx::{Connection as _, Either, Error, Execute, Executor, SqlStr};
use tokio::time::Instant;

use super::WAIT;

/// A pool whose statements end: by their answer, or by an error.
#[derive(Debug, Clone)]
pub(crate) struct Bounded {
    pool: PgPool,
    bound: Bound,
}

/// The longest wait for a whole answer: what the server may take, and the wait for a connection.
#[derive(Debug, Clone, Copy)]
struct Bound(Duration);

/// An open transaction; what is not committed is rolled back.
#[derive(Debug)]
pub(crate) struct Transaction(Statements);

/// What runs the statements of a transaction.
#[derive(Debug)]
pub(crate) struct Statements {
    open: sqlx::Transaction<'static, Postgres>,
    bound: Bound,
}

/// The server's own bounds, which end a statement also on its side.
pub(super) fn limited(options: PgConnectOptions, statement_max: Duration) -> PgConnectOptions {
    let ms = |time: Duration| time.as_millis();
    options
        .options([
            ("statement_timeout", ms(statement_max)),
            ("lock_timeout", ms(WAIT)),
            // A process that was stopped in the middle keeps nobody else waiting.
            ("idle_in_transaction_session_timeout", ms(statement_max)),
        ])
        // What is asked all the time is in memory. The server would take a place in an index for one on a
        // turning disk, and read whole tables instead.
        .options([("random_page_cost", "1.1")])
        // To compile a statement takes longer than any of these runs.
        .options([("jit", "off")])
}

/// Waits for an answer of the server, but not for ever.
pub(super) async fn answered<T, E: From<Error>>(
    answer: impl Future<Output = Result<T, E>>,
    time_max: Duration,
) -> Result<T, E> {
    tokio::time::timeout(time_max, answer).await.unwrap_or_else(|_| Err(unanswered().into()))
}

fn unanswered() -> Error {
    Error::Io(std::io::Error::new(ErrorKind::TimedOut, "the database does not answer"))
}

/// Whether a connection that comes back to the pool can be used again. What was broken off may be
/// under way in it still, and where the server is gone, it is thrown away: else it would take the
/// place of one that works.
async fn is_usable(connection: &mut PgConnection) -> Result<bool, Error> {
    answered(connection.ping(), WAIT).await.map(|()| true)
}

impl Bounded {
    /// Statements may take `statement_max`. Nothing is connected yet.
    pub(super) fn new(options: PgConnectOptions, size: u32, statement_max: Duration) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(WAIT)
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_lazy_with(limited(options, statement_max));
        Self { pool, bound: Bound(statement_max + WAIT) }
    }

    /// Opens one connection, to see that there is a database.
    pub(super) async fn check(&self) -> Result<(), Error> {
        self.pool.acquire().await.map(drop)
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, Error> {
        let open = answered(self.pool.begin(), self.bound.0).await?;
        Ok(Transaction(Statements { open, bound: self.bound }))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl Transaction {
    /// Where this fails because the server does not answer, nobody knows whether it is committed.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        let Statements { open, bound } = self.0;
        answered(open.commit(), bound.0).await
    }
}

impl Deref for Transaction {
    type Target = Statements;

    fn deref(&self) -> &Statements {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Statements {
        &mut self.0
    }
}

impl Bound {
    fn future<'e, T: 'e>(
        self,
        answer: BoxFuture<'e, Result<T, Error>>,
    ) -> BoxFuture<'e, Result<T, Error>> {
        Box::pin(answered(answer, self.0))
    }

    fn stream<'e, T: Send + 'e>(
        self,
        answers: BoxStream<'e, Result<T, Error>>,
    ) -> BoxStream<'e, Result<T, Error>> {
        let until = Instant::now() + self.0;
        let next = move |mut answers: BoxStream<'e, Result<T, Error>>| async move {
            let answer = tokio::time::timeout_at(until, answers.next()).await;
            answer.unwrap_or_else(|_| Some(Err(unanswered()))).map(|answer| (answer, answers))
        };
        Box::pin(unfold(answers, next))
    }
}

type Answer = Result<Either<PgQueryResult, PgRow>, Error>;

/// Runs statements on what is inside, each within its bound.
macro_rules! bounded_executor {
    (for $outer:ty, by |$self:ident| $inner:expr) => {
        impl<'c> Executor<'c> for $outer {
            type Database = Postgres;

            fn fetch_many<'e, 'q: 'e, E>($self, query: E) -> BoxStream<'e, Answer>
            where
                'c: 'e,
                E: 'q + Execute<'q, Postgres>,
            {
                $self.bound.stream($inner.fetch_many(query))
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                $self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, Postgres>,
            {
                $self.bound.future($inner.fetch_optional(query))
            }

            fn prepare_with<'e>(
                $self,
                sql: SqlStr,
                parameters: &'e [PgTypeInfo],
            ) -> BoxFuture<'e, Result<PgStatement, Error>>
            where
                'c: 'e,
            {
                $self.bound.future($inner.prepare_with(sql, parameters))
            }
        }
    };
}

bounded_executor!(for &'c Bounded, by |self| (&self.pool));
bounded_executor!(for &'c mut Statements, by |self| (&mut *self.open));
