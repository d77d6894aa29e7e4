//! What the dialect forbids is told by its path, and never repeated.

use doorward_dialect::openai::{StreamReader, read_answer, read_request};
use serde_json::{Value, json};

/// What must never stand in an error.
const SECRET: &str = "sECRET";

fn with(name: &str, value: Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    body[name] = value;
    body
}

fn messages(messages: Value) -> Value {
    json!({ "model": "m", "messages": messages })
}

/// One part of a user's message.
fn part(part: Value) -> Value {
    messages(json!([{ "role": "user", "content": [part] }]))
}

fn called(calls: Value, then: Value) -> Value {
    messages(json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": null, "tool_calls": calls },
        then,
    ]))
}

fn call(arguments: &str) -> Value {
    json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": arguments } })
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_the_dialect_forbids_is_told_by_its_path_alone() {
    let s = SECRET;
    let result = json!({ "role": "tool", "tool_call_id": "c", "content": "x" });
    let schema = |schema: Value| json!({ "type": "json_schema", "json_schema": schema });
    #[rustfmt::skip]
    let cases = [
        (json!(s),                                                           "body"),
        (json!([s]),                                                         "body"),
        (json!({ "messages": [] }),                                          "model"),
        (with("model", json!(7)),                                            "model"),
        (with("model", json!("")),                                           "model"),
        (json!({ "model": s }),                                              "messages"),
        (messages(json!(s)),                                                 "messages"),
        (messages(json!([])),                                                "messages"),
        (messages(json!([{ "role": "user", "content": "" }])),               "messages"),
        (messages(json!([s])),                                               "messages[0]"),
        (messages(json!([{ "content": s }])),                                "messages[0].role"),
        (messages(json!([{ "role": s, "content": "x" }])),                   "messages[0].role"),
        (messages(json!([{ "role": "user" }])),                              "messages[0].content"),
        (messages(json!([{ "role": "user", "content": { "a": s } }])),       "messages[0].content"),
        (messages(json!([{ "role": "system", "content": [{ "type": "image_url", "image_url": s }] }])), "messages[0].content[0].type"),
        (part(json!(s)),                                                     "messages[0].content[0]"),
        (part(json!({ "text": s })),                                         "messages[0].content[0].type"),
        (part(json!({ "type": s })),                                         "messages[0].content[0].type"),
        (part(json!({ "type": "text" })),                                    "messages[0].content[0].text"),
        (part(json!({ "type": "text", "text": [s] })),                       "messages[0].content[0].text"),
        (part(json!({ "type": "image_url" })),                               "messages[0].content[0].image_url"),
        (part(json!({ "type": "image_url", "image_url": { "url": s } })),    "messages[0].content[0].image_url.url"),
        (part(json!({ "type": "image_url", "image_url": { "url": format!("data:text/plain;base64,{s}") } })), "messages[0].content[0].image_url.url"),
        (part(json!({ "type": "input_audio", "input_audio": { "data": s, "format": s } })), "messages[0].content[0].input_audio.format"),
        (part(json!({ "type": "input_audio", "input_audio": { "format": "wav" } })), "messages[0].content[0].input_audio.data"),
        (part(json!({ "type": "file", "file": { "filename": s } })),         "messages[0].content[0].file.file_id"),
        (part(json!({ "type": "file", "file": { "file_data": s } })),        "messages[0].content[0].file.file_data"),
        (called(json!(s), result.clone()),                                   "messages[1].tool_calls"),
        (called(json!([{ "type": "function" }]), result.clone()),            "messages[1].tool_calls[0].id"),
        (called(json!([{ "id": "c", "type": s }]), result.clone()),          "messages[1].tool_calls[0].type"),
        (called(json!([{ "id": "c" }]), result.clone()),                     "messages[1].tool_calls[0].function"),
        (called(json!([{ "id": "c", "function": { "name": s } }]), result.clone()), "messages[1].tool_calls[0].function.arguments"),
        (called(json!([call(s)]), result.clone()),                           "messages[1].tool_calls[0].function.arguments"),
        (called(json!([call("[1]")]), result.clone()),                       "messages[1].tool_calls[0].function.arguments"),
        (called(json!([call("{\"a\":")]), result.clone()),                   "messages[1].tool_calls[0].function.arguments"),
        (called(json!([call(""), call("")]), result.clone()),                "messages[1].tool_calls[1].id"),
        (called(json!([call("")]), json!({ "role": "user", "content": s })), "messages[1].tool_calls"),
        (called(json!([call("")]), json!({ "role": "tool", "content": s })), "messages[2].tool_call_id"),
        (called(json!([call("")]), json!({ "role": "tool", "tool_call_id": s, "content": s })), "messages[2].tool_call_id"),
        (called(json!([call("")]), json!({ "role": "tool", "tool_call_id": "c" })), "messages[2].content"),
        (messages(json!([{ "role": "user", "content": "x" }, result])),      "messages[1].tool_call_id"),
        (messages(json!([{ "role": "assistant", "tool_calls": [call("")] }, result, result])), "messages[2].tool_call_id"),
        (messages(json!([{ "role": "assistant", "function_call": { "name": "f", "arguments": "" } }, { "role": "function", "name": s, "content": "" }])), "messages[1].name"),
        (with("temperature", json!(s)),                                      "temperature"),
        (with("temperature", json!(2.5)),                                    "temperature"),
        (with("top_p", json!(-1)),                                           "top_p"),
        (with("frequency_penalty", json!(3)),                                "frequency_penalty"),
        (with("max_tokens", json!(-1)),                                      "max_tokens"),
        (with("max_completion_tokens", json!(1.5)),                          "max_completion_tokens"),
        (with("max_completion_tokens", json!(s)),                            "max_completion_tokens"),
        (with("seed", json!(s)),                                             "seed"),
        (with("n", json!(0)),                                                "n"),
        (with("stop", json!({ "a": s })),                                    "stop"),
        (with("stop", json!(["a", 7])),                                      "stop[1]"),
        (with("stream", json!(s)),                                           "stream"),
        (with("stream_options", json!(s)),                                   "stream_options"),
        (with("stream_options", json!({ "include_usage": s })),              "stream_options.include_usage"),
        (with("reasoning_effort", json!(s)),                                 "reasoning_effort"),
        (with("response_format", json!(s)),                                  "response_format"),
        (with("response_format", json!({ "type": s })),                      "response_format.type"),
        (with("response_format", schema(json!({ "name": s }))),              "response_format.json_schema.schema"),
        (with("response_format", schema(json!({ "schema": {} }))),           "response_format.json_schema.name"),
        (with("response_format", schema(json!({ "name": "a", "schema": s }))), "response_format.json_schema.schema"),
        (with("tools", json!(s)),                                            "tools"),
        (with("tools", json!([{ "function": {} }])),                         "tools[0].type"),
        (with("tools", json!([{ "type": "function" }])),                     "tools[0].function"),
        (with("tools", json!([{ "type": "function", "function": { "description": s } }])), "tools[0].function.name"),
        (with("tools", json!([{ "type": "function", "function": { "name": "f", "parameters": s } }])), "tools[0].function.parameters"),
        (with("tool_choice", json!(s)),                                      "tool_choice"),
        (with("tool_choice", json!(7)),                                      "tool_choice"),
        (with("tool_choice", json!({ "type": s })),                          "tool_choice.type"),
        (with("tool_choice", json!({ "type": "function" })),                 "tool_choice.function"),
        (with("tool_choice", json!({ "type": "allowed_tools", "allowed_tools": { "mode": s } })), "tool_choice.allowed_tools.mode"),
        (with("parallel_tool_calls", json!(s)),                              "parallel_tool_calls"),
        (with("user", json!(7)),                                             "user"),
    ];
    for (body, path) in cases {
        let body = body.to_string();
        let malformed = read_request(body.as_bytes()).expect_err(&body);
        assert_eq!(malformed.path, path, "{body}");
        assert!(!malformed.to_string().contains(SECRET), "{malformed}");
        assert!(!malformed.why.ends_with('.') && !malformed.why.is_empty(), "{malformed}");
    }
}

#[test]
fn two_limits_of_the_output_must_agree() {
    let mut body = with("max_tokens", json!(5));
    body["max_completion_tokens"] = json!(5);
    let text = body.to_string();
    assert_eq!(read_request(text.as_bytes()).unwrap().output_tokens_max, Some(5));
    body["max_completion_tokens"] = json!(6);
    assert_eq!(read_request(body.to_string().as_bytes()).unwrap_err().path, "max_tokens");
}

#[test]
fn what_is_no_json_is_the_body_that_is_malformed() {
    for body in ["", "{", "{\"model\":\"m\"", "\u{feff}{}", "nul"] {
        assert_eq!(read_request(body.as_bytes()).unwrap_err().path, "body", "{body:?}");
        assert_eq!(read_answer(body.as_bytes()).unwrap_err().path, "body", "{body:?}");
    }
    assert!(read_request(b"{\"model\":\"\xff\"}").is_err());
}

#[test]
fn an_answer_that_is_none_is_told_by_its_path() {
    let choice = |message: Value| json!({ "choices": [{ "message": message }] });
    let call =
        |function: Value| choice(json!({ "tool_calls": [{ "id": "c", "function": function }] }));
    #[rustfmt::skip]
    let cases = [
        (json!([]),                                             "body"),
        (json!({}),                                             "choices"),
        (json!({ "choices": [] }),                              "choices"),
        (json!({ "choices": [{}] }),                            "choices[0].message"),
        (json!({ "choices": SECRET }),                          "body"),
        (json!({ "error": { "message": SECRET } }),             "error"),
        (json!({ "choices": [], "error": SECRET }),             "error"),
        (choice(json!({ "tool_calls": [{}] })),                 "choices[0].message.tool_calls[0].function"),
        (call(json!({ "arguments": "{}" })),                    "choices[0].message.tool_calls[0].function.name"),
        (call(json!({ "name": "f", "arguments": SECRET })),     "choices[0].message.tool_calls[0].function.arguments"),
    ];
    for (body, path) in cases {
        let body = body.to_string();
        let malformed = read_answer(body.as_bytes()).expect_err(&body);
        assert_eq!(malformed.path, path, "{body}");
        assert!(!malformed.to_string().contains(SECRET), "{malformed}");
    }
}

#[test]
fn an_event_that_is_none_is_malformed() {
    for data in ["{", "[1]", "7", "null", r#"{"choices":[{"index":128,"delta":{}}]}"#, "\u{1}"] {
        assert!(StreamReader::new().read(data.as_bytes()).is_err(), "{data}");
    }
    // Of a call that never got a name nothing can be made.
    let mut reader = StreamReader::new();
    let piece = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"arguments":"{}"}}]}}]}"#;
    assert_eq!(reader.read(piece.as_bytes()).unwrap().len(), 1);
    assert!(reader.read(b"[DONE]").is_err());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>, text: String) {
        let parts = [body.as_slice(), text.as_bytes()];
        for body in parts {
            drop(read_request(body));
            drop(read_answer(body));
            drop(StreamReader::new().read(body));
        }
    }

    /// Bytes that are nearly right reach further.
    #[test]
    fn any_damage_is_read_or_refused(at: proptest::sample::Index, byte: u8, cut: proptest::sample::Index) {
        let goldens = [
            include_str!("../golden/openai/requests/every_field.json"),
            include_str!("../golden/openai/answers/everything.json"),
            include_str!("../golden/openai/streams/vllm.sse"),
        ];
        for golden in goldens {
            let mut body = golden.as_bytes().to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            drop(read_request(&body));
            drop(read_answer(&body));
            body.truncate(cut.index(golden.len()));
            drop(read_request(&body));
            let mut reader = StreamReader::new();
            for data in body.split(|byte| *byte == b'\n') {
                drop(reader.read(data.strip_prefix(b"data: ").unwrap_or(data)));
            }
            drop(reader.end());
        }
    }
}
