//! What the tests of Bedrock share.

use doorward_dialect::answer::Face;
use doorward_dialect::bedrock::Frames;
use doorward_dialect::event::Event;
use doorward_dialect::google::{Framing, Place};
use doorward_dialect::spoken::{Manner, StreamReader, StreamWriter};
use doorward_dialect::unsupported::{Leave, Untranslatable};
use doorward_dialect::{Dialect, Knows, Provider, Target};
use serde_json::Value;

pub(super) const CLIENTS: [Dialect; 3] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Google];
pub(super) const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(super) const LLAMA: &str = "us.meta.llama4-maverick-17b-instruct-v1:0";

pub(super) const FACE: Face<'static> =
    Face { call: "call_1", model: "alias", created_s: 1_795_000_000 };
const PLACE: Place<'static> = Place { model: "alias", is_stream: false };

/// A client's request, as Bedrock is asked for this model.
pub(super) fn asked(
    body: &[u8],
    (client, model): (Dialect, &str),
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    let request = client.read_request(body, PLACE)?;
    let (from, knows) = (client.into(), Knows::default());
    let target = Target { model, from, output_tokens_default: 4096, knows };
    Provider::Bedrock.write_request(&request, &target, leave)
}

/// One frame with these headers, all of them texts.
pub(super) fn frame_of(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    sealed(&head, payload)
}

/// The same for headers of any kind.
pub(super) fn sealed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut frame = Vec::new();
    frame.extend_from_slice(&length(16 + headers.len() + payload.len()));
    frame.extend_from_slice(&length(headers.len()));
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A frame as Bedrock sends it.
pub(super) fn frame(name: &str, payload: &str) -> Vec<u8> {
    let kind = if name.ends_with("Exception") { "exception" } else { "event" };
    let type_header = format!(":{kind}-type");
    let content = (":content-type", "application/json");
    let headers = [(&*type_header, name), content, (":message-type", kind)];
    frame_of(&headers, payload.as_bytes())
}

/// The frames of a stream with one line for each.
pub(super) fn frames(lines: &str) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let (name, payload) = event.as_object().unwrap().iter().next().unwrap();
        stream.extend(frame(name, &payload.to_string()));
    }
    stream
}

/// Translates a stream as it comes.
#[derive(Debug)]
pub(super) struct Translation {
    frames: Frames,
    reader: StreamReader,
    writer: StreamWriter,
    /// The beginning of an event.
    tail: Vec<u8>,
    pub(super) is_over: bool,
    pub(super) out: Vec<u8>,
}

impl Translation {
    pub(super) fn new(client: Dialect) -> Self {
        let manner = Manner { wants_usage: true, framing: Framing::Events };
        Self {
            frames: Frames::new(),
            reader: Provider::Bedrock.stream_reader(),
            writer: client.stream_writer(&FACE, manner),
            tail: Vec::new(),
            is_over: false,
            out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.frames.push(bytes, &mut self.tail);
        let events = String::from_utf8(std::mem::take(&mut self.tail)).unwrap();
        for event in events.split_terminator("\n\n") {
            let data = event.strip_prefix("data: ").unwrap();
            assert!(!data.contains(['\n', '\r']), "{data:?}");
            for event in self.reader.read(data.as_bytes()).unwrap() {
                self.is_over |= matches!(event, Event::Fault(_) | Event::End);
                self.writer.write(&event, &mut self.out);
            }
        }
    }

    pub(super) fn end(self) -> String {
        assert!(!self.frames.has_begun());
        String::from_utf8(self.out).unwrap()
    }
}
