//! Keys that live in web pages, as browsers use them.

use serde_json::{Value, json};

use crate::program::{Answer, Program, chat, id_of};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream};

const PAGE: &str = "https://app.example.com";
const CALL: &str = "/v1/chat/completions";

/// A key that may live in [`PAGE`].
fn wish(name: &str) -> Value {
    json!({
        "name": name, "allowed_origins": ["HTTPS://App.Example.com:443", "http://localhost:3000"],
        "limits": {"requests_per_minute": 100}, "budgets": [{"usd": "5", "period": "day"}],
    })
}

/// A request as a page sends it.
fn send(program: &Program, (method, path): (&str, &str), key: &str, origins: &[&str]) -> Answer {
    let body = chat("doorward/echo").to_string();
    send_body(program, (method, path), (key, origins), &body)
}

fn send_body(
    program: &Program,
    (method, path): (&str, &str),
    (key, origins): (&str, &[&str]),
    body: &str,
) -> Answer {
    let body = if method == "POST" { body } else { "" };
    let lines: Vec<_> = origins.iter().map(|origin| format!("origin: {origin}\r\n")).collect();
    let origins = lines.concat();
    let mut wire = Wire::to(program);
    wire.send(format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{origins}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    wire.answer()
}

#[track_caller]
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), PAGE, "{answer:?}");
    assert_eq!(answer.header("vary"), "origin", "{answer:?}");
    let exposed = answer.header("access-control-expose-headers");
    for name in ["x-request-id", "x-ratelimit-remaining-requests", "retry-after"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[track_caller]
fn assert_unreadable(answer: &Answer) {
    let cors: Vec<_> =
        answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
    assert!(cors.is_empty(), "{cors:?}");
}

#[test]
fn a_page_reads_the_answers_to_its_calls() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&wish("page"));
    for request in [("POST", CALL), ("GET", "/v1/models"), ("GET", "/v1/models/doorward/echo")] {
        let answer = send(&program, request, &key, &[PAGE]);
        assert_eq!(answer.status, 200, "{request:?}: {}", answer.body);
        assert_readable(&answer);
    }
    let other = send(&program, ("GET", "/v1/models"), &key, &["http://localhost:3000"]);
    assert_eq!(other.header("access-control-allow-origin"), "http://localhost:3000");
}

#[test]
fn a_request_from_no_page_of_the_key_is_refused_and_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&wish("page"));
    let cases: [&[&str]; 9] = [
        &[],
        &["https://evil.example"],
        &["null"],
        &["*"],
        &["http://app.example.com"],
        &["https://app.example.com:444"],
        &["https://App.example.com"],
        &["https://app.example.com.evil.example"],
        &[PAGE, "https://evil.example"],
    ];
    for origins in cases {
        for request in [("POST", CALL), ("GET", "/v1/models"), ("GET", "/v1/models/x")] {
            let answer = send(&program, request, &key, origins);
            assert_eq!(answer.status, 403, "{origins:?} {request:?}: {}", answer.body);
            let error = &answer.json()["error"];
            assert_eq!(error["code"], "origin_not_allowed", "{origins:?}");
            assert_eq!(error["type"], "permission_error", "{origins:?}");
            assert_unreadable(&answer);
            assert_eq!(answer.header("vary"), "origin");
        }
    }
    assert_eq!(program.usage("doorward/echo"), Value::Null);
}

#[test]
fn a_key_for_no_page_works_as_ever_and_no_page_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "server"}));
    program.make_key(&wish("page"));
    for origins in [&[][..], &[PAGE]] {
        let answer = send(&program, ("POST", CALL), &key, origins);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_unreadable(&answer);
        assert_eq!(answer.header("vary"), "");
    }
}

#[test]
fn a_page_reads_why_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let mut slow = wish("slow");
    slow["limits"] = json!({"requests_per_hour": 1});
    let (key, slow) = (program.make_key(&wish("page")), program.make_key(&slow));
    let ask = |key: &str, body: &Value| {
        send_body(&program, ("POST", CALL), (key, &[PAGE]), &body.to_string())
    };
    let echo = chat("doorward/echo");
    assert_eq!(ask(&slow, &echo).status, 200);
    #[rustfmt::skip]
    let cases = [
        (ask(&key, &chat("unknown")),  404, json!("model_not_found")),
        (ask(&key, &json!("nothing")), 400, json!(null)),
        (ask(&slow, &echo),            429, json!("rate_limit_exceeded")),
    ];
    for (answer, status, code) in cases {
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &code));
        assert_readable(&answer);
    }
    let path = format!("/v1/api-keys/{}/disable", id_of(&key));
    assert_eq!(program.ask("POST", &path, &program.admin_key(), Some(&json!({}))).status, 200);
    let disabled = ask(&key, &echo);
    assert_eq!((disabled.status, &disabled.json()["error"]["code"]), (401, &json!("key_disabled")));
    assert_readable(&disabled);
    // Who shows a wrong secret is not told of which page the key is.
    let wrong = format!("{}_{}", id_of(&key), slow.rsplit_once('_').unwrap().1);
    let unknown = ask(&wrong, &echo);
    assert_eq!(unknown.status, 401);
    assert_unreadable(&unknown);
}

