//! One upstream server and the connections to it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio_util::task::TaskTracker;

use super::connect::Connector;
use super::exchange::{Exchange, Lease};
use super::stream::Stream;

/// Most idle connections that are kept to one server.
const IDLE_MAX: usize = 512;
/// A connection that nobody wanted for this long is closed; most servers do it about then.
const IDLE_AGE_MAX: Duration = Duration::from_mins(1);

type Body = Full<Bytes>;

/// An HTTP/1.1 connection. Its driver is polled by whoever uses it, not by a task of its own: a
/// hand-over between two tasks for each small event of a stream would cost more than the event.
pub(crate) struct Http1 {
    sender: http1::SendRequest<Body>,
    driver: Pin<Box<http1::Connection<TokioIo<Stream>, Body>>>,
    idle_since: Instant,
}

impl std::fmt::Debug for Http1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http1")
    }
}

impl Http1 {
    /// Lets the connection read and write; what it finds shows in the body or the answer.
    pub(crate) fn drive(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        self.driver.as_mut().poll(cx).map(|_| ())
    }

    /// Whether an idle connection can be used again: polled once, to see if the server closed it.
    async fn is_reusable(&mut self) -> bool {
        let is_ready = poll_fn(|cx| {
            if self.drive(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.sender.poll_ready(cx).map(|ready| ready.is_ok())
        });
        is_ready.await && !self.sender.is_closed()
    }
}

/// A server: scheme, host and port, and the connections to it.
pub(crate) struct Origin {
    host: String,
    port: u16,
    authority: HeaderValue,
    tls_name: Option<ServerName<'static>>,
    connector: Connector,
    tasks: TaskTracker,
    /// Last in, first out: the warmest connection is used, the others may time out.
    idle: Mutex<Vec<Http1>>,
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
    Exchange(hyper::Error),
}

/// The outcome of one try on a connection that was idle.
enum Reuse {
    Answered(Result<Response<Exchange>, SendFault>),
    /// The server had closed it before anything was sent; here is the request back.
    Unsent(Request<Body>),
}

impl Origin {
    /// `host` is a name or an address, `authority` what goes into `Host`.
    pub(crate) fn new(
        (host, port): (String, u16),
        authority: HeaderValue,
        tls_name: Option<ServerName<'static>>,
        connector: Connector,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            host,
            port,
            authority,
            tls_name,
            connector,
            tasks,
            idle: Mutex::new(Vec::new()),
            http2: Mutex::new(None),
        }
    }

    /// What goes into `Host`.
    pub(crate) fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }

    /// Sends a request on a warm connection, or on a new one.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<Body>,
        connect_timeout: Duration,
    ) -> Result<Response<Exchange>, SendFault> {
        let mut request = request;
        while let Some(idle) = self.take_idle() {
            match self.try_idle(idle, request).await {
                Reuse::Answered(answer) => return answer,
                Reuse::Unsent(unsent) => request = unsent,
            }
        }
        if let Some(sender) = self.open_http2() {
            return Box::pin(send_http2(sender, request)).await;
        }
        Box::pin(self.send_cold(request, connect_timeout)).await
    }

    async fn send_cold(
        self: &Arc<Self>,
        request: Request<Body>,
        connect_timeout: Duration,
    ) -> Result<Response<Exchange>, SendFault> {
        let connecting = self.connector.connect(&self.host, self.port, self.tls_name.as_ref());
        let (stream, is_h2) = tokio::time::timeout(connect_timeout, connecting)
            .await
            .map_err(|_| SendFault::Timeout)?
            .map_err(SendFault::Connect)?;
        if is_h2 {
            self.start_http2(stream, request).await
        } else {
            self.start_http1(stream, request).await
        }
    }

    /// Gives a connection back after an answer that was read to its end.
    pub(crate) fn give_back(&self, mut connection: Http1) {
        let now = Instant::now();
        connection.idle_since = now;
        let mut idle = self.idle.lock();
        // The oldest stand in front; nearly always the first one is young and this is one look.
        let old = idle.iter().take_while(|c| now - c.idle_since > IDLE_AGE_MAX).count();
        idle.drain(..old);
        if idle.len() < IDLE_MAX && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }

    fn take_idle(&self) -> Option<Http1> {
        self.idle.lock().pop()
    }

    fn open_http2(&self) -> Option<http2::SendRequest<Body>> {
        let mut slot = self.http2.lock();
        if slot.as_ref().is_some_and(http2::SendRequest::is_closed) {
            *slot = None;
        }
        slot.clone()
    }

    async fn try_idle(self: &Arc<Self>, mut connection: Http1, request: Request<Body>) -> Reuse {
        if !connection.is_reusable().await {
            return Reuse::Unsent(request);
        }
        match exchange_http1(&mut connection, request).await {
            Ok(answer) => Reuse::Answered(Ok(self.lease(connection, answer))),
            Err(mut error) => match error.take_message() {
                Some(unsent) => Reuse::Unsent(unsent),
                None => Reuse::Answered(Err(SendFault::Exchange(error.into_error()))),
            },
        }
    }

    async fn start_http1(
        self: &Arc<Self>,
        stream: Stream,
        request: Request<Body>,
    ) -> Result<Response<Exchange>, SendFault> {
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(SendFault::Exchange)?;
        let (driver, idle_since) = (Box::pin(driver), Instant::now());
        let mut connection = Http1 { sender, driver, idle_since };
        let answer = exchange_http1(&mut connection, request).await;
        let answer = answer.map_err(|error| SendFault::Exchange(error.into_error()))?;
        Ok(self.lease(connection, answer))
    }

    async fn start_http2(
        self: &Arc<Self>,
        stream: Stream,
        request: Request<Body>,
    ) -> Result<Response<Exchange>, SendFault> {
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(SendFault::Exchange)?;
        self.tasks.spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "an HTTP/2 connection to an upstream ended");
            }
        });
        *self.http2.lock() = Some(sender.clone());
        send_http2(sender, request).await
    }

    fn lease(
        self: &Arc<Self>,
        connection: Http1,
        answer: Response<Incoming>,
    ) -> Response<Exchange> {
        let lease = Lease::new(Arc::clone(self), connection);
        answer.map(|body| Exchange::new(body, Some(lease)))
    }
}

async fn send_http2(
    mut sender: http2::SendRequest<Body>,
    mut request: Request<Body>,
) -> Result<Response<Exchange>, SendFault> {
    // HTTP/2 names the server in `:authority`; a second `Host` would only invite disagreement.
    request.headers_mut().remove(http::header::HOST);
    let answer = sender.send_request(request).await.map_err(SendFault::Exchange)?;
    Ok(answer.map(|body| Exchange::new(body, None)))
}

async fn exchange_http1(
    connection: &mut Http1,
    mut request: Request<Body>,
) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
    // HTTP/1.1 wants the path alone.
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = path.into();
    }
    let mut sending = pin!(connection.sender.try_send_request(request));
    let driver = &mut connection.driver;
    poll_fn(|cx| {
        if let Poll::Ready(answer) = sending.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        // The driver's own result shows in the answer; only its progress matters here.
        let _progress = driver.as_mut().poll(cx);
        sending.as_mut().poll(cx)
    })
    .await
}
