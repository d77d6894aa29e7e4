//! The headers that every answer of the gateway has.

use serde_json::{Value, json};

use crate::program::{Answer, Program, chat, id_of};
use crate::upstream::{Script, Upstream};

const PATH: &str = "/v1/chat/completions";

fn all(answer: &Answer, name: &str) -> Vec<String> {
    let values = answer.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn an_answer_says_which_call_key_model_and_provider_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), None);
    let key = program.key();
    let mut ids = Vec::new();
    for (model, provider) in [("mock", "p-mock"), ("doorward/echo", "echo")] {
        for is_stream in [false, true] {
            let mut body = chat(model);
            body["stream"] = is_stream.into();
            let answer = program.ask("POST", PATH, key, Some(&body));
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.header("x-doorward-key"), id_of(key));
            assert_eq!(answer.header("x-doorward-model"), model);
            assert_eq!(answer.header("x-doorward-provider"), provider);
            for absent in ["x-doorward-attempts", "x-doorward-max-tokens", "ratelimit"] {
                assert_eq!(answer.header(absent), "", "{absent}");
            }
            ids.push(answer.header("x-request-id").to_owned());
        }
    }
    let list = program.ask("GET", "/v1/models", key, None);
    assert_eq!(list.header("x-doorward-key"), id_of(key));
    ids.push(list.header("x-request-id").to_owned());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("req_")), "{ids:?}");
}

#[test]
fn a_key_with_limits_is_told_them_in_both_families_of_headers() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let limits = json!({"requests_per_minute": 60, "tokens_per_minute": 6_000});
    let key = program.make_key(&json!({"name": "limited", "limits": limits}));
    let body = chat("doorward/echo");
    let worst = body.to_string().len().div_ceil(3) as u64 + 64;
    let answer = program.ask("POST", PATH, &key, Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "60");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "59");
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), (6_000 - worst).to_string());
    for (header, value) in
        [("limit-tokens", "6000"), ("reset-tokens", "1m0s"), ("reset-requests", "1m0s")]
    {
        assert_eq!(answer.header(&format!("x-ratelimit-{header}")), value, "{header}");
    }
    let policies = all(&answer, "ratelimit-policy");
    assert_eq!(policies, [r#""requests";q=60;w=60, "tokens";q=6000;w=60"#]);
    let states = format!(r#""requests";r=59;t=60, "tokens";r={};t=60"#, 6_000 - worst);
    assert_eq!(all(&answer, "ratelimit"), [states]);
    assert_eq!(answer.header("retry-after"), "");
}

#[test]
fn tokens_that_were_held_and_not_used_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let limits = json!({"tokens_per_day": 100_000});
    let key = program.make_key(&json!({"name": "limited", "limits": limits}));
    let mut body = chat("doorward/echo");
    body["max_tokens"] = 50_000.into();
    for _ in 0..5 {
        let answer = program.ask("POST", PATH, &key, Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let left: u64 = answer.header("x-ratelimit-remaining-tokens").parse().unwrap();
        assert!((49_900..50_000).contains(&left), "{left}");
    }
}

#[test]
fn where_a_budget_has_less_room_the_bound_is_lowered_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), Some(("1000", "1000")));
    // A token costs a tenth of a cent, so there is room for a thousand.
    let budgets = json!([{"usd": "1", "period": "total"}]);
    #[rustfmt::skip]
    let cases = [
        // what the client asks for                                  answers  fields lowered, field taken out
        (json!({"max_tokens": 100_000}),                              1, vec!["max_tokens"], None),
        (json!({}),                                                   1, vec!["max_tokens"], None),
        (json!({"max_completion_tokens": 2_000}),                     1, vec!["max_tokens"], Some("max_completion_tokens")),
        (json!({"max_tokens": 5_000, "max_completion_tokens": 4_000}), 1, vec!["max_tokens", "max_completion_tokens"], None),
        (json!({"max_tokens": 100_000, "n": 2}),                      2, vec!["max_tokens"], None),
        (json!({"max_tokens": null}),                                 1, vec!["max_tokens"], None),
        (json!({"max_tokens": null, "max_completion_tokens": null}),  1, vec!["max_tokens"], None),
        (json!({"max_tokens": 64}),                                   1, vec![], None),
    ];
    for (position, (fields, answers, lowered, taken)) in cases.into_iter().enumerate() {
        let wish = json!({"name": format!("key {position}"), "budgets": budgets});
        let key = program.make_key(&wish);
        let mut body = chat("mock");
        body.as_object_mut().unwrap().remove("max_tokens");
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = program.ask("POST", PATH, &key, Some(&body));
        assert_eq!(answer.status, 200, "{fields}: {}", answer.body);
        let sent: Value = serde_json::from_str(&upstream.seen().pop().unwrap().body).unwrap();
        if lowered.is_empty() {
            assert_eq!((answer.header("x-doorward-max-tokens"), sent), ("", body));
            continue;
        }
        let room = (1_000 - body.to_string().len().div_ceil(3)) / answers;
        assert_eq!(answer.header("x-doorward-max-tokens"), room.to_string(), "{fields}");
        for field in lowered {
            assert_eq!(sent[field], room, "{fields}");
            body[field] = room.into();
        }
        if let Some(field) = taken {
            body.as_object_mut().unwrap().remove(field);
        }
        assert_eq!(sent, body, "{fields}: nothing else changes");
    }
}
