//! Calls that nobody has begun are made again, after a pause and not for ever.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::program::{Answer, Program, chat};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream, whole};

const MODEL: &str = "mock";
const PATH: &str = "/v1/chat/completions";

/// A model with one deployment.
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
        program.add_model(MODEL, &upstream.address.to_string(), Some(("1", "1")));
        Self { program, upstream, _dir: dir }
    }

    fn call(&self, is_stream: bool) -> Answer {
        let mut body = chat(MODEL);
        body["stream"] = is_stream.into();
        self.program.ask("POST", PATH, self.program.key(), Some(&body))
    }

    /// Requests, errors and events until now.
    fn booked(&self) -> [u64; 3] {
        let usage = self.program.usage(MODEL);
        ["requests", "errors", "attempts"].map(|field| usage[field].as_u64().unwrap_or(0))
    }

    /// Waits until the deployment is left alone: what it said has arrived.
    fn await_rest(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        let names = format!("model=\"{MODEL}\",provider=\"p-{MODEL}\"}} 2");
        while !self.program.send("GET", "/metrics", &[], None).body.contains(&names) {
            assert!(Instant::now() < patience, "it is called on");
        }
    }

    /// Waits until no call is running.
    fn settle(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.program.metric("doorward_calls_in_flight") > 0 {
            assert!(Instant::now() < patience, "a call never ends");
        }
    }
}

fn raw(status: u16, headers: &str) -> Script {
    Script::Raw(whole(status, headers, r#"{"error":{"message":"no"}}"#))
}

#[test]
fn a_provider_that_is_busy_for_a_moment_is_asked_again() {
    let house = House::start(&[("DOORWARD__GATEWAY__RETRY_SECONDS", "30")]);
    let mut expected = [0, 0, 0];
    for (times, status, headers) in
        [(1, 503, ""), (2, 529, ""), (1, 429, "retry-after: 1\r\n"), (1, 503, "retry-after: 1\r\n")]
    {
        for is_stream in [false, true] {
            for _ in 0..times {
                house.upstream.once(raw(status, headers));
            }
            let answer = house.call(is_stream);
            assert_eq!(answer.status, 200, "{status}: {}", answer.body);
            assert_eq!(answer.header("x-doorward-attempts"), (times + 1).to_string(), "{status}");
            expected = [expected[0] + 1, 0, expected[2] + times + 1];
            assert_eq!(house.booked(), expected, "{status}");
        }
    }
    // Nobody is billed for what was not done.
    let usage = house.program.usage(MODEL);
    assert_eq!(usage["output_tokens"], 4 * 30 + 4 * 50);
    assert_eq!(usage["input_tokens"], 8 * 25);
}

#[test]
fn what_may_have_begun_is_not_made_again_where_it_was_with_no_credential() {
    let house = House::start(&[]);
    for name in ["one", "two"] {
        house.program.add_provider_key(name, &format!("sk-{name}-0123456789"));
    }
    let (path, admin) = ("/v1/providers/p-mock", house.program.admin_key());
    let edit = json!({"provider_keys": ["one", "two"]});
    assert_eq!(house.program.ask("PATCH", path, &admin, Some(&edit)).status, 200);
    #[rustfmt::skip]
    let cases = [
        // what it does                                status  attempts
        ("failed",     raw(500, ""),                   500,    1),
        ("hangs up",   Script::Raw(Vec::new()),        502,    1),
        ("garbage",    Script::Raw(b"x".to_vec()),     502,    1),
        ("refuses us", raw(401, ""),                   502,    2),
    ];
    let mut seen = 0;
    for (name, script, status, attempts) in cases {
        house.upstream.then(script);
        let answer = house.call(false);
        assert_eq!(answer.status, status, "{name}");
        seen += attempts;
        assert_eq!(house.upstream.seen().len(), seen, "{name}");
    }
    assert_eq!(house.booked(), [4, 4, 5]);
}

#[test]
fn a_client_that_would_wait_too_long_is_told_at_once_in_the_providers_words() {
    let house = House::start(&[]);
    for (count, status) in (1..).zip([429, 503]) {
        house.upstream.then(raw(status, "retry-after: 30\r\n"));
        let answer = house.call(false);
        assert_eq!((answer.status, answer.header("retry-after")), (status, "30"));
        assert_eq!(
            (&*answer.body, answer.header("x-doorward-attempts")),
            (r#"{"error":{"message":"no"}}"#, "")
        );
        assert_eq!(house.upstream.seen().len(), count);
    }
}

#[test]
fn rounds_are_bounded_and_none_means_none() {
    for rounds in [0, 2] {
        let house = House::start(&[
            ("DOORWARD__GATEWAY__RETRY_ROUNDS_MAX", &rounds.to_string()),
            ("DOORWARD__GATEWAY__RETRY_SECONDS", "600"),
        ]);
        house.upstream.then(raw(503, ""));
        assert_eq!(house.call(false).status, 503);
        assert_eq!(house.upstream.seen().len(), 1 + rounds);
        assert_eq!(house.booked(), [1, 1, 1 + rounds as u64]);
        assert_eq!(house.program.usage(MODEL)["cost_usd"], "0.00");
    }
}

#[test]
fn a_client_that_leaves_while_it_waits_ends_its_call_and_owes_nothing() {
    let house = House::start(&[("DOORWARD__GATEWAY__RETRY_SECONDS", "600")]);
    house.upstream.then(raw(503, "retry-after: 60\r\n"));
    let body = chat(MODEL).to_string();
    let (key, length) = (house.program.key(), body.len());
    let mut wire = Wire::to(&house.program);
    wire.send(format!(
        "POST {PATH} HTTP/1.1\r\nhost: doorward\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n\r\n{body}"
    ));
    house.await_rest();
    drop(wire);
    house.settle();
    assert_eq!(house.booked(), [1, 0, 1]);
    assert_eq!(house.program.usage(MODEL)["cost_usd"], "0.00");
    assert_eq!(house.upstream.seen().len(), 1);
}

#[test]
fn a_key_that_is_revoked_while_its_call_waits_makes_it_no_more() {
    let house = House::start(&[("DOORWARD__GATEWAY__RETRY_SECONDS", "30")]);
    let key = house.program.make_key(&json!({"name": "short", "scopes": ["inference:write"]}));
    house.upstream.then(raw(503, "retry-after: 3\r\n"));
    let answer = std::thread::scope(|scope| {
        let calling = scope.spawn(|| house.program.chat(&key, MODEL));
        house.upstream.await_seen(1);
        let path = format!("/v1/api-keys/{}", crate::program::id_of(&key));
        let revoked = house.program.ask("DELETE", &path, &house.program.admin_key(), None);
        assert_eq!(revoked.status, 204, "{}", revoked.body);
        calling.join().unwrap()
    });
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("key_revoked")));
    assert_eq!(house.upstream.seen().len(), 1);
}
