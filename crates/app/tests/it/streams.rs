//! Streams: their bytes, their usage, and clients that go away.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Program, chat};
use crate::upstream::{EVENT, Script, USAGE, Upstream};

const PRICE: Option<(&str, &str)> = Some(("1", "1"));
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn the_usage_is_always_asked_for_and_only_shown_to_who_asked_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), PRICE);
    let events = EVENT.repeat(50);
    let (hidden, shown) = (format!("{events}{DONE}"), format!("{events}{USAGE}{DONE}"));
    #[rustfmt::skip]
    let cases = [
        (Value::Null,                                    &hidden),
        (json!({"include_usage": false}),                &hidden),
        (json!({"x": 1}),                                &hidden),
        (json!({"include_usage": true}),                 &shown),
        (json!({"include_usage": true, "x": 1}),         &shown),
    ];
    for (count, (options, expected)) in (1_u64..).zip(cases) {
        let mut body = chat("mock");
        body["stream"] = true.into();
        body["stream_options"] = options.clone();
        let answer = program.ask("POST", "/v1/chat/completions", program.key(), Some(&body));
        assert_eq!((answer.status, &answer.body), (200, expected), "{options}");
        assert!(answer.header("content-type").starts_with("text/event-stream"), "{options}");
        let sent: Value = serde_json::from_str(&upstream.seen().pop().unwrap().body).unwrap();
        assert_eq!(sent["stream_options"]["include_usage"], true, "{options}");
        assert_eq!(sent["stream_options"]["x"], options["x"], "{options}");
        let usage = program.usage("mock");
        let tokens = (&usage["input_tokens"], &usage["output_tokens"], &usage["errors"]);
        assert_eq!(tokens, (&json!(25 * count), &json!(50 * count), &json!(0)), "{options}");
    }
}

#[test]
fn a_client_that_leaves_in_mid_stream_ends_the_upstreams_work_and_is_billed_what_was_streamed() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let provider = TcpListener::bind("127.0.0.1:0").unwrap();
    program.add_model("mock", &provider.local_addr().unwrap().to_string(), PRICE);
    let served = thread::spawn(move || serve_three_events(&provider));
    let mut lines = BufReader::new(program.stream(program.key(), "mock")).lines();
    let events = lines.by_ref().filter(|line| line.as_ref().unwrap().contains(" token")).take(3);
    assert_eq!(events.count(), 3);
    drop(lines);
    let connection = served.join().unwrap();
    assert_closed(connection);
    wait_for_bill(&program, 3);
}

#[test]
fn a_client_that_leaves_before_the_first_byte_is_billed_its_input() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let provider = TcpListener::bind("127.0.0.1:0").unwrap();
    program.add_model("mock", &provider.local_addr().unwrap().to_string(), PRICE);
    let mut client = TcpStream::connect(program.url.strip_prefix("http://").unwrap()).unwrap();
    let body = chat("mock").to_string();
    let (key, length) = (program.key(), body.len());
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: doorward\r\n";
    write!(client, "{head}x-api-key: {key}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let connection = accept(&provider);
    drop(client);
    assert_closed(connection);
    let usage = wait_for_bill(&program, 0);
    assert_eq!(usage["input_tokens"], length.div_ceil(3), "{usage}");
}

/// Accepts the first connection that brings a request, and reads that.
fn accept(provider: &TcpListener) -> TcpStream {
    let mut stream = provider.accept().unwrap().0;
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"}") {
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&part[..count]);
    }
    stream
}

fn serve_three_events(provider: &TcpListener) -> TcpStream {
    let mut stream = accept(provider);
    let events = EVENT.repeat(3);
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{events}").unwrap();
    stream
}

/// The gateway has closed its side.
fn assert_closed(mut connection: TcpStream) {
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let read = connection.read(&mut [0; 16]);
    let is_closed = match &read {
        Ok(count) => *count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    assert!(is_closed, "{read:?}");
}

/// The usage, once the one call is in it: nobody is told when a client that left is billed. To leave
/// is no error.
fn wait_for_bill(program: &Program, output_tokens: u64) -> Value {
    let begun = Instant::now();
    while program.usage("mock").is_null() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not billed");
        thread::yield_now();
    }
    let usage = program.usage("mock");
    let found = (&usage["requests"], &usage["errors"], &usage["output_tokens"]);
    assert_eq!(found, (&json!(1), &json!(0), &json!(output_tokens)));
    assert_eq!(program.metric("doorward_calls_in_flight"), 0);
    usage
}
