//! What the fields of a request mean.

use doorward_dialect::anthropic::{read_count_request, read_request};
use doorward_dialect::request::{
    Content, Delivery, Effort, Format, Keep, Part, Request, Role, Seal, Source, ThinkingMode,
    ToolChoice,
};
use serde_json::{Value, json};

use crate::support::golden;

fn body(changes: Value) -> String {
    let mut body = json!({
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hello"}],
    });
    let Value::Object(changes) = changes else { panic!() };
    for (name, value) in changes {
        body[name] = value;
    }
    body.to_string()
}

fn extras(request: &Request<'_>) -> Vec<String> {
    request.extras.iter().map(|extra| extra.path.clone()).collect()
}

fn texts<'r>(parts: &'r [Part<'_>]) -> Vec<&'r str> {
    let text = |part: &'r Part<'_>| match &part.content {
        Content::Text(text) => Some(&**text),
        _ => None,
    };
    parts.iter().filter_map(text).collect()
}

#[test]
fn what_nobody_else_can_say_is_named() {
    #[rustfmt::skip]
    let cases = [
        // changes                                                                    extras
        (json!({"unknown": 1}),                                                       vec!["unknown"]),
        (json!({"unknown": null}),                                                    vec![]),
        (json!({"container": "c_1"}),                                                 vec!["container"]),
        (json!({"inference_geo": "us"}),                                              vec!["inference_geo"]),
        (json!({"user_profile_id": "u"}),                                             vec!["user_profile_id"]),
        (json!({"speed": "fast"}),                                                    vec!["speed"]),
        (json!({"speed": "standard"}),                                                vec![]),
        (json!({"service_tier": "standard_only"}),                                    vec![]),
        (json!({"diagnostics": {"previous_message_id": "m"}}),                        vec![]),
        (json!({"mcp_servers": []}),                                                  vec![]),
        (json!({"mcp_servers": [{}]}),                                                vec!["mcp_servers"]),
        (json!({"context_management": {"edits": []}}),                                vec![]),
        (json!({"context_management": {"edits": [{"type": "clear_tool_uses_20250919", "trigger": {}}]}}), vec![]),
        (json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}),    vec!["context_management.edits[0]"]),
        (json!({"max_tokens": 0}),                                                    vec!["max_tokens"]),
        (json!({"metadata": {"user_id": "u", "other": 1}}),                           vec!["metadata.other"]),
        (json!({"thinking": {"type": "between_tools"}}),                              vec!["thinking.type"]),
        (json!({"output_config": {"effort": null, "other": 1}}),                      vec!["output_config.other"]),
        (json!({"output_config": {"task_budget": {}, "format": {"type": "json_schema", "schema": {}, "x": 1}}}), vec!["output_config.format.x", "output_config.task_budget"]),
        (json!({"output_format": {"type": "json_schema", "schema": {}}, "output_config": {"format": {"type": "json_schema", "schema": {}}}}), vec!["output_format"]),
        (json!({"tool_choice": {"type": "auto", "name": "x"}}),                       vec!["tool_choice.name"]),
        (json!({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]}), vec!["tools[0].type"]),
        (json!({"tools": [{"type": "custom", "name": "f", "input_schema": {}, "defer_loading": false, "allowed_callers": ["direct"], "input_examples": []}]}), vec![]),
        (json!({"tools": [{"name": "f", "input_schema": {}, "defer_loading": true, "allowed_callers": ["code_execution_20260120"], "input_examples": [{}], "eager_input_streaming": true, "x": 0}]}),
            vec!["tools[0].defer_loading", "tools[0].allowed_callers", "tools[0].input_examples", "tools[0].x"]),
        (json!({"cache_control": {"type": "ephemeral", "scope": "global", "x": 1}}),  vec!["cache_control.x"]),
        (json!({"messages": [{"role": "user", "content": "a", "name": "x"}]}),        vec!["messages[0].name"]),
        (json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "citations": [{}], "x": 1}]}]}), vec!["messages[0].content[0].citations", "messages[0].content[0].x"]),
        (json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "citations": [], "id": "wrong here"}]}]}), vec!["messages[0].content[0].id"]),
        (json!({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}, {"role": "user", "content": "a"}]}), vec!["messages[0].content[0].type"]),
        (json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]}]}), vec!["messages[1].content[0].type", "messages[1].content[1].type"]),
        (json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://a", "x": 1}, "transformations": {}}]}]}), vec!["messages[0].content[0].source.x", "messages[0].content[0].transformations"]),
        (json!({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "d"}, "context": "c", "citations": {"enabled": true}}]}]}), vec!["messages[0].content[0].citations", "messages[0].content[0].context"]),
        (json!({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "d"}, "citations": {"enabled": false}}]}]}), vec![]),
        (json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "document", "source": {"type": "content", "content": []}}]}]}), vec!["messages[0].content[1].source"]),
    ];
    for (changes, expected) in cases {
        let body = body(changes);
        let request = read_request(body.as_bytes()).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(extras(&request), expected, "{body}");
    }
}

