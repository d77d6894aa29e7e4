//! Requests: each wish by itself.

use doorward_dialect::openai::{read_request, write_request};
use doorward_dialect::request::{
    Call, Content, Delivery, Effort, Format, Outcome, Part, Request, Role, Seal, Source, Thinking,
    ThinkingMode, Thought, ToolChoice, Turn,
};
use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
use doorward_dialect::{Client, Dialect, Target, Text};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::support::{knowing_all, knowing_nothing, nothing};

fn body(name: &str, value: Value) -> String {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    body[name] = value;
    body.to_string()
}

fn paths(request: &Request<'_>) -> Vec<String> {
    request.extras.iter().map(|extra| extra.path.clone()).collect()
}

fn written(request: &Request<'_>, to: &Target<'_>) -> Value {
    serde_json::from_slice(&write_request(request, to, &mut nothing()).unwrap()).unwrap()
}

/// A request of another dialect's client, with one turn.
fn saying(role: Role, parts: Vec<Part<'static>>) -> Request<'static> {
    Request { turns: vec![Turn { at: 3, role, parts }], ..Request::default() }
}

fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

#[test]
fn what_has_no_place_in_the_form_is_told_by_its_path() {
    #[rustfmt::skip]
    let cases = [
        ("logit_bias",          json!({ "50256": -100 }),                   vec!["logit_bias"]),
        ("logprobs",            json!(true),                                vec!["logprobs"]),
        ("top_logprobs",        json!(2),                                   vec!["top_logprobs"]),
        ("store",               json!(true),                                vec!["store"]),
        ("service_tier",        json!("flex"),                              vec!["service_tier"]),
        ("verbosity",           json!("low"),                               vec!["verbosity"]),
        ("modalities",          json!(["text", "audio"]),                   vec!["modalities"]),
        ("audio",               json!({ "voice": "ash", "format": "mp3" }), vec!["audio"]),
        ("prediction",          json!({ "type": "content" }),               vec!["prediction"]),
        ("web_search_options",  json!({}),                                  vec!["web_search_options"]),
        ("moderation",          json!({}),                                  vec!["moderation"]),
        ("min_p",               json!(0.1),                                 vec!["min_p"]),
        ("a_new_field",         json!(0),                                   vec!["a_new_field"]),
        ("stream_options",      json!({ "x": 1 }),                          vec!["stream_options.x"]),
        ("response_format",     json!({ "type": "json_object", "schema": {} }), vec!["response_format.schema"]),
        ("tools",               json!([{ "type": "custom", "custom": { "name": "c" } }]), vec!["tools[0].custom"]),
        ("tools",               json!([{ "type": "function", "x": 1, "function": { "name": "f", "y": 1 } }]), vec!["tools[0].function.y", "tools[0].x"]),
        ("tool_choice",         json!({ "type": "custom", "custom": { "name": "c" } }), vec!["tool_choice"]),
        ("messages",            json!([{ "role": "user", "name": "Ann", "content": [{ "type": "text", "text": "x", "y": 1 }] }]), vec!["messages[0].content[0].y", "messages[0].name"]),
        ("messages",            json!([{ "role": "assistant", "content": "x", "audio": { "id": "a" } }]), vec!["messages[0].audio"]),
        ("messages",            json!([{ "role": "user", "content": [{ "type": "file", "file": { "file_data": "data:application/pdf;base64,QUJD", "file_id": "f" } }] }]), vec!["messages[0].content[0].file.file_id"]),
        // What says nothing, or what the dialect does anyway.
        ("logit_bias",          json!({}),          vec![]),
        ("logprobs",            json!(false),       vec![]),
        ("top_logprobs",        json!(0),           vec![]),
        ("store",               json!(false),       vec![]),
        ("service_tier",        json!("auto"),      vec![]),
        ("service_tier",        json!("default"),   vec![]),
        ("verbosity",           json!("medium"),    vec![]),
        ("modalities",          json!(["text"]),    vec![]),
        ("a_new_field",         json!(null),        vec![]),
        ("top_k",               json!(-1),          vec![]),
        ("n",                   json!(1),           vec![]),
        ("presence_penalty",    json!(0),           vec![]),
        ("tool_choice",         json!("none"),      vec![]),
        ("parallel_tool_calls", json!(true),        vec![]),
        ("response_format",     json!({ "type": "text" }), vec![]),
        // No answer differs for want of these.
        ("prompt_cache_key",    json!("k"),         vec![]),
        ("prompt_cache_options", json!({ "mode": "implicit" }), vec![]),
        ("prompt_cache_retention", json!("24h"),    vec![]),
        ("metadata",            json!({ "a": "b" }), vec![]),
        ("doorward_drop_unsupported", json!(true),  vec![]),
        ("messages",            json!([{ "role": "assistant", "content": "x", "refusal": null, "audio": null, "annotations": [{ "type": "url_citation" }], "reasoning_details": [{}], "tool_calls": [] }]), vec![]),
    ];
    for (name, value, expected) in cases {
        let text = body(name, value);
        assert_eq!(paths(&read_request(text.as_bytes()).unwrap()), expected, "{text}");
    }
}

#[test]
fn what_is_told_is_refused_unless_the_client_lets_it_be_left_out() {
    let text = body("seed_of_tomorrow", json!(1));
    let request = read_request(text.as_bytes()).unwrap();
    let refused = write_request(&request, &knowing_all(), &mut nothing()).unwrap_err();
    assert_eq!(refused, Untranslatable::Unsupported("seed_of_tomorrow".to_owned()));
    let mut leave = Leave::new(Allowed::All);
    write_request(&request, &knowing_all(), &mut leave).unwrap();
    assert_eq!(leave.left(), ["seed_of_tomorrow"]);
}

#[test]
fn every_choice_of_tools_is_read_and_said_as_the_server_knows_it() {
    let named = json!({ "type": "function", "function": { "name": "g" } });
    let among = |mode: &str| {
        let allowed_tools = json!({ "mode": mode, "tools": [named] });
        json!({ "type": "allowed_tools", "allowed_tools": allowed_tools })
    };
    let among_form = |is_required| ToolChoice::Among { names: vec![Text::from("g")], is_required };
    #[rustfmt::skip]
    let cases = [
        // said                form                            to a server that knows no objects, of how many tools
        (json!(null),          ToolChoice::Unset,              json!(null),       2),
        (json!("none"),        ToolChoice::Never,              json!("none"),     2),
        (json!("auto"),        ToolChoice::Auto,               json!("auto"),     2),
        (json!("required"),    ToolChoice::Required,           json!("required"), 2),
        (named.clone(),        ToolChoice::Named("g".into()),  json!("required"), 1),
        (among("auto"),        among_form(false),              json!("auto"),     1),
        (among("required"),    among_form(true),               json!("required"), 1),
    ];
    let function = |name: &str| json!({ "type": "function", "function": { "name": name } });
    for (choice, form, word, count) in cases {
        let mut text: Value = serde_json::from_str(&body("tool_choice", choice.clone())).unwrap();
        text["tools"] = json!([function("f"), function("g")]);
        let text = text.to_string();
        let request = read_request(text.as_bytes()).unwrap();
        assert_eq!(request.tool_choice, form, "{text}");
        assert_eq!(written(&request, &knowing_all())["tool_choice"], choice);
        assert_eq!(written(&request, &knowing_all())["tools"].as_array().unwrap().len(), 2);
        let plain = written(&request, &knowing_nothing());
        assert_eq!(plain["tool_choice"], word, "{text}");
        assert_eq!(plain["tools"].as_array().unwrap().len(), count, "{text}");
    }
    for word in ["none", "auto"] {
        let text = body("tool_choice", json!(word));
        let alone = written(&read_request(text.as_bytes()).unwrap(), &knowing_all());
        assert_eq!(alone.get("tool_choice"), None, "OpenAI refuses a choice without tools");
    }
}

#[test]
fn every_effort_is_read_and_said() {
    let off = Thinking { mode: ThinkingMode::Off, ..Thinking::default() };
    let effort = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    #[rustfmt::skip]
    let cases = [
        (json!(null),      Thinking::default()),
        (json!("none"),    off),
        (json!("minimal"), effort(Effort::Minimal)),
        (json!("low"),     effort(Effort::Low)),
        (json!("medium"),  effort(Effort::Medium)),
        (json!("high"),    effort(Effort::High)),
        (json!("xhigh"),   effort(Effort::Higher)),
        (json!("max"),     effort(Effort::Max)),
    ];
    for (word, thinking) in cases {
        let text = body("reasoning_effort", word.clone());
        let request = read_request(text.as_bytes()).unwrap();
        assert_eq!(request.thinking, thinking);
        assert_eq!(written(&request, &knowing_all())["reasoning_effort"], word);
    }
}

#[test]
fn tokens_to_think_with_become_the_nearest_word() {
    use ThinkingMode::{Adaptive, Off, On, Unset};
    #[rustfmt::skip]
    let cases = [
        (Unset,    None,              None,          json!(null)),
        (Adaptive, None,              None,          json!(null)),
        (Adaptive, Some(Effort::Low), None,          json!("low")),
        (On,       None,              None,          json!("medium")),
        (On,       None,              Some(1_024),   json!("low")),
        (On,       None,              Some(2_049),   json!("medium")),
        (On,       None,              Some(32_000),  json!("high")),
        (On,       Some(Effort::Max), Some(1_024),   json!("max")),
        (Unset,    None,              Some(0),       json!("none")),
        (Off,      None,              None,          json!("none")),
        (Off,      Some(Effort::Max), Some(9_999),   json!("none")),
    ];
    for (mode, effort, tokens_max, word) in cases {
        let thinking = Thinking { mode, effort, tokens_max, is_shown: None };
        let request = Request { thinking, ..saying(Role::User, vec![]) };
        assert_eq!(written(&request, &knowing_all())["reasoning_effort"], word, "{thinking:?}");
    }
}

#[test]
fn every_delivery_is_read_and_a_stream_always_tells_its_usage() {
    let wants = |wants_usage| Delivery::Stream { wants_usage };
    #[rustfmt::skip]
    let cases = [
        (json!(null),  json!(null),                       Delivery::Whole),
        (json!(false), json!({ "include_usage": true }),  Delivery::Whole),
        (json!(true),  json!(null),                       wants(false)),
        (json!(true),  json!({ "include_usage": false, "include_obfuscation": true }), wants(false)),
        (json!(true),  json!({ "include_usage": true }),  wants(true)),
    ];
    for (stream, options, delivery) in cases {
        let mut text: Value = serde_json::from_str(&body("stream", stream)).unwrap();
        text["stream_options"] = options;
        let text = text.to_string();
        let request = read_request(text.as_bytes()).unwrap();
        assert_eq!(request.delivery, delivery, "{text}");
        let written = written(&request, &knowing_nothing());
        let is_stream = delivery != Delivery::Whole;
        assert_eq!(written.get("stream"), is_stream.then_some(&json!(true)));
        let always = json!({ "include_usage": true });
        assert_eq!(written.get("stream_options"), is_stream.then_some(&always));
    }
}

#[test]
fn results_that_follow_one_another_are_one_turn_and_the_next_words_another() {
    let call = |id: &str, name: &str| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": "" } });
    let talk = json!([
        { "role": "developer", "content": "a" },
        { "role": "system", "content": [{ "type": "text", "text": "b" }, { "type": "text", "text": "" }] },
        { "role": "user", "content": "go" },
        { "role": "assistant", "content": "", "tool_calls": [call("x", "f"), call("y", "g")] },
        { "role": "tool", "tool_call_id": "y", "name": "g", "content": "1" },
        { "role": "tool", "tool_call_id": "x", "content": [{ "type": "image_url", "image_url": "https://a/b" }] },
        { "role": "user", "content": "and?" },
        { "role": "assistant", "content": "", "tool_calls": [call("x", "f")] },
        { "role": "tool", "tool_call_id": "x", "content": "2" },
        { "role": "developer", "content": "c" },
    ]);
    let text = body("messages", talk);
    let request = read_request(text.as_bytes()).unwrap();
    assert_eq!(paths(&request), Vec::<String>::new());
    assert_eq!(request.system.len(), 2);
    let shape: Vec<_> =
        request.turns.iter().map(|turn| (turn.at, turn.role, turn.parts.len())).collect();
    #[rustfmt::skip]
    let expected = [
        (2, Role::User, 1), (3, Role::Assistant, 2), (4, Role::User, 2), (6, Role::User, 1),
        (7, Role::Assistant, 1), (8, Role::User, 1), (9, Role::System, 1),
    ];
    assert_eq!(shape, expected);
    let outcome = |turn: usize, part: usize| {
        let content = &request.turns[turn].parts[part].content;
        let Content::Outcome(outcome) = content else { panic!("{content:?}") };
        outcome
    };
    assert_eq!((outcome(2, 0).call.as_ref(), outcome(2, 0).name.as_ref()), ("y", "g"));
    assert_eq!((outcome(2, 1).call.as_ref(), outcome(2, 1).name.as_ref()), ("x", "f"));
    assert!(matches!(outcome(2, 1).parts[0].content, Content::Image(Source::Url { .. })));
    // An id that was there before is made another, the same for the call and for its result.
    let Content::Call(again) = &request.turns[4].parts[0].content else { panic!("{request:?}") };
    assert_ne!(again.id, "x");
    assert_eq!(outcome(5, 0).call, again.id);
}

#[test]
fn a_call_of_what_is_no_function_is_told_with_its_result() {
    let talk = json!([
        { "role": "assistant", "tool_calls": [{ "id": "x", "type": "custom", "custom": { "name": "c", "input": "i" } }] },
        { "role": "tool", "tool_call_id": "x", "content": "1" },
        { "role": "user", "content": "and?" },
    ]);
    let text = body("messages", talk);
    let request = read_request(text.as_bytes()).unwrap();
    assert_eq!(paths(&request), ["messages[0].tool_calls[0].custom", "messages[1].content"]);
    assert_eq!(request.turns.len(), 1);
}

#[test]
fn a_plain_file_is_read_as_its_text_and_said_as_text() {
    let file = json!({ "type": "file", "file": { "filename": "a.txt", "file_data": "data:text/plain;base64,SGkh" } });
    let text = body("messages", json!([{ "role": "user", "content": [file] }]));
    let request = read_request(text.as_bytes()).unwrap();
    let Content::Document { source: Source::Plain(plain), .. } = &request.turns[0].parts[0].content
    else {
        panic!("{request:?}")
    };
    assert_eq!(plain, "Hi!");
    assert_eq!(written(&request, &knowing_nothing())["messages"][0]["content"], "a.txt\n\nHi!");
}

#[test]
fn a_google_seal_is_read_from_a_call_and_not_said_to_a_provider() {
    let mut call = json!({ "id": "x", "function": { "name": "f", "arguments": "{}" } });
    call["extra_content"] =
        json!({ "google": { "thought_signature": "c2VhbA==", "y": 1 }, "z": 1 });
    let result = json!({ "role": "tool", "tool_call_id": "x", "content": "" });
    let text = body("messages", json!([{ "role": "assistant", "tool_calls": [call] }, result]));
    let mut request = read_request(text.as_bytes()).unwrap();
    let beside = "messages[0].tool_calls[0].extra_content";
    assert_eq!(paths(&request), [format!("{beside}.z"), format!("{beside}.google.y")]);
    let Content::Call(call) = &request.turns[0].parts[0].content else { panic!("{request:?}") };
    assert_eq!(call.seal, Some(Seal::Google("c2VhbA==".into())));
    request.extras.clear();
    assert!(!written(&request, &knowing_all()).to_string().contains("c2VhbA=="));
}

#[test]
fn results_stand_first_each_by_itself_and_failures_say_so() {
    let text = |text: &'static str| part(Content::Text(text.into()));
    let outcome = |call: &'static str, parts, is_error| {
        let (call, name) = (call.into(), "f".into());
        part(Content::Outcome(Outcome { call, name, parts, is_error }))
    };
    let parts = vec![
        outcome("a", vec![text("1")], None),
        outcome("b", vec![text("no")], Some(true)),
        outcome("c", vec![], Some(true)),
        outcome("d", vec![text("x"), text("y")], Some(true)),
        outcome("e", vec![text("fine")], Some(false)),
        outcome("f", vec![], None),
        text("So?"),
    ];
    let found = written(&saying(Role::User, parts), &knowing_nothing());
    let list = |texts: [&str; 3]| json!(texts.map(|text| json!({ "type": "text", "text": text })));
    let tool = |id: &str, content: Value| json!({ "role": "tool", "content": content, "tool_call_id": id });
    let expected = json!([
        tool("a", json!("1")),
        tool("b", json!("Error: no")),
        tool("c", json!("Error: ")),
        tool("d", list(["Error: ", "x", "y"])),
        tool("e", json!("fine")),
        tool("f", json!("")),
        { "role": "user", "content": "So?" },
    ]);
    assert_eq!(found["messages"], expected);
}

