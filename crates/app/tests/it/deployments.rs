//! What an administrator does with deployments while calls run: more than one credential, no new calls, an
//! end of all calls, the quickest first.

use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Answer, Program, chat};
use crate::upstream::{EVENT, Script, Upstream, whole};

const MODEL: &str = "mock";
const PATH: &str = "/v1/chat/completions";
const KEYS: [&str; 3] = ["sk-first-0123456789", "sk-second-0123456789", "sk-third-0123456789"];

/// Two providers, and no model.
struct House {
    program: Program,
    first: Upstream,
    second: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let (first, second) = (Upstream::start(Script::Chat), Upstream::start(Script::Chat));
        program.add_provider("first", &first.address.to_string());
        program.add_provider("second", &second.address.to_string());
        Self { program, first, second, _dir: dir }
    }

    fn call(&self) -> Answer {
        self.program.chat(self.program.key(), MODEL)
    }

    /// A command about the model, which must succeed.
    fn edit(&self, flag: &str, value: &str) {
        let done = self.program.cli(&["models", "edit", MODEL, flag, value]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// How the deployment of this position is, as the management API tells it.
    fn health(&self, position: usize) -> Value {
        let path = format!("/v1/models/{MODEL}?view=routes");
        let model = self.program.ask("GET", &path, &self.program.admin_key(), None).json();
        model["deployments"][position]["health"].clone()
    }

    /// Which of [`KEYS`] each call to the first provider presented.
    fn presented(&self) -> Vec<usize> {
        let which = |head: &str| KEYS.iter().position(|key| head.contains(key)).unwrap();
        self.first.seen().iter().map(|seen| which(&seen.head)).collect()
    }
}

/// The first event of a stream, byte for byte.
fn read_event(stream: &mut impl std::io::Read) {
    let mut event = vec![0; EVENT.len()];
    stream.read_exact(&mut event).unwrap();
    assert_eq!(event, EVENT.as_bytes());
}

#[test]
fn the_keys_of_a_provider_share_its_calls_and_one_that_is_refused_rests_alone() {
    #[rustfmt::skip]
    let cases = [
        ("busy",      429, "retry-after: 60\r\n"),
        ("refused",   401, ""),
        ("forbidden", 403, ""),
    ];
    for (name, status, headers) in cases {
        let house = House::start();
        for (n, key) in KEYS.iter().enumerate() {
            house.program.add_provider_key(&format!("k{n}"), key);
        }
        let linked = house.program.cli(&[
            "providers",
            "edit",
            "p-first",
            "--provider-key",
            "k0",
            "--provider-key",
            "k1",
            "--provider-key",
            "k2",
        ]);
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
        house.program.add_deployed(MODEL, None, &json!([{"provider": "p-first"}]));
        for _ in 0..60 {
            assert_eq!(house.call().status, 200);
        }
        let presented = house.presented();
        assert!((0..3).all(|key| presented.contains(&key)), "{presented:?}");

        house.first.once(Script::Raw(whole(status, headers, "{}")));
        let answer = house.call();
        assert_eq!((answer.status, answer.header("x-doorward-attempts")), (200, "2"), "{name}");
        let refused = house.presented()[60];
        let health = house.health(0);
        let reason = if status == 429 { "rate_limited" } else { "refused" };
        let resting = &health["resting"];
        assert_eq!((&health["state"], &resting[0]["reason"]), (&json!("closed"), &json!(reason)));
        let path = format!("/v1/provider-keys/k{refused}");
        let key = house.program.ask("GET", &path, &house.program.admin_key(), None).json();
        assert_eq!(
            (&resting[0]["provider_key"], &resting[1]),
            (&key["id"], &json!(null)),
            "{name}"
        );
        for _ in 0..30 {
            let answer = house.call();
            assert_eq!((answer.status, answer.header("x-doorward-attempts")), (200, ""), "{name}");
        }
        let since = house.presented().split_off(61);
        assert!(!since.contains(&refused), "{name}: {refused} in {since:?}");
        assert!((0..3).all(|key| key == refused || since.contains(&key)), "{name}: {since:?}");
        // A new value has refused nobody so far.
        let edit = json!({"value": format!("{}-new", KEYS[refused])});
        let edited = house.program.ask("PATCH", &path, &house.program.admin_key(), Some(&edit));
        assert_eq!(edited.status, 200, "{}", edited.body);
        for _ in 0..60 {
            assert_eq!(house.call().status, 200);
        }
        assert!(house.presented().split_off(91).contains(&refused), "{name}");
        assert_eq!(
            house.health(0),
            json!({"state": "closed", "is_known": true, "resting": []}),
            "{name}"
        );
    }
}

#[test]
fn a_deployment_that_drains_ends_what_it_began_and_begins_nothing() {
    let house = House::start();
    house.program.add_deployed(MODEL, None, &json!([{"provider": "p-first"}]));
    house.first.then(Script::Paced(Duration::from_millis(40)));
    let mut stream = house.program.stream(house.program.key(), MODEL);
    read_event(&mut stream);
    house.edit("--drain-provider", "p-first");
    let answer = house.call();
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (502, &json!("upstream_unavailable"))
    );
    house.edit("--add-provider", "p-second");
    assert_eq!((house.call().status, house.second.seen().len()), (200, 1));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(
        (rest.matches(EVENT).count(), rest.ends_with("data: [DONE]\n\n")),
        (49, true),
        "{rest}"
    );
    house.edit("--enable-provider", "p-first");
    house.edit("--remove-provider", "p-second");
    house.first.then(Script::Chat);
    assert_eq!((house.call().status, house.first.seen().len()), (200, 2));
}

