//! Whole responses.

use doorward_dialect::Client;
use doorward_dialect::answer::{Answer, Choice, Face, Finish};
use doorward_dialect::openai::responses::write_answer;
use doorward_dialect::openai::{read_answer, read_fault};
use doorward_dialect::request::{Content, Part, Source};
use serde_json::{Value, json};

pub(super) const FACE: Face<'static> =
    Face { call: "our-1", model: "alias", created_s: 1_741_569_952 };
/// A request whose fields are repeated; lines end in the middle of them.
pub(super) const ASKED: &str = "{\"model\":\"alias\",\"input\":\"hi\",\"instructions\":\"Be\\nbrief.\",\"temperature\":0.50,\r\n\"tools\":[\n{\"type\":\"function\",\"name\":\"f\"}\r\n],\"metadata\":null}";

fn said(parts: Vec<Content<'static>>, finish: Finish<'static>) -> Answer<'static> {
    let parts = parts.into_iter().map(|content| Part { content, cache: None }).collect();
    Answer { id: "".into(), choices: vec![Choice { parts, finish }], usage: None }
}

fn written(answer: &Answer<'_>) -> Value {
    serde_json::from_slice(&write_answer(answer, &FACE, ASKED.as_bytes()).unwrap()).unwrap()
}

macro_rules! golden {
    ($name:literal) => {
        (
            include_str!(concat!("../golden/openai/answers/", $name, ".json")),
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/responses/answers/", $name, ".json"),
        )
    };
}

#[test]
fn a_chat_completion_becomes_the_response_that_says_the_same() {
    for (answer, path) in [golden!("default"), golden!("functions"), golden!("everything")] {
        let found = written(&read_answer(answer.as_bytes()).unwrap());
        super::super::expect(path, &format!("{found:#}\n"));
    }
}

#[test]
fn every_end_has_its_status_and_its_reason() {
    let text = || Content::Text("Well".into());
    let refusal = || Content::Refusal("No.".into());
    #[rustfmt::skip]
    let cases = [
        (vec![text()],            Finish::End,                          "completed",  json!(null)),
        (vec![text()],            Finish::Stop(Some("#".into())),       "completed",  json!(null)),
        (vec![text()],            Finish::OutputFull,                   "incomplete", json!("max_output_tokens")),
        (vec![text()],            Finish::ContextFull,                  "incomplete", json!("max_output_tokens")),
        (vec![text()],            Finish::Filtered,                     "incomplete", json!("content_filter")),
        (vec![],                  Finish::Refused(None),                "incomplete", json!("content_filter")),
        (vec![refusal()],         Finish::Refused(None),                "completed",  json!(null)),
        (vec![text(), refusal()], Finish::Refused(Some("Why".into())),  "completed",  json!(null)),
    ];
    for (parts, finish, status, reason) in cases {
        let found = written(&said(parts, finish.clone()));
        assert_eq!(found["status"], status, "{finish:?}");
        assert_eq!(found["incomplete_details"].get("reason").unwrap_or(&Value::Null), &reason);
        if let Some(item) = found["output"].as_array().unwrap().last() {
            assert_eq!(item["status"], status, "{finish:?}");
        }
    }
    let refused = written(&said(vec![], Finish::Refused(Some("Why".into()))));
    let why = json!([{ "type": "refusal", "refusal": "Why" }]);
    assert_eq!((&refused["output"][0]["content"], &refused["status"]), (&why, &json!("completed")));
}

#[test]
fn what_a_response_cannot_carry_is_an_error() {
    let data = || Source::Inline { media_type: "image/png".into(), data: "QQ==".into() };
    #[rustfmt::skip]
    let cases = [
        (said(vec![Content::Image(data())], Finish::End),                             "a picture"),
        (said(vec![Content::Audio(data())], Finish::End),                             "a sound"),
        (said(vec![Content::Document { source: data(), title: None }], Finish::End),  "a file"),
        (said(vec![], Finish::Broken("MALFORMED".into())),                            "MALFORMED"),
        (Answer { id: "".into(), choices: vec![], usage: None },                      "broken"),
    ];
    for (answer, why) in cases {
        let fault = write_answer(&answer, &FACE, b"").unwrap_err();
        assert!(fault.message.contains(why), "{}", fault.message);
        // It is told as any error of OpenAI's dialect.
        let body = Client::Responses.write_fault(&fault, 502, "c");
        assert_eq!(read_fault(500, &body), fault);
    }
}

#[test]
fn fields_of_the_request_are_repeated_word_for_word_and_others_say_what_is_usual() {
    let answer = said(vec![Content::Text("x".into())], Finish::End);
    let text = String::from_utf8(write_answer(&answer, &FACE, ASKED.as_bytes()).unwrap()).unwrap();
    assert!(text.contains(r#""temperature":0.50,"#), "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["instructions"], "Be\nbrief.");
    assert_eq!(found["tools"], json!([{ "type": "function", "name": "f" }]));
    assert_eq!(found["metadata"], json!({}));
    assert_eq!(found["tool_choice"], "auto");
    // A body that nobody could read repeats nothing.
    let usual = write_answer(&answer, &FACE, b"<html>").unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&usual).unwrap()["tools"], json!([]));
}