#[test]
fn pictures_and_files_that_functions_returned_are_shown_by_the_user() {
    let inline = |media_type: &'static str| Source::Inline {
        media_type: media_type.into(),
        data: "QUJD".into(),
    };
    let text = |text: &'static str| part(Content::Text(text.into()));
    let outcome = |call: &'static str, name: &'static str, parts| {
        let (call, name) = (call.into(), name.into());
        part(Content::Outcome(Outcome { call, name, parts, is_error: None }))
    };
    let plain = Content::Document { source: Source::Plain("log".into()), title: None };
    let pdf = Content::Document { source: inline("application/pdf"), title: None };
    let parts = vec![
        outcome("a", "look", vec![text("Seen."), part(Content::Image(inline("image/png")))]),
        outcome("b", "read", vec![part(plain), part(pdf)]),
        outcome("c", "run", vec![text("done")]),
        text("So?"),
    ];
    let found = written(&saying(Role::User, parts), &knowing_nothing());
    let tool =
        |id: &str, text: &str| json!({ "role": "tool", "content": text, "tool_call_id": id });
    let image = json!({ "url": "data:image/png;base64,QUJD" });
    let file =
        json!({ "filename": "document.pdf", "file_data": "data:application/pdf;base64,QUJD" });
    let expected = json!([
        tool("a", "Seen."),
        tool("b", "log"),
        tool("c", "done"),
        { "role": "user", "content": [
            { "type": "text", "text": "Result of look:" },
            { "type": "image_url", "image_url": image },
            { "type": "text", "text": "Result of read:" },
            { "type": "file", "file": file },
            { "type": "text", "text": "So?" },
        ] },
    ]);
    assert_eq!(found["messages"], expected);
}

