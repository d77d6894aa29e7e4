//! The bound on a call's output: what a budget holds is what the upstream is told.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::program::{Answer, Program};
use crate::upstream::{Script, Upstream};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const RESPONSES: &str = "/v1/responses";

/// A tenth of a cent for a token.
const PRICE: (&str, &str) = ("1000", "1000");

struct House {
    program: Program,
    upstream: Upstream,
    key: String,
    _dir: tempfile::TempDir,
}

impl House {
    /// With a key that may spend this many tokens' price.
    fn start(tokens: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::start(Script::Chat);
        let program = Program::start(dir.path(), &[]);
        program.add_model("mock", &upstream.address.to_string(), Some(PRICE));
        let usd = format!("{}.{:03}", tokens / 1000, tokens % 1000);
        let wish = json!({"name": "k", "budgets": [{"usd": usd, "period": "total"}]});
        let key = program.make_key(&wish);
        Self { program, upstream, key, _dir: dir }
    }

    fn call(&self, route: &str, members: &Value) -> Answer {
        self.program.ask("POST", route, &self.key, Some(&asking(members)))
    }

    /// What the upstream was told last.
    fn told(&self) -> Value {
        serde_json::from_str(&self.upstream.seen().pop().unwrap().body).unwrap()
    }
}

/// A request with these members too.
fn asking(members: &Value) -> Value {
    let mut body = json!({
        "model": "mock", "messages": [{"role": "user", "content": "x"}], "input": "x",
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn what_a_budget_holds_is_what_the_upstreams_own_field_says() {
    let house = House::start(100_000);
    #[rustfmt::skip]
    let cases = [
        // route       the client's members                               the upstream's field  its value
        (CHAT,        json!({"max_tokens": 300}),                           "max_tokens",        300),
        (CHAT,        json!({"max_completion_tokens": 300}),                "max_tokens",        300),
        (CHAT,        json!({"max_output_tokens": 1}),                      "max_tokens",        16_384),
        (CHAT,        json!({"max_completion_tokens": 1, "max_tokens": 9}), "max_tokens",        9),
        (COMPLETIONS, json!({"max_completion_tokens": 1}),                  "max_tokens",        16_384),
        (RESPONSES,   json!({"max_tokens": 1}),                             "max_output_tokens", 16_384),
        (RESPONSES,   json!({"max_output_tokens": 300}),                    "max_output_tokens", 300),
    ];
    for (route, members, field, expected) in cases {
        let answer = house.call(route, &members);
        assert_eq!(answer.status, 200, "{route} {members}: {}", answer.body);
        assert_eq!(house.told()[field], expected, "{route} {members}");
        let told = if expected == 16_384 { "16384" } else { "" };
        assert_eq!(answer.header("x-doorward-max-tokens"), told, "{route} {members}");
    }
}

#[test]
fn a_field_that_the_upstream_does_not_heed_makes_no_hold_smaller() {
    let house = House::start(600);
    house.upstream.then(Script::Hang(1));
    let body = asking(&json!({"max_output_tokens": 1}));
    let mut first = house.program.stream_of(&house.key, body);
    assert_ne!(first.read(&mut [0; 1]).unwrap(), 0);
    let bound = house.told()["max_tokens"].as_u64().unwrap();
    assert!((256..600).contains(&bound), "{bound}");
    let second = house.call(CHAT, &json!({"max_output_tokens": 1}));
    assert_eq!((second.status, &second.json()["error"]["code"]), (429, &json!("budget_held")));
}

#[test]
fn input_that_a_call_only_names_is_held_at_a_whole_window() {
    let house = House::start(100_000);
    #[rustfmt::skip]
    let cases = [
        (CHAT,      json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]}), 200),
        (CHAT,      json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]}), 429),
        (RESPONSES, json!({"previous_response_id": null}),    200),
        (RESPONSES, json!({"previous_response_id": "resp_1"}), 429),
        (RESPONSES, json!({"background": true}),              400),
        (CHAT,      json!({"MODEL": "other"}),                                400),
    ];
    for (route, mut members, expected) in cases {
        members["max_tokens"] = 300.into();
        members["max_output_tokens"] = 300.into();
        let answer = house.call(route, &members);
        assert_eq!(answer.status, expected, "{members}: {}", answer.body);
    }
    assert_eq!(house.upstream.seen().len(), 2);
}

#[test]
fn each_prompt_of_a_list_is_held() {
    let house = House::start(1_000);
    let prompts = json!({"prompt": ["a", "b"], "best_of": 2, "max_tokens": 900});
    let answer = house.call(COMPLETIONS, &prompts);
    let room = (1_000 - asking(&prompts).to_string().len().div_ceil(3)) / 4;
    assert_eq!(answer.header("x-doorward-max-tokens"), room.to_string(), "{}", answer.body);
    assert_eq!(house.told()["max_tokens"], room);
}

/// Anthropic refuses a bound that is not above what thinking may use.
#[test]
fn a_bound_is_never_lowered_below_what_thinking_needs() {
    let house = House::start(2_500);
    let provider = house.program.add_provider_of(
        "anthropic",
        "thinker",
        &house.upstream.address.to_string(),
        None,
    );
    house.program.add_deployed("thinker", Some(PRICE), &json!([{"provider": provider}]));
    let call = |budget_tokens: u32| {
        let body = json!({
            "model": "thinker",
            "max_tokens": 8_000,
            "thinking": {"type": "enabled", "budget_tokens": budget_tokens},
            "messages": [{"role": "user", "content": "x"}],
        });
        house.program.ask("POST", "/v1/messages", &house.key, Some(&body))
    };
    let refused = call(4_000);
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(house.upstream.seen().is_empty());
    call(2_000);
    let bound = house.told()["max_tokens"].as_u64().unwrap();
    assert!((2_001..2_500).contains(&bound), "{bound}");
}