#[test]
fn a_deployment_that_is_disabled_ends_its_calls_and_each_client_is_told() {
    let house = House::start();
    house.program.add_deployed(MODEL, Some(("1", "1")), &json!([{"provider": "p-first"}]));
    house.first.then(Script::Hang(1));
    let mut stream = house.program.stream(house.program.key(), MODEL);
    read_event(&mut stream);
    let anthropic =
        json!({"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let mut anthropic_stream = {
        let mut body = anthropic;
        body["stream"] = true.into();
        house.program.stream_from("/v1/messages", house.program.key(), &body)
    };
    house.first.await_seen(2);
    house.edit("--disable-provider", "p-first");
    let (mut rest, mut said) = (String::new(), String::new());
    stream.read_to_string(&mut rest).unwrap();
    let error: Value = serde_json::from_str(rest.trim().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "upstream_unavailable", "{rest}");
    anthropic_stream.read_to_string(&mut said).unwrap();
    assert!(said.contains("event: error\ndata: {\"type\":\"error\""), "{said}");
    assert_eq!(house.call().status, 502);
    assert_eq!(house.first.seen().len(), 2);
    let usage = house.program.usage(MODEL);
    assert_eq!(
        (&usage["requests"], &usage["errors"]),
        (&json!(2), &json!(2)),
        "as far as they came"
    );
    house.first.then(Script::Chat);
    house.edit("--enable-provider", "p-first");
    assert_eq!(house.call().status, 200);
}

#[test]
fn a_call_that_waits_for_a_deployment_that_is_disabled_goes_to_another_one() {
    let house = House::start();
    let on = json!([{"provider": "p-first"}, {"provider": "p-second", "priority": 1}]);
    house.program.add_deployed(MODEL, None, &on);
    for script in [Script::Stall(Vec::new()), Script::Hang(0)] {
        let is_stream = matches!(script, Script::Hang(_));
        house.first.then(script);
        house.edit("--enable-provider", "p-first");
        let mut body = chat(MODEL);
        body["stream"] = is_stream.into();
        let (before, key) = (house.first.seen().len(), house.program.key());
        let answer = std::thread::scope(|scope| {
            let calling = scope.spawn(|| house.program.ask("POST", PATH, key, Some(&body)));
            house.first.await_seen(before + 1);
            house.edit("--disable-provider", "p-first");
            calling.join().unwrap()
        });
        assert_eq!((answer.status, answer.header("x-doorward-provider")), (200, "p-second"));
        assert!(!answer.body.contains("error"), "{}", answer.body);
    }
}

#[test]
fn with_least_latency_most_calls_go_where_answers_begin_sooner() {
    let house = House::start();
    house.first.then(Script::Late(Duration::from_millis(400)));
    let on = json!([{"provider": "p-first"}, {"provider": "p-second"}]);
    house.program.add_deployed(MODEL, None, &on);
    house.edit("--routing", "least_latency");
    for _ in 0..30 {
        assert_eq!(house.call().status, 200);
    }
    let (slow, quick) = (house.first.seen().len(), house.second.seen().len());
    assert!(slow >= 1 && slow * 3 < quick, "{slow} to {quick}");
}
