//! What requests mean, told by the chat completion that says the same.

use doorward_dialect::openai::responses::read_request;
use doorward_dialect::openai::write_request;
use doorward_dialect::request::{Content, Delivery, Request, Seal};
use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
use doorward_dialect::{Client, Dialect, Knows, Target};
use serde_json::{Value, json};

fn target() -> Target<'static> {
    let knows = Knows {
        completion_tokens: true,
        reasoning_content: true,
        choice_objects: true,
        ..Knows::default()
    };
    Target { model: "theirs", from: Client::Responses, output_tokens_default: 4096, knows }
}

fn written(request: &Request<'_>) -> Value {
    let mut leave = Leave::new(Allowed::Nothing);
    serde_json::from_slice(&write_request(request, &target(), &mut leave).unwrap()).unwrap()
}

fn paths(request: &Request<'_>) -> Vec<String> {
    request.extras.iter().map(|extra| extra.path.clone()).collect()
}

fn with(name: &str, value: Value) -> String {
    let mut body = json!({ "model": "m", "input": "hi" });
    body[name] = value;
    body.to_string()
}

macro_rules! golden {
    ($name:literal) => {
        (
            include_str!(concat!("../golden/responses/requests/", $name, ".json")),
            include_str!(concat!("../golden/responses/requests/", $name, ".chat.json")),
        )
    };
}

#[test]
fn a_documented_request_is_the_chat_completion_that_says_the_same() {
    for (body, chat) in [golden!("text"), golden!("image"), golden!("functions")] {
        let request = read_request(body.as_bytes()).unwrap();
        assert_eq!(paths(&request), Vec::<String>::new());
        assert_eq!(written(&request), serde_json::from_str::<Value>(chat).unwrap());
    }
}

#[test]
fn what_a_chat_completion_cannot_show_is_read_too() {
    let request = read_request(golden!("functions").0.as_bytes()).unwrap();
    assert_eq!(request.delivery, Delivery::Stream { wants_usage: true });
    assert_eq!(request.thinking.is_shown, Some(true));
    let calls = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| {
        let Content::Call(call) = &part.content else { return None };
        Some(call.seal.clone())
    });
    assert_eq!(calls.collect::<Vec<_>>(), [None, Some(Seal::Google("c2VhbA==".into()))]);
    assert_eq!(request.turns.iter().map(|turn| turn.at).collect::<Vec<_>>(), [1, 2, 6, 8]);
}

#[test]
fn steps_of_calls_and_results_are_turns_of_their_own() {
    let call =
        |id: &str| json!({ "type": "function_call", "call_id": id, "name": "f", "arguments": "" });
    let output = |id: &str| json!({ "type": "function_call_output", "call_id": id, "output": "x" });
    let body = with(
        "input",
        json!([
            { "role": "user", "content": "go" },
            call("a"), output("a"), call("b"), call("c"), output("c"), output("b"),
            call("a"), output("a"),
            { "role": "developer", "content": "be quick" },
        ]),
    );
    let request = read_request(body.as_bytes()).unwrap();
    let found = written(&request);
    let messages = found["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    #[rustfmt::skip]
    let expected = ["user", "assistant", "tool", "assistant", "tool", "tool", "assistant", "tool", "system"];
    assert_eq!(roles, expected);
    assert_eq!(messages[4]["tool_call_id"], "c");
    // An id that was there before is made another, the same for the call and for its result.
    let again = &messages[6]["tool_calls"][0]["id"];
    assert_ne!(again, "a");
    assert_eq!(&messages[7]["tool_call_id"], again);
}

#[test]
fn what_only_openai_has_is_told_by_its_path() {
    let item = |item: Value| json!([{ "role": "user", "content": "hi" }, item]);
    #[rustfmt::skip]
    let cases = [
        ("previous_response_id", json!("resp_1"),                               "previous_response_id"),
        ("conversation",         json!("conv_1"),                               "conversation"),
        ("background",           json!(true),                                   "background"),
        ("include",              json!(["reasoning.encrypted_content"]),        "include"),
        ("prompt",               json!({ "id": "pmpt_1" }),                     "prompt"),
        ("store",                json!(true),                                   "store"),
        ("truncation",           json!("auto"),                                 "truncation"),
        ("top_logprobs",         json!(3),                                      "top_logprobs"),
        ("service_tier",         json!("flex"),                                 "service_tier"),
        ("context_management",   json!([{}]),                                   "context_management"),
        ("of_tomorrow",          json!(1),                                      "of_tomorrow"),
        ("text",                 json!({ "verbosity": "low" }),                 "text.verbosity"),
        ("reasoning",            json!({ "effort": "low", "x": 1 }),            "reasoning.x"),
        ("stream_options",       json!({ "x": 1 }),                             "stream_options.x"),
        ("tools",                json!([{ "type": "web_search" }]),             "tools[0].type"),
        ("tools",                json!([{ "type": "function", "name": "f", "x": 1 }]), "tools[0].x"),
        ("tool_choice",          json!({ "type": "file_search" }),              "tool_choice.type"),
        ("tool_choice",          json!({ "type": "allowed_tools", "mode": "auto", "tools": [{ "type": "mcp" }] }), "tool_choice.tools[0].type"),
        ("input",                item(json!({ "type": "item_reference", "id": "msg_1" })), "input[1].type"),
        ("input",                item(json!({ "type": "web_search_call", "id": "ws_1" })), "input[1].type"),
        ("input",                item(json!({ "type": "message", "role": "user", "content": "x", "y": 1 })), "input[1].y"),
        ("input",                item(json!({ "role": "user", "content": [{ "type": "input_text", "text": "x", "y": 1 }] })), "input[1].content[0].y"),
    ];
    for (name, value, path) in cases {
        let body = with(name, value);
        let request = read_request(body.as_bytes()).unwrap();
        assert_eq!(paths(&request), [path], "{body}");
        let refused = write_request(&request, &target(), &mut Leave::default()).unwrap_err();
        assert_eq!(refused, Untranslatable::Unsupported(path.to_owned()));
    }
}

#[test]
fn what_a_provider_cannot_do_is_refused_in_the_words_of_a_response() {
    let part = |part: Value| json!([{ "role": "user", "content": [part] }]);
    #[rustfmt::skip]
    let cases = [
        ("input",       part(json!({ "type": "input_image", "file_id": "file_1" })), "input[0].content[].file_id"),
        ("input",       part(json!({ "type": "input_file", "file_id": "file_1" })),  "input[0].content[].file_id"),
        ("input",       part(json!({ "type": "input_audio", "input_audio": { "format": "wav", "data": "QQ==" } })), "input[0].content[].input_audio"),
        ("temperature", json!(1.5),                                                  "temperature"),
        ("text",        json!({ "format": { "type": "json_object" } }),              "text.format"),
        ("tools",       json!([{ "type": "function", "name": "a.b" }]),              "tools[].name"),
    ];
    for (name, value, path) in cases {
        let body = with(name, value);
        let request = read_request(body.as_bytes()).unwrap();
        let to = Target { knows: Knows { sampling: true, ..Knows::default() }, ..target() };
        let refused = Dialect::Anthropic.write_request(&request, &to, &mut Leave::default());
        assert_eq!(refused.unwrap_err(), Untranslatable::Unsupported(path.to_owned()));
    }
}
