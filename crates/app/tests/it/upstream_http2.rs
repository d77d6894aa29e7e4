//! Providers that speak TLS and HTTP/2.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::form::{self, form};
use crate::program::{Answer, Program, chat};
use crate::upstream::{CHAT, EVENT};

/// What the upstream's connections share.
struct Shared {
    acceptor: TlsAcceptor,
    streams_max: u32,
    connections: AtomicUsize,
    /// For each request the number of its connection, counted from 1.
    seen: Mutex<Vec<usize>>,
    /// Path and headers of each `GET`.
    gets: Mutex<Vec<(String, http::HeaderMap)>>,
    /// The kinds of the last body, and itself.
    last: Mutex<(Vec<String>, Bytes)>,
    is_held: watch::Sender<bool>,
    leave: Notify,
}

/// A server with a certificate of its own, until it is dropped.
struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    ca: PathBuf,
    _runtime: Runtime,
}

impl Upstream {
    fn start(dir: &Path, streams_max: u32) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let ca = dir.join("upstream.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let shared = Arc::new(Shared {
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            streams_max,
            connections: AtomicUsize::new(0),
            seen: Mutex::default(),
            gets: Mutex::default(),
            last: Mutex::default(),
            is_held: watch::Sender::new(false),
            leave: Notify::new(),
        });
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, ca, _runtime: runtime }
    }

    /// From now on no request is answered, or all are.
    fn hold(&self, is_held: bool) {
        self.shared.is_held.send_replace(is_held);
    }

    fn seen(&self) -> Vec<usize> {
        self.shared.seen.lock().unwrap().clone()
    }

    fn wait_for(&self, requests: usize) -> Vec<usize> {
        let begun = Instant::now();
        while self.seen().len() < requests {
            assert!(begun.elapsed() < Duration::from_secs(20), "only {:?} came", self.seen());
            thread::yield_now();
        }
        self.seen()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let tasks = TaskTracker::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tasks.spawn(serve(tcp, Arc::clone(&shared)));
    }
}

async fn serve(tcp: TcpStream, shared: Arc<Shared>) {
    let Ok(tls) = shared.acceptor.accept(tcp).await else { return };
    let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
    if shared.streams_max == 0 {
        // It leaves in the middle of the handshake.
        return;
    }
    let service = service_fn(|request| answer(request, number, Arc::clone(&shared)));
    let serving = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(shared.streams_max)
        .serve_connection(TokioIo::new(tls), service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = shared.leave.notified() => serving.as_mut().graceful_shutdown(),
    }
    serving.await.ok();
}

async fn answer(
    request: Request<Incoming>,
    number: usize,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == "GET" {
        let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
        shared.gets.lock().unwrap().push((path, headers));
    }
    let kinds = request.headers().get_all("content-type").iter();
    let kinds = kinds.map(|kind| kind.to_str().unwrap().to_owned()).collect();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    *shared.last.lock().unwrap() = (kinds, body.clone());
    shared.seen.lock().unwrap().push(number);
    shared.is_held.subscribe().wait_for(|is_held| !is_held).await.unwrap();
    let is_stream = memchr::memmem::find(&body, b"\"stream\":true").is_some();
    let (kind, text) = if is_stream {
        ("text/event-stream", format!("{}data: [DONE]\n\n", EVENT.repeat(5)))
    } else {
        ("application/json", CHAT.to_owned())
    };
    Ok(Response::builder().header("content-type", kind).body(text.into()).unwrap())
}

/// A program whose model `mock` is served by the upstream.
fn start(dir: &Path, upstream: &Upstream, is_trusted: bool) -> Program {
    let ca = if is_trusted { upstream.ca.to_str().unwrap() } else { "" };
    start_with(dir, upstream.address, &[("UPSTREAM_CA", ca), ("CONNECT_TIMEOUT_SECONDS", "20")])
}

/// The same with these settings of the gateway.
fn start_with(dir: &Path, upstream: SocketAddr, settings: &[(&str, &str)]) -> Program {
    let names: Vec<_> =
        settings.iter().map(|(name, _)| format!("DOORWARD__GATEWAY__{name}")).collect();
    let values = settings.iter().map(|(_, value)| *value);
    let environment: Vec<_> = names.iter().map(String::as_str).zip(values).collect();
    let program = Program::start_with(dir, &[], &environment);
    let base_url = format!("https://{upstream}/v1");
    let body = json!({"name": "p", "kind": "openai-compatible", "base_url": base_url});
    let made = program.ask("POST", "/v1/providers", &program.admin_key(), Some(&body));
    assert_eq!(made.status, 201, "{}", made.body);
    program.add_deployed("mock", None, &json!([{"provider": "p"}]));
    program
}

/// Makes these many calls at once and looks at the upstream while they run.
fn together(program: &Program, calls: usize, look: impl FnOnce()) -> Vec<Answer> {
    thread::scope(|scope| {
        let calling: Vec<_> =
            (0..calls).map(|_| scope.spawn(|| program.chat(program.key(), "mock"))).collect();
        look();
        calling.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

#[test]
fn a_call_and_a_stream_share_a_connection_and_the_program_ends_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 100);
    let program = start(dir.path(), &upstream, true);
    let whole = program.chat(program.key(), "mock");
    assert_eq!((whole.status, whole.body.as_str()), (200, CHAT));
    let mut asked = chat("mock");
    asked["stream"] = true.into();
    let stream = program.ask("POST", "/v1/chat/completions", program.key(), Some(&asked));
    assert_eq!((stream.status, stream.body.matches(" token").count()), (200, 5));
    assert_eq!(upstream.seen(), [1, 1]);
    let begun = Instant::now();
    assert_eq!(program.stop(), 0);
    assert!(begun.elapsed() < Duration::from_secs(20), "it waits for the connection");
    assert!(!dir.path().join("data/endpoint").exists());
}

#[test]
fn a_form_comes_with_its_own_kind_and_anything_else_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 100);
    let program = start(dir.path(), &upstream, true);
    let body = form(&[("model", "mock")], &[0xff, 0, b'\r', b'\n']);
    let answer = form::send(&program, "/v1/audio/transcriptions", program.key(), &body);
    assert_eq!((answer.status, answer.body.as_str()), (200, CHAT));
    let last = || upstream.shared.last.lock().unwrap().clone();
    assert_eq!(last(), (vec![form::kind()], Bytes::from(body)));
    assert_eq!(program.chat(program.key(), "mock").status, 200);
    assert_eq!(last().0, ["application/json"]);
}

