//! Whole answers.

use doorward_dialect::answer::{Answer, Choice, Face, Finish};
use doorward_dialect::anthropic::{read_answer, read_count, write_answer, write_count};
use doorward_dialect::fault::FaultKind;
use doorward_dialect::request::{Call, Content, Part, Seal, Source, Thought};
use doorward_dialect::{Json, Text};
use doorward_domain::usage::{TOKENS_MAX, Usage};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{FACE, Said, golden, json as parsed};

fn answer(parts: Vec<Part<'static>>, finish: Finish<'static>) -> Answer<'static> {
    Answer { id: "msg_1".into(), choices: vec![Choice { parts, finish }], usage: None }
}

fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

fn call(id: &'static str, arguments: &str) -> Part<'static> {
    let arguments = Json::Owned(RawValue::from_string(arguments.to_owned()).unwrap());
    part(Content::Call(Call { id: id.into(), name: "f".into(), arguments, seal: None }))
}

#[test]
fn what_the_dialect_says_is_there_again() {
    for (name, body) in golden("answers", "json") {
        let answer = read_answer(body.as_bytes()).unwrap();
        let face = Face { model: "claude-opus-4-7", ..FACE };
        let written = write_answer(&answer, &face).unwrap();
        assert_eq!(parsed(&written), parsed(body.as_bytes()), "{name}");
    }
}

#[test]
fn documented_answers_say_what_they_say() {
    let files = golden("answers", "json");
    let said = |name: &str| {
        let (_, body) = files.iter().find(|(found, _)| found == name).unwrap();
        Said::by_answer(&read_answer(body.as_bytes()).unwrap())
    };
    let tool = said("tool_use");
    assert_eq!(tool.finish, Some(Finish::Calls));
    assert_eq!(tool.calls.len(), 1);
    assert_eq!(tool.calls[0].2, r#"{"location":"San Francisco, CA","unit":"celsius"}"#);
    let thinking = said("thinking");
    assert_eq!((thinking.seals.len(), &*thinking.text), (2, "Based on my analysis..."));
    assert_eq!(thinking.usage.unwrap().reasoning_tokens, 67);
    let cached = said("cached");
    assert_eq!(cached.finish, Some(Finish::OutputFull));
    let expected = Usage {
        input_tokens: 21 + 188_086 + 5,
        cached_input_tokens: 5,
        cache_write_tokens: 188_086,
        output_tokens: 393,
        reasoning_tokens: 0,
        ..Usage::default()
    };
    assert_eq!(cached.usage, Some(expected));
    assert_eq!(said("stop").finish, Some(Finish::Stop(Some("\n\nHuman:".into()))));
    assert_eq!(said("empty").finish, Some(Finish::End));
}

#[test]
fn every_reason_to_end_is_read() {
    let text = json!({"type": "text", "text": "a"});
    let tool = json!({"type": "tool_use", "id": "a", "name": "f"});
    let refusal = json!({"type": "refusal", "category": "bio", "explanation": "why"});
    #[rustfmt::skip]
    let cases = [
        // reason                                sequence     details        content  finish
        (json!("end_turn"),                      json!(null), json!(null),   Some(&text), Finish::End),
        (json!("end_turn"),                      json!(null), json!(null),   None,        Finish::End),
        (json!("end_turn"),                      json!("X"),  json!(null),   Some(&text), Finish::Stop(Some("X".into()))),
        (json!("end_turn"),                      json!(null), json!(null),   Some(&tool), Finish::Calls),
        (json!("tool_use"),                      json!(null), json!(null),   Some(&tool), Finish::Calls),
        (json!("tool_use"),                      json!(null), json!(null),   Some(&text), Finish::End),
        (json!("stop_sequence"),                 json!("X"),  json!(null),   Some(&text), Finish::Stop(Some("X".into()))),
        (json!("stop_sequence"),                 json!(null), json!(null),   Some(&text), Finish::Stop(None)),
        (json!("max_tokens"),                    json!(null), json!(null),   Some(&tool), Finish::OutputFull),
        (json!("model_context_window_exceeded"), json!(null), json!(null),   Some(&text), Finish::ContextFull),
        (json!("refusal"),                       json!(null), json!(null),   None,        Finish::Refused(None)),
        (json!("refusal"),                       json!(null), refusal,       None,        Finish::Refused(Some("why".into()))),
        (json!("pause_turn"),                    json!(null), json!(null),   Some(&text), Finish::End),
        (json!("pause_turn"),                    json!(null), json!(null),   None,        Finish::Broken("pause_turn".into())),
        (json!("new_reason"),                    json!(null), json!(null),   Some(&tool), Finish::Calls),
        (json!(null),                            json!(null), json!(null),   Some(&text), Finish::End),
        (json!(null),                            json!(null), json!(null),   None,        Finish::Broken("".into())),
    ];
    for (reason, sequence, details, content, finish) in cases {
        let body = json!({"content": content.into_iter().collect::<Vec<_>>(),
            "stop_reason": reason, "stop_sequence": sequence, "stop_details": details});
        let body = body.to_string();
        assert_eq!(read_answer(body.as_bytes()).unwrap().choices[0].finish, finish, "{body}");
    }
}

#[test]
fn every_reason_to_end_is_written() {
    let refusal = |why: Value| json!({"type": "refusal", "category": null, "explanation": why});
    #[rustfmt::skip]
    let cases = [
        (Finish::End,                         "end_turn",                      json!(null), json!(null)),
        (Finish::Stop(None),                  "end_turn",                      json!(null), json!(null)),
        (Finish::Stop(Some("X".into())),      "stop_sequence",                 json!("X"),  json!(null)),
        (Finish::Calls,                       "tool_use",                      json!(null), json!(null)),
        (Finish::OutputFull,                  "max_tokens",                    json!(null), json!(null)),
        (Finish::ContextFull,                 "model_context_window_exceeded", json!(null), json!(null)),
        (Finish::Refused(Some("why".into())), "refusal",                       json!(null), refusal(json!("why"))),
        (Finish::Filtered,                    "refusal",                       json!(null), refusal(json!(null))),
    ];
    for (finish, reason, sequence, details) in cases {
        let body = parsed(&write_answer(&answer(vec![], finish), &FACE).unwrap());
        assert_eq!(body["stop_reason"], reason);
        assert_eq!(body["stop_sequence"], sequence);
        assert_eq!(body["stop_details"], details);
        assert!(body.as_object().unwrap().contains_key("stop_sequence"));
    }
}

#[test]
fn every_shape_of_usage_is_read() {
    let usage = |parts: [u64; 5]| {
        let [
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
        ] = parts;
        Some(Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            ..Usage::default()
        })
    };
    let hour =
        |tokens, parts| usage(parts).map(|usage| Usage { cache_write_1h_tokens: tokens, ..usage });
    let searches = |web_searches, parts| usage(parts).map(|usage| Usage { web_searches, ..usage });
    let (read, written) = ("cache_read_input_tokens", "cache_creation_input_tokens");
    let by_life = json!({"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4});
    #[rustfmt::skip]
    let cases = [
        (json!(null),                                                             None),
        (json!({}),                                                               None),
        (json!({"input_tokens": null, "output_tokens": null}),                    None),
        (json!({"input_tokens": "many"}),                                         None),
        (json!({"input_tokens": 0, "output_tokens": 0}),                          usage([0, 0, 0, 0, 0])),
        (json!({"input_tokens": 5, "output_tokens": 7}),                          usage([5, 0, 0, 7, 0])),
        (json!({"output_tokens": 7}),                                             usage([0, 0, 0, 7, 0])),
        (json!({"input_tokens": 5, read: 2, written: 1, "output_tokens": 7}),     usage([8, 2, 1, 7, 0])),
        (json!({"input_tokens": 5, read: null, written: null}),                   usage([5, 0, 0, 0, 0])),
        (json!({"input_tokens": 5, "cache_creation": by_life}),                   hour(4, [12, 0, 7, 0, 0])),
        (json!({"input_tokens": 5, written: 7, "cache_creation": by_life}),       hour(4, [12, 0, 7, 0, 0])),
        (json!({"input_tokens": 5, written: 3, "cache_creation": by_life}),       hour(3, [8, 0, 3, 0, 0])),
        (json!({"input_tokens": 5, "cache_creation": null, "server_tool_use": {"web_search_requests": 1}, "service_tier": "standard"}), searches(1, [5, 0, 0, 0, 0])),
        (json!({"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 6}}), usage([0, 0, 0, 7, 6])),
        (json!({"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 9}}), usage([0, 0, 0, 7, 7])),
        (json!({"input_tokens": -5, "output_tokens": 1.9}),                       usage([0, 0, 0, 1, 0])),
        (json!({"input_tokens": 1e300, "output_tokens": u64::MAX, read: u64::MAX}), usage([TOKENS_MAX, TOKENS_MAX, 0, TOKENS_MAX, 0])),
    ];
    for (shape, expected) in cases {
        let body = json!({"content": [], "stop_reason": "end_turn", "usage": shape}).to_string();
        assert_eq!(read_answer(body.as_bytes()).unwrap().usage, expected, "{body}");
    }
}

#[test]
fn both_counts_are_always_written() {
    let body = parsed(&write_answer(&answer(vec![], Finish::End), &FACE).unwrap());
    let nothing = json!({"input_tokens": 0, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "output_tokens": 0});
    assert_eq!(body["usage"], nothing);
    let usage = Usage {
        input_tokens: 8,
        cached_input_tokens: 2,
        cache_write_tokens: 1,
        output_tokens: 7,
        reasoning_tokens: 6,
        ..Usage::default()
    };
    let answer = Answer { usage: Some(usage), ..answer(vec![], Finish::End) };
    let body = parsed(&write_answer(&answer, &FACE).unwrap());
    let expected = json!({"input_tokens": 5, "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": 2, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 6}});
    assert_eq!(body["usage"], expected);
}

#[test]
fn an_answer_of_another_dialect_has_this_ones_face() {
    let thought =
        |text: &'static str, seal| part(Content::Thought(Thought { text: text.into(), seal }));
    let parts = vec![
        thought("hm", Some(Seal::Google("g".into()))),
        thought("", Some(Seal::Google("g".into()))),
        thought("", None),
        part(Content::Text("".into())),
        part(Content::Text("a".into())),
        part(Content::Refusal("b".into())),
        call("x.1", "{}"),
        call("same", r#"{"a":1}"#),
        call("same", "{}"),
    ];
    let answer = Answer { id: "chatcmpl-1".into(), ..answer(parts, Finish::Calls) };
    let body = parsed(&write_answer(&answer, &FACE).unwrap());
    assert_eq!((&body["id"], &body["model"]), (&json!("msg_chatcmpl-1"), &json!("alias")));
    assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")));
    let content = body["content"].as_array().unwrap();
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "hm", "signature": ""}));
    assert_eq!(content[1], json!({"type": "text", "text": "a"}));
    assert_eq!(content[2], json!({"type": "text", "text": "b"}));
    let ids: Vec<_> = content[3..].iter().map(|block| block["id"].as_str().unwrap()).collect();
    assert!(ids[0].starts_with("toolu_") && ids[1] == "same" && ids[2].starts_with("toolu_"));
    assert_eq!(content[4]["input"], json!({"a": 1}));

    let unnamed = Answer { id: Text::default(), ..answer };
    let body = parsed(&write_answer(&unnamed, &FACE).unwrap());
    assert_eq!(body["id"], "msg_req_1");
}

#[test]
fn what_is_no_answer_is_an_error() {
    let source = || Source::Url { url: "https://a".into(), media_type: None };
    let cases = [
        answer(vec![], Finish::Broken("MALFORMED_FUNCTION_CALL".into())),
        answer(vec![], Finish::Broken("".into())),
        answer(vec![call("a", "[1]")], Finish::Calls),
        answer(vec![part(Content::Image(source()))], Finish::End),
        answer(vec![part(Content::Audio(source()))], Finish::End),
        Answer { choices: Vec::new(), ..answer(vec![], Finish::End) },
    ];
    for answer in cases {
        let fault = write_answer(&answer, &FACE).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Server, "{answer:?}");
        assert!(!fault.message.is_empty());
    }
}

#[test]
fn what_nobody_asked_for_is_skipped() {
    let body = json!({"new": 1, "content": [
        {"type": "text", "text": "a", "citations": [{}]},
    ], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "new": {}}});
    let body = body.to_string();
    assert_eq!(Said::by_answer(&read_answer(body.as_bytes()).unwrap()).text, "a");
    let body = r#"{"content":[{"type":"server_tool_use","id":"s","name":"w","input":{}},{"type":"new"},{"text":"?"}],"stop_reason":"end_turn"}"#;
    assert!(read_answer(body.as_bytes()).unwrap().choices[0].parts.is_empty());
}

#[test]
fn a_count_is_read_and_written() {
    assert_eq!(read_count(br#"{"input_tokens":14,"context_management":null}"#), Ok(14));
    assert_eq!(write_count(14), br#"{"input_tokens":14}"#);
}
