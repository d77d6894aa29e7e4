//! A listener with a small service that writes down what reaches it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_gateway::CallIds;
use doorward_gateway::listen::{Limits, Listener, Peer, Stats};
use doorward_store::Clock;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longer than anything here may take; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type TestBody = UnsyncBoxBody<Bytes, std::io::Error>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stats: Arc<Stats>,
    pub(crate) service: Arc<Service>,
    pub(crate) shutdown: CancellationToken,
    done: JoinHandle<()>,
}

/// What the tests look at and steer.
pub(crate) struct Service {
    /// Method and path of each request that came through.
    pub(crate) seen: Mutex<Vec<String>>,
    /// Each permit lets `/gated` send one more chunk.
    pub(crate) gate: Semaphore,
}

impl Server {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::start_with(limits, None, Duration::from_secs(10))
    }

    pub(crate) fn start_with(
        limits: Limits,
        tls: Option<Arc<rustls::ServerConfig>>,
        drain: Duration,
    ) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls, limits).unwrap();
        let (address, stats) = (listener.local_addr().unwrap(), listener.stats());
        let shutdown = CancellationToken::new();
        let ids = Arc::new(CallIds::new(Clock::system(), 1));
        let service = Arc::new(Service { seen: Mutex::default(), gate: Semaphore::new(0) });
        let answering = Arc::clone(&service);
        let answer = move |request, peer| answer(Arc::clone(&answering), request, peer);
        let done = TaskTracker::new().spawn(listener.serve(answer, ids, shutdown.clone(), drain));
        Self { address, stats, service, shutdown, done }
    }

    /// Orders the end and waits for it.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.done).await.unwrap().unwrap();
        assert_eq!(self.stats.open(), 0);
    }

    /// Waits until a connection has come and none is open.
    pub(crate) async fn all_closed(&self) {
        let closed = async {
            while self.stats.open() > 0 || self.stats.accepted() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.unwrap();
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.service.seen.lock().clone()
    }
}

async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<TestBody> {
    let path = request.uri().path().to_owned();
    service.seen.lock().push(format!("{} {path}", request.method()));
    match path.as_str() {
        "/panic" => panic!("a bug in the service"),
        "/panic-in-body" => Response::new(chunks(|sent| {
            assert!(sent < 2, "a bug in the service's body");
            Some(Bytes::from_static(b"chunk"))
        })),
        "/endless" => Response::new(chunks(|_| Some(Bytes::from(vec![b'x'; 64 * 1024])))),
        "/gated" => Response::new(gated(service)),
        "/ignores-its-body" => text(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
        "/length" => match request.into_body().collect().await {
            Ok(body) => text(StatusCode::OK, &body.to_bytes().len().to_string()),
            Err(_) => text(StatusCode::BAD_REQUEST, "bad body"),
        },
        "/is-tls" => text(StatusCode::OK, &peer.is_tls.to_string()),
        _ => text(StatusCode::OK, "fine"),
    }
}

fn text(status: StatusCode, text: &str) -> Response<TestBody> {
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

fn chunks(next: impl FnMut(usize) -> Option<Bytes> + Send + 'static) -> TestBody {
    let frames = stream::iter((0..).map_while(next).map(Frame::data).map(Ok));
    StreamBody::new(frames).boxed_unsync()
}

/// One chunk at once, and one for each permit; the end with the third.
fn gated(service: Arc<Service>) -> TestBody {
    let frames = stream::unfold(0, move |sent| {
        let service = Arc::clone(&service);
        async move {
            if sent > 0 {
                service.gate.acquire().await.ok()?.forget();
            }
            (sent < 3).then(|| (Ok(Frame::data(Bytes::from_static(b"chunk"))), sent + 1))
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
