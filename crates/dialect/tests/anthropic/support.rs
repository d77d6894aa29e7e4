//! What the tests share.

use std::fs;
use std::path::PathBuf;

use doorward_dialect::answer::{Answer, Face, Finish};
use doorward_dialect::anthropic::{StreamReader, StreamWriter};
use doorward_dialect::event::Event;
use doorward_dialect::request::{Content, Seal};
use doorward_dialect::{Dialect, Knows, Target};
use doorward_domain::usage::Usage;
use serde_json::Value;

/// The golden files of a folder with this extension: their names and what they hold.
pub(crate) fn golden(folder: &str, extension: &str) -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/anthropic");
    let mut files: Vec<_> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(!files.is_empty(), "{folder} holds no golden files");
    files.sort();
    files
}

/// A provider that can do everything.
pub(crate) fn able(model: &str, from: Dialect) -> Target<'_> {
    let knows = Knows { system_turns: true, sampling: true, ..Knows::default() };
    Target { model, from: from.into(), output_tokens_default: 4096, knows }
}

pub(crate) const FACE: Face<'_> = Face { call: "req_1", model: "alias", created_s: 1_795_000_000 };

pub(crate) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(bytes)))
}

/// The data of each event of a stream, which must have a name and end with an empty line.
pub(crate) fn events(stream: &str) -> Vec<&str> {
    let frames = stream.strip_suffix("\n\n").unwrap_or(stream).split("\n\n");
    frames
        .map(|frame| {
            let (name, data) = frame.split_once('\n').expect(frame);
            let data = data.strip_prefix("data: ").expect(frame);
            let name = name.strip_prefix("event: ").expect(frame);
            assert_eq!(json(data.as_bytes())["type"], name);
            data
        })
        .collect()
}

/// What an answer says, however it is cut into pieces.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) thoughts: String,
    pub(crate) seals: Vec<Seal<'static>>,
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) finish: Option<Finish<'static>>,
    pub(crate) usage: Option<Usage>,
    pub(crate) fault: Option<String>,
    pub(crate) is_over: bool,
}

