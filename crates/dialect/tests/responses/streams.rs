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
/// documented.
#[derive(Default)]
struct Follower {
    items: Vec<Value>,
    open: Vec<bool>,
    /// The response as it is at the end.
    last: Value,
}

impl Follower {
    fn event(&mut self, event: &Value) {
        assert!(self.last.is_null(), "something follows the end: {event}");
        match event["type"].as_str().unwrap() {
            "response.created" | "response.in_progress" => {
                assert_eq!(event["response"]["status"], "in_progress");
                assert_eq!(event["response"]["output"], serde_json::json!([]));
                assert!(event["response"]["usage"].is_null());
            }
            "response.output_item.added" => {
                assert_eq!(index(event, "output_index"), self.items.len());
                self.items.push(event["item"].clone());
                self.open.push(true);
            }
            "response.output_item.done" => self.item_done(event),
            "response.completed" | "response.incomplete" => {
                assert!(!self.open.contains(&true), "an item is open at the end");
                self.last = event["response"].clone();
            }
            kind => self.of_item(kind, event),
        }
    }

    fn item_done(&mut self, event: &Value) {
        let item = index(event, "output_index");
        assert!(std::mem::take(&mut self.open[item]), "it ends twice");
        if let Some(status) = event["item"].get("status") {
            self.items[item]["status"] = status.clone();
        }
        assert_eq!(self.items[item], event["item"]);
    }

    fn of_item(&mut self, kind: &str, event: &Value) {
        let item = &mut self.items[index(event, "output_index")];
        assert_eq!(item["id"], event["item_id"]);
        let (pieces, position) = match kind.split('.').nth(1).unwrap() {
            "function_call_arguments" => return arguments(item, event),
            name if name.starts_with("reasoning_summary") => ("summary", "summary_index"),
            _ => ("content", "content_index"),
        };
        let pieces = item[pieces].as_array_mut().unwrap();
        let at = index(event, position);
        match kind {
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert_eq!(pieces.len(), at);
                pieces.push(event["part"].clone());
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                assert_eq!(pieces[at], event["part"]);
            }
            "response.output_text.delta" | "response.reasoning_summary_text.delta" => {
                push(&mut pieces[at]["text"], &event["delta"]);
            }
            "response.refusal.delta" => push(&mut pieces[at]["refusal"], &event["delta"]),
            "response.output_text.done" | "response.reasoning_summary_text.done" => {
                assert_eq!(pieces[at]["text"], event["text"]);
            }
            "response.refusal.done" => assert_eq!(pieces[at]["refusal"], event["refusal"]),
            other => panic!("there is no event {other}"),
        }
    }
}

fn arguments(item: &mut Value, event: &Value) {
    if event["type"] == "response.function_call_arguments.delta" {
        push(&mut item["arguments"], &event["delta"]);
        return;
    }
    assert_eq!(event["type"], "response.function_call_arguments.done");
    assert_eq!(item["arguments"], event["arguments"]);
    assert_eq!(item["name"], event["name"]);
}

/// The last response, and the items.
fn follow(stream: &str) -> (Value, Vec<Value>) {
    let mut follower = Follower::default();
    for (at, event) in events(stream).into_iter().enumerate() {
        assert_eq!(at == 0, event["type"] == "response.created", "{event}");
        assert_eq!(at == 1, event["type"] == "response.in_progress", "{event}");
        follower.event(&event);
    }
    (follower.last, follower.items)
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
    for event in events {
        writer.write(event, &mut out);
    }
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