#[test]
fn calls_share_one_connection_and_a_full_one_is_joined_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 3);
    let program = start(dir.path(), &upstream, true);
    upstream.hold(true);
    let answers = together(&program, 7, || {
        let mut seen = upstream.wait_for(7);
        upstream.hold(false);
        seen.sort_unstable();
        assert_eq!(seen, [1, 1, 1, 2, 2, 2, 3]);
    });
    assert_eq!(statuses(&answers), [200; 7]);
}

#[test]
fn calls_beyond_all_streams_wait_for_one_and_reach_it() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 1);
    let program = start(dir.path(), &upstream, true);
    upstream.hold(true);
    let answers = together(&program, 20, || {
        upstream.wait_for(16);
        upstream.hold(false);
    });
    assert_eq!(statuses(&answers), [200; 20]);
    assert_eq!(upstream.shared.connections.load(Ordering::SeqCst), 16);
}

#[test]
fn a_connection_that_the_upstream_leaves_is_followed_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 100);
    let program = start(dir.path(), &upstream, true);
    for number in 1..=3 {
        assert_eq!(program.chat(program.key(), "mock").status, 200, "{number}");
        upstream.shared.leave.notify_one();
        // The one that leaves takes no request any more; which moment that is, nobody is told.
        let begun = Instant::now();
        while upstream.seen().last() == Some(&number) {
            assert!(begun.elapsed() < Duration::from_secs(20), "it goes on with a closed one");
            assert_eq!(program.chat(program.key(), "mock").status, 200, "{number}");
        }
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_a_failed_connection_that_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 100);
    let program = start(dir.path(), &upstream, false);
    let refused = program.chat(program.key(), "mock");
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].as_str()),
        (502, Some("upstream_unavailable"))
    );
    assert!(upstream.seen().is_empty());
    assert_eq!(program.usage("mock")["input_tokens"], 0);
}

#[test]
fn a_handshake_that_fails_is_a_failed_connection_that_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 0);
    let program = start(dir.path(), &upstream, true);
    assert_eq!(program.chat(program.key(), "mock").status, 502);
    // Nothing was begun, so it is tried again, in four rounds.
    assert_eq!(upstream.shared.connections.load(Ordering::SeqCst), 1 + 4);
    assert_eq!(program.usage("mock")["input_tokens"], 0);
}

#[test]
fn an_answer_that_is_no_stream_may_begin_later_than_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 100);
    let settings = [
        ("UPSTREAM_CA", upstream.ca.to_str().unwrap()),
        ("CONNECT_TIMEOUT_SECONDS", "1"),
        ("FIRST_BYTE_TIMEOUT_SECONDS", "1"),
    ];
    let program = start_with(dir.path(), upstream.address, &settings);
    upstream.hold(true);
    let answers = together(&program, 1, || {
        upstream.wait_for(1);
        let mut asked = chat("mock");
        asked["stream"] = true.into();
        let stream = program.ask("POST", "/v1/chat/completions", program.key(), Some(&asked));
        assert_eq!(stream.status, 504, "{}", stream.body);
        upstream.hold(false);
    });
    assert_eq!(statuses(&answers), [200]);
}

#[test]
fn a_client_that_leaves_while_we_connect_is_billed_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // It never says a word, so the handshake does not end.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = [("CONNECT_TIMEOUT_SECONDS", "60")];
    let program = start_with(dir.path(), silent.local_addr().unwrap(), &settings);
    let address = program.url.strip_prefix("http://").unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    let (key, body) = (program.key(), chat("mock").to_string());
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: doorward\r\n";
    let length = body.len();
    write!(client, "{head}x-api-key: {key}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let _connecting = silent.accept().unwrap();
    drop(client);
    let begun = Instant::now();
    while program.usage("mock").is_null() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
        thread::yield_now();
    }
    assert_eq!(program.usage("mock")["input_tokens"], 0);
}

#[test]
fn a_check_is_a_get_on_the_connection_of_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(dir.path(), 100);
    let program = start(dir.path(), &upstream, true);
    assert_eq!(program.chat(program.key(), "mock").status, 200);
    let check = json!({"health_check": {"interval_seconds": 1}});
    let edited = program.ask("PATCH", "/v1/providers/p", &program.admin_key(), Some(&check));
    assert_eq!(edited.status, 200, "{}", edited.body);
    // The second one comes when the first one was understood.
    assert_eq!(upstream.wait_for(3), [1, 1, 1]);
    assert!(program.metric("doorward_health_checks_total{result=\"good\"}") >= 1);
    for (path, headers) in upstream.shared.gets.lock().unwrap().iter() {
        assert_eq!(path, "/v1/models");
        assert!(!headers.contains_key("content-type"), "{headers:?}");
    }
}
