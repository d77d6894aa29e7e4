//! When another deployment is asked, and when it must not be.

use std::net::TcpListener;

use serde_json::json;

use crate::program::{Answer, Program, chat};
use crate::upstream::{Script, Upstream, whole};

const PRICE: Option<(&str, &str)> = Some(("1", "1"));
const MODEL: &str = "twofold";

/// A model that is served by `first`, and by `second` where that does not answer.
struct House {
    program: Program,
    first: Upstream,
    second: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start_with(dir.path(), &[], environment);
        let (first, second) = (Upstream::start(Script::Chat), Upstream::start(Script::Chat));
        let primary = program.add_provider("first", &first.address.to_string());
        let spare = program.add_provider("second", &second.address.to_string());
        add_twofold(&program, MODEL, (&primary, &spare));
        Self { program, first, second, _dir: dir }
    }

    fn call(&self, model: &str, is_stream: bool) -> Answer {
        let mut body = chat(model);
        body["stream"] = is_stream.into();
        self.program.ask("POST", "/v1/chat/completions", self.program.key(), Some(&body))
    }

    fn seen(&self) -> (usize, usize) {
        (self.first.seen().len(), self.second.seen().len())
    }
}

fn add_twofold(program: &Program, name: &str, (primary, spare): (&str, &str)) {
    let on = json!([
        {"provider": spare, "priority": 1},
        {"provider": primary, "priority": 0},
    ]);
    program.add_deployed(name, PRICE, &on);
}

/// The address of nobody.
fn silent_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn raw(status: u16) -> Script {
    Script::Raw(whole(status, "location: /elsewhere\r\n", r#"{"error":{}}"#))
}

#[test]
fn another_deployment_is_asked_where_the_first_did_not_answer_and_only_there() {
    #[rustfmt::skip]
    let cases = [
        // what the first one does                       status  attempts  asked the second
        ("too many requests",  raw(429),                    200, "2",      true),
        ("unavailable",        raw(503),                    200, "2",      true),
        ("overloaded",         raw(529),                    200, "2",      true),
        ("our credential",     raw(401),                    200, "2",      true),
        ("our rights",         raw(403),                    200, "2",      true),
        ("a redirect",         raw(307),                    200, "2",      true),
        ("a failure",          raw(500),                    200, "2",      true),
        ("a bad gateway",      raw(502),                    200, "2",      true),
        ("no answer",          Script::Raw(Vec::new()),     200, "2",      true),
        ("garbage",            Script::Raw(b"x".to_vec()),  200, "2",      true),
        ("half an answer",     Script::Raw(whole(200, "", "{")), 200, "2",  true),
        ("all is well",        Script::Chat,                200, "",       false),
        ("the client's fault", raw(400),                    400, "",       false),
        ("not found",          raw(404),                    404, "",       false),
    ];
    let house = House::start(&[]);
    for is_stream in [false, true] {
        for (name, script, status, attempts, is_second_asked) in cases.clone() {
            // A model of its own: what failed before is not known of its deployments.
            let model = format!("{}-{is_stream}", name.replace([' ', '\''], "-"));
            add_twofold(&house.program, &model, ("p-first", "p-second"));
            let before = house.seen();
            house.first.then(script);
            let answer = house.call(&model, is_stream);
            assert_eq!(answer.status, status, "{name}: {}", answer.body);
            assert_eq!(answer.header("x-doorward-attempts"), attempts, "{name}");
            let provider = if is_second_asked { "p-second" } else { "p-first" };
            assert_eq!(answer.header("x-doorward-provider"), provider, "{name}");
            let expected = (before.0 + 1, before.1 + usize::from(is_second_asked));
            assert_eq!(house.seen(), expected, "{name}");
            // However many were asked, it is one call; and each that was reached has its event.
            let usage = house.program.usage(&model);
            let events = 1 + u64::from(is_second_asked);
            assert_eq!(
                (&usage["requests"], &usage["attempts"]),
                (&json!(1), &json!(events)),
                "{name}"
            );
        }
    }
}

#[test]
fn a_stream_that_has_begun_is_never_begun_again() {
    let house = House::start(&[]);
    house.first.then(Script::Reset(2));
    let answer = house.call(MODEL, true);
    assert_eq!((answer.status, answer.body.matches(" token").count()), (200, 2));
    assert_eq!(house.seen(), (1, 0));
}

#[test]
fn a_call_whose_time_is_over_is_made_nowhere_else() {
    let house = House::start(&[
        ("DOORWARD__GATEWAY__CONNECT_TIMEOUT_SECONDS", "1"),
        ("DOORWARD__GATEWAY__TOTAL_TIMEOUT_SECONDS", "2"),
    ]);
    house.first.then(Script::Stall(Vec::new()));
    let answer = house.call(MODEL, false);
    assert_eq!((answer.status, answer.header("x-doorward-attempts")), (504, ""));
    assert_eq!(house.seen(), (1, 0));
}

#[test]
fn a_deployment_that_is_down_is_passed_over() {
    let house = House::start(&[]);
    let down = house.program.add_provider("down", &silent_address());
    add_twofold(&house.program, "half-down", (&down, "p-second"));
    for is_stream in [false, true] {
        let answer = house.call("half-down", is_stream);
        assert_eq!((answer.status, answer.header("x-doorward-attempts")), (200, "2"));
        assert_eq!(answer.header("x-doorward-provider"), "p-second");
    }
    assert_eq!(house.seen(), (0, 2));
    assert_eq!(house.program.usage("half-down")["errors"], 0);
}

#[test]
fn where_all_deployments_do_nothing_the_last_one_is_answered_with_and_nothing_is_billed() {
    let house = House::start(&[("DOORWARD__GATEWAY__RETRY_ROUNDS_MAX", "0")]);
    house.first.then(raw(503));
    house.second.then(Script::Raw(whole(429, "retry-after: 9\r\n", r#"{"error":{"n":1}}"#)));
    let answer = house.call(MODEL, false);
    assert_eq!((answer.status, &*answer.body), (429, r#"{"error":{"n":1}}"#));
    assert_eq!((answer.header("x-doorward-attempts"), answer.header("retry-after")), ("2", "9"));

    let downs =
        ["down-1", "down-2"].map(|name| house.program.add_provider(name, &silent_address()));
    add_twofold(&house.program, "down", (&downs[0], &downs[1]));
    let answer = house.call("down", false);
    assert_eq!((answer.status, answer.header("x-doorward-attempts")), (502, "2"));
    assert_eq!(answer.json()["error"]["code"], "upstream_unavailable");
    for model in [MODEL, "down"] {
        let usage = house.program.usage(model);
        let found = (&usage["requests"], &usage["errors"], &usage["cost_usd"]);
        assert_eq!(found, (&json!(1), &json!(1), &json!("0.00")), "{model}");
    }
}
