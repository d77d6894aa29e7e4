//! A provider that fails in every way there is, beside one that does not: what the client sees, what is
//! billed, and who is asked next time.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Answer, Program, chat};
use crate::upstream::{CHAT, EVENT, Script, Upstream, events, whole};

const PRICE: Option<(&str, &str)> = Some(("1", "1"));
const PATH: &str = "/v1/chat/completions";

/// A provider that fails, and one that does not.
struct House {
    program: Program,
    bad: Upstream,
    good: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start_with(dir.path(), &[], environment);
        let (bad, good) = (Upstream::start(Script::Chat), Upstream::start(Script::Chat));
        program.add_provider("bad", &bad.address.to_string());
        program.add_provider("good", &good.address.to_string());
        Self { program, bad, good, _dir: dir }
    }

    /// A model that goes to these in this order.
    fn add(&self, model: &str, providers: &[&str]) {
        let on: Vec<Value> = (0..)
            .zip(providers)
            .map(|(priority, provider)| json!({"provider": provider, "priority": priority}))
            .collect();
        self.program.add_deployed(model, PRICE, &json!(on));
    }

    fn call(&self, model: &str, is_stream: bool) -> Answer {
        let mut body = chat(model);
        body["stream"] = is_stream.into();
        self.program.ask("POST", PATH, self.program.key(), Some(&body))
    }

    fn seen(&self) -> (usize, usize) {
        (self.bad.seen().len(), self.good.seen().len())
    }

    /// What `/metrics` says of the deployment of this model at this provider.
    fn state(&self, model: &str, provider: &str) -> String {
        let metrics = self.program.send("GET", "/metrics", &[], None).body;
        let names = format!("model=\"{model}\",provider=\"{provider}\"}} ");
        let line = metrics.lines().find_map(|line| Some(line.split_once(&names)?.1.to_owned()));
        line.unwrap_or_else(|| panic!("{model} at {provider} is not in {metrics}"))
    }
}

