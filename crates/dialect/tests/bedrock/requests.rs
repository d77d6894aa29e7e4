//! Requests: what Converse wants, and what it cannot say.

use doorward_dialect::Dialect;
use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
use serde_json::{Value, json};

use super::support::{CLAUDE, LLAMA, asked};

const NOVA: &str = "amazon.nova-pro-v1:0";

fn body(client: Dialect) -> Value {
    match client {
        Dialect::OpenAi => {
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] })
        }
        Dialect::Anthropic => {
            json!({ "model": "m", "max_tokens": 9000, "messages": [{ "role": "user", "content": "hi" }] })
        }
        Dialect::Google => json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }),
    }
}

fn written(client: Dialect, model: &str, fields: Value) -> Value {
    let mut body = body(client);
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let body = body.to_string();
    let written = asked(body.as_bytes(), (client, model), &mut Leave::new(Allowed::Nothing));
    serde_json::from_slice(&written.unwrap_or_else(|why| panic!("{body}: {why}"))).unwrap()
}

/// A user's message of OpenAI's or Anthropic's dialect with a part.
fn part(part: Value) -> Value {
    json!([{ "role": "user", "content": [{ "type": "text", "text": "hi" }, part] }])
}

const TOOLS: &str = r#"[{"type":"function","function":{"name":"f","description":"","parameters":{"properties":{}}}},{"type":"function","function":{"name":"g"}}]"#;

