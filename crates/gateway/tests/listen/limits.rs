//! Clients that stand still, and clients that are too many.

use std::time::Duration;

use doorward_gateway::listen::Limits;
use http::Request;
use http_body_util::Empty;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::client::Client;
use super::http2::handshake;
use super::server::{PATIENCE, Server};

/// Short where the test waits for it, out of reach elsewhere.
const SHORT: Duration = Duration::from_millis(200);

fn patient() -> Limits {
    let long = PATIENCE * 10;
    Limits {
        first_byte: long,
        head: long,
        body_grace: long,
        write_stall: long,
        idle: long,
        ..Limits::STANDARD
    }
}

/// Sends `bytes`, and waits for the server to close on us.
async fn closes_after(limits: Limits, bytes: &str, expected: &[u16]) {
    let server = Server::start(limits);
    let mut client = Client::connect(server.address).await;
    client.send(bytes.as_bytes()).await;
    assert_eq!(client.statuses().await, expected, "{bytes:?}");
    assert_eq!(server.stats.timed_out(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    closes_after(Limits { first_byte: SHORT, ..patient() }, "", &[]).await;
}

#[tokio::test]
async fn a_half_sent_head_is_closed() {
    let limits = || Limits { head: SHORT, ..patient() };
    closes_after(limits(), "GET / HTTP/1.1\r\nHost: a\r\nX-", &[]).await;
    closes_after(limits(), "P", &[]).await;
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    closes_after(limits(), &format!("{good}GET / HTTP/1.1\r\nHo"), &[200]).await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_closed() {
    let limits = || Limits { body_grace: SHORT, ..patient() };
    let head = "POST /length HTTP/1.1\r\nHost: a\r\n";
    closes_after(limits(), &format!("{head}Content-Length: 100\r\n\r\nx"), &[]).await;
    closes_after(limits(), &format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nx"), &[]).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    closes_after(Limits { idle: SHORT, ..patient() }, request, &[200]).await;
}

#[tokio::test]
async fn a_stream_outlives_the_limits_of_waiting_clients() {
    let limits = Limits { first_byte: SHORT, head: SHORT, idle: SHORT, ..patient() };
    let server = Server::start(limits);
    let mut waiting = Client::connect(server.address).await;
    let mut streaming = Client::connect(server.address).await;
    streaming.send(b"GET /gated HTTP/1.1\r\nHost: a\r\n\r\n").await;
    streaming.receive_until("chunk").await;

    waiting.receive_to_end().await; // Its limit is the stream's own: the stream got past it too.
    waiting = Client::connect(server.address).await;
    waiting.receive_to_end().await;

    server.service.gate.add_permits(5);
    streaming.receive_until("\r\n0\r\n\r\n").await;
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_dropped() {
    let server = Server::start(Limits { write_stall: SHORT, ..patient() });
    let mut client = Client::connect(server.address).await;
    SockRef::from(&client.0).set_recv_buffer_size(4096).unwrap();
    client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.all_closed().await;
    assert_eq!(server.stats.timed_out(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_over_http2_is_dropped_although_it_answers_pings() {
    let server = Server::start(Limits { write_stall: SHORT, ..patient() });
    let mut sender = handshake(TcpStream::connect(server.address).await.unwrap()).await;
    let endless = Request::get("http://a/endless").body(Empty::new()).unwrap();
    let _unread = sender.send_request(endless).await.unwrap();
    server.all_closed().await;
    assert_eq!(server.stats.timed_out(), 1);
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_cap_are_turned_away_until_one_ends() {
    let server = Server::start(Limits { connections_max: 1, ..Limits::STANDARD });
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut first = Client::connect(server.address).await;
    first.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
    first.receive_until("fine").await;

    let mut second = Client::connect(server.address).await;
    assert_eq!(second.statuses().await, [503]);
    assert_eq!(server.stats.refused(), 1);

    first.send(request).await;
    assert_eq!(first.statuses().await, [200]);
    server.all_closed().await;
    let mut third = Client::connect(server.address).await;
    third.send(request).await;
    assert_eq!(third.statuses().await, [200]);
    server.stop().await;
}
