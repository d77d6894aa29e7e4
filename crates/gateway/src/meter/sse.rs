//! Reads a stream of server-sent events as it passes, event by event.
//!
//! An event goes on when it is whole: the one that carries only usage must not reach a client that
//! did not ask for it, and none may carry the provider's credential. Whole events are never
//! held back; what waits is at most the unfinished tail of one. What comes in frames of another kind becomes
//! such a stream first.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use doorward_dialect::bedrock::Frames;
use doorward_dialect::{Dialect, Provider};

use super::Metered;
use super::event::{self, Facts};
use super::searches::SearchCounter;
use super::usage::{self, Said, Told};
use crate::redact::Needle;

/// The largest event; a longer one ends the stream.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// The same where a picture may come in one event, as in `OpenAI`'s dialect and Google's.
const PICTURE_BYTES_MAX: usize = 24 << 20;

/// An event longer than the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlong;

/// The meter of one stream.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub(crate) struct SseMeter {
    /// Where the provider's events come in frames of AWS.
    frames: Option<Frames>,
    /// The unfinished event, and how much of it was searched for its end already.
    tail: BytesMut,
    searched: usize,
    hides_usage: bool,
    /// What must never reach the client, should the upstream echo it.
    needle: Option<Arc<Needle>>,
    told: Told,
    /// Tokens of output that passed since the stream told how many there were.
    counted: u64,
    event_bytes_max: usize,
    /// Of a call that may search.
    searches: Option<SearchCounter>,
    provider: Provider,
    is_done: bool,
    has_failed: bool,
}

/// What becomes of an event.
enum Verdict {
    Pass,
    Hide,
    Redact,
}

/// What became of the whole events at the front of a buffer.
struct Passed {
    /// What goes on instead of them; `None`: they do, as they are.
    changed: Option<BytesMut>,
    /// Their bytes.
    used: usize,
}

impl SseMeter {
    /// `hides_usage`: the client did not ask for the usage event that we asked for.
    pub(crate) fn new(
        provider: impl Into<Provider>,
        hides_usage: bool,
        needle: Option<&Arc<Needle>>,
    ) -> Self {
        let provider = provider.into();
        Self {
            frames: (provider == Provider::Bedrock).then(Frames::new),
            tail: BytesMut::new(),
            searched: 0,
            hides_usage,
            needle: needle.filter(|needle| needle.is_for_answers()).map(Arc::clone),
            told: Told::new(provider),
            counted: 0,
            event_bytes_max: match provider {
                Provider::Dialect(Dialect::Anthropic) | Provider::Bedrock => EVENT_BYTES_MAX,
                Provider::Dialect(Dialect::OpenAi | Dialect::Google) => PICTURE_BYTES_MAX,
            },
            searches: None,
            provider,
            is_done: false,
            has_failed: false,
        }
    }

    /// Counts the searches in the stream, too.
    pub(crate) fn counting_searches(mut self, may_search: bool) -> Self {
        self.searches = may_search.then(|| SearchCounter::new(self.provider));
        self
    }

