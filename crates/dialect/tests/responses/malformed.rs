//! What a response's request may not say is told by its path, and never repeated.

use doorward_dialect::openai::responses::read_request;
use serde_json::{Value, json};

/// What must never stand in an error.
const SECRET: &str = "sECRET";

fn with(name: &str, value: Value) -> Value {
    let mut body = json!({ "model": "m", "input": "hi" });
    body[name] = value;
    body
}

fn items(items: Value) -> Value {
    with("input", items)
}

fn part(part: Value) -> Value {
    items(json!([{ "role": "user", "content": [part] }]))
}

fn call(id: &str, arguments: &str) -> Value {
    json!({ "type": "function_call", "call_id": id, "name": "f", "arguments": arguments })
}

fn output(id: &str) -> Value {
    json!({ "type": "function_call_output", "call_id": id, "output": "x" })
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_is_wrong_is_told_by_its_path_alone() {
    let s = SECRET;
    let user = json!({ "role": "user", "content": s });
    let format = |format: Value| with("text", json!({ "format": format }));
    #[rustfmt::skip]
    let cases = [
        (json!(s),                                                         "body"),
        (json!([s]),                                                       "body"),
        (json!({ "input": s }),                                            "model"),
        (with("model", json!("")),                                         "model"),
        (json!({ "model": s }),                                            "input"),
        (items(json!(7)),                                                  "input"),
        (items(json!({ "a": s })),                                         "input"),
        (items(json!("")),                                                 "input"),
        (items(json!([])),                                                 "input"),
        (items(json!([s])),                                                "input[0]"),
        (items(json!([{ "content": s }])),                                 "input[0].role"),
        (items(json!([{ "role": s, "content": "x" }])),                    "input[0].role"),
        (items(json!([{ "role": "user" }])),                               "input[0].content"),
        (items(json!([{ "role": "user", "content": { "a": s } }])),        "input[0].content"),
        (items(json!([{ "role": "system", "content": [{ "type": "input_image", "image_url": s }] }])), "input[0].content[0].type"),
        (part(json!({ "text": s })),                                       "input[0].content[0].type"),
        (part(json!({ "type": s })),                                       "input[0].content[0].type"),
        (part(json!({ "type": "text", "text": s })),                       "input[0].content[0].type"),
        (part(json!({ "type": "refusal", "refusal": s })),                 "input[0].content[0].type"),
        (part(json!({ "type": "input_text" })),                            "input[0].content[0].text"),
        (part(json!({ "type": "input_image" })),                           "input[0].content[0].file_id"),
        (part(json!({ "type": "input_image", "image_url": { "url": s } })), "input[0].content[0].image_url"),
        (part(json!({ "type": "input_image", "image_url": s })),           "input[0].content[0].image_url"),
        (part(json!({ "type": "input_file", "file_url": s })),             "input[0].content[0].file_url"),
        (part(json!({ "type": "input_file", "file_data": s })),            "input[0].content[0].file_data"),
        (items(json!([user, { "type": "function_call", "name": s, "arguments": "" }, output("c")])), "input[1].call_id"),
        (items(json!([user, { "type": "function_call", "call_id": s, "arguments": "" }, output("c")])), "input[1].name"),
        (items(json!([user, call("c", s), output("c")])),                  "input[1].arguments"),
        (items(json!([user, call("c", "[1]"), output("c")])),              "input[1].arguments"),
        (items(json!([user, call("c", ""), call("c", ""), output("c")])),  "input[2].call_id"),
        (items(json!([user, call("c", "")])),                              "input[1]"),
        (items(json!([user, call("c", ""), user])),                        "input[1]"),
        (items(json!([user, call("c", ""), call("d", ""), output("c"), call("e", "")])), "input[2]"),
        (items(json!([user, output("c")])),                                "input[1].call_id"),
        (items(json!([user, call("c", ""), output("c"), output("c")])),    "input[3].call_id"),
        (items(json!([user, call("c", ""), { "type": "function_call_output", "call_id": "c" }])), "input[2].output"),
        (items(json!([{ "type": "reasoning", "summary": s }])),            "input[0].summary"),
        (items(json!([{ "type": "reasoning", "summary": [{ "type": "summary_text" }] }])), "input[0].summary[0].text"),
        (with("instructions", json!([s])),                                 "instructions"),
        (with("temperature", json!(2.5)),                                  "temperature"),
        (with("top_p", json!(s)),                                          "top_p"),
        (with("max_output_tokens", json!(-1)),                             "max_output_tokens"),
        (with("stream", json!(s)),                                         "stream"),
        (with("parallel_tool_calls", json!(s)),                            "parallel_tool_calls"),
        (with("reasoning", json!(s)),                                      "reasoning"),
        (with("reasoning", json!({ "effort": s })),                        "reasoning.effort"),
        (with("reasoning", json!({ "summary": s })),                       "reasoning.summary"),
        (with("text", json!(s)),                                           "text"),
        (format(json!({ "type": s })),                                     "text.format.type"),
        (format(json!({ "type": "json_schema", "name": "a" })),            "text.format.schema"),
        (format(json!({ "type": "json_schema", "schema": {} })),           "text.format.name"),
        (with("tools", json!([{ "name": s }])),                            "tools[0].type"),
        (with("tools", json!([{ "type": "function" }])),                   "tools[0].name"),
        (with("tools", json!([{ "type": "function", "name": "f", "parameters": s }])), "tools[0].parameters"),
        (with("tool_choice", json!(s)),                                    "tool_choice"),
        (with("tool_choice", json!(7)),                                    "tool_choice"),
        (with("tool_choice", json!({ "type": "function" })),               "tool_choice.name"),
        (with("tool_choice", json!({ "type": "allowed_tools", "mode": s, "tools": [] })), "tool_choice.mode"),
        (with("tool_choice", json!({ "type": "allowed_tools", "mode": "auto" })), "tool_choice.tools"),
        (with("user", json!(7)),                                           "user"),
    ];
    for (body, path) in cases {
        let text = body.to_string();
        let malformed = read_request(text.as_bytes()).expect_err(&text);
        assert_eq!(malformed.path, path, "{text}");
        assert!(!malformed.to_string().contains(SECRET), "{malformed}");
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(body: Vec<u8>, text: String) {
        read_request(&body).ok();
        let quoted = json!({ "model": text, "input": [{ "type": text, "role": text, "content": [{ "type": text }] }] });
        read_request(quoted.to_string().as_bytes()).ok();
    }
}
