//! Whole answers: what servers write, and what clients are given.

use doorward_dialect::answer::{Answer, Choice, Finish};
use doorward_dialect::fault::FaultKind;
use doorward_dialect::openai::{read_answer, write_answer};
use doorward_dialect::request::{Call, Content, Part, Seal, Source, Thought};
use doorward_domain::usage::Usage;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::support::{FACE, gist_of};

fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

fn thought(text: &str, seal: Option<Seal<'static>>) -> Part<'static> {
    part(Content::Thought(Thought { text: text.to_owned().into(), seal }))
}

fn call(id: &str, arguments: &str, seal: Option<Seal<'static>>) -> Part<'static> {
    let arguments = RawValue::from_string(arguments.to_owned()).unwrap();
    let (id, name) = (id.to_owned().into(), "f".into());
    part(Content::Call(Call { id, name, arguments: std::borrow::Cow::Owned(arguments), seal }))
}

fn answer(parts: Vec<Part<'static>>, finish: Finish<'static>) -> Answer<'static> {
    Answer { id: "".into(), choices: vec![Choice { parts, finish }], usage: None }
}

fn written(answer: &Answer<'_>) -> Value {
    serde_json::from_slice(&write_answer(answer, &FACE).unwrap()).unwrap()
}

fn message(answer: &Answer<'_>) -> Value {
    written(answer)["choices"][0]["message"].clone()
}

#[test]
fn every_way_of_saying_something_is_read_in_its_order() {
    let made = "call_"; // Followed by a hash of where it stands.
    let call = |id: Value, arguments: Value| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": arguments } });
    #[rustfmt::skip]
    let cases = [
        // message                                                                         thought, text, refusal, calls
        (json!({ "content": "hi" }),                                                       ("", "hi", "", vec![])),
        (json!({ "content": null, "tool_calls": null, "function_call": null }),            ("", "", "", vec![])),
        (json!({ "content": "", "refusal": "no" }),                                        ("", "", "no", vec![])),
        (json!({ "content": "a", "reasoning_content": "r" }),                              ("r", "a", "", vec![])),
        (json!({ "content": "a", "reasoning": "r" }),                                      ("r", "a", "", vec![])),
        (json!({ "content": "a", "reasoning": "r", "reasoning_content": "r" }),            ("r", "a", "", vec![])),
        (json!({ "content": "a", "reasoning": { "x": 1 }, "reasoning_content": "" }),      ("", "a", "", vec![])),
        // Mistral's pieces.
        (json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "r" }] }, { "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }), ("r", "ab", "", vec![])),
        (json!({ "tool_calls": [call(json!("c"), json!("{\"a\": 1}"))] }),                  ("", "", "", vec![("c", "{\"a\": 1}")])),
        (json!({ "tool_calls": [call(json!("c"), json!(""))] }),                            ("", "", "", vec![("c", "{}")])),
        (json!({ "tool_calls": [call(json!("c"), json!(null))] }),                          ("", "", "", vec![("c", "{}")])),
        (json!({ "tool_calls": [call(json!("c"), json!({ "a": 1 }))] }),                    ("", "", "", vec![("c", "{\"a\":1}")])),
        (json!({ "tool_calls": [call(json!(""), json!("{}")), call(json!(null), json!("{}"))] }), ("", "", "", vec![(made, "{}"), (made, "{}")])),
        (json!({ "function_call": { "name": "f", "arguments": "{}" } }),                   ("", "", "", vec![(made, "{}")])),
        (json!({ "content": 7, "refusal": [], "unknown": {} }),                            ("", "", "", vec![])),
    ];
    for (message, (thought, text, refusal, calls)) in cases {
        let body =
            json!({ "id": "a", "choices": [{ "message": message, "finish_reason": "stop" }] });
        let body = body.to_string();
        let gist = gist_of(&read_answer(body.as_bytes()).unwrap());
        let said = &gist.choices[&0];
        assert_eq!(
            (said.thought.as_str(), said.text.as_str(), said.refusal.as_str()),
            (thought, text, refusal),
            "{body}"
        );
        assert_eq!(said.calls.len(), calls.len(), "{body}");
        for (found, (id, arguments)) in said.calls.iter().zip(calls) {
            assert!(found.0.starts_with(id) && !found.0.is_empty(), "{body}");
            assert_eq!((found.1.as_str(), found.2.as_str()), ("f", arguments), "{body}");
        }
        let ids: std::collections::HashSet<_> = said.calls.iter().map(|call| &call.0).collect();
        assert_eq!(ids.len(), said.calls.len(), "made ids differ: {body}");
        assert_eq!(
            gist,
            gist_of(&read_answer(body.as_bytes()).unwrap()),
            "made ids are the same again"
        );
    }
}

#[test]
fn a_call_that_was_cut_is_none_and_the_answer_says_that_it_is_full() {
    let call =
        |arguments: &str| json!({ "id": "c", "function": { "name": "f", "arguments": arguments } });
    let message = json!({ "content": "a", "tool_calls": [call("{}"), call("{\"a\": \"b")] });
    let body =
        json!({ "choices": [{ "message": message, "finish_reason": "length" }] }).to_string();
    let gist = gist_of(&read_answer(body.as_bytes()).unwrap());
    assert_eq!(gist.choices[&0].calls.len(), 1);
    assert_eq!(gist.choices[&0].finish, "OutputFull");
    assert!(read_answer(body.replace("length", "stop").as_bytes()).is_err());
}

