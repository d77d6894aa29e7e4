//! What the dialect forbids is told by its path, and never by its value.

use doorward_dialect::anthropic::{read_answer, read_count, read_request};
use serde_json::{Value, json};

/// A good request with one thing changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = json!({
        "model": "m",
        "max_tokens": 10,
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                {"type": "tool_use", "id": "b", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "2"}]}]},
        ],
    });
    let (before, name) = pointer.rsplit_once('/').unwrap();
    let place = body.pointer_mut(before).unwrap();
    match place {
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        place => place[name] = value,
    }
    body
}

#[test]
fn a_good_request_is_read() {
    read_request(with("/stream", json!(true)).to_string().as_bytes()).unwrap();
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_is_named_by_its_path() {
    let secret = "s3cret";
    #[rustfmt::skip]
    let cases = [
        ("/model",                          Value::Null,                              "model"),
        ("/model",                          json!(["s3cret"]),                        "model"),
        ("/max_tokens",                     Value::Null,                              "max_tokens"),
        ("/max_tokens",                     json!("s3cret"),                          "max_tokens"),
        ("/max_tokens",                     json!(-1),                                "max_tokens"),
        ("/max_tokens",                     json!(1.5),                               "max_tokens"),
        ("/messages",                       Value::Null,                              "messages"),
        ("/messages",                       json!("s3cret"),                          "messages"),
        ("/messages",                       json!([]),                                "messages"),
        ("/messages",                       json!([{"role":"user","content":""}]),    "messages"),
        ("/messages/0",                     json!("s3cret"),                          "messages[0]"),
        ("/messages/0/role",                json!("s3cret"),                          "messages[0].role"),
        ("/messages/0/role",                Value::Null,                              "messages[0].role"),
        ("/messages/0/content",             Value::Null,                              "messages[0].content"),
        ("/messages/0/content",             json!({"s3cret":1}),                      "messages[0].content"),
        ("/messages/0/content/0",           json!("s3cret"),                          "messages[0].content[0]"),
        ("/messages/0/content/0/type",      json!("s3cret"),                          "messages[0].content[0].type"),
        ("/messages/0/content/0/type",      Value::Null,                              "messages[0].content[0].type"),
        ("/messages/0/content/0/type",      json!("tool_use"),                        "messages[0].content[0].type"),
        ("/messages/0/content/0/type",      json!("thinking"),                        "messages[0].content[0].type"),
        ("/messages/0/content/0/text",      Value::Null,                              "messages[0].content[0].text"),
        ("/messages/0/content/0/text",      json!(7),                                 "messages[0].content[0].text"),
        ("/messages/0/content/0/cache_control", json!({"type":"s3cret"}),             "messages[0].content[0].cache_control.type"),
        ("/messages/0/content/0/cache_control", json!({"type":"ephemeral","ttl":"s3cret"}), "messages[0].content[0].cache_control.ttl"),
        ("/messages/0/content/0",           json!({"type":"image"}),                  "messages[0].content[0].source"),
        ("/messages/0/content/0",           json!({"type":"image","source":{"type":"s3cret"}}), "messages[0].content[0].source.type"),
        ("/messages/0/content/0",           json!({"type":"image","source":{"type":"base64","media_type":"image/s3cret","data":""}}), "messages[0].content[0].source.media_type"),
        ("/messages/0/content/0",           json!({"type":"image","source":{"type":"base64","media_type":"image/png"}}), "messages[0].content[0].source.data"),
        ("/messages/0/content/0",           json!({"type":"image","source":{"type":"url","url":"file:///s3cret"}}), "messages[0].content[0].source.url"),
        ("/messages/0/content/0",           json!({"type":"document","source":{"type":"base64","media_type":"text/s3cret","data":""}}), "messages[0].content[0].source.media_type"),
        ("/messages/1/content/0/id",        Value::Null,                              "messages[1].content[0].id"),
        ("/messages/1/content/0/name",      Value::Null,                              "messages[1].content[0].name"),
        ("/messages/1/content/0/input",     Value::Null,                              "messages[1].content[0].input"),
        ("/messages/1/content/0/input",     json!(["s3cret"]),                        "messages[1].content[0].input"),
        ("/messages/1/content/0/id",        json!("b"),                               "messages[1].content"),
        ("/messages/1/content/0",           json!({"type":"image"}),                  "messages[1].content[0].type"),
        ("/messages/1/content/0",           json!({"type":"thinking","thinking":"s3cret"}), "messages[1].content[0].signature"),
        ("/messages/2/content/0/tool_use_id", Value::Null,                            "messages[2].content[0].tool_use_id"),
        ("/messages/2/content/0/tool_use_id", json!("s3cret"),                        "messages[2].content"),
        ("/messages/2/content/0/tool_use_id", json!("b"),                             "messages[2].content"),
        ("/messages/2/content/0",           json!({"type":"text","text":"s3cret"}),   "messages[2].content"),
        ("/messages/2/content/1/content/0", json!({"type":"tool_use"}),               "messages[2].content[1].content[0].type"),
        ("/messages/2",                     json!({"role":"user","content":"s3cret"}), "messages[1].content"),
        ("/messages/2",                     json!({"role":"assistant","content":"s3cret"}), "messages[1].content"),
        ("/system",                         json!(7),                                 "system"),
        ("/system",                         json!([{"type":"image"}]),                "system[0].type"),
        ("/temperature",                    json!(1.01),                              "temperature"),
        ("/temperature",                    json!("s3cret"),                          "temperature"),
        ("/top_p",                          json!(-0.5),                              "top_p"),
        ("/top_k",                          json!(-5),                                "top_k"),
        ("/stop_sequences",                 json!(["a", " \n"]),                      "stop_sequences[1]"),
        ("/stop_sequences",                 json!("s3cret"),                          "stop_sequences"),
        ("/stream",                         json!("s3cret"),                          "stream"),
        ("/tools/0/name",                   json!("s3cret tool"),                     "tools[0].name"),
        ("/tools/0/name",                   Value::Null,                              "tools[0].name"),
        ("/tools/0/input_schema",           Value::Null,                              "tools[0].input_schema"),
        ("/tools/0/input_schema",           json!("s3cret"),                          "tools[0].input_schema"),
        ("/tool_choice",                    json!("s3cret"),                          "tool_choice"),
        ("/tool_choice",                    json!({"type":"s3cret"}),                 "tool_choice.type"),
        ("/tool_choice",                    json!({"type":"tool"}),                   "tool_choice.name"),
        ("/thinking",                       json!({"type":"s3cret"}),                 "thinking.type"),
        ("/thinking",                       json!({"type":"enabled"}),                "thinking.budget_tokens"),
        ("/thinking",                       json!({"type":"enabled","budget_tokens":1023}), "thinking.budget_tokens"),
        ("/thinking",                       json!({"type":"adaptive","display":"s3cret"}), "thinking.display"),
        ("/output_config",                  json!({"effort":"s3cret"}),               "output_config.effort"),
        ("/output_config",                  json!({"format":{"type":"s3cret"}}),      "output_config.format.type"),
        ("/output_config",                  json!({"format":{"type":"json_schema"}}), "output_config.format.schema"),
        ("/metadata",                       json!("s3cret"),                          "metadata"),
    ];
    for (pointer, value, path) in cases {
        let body = with(pointer, value.clone()).to_string();
        let why = read_request(body.as_bytes()).expect_err(&body);
        assert_eq!(why.path, path, "{pointer} = {value}: {why}");
        assert!(!why.to_string().contains(secret) && !why.why.is_empty(), "{why}");
        assert_ne!(why.why, "has the wrong type", "{pointer} = {value}");
    }
}

#[test]
fn outcomes_stand_before_all_else() {
    let body = with(
        "/messages/2/content",
        json!([
            {"type": "text", "text": "first"},
            {"type": "tool_result", "tool_use_id": "a"},
            {"type": "tool_result", "tool_use_id": "b"},
        ]),
    );
    assert_eq!(read_request(body.to_string().as_bytes()).unwrap_err().path, "messages[2].content");
}

#[test]
fn what_is_no_body_is_told_so() {
    for body in ["", "{", "nonsense", "{\"model\":\"m\"} {}", "{\"model\":\"\u{0}\"}", "\u{feff}{}"]
    {
        let why = read_request(body.as_bytes()).unwrap_err();
        assert_eq!(why.to_string(), "The field `body` is not JSON.", "{body}");
    }
    for body in ["[]", "7", "null", "\"text\""] {
        let why = read_request(body.as_bytes()).unwrap_err();
        assert_eq!(why.to_string(), "The field `body` must be an object.", "{body}");
    }
    assert!(read_request(b"{\"model\":\"\xff\"}").is_err());
    let deep = format!(r#"{{"model":"m","max_tokens":1,"messages":{}"#, "[".repeat(100_000));
    assert!(read_request(deep.as_bytes()).is_err());
}

#[test]
fn an_answer_that_is_none_is_malformed() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"type":"error","error":{"type":"api_error"}}"#,                         "type"),
        (r#"{"type":"message"}"#,                                                    "content"),
        (r#"{"content":"text"}"#,                                                    "content"),
        (r#"{"content":[{"type":"tool_use","name":"f","input":{}}]}"#,               "content[0].id"),
        (r#"{"content":[{"type":"text"},{"type":"tool_use","id":"a","input":{}}]}"#, "content[1].name"),
        (r#"{"content":[{"type":"tool_use","id":"a","name":"f","input":"x"}]}"#,     "content[0].input"),
        (r#"{"content":[{"type":"text","text":7}]}"#,                                "content[0].text"),
        ("<html>",                                                                   "body"),
    ];
    for (body, path) in cases {
        assert_eq!(read_answer(body.as_bytes()).expect_err(body).path, path, "{body}");
    }
    for body in ["{}", "[]", "x", r#"{"input_tokens":"many"}"#] {
        assert!(read_count(body.as_bytes()).is_err(), "{body}");
    }
}
