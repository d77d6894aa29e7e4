//! One upstream server and the connections to it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio_util::task::TaskTracker;

use super::connect::Connector;
use super::exchange::{Broken, Exchange};
use super::http1::Connection;
use super::stream::Stream;
use super::{Answer, Outgoing};

/// Most idle connections that are kept to one server.
const IDLE_MAX: usize = 512;
/// A connection that nobody wanted for this long is closed; most servers do it about then.
const IDLE_AGE_MAX: Duration = Duration::from_mins(1);

type Body = Full<Bytes>;

/// A server: scheme, host and port, and the connections to it.
pub(crate) struct Origin {
    host: String,
    port: u16,
    tls_name: Option<ServerName<'static>>,
    connector: Connector,
    tasks: TaskTracker,
    /// Last in, first out: the warmest connection is used, the others may time out.
    idle: Mutex<Vec<Connection>>,
    http2: Mutex<Option<http2::SendRequest<Body>>>,
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
    Connect(std::io::Error),
    /// The exchange broke; the request may have arrived.
    Exchange(Broken),
}

impl Origin {
    /// `host` is a name or an address.
    pub(crate) fn new(
        (host, port): (String, u16),
        tls_name: Option<ServerName<'static>>,
        connector: Connector,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            host,
            port,
            tls_name,
            connector,
            tasks,
            idle: Mutex::new(Vec::new()),
            http2: Mutex::new(None),
        }
    }

    /// Sends a request on a warm connection, or on a new one.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Outgoing<'_>,
        connect_timeout: Duration,
    ) -> Result<Box<Answer>, SendFault> {
        if let Some(connection) = self.take_idle().await {
            return self.exchange(connection, request).await;
        }
        if let Some(sender) = self.open_http2() {
            return Box::pin(send_http2(sender, request)).await;
        }
        Box::pin(self.send_cold(request, connect_timeout)).await
    }

    async fn send_cold(
        self: &Arc<Self>,
        request: &Outgoing<'_>,
        connect_timeout: Duration,
    ) -> Result<Box<Answer>, SendFault> {
        let connecting = self.connector.connect(&self.host, self.port, self.tls_name.as_ref());
        let (stream, is_h2) = tokio::time::timeout(connect_timeout, connecting)
            .await
            .map_err(|_| SendFault::Timeout)?
            .map_err(SendFault::Connect)?;
        if is_h2 {
            let sender = self.start_http2(stream).await?;
            send_http2(sender, request).await
        } else {
            self.exchange(Connection::new(stream), request).await
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        mut connection: Connection,
        request: &Outgoing<'_>,
    ) -> Result<Box<Answer>, SendFault> {
        let answer = connection.exchange(|out| request.write_head(out), request.body).await;
        let answer = answer.map_err(|fault| SendFault::Exchange(Broken::Http1(fault)))?;
        Ok(Box::new(Answer {
            status: answer.status,
            headers: answer.headers,
            body: Exchange::http1(Arc::clone(self), connection, answer.body),
        }))
    }

    /// Gives a connection back after an answer that was read to its end.
    pub(crate) fn give_back(&self, mut connection: Connection) {
        let now = Instant::now();
        connection.idle_since = now;
        let mut idle = self.idle.lock();
        // The oldest stand in front; nearly always the first one is young and this is one look.
        let old = idle.iter().take_while(|c| now - c.idle_since > IDLE_AGE_MAX).count();
        idle.drain(..old);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// The warmest idle connection that the server did not close in the meantime.
    async fn take_idle(&self) -> Option<Connection> {
        poll_fn(|cx| {
            loop {
                let idle = self.idle.lock().pop();
                let Some(mut connection) = idle else { return Poll::Ready(None) };
                if connection.is_open(cx) {
                    return Poll::Ready(Some(connection));
                }
            }
        })
        .await
    }

    fn open_http2(&self) -> Option<http2::SendRequest<Body>> {
        let mut slot = self.http2.lock();
        if slot.as_ref().is_some_and(http2::SendRequest::is_closed) {
            *slot = None;
        }
        slot.clone()
    }

    async fn start_http2(&self, stream: Stream) -> Result<http2::SendRequest<Body>, SendFault> {
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| SendFault::Exchange(Broken::Http2(error)))?;
        self.tasks.spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "an HTTP/2 connection to an upstream ended");
            }
        });
        *self.http2.lock() = Some(sender.clone());
        Ok(sender)
    }
}

async fn send_http2(
    mut sender: http2::SendRequest<Body>,
    request: &Outgoing<'_>,
) -> Result<Box<Answer>, SendFault> {
    let answer = sender.send_request(request.to_http2()).await;
    let answer = answer.map_err(|error| SendFault::Exchange(Broken::Http2(error)))?;
    let (head, body) = answer.into_parts();
    let (headers, body) = (kept(&head.headers), Exchange::http2(body));
    Ok(Box::new(Answer { status: head.status, headers, body }))
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    let known = |name: &http::HeaderName| crate::answer::kept(name.as_str().as_bytes()).is_some();
    headers.iter().filter(|(name, _)| known(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}
