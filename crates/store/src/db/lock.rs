//! The lock that makes a PostgreSQL database this process's own; SQLite is guarded by the lock file.
//!
//! Budgets and limits are counted in this process's memory, and a changed key is told to nobody
//! else, so two processes on one database would spend budgets twice and honour revoked keys. The
//! lock ends with the session that holds it, and a session can end without this process: it is
//! looked at all the time, and while it is not held, no call may leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Error};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::WAIT;
use super::bounded::answered;

/// How often the session is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the server may stand still before the lock counts as lost. It is not lost as long as
/// the session lives, but whether that is so, nobody can tell.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The lock, and the task that looks after it.
#[derive(Debug)]
pub(super) struct Lock {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    is_held: AtomicBool,
    /// The session that holds it, unless the task is looking at it.
    session: Mutex<Option<PgConnection>>,
    /// What this process left in the database: who finds another one knows that somebody else had
    /// the database in between, and that what is in memory is no longer true.
    mark: String,
}

/// What came of an attempt to take the lock again.
enum Again {
    Held(PgConnection),
    /// Another process has it, or this one could not ask.
    NotYet,
    /// Another process had it in between.
    TooLate,
}

impl Lock {
    /// Takes the lock. The session of a process that was killed may take a moment to end, so it is
    /// waited for. `None`: another process has it.
    pub(super) async fn take(options: PgConnectOptions, mark: u64) -> Result<Option<Self>, Error> {
        // "doorward" as a number: no other program uses it.
        const LOCK: &str = "SELECT pg_advisory_lock(7237125581402956132)";
        let taken = async {
            let mut session = options.connect().await?;
            match sqlx::query(LOCK).execute(&mut session).await {
                Ok(_) => Ok(Some(session)),
                Err(error) if is_lock_timeout(&error) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let Some(session) = answered(taken, WAIT * 3).await? else { return Ok(None) };
        let shared = Shared {
            options,
            is_held: AtomicBool::new(true),
            session: Mutex::new(Some(session)),
            mark: format!("in use by doorward {mark:016x}"),
        };
        Ok(Some(Self {
            shared: Arc::new(shared),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Leaves the mark of this process, and looks after the lock from now on. The schema is there.
    pub(super) async fn watch(&self) -> Result<(), Error> {
        let mut session = self.shared.session.lock().take().ok_or(Error::PoolClosed)?;
        // A mark that survives the session and needs no table; it is made of digits.
        let sql = format!("COMMENT ON TABLE keyring IS '{}'", self.shared.mark);
        let marked = sqlx::query(AssertSqlSafe(sql)).execute(&mut session);
        answered(marked, SILENCE_MAX).await?;
        *self.shared.session.lock() = Some(session);
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        self.tasks.spawn(async move {
            stop.run_until_cancelled(shared.look_after()).await;
        });
        Ok(())
    }

    pub(super) fn is_held(&self) -> bool {
        self.shared.is_held.load(Ordering::Relaxed)
    }

    /// Gives the lock back before the session ends: the server notices the end of a session only
    /// some time later, and whoever opens the database next shall not find it locked.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let session = self.shared.session.lock().take();
        if let Some(session) = session
            && let Err(error) = answered(unlock(session), WAIT).await
        {
            tracing::debug!(%error, "the lock on the database ends with its connection");
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn unlock(mut session: PgConnection) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut session).await?;
    session.close().await
}

/// PostgreSQL's `lock_not_available`.
fn is_lock_timeout(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

impl Shared {
    /// Looks at the session until the store is closed, or another process had the database.
    async fn look_after(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let session = self.session.lock().take();
            match session {
                Some(session) => self.look(session).await,
                None => match self.take_again().await {
                    Again::Held(session) => {
                        *self.session.lock() = Some(session);
                        self.is_held.store(true, Ordering::Relaxed);
                        tracing::warn!("the lock on the database is held again; calls may leave");
                    }
                    Again::NotYet => {}
                    Again::TooLate => {
                        tracing::error!(
                            "another doorward has used this database; no call leaves here any more until this process is started again"
                        );
                        return;
                    }
                },
            }
        }
    }

    /// A session that answers has kept its lock.
    async fn look(&self, mut session: PgConnection) {
        let lives = sqlx::query("SELECT 1").execute(&mut session);
        match answered(lives, SILENCE_MAX).await {
            Ok(_) => *self.session.lock() = Some(session),
            Err(error) => {
                self.is_held.store(false, Ordering::Relaxed);
                tracing::error!(%error, "the lock on the database is lost; no call may leave");
            }
        }
    }

    async fn take_again(&self) -> Again {
        let again = answered(self.try_again(), WAIT * 3).await;
        again.unwrap_or_else(|error| {
            tracing::warn!(%error, "the lock on the database cannot be taken again yet");
            Again::NotYet
        })
    }

    async fn try_again(&self) -> Result<Again, Error> {
        const TRY: &str = "SELECT pg_try_advisory_lock(7237125581402956132)";
        const MARK: &str = "SELECT obj_description(to_regclass('keyring'), 'pg_class')";
        let mut session = self.options.connect().await?;
        let is_taken: bool = sqlx::query_scalar(TRY).fetch_one(&mut session).await?;
        let mark: Option<String> = sqlx::query_scalar(MARK).fetch_one(&mut session).await?;
        if mark.as_deref() != Some(&self.mark) {
            return Ok(Again::TooLate);
        }
        Ok(if is_taken { Again::Held(session) } else { Again::NotYet })
    }
}
