//! Streams, read and written.

use doorward_dialect::answer::{Answer, Finish};
use doorward_dialect::event::Event;
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::google::{self, Framing, StreamReader, StreamWriter};
use doorward_dialect::request::{Content, Seal};
use doorward_domain::usage::Usage;
use serde_json::value::RawValue;

use crate::FACE;
use crate::golden::folder;

/// One of the answers, as far as a stream and a whole answer can both tell it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) thought: String,
    pub(crate) seals: Vec<String>,
    /// Id, name, arguments, seal.
    pub(crate) calls: Vec<(String, String, String, Option<String>)>,
    pub(crate) finish: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) choices: Vec<Told>,
    pub(crate) usage: Option<Usage>,
    pub(crate) fault: Option<FaultKind>,
    pub(crate) is_ended: bool,
}

fn seal_text(seal: &Seal<'_>) -> String {
    let Seal::Google(seal) = seal else { panic!("{seal:?}") };
    seal.to_string()
}

impl Stream {
    /// The same with the arguments in one form, whatever space stands in them.
    pub(crate) fn compact(mut self) -> Self {
        for (_, _, arguments, _) in self.choices.iter_mut().flat_map(|choice| &mut choice.calls) {
            let json = if arguments.is_empty() { "{}" } else { arguments.as_str() };
            *arguments = serde_json::from_str::<serde_json::Value>(json).unwrap().to_string();
        }
        self
    }

    pub(crate) fn choice(&mut self, at: usize) -> &mut Told {
        while self.choices.len() <= at {
            self.choices.push(Told::default());
        }
        &mut self.choices[at]
    }

    pub(crate) fn push(&mut self, event: &Event<'_>) {
        assert!(!self.is_ended && self.fault.is_none(), "{event:?} after the end");
        match event {
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                assert!(!text.is_empty());
                self.choice(*choice).text.push_str(text);
            }
            Event::Thought { choice, text } => self.choice(*choice).thought.push_str(text),
            Event::Seal { choice, seal: Seal::Google(seal) } => {
                self.choice(*choice).seals.push(seal.to_string());
            }
            Event::Start { .. } | Event::Seal { .. } => {}
            Event::Call { choice, call, id, name, seal } => {
                let calls = &mut self.choice(*choice).calls;
                assert_eq!(calls.len(), *call);
                let seal = seal.as_ref().filter(|seal| matches!(seal, Seal::Google(_)));
                calls.push((id.to_string(), name.to_string(), String::new(), seal.map(seal_text)));
            }
            Event::Arguments { choice, call, json } => {
                self.choice(*choice).calls[*call].2.push_str(json);
            }
            Event::Finish { choice, finish } => {
                let told = &mut self.choice(*choice).finish;
                assert!(told.is_none());
                *told = Some(format!("{finish:?}"));
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault = Some(fault.kind),
            Event::End => self.is_ended = true,
        }
    }
}

fn of_answer(answer: &Answer<'_>) -> Stream {
    let mut stream = Stream { usage: answer.usage, is_ended: true, ..Stream::default() };
    for (at, choice) in answer.choices.iter().enumerate() {
        let told = stream.choice(at);
        told.finish = Some(format!("{:?}", choice.finish));
        for part in &choice.parts {
            if let Content::Text(text) = &part.content {
                told.text.push_str(text);
            } else if let Content::Thought(thought) = &part.content {
                told.thought.push_str(&thought.text);
                told.seals.extend(thought.seal.as_ref().map(seal_text));
            } else if let Content::Call(call) = &part.content {
                let (id, name) = (call.id.to_string(), call.name.to_string());
                let seal = call.seal.as_ref().map(seal_text);
                told.calls.push((id, name, call.arguments.to_string(), seal));
            }
        }
    }
    stream.compact()
}

/// Reads the frames of server-sent events.
fn data(stream: &str) -> Vec<&str> {
    stream
        .split("\n\n")
        .flat_map(|frame| frame.split("\r\n\r\n"))
        .filter_map(|frame| frame.trim().strip_prefix("data: "))
        .collect()
}

pub(crate) fn read_all(data: &[&str]) -> Stream {
    let mut reader = StreamReader::new();
    let mut stream = Stream::default();
    for one in data {
        reader.read(one.as_bytes()).unwrap().iter().for_each(|event| stream.push(event));
    }
    reader.finish().iter().for_each(|event| stream.push(event));
    stream.compact()
}

#[test]
fn a_stream_tells_what_the_whole_answer_does() {
    for name in ["stop_in_each", "thought_and_calls", "signature_last", "blocked"] {
        let text = std::fs::read_to_string(folder("streams").join(format!("{name}.sse"))).unwrap();
        let whole = std::fs::read(folder("streams").join(format!("{name}.json"))).unwrap();
        let told = read_all(&data(&text));
        assert_eq!(told, of_answer(&google::read_answer(&whole).unwrap()), "{name}");
        // Once more through our own writer, in both framings.
        let mut reader = StreamReader::new();
        let mut events = Vec::new();
        for one in data(&text) {
            events.extend(reader.read(one.as_bytes()).unwrap());
        }
        events.extend(reader.finish());
        assert_eq!(read_all(&data(&written(&events, Framing::Events))), told, "{name}");
        let list = written(&events, Framing::List);
        let list: Vec<&RawValue> = serde_json::from_str(&list).unwrap();
        let list: Vec<_> = list.iter().map(|one| one.get()).collect();
        assert_eq!(read_all(&list), told, "{name}");
    }
}