#[test]
fn marks_on_what_to_keep_are_read_in_both_spellings() {
    #[rustfmt::skip]
    let cases = [
        (json!({ "prompt_cache_breakpoint": { "mode": "explicit" } }),                "Some(Short)"),
        (json!({ "prompt_cache_breakpoint": { "mode": "explicit", "ttl": "30m" } }),  "Some(Long)"),
        (json!({ "cache_control": { "type": "ephemeral" } }),                         "Some(Short)"),
        (json!({ "cache_control": { "type": "ephemeral", "ttl": "5m" } }),            "Some(Short)"),
        (json!({ "cache_control": { "type": "ephemeral", "ttl": "1h" } }),            "Some(Long)"),
        (json!({ "cache_control": null }),                                            "None"),
    ];
    for (mark, expected) in cases {
        let mut part = json!({ "type": "text", "text": "x" });
        let mut tool = json!({ "type": "function", "function": { "name": "f" } });
        for (name, value) in mark.as_object().unwrap() {
            part[name] = value.clone();
            tool[name] = value.clone();
        }
        let mut whole: Value = serde_json::from_str(&body("tools", json!([tool]))).unwrap();
        whole["messages"] = json!([{ "role": "user", "content": [part] }]);
        let text = whole.to_string();
        let request = read_request(text.as_bytes()).unwrap();
        assert_eq!(paths(&request), Vec::<String>::new(), "{mark}");
        assert_eq!(format!("{:?}", request.turns[0].parts[0].cache), expected, "{mark}");
        assert_eq!(format!("{:?}", request.tools[0].cache), expected, "{mark}");
    }
    let odd = json!([{ "role": "user", "content": [{ "type": "text", "text": "x", "cache_control": { "type": "eternal" } }] }]);
    let text = body("messages", odd);
    let request = read_request(text.as_bytes()).unwrap();
    assert_eq!(paths(&request), ["messages[0].content[0].cache_control.type"]);
}