#[test]
fn what_converse_cannot_say_is_refused_by_name_and_left_out_where_that_is_allowed() {
    use Dialect::{Anthropic, Google, OpenAi};
    let tools: Value = serde_json::from_str(TOOLS).unwrap();
    let function = |name: &str| json!([{ "type": "function", "function": { "name": name } }]);
    let late =
        json!([{ "role": "user", "content": "hi" }, { "role": "system", "content": "Be brief." }]);
    let called = json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "c", "content": "4" },
    ]);
    let audio =
        json!({ "type": "input_audio", "input_audio": { "format": "wav", "data": "QQ==" } });
    let url = json!({ "type": "image_url", "image_url": { "url": "https://a/b.png" } });
    let tiff = json!({ "type": "image", "source": { "type": "url", "url": "https://a/b.png" } });
    let file = json!({ "type": "document", "source": { "type": "file", "file_id": "file_1" } });
    #[rustfmt::skip]
    let cases = [
        // client    model   fields                                                        refused
        (OpenAi,    CLAUDE, json!({ "n": 2 }),                                             "n"),
        (OpenAi,    CLAUDE, json!({ "seed": 7 }),                                          "seed"),
        (OpenAi,    CLAUDE, json!({ "frequency_penalty": 0.5 }),                           "frequency_penalty"),
        (OpenAi,    CLAUDE, json!({ "presence_penalty": 0.5 }),                            "presence_penalty"),
        (OpenAi,    CLAUDE, json!({ "temperature": 1.5 }),                                 "temperature"),
        (OpenAi,    CLAUDE, json!({ "response_format": { "type": "json_object" } }),       "response_format"),
        (OpenAi,    CLAUDE, json!({ "parallel_tool_calls": false, "tools": tools }),       "parallel_tool_calls"),
        (OpenAi,    CLAUDE, json!({ "tools": function("a.b") }),                           "tools[].function.name"),
        (OpenAi,    CLAUDE, json!({ "tools": function(&"f".repeat(65)) }),                 "tools[].function.name"),
        (OpenAi,    CLAUDE, json!({ "tools": tools, "tool_choice": "none", "messages": called }), "tool_choice"),
        (OpenAi,    CLAUDE, json!({ "tools": tools, "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [{ "type": "function", "function": { "name": "f" } }] } } }), "tool_choice"),
        (OpenAi,    CLAUDE, json!({ "messages": late }),                                   "messages[1].role"),
        (OpenAi,    CLAUDE, json!({ "messages": part(audio) }),                            "messages[0].content[].input_audio"),
        (OpenAi,    CLAUDE, json!({ "messages": part(url) }),                              "messages[0].content[].image_url"),
        (OpenAi,    CLAUDE, json!({ "logit_bias": { "5": 1 } }),                           "logit_bias"),
        (OpenAi,    LLAMA,  json!({ "reasoning_effort": "low" }),                          "reasoning_effort"),
        (Anthropic, LLAMA,  json!({ "top_k": 5 }),                                         "top_k"),
        (Anthropic, LLAMA,  json!({ "thinking": { "type": "enabled", "budget_tokens": 2000 } }), "thinking"),
        (Anthropic, CLAUDE, json!({ "thinking": { "type": "enabled", "budget_tokens": 9000 } }), "thinking"),
        (Anthropic, CLAUDE, json!({ "messages": part(tiff) }),                             "messages[0].content[].source"),
        (Anthropic, CLAUDE, json!({ "messages": part(file) }),                             "messages[0].content[].source.file_id"),
        (Anthropic, CLAUDE, json!({ "mcp_servers": [{}] }),                                "mcp_servers"),
        (Google,    CLAUDE, json!({ "generationConfig": { "candidateCount": 2 } }),        "generationConfig.candidateCount"),
        (Google,    CLAUDE, json!({ "generationConfig": { "responseMimeType": "application/json" } }), "generationConfig.responseMimeType"),
        (Google,    LLAMA,  json!({ "generationConfig": { "topK": 5 } }),                  "generationConfig.topK"),
        (Google,    CLAUDE, json!({ "tools": [{ "googleSearch": {} }] }),                  "tools[0].googleSearch"),
    ];
    for (client, model, fields, path) in cases {
        let mut body = body(client);
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let body = body.to_string();
        let to = (client, model);
        let refused = asked(body.as_bytes(), to, &mut Leave::new(Allowed::Nothing)).unwrap_err();
        assert_eq!(refused, Untranslatable::Unsupported(path.to_owned()), "{body}");
        let mut leave = Leave::new(Allowed::All);
        asked(body.as_bytes(), to, &mut leave).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(leave.left(), [path], "{body}");
    }
}

#[test]
fn functions_and_the_choice_among_them_have_their_places() {
    let tools: Value = serde_json::from_str(TOOLS).unwrap();
    let config = |choice: Value| {
        written(Dialect::OpenAi, LLAMA, json!({ "tools": tools, "tool_choice": choice }))
            ["toolConfig"]
            .clone()
    };
    let named = json!({ "type": "function", "function": { "name": "f" } });
    assert_eq!(config(json!("auto"))["toolChoice"], json!({ "auto": {} }));
    assert_eq!(config(json!("required"))["toolChoice"], json!({ "any": {} }));
    assert_eq!(config(named)["toolChoice"], json!({ "tool": { "name": "f" } }));
    assert_eq!(config(json!("none")), Value::Null, "whom nobody tells of functions calls none");
    let specification = json!({
        "name": "f", "inputSchema": { "json": { "type": "object", "properties": {} } },
    });
    assert_eq!(config(json!("auto"))["tools"][0], json!({ "toolSpec": specification }));
}

#[test]
fn neighbours_of_one_role_are_one_message_and_results_stand_first() {
    let messages = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "a" },
        { "role": "user", "content": "b" },
        { "role": "assistant", "content": "  ", "tool_calls": [
            { "id": "call.1", "type": "function", "function": { "name": "f", "arguments": "{\"x\": 1}" } },
            { "id": "call_2", "type": "function", "function": { "name": "f", "arguments": "" } },
        ] },
        { "role": "tool", "tool_call_id": "call.1", "content": "one" },
        { "role": "tool", "tool_call_id": "call_2", "content": "two" },
        { "role": "user", "content": "c" },
    ]);
    let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
    let found = written(Dialect::OpenAi, LLAMA, json!({ "messages": messages, "tools": tools }));
    assert_eq!(found["system"], json!([{ "text": "Be brief." }]));
    let id = found["messages"][1]["content"][0]["toolUse"]["toolUseId"].as_str().unwrap();
    assert!(id.starts_with("toolu_"), "an id of other letters becomes one of these: {id}");
    let expected = json!([
        { "role": "user", "content": [{ "text": "a" }, { "text": "b" }] },
        { "role": "assistant", "content": [
            { "toolUse": { "toolUseId": id, "name": "f", "input": { "x": 1 } } },
            { "toolUse": { "toolUseId": "call_2", "name": "f", "input": {} } },
        ] },
        { "role": "user", "content": [
            { "toolResult": { "toolUseId": id, "content": [{ "text": "one" }] } },
            { "toolResult": { "toolUseId": "call_2", "content": [{ "text": "two" }] } },
            { "text": "c" },
        ] },
    ]);
    assert_eq!(found["messages"], expected);
}