    /// Takes the next bytes and gives those that may go on now: all whole events, often the very
    /// buffer that came in.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Overlong> {
        let Some(frames) = &mut self.frames else { return self.push_events(chunk) };
        let mut events = Vec::with_capacity(chunk.len());
        frames.push(&chunk, &mut events);
        self.push_events(events.into())
    }

    fn push_events(&mut self, mut chunk: Bytes) -> Result<Bytes, Overlong> {
        if self.tail.is_empty() {
            let passed = self.pass_from(&chunk, 0);
            let whole = chunk.split_to(passed.used);
            self.keep_tail(BytesMut::new(), &chunk)?;
            return Ok(passed.changed.map_or(whole, BytesMut::freeze));
        }
        let mut tail = std::mem::take(&mut self.tail);
        tail.extend_from_slice(&chunk);
        let passed = self.pass_from(&tail, self.searched);
        let whole = tail.split_to(passed.used);
        self.keep_tail(tail, &[])?;
        Ok(passed.changed.unwrap_or(whole).freeze())
    }

    /// Whether there is an event of which not all has come.
    pub(crate) fn has_begun(&self) -> bool {
        !self.tail.is_empty() || self.frames.as_ref().is_some_and(Frames::has_begun)
    }

    /// What the stream used until now.
    pub(crate) fn metered(&self) -> Metered {
        // What is told at the end is of the whole, whatever was counted.
        let told = self.told.usage();
        let is_told = self.is_done && told.is_some();
        let searches = self.searches.as_ref().map(|counter| counter.seen).unwrap_or_default();
        let is_unit_told = self.told.has_unit();
        let counted_output = if is_told { 0 } else { self.counted };
        Metered { told, is_unit_told, counted_output, searches }
    }

    /// Whether the stream came to its proper end: it said so, or it told the usage of the whole.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_done && !self.has_failed
    }

    /// Whether the provider itself told an error.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether the stream was said to its end, whatever becomes of its connection: some servers just close
    /// then. Google's dialect has no mark for the end.
    pub(crate) fn is_said(&self) -> bool {
        (self.is_done || self.has_failed) && !self.told.wants_all()
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

    /// Keeps the unfinished event, in which no end was found.
    fn keep_tail(&mut self, mut tail: BytesMut, more: &[u8]) -> Result<(), Overlong> {
        if tail.len() + more.len() > self.event_bytes_max {
            return Err(Overlong);
        }
        tail.extend_from_slice(more);
        self.searched = tail.len().saturating_sub(3);
        // What is empty must not keep the events that went on in memory.
        self.tail = if tail.is_empty() { BytesMut::new() } else { tail };
        Ok(())
    }

    /// Judges the whole events at the front of `buffer`. `from`: no event ends before it.
    fn pass_from(&mut self, buffer: &[u8], from: usize) -> Passed {
        let mut changed: Option<BytesMut> = None;
        let (mut start, mut search) = (0, from);
        while let Some(end) = event_end(buffer, search) {
            let event = buffer.get(start..end).unwrap_or_default();
            let verdict = self.judge(event);
            if !matches!(verdict, Verdict::Pass) && changed.is_none() {
                changed = Some(BytesMut::from(buffer.get(..start).unwrap_or_default()));
            }
            if let Some(out) = &mut changed {
                match verdict {
                    Verdict::Pass => out.extend_from_slice(event),
                    Verdict::Hide => {}
                    Verdict::Redact => out.extend_from_slice(&self.redacted(event)),
                }
            }
            (start, search) = (end, end);
        }
        Passed { changed, used: start }
    }

    fn judge(&mut self, event: &[u8]) -> Verdict {
        let facts = event::read(event);
        if let Some((counter, data)) = self.searches.as_mut().zip(data(event)) {
            counter.take(data);
        }
        self.counted = self.counted.saturating_add(facts.output_tokens);
        self.is_done |= facts.is_last;
        let wants_it = facts.has_usage || self.told.wants_all();
        if wants_it && self.take(event).is_bare && self.hides_usage {
            return Verdict::Hide;
        }
        // Deeper in the event it could be what a tool came to.
        self.has_failed |= facts.has_error && data(event).is_some_and(usage::is_error);
        if facts == Facts::default() {
            self.is_done |= data(event) == Some(b"[DONE]");
        }
        // Whatever kind of event it is: not every server calls its errors `error`.
        let is_echo = self.needle.as_ref().is_some_and(|needle| needle.is_in(event));
        if is_echo { Verdict::Redact } else { Verdict::Pass }
    }

    fn take(&mut self, event: &[u8]) -> Said {
        let Some(data) = data(event) else { return Said::default() };
        let said = self.told.take_event(data);
        if said.has_output {
            self.counted = 0;
        }
        // Some servers tell the usage with every event, so that only the one without choices is the last.
        self.is_done |= said.is_bare;
        if self.told.wants_all() {
            self.is_done = said.is_end;
        }
        said
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

/// The payloads of whole events that stand one behind the other; of several `data` lines in one, joined by
/// line feeds.
pub(crate) fn event_data(events: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = events;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = event_end(rest, 0).unwrap_or(rest.len());
        let (event, behind) = rest.split_at(end);
        rest = behind;
        Some(joined_data(event))
    })
    .filter(|data| !data.is_empty())
}

fn joined_data(event: &[u8]) -> Cow<'_, [u8]> {
    let lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    let mut lines = lines.filter_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    let more: Vec<&[u8]> = lines.collect();
    if more.is_empty() {
        return Cow::Borrowed(first);
    }
    Cow::Owned([&[first], &*more].concat().join(&b'\n'))
}

