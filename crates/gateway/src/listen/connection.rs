//! The life of one connection, from the TLS handshake to the last byte.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::answer::answer;
use super::guard::{Guard, Protocol, Stream};
use super::progress::{Order, Phase, Progress};
use super::registry::Seat;
use super::{Limits, Peer};
use crate::CallIds;

/// Bytes that one connection may buffer in each direction, and one HTTP/2 stream may queue.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How often a quiet HTTP/2 connection is pinged, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);

/// What all connections of a listener share.
pub(super) struct Shared<S> {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) limits: Limits,
    pub(super) service: S,
    /// For answers that are not the service's.
    pub(super) ids: Arc<CallIds>,
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
}

/// Runs the streams of HTTP/2 connections where shutdown waits for them.
#[derive(Debug, Clone)]
struct Streams(TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

impl<S> Shared<S> {
    pub(super) fn new(
        tls: Option<TlsAcceptor>,
        limits: Limits,
        (service, ids): (S, Arc<CallIds>),
        tracker: &TaskTracker,
    ) -> Self {
        let http2 = http2_builder(&limits, Streams(tracker.clone()));
        Self { tls, limits, service, ids, http1: http1_builder(), http2 }
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Heads are timed by the listener's ticks, for all connections at once.
    builder.header_read_timeout(None).max_buf_size(BUFFER_BYTES_MAX);
    // The guard sees clients leave.
    builder.half_close(true);
    builder
}

fn http2_builder(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Serves one connection until it ends or is ordered to.
pub(super) async fn run<S, F, B>(stream: TcpStream, peer: Peer, seat: Seat, shared: Arc<Shared<S>>)
where
    S: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let progress = Arc::clone(&seat.progress);
    attend(&progress).await;
    let opened = obeying(&progress, open(stream, &shared, &progress)).await;
    let Some(Ok(Some((guard, protocol)))) = opened else { return };
    let io = TokioIo::new(guard);
    let call = {
        let (shared, progress) = (Arc::clone(&shared), Arc::clone(&progress));
        service_fn(move |request| answer(Arc::clone(&shared), request, peer, &progress))
    };
    match protocol {
        Protocol::Http1 => drive(shared.http1.serve_connection(io, call), &progress).await,
        Protocol::Http2 => drive(shared.http2.serve_connection(io, call), &progress).await,
    }
}

/// Makes this task the one that the connection's orders wake.
async fn attend(progress: &Progress) {
    poll_fn(|cx| {
        progress.obey_in(cx.waker());
        Poll::Ready(())
    })
    .await;
}

/// The stream behind its handshake, and the protocol that it speaks.
async fn open<S>(
    stream: TcpStream,
    shared: &Shared<S>,
    progress: &Arc<Progress>,
) -> io::Result<Option<(Guard, Protocol)>> {
    stream.set_nodelay(true)?;
    let stream = match &shared.tls {
        None => Stream::Plain(stream),
        Some(tls) => {
            let handshake = tls.accept(stream);
            let stream = tokio::time::timeout(shared.limits.tls_handshake, handshake).await??;
            Stream::Tls(Box::new(stream))
        }
    };
    progress.enter(Phase::FirstByte);
    let mut guard = Guard::new(stream, Arc::clone(progress), shared.limits.head_bytes_max);
    let protocol = poll_fn(|cx| guard.poll_protocol(cx)).await?;
    Ok(protocol.map(|protocol| (guard, protocol)))
}

/// Runs what has nothing to finish: any order ends it, with `None`.
async fn obeying<F: Future>(progress: &Progress, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match progress.order() {
        Order::Run => future.as_mut().poll(cx).map(Some),
        Order::Drain | Order::Cut => Poll::Ready(None),
    })
    .await
}

/// Runs a connection under orders. How it ended is of no consequence: a client that left, or a
/// protocol error, which hyper has answered.
async fn drive<C: GracefulConnection>(connection: C, progress: &Progress) {
    let mut connection = pin!(connection);
    let mut is_draining = false;
    poll_fn(|cx| {
        match progress.order() {
            Order::Run => {}
            Order::Drain if is_draining => {}
            Order::Drain => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::Cut => return Poll::Ready(()),
        }
        connection.as_mut().poll(cx).map(|_ended| ())
    })
    .await;
}