#[test]
fn an_answer_has_every_field_that_clients_need() {
    let usage = Usage {
        input_tokens: 9,
        cached_input_tokens: 4,
        cache_write_tokens: 3,
        output_tokens: 7,
        reasoning_tokens: 5,
        ..Usage::default()
    };
    let parts = vec![part(Content::Text("a".into())), part(Content::Text("b".into()))];
    let answer = Answer { usage: Some(usage), ..answer(parts, Finish::End) };
    let expected = json!({
        "id": "chatcmpl-our-1",
        "object": "chat.completion",
        "created": 1_741_569_952,
        "model": "alias",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "ab", "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 7,
            "total_tokens": 16,
            "prompt_tokens_details": { "cached_tokens": 4, "cache_write_tokens": 3 },
            "completion_tokens_details": { "reasoning_tokens": 5 },
        },
    });
    assert_eq!(written(&answer), expected);
    let named = Answer { id: "msg_1".into(), usage: None, ..answer };
    assert_eq!(written(&named)["id"], "msg_1");
    assert_eq!(written(&named).get("usage"), None);
}

#[test]
fn what_is_not_said_is_empty_or_null_as_clients_expect_it() {
    let cut = message(&answer(vec![thought("Hm", None)], Finish::OutputFull));
    let expected =
        json!({ "role": "assistant", "content": "", "refusal": null, "reasoning_content": "Hm" });
    assert_eq!(cut, expected);
    let called = message(&answer(vec![call("c", "{ }", None)], Finish::End));
    assert_eq!(called["content"], json!(null));
    assert_eq!(called["tool_calls"][0]["function"]["arguments"], "{ }");
    let refused = answer(vec![], Finish::Refused(Some("why".into())));
    assert_eq!(
        message(&refused),
        json!({ "role": "assistant", "content": null, "refusal": "why" })
    );
    assert_eq!(written(&refused)["choices"][0]["finish_reason"], "content_filter");
    let silent = answer(vec![], Finish::Refused(None));
    assert_eq!(message(&silent)["content"], "");
    assert_eq!(written(&silent)["choices"][0]["finish_reason"], "content_filter");
}

#[test]
fn only_googles_seals_of_calls_have_a_place() {
    let parts = vec![
        thought("Hm", Some(Seal::Anthropic("AAA".into()))),
        thought("", Some(Seal::AnthropicHidden("BBB".into()))),
        call("c", "{}", Some(Seal::Google("c2VhbA==".into()))),
        call("d", "{}", Some(Seal::Anthropic("CCC".into()))),
    ];
    let message = message(&answer(parts, Finish::Calls));
    let extra = json!({ "google": { "thought_signature": "c2VhbA==" } });
    assert_eq!(message["tool_calls"][0]["extra_content"], extra);
    assert_eq!(message["tool_calls"][1].get("extra_content"), None);
    for seal in ["AAA", "BBB", "CCC"] {
        assert!(!message.to_string().contains(seal));
    }
}

#[test]
fn what_has_no_place_in_an_answer_is_an_error() {
    let source = || Source::Inline { media_type: "image/png".into(), data: "QUJD".into() };
    let fine = || vec![part(Content::Text("a".into()))];
    let cases = [
        answer(vec![part(Content::Image(source()))], Finish::End),
        answer(vec![part(Content::Audio(source()))], Finish::End),
        answer(vec![part(Content::Document { source: source(), title: None })], Finish::End),
        answer(fine(), Finish::Broken("MALFORMED_FUNCTION_CALL".into())),
        answer(fine(), Finish::Broken("".into())),
    ];
    for answer in cases {
        let fault = write_answer(&answer, &FACE).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Server);
        assert!(!fault.message.contains("QUJD"));
    }
}

fn any_choice() -> impl Strategy<Value = Choice<'static>> {
    let text = || "\\PC{1,9}".prop_map(|text| part(Content::Text(text.into())));
    let refusal = "\\PC{1,9}".prop_map(|text| part(Content::Refusal(text.into())));
    let seal = of("[a-z]{1,5}".prop_map(|seal| Seal::Google(seal.into())));
    let call = ("[a-z]{1,5}", seal).prop_map(|(id, seal)| call(&id, "{\"a\": [1e99]}", seal));
    let said = (of("\\PC{1,9}"), of(text()), of(refusal), prop::collection::vec(call, 0..3));
    (said, 0..3_u8).prop_map(|((thoughts, text, refusal, calls), end)| {
        let (is_refusal, has_calls) = (refusal.is_some(), !calls.is_empty());
        let thoughts = thoughts.map(|text| thought(&text, None));
        let finish = match end {
            0 => Finish::OutputFull,
            _ if has_calls => Finish::Calls,
            _ if is_refusal => Finish::Refused(None),
            1 => Finish::Filtered,
            _ => Finish::End,
        };
        let parts = thoughts.into_iter().chain(text).chain(refusal).chain(calls).collect();
        Choice { parts, finish }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_answer(
        id in "[a-z]{1,9}",
        choices in prop::collection::vec(any_choice(), 1..4),
        usage in of(any::<[u16; 5]>()),
    ) {
        let usage = usage.map(|parts| {
            let [plain, cached, written, said, reasoning] = parts.map(u64::from);
            Usage {
                input_tokens: plain + cached + written,
                cached_input_tokens: cached,
                cache_write_tokens: written,
                output_tokens: said + reasoning,
                reasoning_tokens: reasoning,
                ..Usage::default()
            }
        });
        let answer = Answer { id: id.into(), choices, usage };
        let written = write_answer(&answer, &FACE).unwrap();
        let read = read_answer(&written).unwrap();
        prop_assert_eq!(format!("{read:#?}"), format!("{answer:#?}"));
    }
}
