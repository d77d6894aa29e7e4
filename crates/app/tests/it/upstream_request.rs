//! What the upstream is sent: nothing of the client but its body.

use serde_json::json;

use crate::program::{Program, chat};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream};

const PROVIDER_KEY: &str = "sk-provider-4d1c8f0a7b6e5392-secret";
const ROUTES: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/moderations",
    "/v1/images/generations",
];

/// What must not go on, each with a value that would be recognized.
const HEADERS: [(&str, &str); 31] = [
    ("accept-encoding", "gzip, br"),
    ("accept-language", "canary"),
    ("cookie", "session=canary"),
    ("content-language", "canary"),
    ("forwarded", "for=9.9.9.9"),
    ("from", "canary@example.com"),
    ("idempotency-key", "canary"),
    ("if-none-match", "\"canary\""),
    ("keep-alive", "timeout=99"),
    ("openai-organization", "canary"),
    ("openai-project", "canary"),
    ("origin", "https://canary.example"),
    ("pragma", "canary"),
    ("proxy-authorization", "Bearer canary"),
    ("proxy-connection", "canary"),
    ("range", "bytes=0-1"),
    ("referer", "https://canary.example/"),
    ("te", "trailers"),
    ("traceparent", "00-canary"),
    ("trailer", "x-canary"),
    ("user-agent", "canary/1"),
    ("via", "1.1 canary"),
    ("x-canary", "canary"),
    ("x-doorward-attempts", "99"),
    ("x-doorward-key", "canary"),
    ("x-doorward-model", "canary"),
    ("x-forwarded-for", "9.9.9.9"),
    ("x-forwarded-host", "canary.example"),
    ("x-real-ip", "9.9.9.9"),
    ("x-request-id", "canary"),
    ("x-stainless-lang", "canary"),
];

#[test]
fn the_upstream_sees_its_own_credential_and_nothing_of_the_clients_headers_but_accept() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    let provider = program.add_provider("mock", &upstream.address.to_string());
    program.add_provider_key("secret", PROVIDER_KEY);
    let on = json!([{"provider": provider, "provider_key": "secret"}]);
    program.add_deployed("mock", None, &on);
    let key = program.key();
    let body = chat("mock").to_string();
    for route in ROUTES {
        let odd: Vec<_> =
            HEADERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let odd = odd.concat();
        let length = body.len();
        let mut wire = Wire::to(&program);
        wire.send(format!(
            "POST {route}?canary=1 HTTP/1.1\r\nHost: canary.example\r\nAccept: application/json\r\n\
             Authorization: Bearer {key}\r\nX-Api-Key: {key}\r\nConnection: keep-alive, x-canary\r\n\
             Content-Type: application/json; charset=canary\r\n{odd}Content-Length: {length}\r\n\r\n{body}"
        ));
        let answer = wire.answer();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-doorward-model"), "mock");
        assert_eq!(answer.header("x-doorward-attempts"), "");
        assert_ne!(answer.header("x-request-id"), "canary");

        let seen = upstream.seen().pop().unwrap();
        let mut lines: Vec<&str> = seen.head.trim_end().split("\r\n").collect();
        assert_eq!(lines.remove(0), format!("POST {route} HTTP/1.1"));
        lines.sort_unstable();
        let expected = [
            "accept: application/json",
            &format!("authorization: Bearer {PROVIDER_KEY}"),
            &format!("content-length: {length}"),
            "content-type: application/json",
            &format!("host: {}", upstream.address),
            concat!("user-agent: doorward/", env!("CARGO_PKG_VERSION")),
        ];
        assert_eq!(lines, expected, "{route}");
        assert_eq!(seen.body, body, "{route}");
    }
}

#[test]
fn where_no_provider_key_is_set_the_upstream_gets_no_credential_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), None);
    assert_eq!(program.chat(program.key(), "mock").status, 200);
    let head = upstream.seen().pop().unwrap().head.to_lowercase();
    assert!(!head.contains("authorization") && !head.contains("api-key"), "{head}");
}

#[test]
fn the_body_goes_on_byte_for_byte_but_for_the_upstreams_name_of_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    let provider = program.add_provider("mock", &upstream.address.to_string());
    let on = json!([{"provider": provider, "upstream_model": "vendor/\"real\""}]);
    program.add_deployed("public", None, &on);
    let bearer = [("authorization", format!("Bearer {}", program.key()))];
    let body = "\r\n{ \"messages\":[ {\"role\":\"user\",\"content\":\"é \\u00e9 \\ud83d\\ude00\"}],\t\
                \"temperature\" : 1.10e0, \"model\":\"public\",\"unknown\":{\"model\":\"public\"},\
                \"max_tokens\":16, \"seed\":12345678901234567890 } ";
    let answer = program.send("POST", ROUTES[0], &bearer, Some(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let expected = body.replacen("\"public\"", r#""vendor/\"real\"""#, 1);
    assert_eq!(upstream.seen().pop().unwrap().body, expected);
    assert_eq!(answer.header("x-doorward-model"), "public");
}