#[test]
fn every_choice_of_tools_is_read() {
    #[rustfmt::skip]
    let cases = [
        (json!(null),                                                   ToolChoice::Unset,             false),
        (json!({"type": "auto"}),                                       ToolChoice::Auto,              false),
        (json!({"type": "auto", "disable_parallel_tool_use": true}),    ToolChoice::Auto,              true),
        (json!({"type": "any", "disable_parallel_tool_use": false}),    ToolChoice::Required,          false),
        (json!({"type": "any", "disable_parallel_tool_use": true}),     ToolChoice::Required,          true),
        (json!({"type": "tool", "name": "f"}),                          ToolChoice::Named("f".into()), false),
        (json!({"type": "none"}),                                       ToolChoice::Never,             false),
    ];
    for (choice, expected, is_one_call_only) in cases {
        let body = body(json!({ "tool_choice": choice }));
        let request = read_request(body.as_bytes()).unwrap();
        assert_eq!(request.tool_choice, expected, "{body}");
        assert_eq!(request.is_one_call_only, is_one_call_only, "{body}");
    }
}

#[test]
fn every_way_to_think_is_read() {
    use ThinkingMode::{Adaptive, Off, On, Unset};
    #[rustfmt::skip]
    let cases = [
        // thinking                                                              effort            mode      effort               tokens       shown
        (json!(null),                                                            json!(null),     Unset,    None,                 None,        None),
        (json!(null),                                                            json!("low"),    Unset,    Some(Effort::Low),    None,        None),
        (json!({"type": "disabled"}),                                            json!(null),     Off,      None,                 None,        None),
        (json!({"type": "adaptive"}),                                            json!("medium"), Adaptive, Some(Effort::Medium), None,        None),
        (json!({"type": "adaptive", "display": "omitted"}),                      json!("high"),   Adaptive, Some(Effort::High),   None,        Some(false)),
        (json!({"type": "adaptive", "display": "summarized"}),                   json!("xhigh"),  Adaptive, Some(Effort::Higher), None,        Some(true)),
        (json!({"type": "enabled", "budget_tokens": 1024}),                      json!("max"),    On,       Some(Effort::Max),    Some(1024),  None),
        (json!({"type": "enabled", "budget_tokens": 9000, "display": null}),     json!(null),     On,       None,                 Some(9000),  None),
    ];
    for (thinking, effort, mode, expected_effort, tokens_max, is_shown) in cases {
        let body = body(json!({"thinking": thinking, "output_config": {"effort": effort}}));
        let found = read_request(body.as_bytes()).unwrap().thinking;
        assert_eq!((found.mode, found.effort), (mode, expected_effort), "{body}");
        assert_eq!((found.tokens_max, found.is_shown), (tokens_max, is_shown), "{body}");
    }
}

#[test]
fn the_other_settings_are_read() {
    let body = body(json!({
        "stream": true, "temperature": 1, "top_p": 0.5, "top_k": 7, "stop_sequences": ["a", "b"],
        "metadata": {"user_id": "u"}, "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "output_format": {"type": "json_schema", "schema": {"type": "object"}},
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true}],
    }));
    let request = read_request(body.as_bytes()).unwrap();
    assert_eq!(request.model, "m");
    assert_eq!(request.output_tokens_max, Some(10));
    assert_eq!(request.delivery, Delivery::Stream { wants_usage: true });
    assert_eq!(request.sampling.temperature, Some(1.0));
    assert_eq!((request.sampling.top_p, request.sampling.top_k), (Some(0.5), Some(7)));
    assert_eq!(request.stop, ["a", "b"]);
    assert_eq!(request.end_user.as_deref(), Some("u"));
    assert_eq!(request.turns[0].parts[0].cache, Some(Keep::Long));
    assert_eq!(request.tools[0].is_strict, Some(true));
    assert_eq!(request.tools[0].description.as_deref(), Some("d"));
    let Format::Schema { schema, is_strict: Some(true), .. } = &request.format else {
        panic!("{:?}", request.format);
    };
    assert_eq!(schema.get(), r#"{"type":"object"}"#);
    assert_eq!(extras(&request), [""; 0]);
}

#[test]
fn counting_needs_no_max_tokens() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
    assert_eq!(read_request(body).unwrap_err().path, "max_tokens");
    assert_eq!(read_count_request(body).unwrap().output_tokens_max, None);
}

