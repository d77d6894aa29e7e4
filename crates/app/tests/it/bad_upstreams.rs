//! Upstreams that are down, slow, rude or broken: what the client is told, and what it is billed.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::program::{Answer, Program, chat};
use crate::raw::Wire;
use crate::upstream::{CHAT, EVENT, Script, Upstream, events, whole};

const MODEL: &str = "mock";
const PRICE: (&str, &str) = ("1", "1");
const PATH: &str = "/v1/chat/completions";
const PROVIDER_KEY: &str = "sk-provider-4d1c8f0a7b6e5392-secret";
/// What only an upstream says.
const WORDS: &str = "words of the upstream";

struct House {
    program: Program,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start_with(dir.path(), &[], environment);
        let upstream = Upstream::start(Script::Chat);
        let provider = program.add_provider(MODEL, &upstream.address.to_string());
        program.add_provider_key("secret", PROVIDER_KEY);
        let on = json!([{"provider": provider, "provider_key": "secret"}]);
        program.add_deployed(MODEL, Some(PRICE), &on);
        Self { program, upstream, _dir: dir }
    }

    /// The answer to a call when the upstream does this; it names neither upstream nor credential.
    fn call(&self, script: Script, is_stream: bool) -> Answer {
        self.upstream.then(script);
        let mut body = chat(MODEL);
        body["stream"] = is_stream.into();
        let answer = self.program.ask("POST", PATH, self.program.key(), Some(&body));
        let said = format!("{:?} {}", answer.headers, answer.body);
        assert!(!said.contains(PROVIDER_KEY), "{said}");
        assert!(!said.contains(&self.upstream.address.to_string()), "{said}");
        answer
    }

    /// All that a client receives, also of an answer that breaks off.
    fn call_by_wire(&self, script: Script) -> String {
        self.upstream.then(script);
        let body = chat(MODEL).to_string();
        let (key, length) = (self.program.key(), body.len());
        let mut wire = Wire::to(&self.program);
        wire.send(format!(
            "POST {PATH} HTTP/1.1\r\nhost: doorward\r\nx-api-key: {key}\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        ));
        wire.rest()
    }

    /// Requests and errors that were billed until now.
    fn billed(&self) -> (u64, u64) {
        let usage = self.program.usage(MODEL);
        (usage["requests"].as_u64().unwrap_or(0), usage["errors"].as_u64().unwrap_or(0))
    }
}

fn assert_error(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{name}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json", "{name}");
    assert!(!answer.header("x-request-id").is_empty(), "{name}: {answer:?}");
    let error = &answer.json()["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("server_error"), &json!(code)), "{name}");
    assert!(!answer.body.contains(WORDS), "{name}: {}", answer.body);
}

/// The last event of a stream; it must be an error.
fn last_error(name: &str, stream: &str) -> Value {
    let last = stream.trim_end().rsplit("\n\n").next().unwrap();
    let data = last.strip_prefix("data: ").unwrap_or_else(|| panic!("{name}: {stream}"));
    let event: Value = serde_json::from_str(data).unwrap_or_else(|_| panic!("{name}: {stream}"));
    assert_eq!(stream.matches("\"error\"").count(), 1, "{name}: {stream}");
    event["error"].clone()
}

#[test]
fn an_upstream_that_does_not_listen_is_a_502_and_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    program.add_model(MODEL, &address, Some(PRICE));
    let answer = program.chat(program.key(), MODEL);
    assert_error("down", &answer, 502, "upstream_unavailable");
    assert!(!answer.body.contains(&address), "{}", answer.body);
    let usage = program.usage(MODEL);
    assert_eq!((&usage["errors"], &usage["cost_usd"]), (&json!(1), &json!("0.00")));
}

#[test]
fn an_upstream_that_is_too_slow_is_a_504_or_ends_the_stream_with_an_error() {
    let house = House::start(&[
        ("DOORWARD__GATEWAY__CONNECT_TIMEOUT_SECONDS", "1"),
        ("DOORWARD__GATEWAY__TOTAL_TIMEOUT_SECONDS", "4"),
        ("DOORWARD__GATEWAY__IDLE_TIMEOUT_SECONDS", "1"),
    ]);
    let head = whole(200, "", CHAT);
    let head = &head[..head.len() - CHAT.len()];
    for (name, said) in [("nothing", &b""[..]), ("half a head", &head[..20]), ("a head", head)] {
        let answer = house.call(Script::Stall(said.to_vec()), false);
        assert_error(name, &answer, 504, "upstream_timeout");
    }
    let answer = house.call(Script::Hang(2), true);
    assert_eq!((answer.status, answer.body.matches(" token").count()), (200, 2), "{answer:?}");
    assert_eq!(last_error("silence", &answer.body)["code"], "upstream_timeout");
    assert_eq!(house.billed(), (4, 4));
    assert_eq!(house.upstream.seen().len(), 4, "no slow call is made twice");
}

#[test]
fn what_is_no_answer_is_a_502_and_not_a_word_of_it_is_passed_on() {
    let html = format!("<html><script>{WORDS}</script></html>");
    let json = format!(r#"{{"id":"{WORDS}"}}"#);
    let typed = |kind: &str, body: &str| whole(200, &format!("content-type: {kind}\r\n"), body);
    let head = |line: &str| format!("{line}\r\nx-words: {WORDS}\r\ncontent-length: 0\r\n\r\n");
    let long = format!("x-long: {}\r\n", "x".repeat(1 << 20));
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a 401",                    whole(401, "", &json)),
        ("a 403",                    whole(403, "", &json)),
        ("nothing",                  Vec::new()),
        ("no HTTP",                  format!("{WORDS}\r\n\r\n").into_bytes()),
        ("a bad status line",        head("HTTP/1.1 OK 200").into_bytes()),
        ("another protocol",         head("HTTP/1.1 101 Switching Protocols").into_bytes()),
        ("half a head",              format!("HTTP/1.1 200 OK\r\nx-words: {WORDS}").into_bytes()),
        ("a head without end",       whole(200, &long, &json)),
        ("two lengths",              whole(200, "content-length: 7\r\n", &json)),
        ("no content",               b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ("an empty body",            whole(200, "", "")),
        ("a page",                   typed("text/html", &html)),
        ("a page that says JSON",    whole(200, "", &html)),
        ("text that is JSON",        typed("text/plain", &json)),
        ("a list",                   whole(200, "", &format!("[{json}]"))),
        ("half of the JSON",         whole(200, "", &json[..json.len() - 2])),
        ("two objects",              whole(200, "", &format!("{json}{json}"))),
        ("said to be compressed",    whole(200, "content-encoding: gzip\r\n", &json)),
        ("compressed",               [&b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n"[..], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]].concat()),
    ];
    let house = House::start(&[]);
    for (name, bytes) in &cases {
        for is_stream in [false, true] {
            let answer = house.call(Script::Raw(bytes.clone()), is_stream);
            assert_error(name, &answer, 502, "upstream_unavailable");
            assert!(!format!("{:?}", answer.headers).contains(WORDS), "{name}: {answer:?}");
        }
    }
    let calls = 2 * cases.len();
    assert_eq!(house.upstream.seen().len(), calls, "none is made twice");
    assert_eq!(house.billed(), (calls as u64, calls as u64));
    assert_eq!(house.call(Script::Chat, false).status, 200);
}

#[test]
fn a_redirect_is_a_502_and_is_never_followed() {
    let house = House::start(&[]);
    let elsewhere = Upstream::start(Script::Chat);
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let location = format!("location: http://{}/v1/chat/completions\r\n", elsewhere.address);
        let answer = house.call(Script::Raw(whole(status, &location, WORDS)), false);
        assert_error(&status.to_string(), &answer, 502, "upstream_unavailable");
        assert_eq!(answer.header("location"), "", "{status}");
    }
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());
}

#[test]
fn an_error_of_the_upstream_passes_with_its_own_body_and_is_not_billed() {
    let house = House::start(&[]);
    let body = json!({"error": {"message": WORDS, "type": "theirs", "code": 7}}).to_string();
    for status in [400, 404, 413, 422, 429, 500, 503, 529] {
        for is_stream in [false, true] {
            let headers = "retry-after: 17\r\nset-cookie: a=b\r\nserver: theirs\r\n";
            let answer = house.call(Script::Raw(whole(status, headers, &body)), is_stream);
            assert_eq!((answer.status, &answer.body), (status, &body));
            assert_eq!(answer.header("retry-after"), "17", "{status}");
            assert_eq!(answer.header("content-type"), "application/json", "{status}");
            assert_eq!(answer.header("x-doorward-provider"), "p-mock", "{status}");
            for dropped in ["set-cookie", "server"] {
                assert_eq!(answer.header(dropped), "", "{status} {dropped}");
            }
        }
    }
    assert_eq!(house.billed(), (16, 16));
    assert_eq!(house.program.usage(MODEL)["cost_usd"], "0.00");
}

#[test]
fn a_stream_that_breaks_ends_with_an_error_event_and_is_billed_as_far_as_it_came() {
    let begun =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{EVENT}\r\n", EVENT.len());
    let cut = &chunk[..chunk.len() - 20];
    let overlong = format!("data: {}", "x".repeat(2 << 20));
    let plain = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    #[rustfmt::skip]
    let cases: [(&str, Script); 8] = [
        ("a reset",              Script::Reset(3)),
        ("no [DONE]",            Script::Raw(events(&[EVENT, EVENT, EVENT]))),
        ("no last chunk",        Script::Raw(format!("{begun}{chunk}{chunk}{chunk}").into_bytes())),
        ("half a chunk",         Script::Raw(format!("{begun}{chunk}{chunk}{chunk}{cut}").into_bytes())),
        ("a bad chunk",          Script::Raw(format!("{begun}{chunk}{chunk}{chunk}zz\r\n").into_bytes())),
        ("half an event",        Script::Raw(events(&[EVENT, EVENT, EVENT, &EVENT[..60]]))),
        ("an event without end", Script::Raw(events(&[EVENT, EVENT, EVENT, &overlong]))),
        ("a closed connection",  Script::Raw(format!("{plain}{EVENT}{EVENT}{EVENT}").into_bytes())),
    ];
    let house = House::start(&[]);
    for (count, (name, script)) in (1_u64..).zip(cases) {
        let answer = house.call(script, true);
        assert_eq!(answer.status, 200, "{name}");
        let error = last_error(name, &answer.body);
        assert_eq!(error["code"], "upstream_unavailable", "{name}");
        assert_eq!(answer.body.matches(EVENT).count(), 3, "{name}: {}", answer.body);
        assert_eq!(house.billed(), (count, count), "{name}");
        assert_eq!(house.program.usage(MODEL)["output_tokens"], 3 * count, "{name}");
    }
}

/// Wherever a stream of twenty events is cut, what was produced is billed, and against every budget.
#[test]
fn a_stream_that_is_cut_after_any_of_its_events_is_billed_to_the_event() {
    let house = House::start(&[]);
    let admin = house.program.admin_key();
    let budget = json!({"budgets": [{"tokens": 1_u64 << 40, "period": "total"}]});
    let whose = ["/v1/organization", "/v1/projects/default", "/v1/users/administrator"];
    for path in whose {
        assert_eq!(house.program.ask("PATCH", path, &admin, Some(&budget)).status, 200, "{path}");
    }
    let mut produced = 0;
    for cut in 0..=20_u64 {
        let begun = vec![EVENT; usize::try_from(cut).unwrap()];
        let answer = house.call(Script::Raw(events(&begun)), true);
        produced += cut;
        let billed = house.program.usage(MODEL);
        assert_eq!(billed["output_tokens"], produced, "{cut}: {}", answer.body);
        let total = billed["input_tokens"].as_u64().unwrap() + produced;
        for path in whose {
            let shown = house.program.ask("GET", path, &admin, None).json();
            assert_eq!(shown["spent"][0]["tokens"], total, "{cut} {path}");
        }
    }
}

#[test]
fn a_call_that_used_nothing_costs_nothing() {
    let house = House::start(&[]);
    let nothing = whole(
        200,
        "",
        &CHAT.replace(
            r#"{"prompt_tokens":25,"completion_tokens":30,"total_tokens":55}"#,
            r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#,
        ),
    );
    assert_eq!(house.call(Script::Raw(nothing), false).status, 200);
    let usage = house.program.usage(MODEL);
    let found = (&usage["input_tokens"], &usage["output_tokens"], &usage["cost_usd"]);
    assert_eq!(found, (&json!(0), &json!(0), &json!("0.00")));
    assert_eq!(house.billed(), (1, 0));
}

#[test]
fn a_stream_whose_server_just_closes_after_its_last_event_is_whole() {
    let begun =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let said = format!("{EVENT}data: [DONE]\n\n");
    let house = House::start(&[]);
    let bytes = format!("{begun}{:x}\r\n{said}\r\n", said.len()).into_bytes();
    let answer = house.call(Script::Raw(bytes), true);
    assert_eq!((answer.status, answer.body), (200, said));
    assert_eq!(house.billed(), (1, 0));
}

#[test]
fn an_answer_that_is_cut_short_does_not_look_whole() {
    let house = House::start(&[]);
    let bytes = whole(200, "", CHAT);
    let chunked = |end: &str| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{CHAT}\r\n{end}", CHAT.len()).into_bytes()
    };
    let cases = [
        ("short of its length", bytes[..bytes.len() - 30].to_vec()),
        ("without its last chunk", chunked("")),
        ("with a bad chunk", chunked("zz\r\n")),
        ("half of it, ended by its connection", {
            let long = CHAT.replace("Hello.", &"x".repeat(1 << 20));
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
            format!("{head}{}", &long[..1 << 20]).into_bytes()
        }),
    ];
    for (name, bytes) in cases {
        let said = house.call_by_wire(Script::Raw(bytes));
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: {said}"));
        // The break is seen before the answer begins or after: it is a 502, or a cut.
        let is_refused = head.starts_with("HTTP/1.1 502 ");
        assert!(is_refused || is_cut(head, body), "{name}: {said}");
    }
    assert_eq!(house.billed(), (4, 4));
}

#[test]
fn half_of_a_large_answer_passes_and_counts_as_an_error() {
    let house = House::start(&[]);
    let json = CHAT.replace("Hello.", &"x".repeat(1 << 20));
    let half = &json[..1 << 20];
    let answer = house.call(Script::Raw(whole(200, "", half)), false);
    assert!(answer.status == 200 && answer.body == half, "{}", answer.status);
    assert_eq!(house.billed(), (1, 1));
}

fn is_cut(head: &str, body: &str) -> bool {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() < length.parse().unwrap(),
        None => !body.ends_with("0\r\n\r\n"),
    }
}