#[test]
fn what_only_anthropics_models_know_stands_apart() {
    let fields = json!({
        "top_k": 5, "temperature": 1, "top_p": 0.5, "stop_sequences": ["END"],
        "thinking": { "type": "enabled", "budget_tokens": 2000 },
    });
    let found = written(Dialect::Anthropic, CLAUDE, fields);
    let config =
        json!({ "maxTokens": 9000, "temperature": 1.0, "topP": 0.5, "stopSequences": ["END"] });
    assert_eq!(found["inferenceConfig"], config);
    let apart = json!({ "thinking": { "type": "enabled", "budget_tokens": 2000 }, "top_k": 5 });
    assert_eq!(found["additionalModelRequestFields"], apart);
    let found = written(Dialect::OpenAi, CLAUDE, json!({ "reasoning_effort": "high" }));
    let apart =
        json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" } });
    assert_eq!(found["additionalModelRequestFields"], apart);
    let found = written(Dialect::OpenAi, LLAMA, json!({}));
    assert_eq!(found, json!({ "messages": [{ "role": "user", "content": [{ "text": "hi" }] }] }));
}

#[test]
fn marks_of_what_to_keep_go_to_models_that_take_them() {
    let messages = json!([{ "role": "user", "content": [
        { "type": "text", "text": "long", "cache_control": { "type": "ephemeral", "ttl": "1h" } },
        { "type": "text", "text": "short", "cache_control": { "type": "ephemeral" } },
    ] }]);
    let found = |model| {
        written(Dialect::Anthropic, model, json!({ "messages": messages }))["messages"][0]
            ["content"]
            .clone()
    };
    let marks = json!([
        { "text": "long" }, { "cachePoint": { "type": "default", "ttl": "1h" } },
        { "text": "short" }, { "cachePoint": { "type": "default" } },
    ]);
    assert_eq!(found(CLAUDE), marks);
    let mark = json!({ "cachePoint": { "type": "default" } });
    assert_eq!(found(NOVA), json!([{ "text": "long" }, mark, { "text": "short" }, mark]));
    assert_eq!(found(LLAMA), json!([{ "text": "long" }, { "text": "short" }]));
    let tools = json!([{ "name": "f", "input_schema": { "type": "object" }, "cache_control": { "type": "ephemeral" } }]);
    let found = |model| {
        let found = written(Dialect::Anthropic, model, json!({ "tools": tools }));
        found["toolConfig"]["tools"].as_array().unwrap().len()
    };
    assert_eq!((found(CLAUDE), found(NOVA)), (2, 1), "Nova takes none among its functions");
}

#[test]
fn files_have_a_format_and_a_name_of_their_own() {
    let pdf = json!({ "type": "document", "title": "a.pdf", "source": { "type": "base64", "media_type": "application/pdf", "data": "QQ==" } });
    let text = json!({ "type": "document", "title": "a.pdf", "source": { "type": "text", "media_type": "text/plain", "data": "A" } });
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "QQ==" } });
    let messages = json!([{ "role": "user", "content": [pdf, text, image] }]);
    let found = written(Dialect::Anthropic, LLAMA, json!({ "messages": messages }));
    let expected = json!([
        { "document": { "format": "pdf", "name": "a pdf", "source": { "bytes": "QQ==" } } },
        { "document": { "format": "txt", "name": "a pdf (2)", "source": { "bytes": "QQ==" } } },
        { "image": { "format": "png", "source": { "bytes": "QQ==" } } },
        { "text": "See what is attached." },
    ]);
    assert_eq!(found["messages"][0]["content"], expected, "no document stands alone");
    let messages = json!([{ "role": "user", "content": [pdf, { "type": "text", "text": "a" }] }]);
    let found = written(Dialect::Anthropic, LLAMA, json!({ "messages": messages }));
    assert_eq!(found["messages"][0]["content"], json!([expected[0], { "text": "a" }]));
}