#[test]
fn every_kind_of_content_is_read() {
    let files = golden("requests", "json");
    let file = |name: &str| files.iter().find(|(found, _)| found == name).unwrap().1.as_bytes();

    let request = read_request(file("images")).unwrap();
    let kinds: Vec<_> = request.turns[0]
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::Image(Source::Inline { media_type, data }) => format!("{media_type} {data}"),
            Content::Image(Source::Url { url, media_type: None }) => url[..12].to_owned(),
            Content::Image(Source::File(id)) => id.to_string(),
            Content::Text(_) => "text".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["image/png iVBORw0KGgo=", "https://uplo", "file_abc123", "text"]);

    let request = read_request(file("documents")).unwrap();
    let parts = &request.turns[0].parts;
    let Content::Document { source: Source::Inline { media_type, .. }, title } = &parts[0].content
    else {
        panic!("{parts:?}");
    };
    assert_eq!((&**media_type, title.as_deref()), ("application/pdf", Some("Letter")));
    assert!(matches!(
        &parts[1].content,
        Content::Document { source: Source::Url { media_type: Some(kind), .. }, .. } if kind == "application/pdf"
    ));
    assert!(matches!(&parts[2].content, Content::Document { source: Source::Plain(_), .. }));
    assert!(matches!(&parts[3].content, Content::Document { source: Source::File(_), .. }));

    let request = read_request(file("thinking")).unwrap();
    let parts = &request.turns[1].parts;
    let Content::Thought(thought) = &parts[0].content else { panic!("{parts:?}") };
    assert!(matches!(&thought.seal, Some(Seal::Anthropic(seal)) if seal.starts_with("EqQB")));
    let Content::Thought(thought) = &parts[1].content else { panic!("{parts:?}") };
    assert!(matches!(&thought.seal, Some(Seal::AnthropicHidden(_))) && thought.text.is_empty());
}

#[test]
fn outcomes_know_their_functions() {
    let files = golden("requests", "json");
    let (_, body) = files.iter().find(|(name, _)| name == "outcomes").unwrap();
    let request = read_request(body.as_bytes()).unwrap();
    let outcomes: Vec<_> = request
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| match &part.content {
            Content::Outcome(outcome) => Some(outcome),
            _ => None,
        })
        .map(|it| (&*it.call, &*it.name, it.parts.len(), it.is_error))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("toolu_01A09q90qw90lq917835lq9", "get_weather", 1, None),
            ("toolu_02", "get_weather", 2, Some(true)),
            ("toolu_03", "get_weather", 0, None),
        ]
    );
}

#[test]
fn what_claude_code_sends_is_read_without_a_word_of_complaint() {
    let files = golden("requests", "json");
    let (_, body) = files.iter().find(|(name, _)| name == "claude_code").unwrap();
    let request = read_request(body.as_bytes()).unwrap();
    assert_eq!(extras(&request), [""; 0]);
    assert_eq!(
        texts(&request.system),
        ["You are Claude Code, Anthropic's official CLI for Claude."]
    );
    assert_eq!(request.system[0].cache, Some(Keep::Long));
    let roles: Vec<_> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::System]);
    assert_eq!(request.thinking.mode, ThinkingMode::Adaptive);
}

#[test]
fn outcomes_of_calls_that_stand_in_several_messages_come_together() {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let outcome = |id: &str| json!({"type": "tool_result", "tool_use_id": id});
    let body = body(json!({"messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [call("a")]},
        {"role": "assistant", "content": [call("b")]},
        {"role": "user", "content": [outcome("b"), {"type": "text", "text": "one"}]},
        {"role": "system", "content": "hm"},
        {"role": "user", "content": [outcome("a")]},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": [call("a")]},
        {"role": "user", "content": [outcome("a")]},
    ]}));
    let request = read_request(body.as_bytes()).unwrap();
    let shape: Vec<_> = request
        .turns
        .iter()
        .map(|turn| {
            let parts = turn.parts.iter().map(|part| match &part.content {
                Content::Call(call) => format!("call {}", call.id),
                Content::Outcome(outcome) => format!("outcome {}", outcome.call),
                Content::Text(text) => text.to_string(),
                other => panic!("{other:?}"),
            });
            (turn.at, parts.collect::<Vec<_>>().join(", "))
        })
        .collect();
    #[rustfmt::skip]
    let expected = [
        (0, "go"), (1, "call a, call b"), (3, "outcome b, outcome a, one"), (4, "hm"), (6, "two"),
        (7, "call a"), (8, "outcome a"),
    ];
    let expected: Vec<_> = expected.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
    assert_eq!(shape, expected);
}

#[test]
fn what_says_nothing_is_left_out() {
    let body = body(json!({"system": "", "messages": [
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": ""}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": " "}]},
        {"role": "user", "content": []},
    ]}));
    let request = read_request(body.as_bytes()).unwrap();
    assert!(request.system.is_empty());
    let at: Vec<_> = request.turns.iter().map(|turn| (turn.at, turn.parts.len())).collect();
    assert_eq!(at, [(0, 1), (2, 2)]);
    let Content::Thought(thought) = &request.turns[1].parts[0].content else { panic!() };
    assert_eq!(thought.seal, None, "an empty signature is none");
}

#[test]
fn texts_are_borrowed_unless_they_have_escapes() {
    let body = br#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"plain"},{"type":"text","text":"a\nb"}]}]}"#;
    let request = read_request(body).unwrap();
    let is_borrowed = |at: usize| match &request.turns[0].parts[at].content {
        Content::Text(text) => matches!(text, doorward_dialect::Text::Borrowed(_)),
        other => panic!("{other:?}"),
    };
    assert!(is_borrowed(0) && !is_borrowed(1));
}