/// The beginning of the credential that may be left to see: its kind, which everybody knows.
const KIND: &str = "sk-provider-";

#[test]
fn a_good_answer_that_repeats_the_providers_credential_keeps_its_length_and_loses_it() {
    let house = House::start(&[]);
    let json = CHAT.replace("Hello.", &format!("{PROVIDER_KEY} and {PROVIDER_KEY}"));
    let masked = json.replace(PROVIDER_KEY, &"*".repeat(PROVIDER_KEY.len()));
    // It hangs up after each answer, and says so: else the next call may come upon it hanging up.
    let close = "connection: close\r\n";
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{close}transfer-encoding: chunked\r\n\r\n"
    );
    let chunked = |size: usize| {
        let chunks: Vec<String> = json
            .as_bytes()
            .chunks(size)
            .map(|part| format!("{:x}\r\n{}\r\n", part.len(), str::from_utf8(part).unwrap()))
            .collect();
        format!("{head}{}0\r\n\r\n", chunks.concat()).into_bytes()
    };
    for bytes in [whole(200, "", &json), chunked(1), chunked(7), chunked(100)] {
        let answer = house.call(Script::Raw(bytes), false);
        assert_eq!((answer.status, &answer.body), (200, &masked));
    }
    let usage = house.program.usage(MODEL);
    assert_eq!((&usage["output_tokens"], &usage["errors"]), (&json!(4 * 30), &json!(0)));
}

