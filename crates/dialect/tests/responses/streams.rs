//! Responses in pieces, followed as clients do.

use doorward_dialect::event::Event;
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::openai::responses::{StreamWriter, write_answer};
use doorward_dialect::openai::{StreamReader, read_answer};
use serde_json::{Map, Value};

use super::answers::{ASKED, FACE};

/// What becomes of a stream of chat completions.
fn said_again(stream: &str) -> String {
    let (mut reader, mut out) = (StreamReader::new(), Vec::new());
    let mut writer = StreamWriter::new(&FACE, ASKED.as_bytes());
    for frame in stream.split("\n\n").filter(|frame| !frame.is_empty()) {
        let data = frame.strip_prefix("data: ").unwrap();
        for event in reader.read(data.as_bytes()).unwrap() {
            writer.write(&event, &mut out);
        }
    }
    for event in reader.end().unwrap() {
        writer.write(&event, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The events of a stream, which must be counted, named twice, and in one line each.
fn events(stream: &str) -> Vec<Value> {
    let frames = stream.split("\n\n").filter(|frame| !frame.is_empty()).enumerate();
    frames
        .map(|(at, frame)| {
            let (name, data) = frame.split_once('\n').expect(frame);
            let data = data.strip_prefix("data: ").expect(frame);
            assert!(!data.contains(['\n', '\r']), "{data}");
            let event: Value = serde_json::from_str(data).expect(data);
            assert_eq!(Some(event["type"].as_str().unwrap()), name.strip_prefix("event: "));
            assert_eq!(event["sequence_number"], at);
            event
        })
        .collect()
}

fn index(event: &Value, name: &str) -> usize {
    usize::try_from(event[name].as_u64().unwrap_or_else(|| panic!("no {name}: {event}"))).unwrap()
}

fn push(value: &mut Value, more: &Value) {
    *value = (value.as_str().unwrap().to_owned() + more.as_str().unwrap()).into();
}

/// Puts the items together by the pieces alone, as strict clients do, and holds the writer to the order that is
/// documented. The last response, and the items.
fn follow(stream: &str) -> (Value, Vec<Value>) {
    let (mut items, mut open, mut last) = (Vec::<Value>::new(), Vec::new(), Value::Null);
    for (at, event) in events(stream).into_iter().enumerate() {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(at == 0, kind == "response.created", "{kind}");
        assert_eq!(at == 1, kind == "response.in_progress", "{kind}");
        assert!(last.is_null() || at < 2, "{kind} after the end");
        let place = || (index(&event, "output_index"), index(&event, "content_index"));
        match kind {
            "response.created" | "response.in_progress" => {
                assert_eq!(event["response"]["status"], "in_progress");
                assert_eq!(event["response"]["output"], serde_json::json!([]));
                assert!(event["response"]["usage"].is_null());
            }
            "response.output_item.added" => {
                assert_eq!(index(&event, "output_index"), items.len());
                items.push(event["item"].clone());
                open.push(true);
            }
            "response.content_part.added" => {
                let (item, piece) = place();
                let content = items[item]["content"].as_array_mut().unwrap();
                assert_eq!(content.len(), piece);
                content.push(event["part"].clone());
            }
            "response.reasoning_summary_part.added" => {
                let summary =
                    items[index(&event, "output_index")]["summary"].as_array_mut().unwrap();
                assert_eq!(summary.len(), index(&event, "summary_index"));
                summary.push(event["part"].clone());
            }
            "response.output_text.delta" => {
                let (item, piece) = place();
                push(&mut items[item]["content"][piece]["text"], &event["delta"]);
            }
            "response.refusal.delta" => {
                let (item, piece) = place();
                push(&mut items[item]["content"][piece]["refusal"], &event["delta"]);
            }
            "response.reasoning_summary_text.delta" => {
                let piece = index(&event, "summary_index");
                let item = &mut items[index(&event, "output_index")];
                push(&mut item["summary"][piece]["text"], &event["delta"]);
            }
            "response.function_call_arguments.delta" => {
                push(&mut items[index(&event, "output_index")]["arguments"], &event["delta"]);
            }
            "response.output_text.done" => {
                let (item, piece) = place();
                assert_eq!(items[item]["content"][piece]["text"], event["text"]);
            }
            "response.refusal.done" => {
                let (item, piece) = place();
                assert_eq!(items[item]["content"][piece]["refusal"], event["refusal"]);
            }
            "response.content_part.done" => {
                let (item, piece) = place();
                assert_eq!(items[item]["content"][piece], event["part"]);
            }
            "response.reasoning_summary_text.done" => {
                let piece = index(&event, "summary_index");
                let item = &items[index(&event, "output_index")];
                assert_eq!(item["summary"][piece]["text"], event["text"]);
            }
            "response.reasoning_summary_part.done" => {
                let piece = index(&event, "summary_index");
                let item = &items[index(&event, "output_index")];
                assert_eq!(item["summary"][piece], event["part"]);
            }
            "response.function_call_arguments.done" => {
                let item = &items[index(&event, "output_index")];
                assert_eq!(item["arguments"], event["arguments"]);
                assert_eq!(item["name"], event["name"]);
            }
            "response.output_item.done" => {
                let item = index(&event, "output_index");
                assert!(std::mem::take(&mut open[item]), "it ends twice");
                if let Some(status) = event["item"].get("status") {
                    items[item]["status"] = status.clone();
                }
                assert_eq!(items[item], event["item"]);
            }
            "response.completed" | "response.incomplete" => {
                assert!(!open.contains(&true), "an item is open at the end");
                last = event["response"].clone();
            }
            other => panic!("there is no event {other}"),
        }
        if let Some(id) = event.get("item_id") {
            assert_eq!(*id, items[index(&event, "output_index")]["id"]);
        }
    }
    (last, items)
}

macro_rules! golden {
    ($name:literal) => {
        (
            include_str!(concat!("../golden/openai/streams/", $name, ".sse")),
            include_str!(concat!("../golden/openai/streams/", $name, ".json")),
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/responses/streams/", $name, ".sse"),
        )
    };
}

#[test]
fn a_stream_says_what_the_whole_response_says_in_the_documented_order() {
    let streams = [
        golden!("default"),
        golden!("two_calls"),
        golden!("length"),
        golden!("azure"),
        golden!("vllm"),
        golden!("llama_cpp"),
        golden!("deepseek"),
        golden!("bridge"),
    ];
    for (stream, whole, path) in streams {
        let written = said_again(stream);
        let (last, items) = follow(&written);
        assert_eq!(last["output"], Value::from(items), "{path}");
        let answer = read_answer(whole.as_bytes()).unwrap();
        let expected = write_answer(&answer, &FACE, ASKED.as_bytes()).unwrap();
        let mut expected: Map<_, _> = serde_json::from_slice(&expected).unwrap();
        let mut last: Map<_, _> = serde_json::from_value(last).unwrap();
        for response in [&mut expected, &mut last] {
            // Arguments that were not said are `{}`, and JSON may have spaces.
            for item in response["output"].as_array_mut().unwrap() {
                if let Some(text) = item.get("arguments").and_then(Value::as_str) {
                    item["arguments"] = serde_json::from_str(text).unwrap();
                }
            }
        }
        assert_eq!(last, expected, "{path}");
        super::super::expect(path, &written);
    }
}

fn write(events: &[Event<'_>]) -> String {
    let mut writer = StreamWriter::new(&FACE, ASKED.as_bytes());
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn an_error_is_told_and_ends_what_has_begun() {
    let fault = |kind| Event::Fault(Fault { kind, message: "Wait.".into(), retry_after_s: None });
    let text = || Event::Text { choice: 0, text: "x".into() };
    let late =
        write(&[Event::Start { id: "a".into() }, text(), fault(FaultKind::RateLimited), text()]);
    let told = events(&late);
    let [error, failed] = &told[told.len() - 2..] else { panic!("{late}") };
    assert_eq!((&error["type"], &error["code"]), (&"error".into(), &"rate_limit_exceeded".into()));
    assert_eq!((&error["message"], &error["param"]), (&"Wait.".into(), &Value::Null));
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(failed["response"]["error"]["code"], "rate_limit_exceeded");
    // Nothing was promised yet.
    let early = events(&write(&[fault(FaultKind::Server)]));
    assert_eq!(early.len(), 1);
    assert_eq!(early[0]["code"], "server_error");
    // Every kind has a word.
    for kind in FaultKind::ALL {
        assert!(events(&write(&[fault(kind)]))[0]["code"].is_string(), "{kind:?}");
    }
}

#[test]
fn calls_that_are_told_at_once_and_words_between_them_find_their_items() {
    let call = |call: usize| Event::Call {
        choice: 0,
        call,
        id: format!("c{call}").into(),
        name: "f".into(),
        seal: None,
    };
    let json = |call, json: &'static str| Event::Arguments { choice: 0, call, json: json.into() };
    let finish = doorward_dialect::answer::Finish::Calls;
    let written = write(&[
        Event::Start { id: "a".into() },
        Event::Thought { choice: 0, text: "Hm".into() },
        Event::Text { choice: 0, text: "So".into() },
        call(0),
        json(0, "{\"a\""),
        call(1),
        json(1, "{\"b\":2}"),
        json(0, ":1}"),
        Event::Text { choice: 0, text: "And".into() },
        Event::Refusal { choice: 0, text: "not".into() },
        Event::Text { choice: 1, text: "of another".into() },
        Event::Finish { choice: 0, finish },
        Event::End,
        Event::Text { choice: 0, text: "late".into() },
    ]);
    let (last, items) = follow(&written);
    assert_eq!(last["output"], Value::from(items.clone()));
    let kinds: Vec<_> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call", "message"]);
    assert_eq!(items[2]["arguments"], "{\"a\":1}");
    assert_eq!(items[3]["arguments"], "{\"b\":2}");
    assert_eq!(items[4]["content"].as_array().unwrap().len(), 2);
    assert!(!written.contains("late") && !written.contains("of another"));
}