#[test]
fn what_this_dialect_cannot_say_is_refused_in_the_words_of_the_client() {
    let inline = |media_type: &'static str| Source::Inline {
        media_type: media_type.into(),
        data: "QUJD".into(),
    };
    let url = || Source::Url { url: "https://a/b".into(), media_type: None };
    let file = |source| Content::Document { source, title: None };
    let returned = |content| {
        let (call, name, parts) = ("c".into(), "f".into(), vec![part(content)]);
        Content::Outcome(Outcome { call, name, parts, is_error: None })
    };
    let said = |content| saying(Role::User, vec![part(content)]);
    let model_said = |content| saying(Role::Assistant, vec![part(content)]);
    let stop = Request { stop: vec!["a".into(); 5], ..Request::default() };
    let mut top_k = Request::default();
    top_k.sampling.top_k = Some(7);
    #[rustfmt::skip]
    let cases = [
        (said(returned(Content::Image(Source::File("f".into())))), "messages[3].content[].source.file_id"),
        (said(returned(file(inline("application/zip")))),     "messages[3].content[].source"),
        (said(Content::Image(Source::File("f".into()))),      "messages[3].content[].source.file_id"),
        (said(Content::Audio(inline("audio/flac"))),          "messages[3].content[].source"),
        (said(Content::Audio(url())),                         "messages[3].content[].source"),
        (said(Content::Audio(Source::File("f".into()))),      "messages[3].content[].source.file_id"),
        (said(file(inline("application/zip"))),               "messages[3].content[].source"),
        (said(file(url())),                                   "messages[3].content[].source"),
        (said(file(Source::File("f".into()))),                "messages[3].content[].source.file_id"),
        (model_said(Content::Image(inline("image/png"))),     "messages[3].content[].source"),
        (model_said(Content::Audio(inline("audio/wav"))),     "messages[3].content[].source"),
        (model_said(file(inline("application/pdf"))),         "messages[3].content[].source"),
        (stop,                                                "stop_sequences"),
        (top_k,                                               "top_k"),
    ];
    let to = Target { from: Client::Dialect(Dialect::Anthropic), ..knowing_nothing() };
    for (request, path) in cases {
        let refused = write_request(&request, &to, &mut nothing()).unwrap_err();
        assert_eq!(refused, Untranslatable::Unsupported(path.to_owned()), "{request:?}");
        let mut leave = Leave::new(Allowed::All);
        let left = write_request(&request, &to, &mut leave).unwrap();
        assert_eq!(leave.left(), [path]);
        let left: Value = serde_json::from_slice(&left).unwrap();
        assert!(left.get("stop").is_none() && left.get("top_k").is_none());
        assert!(!left.to_string().contains("QUJD"));
    }
}