fn own_seal(seal: &Seal<'_>) -> Seal<'static> {
    match seal {
        Seal::Anthropic(text) => Seal::Anthropic(text.to_string().into()),
        Seal::AnthropicHidden(text) => Seal::AnthropicHidden(text.to_string().into()),
        Seal::Google(text) => Seal::Google(text.to_string().into()),
    }
}

pub(crate) fn own_finish(finish: &Finish<'_>) -> Finish<'static> {
    let own =
        |text: &Option<doorward_dialect::Text<'_>>| text.as_ref().map(|it| it.to_string().into());
    match finish {
        Finish::End => Finish::End,
        Finish::Stop(text) => Finish::Stop(own(text)),
        Finish::Calls => Finish::Calls,
        Finish::OutputFull => Finish::OutputFull,
        Finish::ContextFull => Finish::ContextFull,
        Finish::Refused(text) => Finish::Refused(own(text)),
        Finish::Filtered => Finish::Filtered,
        Finish::Broken(text) => Finish::Broken(text.to_string().into()),
    }
}

fn compact(arguments: &str) -> String {
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    serde_json::from_str::<Value>(arguments).map_or(arguments.to_owned(), |json| json.to_string())
}

impl Said {
    pub(crate) fn by_answer(answer: &Answer<'_>) -> Self {
        let choice = &answer.choices[0];
        let mut said = Self {
            finish: Some(own_finish(&choice.finish)),
            usage: answer.usage,
            is_over: true,
            ..Self::default()
        };
        for part in &choice.parts {
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => said.text += text,
                Content::Thought(thought) => {
                    said.thoughts += &thought.text;
                    said.seals.extend(thought.seal.as_ref().map(own_seal));
                }
                Content::Call(call) => {
                    let arguments = compact(call.arguments.get());
                    said.calls.push((call.id.to_string(), call.name.to_string(), arguments));
                }
                Content::Image(_)
                | Content::Audio(_)
                | Content::Document { .. }
                | Content::Outcome(_) => panic!("no such part in an answer"),
            }
        }
        said
    }

    /// Follows events, which must be legal ones.
    pub(crate) fn take(&mut self, event: &Event<'_>) {
        assert!(!self.is_over && self.fault.is_none(), "something follows the end: {event:?}");
        match event {
            Event::Start { .. } => {}
            Event::Text { text, .. } | Event::Refusal { text, .. } => {
                assert!(!text.is_empty());
                self.text += text;
            }
            Event::Thought { text, .. } => {
                assert!(!text.is_empty());
                self.thoughts += text;
            }
            Event::Seal { seal, .. } => self.seals.push(own_seal(seal)),
            Event::Call { call, id, name, .. } => {
                assert_eq!(*call, self.calls.len());
                self.calls.push((id.to_string(), name.to_string(), String::new()));
            }
            Event::Arguments { call, json, .. } => self.calls[*call].2 += json,
            Event::Finish { finish, .. } => {
                assert!(self.finish.is_none(), "it ends twice");
                self.finish = Some(own_finish(finish));
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault = Some(fault.message.to_string()),
            Event::End => {
                assert!(self.finish.is_some(), "it is over without an end");
                self.is_over = true;
                for call in &mut self.calls {
                    call.2 = compact(&call.2);
                }
            }
        }
    }

    pub(crate) fn by_stream(stream: &str) -> Self {
        let (mut reader, mut said) = (StreamReader::new(), Self::default());
        for (at, data) in events(stream).into_iter().enumerate() {
            let events = reader.read(data.as_bytes()).unwrap();
            let starts = events.iter().filter(|event| matches!(event, Event::Start { .. })).count();
            assert_eq!(starts, usize::from(at == 0 && !events.is_empty()), "{data}");
            for event in &events {
                said.take(event);
            }
        }
        said
    }
}

/// Writes events as a stream.
pub(crate) fn written<'a>(events: impl IntoIterator<Item = Event<'a>>) -> String {
    let (mut writer, mut out) = (StreamWriter::new(&FACE), Vec::new());
    events.into_iter().for_each(|event| writer.write(&event, &mut out));
    String::from_utf8(out).unwrap()
}

/// Follows a stream as the clients of the provider do, which are strict, and gives the message they make of it.
pub(crate) fn as_clients_do(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut open: Option<(usize, String)> = None;
    let mut is_over = false;
    for data in events(stream) {
        let event = json(data.as_bytes());
        assert!(!is_over, "something follows the end: {data}");
        let kind = event["type"].as_str().unwrap();
        assert_eq!(message.is_null(), kind == "message_start", "message_start is not the first");
        let blocks = message["content"].as_array().map_or(0, Vec::len);
        match kind {
            "message_start" => {
                message = event["message"].clone();
                assert_eq!(message["content"], serde_json::json!([]));
                assert!(message["usage"]["input_tokens"].is_u64());
                assert!(message["usage"]["output_tokens"].is_u64());
            }
            "content_block_start" => {
                assert!(open.is_none(), "two blocks are open");
                assert_eq!(event["index"], blocks);
                let block = event["content_block"].clone();
                if block["type"] == "tool_use" {
                    assert_eq!(block["input"], serde_json::json!({}));
                }
                message["content"].as_array_mut().unwrap().push(block);
                open = Some((blocks, String::new()));
            }
            "content_block_delta" => {
                let (index, arguments) = open.as_mut().expect("a block is open");
                assert_eq!(event["index"], *index);
                add(&mut message["content"][*index], &event["delta"], arguments);
            }
            "content_block_stop" => {
                let (index, arguments) = open.take().expect("a block is open");
                assert_eq!(event["index"], index);
                let block = &mut message["content"][index];
                assert_ne!(block["text"], "", "an empty text");
                if !arguments.is_empty() {
                    block["input"] = serde_json::from_str(&arguments).unwrap_or(Value::Null);
                }
            }
            "message_delta" => {
                assert!(open.is_none(), "a block is open at the end");
                assert!(event["usage"]["output_tokens"].is_u64());
                for (name, value) in event["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => is_over = true,
            other => panic!("there is no event {other}"),
        }
    }
    assert!(is_over, "no message_stop");
    message
}

fn add(block: &mut Value, delta: &Value, arguments: &mut String) {
    let (kind, field) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", "text"),
        "thinking_delta" => ("thinking", "thinking"),
        "signature_delta" => ("thinking", "signature"),
        "input_json_delta" => ("tool_use", "partial_json"),
        other => panic!("there is no delta {other}"),
    };
    assert_eq!(block["type"], kind);
    let more = delta[field].as_str().unwrap();
    if kind == "tool_use" {
        arguments.push_str(more);
    } else {
        block[field] = (block[field].as_str().unwrap().to_owned() + more).into();
    }
}
