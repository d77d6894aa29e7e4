//! How connections end: by shutdown, and by a bug in the service.

use std::time::Duration;

use doorward_gateway::listen::Limits;
use tokio::net::TcpStream;

use super::client::Client;
use super::server::Server;

const GATED: &[u8] = b"GET /gated HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn shutdown_finishes_a_running_stream_and_takes_nothing_new() {
    let server = Server::start(Limits::STANDARD);
    let mut idle = Client::connect(server.address).await;
    idle.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.receive_until("fine").await;
    let mut streaming = Client::connect(server.address).await;
    streaming.send(GATED).await;
    streaming.receive_until("chunk").await;
    let mut silent = Client::connect(server.address).await;

    server.shutdown.cancel();
    assert!(idle.receive_to_end().await.is_empty());
    assert!(silent.receive_to_end().await.is_empty());
    assert!(TcpStream::connect(server.address).await.is_err());

    server.service.gate.add_permits(5);
    let rest = String::from_utf8(streaming.receive_to_end().await).unwrap();
    assert!(rest.ends_with("chunk\r\n0\r\n\r\n"), "{rest:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_does_not_end_in_time_is_cut() {
    let server = Server::start_with(Limits::STANDARD, None, Duration::from_millis(100));
    let mut client = Client::connect(server.address).await;
    client.send(GATED).await;
    client.receive_until("chunk").await;
    server.stop().await;
    assert!(!client.receive_to_end().await.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn a_panic_ends_one_request_and_not_the_connection() {
    let server = Server::start(Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    client.send(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.receive_until("internal_error").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer:?}");
    assert!(answer.contains("x-request-id: "), "{answer:?}");
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.receive_until("fine").await;
    server.stop().await;
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_its_connection_and_no_other() {
    let server = Server::start(Limits::STANDARD);
    let mut other = Client::connect(server.address).await;
    other.send(GATED).await;
    other.receive_until("chunk").await;

    let mut client = Client::connect(server.address).await;
    client.send(b"GET /panic-in-body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!client.receive_to_end().await.ends_with(b"0\r\n\r\n"));

    server.service.gate.add_permits(5);
    other.receive_until("\r\n0\r\n\r\n").await;
    server.stop().await;
}