#[test]
fn a_server_is_told_only_what_it_knows() {
    let thought = Thought { text: "Hm".into(), seal: Some(Seal::Anthropic("s".into())) };
    let arguments = std::borrow::Cow::Owned(RawValue::from_string("{}".to_owned()).unwrap());
    let seal = Some(Seal::Google("g".into()));
    let call = Call { id: "c".into(), name: "f".into(), arguments, seal };
    let parts = vec![part(Content::Thought(thought)), part(Content::Call(call))];
    let mut request = saying(Role::Assistant, parts);
    request.output_tokens_max = Some(9);
    let known = written(&request, &knowing_all());
    assert_eq!(known["messages"][0]["reasoning_content"], "Hm");
    assert_eq!(known["max_completion_tokens"], 9);
    assert_eq!(known.get("max_tokens"), None);
    let unknown = written(&request, &knowing_nothing());
    assert_eq!(unknown["messages"][0].get("reasoning_content"), None);
    assert_eq!(unknown["max_tokens"], 9);
    assert_eq!(unknown.get("max_completion_tokens"), None);
    // What was only thought is no message.
    let alone = saying(Role::Assistant, vec![request.turns[0].parts[0].clone()]);
    assert_eq!(written(&alone, &knowing_all())["messages"], json!([]));
}

