//! HTTP/2 by prior knowledge.

use bytes::Bytes;
use doorward_gateway::listen::Limits;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::server::Server;

/// A client whose connection runs in the background until the sender is dropped.
pub(crate) async fn handshake<T>(stream: T) -> SendRequest<Empty<Bytes>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    TaskTracker::new().spawn(connection);
    sender
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_request_is_served_on_the_same_port_as_http1() {
    let server = Server::start(Limits::STANDARD);
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let answer = sender.send_request(get("http://a.example/x")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "fine");
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn the_front_filter_holds_for_http2() {
    let server = Server::start(Limits::STANDARD);
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let mut trace = get("http://a/x");
    *trace.method_mut() = Method::TRACE;
    let mut other_host = get("http://a/x");
    other_host.headers_mut().insert("host", "b".parse().unwrap());
    let mut two_credentials = get("http://a/x");
    two_credentials.headers_mut().append("authorization", "x".parse().unwrap());
    two_credentials.headers_mut().append("authorization", "x".parse().unwrap());
    let mut large = get("http://a/x");
    large.headers_mut().insert("x-large", "x".repeat(20_000).parse().unwrap());
    let cases = [
        (get("http://a/v1/../admin"), 400),
        (get("http://a/v1/%2e%2e/admin"), 400),
        (get("http://a/v1;x=1"), 400),
        (other_host, 400),
        (two_credentials, 400),
        (trace, 405),
        (large, 431),
        (get("http://a/x"), 200),
    ];
    for (request, expected) in cases {
        let shown = format!("{} {}", request.method(), request.uri());
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{shown}");
    }
    assert_eq!(server.seen(), ["GET /x"]);
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn a_panic_ends_one_stream_and_not_the_connection() {
    let server = Server::start(Limits::STANDARD);
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let failed = sender.send_request(get("http://a/panic")).await.unwrap();
    assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let cut = sender.send_request(get("http://a/panic-in-body")).await.unwrap();
    assert!(cut.into_body().collect().await.is_err());
    let after = sender.send_request(get("http://a/x")).await.unwrap();
    assert_eq!(after.status(), StatusCode::OK);
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_finishes_a_running_stream() {
    let server = Server::start(Limits::STANDARD);
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let mut body = sender.send_request(get("http://a/gated")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());

    server.shutdown.cancel();
    server.service.gate.add_permits(5);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "chunkchunk");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_does_not_end_in_time_is_cut() {
    let drain = std::time::Duration::from_millis(100);
    let server = Server::start_with(Limits::STANDARD, None, drain);
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let mut body = sender.send_request(get("http://a/gated")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    server.stop().await;
    assert!(body.collect().await.is_err());
}

#[tokio::test]
async fn no_more_streams_than_the_limit_run_at_once() {
    let server = Server::start(Limits { streams_per_connection_max: 3, ..Limits::STANDARD });
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    // The first exchange makes sure that the client has heard the server's settings.
    assert_eq!(sender.send_request(get("http://a/x")).await.unwrap().status(), StatusCode::OK);
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(sender.send_request(get("http://a/gated")).await.unwrap());
    }
    let mut fourth = std::pin::pin!(sender.send_request(get("http://a/fourth")));
    let probe = sender.clone().send_request(get("http://a/fifth"));
    tokio::select! {
        biased;
        _ = &mut fourth => panic!("a fourth stream was opened"),
        _ = probe => panic!("a fifth stream was opened"),
        () = tokio::task::yield_now() => {}
    }
    server.service.gate.add_permits(100);
    assert_eq!(fourth.await.unwrap().status(), StatusCode::OK);
    drop((running, sender));
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let idle = std::time::Duration::from_millis(200);
    let server = Server::start(Limits { idle, ..Limits::STANDARD });
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let answer = sender.send_request(get("http://a/x")).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "fine");
    server.all_closed().await;
    assert!(sender.send_request(get("http://a/x")).await.is_err());
    server.stop().await;
}

/// One frame: its type, flags, stream and payload (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u8 = 11;
    let server = Server::start(Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    let mut flood = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for stream in (1..20_000).step_by(2) {
        // `:method GET`, `:scheme http`, `:path /`, `:authority a`; end of headers and of stream.
        flood.extend(frame(HEADERS, 5, stream, &[0x82, 0x86, 0x84, 0x41, 1, b'a']));
        flood.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    client.send(&flood).await;

    let received = client.receive_to_end().await;
    let mut rest = &*received;
    let mut goodbye = None;
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        if *kind == GOAWAY {
            goodbye = after[..length].get(7).copied();
        }
        rest = &after[length..];
    }
    assert_eq!(goodbye, Some(ENHANCE_YOUR_CALM));
    assert!(server.seen().len() < 1_000, "{} calls", server.seen().len());
    drop(client);
    server.stop().await;
}
