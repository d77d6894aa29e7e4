//! How requests of other dialects are written.

use doorward_dialect::anthropic::write_request;
use doorward_dialect::request::{
    Call, Content, Effort, Format, Keep, Outcome, Part, Request, Role, Sampling, Seal, Source,
    Thinking, ThinkingMode, Thought, Tool, ToolChoice, Turn,
};
use doorward_dialect::unsupported::{Allowed, Extra, Leave, Untranslatable};
use doorward_dialect::{Dialect, Json, Knows, Target};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{able, json as parsed};

fn raw(json: &str) -> Json<'static> {
    Json::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

fn text(text: &'static str) -> Part<'static> {
    part(Content::Text(text.into()))
}

fn turn(at: usize, role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { at, role, parts }
}

fn call(id: &'static str) -> Part<'static> {
    let seal = Some(Seal::Google("g".into()));
    part(Content::Call(Call { id: id.into(), name: "f".into(), arguments: raw("{}"), seal }))
}

fn outcome(id: &'static str, parts: Vec<Part<'static>>) -> Part<'static> {
    let outcome = Outcome { call: id.into(), name: "f".into(), parts, is_error: None };
    part(Content::Outcome(outcome))
}

fn tool(name: &'static str, schema: Option<&str>) -> Tool<'static> {
    let schema = schema.map(raw);
    Tool { name: name.into(), description: None, schema, is_strict: None, cache: None }
}

fn hello() -> Request<'static> {
    let turns = vec![turn(0, Role::User, vec![text("hello")])];
    Request { model: "alias".into(), turns, ..Request::default() }
}

fn written(request: &Request<'_>) -> Value {
    written_to(request, &able("m", Dialect::OpenAi))
}

fn written_to(request: &Request<'_>, to: &Target<'_>) -> Value {
    parsed(&write_request(request, to, &mut Leave::default()).unwrap())
}

/// What is refused, and what is written where everything may be left out.
fn refused(request: &Request<'_>, to: &Target<'_>) -> (String, Value) {
    let why = write_request(request, to, &mut Leave::default()).unwrap_err();
    let Untranslatable::Unsupported(path) = why else { panic!("{why}") };
    let mut leave = Leave::new(Allowed::All);
    let bytes = write_request(request, to, &mut leave).unwrap();
    assert_eq!(leave.left().first(), Some(&path));
    (path, parsed(&bytes))
}

#[test]
fn the_least_request_has_a_model_messages_and_max_tokens() {
    let expected = json!({"model": "m", "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hello"}]});
    assert_eq!(written(&hello()), expected);
}