#[test]
fn a_long_name_of_an_end_user_is_told_by_its_hash_and_a_schema_gets_a_name() {
    let schema = std::borrow::Cow::Owned(RawValue::from_string("{}".to_owned()).unwrap());
    let (name, description, is_strict) = (None, None, Some(true));
    let request = Request {
        end_user: Some("u".repeat(129).into()),
        format: Format::Schema { name, description, schema, is_strict },
        ..saying(Role::User, vec![part(Content::Text("x".into()))])
    };
    let found = written(&request, &knowing_nothing());
    assert_eq!(found["user"].as_str().unwrap().len(), 64);
    let named = json!({ "name": "output", "schema": {}, "strict": true });
    assert_eq!(found["response_format"]["json_schema"], named);
}

/// Every object of a body that this dialect names the fields of, by its path.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(path.to_owned());
            for (name, value) in fields {
                // Schemas are passed on as they are.
                if name != "parameters" && name != "schema" {
                    objects(value, &format!("{path}/{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                objects(item, &format!("{path}/{position}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_field_that_nobody_knows_is_told_wherever_it_stands() {
    let golden = include_str!("../golden/openai/requests/every_field.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let mut pointers = Vec::new();
    objects(&golden, "", &mut pointers);
    assert!(pointers.len() > 40, "{}", pointers.len());
    for pointer in pointers {
        let mut body = golden.clone();
        body.pointer_mut(&pointer).unwrap()["of_tomorrow"] = json!({});
        let text = body.to_string();
        let request = read_request(text.as_bytes()).unwrap();
        let mut path = String::new();
        for step in pointer.split('/').skip(1) {
            let dot = if path.is_empty() { "" } else { "." };
            let is_position = step.parse::<usize>().is_ok();
            path =
                if is_position { format!("{path}[{step}]") } else { format!("{path}{dot}{step}") };
        }
        let dot = if path.is_empty() { "" } else { "." };
        assert_eq!(paths(&request), [format!("{path}{dot}of_tomorrow")]);
    }
}

#[test]
fn what_has_no_escapes_is_borrowed_from_the_body() {
    let tool = json!({ "type": "function", "function": { "name": "f", "parameters": { "a": 1 } } });
    let mut text: Value = serde_json::from_str(&body("tools", json!([tool]))).unwrap();
    let image = json!({ "url": "data:image/png;base64,QUJD" });
    let image = json!({ "type": "image_url", "image_url": image });
    text["messages"][0]["content"] = json!([{ "type": "text", "text": "plain" }, image]);
    let text = text.to_string();
    let request = read_request(text.as_bytes()).unwrap();
    let is_inside = |part: &str| text.as_bytes().as_ptr_range().contains(&part.as_ptr());
    let parts = &request.turns[0].parts;
    let Content::Text(plain) = &parts[0].content else { panic!("{parts:?}") };
    let Content::Image(Source::Inline { data, .. }) = &parts[1].content else {
        panic!("{parts:?}")
    };
    assert!(is_inside(&request.model) && is_inside(plain) && is_inside(data));
    assert!(is_inside(request.tools[0].schema.as_ref().unwrap().get()));
}
