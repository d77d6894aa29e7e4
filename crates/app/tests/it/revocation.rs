//! A revoked key stops at once.

use std::io::{BufRead, BufReader, Read as _};
use std::time::{Duration, Instant};

use crate::program::{Answer, Program, chat, id_of};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream};
use doorward_store::Clock;
use serde_json::{Value, json};

#[test]
fn the_very_next_request_after_a_revocation_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "to-be-revoked"}));
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    let done = program.cli(&["keys", "revoke", id_of(&key)]);
    assert!(done.status.success(), "{done:?}");
    let refused = program.chat(&key, "doorward/echo");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("key_revoked")));
}

/// Sends a request whose body waits until the key in its head has been let in and then revoked.
fn with_revocation_before_the_body(program: &Program, path: &str, body: &Value) -> Answer {
    let all = ["inference:write", "keys:read", "keys:write"];
    let key = program.make_key(&json!({"name": format!("for {path}"), "scopes": all}));
    with_change_before_the_body(program, &key, ("POST", path, body), || {
        let revoked = format!("/v1/api-keys/{}", id_of(&key));
        assert_eq!(program.ask("DELETE", &revoked, &program.admin_key(), None).status, 204);
    })
}

/// Sends a request whose body waits until its key has been let in, and then something has changed.
fn with_change_before_the_body(
    program: &Program,
    key: &str,
    (method, path, body): (&str, &str, &Value),
    change: impl FnOnce(),
) -> Answer {
    let body = body.to_string();
    let mut wire = Wire::to(program);
    wire.send(format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    ));
    // Whoever is told to go on has been let in.
    assert_eq!(wire.answer().status, 100);
    change();
    wire.send(body);
    wire.answer()
}

#[test]
fn a_call_whose_body_comes_after_the_revocation_does_not_leave() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let path = "/v1/chat/completions";
    let refused = with_revocation_before_the_body(&program, path, &chat("doorward/echo"));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("key_revoked")));
    assert_eq!(program.usage("doorward/echo"), Value::Null);
}

#[test]
fn a_key_that_is_revoked_while_it_asks_changes_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let wish = json!({"name": "child"});
    let refused = with_revocation_before_the_body(&program, "/v1/api-keys", &wish);
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("key_changed")));
    let keys = program.ask("GET", "/v1/api-keys", &program.admin_key(), None).json();
    assert!(!keys.to_string().contains("child"), "{keys}");
}

/// Whoever has a leaked secret could keep a request open, and take the key over when it is rotated.
#[test]
fn a_secret_that_is_replaced_while_it_asks_changes_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let admin = program.admin_key();
    let at_once = json!({"overlap_seconds": 0});
    let edit = json!({"description": "mine"});
    for (what, method, body) in [("/rotate", "POST", &at_once), ("", "PATCH", &edit)] {
        let scopes = ["inference:write", "keys:read", "keys:write"];
        let leaked = program.make_key(&json!({"name": format!("leaked{what}"), "scopes": scopes}));
        let key = format!("/v1/api-keys/{}", id_of(&leaked));
        let mut rotated = Value::Null;
        let call = (method, &*format!("{key}{what}"), body);
        let refused = with_change_before_the_body(&program, &leaked, call, || {
            let answer = program.ask("POST", &format!("{key}/rotate"), &admin, Some(&at_once));
            rotated = answer.json();
        });
        assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("key_changed")));
        let shown = program.ask("GET", &key, &admin, None).json();
        assert_eq!(shown["description"], json!(""), "{what}");
        assert_eq!(shown["rotated_at"], rotated["rotated_at"], "{what}");
        let good = rotated["key"].as_str().unwrap();
        assert_eq!(program.chat(good, "doorward/echo").status, 200, "{what}");
    }
}

#[test]
fn a_stream_that_always_has_something_ready_ends_with_its_key_too() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Endless);
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "streaming"}));
    let mut stream = program.stream(&key, "mock");
    stream.read_exact(&mut [0; 100]).unwrap();
    let path = format!("/v1/api-keys/{}", id_of(&key));
    assert_eq!(program.ask("DELETE", &path, &program.admin_key(), None).status, 204);
    // What the buffers in between hold, and then the end.
    let mut rest = Vec::new();
    stream.take(32 << 20).read_to_end(&mut rest).unwrap();
    let end = String::from_utf8_lossy(&rest[rest.len().saturating_sub(200)..]);
    assert!(end.contains("data: {\"error\"") && end.contains("key_revoked"), "{end}");
}

#[test]
fn a_stream_ends_when_its_key_loses_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    for (edit, code) in [
        (json!({"models": ["other"]}), "model_not_found"),
        (json!({"scopes": ["inference:read"]}), "insufficient_scope"),
        (json!({"ip_deny": ["127.0.0.0/8"]}), "ip_not_allowed"),
    ] {
        let key = program.make_key(&json!({"name": code}));
        let mut lines = BufReader::new(program.stream(&key, "mock")).lines().map(Result::unwrap);
        assert_eq!(lines.by_ref().filter(|line| line.contains(" token")).take(3).count(), 3);
        let path = format!("/v1/api-keys/{}", id_of(&key));
        let edited = program.ask("PATCH", &path, &program.admin_key(), Some(&edit));
        assert_eq!(edited.status, 200, "{}", edited.body);
        let rest: String = lines.collect();
        assert!(rest.contains("data: {\"error\"") && rest.contains(code), "{code}: {rest}");
    }
}

