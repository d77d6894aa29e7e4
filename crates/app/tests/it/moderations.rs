//! `POST /v1/moderations`.

use serde_json::json;

use crate::program::Program;
use crate::upstream::{Script, Upstream, whole};

const PATH: &str = "/v1/moderations";

#[test]
fn a_verdict_passes_untouched_and_costs_what_it_tells_or_what_the_text_is_estimated_at() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    let provider = program.add_provider("mock", &upstream.address.to_string());
    let on = json!([{"provider": provider, "upstream_model": "omni-moderation-latest"}]);
    program.add_deployed("judge", Some(("3", "5")), &on);
    let asked = r#"{"input" :["Hello.", "Hi, \u00e4"],"model":"judge"}"#;
    let told = r#"{"id":"modr-1","results":[{"flagged":false}],"usage":{"prompt_tokens":7,"total_tokens":7}}"#;
    let silent = r#"{"id":"modr-1", "results":[{"flagged":true}]}"#;
    let estimate = asked.len().div_ceil(3);
    for (answer, cost) in [(told, 21), (silent, 21 + 3 * estimate)] {
        upstream.once(Script::Raw(whole(200, "", answer)));
        let headers = [("authorization", format!("Bearer {}", program.key()))];
        let got = program.send("POST", PATH, &headers, Some(asked.as_bytes()));
        assert_eq!((got.status, got.body.as_str()), (200, answer));
        let seen = upstream.seen().pop().unwrap();
        assert!(seen.head.starts_with("POST /v1/moderations HTTP/1.1\r\n"), "{}", seen.head);
        assert_eq!(seen.body, asked.replace("\"judge\"", "\"omni-moderation-latest\""));
        let expected = format!("0.{cost:06}");
        assert_eq!(program.usage("judge")["cost_usd"], expected.trim_end_matches('0'));
    }
}

#[test]
fn who_has_no_such_route_is_not_asked_and_where_nobody_has_it_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let (azure, other) = (Upstream::start(Script::Chat), Upstream::start(Script::Chat));
    let first = program.add_provider_of("azure", "azure", &azure.address.to_string(), None);
    let second = program.add_provider("other", &other.address.to_string());
    program.add_deployed(
        "judge",
        None,
        &json!([{"provider": first}, {"provider": second, "priority": 9}]),
    );
    program.add_deployed("none", None, &json!([{"provider": first}]));
    let body = |model| json!({"model": model, "input": "Hi"});
    let answer = program.ask("POST", PATH, program.key(), Some(&body("judge")));
    assert_eq!((answer.status, answer.header("x-doorward-provider")), (200, "p-other"));
    let answer = program.ask("POST", PATH, program.key(), Some(&body("none")));
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.json()["error"]["code"], "unsupported_route");
    assert!(azure.seen().is_empty());
}

#[test]
fn the_built_in_provider_finds_no_harm_in_any_text() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    for (input, verdicts) in
        [(json!("Hi"), 1), (json!(["a", "b"]), 2), (json!([{"type": "text", "text": "a"}]), 1)]
    {
        let body = json!({"model": "doorward/echo", "input": input});
        let answer = program.ask("POST", PATH, program.key(), Some(&body)).json();
        let results = answer["results"].as_array().unwrap();
        assert_eq!((results.len(), &results[0]["flagged"]), (verdicts, &json!(false)), "{answer}");
        assert_eq!(results[0]["categories"]["self-harm/intent"], false);
    }
    let many = json!({"model": "doorward/echo", "input": vec!["a"; 1_001]});
    let refused = program.ask("POST", PATH, program.key(), Some(&many));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("`input`"), "{}", refused.body);
}