pub(crate) fn written(events: &[Event<'_>], framing: Framing) -> String {
    let mut writer = StreamWriter::new(&FACE, framing);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_stream_that_is_cut_has_no_end() {
    let text = std::fs::read_to_string(folder("streams").join("thought_and_calls.sse")).unwrap();
    let data = data(&text);
    for count in 0..data.len() {
        let told = read_all(&data[..count]);
        assert!(!told.is_ended, "{count}");
        assert!(told.choices.iter().all(|choice| choice.finish.is_none()));
    }
}

#[test]
fn one_answer_of_two_without_its_end_is_no_end() {
    let one = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let other = r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]}}]}"#;
    let end = r#"{"candidates":[{"index":1,"finishReason":"MAX_TOKENS"}]}"#;
    assert!(!read_all(&[one, other]).is_ended);
    let told = read_all(&[one, other, end]);
    assert!(told.is_ended);
    assert_eq!(told.choices[1].finish.as_deref(), Some("OutputFull"));
}

#[test]
fn an_error_in_a_stream_is_told_and_ends_it() {
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let error =
        r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let told = read_all(&[text, error, text]);
    assert_eq!((told.fault, told.is_ended), (Some(FaultKind::Overloaded), false));
    assert_eq!(told.choices[0].text, "a");
    assert!(read_all(&[r#"{"error":null,"candidates":[{"finishReason":"STOP"}]}"#]).is_ended);
}

#[test]
fn empty_data_and_unknown_pieces_are_passed_by() {
    let odd = r#"{"new":1,"candidates":[{"content":{"parts":[{"executableCode":{}},{"text":""},{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let told = read_all(&["", " \r\n", odd]);
    assert_eq!(told.choices[0].text, "a");
    assert!(told.is_ended);
}

#[test]
fn nonsense_in_a_stream_is_an_error() {
    #[rustfmt::skip]
    let cases = ["{", "[DONE]", "[]", r#"{"candidates":[{"index":100000}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":7}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}]}"#];
    for data in cases {
        assert!(StreamReader::new().read(data.as_bytes()).is_err(), "{data}");
    }
}

#[test]
fn a_stream_is_written_in_both_framings() {
    let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
    let events = [
        Event::Start { id: "r".into() },
        Event::Text { choice: 0, text: "a".into() },
        Event::Call {
            choice: 0,
            call: 0,
            id: "c".into(),
            name: "f".into(),
            seal: Some(Seal::Google("S".into())),
        },
        Event::Arguments { choice: 0, call: 0, json: "{\"x\"".into() },
        Event::Call {
            choice: 0,
            call: 1,
            id: "d".into(),
            name: "g".into(),
            seal: Some(Seal::Anthropic("no".into())),
        },
        Event::Arguments { choice: 0, call: 0, json: ":1}".into() },
        Event::Finish { choice: 0, finish: Finish::Calls },
        Event::Usage(usage),
        Event::End,
    ];
    let first = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"index":0}],"modelVersion":"our-model","responseId":"r"}"#;
    let last = r#"{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"c","name":"f","args":{"x":1}},"thoughtSignature":"S"},{"functionCall":{"id":"d","name":"g","args":{}}}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5},"modelVersion":"our-model","responseId":"r"}"#;
    let sse = format!("data: {first}\r\n\r\ndata: {last}\r\n\r\n");
    assert_eq!(written(&events, Framing::Events), sse);
    assert_eq!(written(&events, Framing::List), format!("[{first}\n,\r\n{last}\n]"));
}

#[test]
fn an_answer_that_says_nothing_is_a_stream_too() {
    let events = [
        Event::Start { id: "".into() },
        Event::Finish { choice: 0, finish: Finish::End },
        Event::End,
    ];
    let json = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}],"modelVersion":"our-model","responseId":"req_1"}"#;
    assert_eq!(written(&events, Framing::List), format!("[{json}\n]"));
    assert_eq!(written(&events, Framing::Events), format!("data: {json}\r\n\r\n"));
}

#[test]
fn errors_in_a_stream_are_alone_in_their_frame_and_last() {
    let fault = Fault { kind: FaultKind::Overloaded, message: "m".into(), retry_after_s: None };
    let text = Event::Text { choice: 0, text: "a".into() };
    let events = [Event::Fault(fault), text.clone(), Event::End];
    let error = r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#;
    assert_eq!(written(&events, Framing::Events), format!("data: {error}\r\n\r\n"));
    assert_eq!(written(&events, Framing::List), format!("[{error}\n]"));
    let broken =
        [text, Event::Finish { choice: 0, finish: Finish::Broken("OTHER".into()) }, Event::End];
    let told = read_all(&data(&written(&broken, Framing::Events)));
    assert_eq!((told.fault, told.is_ended), (Some(FaultKind::Server), false));
    for json in ["[1]", "{\"x\":", "7", "{} {}"] {
        let events = [
            Event::Call { choice: 0, call: 0, id: "c".into(), name: "f".into(), seal: None },
            Event::Arguments { choice: 0, call: 0, json: json.into() },
            Event::Finish { choice: 0, finish: Finish::Calls },
            Event::End,
        ];
        let told = read_all(&data(&written(&events, Framing::Events)));
        assert_eq!(told.fault, Some(FaultKind::Server), "{json}");
    }
}

#[test]
fn seals_follow_what_they_belong_to() {
    let events = [
        Event::Thought { choice: 0, text: "t".into() },
        Event::Seal { choice: 0, seal: Seal::Google("A".into()) },
        Event::Text { choice: 0, text: "x".into() },
        Event::Seal { choice: 0, seal: Seal::Google("B".into()) },
        Event::Seal { choice: 0, seal: Seal::AnthropicHidden("C".into()) },
    ];
    let out = written(&events, Framing::Events);
    assert!(out.contains(r#"{"text":"","thought":true,"thoughtSignature":"A"}"#), "{out}");
    assert!(out.contains(r#"{"text":"","thoughtSignature":"B"}"#), "{out}");
    assert_eq!(data(&out).len(), 4);
}