#[test]
fn an_open_stream_ends_with_an_error_event_when_its_key_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "streaming"}));
    let mut lines = BufReader::new(program.stream(&key, "mock")).lines().map(Result::unwrap);
    let events = lines.by_ref().filter(|line| line.contains(" token")).take(3).count();
    assert_eq!(events, 3);

    let revoked_at = Instant::now();
    let path = format!("/v1/api-keys/{}", id_of(&key));
    assert_eq!(program.ask("DELETE", &path, &program.admin_key(), None).status, 204);
    let rest: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    assert!(revoked_at.elapsed() < Duration::from_secs(1), "{:?}", revoked_at.elapsed());
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(rest[0].starts_with("data: {\"error\"") && rest[0].contains("key_revoked"), "{rest:?}");
    // What was streamed until then is billed.
    let usage = program.usage("mock");
    assert_eq!(
        (&usage["requests"], &usage["errors"], &usage["output_tokens"]),
        (&json!(1), &json!(1), &json!(3))
    );
}

/// Of its answer nothing goes out any more; the provider, which has made it, is paid and not blamed.
#[test]
fn a_whole_answer_that_comes_after_the_end_of_its_key_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Gated);
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    // As many failures in a row as a deployment is left alone after.
    for n in 0..5 {
        let key =
            program.make_key(&json!({"name": format!("n{n}"), "scopes": ["inference:write"]}));
        upstream.hold();
        let answer = std::thread::scope(|scope| {
            let calling = scope.spawn(|| program.chat(&key, "mock"));
            upstream.await_seen(n + 1);
            let path = format!("/v1/api-keys/{}", id_of(&key));
            assert_eq!(program.ask("DELETE", &path, &program.admin_key(), None).status, 204);
            upstream.release();
            calling.join().unwrap()
        });
        let told = (answer.status, &answer.json()["error"]["code"]);
        assert_eq!(told, (401, &json!("key_revoked")), "{}", answer.body);
    }
    assert!(program.usage("mock")["input_tokens"].as_u64() > Some(0), "it was asked");
    let metrics = program.send("GET", "/metrics", &[], None).body;
    assert!(metrics.contains("model=\"mock\",provider=\"p-mock\"} 0"), "{metrics}");
}

#[test]
fn a_secret_that_is_replaced_without_an_overlap_stops_at_once_with_its_streams() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let old = program.make_key(&json!({"name": "leaked"}));
    let mut lines = BufReader::new(program.stream(&old, "mock")).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().filter(|line| line.contains(" token")).take(3).count(), 3);

    let done = program.cli(&["keys", "rotate", id_of(&old), "--overlap", "0", "--json"]);
    assert!(done.status.success(), "{done:?}");
    let rotated: Value = serde_json::from_slice(&done.stdout).unwrap();
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(id_of(new), id_of(&old));
    let rest: String = lines.collect();
    assert!(rest.contains("data: {\"error\"") && rest.contains("key_expired"), "{rest}");
    let refused = program.chat(&old, "doorward/echo");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("key_expired")));
    assert_eq!(program.chat(new, "doorward/echo").status, 200);
}

#[test]
fn a_stream_of_an_old_secret_goes_on_in_the_overlap_and_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let old = program.make_key(&json!({"name": "rotated"}));
    let mut lines = BufReader::new(program.stream(&old, "mock")).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().filter(|line| line.contains(" token")).take(3).count(), 3);
    let path = format!("/v1/api-keys/{}", id_of(&old));
    let wish = json!({"overlap_seconds": 2});
    let rotated = program.ask("POST", &format!("{path}/rotate"), &program.admin_key(), Some(&wish));
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    assert_eq!(program.chat(&old, "doorward/echo").status, 200);
    // Nobody does anything: the overlap runs out.
    let rest: String = lines.collect();
    assert!(rest.contains("data: {\"error\"") && rest.contains("key_expired"), "{rest}");
    assert_eq!(program.chat(&old, "doorward/echo").status, 401);
    let shown = program.ask("GET", &path, &program.admin_key(), None).json();
    assert_eq!(shown["previous_secrets"], json!([]));
}

#[test]
fn a_stream_ends_with_its_key_when_that_is_shortened_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "shortened"}));
    let mut lines = BufReader::new(program.stream(&key, "mock")).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().filter(|line| line.contains(" token")).take(3).count(), 3);
    let path = format!("/v1/api-keys/{}", id_of(&key));
    let soon = Clock::system().now() + Duration::from_secs(2);
    let edit = json!({"expires_at": soon.to_string()});
    let edited = program.ask("PATCH", &path, &program.admin_key(), Some(&edit));
    assert_eq!(edited.status, 200, "{}", edited.body);
    let rest: String = lines.collect();
    assert!(rest.contains("data: {\"error\"") && rest.contains("key_expired"), "{rest}");
}

#[test]
fn what_is_over_is_put_away_by_the_running_program() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "over"}));
    let path = format!("/v1/api-keys/{}", id_of(&key));
    assert_eq!(program.ask("DELETE", &path, &program.admin_key(), None).status, 204);
    assert_eq!(program.chat(&key, "doorward/echo").json()["error"]["code"], json!("key_revoked"));
    drop(program);
    // It begins with that at each start.
    let program = Program::start(dir.path(), &[]);
    let until = Instant::now() + Duration::from_secs(30);
    let is_put_away = || {
        let path = "/v1/audit?action=key.sweep";
        let entries = program.ask("GET", path, &program.admin_key(), None).json();
        entries["data"][0]["subject"] == json!(id_of(&key))
    };
    while !is_put_away() {
        assert!(Instant::now() < until, "nothing is put away");
    }
    let refused = program.chat(&key, "doorward/echo").json();
    assert_eq!(refused["error"]["code"], json!("invalid_api_key"));
}