/// The payload of an event with one `data` line, wherever in the event that line stands.
fn data(event: &[u8]) -> Option<&[u8]> {
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.find_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii)
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
                let mut meter = SseMeter::new(Dialect::OpenAi, hides, None);
                assert_eq!(run(&mut meter, &[head, tail]), expected.as_bytes(), "cut at {cut}");
                let usage = meter.metered().told.unwrap();
                assert_eq!((usage.input_tokens, usage.output_tokens), (25, 50));
                assert_eq!(meter.metered().counted_output, 0, "the end tells the whole");
                assert!(meter.is_complete());
            }
        }
    }

    #[test]
    fn a_whole_chunk_goes_on_as_the_same_buffer() {
        let chunk =
            Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
        let out = SseMeter::new(Dialect::OpenAi, true, None).push(chunk.clone()).unwrap();
        assert_eq!((out.as_ptr(), out.len()), (chunk.as_ptr(), chunk.len()));
    }

    #[test]
    fn an_error_event_loses_the_providers_credential_wherever_it_is_cut() {
        let needle = Arc::new(Needle::new(b"sk-canary-123").unwrap());
        let event = b"data: {\"error\":{\"message\":\"bad key sk-canary-123\"}}\n\n";
        for cut in 0..=event.len() {
            let (head, tail) = event.split_at(cut);
            let mut meter = SseMeter::new(Dialect::OpenAi, false, Some(&needle));
            let out = String::from_utf8(run(&mut meter, &[head, tail])).unwrap();
            assert!(out.contains("bad key") && !out.contains("canary"), "{out}");
        }
    }

    #[test]
    fn what_passes_behind_a_usage_is_added_to_it_until_the_end_tells_the_whole() {
        let text = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        let with_usage = r#"{"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
        let zero = r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
        let error = r#"{"error":{"message":"overloaded"}}"#;
        #[rustfmt::skip]
        let tool = r#"{"type":"response.output_item.done","item":{"type":"mcp_call","error":{"message":"x"}}}"#;
        let cases: [(&[&str], (u64, u64), bool); 6] = [
            // events                       billed    failed
            (&[text, text], (4, 2), false),
            (&[text, with_usage], (9, 3), false),
            (&[with_usage, text, text], (9, 5), false),
            (&[text, text, zero], (0, 0), false),
            (&[text, error], (4, 1), true),
            (&[text, tool], (4, 1), false),
        ];
        for (events, billed, has_failed) in cases {
            let mut meter = SseMeter::new(Dialect::OpenAi, true, None);
            for event in events {
                meter.push(Bytes::from(format!("data: {event}\n\n"))).unwrap();
            }
            let (usage, _) = meter.metered().usage(4);
            assert_eq!((usage.input_tokens, usage.output_tokens), billed, "{events:?}");
            assert_eq!(meter.has_failed(), has_failed, "{events:?}");
        }
    }

    #[test]
    fn an_endless_event_is_an_error_and_bounded() {
        for (dialect, bytes_max) in [
            (Dialect::Anthropic, EVENT_BYTES_MAX),
            (Dialect::OpenAi, PICTURE_BYTES_MAX),
            (Dialect::Google, PICTURE_BYTES_MAX),
        ] {
            let mut meter = SseMeter::new(dialect, false, None);
            let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
            let taken = (0..1_000).take_while(|_| meter.push(chunk.clone()).is_ok()).count();
            assert_eq!(taken, bytes_max / chunk.len(), "{dialect:?}");
            assert!(meter.tail.len() <= bytes_max);
        }
    }

    #[test]
    fn the_usage_of_a_response_stream_is_nested() {
        let event = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n";
        let mut meter = SseMeter::new(Dialect::OpenAi, true, None);
        assert_eq!(run(&mut meter, &[event.as_bytes()]), event.as_bytes());
        assert_eq!(meter.metered().told.map(|usage| usage.output_tokens), Some(4));
    }

    #[test]
    fn only_a_stream_that_said_so_is_complete() {
        let part = r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        #[rustfmt::skip]
        let cases = [
            ("[DONE]",                                                         true),
            ("[DONE]\nid: \"5\"",                                              true),
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,                  true),
            (r#"{"choices":[], "usage": {"prompt_tokens": 1}}"#,               true),
            (r#"{"type":"response.completed","response":{"usage":{"input_tokens":1}}}"#, true),
            (r#"{"type":"response.incomplete","response":{"usage":null}}"#,    true),
            (r#"{"type":"response.failed","response":{"usage":null}}"#,        true),
            (part,                                                             false),
            (r#"{"choices":[],"usage":null}"#,                                 false),
            (r#"{"type":"response.in_progress","response":{"usage":null}}"#,   false),
            (r#"{"choices":[{"delta":{"content":"[DONE]"}}]}"#,                false),
        ];
        for (last, expected) in cases {
            let mut meter = SseMeter::new(Dialect::OpenAi, true, None);
            let stream = format!("data: {part}\n\ndata: {last}\n\n");
            run(&mut meter, &[stream.as_bytes()]);
            assert_eq!(meter.is_complete(), expected, "{last}");
            assert_eq!(meter.metered().told.map(|usage| usage.input_tokens), Some(1));
        }
    }

    #[test]
    fn an_event_that_comes_in_small_pieces_is_copied_once_and_searched_once() {
        let mut meter = SseMeter::new(Dialect::OpenAi, false, None);
        let piece = Bytes::from_static(&[b'x'; 16]);
        let mut moves = 0;
        let mut place = std::ptr::null();
        for _ in 0..EVENT_BYTES_MAX / piece.len() {
            assert!(meter.push(piece.clone()).unwrap().is_empty());
            moves += u32::from(!std::ptr::eq(place, meter.tail.as_ptr()));
            place = meter.tail.as_ptr();
            assert_eq!(meter.searched, meter.tail.len() - 3);
        }
        // The buffer doubles: some twenty times from sixteen bytes to a million.
        assert!(moves <= 24, "{moves}");
        let out = meter.push(Bytes::from_static(b"\n\ndata: y"));
        assert_eq!(out.unwrap().len(), EVENT_BYTES_MAX + 2);
        assert_eq!(meter.tail, "data: y");
    }

    proptest! {
        /// Nothing is lost, doubled or reordered when nothing has to be hidden.
        #[test]
        fn any_bytes_pass_unchanged(chunks in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"data: x\n\r{}\""[..]), 0..24), 0..24)) {
            let mut meter = SseMeter::new(Dialect::OpenAi, false, None);
            let parts: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(run(&mut meter, &parts), parts.concat());
        }
    }
}
