//! An application that was written for Anthropic calls whichever provider serves the model.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::program::{Answer, Program};
use crate::upstream::{Script, Upstream, events, whole};

const PATH: &str = "/v1/messages";
const TOOL: &str = r#"{"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Let me look.","tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"city\": \"Paris\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":40,"completion_tokens":12,"total_tokens":52,"prompt_tokens_details":{"cached_tokens":30}}}"#;

/// A program whose model `served` is a provider of the OpenAI dialect.
fn start(script: Script) -> (tempfile::TempDir, Program, Upstream) {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(script);
    program.add_model("served", &upstream.address.to_string(), Some(("1", "2")));
    (dir, program, upstream)
}

fn ask(model: &str, more: &Value) -> Value {
    let mut body = json!({
        "model": model, "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello, are you there?"}],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// As Anthropic's own clients send the key.
fn send(program: &Program, key: &str, body: &Value) -> Answer {
    let headers = [
        ("x-api-key", key.to_owned()),
        ("anthropic-version", "2023-06-01".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    program.send_as(PATH, &headers, body.to_string().as_bytes())
}

/// The events of a stream, each with its name.
fn events_of(text: &str) -> Vec<(String, Value)> {
    let event = |block: &str| {
        let (name, data) = block.split_once("\ndata: ").unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        (name, serde_json::from_str(data).unwrap())
    };
    text.split("\n\n").filter(|block| !block.is_empty()).map(event).collect()
}

#[test]
fn the_built_in_provider_answers_at_once_and_in_pieces() {
    let (_dir, program, _upstream) = start(Script::Chat);
    let answer = send(&program, program.key(), &ask("doorward/echo", &json!({})));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let message = answer.json();
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["content"], json!([{"type": "text", "text": "Hello, are you there?"}]));
    assert_eq!(message["stop_reason"], "end_turn");
    assert_eq!(message["usage"]["output_tokens"], 4);

    let answer = send(&program, program.key(), &ask("doorward/echo", &json!({"stream": true})));
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let events = events_of(&answer.body);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.first(), Some(&"message_start"));
    assert_eq!(names.last(), Some(&"message_stop"));
    let said: String = events
        .iter()
        .filter_map(|(_, data)| data["delta"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(said, "Hello, are you there?");
    for (name, data) in &events {
        assert_eq!(data["type"], json!(name));
    }
}

#[test]
fn tools_go_there_and_calls_come_back() {
    let (_dir, program, upstream) = start(Script::Raw(whole(200, "", TOOL)));
    let tools = json!({
        "system": "Be brief.",
        "tools": [{"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "temperature": 0.5, "stop_sequences": ["END"],
    });
    let answer = send(&program, program.key(), &ask("served", &tools));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen: Value = serde_json::from_str(&upstream.seen()[0].body).unwrap();
    assert!(upstream.seen()[0].head.starts_with("POST /v1/chat/completions "));
    assert!(!upstream.seen()[0].head.contains("anthropic-version"));
    assert_eq!(seen["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(seen["tools"][0]["function"]["name"], "get_weather");
    assert_eq!(
        (&seen["tool_choice"], &seen["parallel_tool_calls"]),
        (&json!("required"), &json!(false))
    );
    assert_eq!((&seen["temperature"], &seen["max_tokens"]), (&json!(0.5), &json!(100)));

    let message = answer.json();
    assert_eq!(message["content"][0], json!({"type": "text", "text": "Let me look."}));
    let call = &message["content"][1];
    assert_eq!((&call["type"], &call["id"]), (&json!("tool_use"), &json!("call_1")));
    assert_eq!(call["input"], json!({"city": "Paris"}));
    assert_eq!(
        (&message["stop_reason"], &message["model"]),
        (&json!("tool_use"), &json!("served"))
    );
    let usage = &message["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["cache_read_input_tokens"]),
        (&json!(10), &json!(30))
    );
    let billed = program.usage("served");
    assert_eq!((&billed["input_tokens"], &billed["output_tokens"]), (&json!(40), &json!(12)));
}

#[test]
fn a_stream_is_translated_as_it_comes_and_billed_by_the_providers_figures() {
    let (_dir, program, upstream) = start(Script::Chat);
    let answer = send(&program, program.key(), &ask("served", &json!({"stream": true})));
    let events = events_of(&answer.body);
    assert!(upstream.seen()[0].body.contains(r#""include_usage":true"#));
    let deltas = events.iter().filter(|(name, _)| name == "content_block_delta").count();
    assert_eq!(deltas, 50);
    let (_, end) = events.iter().find(|(name, _)| name == "message_delta").unwrap();
    assert_eq!(end["usage"]["output_tokens"], 50);
    assert_eq!(program.usage("served")["output_tokens"], 50);
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_and_no_end() {
    let (_dir, program, _upstream) = start(Script::Reset(3));
    let mut text = String::new();
    let body = ask("served", &json!({"stream": true}));
    program.stream_from(PATH, program.key(), &body).read_to_string(&mut text).ok();
    let events = events_of(&text);
    let (name, error) = events.last().unwrap();
    assert_eq!(name, "error");
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["type"], "api_error");
    assert!(!text.contains("message_stop"));
}

#[test]
fn errors_have_the_dialects_own_shape() {
    let (_dir, program, upstream) = start(Script::Chat);
    let key = program.key().to_owned();
    #[rustfmt::skip]
    let cases = [
        ("dw_nobody", ask("served", &json!({})),                         401, "authentication_error", "API key"),
        (&*key,       ask("unknown", &json!({})),                        404, "not_found_error",      "model"),
        (&*key,       json!({"max_tokens": 5, "messages": []}),         400, "invalid_request_error", "`model`"),
        (&*key,       ask("served", &json!({"messages": "hello"})),      400, "invalid_request_error", "`messages`"),
        (&*key,       ask("served", &json!({"max_tokens": 0})),          400, "invalid_request_error", "`max_tokens`"),
        (&*key,       ask("served", &json!({"messages": [{"role": "robot", "content": "x"}]})), 400, "invalid_request_error", "`messages[0].role`"),
        (&*key,       ask("served", &json!({"container": "c_1"})),       400, "invalid_request_error", "`container`"),
    ];
    for (key, body, status, kind, word) in cases {
        let answer = send(&program, key, &body);
        let error = answer.json();
        assert_eq!((answer.status, &error["type"]), (status, &json!("error")), "{body}: {error}");
        assert_eq!(error["error"]["type"], kind, "{body}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{body}: {error}");
        assert_eq!(error["request_id"], answer.header("x-request-id"), "{body}");
    }
    assert!(upstream.seen().is_empty());
    let wrong = program.ask("GET", PATH, &key, None);
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
    assert_eq!(wrong.json()["type"], "error");
}

#[test]
fn an_error_of_the_provider_is_told_in_the_clients_dialect() {
    let body = r#"{"error":{"message":"Slow down.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    let (_dir, program, _upstream) = start(Script::Raw(whole(429, "retry-after: 7\r\n", body)));
    let answer = send(&program, program.key(), &ask("served", &json!({})));
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    let error = answer.json();
    assert_eq!(error["error"]["type"], "rate_limit_error");
    assert_eq!(error["error"]["message"], "Slow down.");
}

#[test]
fn what_the_client_lets_us_drop_is_dropped_and_told() {
    let (_dir, program, upstream) = start(Script::Chat);
    let more = json!({"container": "c_1", "doorward_drop_unsupported": ["container"]});
    let answer = send(&program, program.key(), &ask("served", &more));
    assert_eq!((answer.status, answer.header("x-doorward-dropped")), (200, "container"));
    assert!(!upstream.seen()[0].body.contains("container"));
    let more = json!({"container": "c_1", "doorward_drop_unsupported": ["top_k"]});
    assert_eq!(send(&program, program.key(), &ask("served", &more)).status, 400);
}

#[test]
fn a_stream_that_the_provider_garbles_is_an_error() {
    let garbled = [
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {not json\n\n",
    ];
    let (_dir, program, _upstream) = start(Script::Raw(events(&garbled)));
    let answer = send(&program, program.key(), &ask("served", &json!({"stream": true})));
    let events = events_of(&answer.body);
    assert_eq!(events.last().unwrap().0, "error");
    assert_eq!(events.iter().filter(|(name, _)| name == "error").count(), 1);
}