#[test]
fn a_stream_is_read_by_its_page_and_ends_when_the_page_is_let_in_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), None);
    let key = program.make_key(&wish("page"));
    let mut body = chat("mock");
    body["stream"] = true.into();
    let body = body.to_string();
    let mut wire = Wire::to(&program);
    wire.send(format!(
        "POST {CALL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\norigin: {PAGE}\r\n\
         connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let begun = wire.read_until(" token");
    assert!(begun.contains(&format!("access-control-allow-origin: {PAGE}\r\n")), "{begun}");
    let path = format!("/v1/api-keys/{}", id_of(&key));
    let edit = json!({"allowed_origins": ["https://other.example"]});
    let edited = program.ask("PATCH", &path, &program.admin_key(), Some(&edit));
    assert_eq!(edited.status, 200, "{}", edited.body);
    let rest = wire.rest();
    assert!(rest.contains("data: {\"error\"") && rest.contains("origin_not_allowed"), "{rest}");
}

/// A preflight as a browser sends it.
fn preflight(program: &Program, path: &str, origin: &str) -> Answer {
    let mut headers = vec![
        ("access-control-request-method", "POST".to_owned()),
        ("access-control-request-headers", "authorization,content-type,x-stainless-os".to_owned()),
    ];
    headers.extend((!origin.is_empty()).then(|| ("origin", origin.to_owned())));
    program.send("OPTIONS", path, &headers, None)
}

#[test]
fn a_preflight_is_answered_for_pages_that_some_key_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let refused = |origin: &str| {
        let answer = preflight(&program, CALL, origin);
        assert_eq!(answer.status, 403, "{origin}: {}", answer.body);
        assert_eq!(answer.json()["error"]["code"], "origin_not_allowed", "{origin}");
        assert_eq!(answer.header("vary"), "origin");
        assert_unreadable(&answer);
    };
    refused(PAGE);
    let key = program.make_key(&wish("page"));
    let routes = [
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/audio/transcriptions",
        "/v1/models",
        "/v1/models/a",
    ];
    for path in routes.into_iter().chain([CALL]) {
        let answer = preflight(&program, path, PAGE);
        assert_eq!((answer.status, &*answer.body), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), PAGE, "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST");
        assert_eq!(answer.header("access-control-allow-headers"), "authorization, *");
        assert_eq!(answer.header("access-control-max-age"), "7200");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert_eq!(answer.header("vary"), "origin");
        assert_eq!(answer.header("x-doorward-key"), "", "no key is told");
    }
    for origin in [
        "https://evil.example",
        "null",
        "*",
        "https://App.example.com",
        "a b",
        "http://app.example.com",
    ] {
        refused(origin);
    }
    // A question without a page, or about nothing, is none.
    assert_eq!(preflight(&program, CALL, "").status, 405);
    let bare = program.send("OPTIONS", CALL, &[("origin", PAGE.to_owned())], None);
    assert_eq!(bare.status, 405);
    assert_unreadable(&bare);
    // What is no inference is for no page.
    for path in ["/v1/api-keys", "/v1/usage", "/v1/auth/verify", "/healthz"] {
        assert_unreadable(&preflight(&program, path, PAGE));
    }
    let path = format!("/v1/api-keys/{}", id_of(&key));
    assert_eq!(program.ask("DELETE", &path, &program.admin_key(), None).status, 204);
    refused(PAGE);
}

#[test]
fn the_command_line_makes_shows_and_changes_a_key_for_pages() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let run = |line: &str| {
        let done = program.cli(&line.split(' ').collect::<Vec<_>>());
        (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    };
    let (is_made, said) = run("keys create page --allow-origin https://app.example.com");
    assert!(!is_made && said.contains("limits") && said.contains("budgets"), "{said}");
    let create = "keys create page --allow-origin https://app.example.com,http://localhost:3000 \
                  --rpm 10 --budget 1/day";
    let (is_made, said) = run(create);
    assert!(is_made, "{said}");
    let (_, shown) = run("keys show page");
    assert!(shown.contains("web pages") && shown.contains("https://app.example.com"), "{shown}");
    let (is_edited, said) = run("keys edit page --clear budgets");
    assert!(!is_edited && said.contains("budget"), "{said}");
    let (is_edited, said) = run("keys edit page --clear origins,limits,budgets");
    assert!(is_edited, "{said}");
    assert!(!run("keys show page").1.contains("https://app.example.com"));
}
