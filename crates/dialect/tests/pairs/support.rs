//! What the tests of the pairs share.

use doorward_dialect::answer::Face;
use doorward_dialect::event::Event;
use doorward_dialect::google::{Framing, Place};
use doorward_dialect::spoken::{Manner, StreamReader, StreamWriter};
use doorward_dialect::unsupported::{Leave, Untranslatable};
use doorward_dialect::{Dialect, Knows, Target};

/// A client, and its provider.
pub(super) type Pair = (Dialect, Dialect);

pub(super) const PAIRS: [Pair; 6] = [
    (Dialect::OpenAi, Dialect::Anthropic),
    (Dialect::OpenAi, Dialect::Google),
    (Dialect::Anthropic, Dialect::OpenAi),
    (Dialect::Anthropic, Dialect::Google),
    (Dialect::Google, Dialect::OpenAi),
    (Dialect::Google, Dialect::Anthropic),
];

pub(super) const FACE: Face<'static> =
    Face { call: "call_1", model: "alias", created_s: 1_795_000_000 };
pub(super) const PLACE: Place<'static> = Place { model: "alias", is_stream: false };

/// A deployment as most are: it knows its dialect, and that is all.
pub(super) fn target(from: Dialect) -> Target<'static> {
    let knows = Knows { choice_objects: true, sampling: true, ..Knows::default() };
    Target { model: "theirs", from: from.into(), output_tokens_default: 4096, knows }
}

/// A client's request, as its provider is asked.
pub(super) fn asked(
    body: &[u8],
    (client, provider): Pair,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    let request = client.read_request(body, PLACE)?;
    provider.write_request(&request, &target(client), leave)
}

/// Translates a stream as it comes: events are read once they are whole.
#[derive(Debug)]
pub(super) struct Translation {
    reader: StreamReader,
    writer: StreamWriter,
    /// The beginning of an event.
    tail: Vec<u8>,
    is_over: bool,
    pub(super) out: Vec<u8>,
}

impl Translation {
    pub(super) fn new((client, provider): Pair) -> Self {
        let manner = Manner { wants_usage: true, framing: Framing::Events };
        Self {
            reader: provider.stream_reader(),
            writer: client.stream_writer(&FACE, manner),
            tail: Vec::new(),
            is_over: false,
            out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        while let Some(end) = event_end(&self.tail) {
            let event: Vec<u8> = self.tail.drain(..end).collect();
            let lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
            let data: Vec<_> = lines.filter_map(|line| line.strip_prefix(b"data:")).collect();
            let data = data.join(&b'\n');
            if !data.is_empty() && !self.is_over {
                let events = self.reader.read(&data).unwrap();
                Self::write(&mut self.writer, &mut self.is_over, &events, &mut self.out);
            }
        }
    }

    pub(super) fn end(mut self) -> String {
        assert!(self.tail.is_empty());
        if !self.is_over {
            let events = self.reader.end().unwrap();
            Self::write(&mut self.writer, &mut self.is_over, &events, &mut self.out);
        }
        String::from_utf8(self.out).unwrap()
    }

    fn write(
        writer: &mut StreamWriter,
        is_over: &mut bool,
        events: &[Event<'_>],
        out: &mut Vec<u8>,
    ) {
        for event in events {
            *is_over |= matches!(event, Event::Fault(_) | Event::End);
            writer.write(event, out);
        }
    }
}

/// Behind the empty line that ends the first event.
fn event_end(bytes: &[u8]) -> Option<usize> {
    let ends = |end: &'static [u8]| {
        let at = bytes.windows(end.len()).position(|window| window == end);
        at.map(|at| at + end.len())
    };
    [ends(b"\n\n"), ends(b"\r\n\r\n")].into_iter().flatten().min()
}
