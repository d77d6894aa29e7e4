//! One upstream server and how a request gets to it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio_util::task::TaskTracker;

use super::connect::Connector;
use super::exchange::{Broken, Exchange};
use super::http1::Connection;
use super::http2::{Fault, Place};
use super::pool::Pool;
use super::{Answer, Outgoing};

/// How often a request that never left is given to another HTTP/2 connection.
const TRIES_MAX: usize = 3;

/// A server: scheme, host and port, and the connections to it.
pub(crate) struct Origin {
    host: String,
    port: u16,
    tls_name: Option<ServerName<'static>>,
    connector: Connector,
    tasks: TaskTracker,
    pool: Arc<Pool>,
    /// Whether the server chose HTTP/1.1, or has no choice. Until that is known, and with HTTP/2,
    /// one connection is opened at a time, for it may serve all who wait.
    is_http1: AtomicBool,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Origin({}:{})", self.host, self.port)
    }
}

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum SendFault {
    /// No connection in time; nothing was sent.
    Timeout,
    /// No connection; nothing was sent.
    Connect(io::Error),
    /// The exchange broke; the request may have arrived.
    Exchange(Broken),
}

/// What a request can go out on.
enum Opened {
    Http1(Box<Connection>),
    Http2(Place),
}

impl Origin {
    /// `host` is a name or an address.
    pub(crate) fn new(
        (host, port): (String, u16),
        tls_name: Option<ServerName<'static>>,
        connector: Connector,
        tasks: TaskTracker,
    ) -> Self {
        let pool = connector.pools().add();
        let is_http1 = AtomicBool::new(tls_name.is_none());
        Self { host, port, tls_name, connector, tasks, pool, is_http1 }
    }

    /// Sends a request on a warm connection, or on a new one. `is_sent` is set with its first byte.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Outgoing<'_>,
        connect_timeout: Duration,
        is_sent: &mut bool,
    ) -> Result<Box<Answer>, SendFault> {
        if let Some(connection) = self.pool.take_idle().await {
            return self.exchange(connection, request, is_sent).await;
        }
        Box::pin(self.send_cold(request, connect_timeout, is_sent)).await
    }

    async fn send_cold(
        self: &Arc<Self>,
        request: &Outgoing<'_>,
        connect_timeout: Duration,
        is_sent: &mut bool,
    ) -> Result<Box<Answer>, SendFault> {
        let mut tries = 1;
        loop {
            let place = match self.open(connect_timeout).await? {
                Opened::Http1(connection) => {
                    return self.exchange(connection, request, is_sent).await;
                }
                Opened::Http2(place) => place,
            };
            match place.send(request.to_http2(), is_sent).await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Unsent(_)) if tries < TRIES_MAX => tries += 1,
                Err(Fault::Unsent(error)) => {
                    return Err(SendFault::Connect(io::Error::other(error)));
                }
                Err(fault @ Fault::Broken(_)) => return Err(SendFault::Exchange(fault.into())),
            }
        }
    }

    async fn open(&self, connect_timeout: Duration) -> Result<Opened, SendFault> {
        match tokio::time::timeout(connect_timeout, self.open_or_wait()).await {
            Ok(opened) => opened.map_err(SendFault::Connect),
            Err(_) if self.pool.http2.is_full() => Err(SendFault::Connect(all_in_use())),
            Err(_) => Err(SendFault::Timeout),
        }
    }

    /// Takes a free stream, opens a connection, or waits for whoever does.
    async fn open_or_wait(&self) -> io::Result<Opened> {
        loop {
            let mut changed = std::pin::pin!(self.pool.http2.changed());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(place) = self.pool.http2.reserve() {
                return Ok(Opened::Http2(place));
            }
            if self.is_http1.load(Ordering::Relaxed) {
                return self.connect().await;
            }
            if let Some(_opening) = self.pool.http2.begin_opening() {
                // Another call may have opened one between the two looks.
                return match self.pool.http2.reserve() {
                    Some(place) => Ok(Opened::Http2(place)),
                    None => self.connect().await,
                };
            }
            changed.await;
        }
    }

    async fn connect(&self) -> io::Result<Opened> {
        self.connector.pools().sweep(&self.tasks);
        let connecting = self.connector.connect(&self.host, self.port, self.tls_name.as_ref());
        let (stream, is_http2) = connecting.await?;
        self.is_http1.store(!is_http2, Ordering::Relaxed);
        if !is_http2 {
            return Ok(Opened::Http1(Box::new(Connection::new(stream))));
        }
        let connection = self.pool.http2.open(stream, &self.tasks).await?;
        self.pool.http2.keep(connection).map(Opened::Http2).ok_or_else(all_in_use)
    }

    async fn exchange(
        self: &Arc<Self>,
        mut connection: Box<Connection>,
        request: &Outgoing<'_>,
        is_sent: &mut bool,
    ) -> Result<Box<Answer>, SendFault> {
        let answer = connection.exchange(|out| request.write_head(out), request.body, is_sent);
        let answer = answer.await.map_err(|fault| SendFault::Exchange(Broken::Http1(fault)))?;
        Ok(Box::new(Answer {
            status: answer.status,
            headers: answer.headers,
            body: Exchange::http1(Arc::clone(self), connection, answer.body),
        }))
    }

    /// Gives a connection back after an answer that was read to its end.
    pub(super) fn give_back(&self, connection: Box<Connection>) {
        self.pool.give_back(connection);
    }
}

fn all_in_use() -> io::Error {
    io::Error::other("every HTTP/2 stream that the upstream allows is in use")
}