#[test]
fn a_schema_is_a_text_with_json_in_it() {
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "description": "d", "schema": { "type": "object" } } });
    let found = written(Dialect::OpenAi, LLAMA, json!({ "response_format": format }));
    let expected = json!({ "textFormat": { "type": "json_schema", "structure": { "jsonSchema": {
        "schema": "{\"type\":\"object\"}", "name": "n", "description": "d",
    } } } });
    assert_eq!(found["outputConfig"], expected);
}

#[test]
fn thoughts_go_back_with_their_signatures_and_no_others_do() {
    let messages = json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "Hm.", "signature": "c2ln" },
            { "type": "redacted_thinking", "data": "aGlk" },
            { "type": "text", "text": "Yes." },
        ] },
        { "role": "user", "content": "go on" },
    ]);
    let found = written(Dialect::Anthropic, CLAUDE, json!({ "messages": messages }));
    let expected = json!([
        { "reasoningContent": { "reasoningText": { "text": "Hm.", "signature": "c2ln" } } },
        { "reasoningContent": { "redactedContent": "aGlk" } },
        { "text": "Yes." },
    ]);
    assert_eq!(found["messages"][1]["content"], expected);
    let found = written(Dialect::Anthropic, NOVA, json!({ "messages": messages }));
    assert_eq!(found["messages"][1]["content"], json!([{ "text": "Yes." }]));
}

/// A conversation of Anthropic's dialect in which `f` was called twice, and failed once.
fn called() -> Value {
    let call = |id: &str| json!({ "type": "tool_use", "id": id, "name": "f", "input": {} });
    let result = |id: &str, is_error: bool| json!({ "type": "tool_result", "tool_use_id": id, "content": "x", "is_error": is_error });
    json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": [call("a"), call("b")] },
        { "role": "user", "content": [result("a", true), result("b", false)] },
    ])
}

#[test]
fn that_a_function_failed_is_said_as_the_model_takes_it() {
    let found = |model| {
        let found = written(Dialect::Anthropic, model, json!({ "messages": called() }));
        found["messages"][2]["content"].clone()
    };
    let good = json!({ "toolResult": { "toolUseId": "b", "content": [{ "text": "x" }] } });
    let failed = json!({ "toolUseId": "a", "content": [{ "text": "x" }], "status": "error" });
    assert_eq!(found(CLAUDE), json!([{ "toolResult": failed }, good]));
    assert_eq!(found(NOVA), found(CLAUDE));
    let failed = json!({ "toolUseId": "a", "content": [{ "text": "Error:" }, { "text": "x" }] });
    assert_eq!(found(LLAMA), json!([{ "toolResult": failed }, good]));
}

#[test]
fn functions_that_were_called_are_told_by_name_where_the_client_tells_of_none() {
    let found = written(Dialect::Anthropic, CLAUDE, json!({ "messages": called() }));
    let schema = json!({ "json": { "type": "object", "properties": {} } });
    let bare = json!({ "tools": [{ "toolSpec": { "name": "f", "inputSchema": schema } }] });
    assert_eq!(found["toolConfig"], bare);
}

/// As many as a body has room for: were each looked for among the others, it would take minutes.
#[test]
fn a_choice_among_many_functions_is_made_in_one_go() {
    let function =
        |count: usize| json!({ "type": "function", "function": { "name": format!("f{count}") } });
    let tools: Vec<Value> = (0..60_000).map(function).collect();
    let choice =
        json!({ "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": tools } });
    let mut body = body(Dialect::OpenAi);
    (body["tools"], body["tool_choice"]) = (tools.into(), choice);
    let to = (Dialect::OpenAi, CLAUDE);
    let written = asked(body.to_string().as_bytes(), to, &mut Leave::new(Allowed::All)).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["toolConfig"]["tools"].as_array().unwrap().len(), 60_000);
}

#[test]
fn a_conversation_of_nothing_is_malformed() {
    let body =
        json!({ "model": "m", "messages": [{ "role": "user", "content": " " }] }).to_string();
    let to = (Dialect::OpenAi, LLAMA);
    let error = asked(body.as_bytes(), to, &mut Leave::new(Allowed::All)).unwrap_err();
    assert!(matches!(error, Untranslatable::Malformed(it) if it.path == "messages"));
}
