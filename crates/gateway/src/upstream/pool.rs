//! Connections that may serve another call, and their end.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::http1::Connection;
use super::http2::Connections;

/// Most idle connections that are kept to one server.
const IDLE_MAX: usize = 512;
/// A connection that nobody wanted for this long is closed; most servers do it about then.
pub(super) const IDLE_AGE_MAX: Duration = Duration::from_mins(1);

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Pool {
    /// Last in, first out: the warmest connection is used, the others may time out.
    #[expect(clippy::vec_box, reason = "they move from call to call")]
    idle: Mutex<Vec<Box<Connection>>>,
    pub(super) http2: Connections,
    age_max: Duration,
    is_closed: AtomicBool,
}

impl Pool {
    /// Keeps a connection after an answer that was read to its end.
    pub(super) fn give_back(&self, mut connection: Box<Connection>) {
        connection.idle_since = Instant::now();
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX && !self.is_closed.load(Ordering::Relaxed) {
            idle.push(connection);
        }
    }

    /// The warmest idle connection that the server did not close in the meantime.
    pub(super) async fn take_idle(&self) -> Option<Box<Connection>> {
        poll_fn(|cx| {
            loop {
                let idle = self.idle.lock().pop();
                let Some(mut connection) = idle else { return Poll::Ready(None) };
                let age = connection.idle_since.elapsed();
                if age <= self.age_max && connection.is_open(cx, age) {
                    return Poll::Ready(Some(connection));
                }
            }
        })
        .await
    }

    fn close_old(&self) {
        let mut idle = self.idle.lock();
        // The oldest stand in front.
        let old = idle.iter().take_while(|c| c.idle_since.elapsed() > self.age_max).count();
        idle.drain(..old);
        drop(idle);
        self.http2.close_unused(self.age_max);
    }

    fn close(&self) {
        // Under the lock: whoever gives one back later sees it.
        let mut idle = self.idle.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        idle.clear();
        drop(idle);
        self.http2.close();
    }
}

/// The connections to all servers.
#[derive(Debug)]
pub(super) struct Pools {
    all: Mutex<Vec<Weak<Pool>>>,
    age_max: Duration,
    is_swept: AtomicBool,
    closed: CancellationToken,
}

impl Pools {
    pub(super) fn new(age_max: Duration) -> Arc<Self> {
        Arc::new(Self {
            all: Mutex::default(),
            age_max,
            is_swept: AtomicBool::new(false),
            closed: CancellationToken::new(),
        })
    }

    pub(super) fn add(&self) -> Arc<Pool> {
        let pool = Arc::new(Pool {
            idle: Mutex::default(),
            http2: Connections::default(),
            age_max: self.age_max,
            is_closed: AtomicBool::new(self.closed.is_cancelled()),
        });
        let mut all = self.all.lock();
        all.retain(|pool| pool.strong_count() > 0);
        all.push(Arc::downgrade(&pool));
        pool
    }

    /// Closes what grows old, also where no call comes by: one task for all servers, from the first
    /// connection on.
    pub(super) fn sweep(self: &Arc<Self>, tasks: &TaskTracker) {
        if self.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let (pools, closed) = (Arc::downgrade(self), self.closed.clone());
        let every = self.age_max / 4;
        tasks.spawn(closed.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(pools) = pools.upgrade() else { return };
                pools.each(Pool::close_old);
            }
        }));
    }

    /// Closes every connection that serves no call; none is kept from now on.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.each(Pool::close);
    }

    fn each(&self, act: impl Fn(&Pool)) {
        let all: Vec<_> = self.all.lock().iter().filter_map(Weak::upgrade).collect();
        for pool in all {
            act(&pool);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::stream::Stream;
    use super::*;

    /// A connection, and the upstream's end of it.
    async fn pair() -> (Box<Connection>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Box::new(Connection::new(Stream::Plain(ours))), listener.accept().await.unwrap().0)
    }

    async fn is_closed(mut theirs: TcpStream) -> bool {
        let mut byte = [0];
        let reading = theirs.read(&mut byte);
        tokio::time::timeout(Duration::from_secs(10), reading).await.is_ok_and(|r| r.unwrap() == 0)
    }

    #[tokio::test]
    async fn an_old_connection_is_not_used_and_closed_without_any_call() {
        let (pools, tasks) = (Pools::new(Duration::from_millis(20)), TaskTracker::new());
        let pool = pools.add();
        let (ours, theirs) = pair().await;
        pool.give_back(ours);
        pool.idle.lock()[0].idle_since -= Duration::from_secs(1);
        assert!(pool.take_idle().await.is_none());
        assert!(is_closed(theirs).await);
        let (ours, theirs) = pair().await;
        pool.give_back(ours);
        pools.sweep(&tasks);
        assert!(is_closed(theirs).await);
    }

    #[tokio::test]
    async fn a_closed_pool_keeps_nothing_and_its_sweeper_ends() {
        let (pools, tasks) = (Pools::new(IDLE_AGE_MAX), TaskTracker::new());
        let pool = pools.add();
        pools.sweep(&tasks);
        let (kept, theirs) = pair().await;
        pool.give_back(kept);
        assert!(pool.take_idle().await.is_some_and(|ours| {
            pool.give_back(ours);
            true
        }));
        pools.close();
        assert!(is_closed(theirs).await);
        let (late, theirs) = pair().await;
        pool.give_back(late);
        assert!(is_closed(theirs).await);
        tasks.close();
        tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
    }
}