fn raw(status: u16, headers: &str) -> Script {
    Script::Raw(whole(status, headers, r#"{"error":{"message":"no"}}"#))
}

/// The address of nobody.
fn silent_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// What a failed attempt is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// It was not reached: there is no event.
    NoEvent,
    Nothing,
    /// Its input, as estimated here.
    Input,
}

#[test]
fn no_client_sees_a_failure_before_the_first_byte_and_each_attempt_has_its_event() {
    let line = format!("data: {}", "x".repeat(25 << 20));
    let head = format!("x-long: {}\r\n", "x".repeat(1 << 20));
    #[rustfmt::skip]
    let cases: Vec<(&str, Option<Script>, bool, Owed)> = vec![
        // what the bad one does          a stream
        ("refused",           None,                                        false, Owed::NoEvent),
        ("refused",           None,                                        true,  Owed::NoEvent),
        ("busy",              Some(raw(429, "retry-after: 30\r\n")),       false, Owed::Nothing),
        ("busy",              Some(raw(429, "retry-after: 30\r\n")),       true,  Owed::Nothing),
        ("failed",            Some(raw(500, "")),                          false, Owed::Nothing),
        ("failed",            Some(raw(500, "")),                          true,  Owed::Nothing),
        ("unavailable",       Some(raw(503, "")),                          false, Owed::Nothing),
        ("unavailable",       Some(raw(503, "")),                          true,  Owed::Nothing),
        ("too-late-a-gate",   Some(raw(504, "")),                          true,  Owed::Nothing),
        ("refuses-us",        Some(raw(401, "")),                          false, Owed::Nothing),
        ("slow",              Some(Script::Stall(Vec::new())),             true,  Owed::Input),
        ("slow-after-a-head", Some(Script::Hang(0)),                       true,  Owed::Input),
        ("reset",             Some(Script::Reset(0)),                      true,  Owed::Input),
        ("hangs-up",          Some(Script::Raw(Vec::new())),               false, Owed::Input),
        ("garbage",           Some(Script::Raw(b"\x00\xffgarbage\r\n\r\n".to_vec())), false, Owed::Input),
        ("garbage",           Some(Script::Raw(b"\x00\xffgarbage\r\n\r\n".to_vec())), true,  Owed::Input),
        ("half-json",         Some(Script::Raw(whole(200, "", &CHAT[..40]))), false, Owed::Input),
        ("a-page",            Some(Script::Raw(whole(200, "content-type: text/html\r\n", "<p>"))), true, Owed::Input),
        ("nothing-streamed",  Some(Script::Raw(events(&[]))),              true,  Owed::Input),
        ("endless-line",      Some(Script::Raw(events(&[&line]))),         true,  Owed::Input),
        ("endless-head",      Some(Script::Raw(whole(200, &head, CHAT))),  false, Owed::Input),
    ];
    let house = House::start(&[
        ("DOORWARD__GATEWAY__CONNECT_TIMEOUT_SECONDS", "1"),
        ("DOORWARD__GATEWAY__FIRST_BYTE_TIMEOUT_SECONDS", "1"),
        ("DOORWARD__GATEWAY__IDLE_TIMEOUT_SECONDS", "2"),
    ]);
    house.program.add_provider("down", &silent_address());
    // What a call is billed that goes well at once.
    house.add("plain", &["p-good"]);
    house.call("plain", false);
    let plain = house.program.usage("plain");
    for (name, script, is_stream, owed) in cases {
        let model = format!("{name}-{is_stream}");
        let before = house.seen();
        let bad = if script.is_some() { "p-bad" } else { "p-down" };
        house.add(&model, &[bad, "p-good"]);
        if let Some(script) = script {
            house.bad.then(script);
        }
        let answer = house.call(&model, is_stream);
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        assert!(!answer.body.contains("error"), "{model}: {}", answer.body);
        assert_eq!(answer.header("x-doorward-attempts"), "2", "{model}");
        assert_eq!(answer.header("x-doorward-provider"), "p-good", "{model}");
        let is_reached = owed != Owed::NoEvent;
        let expected = (before.0 + usize::from(is_reached), before.1 + 1);
        assert_eq!(house.seen(), expected, "{model}");
        let usage = house.program.usage(&model);
        let found = (&usage["requests"], &usage["errors"], &usage["attempts"]);
        assert_eq!(found, (&json!(1), &json!(0), &json!(1 + u64::from(is_reached))), "{model}");
        let is_more = usage["input_tokens"].as_u64() > plain["input_tokens"].as_u64();
        assert_eq!(is_more, owed == Owed::Input, "{model}: {usage}");
    }
}

#[test]
fn what_the_gateway_itself_took_of_a_call_is_told_where_that_is_set() {
    let told = |house: &House, is_stream| {
        house.add(&format!("model-{is_stream}"), &["p-bad", "p-good"]);
        house.bad.then(raw(500, ""));
        let answer = house.call(&format!("model-{is_stream}"), is_stream);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.header("server-timing").to_owned()
    };
    assert_eq!(told(&House::start(&[]), false), "", "nobody asked for it");
    let house = House::start(&[("DOORWARD__GATEWAY__SERVER_TIMING", "true")]);
    for is_stream in [false, true] {
        let told = told(&house, is_stream);
        let ms: f64 = told.strip_prefix("gateway;dur=").unwrap().parse().unwrap();
        assert!(ms > 0.0, "{told}");
    }
}

/// What an attempt may have cost is gone. Another one holds as much as the first did, so both must fit.
#[test]
fn another_attempt_is_made_only_where_the_budgets_cover_what_the_last_one_may_have_cost() {
    /// The most output that a call names.
    const OUTPUT: u64 = 64;
    let house = House::start(&[]);
    let garbage = || Script::Raw(b"\x00\xffgarbage\r\n\r\n".to_vec());
    let call = |model: &str, key: &str| house.program.chat(key, model);
    house.add("alone", &["p-bad"]);
    house.bad.then(garbage());
    assert_eq!(call("alone", house.program.key()).status, 502);
    let owed = house.program.usage("alone")["input_tokens"].as_u64().unwrap();
    assert!(owed > 0);
    #[rustfmt::skip]
    let cases = [
        // budget                overrun  status  asked  tokens billed
        (owed + OUTPUT,          "deny",  502,    0,     owed),
        (owed * 2 + OUTPUT - 1,  "deny",  502,    0,     owed),
        (owed * 2 + OUTPUT,      "deny",  200,    1,     owed + 25 + 30),
        (owed + OUTPUT,          "allow", 200,    1,     owed + 25 + 30),
    ];
    for (n, (tokens, overrun, status, asked, billed)) in cases.into_iter().enumerate() {
        let model = format!("model-{n}");
        house.add(&model, &["p-bad", "p-good"]);
        let budget = json!({"tokens": tokens, "period": "day", "overrun": overrun});
        let wish = json!({"name": model, "scopes": ["inference:write"], "budgets": [budget]});
        let key = house.program.make_key(&wish);
        let before = house.good.seen().len();
        house.bad.then(garbage());
        let answer = call(&model, &key);
        assert_eq!(answer.status, status, "{n}: {}", answer.body);
        assert_eq!(house.good.seen().len() - before, asked, "{n}");
        let usage = house.program.usage(&model);
        let total = ["input_tokens", "output_tokens"].map(|kind| usage[kind].as_u64().unwrap());
        assert_eq!(total.iter().sum::<u64>(), billed, "{n}: {usage}");
    }
}

#[test]
fn behind_the_first_byte_nobody_else_is_asked() {
    let house = House::start(&[]);
    let line = format!("data: {}", "x".repeat(25 << 20));
    let cases = [
        ("reset", Script::Reset(1)),
        ("endless-line", Script::Raw(events(&[EVENT, &line]))),
        ("no-end", Script::Raw(events(&[EVENT]))),
    ];
    for (name, script) in cases {
        house.add(name, &["p-bad", "p-good"]);
        house.bad.then(script);
        let answer = house.call(name, true);
        assert_eq!((answer.status, answer.body.matches(" token").count()), (200, 1), "{name}");
        assert!(answer.body.contains("upstream_unavailable"), "{name}: {}", answer.body);
        let usage = house.program.usage(name);
        let found = (&usage["requests"], &usage["errors"], &usage["attempts"]);
        assert_eq!(found, (&json!(1), &json!(1), &json!(1)), "{name}");
    }
    assert_eq!(house.seen(), (3, 0));
}

#[test]
fn a_deployment_that_keeps_failing_is_left_alone_until_one_call_finds_it_well_again() {
    let house = House::start(&[("RUST_LOG", "info")]);
    house.add("m", &["p-bad", "p-good"]);
    house.bad.then(raw(500, ""));
    for calls in 1..=5 {
        assert_eq!(house.call("m", false).status, 200);
        assert_eq!(house.seen(), (calls, calls));
    }
    assert_eq!(house.state("m", "p-bad"), "2");
    assert_eq!(house.state("m", "p-good"), "0");
    let answer = house.call("m", false);
    assert_eq!((answer.status, answer.header("x-doorward-attempts")), (200, ""));
    assert_eq!(house.seen(), (5, 6), "nobody asks it now");
    // What others do to it, or to the model, is no reason to forget that.
    let edit = json!({"output_tokens_max": 4_096});
    let edited =
        house.program.ask("PATCH", "/v1/models/m", &house.program.admin_key(), Some(&edit));
    assert_eq!(edited.status, 200, "{}", edited.body);
    house.call("m", false);
    assert_eq!(house.seen(), (5, 7));

    house.bad.then(Script::Chat);
    let patience = Instant::now() + Duration::from_secs(30);
    while house.seen().0 == 5 {
        assert!(Instant::now() < patience, "it is never asked again");
        assert_eq!(house.call("m", false).status, 200);
    }
    assert_eq!(house.state("m", "p-bad"), "0");
    let log = house.program.log();
    assert_eq!(log.matches("a deployment is left alone").count(), 1, "{log}");
    assert_eq!(log.matches("a deployment is called again").count(), 1, "{log}");
}

/// Its own web tools answer so about an address that the client named: that is no failure of its.
#[test]
fn what_only_bedrock_says_of_a_failure_is_the_answer_of_any_other_provider() {
    let house = House::start(&[]);
    house.add("m", &["p-bad", "p-good"]);
    for status in [408, 424] {
        house.bad.then(raw(status, ""));
        for _ in 0..6 {
            let answer = house.call("m", false);
            assert_eq!((answer.status, answer.header("x-doorward-provider")), (status, "p-bad"));
        }
    }
    assert_eq!((house.seen(), house.state("m", "p-bad")), ((12, 0), "0".to_owned()));
}

#[test]
fn whoever_says_when_to_come_back_or_refuses_us_is_left_alone_at_once() {
    #[rustfmt::skip]
    let cases = [
        ("busy",        raw(429, "retry-after: 60\r\n")),
        ("unavailable", raw(503, "retry-after: 60\r\n")),
        ("overloaded",  raw(529, "retry-after: 60\r\n")),
        ("refused",     raw(401, "")),
        ("forbidden",   raw(403, "")),
    ];
    let house = House::start(&[]);
    for (name, script) in cases {
        house.add(name, &["p-bad", "p-good"]);
        house.bad.then(script);
        let before = house.seen();
        for _ in 0..3 {
            assert_eq!(house.call(name, false).status, 200, "{name}");
        }
        assert_eq!(house.seen(), (before.0 + 1, before.1 + 3), "{name}");
        assert_eq!(house.state(name, "p-bad"), "2", "{name}");
    }
}

#[test]
fn the_only_deployment_is_asked_although_it_is_left_alone() {
    let house = House::start(&[]);
    house.add("m", &["p-bad"]);
    house.bad.then(raw(429, "retry-after: 60\r\n"));
    for calls in 1..=3 {
        let answer = house.call("m", false);
        assert_eq!((answer.status, answer.header("retry-after")), (429, "60"), "{}", answer.body);
        assert_eq!(house.seen(), (calls, 0));
    }
    house.bad.then(Script::Chat);
    assert_eq!(house.call("m", false).status, 200);
    assert_eq!(house.state("m", "p-bad"), "0");
}