#[test]
fn what_cannot_be_said_is_refused_in_the_clients_words() {
    type Change = fn(&mut Request<'static>);
    #[rustfmt::skip]
    let cases: [(Dialect, Change, &str); 22] = [
        (Dialect::OpenAi, |r| r.answers = Some(2),                                        "n"),
        (Dialect::Google, |r| r.answers = Some(2),                                        "generationConfig.candidateCount"),
        (Dialect::OpenAi, |r| r.sampling.seed = Some(0),                                  "seed"),
        (Dialect::OpenAi, |r| r.sampling.frequency_penalty = Some(0.1),                   "frequency_penalty"),
        (Dialect::OpenAi, |r| r.sampling.presence_penalty = Some(-1.0),                   "presence_penalty"),
        (Dialect::OpenAi, |r| r.sampling.temperature = Some(1.01),                        "temperature"),
        (Dialect::OpenAi, |r| r.stop = vec![" \n".into(), "a".into()],                    "stop"),
        (Dialect::OpenAi, |r| r.format = Format::Json,                                    "response_format"),
        (Dialect::OpenAi, |r| r.extras.push(Extra { path: "logit_bias".to_owned() }),     "logit_bias"),
        (Dialect::OpenAi, |r| r.turns[0].parts.push(part(Content::Audio(Source::Plain("x".into())))), "messages[0].content[].input_audio"),
        (Dialect::OpenAi, |r| r.turns[0].parts.push(part(Content::Image(Source::Inline { media_type: "image/tiff".into(), data: "AA==".into() }))), "messages[0].content[].image_url"),
        (Dialect::OpenAi, |r| r.turns[0].parts.push(part(Content::Image(Source::File("file_1".into())))), "messages[0].content[].file.file_id"),
        (Dialect::OpenAi, |r| r.turns.insert(0, turn(7, Role::Assistant, vec![part(Content::Image(Source::Url { url: "https://a".into(), media_type: None }))])), "messages[7].content[].image_url"),
        (Dialect::OpenAi, |r| r.turns[0].parts.push(part(Content::Document { source: Source::Inline { media_type: "text/plain".into(), data: "/w==".into() }, title: None })), "messages[0].content[].file"),
        (Dialect::Google, |r| r.turns[0].parts.push(part(Content::Document { source: Source::Url { url: "https://a".into(), media_type: Some("video/mp4".into()) }, title: None })), "contents[0].parts[].inlineData"),
        (Dialect::Google, |r| r.tools = vec![tool("a.b", None)],                          "tools[].functionDeclarations[].name"),
        (Dialect::OpenAi, |r| { r.tools = vec![tool("f", None)]; r.tool_choice = ToolChoice::Among { names: vec!["f".into()], is_required: false }; }, "tool_choice"),
        (Dialect::Google, |r| r.thinking = Thinking { mode: ThinkingMode::On, tokens_max: Some(512), ..Thinking::default() }, "generationConfig.thinkingConfig"),
        (Dialect::Google, |r| r.thinking.tokens_max = Some(4096),                         "generationConfig.thinkingConfig"),
        (Dialect::Google, |r| r.thinking = Thinking { mode: ThinkingMode::Adaptive, tokens_max: Some(2048), ..Thinking::default() }, "generationConfig.thinkingConfig"),
        (Dialect::OpenAi, |r| { r.thinking.mode = ThinkingMode::On; r.tools = vec![tool("f", None)]; r.tool_choice = ToolChoice::Required; }, "reasoning_effort"),
        (Dialect::OpenAi, |r| r.turns[0].parts.push(outcome("a", vec![part(Content::Audio(Source::Plain("x".into())))])), "messages[0].content[].input_audio"),
    ];
    for (from, change, path) in cases {
        let mut request = hello();
        change(&mut request);
        let (found, body) = refused(&request, &able("m", from));
        assert_eq!(found, path);
        let message = body["messages"].as_array().unwrap().last().unwrap().to_string();
        assert!(message.contains("hello"), "{body}");
        assert!(body.get("thinking").is_none(), "{body}");
    }
}

#[test]
fn what_equals_the_default_is_not_refused() {
    let mut request = hello();
    request.answers = Some(1);
    request.sampling.frequency_penalty = Some(0.0);
    request.sampling.presence_penalty = Some(0.0);
    request.sampling.temperature = Some(1.0);
    request.sampling.top_p = Some(1.0);
    request.tool_choice = ToolChoice::Never;
    request.is_one_call_only = true;
    let newest = Target { knows: Knows::default(), ..able("m", Dialect::OpenAi) };
    assert_eq!(written_to(&request, &newest), written(&hello()));
}

#[test]
fn models_that_take_no_sampling_get_none() {
    #[rustfmt::skip]
    let cases = [
        (Sampling { temperature: Some(0.0), ..Sampling::default() }, "temperature"),
        (Sampling { top_p: Some(0.5),       ..Sampling::default() }, "top_p"),
        (Sampling { top_k: Some(3),         ..Sampling::default() }, "top_k"),
    ];
    let newest = Target { knows: Knows::default(), ..able("m", Dialect::OpenAi) };
    for (sampling, path) in cases {
        let request = Request { sampling, ..hello() };
        assert!(!written(&request)[path].is_null());
        let (found, body) = refused(&request, &newest);
        assert_eq!((found.as_str(), body), (path, written(&hello())));
    }
}

#[test]
fn every_choice_of_tools_is_written() {
    let among = |names: &[&'static str], is_required| {
        let names = names.iter().map(|name| (*name).into()).collect();
        ToolChoice::Among { names, is_required }
    };
    let only = "disable_parallel_tool_use";
    #[rustfmt::skip]
    let cases = [
        (ToolChoice::Unset,              false, json!(null)),
        (ToolChoice::Unset,              true,  json!({"type": "auto", only: true})),
        (ToolChoice::Auto,               false, json!({"type": "auto"})),
        (ToolChoice::Never,              true,  json!({"type": "none"})),
        (ToolChoice::Required,           false, json!({"type": "any"})),
        (ToolChoice::Required,           true,  json!({"type": "any", only: true})),
        (ToolChoice::Named("f".into()),  true,  json!({"type": "tool", "name": "f", only: true})),
        (among(&["f"], true),            false, json!({"type": "tool", "name": "f"})),
    ];
    for (tool_choice, is_one_call_only, expected) in cases {
        let tools = vec![tool("f", None), tool("g", None)];
        let request = Request { tools, tool_choice, is_one_call_only, ..hello() };
        let body = written(&request);
        assert_eq!(body["tool_choice"], expected, "{:?}", request.tool_choice);
        assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    }
    for (is_required, kind) in [(true, "any"), (false, "auto")] {
        let tools = vec![tool("f", None), tool("g", None), tool("h", None)];
        let tool_choice = among(&["h", "f"], is_required);
        let request = Request { tools, tool_choice, ..hello() };
        let (_, body) = refused(&request, &able("m", Dialect::OpenAi));
        assert_eq!(body["tool_choice"], json!({"type": kind}));
        let names: Vec<_> =
            body["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, ["f", "h"]);
    }
}

#[test]
fn a_schema_says_that_it_is_one_of_an_object() {
    let nothing = r#"{"type":"object","properties":{}}"#;
    #[rustfmt::skip]
    let cases = [
        (None,                                        nothing),
        (Some("{}"),                                  nothing),
        (Some("{ }"),                                 nothing),
        (Some(r#"{"properties":{"type":{}}}"#),       r#"{"type":"object","properties":{"type":{}}}"#),
        (Some(r#"{ "type" : "object" , "x":1.0}"#),   r#"{ "type" : "object" , "x":1.0}"#),
    ];
    for (schema, expected) in cases {
        let request = Request { tools: vec![tool("f", schema)], ..hello() };
        let to = able("m", Dialect::Google);
        let bytes = write_request(&request, &to, &mut Leave::default()).unwrap();
        let body = String::from_utf8(bytes).unwrap();
        assert!(body.contains(&format!(r#""input_schema":{expected}"#)), "{body}");
    }
}

#[test]
fn every_way_to_think_is_written() {
    use ThinkingMode::{Adaptive, Off, On, Unset};
    let (openai, anthropic) = (Dialect::OpenAi, Dialect::Anthropic);
    #[rustfmt::skip]
    let cases = [
        // from     mode      effort                 tokens      shown        thinking                                             effort
        (openai,    Unset,    None,                  None,       None,        json!(null),                                         json!(null)),
        (openai,    Unset,    Some(Effort::Minimal), None,       None,        json!({"type": "adaptive"}),                         json!("low")),
        (openai,    Unset,    Some(Effort::Max),     None,       None,        json!({"type": "adaptive"}),                         json!("max")),
        (anthropic, Unset,    Some(Effort::Low),     None,       None,        json!(null),                                         json!("low")),
        (openai,    Unset,    None,                  None,       Some(true),  json!({"type": "adaptive", "display": "summarized"}), json!(null)),
        (openai,    Unset,    None,                  None,       Some(false), json!(null),                                         json!(null)),
        (openai,    Off,      None,                  None,       None,        json!({"type": "disabled"}),                         json!(null)),
        (openai,    Adaptive, Some(Effort::Medium),  None,       Some(false), json!({"type": "adaptive", "display": "omitted"}),   json!("medium")),
        (openai,    On,       Some(Effort::High),    None,       None,        json!({"type": "adaptive"}),                         json!("high")),
        (openai,    On,       Some(Effort::Higher),  Some(1024), None,        json!({"type": "enabled", "budget_tokens": 1024}),   json!("xhigh")),
        (openai,    Unset,    None,                  Some(4095), None,        json!({"type": "enabled", "budget_tokens": 4095}),   json!(null)),
    ];
    for (from, mode, effort, tokens_max, is_shown, expected, expected_effort) in cases {
        let thinking = Thinking { mode, effort, tokens_max, is_shown };
        let body = written_to(&Request { thinking, ..hello() }, &able("m", from));
        assert_eq!(body["thinking"], expected, "{thinking:?}");
        assert_eq!(body["output_config"]["effort"], expected_effort, "{thinking:?}");
    }
}

#[test]
fn hardness_alone_forces_no_thoughts_on_a_forced_call() {
    let mut request = Request { tools: vec![tool("f", None)], ..hello() };
    request.tool_choice = ToolChoice::Required;
    request.thinking.effort = Some(Effort::High);
    let body = written(&request);
    assert_eq!(
        (&body["thinking"], &body["output_config"]["effort"]),
        (&json!(null), &json!("high"))
    );
}

#[test]
fn outcomes_come_first_and_ids_become_words_that_are_each_used_once() {
    let request = Request {
        turns: vec![
            turn(0, Role::User, vec![text("go")]),
            turn(1, Role::Assistant, vec![call("a.0"), call("call_1")]),
            turn(
                2,
                Role::User,
                vec![text("also"), outcome("a.0", vec![text("1")]), outcome("call_1", vec![])],
            ),
            turn(3, Role::Assistant, vec![call("call_1")]),
            turn(4, Role::User, vec![outcome("call_1", vec![text("a"), text("b")])]),
        ],
        ..hello()
    };
    let body = written(&request);
    let messages = &body["messages"];
    let (first, again) = (&messages[1]["content"][0]["id"], &messages[3]["content"][0]["id"]);
    assert!(first.as_str().unwrap().starts_with("toolu_"));
    assert_ne!(again, "call_1");
    assert_eq!(
        messages[2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": first, "content": "1"},
            {"type": "tool_result", "tool_use_id": "call_1"},
            {"type": "text", "text": "also"},
        ])
    );
    let texts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(messages[4]["content"][0]["tool_use_id"], *again);
    assert_eq!(messages[4]["content"][0]["content"], texts);
    assert_eq!(written(&request), body);
}

#[test]
fn only_seals_of_this_dialect_are_written() {
    let thought =
        |text: &'static str, seal| part(Content::Thought(Thought { text: text.into(), seal }));
    let parts = vec![
        thought("mine", Some(Seal::Anthropic("s".into()))),
        thought("", Some(Seal::AnthropicHidden("d".into()))),
        thought("other", Some(Seal::Google("g".into()))),
        thought("bare", None),
        text("so"),
    ];
    let only_foreign = vec![thought("bare", None)];
    let turns = vec![
        turn(0, Role::User, vec![text("go")]),
        turn(1, Role::Assistant, only_foreign),
        turn(2, Role::Assistant, parts),
    ];
    let body = written(&Request { turns, ..hello() });
    let expected = json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "mine", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "so"}]},
    ]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn white_space_goes_to_the_text_beside_it() {
    let image = || part(Content::Image(Source::Url { url: "https://a".into(), media_type: None }));
    let marked = Part { cache: Some(Keep::Long), ..text("\n") };
    let parts = vec![text(" "), text("a"), marked, text("b"), image(), text(" "), image()];
    let turns = vec![turn(0, Role::User, parts), turn(1, Role::Assistant, vec![text("\n \n")])];
    let body = written(&Request { turns, ..hello() });
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://a"}});
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    let expected = json!([{"role": "user", "content": [
        {"type": "text", "text": " a\n", "cache_control": long}, {"type": "text", "text": "b"}, image, image,
    ]}]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn files_are_written_in_the_form_that_fits() {
    let document = |source| part(Content::Document { source, title: Some("t".into()) });
    let inline =
        |kind: &'static str| Source::Inline { media_type: kind.into(), data: "aGk=".into() };
    let url = Source::Url { url: "https://a".into(), media_type: None };
    let parts = vec![
        document(inline("application/pdf")),
        document(inline("text/plain")),
        document(Source::Plain("hi".into())),
        document(url),
        part(Content::Refusal("no".into())),
    ];
    let body = written(&Request { turns: vec![turn(0, Role::User, parts)], ..hello() });
    let plain = json!({"type": "text", "media_type": "text/plain", "data": "hi"});
    let expected = json!([
        {"type": "document", "title": "t", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
        {"type": "document", "title": "t", "source": plain},
        {"type": "document", "title": "t", "source": plain},
        {"type": "document", "title": "t", "source": {"type": "url", "url": "https://a"}},
        {"type": "text", "text": "no"},
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
}

#[test]
fn instructions_in_the_middle_need_a_model_that_takes_them() {
    let mut request = hello();
    request.system = vec![text("be brief")];
    request.turns.push(turn(1, Role::System, vec![text("be kind")]));
    let body = written(&request);
    assert_eq!(body["system"], "be brief");
    assert_eq!(body["messages"][1], json!({"role": "system", "content": "be kind"}));
    let older = Target { knows: Knows::default(), ..able("m", Dialect::OpenAi) };
    let (path, body) = refused(&request, &older);
    assert_eq!(path, "messages[1].role");
    let both = json!([{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}]);
    assert_eq!(body["system"], both);
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_conversation_that_says_nothing_is_malformed() {
    let mut request = hello();
    request.turns[0].parts.clear();
    let why = write_request(&request, &able("m", Dialect::Google), &mut Leave::default());
    assert!(matches!(why, Err(Untranslatable::Malformed(why)) if why.path == "contents"));
}
