//! HTTP/2 to an upstream: a few connections, each with as many streams as the upstream allows.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use super::Answer;
use super::exchange::{Broken, Exchange};
use super::settings::Observed;
use super::stream::Stream;
use crate::answer::{self, Headers};

/// Connections to one server; the calls beyond their streams wait.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// How often an upstream is asked whether it is still there, and how long it has to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

type Body = Full<Bytes>;

/// The connections to one server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// The first with a free stream is used, so that those behind it fall idle.
    all: Mutex<Vec<Connection>>,
    is_opening: AtomicBool,
    /// A stream is free, a connection came or went, or nobody opens one any more.
    changed: Arc<Notify>,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http2::SendRequest<Body>,
    streams_max: watch::Receiver<Option<usize>>,
    streams: Arc<Streams>,
}

/// The streams of a connection.
#[derive(Debug)]
struct Streams {
    running: AtomicUsize,
    used_at: Mutex<Instant>,
    changed: Arc<Notify>,
}

/// The right to one stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    sender: http2::SendRequest<Body>,
    streams: Arc<Streams>,
}

/// The right to open a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Opening<'a>(&'a Connections);

/// Why a stream gave no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection was over before the request left.
    Unsent(hyper::Error),
    Broken(hyper::Error),
}

impl Connections {
    /// A free stream of an open connection.
    pub(super) fn reserve(&self) -> Option<Place> {
        let mut all = self.all.lock();
        all.retain(|connection| !connection.sender.is_closed());
        all.iter().find_map(Connection::reserve)
    }

    /// Whether as many connections are open as may be.
    pub(super) fn is_full(&self) -> bool {
        self.all.lock().len() >= CONNECTIONS_MAX
    }

    /// `None`: there are enough, or another call opens one already.
    pub(super) fn begin_opening(&self) -> Option<Opening<'_>> {
        let is_mine = !self.is_full() && !self.is_opening.swap(true, Ordering::AcqRel);
        // Made only where it is mine: its end is the end of the opening.
        is_mine.then(|| Opening(self))
    }

    /// Resolves when it is worth to look again.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Shakes hands. The connection counts from the upstream's first word on: until then nothing may
    /// have arrived, and its limits are not known.
    pub(super) async fn open(&self, stream: Stream, tasks: &TaskTracker) -> io::Result<Connection> {
        let (observed, mut streams_max) = Observed::new(stream);
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(observed))
            .await
            .map_err(io::Error::other)?;
        let changed = Arc::clone(&self.changed);
        tasks.spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "an HTTP/2 connection to an upstream ended");
            }
            changed.notify_waiters();
        });
        let told = streams_max.wait_for(Option::is_some).await.map(|_told| ());
        told.map_err(|_gone| io::Error::from(io::ErrorKind::ConnectionAborted))?;
        let streams = Streams {
            running: AtomicUsize::new(0),
            used_at: Mutex::new(Instant::now()),
            changed: Arc::clone(&self.changed),
        };
        Ok(Connection { sender, streams_max, streams: Arc::new(streams) })
    }

    /// Keeps a connection and gives out one of its streams. `None`: it has none.
    pub(super) fn keep(&self, connection: Connection) -> Option<Place> {
        let place = connection.reserve();
        self.all.lock().push(connection);
        self.changed.notify_waiters();
        place
    }

    /// Closes the connections that nobody wanted for this long.
    pub(super) fn close_unused(&self, age_max: Duration) {
        self.all.lock().retain(|connection| !connection.is_unused(age_max));
    }

    /// Closes all of them; streams that run may end.
    pub(super) fn close(&self) {
        self.all.lock().clear();
    }
}

impl Connection {
    /// Called under the lock of the connections only: between the look and the count nobody comes.
    fn reserve(&self) -> Option<Place> {
        let streams_max = self.streams_max.borrow().unwrap_or(0);
        if self.streams.running.load(Ordering::Acquire) >= streams_max {
            return None;
        }
        self.streams.running.fetch_add(1, Ordering::AcqRel);
        Some(Place { sender: self.sender.clone(), streams: Arc::clone(&self.streams) })
    }

    fn is_unused(&self, age_max: Duration) -> bool {
        self.streams.running.load(Ordering::Acquire) == 0
            && self.streams.used_at.lock().elapsed() > age_max
    }
}

impl Place {
    /// Sends a request and waits for the answer's head.
    pub(super) async fn send(
        mut self,
        request: Request<Body>,
        is_sent: &mut bool,
    ) -> Result<Box<Answer>, Fault> {
        *is_sent = true;
        let answer = match self.sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(mut error) => {
                *is_sent = error.take_message().is_none();
                let fault = if *is_sent { Fault::Broken } else { Fault::Unsent };
                return Err(fault(error.into_error()));
            }
        };
        let (head, body) = answer.into_parts();
        let (headers, body) = (kept(&head.headers), Exchange::http2(body, self));
        Ok(Box::new(Answer { status: head.status, headers, body }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.streams.used_at.lock() = Instant::now();
        self.streams.running.fetch_sub(1, Ordering::AcqRel);
        self.streams.changed.notify_one();
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.is_opening.store(false, Ordering::Release);
        self.0.changed.notify_one();
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unsent(error) | Fault::Broken(error) => Self::Http2(error),
        }
    }
}

fn kept(headers: &HeaderMap) -> Headers {
    let known = |name: &http::HeaderName| answer::kept(name.as_str().as_bytes()).is_some();
    headers.iter().filter(|(name, _)| known(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}
