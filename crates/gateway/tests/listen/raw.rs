//! Requests as raw bytes: which of them reach the service.

use doorward_gateway::listen::Limits;
use http::Method;
use tokio::io::AsyncWriteExt as _;

use super::client::Client;
use super::server::Server;

/// Follows each case on its connection: served after a good request, never after a bad one.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Statuses of a case's answers. `LAST` brings one more 200 when the connection goes on.
const SERVED: &[u16] = &[200, 200];
const BAD: &[u16] = &[400];

/// A name, the request, and the statuses of the answers.
type Case = (&'static str, String, &'static [u16]);

fn get(headers: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

fn post(rest: &str) -> String {
    format!("POST /length HTTP/1.1\r\nHost: a\r\n{rest}")
}

fn chunked(body: &str) -> String {
    post(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
}

fn target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn host(host: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[rustfmt::skip]
fn good_requests() -> Vec<Case> {
    vec![
        ("plain",                        get(""),                                              SERVED),
        ("query with odd characters",    target("/x?a=//..;%2f&b=:"),                          SERVED),
        ("escaped space in the path",    target("/x%20y"),                                     SERVED),
        ("one empty line before",        format!("\r\n{}", get("")),                           SERVED),
        ("host with port",               host("a.example:8440"),                               SERVED),
        ("host with IPv6 address",       host("[::1]:8440"),                                   SERVED),
        ("lower-case names",             "GET /x HTTP/1.1\r\nhost: a\r\n\r\n".into(),          SERVED),
        ("UTF-8 in a value",             get("X-Title: caf\u{e9}\r\n"),                        SERVED),
        ("an empty value",               get("X-Title:\r\n"),                                  SERVED),
        ("one Authorization",            get("Authorization: Bearer x\r\n"),                   SERVED),
        ("OPTIONS *",                    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),       SERVED),
        ("fixed body",                   post("Content-Length: 5\r\n\r\nhello"),               SERVED),
        ("body that looks like a head",  post("Content-Length: 17\r\n\r\nGET /y HTTP/1.1\n\n"), SERVED),
        ("empty fixed body",             post("Content-Length: 0\r\n\r\n"),                    SERVED),
        ("chunked body",                 chunked("5\r\nhello\r\n0\r\n\r\n"),                   SERVED),
        ("chunked body with trailers",   chunked("5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),   SERVED),
        ("Upgrade is not honoured",      get("Connection: upgrade\r\nUpgrade: websocket\r\n"), SERVED),
        ("h2c upgrade is not honoured",  get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"), SERVED),
        ("100 header lines",             get(&"X: y\r\n".repeat(99)),                           SERVED),
        ("a head of nearly 16 KiB",      get(&format!("X: {}\r\n", "y".repeat(16_300))),        SERVED),
        ("HTTP/1.0 without Host",        "GET /x HTTP/1.0\r\n\r\n".into(),                     &[200]),
        ("HTTP/1.0 with keep-alive",     "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(), SERVED),
    ]
}

#[rustfmt::skip]
fn lines() -> Vec<Case> {
    vec![
        ("bare LF everywhere",           "GET /x HTTP/1.1\nHost: a\n\n".into(),                BAD),
        ("bare LF after the first line", "GET /x HTTP/1.1\nHost: a\r\n\r\n".into(),            BAD),
        ("bare LF at the end",           "GET /x HTTP/1.1\r\nHost: a\r\n\n".into(),            BAD),
        ("bare LF in a value",           get("X: a\nY: b\r\n"),                                BAD),
        ("bare CR in a value",           get("X: a\rb\r\n"),                                   BAD),
        ("bare CR as line end",          "GET /x HTTP/1.1\rHost: a\r\r".into(),                BAD),
        ("CR CR LF",                     get("X: a\r\r\n"),                                    BAD),
        ("NUL in a value",               get("X: a\0b\r\n"),                                   BAD),
        ("NUL in a name",                get("X\0: a\r\n"),                                    BAD),
        ("NUL in the target",            target("/x\0"),                                       BAD),
        ("control character in a value", get("X: a\x01b\r\n"),                                 BAD),
        ("folded line",                  get("X: a\r\n b\r\n"),                                BAD),
        ("folded first line",            "GET /x HTTP/1.1\r\n Host: a\r\n\r\n".into(),         BAD),
        ("space before colon",           get("X : a\r\n"),                                     BAD),
        ("tab before colon",             get("Content-Length\t: 5\r\n"),                       BAD),
        ("no colon",                     get("X\r\n"),                                         BAD),
        ("empty name",                   get(": a\r\n"),                                       BAD),
        ("name that is no token",        get("X(y): a\r\n"),                                   BAD),
        ("two empty lines before",       format!("\r\n\r\n{}", get("")),                       BAD),
    ]
}

#[rustfmt::skip]
fn request_lines() -> Vec<Case> {
    vec![
        ("no version",                   "GET /x\r\nHost: a\r\n\r\n".into(),                   BAD),
        ("HTTP/1.2",                     "GET /x HTTP/1.2\r\nHost: a\r\n\r\n".into(),          BAD),
        ("HTTP/2.0 by text",             "GET /x HTTP/2.0\r\nHost: a\r\n\r\n".into(),          BAD),
        ("lower-case version",           "GET /x http/1.1\r\nHost: a\r\n\r\n".into(),          BAD),
        ("two spaces",                   "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n".into(),         BAD),
        ("space in the target",          target("/x y"),                                       BAD),
        ("space before the method",      " GET /x HTTP/1.1\r\nHost: a\r\n\r\n".into(),         BAD),
        ("no method",                    "/x HTTP/1.1\r\nHost: a\r\n\r\n".into(),              BAD),
        ("method that is no token",      "GE(T /x HTTP/1.1\r\nHost: a\r\n\r\n".into(),         BAD),
        ("garbage",                      "\u{16}\u{3}\u{1}\r\n\r\n".into(),                    BAD),
        ("broken HTTP/2 preface",        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".into(),            BAD),
    ]
}

#[rustfmt::skip]
fn hosts() -> Vec<Case> {
    vec![
        ("no Host",                      "GET /x HTTP/1.1\r\n\r\n".into(),                     BAD),
        ("two Hosts",                    get("Host: b\r\n"),                                   BAD),
        ("two equal Hosts",              get("Host: a\r\n"),                                   BAD),
        ("two Hosts on HTTP/1.0",        "GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n".into(), BAD),
        ("empty Host",                   host(""),                                             BAD),
        ("Host with a path",             host("x/?"),                                          BAD),
        ("Host with a fragment",         host("x/#"),                                          BAD),
        ("Host with user",               host("u@a"),                                          BAD),
        ("Host with a space",            host("a b"),                                          BAD),
        ("Host with a list",             host("a, b"),                                         BAD),
        ("Host with a bad port",         host("a:b"),                                          BAD),
    ]
}

#[rustfmt::skip]
fn framings() -> Vec<Case> {
    vec![
        ("CL and TE",                    post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"), BAD),
        ("TE and CL",                    post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG"), BAD),
        ("TE xchunked",                  post("Transfer-Encoding: xchunked\r\n\r\n"),          BAD),
        ("TE chunked, identity",         post("Transfer-Encoding: chunked, identity\r\n\r\n"), BAD),
        ("TE identity, chunked",         post("Transfer-Encoding: identity, chunked\r\n\r\n"), BAD),
        ("TE gzip, chunked",             post("Transfer-Encoding: gzip, chunked\r\n\r\n"),     BAD),
        ("TE identity",                  post("Transfer-Encoding: identity\r\n\r\n"),          BAD),
        ("two TE lines",                 post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), BAD),
        ("TE on HTTP/1.0",               "POST /length HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), BAD),
        ("differing CLs",                post("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), BAD),
        ("equal CLs",                    post("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), BAD),
        ("CL list",                      post("Content-Length: 5, 5\r\n\r\nhello"),            BAD),
        ("CL with sign",                 post("Content-Length: +5\r\n\r\nhello"),              BAD),
        ("CL negative",                  post("Content-Length: -1\r\n\r\n"),                   BAD),
        ("CL beyond 64 bits",            post("Content-Length: 18446744073709551617\r\n\r\n"), BAD),
        ("chunk size with blank",        chunked("5 \r\nhello\r\n0\r\n\r\n"),                  BAD),
        ("chunk size with bare LF",      chunked("5\nhello\r\n0\r\n\r\n"),                     BAD),
        ("bare LF in chunk extension",   chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"),              BAD),
        ("chunk longer than its size",   chunked("4\r\nhello\r\n0\r\n\r\n"),                   BAD),
        ("chunk size beyond 64 bits",    chunked("fffffffffffffffff\r\nhello"),                BAD),
    ]
}

#[rustfmt::skip]
fn targets() -> Vec<Case> {
    vec![
        ("absolute form",                target("http://b/x"),                                 BAD),
        ("our own absolute form",        target("refused://bad_path/"),                        BAD),
        ("authority form",               target("a:80"),                                       BAD),
        ("asterisk with GET",            target("*"),                                          BAD),
        ("no slash",                     target("x"),                                          BAD),
        ("fragment",                     target("/x#/../y"),                                   BAD),
        ("not ASCII",                    target("/caf\u{e9}"),                                 BAD),
        ("dot segments",                 target("/v1/../admin"),                               BAD),
        ("escaped dot segments",         target("/%2e%2e%2fadmin"),                            BAD),
        ("escaped slash",                target("/v1/..%2fapi/keys"),                          BAD),
        ("escaped backslash",            target("/v1%5Cadmin"),                                BAD),
        ("backslash",                    target("/v1\\admin"),                                 BAD),
        ("escaped NUL",                  target("/x%00"),                                      BAD),
        ("path parameter",               target("/api/keys;a=/healthz"),                       BAD),
        ("double slash",                 target("//x"),                                        BAD),
    ]
}

#[rustfmt::skip]
fn methods_and_sizes() -> Vec<Case> {
    vec![
        ("two Authorizations",           get("Authorization: Bearer x\r\nauthorization: Bearer y\r\n"), BAD),
        ("two equal Authorizations",     get("Authorization: Bearer x\r\nAuthorization: Bearer x\r\n"), BAD),
        ("TRACE",                        "TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n".into(),        &[405]),
        ("CONNECT",                      "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(), &[405]),
        ("101 header lines",             get(&"X: y\r\n".repeat(100)),                          &[431]),
        ("a head over 16 KiB",           get(&format!("X: {}\r\n", "y".repeat(16_400))),        &[431]),
        ("a head without end",           format!("GET /{}", "x".repeat(20_000)),                &[431]),
        ("names without end",            format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(4_000)), &[431]),
    ]
}

#[tokio::test]
async fn only_unambiguous_requests_reach_the_service_and_the_others_end_the_connection() {
    let server = Server::start(Limits::STANDARD);
    let tables = [
        good_requests(),
        lines(),
        request_lines(),
        hosts(),
        framings(),
        targets(),
        methods_and_sizes(),
    ];
    for (name, request, expected) in tables.concat() {
        server.service.seen.lock().clear();
        let mut client = Client::connect(server.address).await;
        client.send(format!("{request}{LAST}").as_bytes()).await;

        assert_eq!(client.statuses().await, expected, "{name}");
        let is_last_served = server.seen().iter().any(|seen| seen == "GET /last");
        assert_eq!(is_last_served, expected == SERVED, "{name}");
        let is_in_body = request.contains("chunked\r\n\r\n") && !request.contains("HTTP/1.0");
        let may_be_seen = expected[0] == 200 || is_in_body;
        assert!(may_be_seen || server.seen().is_empty(), "{name} reached the service");
    }
    server.stop().await;
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused() {
    let server = Server::start(Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\nX-Org: \xff\r\n\r\n").await;
    assert_eq!(client.statuses().await, [400]);
    assert!(server.seen().is_empty());
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_served_and_judged_alike() {
    let server = Server::start(Limits::STANDARD);
    let good = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let bad = "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let mut client = Client::connect(server.address).await;
    client.0.set_nodelay(true).unwrap();
    for byte in [good, good, bad].concat().as_bytes() {
        client.send(&[*byte]).await;
    }
    assert_eq!(client.statuses().await, [200, 200, 400]);
    assert_eq!(server.seen(), ["POST /length", "POST /length"]);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_up_to_the_bad_one() {
    let server = Server::start(Limits::STANDARD);
    let path = |number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
    let good: String = (0..50).map(path).collect();
    let mut client = Client::connect(server.address).await;
    client.send(format!("{good}GET /bad HTTP/1.1\r\n\r\n{}", path(99)).as_bytes()).await;

    let mut expected = vec![200; 50];
    expected.push(400);
    assert_eq!(client.statuses().await, expected);
    let paths: Vec<_> = (0..50).map(|number| format!("GET /{number}")).collect();
    assert_eq!(server.seen(), paths);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_come_during_an_answer_wait_for_their_turn() {
    let server = Server::start(Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    client.send(target("/gated").as_bytes()).await;
    client.receive_until("chunk").await;
    // More than is read ahead, and the last one in two pieces.
    let long = format!("X-Long: {}\r\n", "x".repeat(700));
    let next = [get(&long), get(&long), get(&format!("{long}Connection: close\r\n"))].concat();
    let (early, late) = next.split_at(next.len() - 10);
    client.send(early.as_bytes()).await;
    server.service.gate.add_permits(5);
    client.send(late.as_bytes()).await;
    assert_eq!(client.statuses().await, [200; 3]);
    assert_eq!(server.seen(), ["GET /gated", "GET /x", "GET /x", "GET /x"]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_call() {
    // Some clients end a body with an empty line too many, and some begin another request.
    for early in ["", "\r\n", "GET /x HTTP/1.1\r\nHo"] {
        let server = Server::start(Limits::STANDARD);
        let mut client = Client::connect(server.address).await;
        client.send(target("/gated").as_bytes()).await;
        client.receive_until("chunk").await;
        client.send(early.as_bytes()).await;
        drop(client);
        server.all_closed().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_which_methods_are_allowed() {
    let server = Server::start(Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    client.send(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = String::from_utf8(client.receive_to_end().await).unwrap();
    for part in [
        "content-type: application/json",
        "connection: close",
        "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "x-request-id: ",
        r#"{"error":{"message":"This method is not allowed.","type":"invalid_request_error","param":null,"code":"method_not_allowed"}}"#,
    ] {
        assert!(answer.contains(part), "{part:?} is not in {answer:?}");
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_ended_its_side_still_learns_why_it_is_refused() {
    let server = Server::start(Limits::STANDARD);
    let mut client = Client::connect(server.address).await;
    client.send(b"GET / HTTP/1.1\r\n\r\n").await;
    client.0.shutdown().await.unwrap();
    assert_eq!(client.statuses().await, [400]);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn an_unread_body_neither_hangs_the_connection_nor_hides_the_answer() {
    let server = Server::start(Limits::STANDARD);
    for method in [Method::POST, Method::PUT] {
        let mut client = Client::connect(server.address).await;
        let bytes = 30_000_000;
        let head = format!(
            "{method} /ignores-its-body HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n"
        );
        client.send(head.as_bytes()).await;
        // A reset would stop us here, and on other systems take the answer with it.
        client.0.write_all(&vec![b'x'; bytes]).await.unwrap();
        assert_eq!(client.statuses().await, [413]);
    }
    server.stop().await;
}