#[test]
fn a_large_answer_that_repeats_the_providers_credential_loses_it_in_the_middle_too() {
    let house = House::start(&[]);
    let text = format!("{PROVIDER_KEY} {}", "x".repeat(997)).repeat(2_000);
    let json = CHAT.replace("Hello.", &text);
    let answer = house.call(Script::Raw(whole(200, "", &json)), false);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json.replace(PROVIDER_KEY, &"*".repeat(PROVIDER_KEY.len())));
}

#[test]
fn an_error_that_repeats_the_providers_credential_where_it_is_cut_loses_all_of_it() {
    const KEPT_BYTES: usize = 256 * 1024;
    let house = House::start(&[]);
    for before in [KEPT_BYTES - PROVIDER_KEY.len(), KEPT_BYTES - 20, KEPT_BYTES - 13, KEPT_BYTES] {
        let body = format!("{}{PROVIDER_KEY}{}", "x".repeat(before), "y".repeat(KEPT_BYTES));
        let answer = house.call(Script::Raw(whole(400, "", &body)), false);
        assert_eq!((answer.status, answer.body.len()), (400, KEPT_BYTES));
        assert!(!answer.body.contains(KIND), "{before}");
    }
    // What is sent of it before the connection breaks.
    let body = format!("Incorrect API key: {PROVIDER_KEY}.");
    let bytes = whole(400, "", &body);
    for missing in [2, 10, 20] {
        let answer = house.call(Script::Raw(bytes[..bytes.len() - missing].to_vec()), false);
        assert_eq!((answer.status, &*answer.body), (400, "Incorrect API key: "));
    }
}

#[test]
fn a_stream_that_ends_within_the_providers_credential_does_not_pass_its_beginning_on() {
    let house = House::start(&[]);
    let last = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{PROVIDER_KEY}");
    let last = &last[..last.len() - 8];
    let answer = house.call(Script::Raw(events(&[EVENT, last])), true);
    assert_eq!(last_error("cut", &answer.body)["code"], "upstream_unavailable");
    assert!(!answer.body.contains(KIND), "{}", answer.body);
}
