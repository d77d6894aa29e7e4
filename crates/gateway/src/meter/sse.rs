//! Reads a stream of server-sent events as it passes, event by event.
//!
//! An event goes on when it is whole: the one that carries only usage must not reach a client that
//! did not ask for it, and none may carry the provider's credential. Whole events are never
//! held back; what waits is at most the unfinished tail of one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use doorward_domain::usage::Usage;
use memchr::memmem::Finder;

use super::usage;
use crate::redact::Needle;

/// The largest event; a longer one ends the stream.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// Up to this many bytes of text in one event count as one token; longer ones by four bytes each.
const TOKEN_BYTES_MAX: usize = 12;

/// An event longer than the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlong;

/// The meter of one stream.
#[derive(Debug)]
pub(crate) struct SseMeter {
    /// The unfinished event, and how much of it was searched for its end already.
    tail: BytesMut,
    searched: usize,
    hides_usage: bool,
    /// What must never reach the client, should the upstream echo it.
    needle: Option<Arc<Needle>>,
    usage: Option<Usage>,
    output_tokens: u64,
    is_done: bool,
}

/// What becomes of an event.
enum Verdict {
    Pass,
    Hide,
    Redact,
}

/// The searches, compiled once per process.
struct Finders {
    usage: Finder<'static>,
    text: [Finder<'static>; 3],
}

static FINDERS: std::sync::LazyLock<Finders> = std::sync::LazyLock::new(|| Finders {
    usage: Finder::new(br#""usage":"#),
    text: [
        Finder::new(br#""content":""#),
        Finder::new(br#""delta":""#),
        Finder::new(br#""text":""#),
    ],
});

impl SseMeter {
    /// `hides_usage`: the client did not ask for the usage event that we asked for.
    pub(crate) fn new(hides_usage: bool, needle: Option<&Arc<Needle>>) -> Self {
        Self {
            tail: BytesMut::new(),
            searched: 0,
            hides_usage,
            needle: needle.filter(|needle| needle.is_for_answers()).map(Arc::clone),
            usage: None,
            output_tokens: 0,
            is_done: false,
        }
    }

    /// Takes the next bytes and gives those that may go on now: all whole events, often the very
    /// buffer that came in.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Overlong> {
        if self.tail.is_empty() {
            let (out, used) = self.pass_from(&chunk, 0);
            if used < chunk.len() {
                self.keep_tail(&chunk.slice(used..))?;
            }
            drop(chunk);
            return Ok(out);
        }
        self.keep_tail(&chunk)?;
        let whole = std::mem::take(&mut self.tail).freeze();
        let from = std::mem::take(&mut self.searched);
        let (out, used) = self.pass_from(&whole, from);
        self.keep_tail(whole.get(used..).unwrap_or_default())?;
        self.searched = if used == 0 { whole.len().saturating_sub(3) } else { 0 };
        Ok(out)
    }

    /// What the stream said it used.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Tokens of output, counted from the events that passed.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// Whether the stream came to its proper end: it said so, or it told its usage.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_done || self.usage.is_some()
    }

    /// What is left when the upstream has ended: a last line without its line end.
    pub(crate) fn finish(&mut self) -> Bytes {
        let rest = std::mem::take(&mut self.tail).freeze();
        match self.judge(&rest) {
            Verdict::Pass => rest,
            Verdict::Hide => Bytes::new(),
            Verdict::Redact => self.redacted(&rest),
        }
    }

    fn keep_tail(&mut self, rest: &[u8]) -> Result<(), Overlong> {
        if self.tail.len() + rest.len() > EVENT_BYTES_MAX {
            return Err(Overlong);
        }
        self.tail.extend_from_slice(rest);
        Ok(())
    }

    /// The whole events at the front of `buffer`, and how many bytes they take. `from`: no event
    /// ends before it.
    fn pass_from(&mut self, buffer: &Bytes, from: usize) -> (Bytes, usize) {
        let mut changed: Option<BytesMut> = None;
        let (mut start, mut search) = (0, from);
        while let Some(end) = event_end(buffer, search) {
            let event = buffer.get(start..end).unwrap_or_default();
            match (self.judge(event), &mut changed) {
                (Verdict::Pass, None) => {}
                (Verdict::Pass, Some(out)) => out.extend_from_slice(event),
                (Verdict::Hide, out) => {
                    out.get_or_insert_with(|| {
                        BytesMut::from(buffer.get(..start).unwrap_or_default())
                    });
                }
                (Verdict::Redact, out) => {
                    let clean = self.redacted(event);
                    out.get_or_insert_with(|| {
                        BytesMut::from(buffer.get(..start).unwrap_or_default())
                    })
                    .extend_from_slice(&clean);
                }
            }
            (start, search) = (end, end);
        }
        (changed.map_or_else(|| buffer.slice(..start), BytesMut::freeze), start)
    }

    fn judge(&mut self, event: &[u8]) -> Verdict {
        if let Some(text) = FINDERS.text.iter().find_map(|finder| text_bytes(finder, event)) {
            self.count(text);
        }
        if let Some(at) = FINDERS.usage.find(event) {
            if self.read_usage(event, at) && self.hides_usage {
                return Verdict::Hide;
            }
        } else if data(event) == Some(b"[DONE]") {
            self.is_done = true;
        }
        // Whatever kind of event it is: not every server calls its errors `error`.
        let is_echo = self.needle.as_ref().is_some_and(|needle| needle.is_in(event));
        if is_echo { Verdict::Redact } else { Verdict::Pass }
    }

    fn count(&mut self, text: usize) {
        let tokens = match text {
            0 => 0,
            1..=TOKEN_BYTES_MAX => 1,
            more => more.div_ceil(4) as u64,
        };
        self.output_tokens = self.output_tokens.saturating_add(tokens);
    }

    /// Reads the event's usage; whether the event holds nothing else.
    fn read_usage(&mut self, event: &[u8], at: usize) -> bool {
        let after = event.get(at + br#""usage":"#.len()..).unwrap_or_default();
        if after.trim_ascii_start().starts_with(b"null") {
            return false;
        }
        let Some((usage, is_bare)) = data(event).and_then(usage::parse_event) else { return false };
        self.usage = Some(usage);
        is_bare
    }

    fn redacted(&self, event: &[u8]) -> Bytes {
        match &self.needle {
            Some(needle) => needle.redact(event),
            None => Bytes::copy_from_slice(event),
        }
    }
}

/// The end of the first event that ends at or after `from`: behind the empty line that closes it.
/// Lines end with LF, CR or CRLF (WHATWG HTML, section 9.2.5).
fn event_end(buffer: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + memchr::memchr2(b'\n', b'\r', buffer.get(at..)?)?;
        let next = line_end(buffer, found);
        match buffer.get(next) {
            Some(b'\n' | b'\r') => return Some(line_end(buffer, next)),
            Some(_) => at = next + 1,
            None => return None,
        }
    }
}

/// Behind the line end that begins at `at`.
fn line_end(buffer: &[u8], at: usize) -> usize {
    let is_crlf = buffer.get(at) == Some(&b'\r') && buffer.get(at + 1) == Some(&b'\n');
    if is_crlf { at + 2 } else { at + 1 }
}

/// The payload of an event with one `data` line, wherever in the event that line stands.
fn data(event: &[u8]) -> Option<&[u8]> {
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.find_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii)
}

/// Bytes of the text that follows, up to its closing quote.
fn text_bytes(finder: &Finder<'_>, event: &[u8]) -> Option<usize> {
    let start = finder.find(event)? + finder.needle().len();
    let text = event.get(start..)?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at) {
            Some(b'\\') => at += 2,
            Some(_) | None => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        ": hello\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\" token\"}}]}\r\n\r\n",
        "event: x\ndata: {\"choices\":[{\"delta\":{\"content\":\"é \\\"quoted\\\" \"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":50}}\n\n",
        "data: [DONE]\n\n",
    );

    fn run(meter: &mut SseMeter, chunks: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&meter.push(Bytes::copy_from_slice(chunk)).unwrap());
        }
        out.extend_from_slice(&meter.finish());
        out
    }

    fn without_usage() -> String {
        STREAM.split_inclusive("\n\n").filter(|e| !e.contains("prompt_tokens")).collect()
    }

    #[test]
    fn every_cut_gives_the_same_stream_and_the_same_usage() {
        for cut in 0..=STREAM.len() {
            let (head, tail) = STREAM.as_bytes().split_at(cut);
            for (hides, expected) in [(false, STREAM.to_owned()), (true, without_usage())] {
                let mut meter = SseMeter::new(hides, None);
                assert_eq!(run(&mut meter, &[head, tail]), expected.as_bytes(), "cut at {cut}");
                let usage = meter.usage().unwrap();
                assert_eq!((usage.input_tokens, usage.output_tokens), (25, 50));
                assert_eq!(meter.output_tokens(), 1 + 4);
                assert!(meter.is_complete());
            }
        }
    }

    #[test]
    fn a_whole_chunk_goes_on_as_the_same_buffer() {
        let chunk =
            Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
        let out = SseMeter::new(true, None).push(chunk.clone()).unwrap();
        assert_eq!((out.as_ptr(), out.len()), (chunk.as_ptr(), chunk.len()));
    }

    #[test]
    fn an_error_event_loses_the_providers_credential_wherever_it_is_cut() {
        let needle = Arc::new(Needle::new(b"sk-canary-123").unwrap());
        let event = b"data: {\"error\":{\"message\":\"bad key sk-canary-123\"}}\n\n";
        for cut in 0..=event.len() {
            let (head, tail) = event.split_at(cut);
            let mut meter = SseMeter::new(false, Some(&needle));
            let out = String::from_utf8(run(&mut meter, &[head, tail])).unwrap();
            assert!(out.contains("bad key") && !out.contains("canary"), "{out}");
        }
    }

    #[test]
    fn an_endless_event_is_an_error_and_bounded() {
        let mut meter = SseMeter::new(false, None);
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let taken = (0..100).take_while(|_| meter.push(chunk.clone()).is_ok()).count();
        assert_eq!(taken, EVENT_BYTES_MAX / chunk.len());
        assert!(meter.tail.len() <= EVENT_BYTES_MAX);
    }

    #[test]
    fn the_usage_of_a_response_stream_is_nested() {
        let event = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n";
        let mut meter = SseMeter::new(true, None);
        assert_eq!(run(&mut meter, &[event.as_bytes()]), event.as_bytes());
        assert_eq!(meter.usage().map(|usage| usage.output_tokens), Some(4));
    }

    proptest! {
        /// Nothing is lost, doubled or reordered when nothing has to be hidden.
        #[test]
        fn any_bytes_pass_unchanged(chunks in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"data: x\n\r{}\""[..]), 0..24), 0..24)) {
            let mut meter = SseMeter::new(false, None);
            let parts: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(run(&mut meter, &parts), parts.concat());
        }
    }
}
