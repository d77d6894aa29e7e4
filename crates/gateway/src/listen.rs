//! The accept loop and the strict front: what reaches the service is a well-formed request that
//! every reader understands alike, from a client that keeps moving.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::CallIds;
use connection::Shared;
use progress::Order;
use registry::Registry;
pub use registry::Stats;

mod answer;
mod connection;
mod front;
mod guard;
mod head;
mod progress;
mod refusal;
mod registry;
mod scan;

/// Connections that the kernel keeps while we are busy.
const BACKLOG: i32 = 4096;

/// How long to wait when the operating system has no more files or memory for connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The longest time between two looks at the connections.
const TICK_MAX: Duration = Duration::from_secs(5);

/// What a client may take of our time and memory. A time limit strikes at the first tick after it,
/// at most 5 seconds later.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at one time.
    pub connections_max: usize,
    /// Connections from one IPv4 address or one IPv6 network of 64 bits; loopback is exempt.
    pub connections_per_address_max: usize,
    /// HTTP/2 streams open at one time on one connection.
    pub streams_per_connection_max: u32,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// From the connection to the end of the TLS handshake.
    pub tls_handshake: Duration,
    /// From there to the first byte.
    pub first_byte: Duration,
    /// From a head's first byte to its last.
    pub head: Duration,
    /// How fast a body must come while we wait for it.
    pub body_bytes_per_second_min: u64,
    /// How long a body may fall short of that.
    pub body_grace: Duration,
    /// How long a client may take nothing of what we send.
    pub write_stall: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// How long we wait for a client to close after an answer that it may not have read yet.
    pub linger: Duration,
}

impl Limits {
    /// The limits of a server that anybody can reach.
    pub const STANDARD: Self = Self {
        connections_max: 10_000,
        connections_per_address_max: 512,
        streams_per_connection_max: 100,
        head_bytes_max: 16 * 1024,
        tls_handshake: Duration::from_secs(5),
        first_byte: Duration::from_secs(10),
        head: Duration::from_secs(10),
        body_bytes_per_second_min: 1024,
        body_grace: Duration::from_secs(10),
        write_stall: Duration::from_secs(30),
        idle: Duration::from_secs(75),
        linger: Duration::from_secs(5),
    };

    /// Half the shortest limit, so that none is exceeded by more than half.
    fn tick(&self) -> Duration {
        let limits =
            [self.first_byte, self.head, self.body_grace, self.write_stall, self.idle, self.linger];
        let shortest = limits.into_iter().min().unwrap_or(TICK_MAX);
        (shortest / 2).clamp(Duration::from_millis(1), TICK_MAX)
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of the socket; a proxy's, if one is in between.
    pub address: SocketAddr,
    /// Whether the connection is encrypted up to us.
    pub is_tls: bool,
}

/// A bound address, ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: Limits,
    stats: Arc<Stats>,
}

impl Listener {
    /// Binds `address`. Call it inside a Tokio runtime. With TLS, the configuration's ALPN list
    /// decides whether clients may choose HTTP/2.
    pub fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        limits: Limits,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        Ok(Self { socket, tls, limits, stats: Arc::default() })
    }

    /// The bound address, with the port that the system chose if it was 0.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The counters, which outlive the listener.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `shutdown` is cancelled; then stops accepting, lets running calls finish for up
    /// to `drain`, ends the rest, and returns when all is over. A panic in the service ends one
    /// request.
    ///
    /// What never reaches the service is answered with an id from `ids`.
    pub async fn serve<S, F, B>(
        self,
        service: S,
        ids: Arc<CallIds>,
        shutdown: CancellationToken,
        drain: Duration,
    ) where
        S: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let tracker = TaskTracker::new();
        let registry = Arc::new(Registry::new(self.limits.clone(), Arc::clone(&self.stats)));
        let mut ticks = tokio::time::interval(self.limits.tick());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let tls = self.tls.clone().map(TlsAcceptor::from);
        let shared = Arc::new(Shared::new(tls, self.limits.clone(), (service, ids), &tracker));

        let mut stop = std::pin::pin!(shutdown.cancelled());
        let mut paused_until = None;
        loop {
            tokio::select! {
                () = &mut stop => break,
                now = ticks.tick() => registry.tick(now.into_std()),
                (stream, address) = self.accept(&mut paused_until) => {
                    let peer = Peer { address, is_tls: shared.tls.is_some() };
                    let Some(seat) = registry.admit(address, Instant::now()) else {
                        turn_away(&stream, peer);
                        continue;
                    };
                    tracker.spawn(connection::run(stream, peer, seat, Arc::clone(&shared)));
                }
            }
        }
        drop(self);
        finish(&registry, &tracker, ticks, drain).await;
    }

    /// The next connection. When files or memory have run out the client stays in the backlog and
    /// we pause, as another try at once would fail too. The pause outlives this future, which is
    /// dropped at every tick.
    async fn accept(&self, paused_until: &mut Option<Instant>) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(until) = *paused_until {
                tokio::time::sleep_until(until.into()).await;
                *paused_until = None;
            }
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.stats.note_accept_error();
                    tracing::warn!(%error, "cannot accept connections");
                    *paused_until = Some(Instant::now() + ACCEPT_PAUSE);
                }
            }
        }
    }
}

/// Whether `error` tells of the connection that was next, and not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind())
}

/// Tells a client over the cap to come back. Best effort: it is closed in any case.
fn turn_away(stream: &TcpStream, peer: Peer) {
    if !peer.is_tls {
        let _written = stream.try_write(refusal::OVERLOADED);
    }
}

async fn finish(registry: &Registry, tracker: &TaskTracker, mut ticks: Interval, drain: Duration) {
    tracker.close();
    registry.give_all(Order::Drain);
    let drained = async {
        loop {
            tokio::select! {
                () = tracker.wait() => return,
                now = ticks.tick() => registry.tick(now.into_std()),
            }
        }
    };
    if tokio::time::timeout(drain, drained).await.is_err() {
        registry.give_all(Order::Cut);
        tracker.wait().await;
    }
}
