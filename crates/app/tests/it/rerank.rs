//! `POST /v1/rerank`.

use serde_json::{Value, json};

use crate::program::Program;
use crate::upstream::{Script, Upstream, whole};

const PATH: &str = "/v1/rerank";

#[test]
fn a_ranking_passes_untouched_and_is_billed_by_what_it_is_sold_by() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    let provider = program.add_provider("mock", &upstream.address.to_string());
    let (by_search, by_token) =
        (json!({"ranking_units_1k": "2"}), json!({"input": "0.05", "output": "0"}));
    let billed = r#"{"id":"r", "results":[{"index":1,"relevance_score":0.9}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":3}}}"#;
    let counted = r#"{"model":"u","results":[], "usage":{"total_tokens":815}}"#;
    let silent = r#"{"results":[{"index":0}]}"#;
    let documents = json!(vec!["a"; 101]);
    let asked = |model: &str| {
        format!(
            r#"{{"model":"{model}", "query" :"a?","documents":{documents},"top_n":1,"x":[1, 2]}}"#
        )
    };
    let text = asked("by-token").len().div_ceil(3);
    #[rustfmt::skip]
    let cases: [(&str, &Value, &str, String); 6] = [
        // model        price       answer   what it costs, in dollars
        ("by-search",   &by_search, billed,  "0.006".into()),
        ("by-search-2", &by_search, counted, "0.004".into()), // one for each hundred documents
        ("by-search-3", &by_search, silent,  "0.004".into()),
        ("by-token",    &by_token,  counted, "0.00004075".into()),
        ("by-tokens",   &by_token,  billed,  String::new()), // it tells no tokens
        ("by-nothing",  &by_token,  silent,  String::new()),
    ];
    for (model, price, answer, cost) in cases {
        program.add_priced(model, price, &json!([{"provider": provider, "upstream_model": "u"}]));
        upstream.once(Script::Raw(whole(200, "", answer)));
        let asked = asked(model);
        let headers = [("authorization", format!("Bearer {}", program.key()))];
        let got = program.send("POST", PATH, &headers, Some(asked.as_bytes()));
        assert_eq!((got.status, got.body.as_str()), (200, answer));
        let seen = upstream.seen().pop().unwrap();
        assert!(seen.head.starts_with("POST /v1/rerank HTTP/1.1\r\n"), "{}", seen.head);
        assert_eq!(seen.body, asked.replace(&format!("\"{model}\""), "\"u\""));
        let usage = program.usage(model);
        if cost.is_empty() {
            assert!(usage["input_tokens"].as_u64().unwrap().abs_diff(text as u64) < 9, "{usage}");
        } else {
            assert_eq!(usage["cost_usd"], cost, "{model}");
        }
    }
}

#[test]
fn openai_itself_ranks_nothing_and_is_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    for kind in ["openai", "azure", "anthropic", "google"] {
        let provider = program.add_provider_of(kind, kind, &upstream.address.to_string(), None);
        program.add_deployed(kind, None, &json!([{"provider": provider}]));
        let body = json!({"model": kind, "query": "a", "documents": ["a"]});
        let answer = program.ask("POST", PATH, program.key(), Some(&body));
        assert_eq!(answer.status, 400, "{kind}: {}", answer.body);
        assert_eq!(answer.json()["error"]["code"], "unsupported_route", "{kind}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_built_in_provider_ranks_by_the_words_that_are_in_common() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let body = json!({
        "model": "doorward/echo", "query": "Where is the red door?", "top_n": 2, "return_documents": true,
        "documents": ["A window.", {"text": "The red door is here."}, "The door."],
    });
    let answer = program.ask("POST", PATH, program.key(), Some(&body)).json();
    let ranked: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|result| &result["index"]).collect();
    assert_eq!(ranked, [&json!(1), &json!(2)], "{answer}");
    assert_eq!(answer["results"][0]["relevance_score"], 0.8);
    assert_eq!(answer["results"][0]["document"]["text"], "The red door is here.");
    assert_eq!(answer["usage"]["total_tokens"], 5 + 2 + 5 + 2);
}
