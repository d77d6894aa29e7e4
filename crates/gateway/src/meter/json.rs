//! Finds the top-level member that tells the usage of a JSON answer while it passes, however it is cut.

use std::sync::Arc;

use bytes::Bytes;
use doorward_dialect::{Dialect, Provider, openai};
use doorward_domain::usage::Usage;

use super::Metered;
use super::searches::{SearchCounter, Searches};
use super::strings::{string_end, text_end};
use super::usage::Told;
use crate::redact::{Mask, Needle};
use crate::route::{Call, Work};

/// The largest `usage` object that is read.
const USAGE_BYTES_MAX: usize = 16 * 1024;
/// What most of them fit in.
const USAGE_BYTES: usize = 256;

/// The largest answer that is kept to count the searches in it: one with pictures, too.
const KEPT_BYTES_MAX: usize = 24 << 20;

/// What the scanner is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between tokens of the structure.
    Structure,
    /// In a string whose text does not matter.
    String,
    /// In a key of the top-level object, of which this many bytes are those of the usage's.
    Key(usize),
    /// In a key that is another one.
    OtherKey,
    /// After a backslash; then back to being inside of a string.
    Escape,
}

/// Which part of a member of the top-level object comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    /// A key.
    Key,
    /// The colon and the value of `usage`.
    Usage,
    /// The value of `usage` is being kept.
    Captured,
    /// Anything else.
    Other,
}

/// How much of the one object has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Its end has not come yet.
    Open,
    /// All of it.
    Whole,
    /// It, and something behind it.
    Exceeded,
}

/// Reads a JSON answer as it passes, and covers the provider's credential up in it. Memory is
/// bounded by one `usage` object and one credential; of a call that may search, by [`KEPT_BYTES_MAX`].
#[derive(Debug)]
pub(crate) struct JsonMeter {
    place: Place,
    depth: u32,
    member: Member,
    captured: Vec<u8>,
    bytes: u64,
    has_output: bool,
    extent: Extent,
    mask: Mask,
    provider: Provider,
    /// The member that tells the usage.
    key: &'static [u8],
    /// Reads another member that tells of it.
    beside: Option<Box<Beside>>,
    kept: Kept,
}

/// The answer until here, for the searches in it.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// It is of no call that may search.
    Nothing,
    Answer(Vec<u8>),
    /// It is longer than [`KEPT_BYTES_MAX`].
    Overlong,
}

impl Kept {
    fn push(&mut self, chunk: &[u8]) {
        let Self::Answer(kept) = self else { return };
        if kept.len() + chunk.len() <= KEPT_BYTES_MAX {
            kept.extend_from_slice(chunk);
        } else {
            *self = Self::Overlong;
        }
    }

    fn searches(&self, provider: Provider) -> Searches {
        match self {
            Self::Nothing => Searches::default(),
            Self::Answer(answer) => {
                let mut counter = SearchCounter::new(provider);
                counter.take(answer);
                counter.seen
            }
            Self::Overlong => Searches { is_lost: true, ..Searches::default() },
        }
    }
}

/// What finds another member, and how that is read.
#[derive(Debug)]
struct Beside {
    finder: JsonMeter,
    read: fn(&[u8]) -> Option<Usage>,
}

impl JsonMeter {
    /// `needle`: what must never reach the client, should the upstream echo it. `has_output`: what
    /// passes is a model's output, and not figures that it computed, as embeddings are.
    pub(crate) fn new(
        provider: impl Into<Provider>,
        needle: Option<&Arc<Needle>>,
        has_output: bool,
    ) -> Self {
        let provider = provider.into();
        Self {
            provider,
            key: Told::new(provider).member().as_bytes(),
            beside: None,
            has_output,
            place: Place::Structure,
            depth: 0,
            member: Member::Other,
            captured: Vec::new(),
            bytes: 0,
            extent: Extent::Open,
            mask: Mask::new(needle),
            kept: Kept::Nothing,
        }
    }

    /// The meter of a call's answer.
    pub(crate) fn of(
        call: Call,
        provider: impl Into<Provider>,
        needle: Option<&Arc<Needle>>,
    ) -> Self {
        let work = call.work();
        let meter = Self::new(provider, needle, work.has_output());
        match work {
            Work::Transcript => meter.with("duration", openai::read_seconds),
            Work::Ranking => meter.with("meta", openai::read_meta),
            Work::Chat
            | Work::Completion
            | Work::Response
            | Work::Prompt
            | Work::Embedding
            | Work::Moderation
            | Work::Picture
            | Work::Speech
            | Work::Count => meter,
        }
    }

    fn with(self, key: &'static str, read: fn(&[u8]) -> Option<Usage>) -> Self {
        let finder = Self { key: key.as_bytes(), ..Self::new(self.provider, None, false) };
        Self { beside: Some(Box::new(Beside { finder, read })), ..self }
    }

    /// Counts the searches in the answer, too, where the usage does not tell them.
    pub(crate) fn counting_searches(mut self, may_search: bool) -> Self {
        let is_told = self.provider == Dialect::Anthropic.into();
        if may_search && !is_told {
            self.kept = Kept::Answer(Vec::new());
        }
        self
    }

    /// Takes the next bytes, cut anywhere, and gives those that may go on now: nearly always the very
    /// buffer that came in.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        self.read(&chunk);
        if let Some(beside) = &mut self.beside {
            beside.finder.read(&chunk);
        }
        self.mask.push(chunk)
    }

    /// What was held back, once the upstream has ended.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.mask.finish()
    }

    /// Whether one whole object has passed and nothing else.
    pub(crate) fn is_complete(&self) -> bool {
        self.extent == Extent::Whole
    }

    fn read(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.kept.push(chunk);
        let mut rest = chunk;
        while !rest.is_empty() {
            let (passed, behind) = rest.split_at_checked(self.pass(rest)).unwrap_or((rest, &[]));
            self.keep(passed);
            let Some((&byte, tail)) = behind.split_first() else { return };
            self.step(byte);
            rest = tail;
        }
    }

    /// How many bytes can be passed at once, up to one that must be looked at.
    fn pass(&mut self, rest: &[u8]) -> usize {
        match self.place {
            Place::String | Place::OtherKey => text_end(rest),
            Place::Structure if self.depth > 1 => {
                let (bytes, depth) = nested_end(rest, self.depth);
                self.depth = depth;
                bytes
            }
            Place::Structure if self.depth == 1 => match rest.split_first() {
                Some((b'"', text)) => self.pass_string(text),
                _ => scalar_end(rest),
            },
            Place::Structure | Place::Key(_) | Place::Escape => 0,
        }
    }

    /// A string of the top-level object, behind its opening quote, that is here whole, as it nearly
    /// always is.
    fn pass_string(&mut self, text: &[u8]) -> usize {
        let Some(end) = string_end(text) else { return 0 };
        if self.member == Member::Key {
            let is_ours = text.get(..end) == Some(self.key);
            self.member = if is_ours { Member::Usage } else { Member::Other };
        }
        end + 2
    }

    /// What the answer used.
    pub(crate) fn metered(&self) -> Metered {
        let mut told = Told::new(self.provider);
        let usage = self.captured();
        if let Some(usage) = usage {
            told.take(usage);
        }
        let total = || usage.filter(|_| !self.has_output).and_then(openai::read_total);
        let told = completed(told.usage().or_else(total), self.told_beside());
        let is_counted = self.has_output && told.is_none();
        Metered {
            told,
            is_unit_told: self.is_unit_told(),
            counted_output: if is_counted { self.bytes.div_ceil(4) } else { 0 },
            searches: self.kept.searches(self.provider),
        }
    }

    /// The value of the member, once it is whole.
    fn captured(&self) -> Option<&[u8]> {
        let is_whole = self.member != Member::Captured && !self.captured.is_empty();
        is_whole.then_some(&*self.captured)
    }

    fn told_beside(&self) -> Option<Usage> {
        let Beside { finder, read } = self.beside.as_deref()?;
        finder.captured().and_then(read)
    }

    /// Whether either member tells how much of its unit was used, be it nothing.
    fn is_unit_told(&self) -> bool {
        self.beside.as_deref().is_some_and(|Beside { finder, .. }| {
            let members = [self.captured(), finder.captured()];
            members.into_iter().flatten().any(openai::tells_unit)
        })
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.member != Member::Captured {
            return;
        }
        if self.captured.len() + bytes.len() <= USAGE_BYTES_MAX {
            self.captured.extend_from_slice(bytes);
        } else {
            // A part of it could say something else than the whole.
            self.captured.clear();
            self.member = Member::Other;
        }
    }

    fn step(&mut self, byte: u8) {
        match self.place {
            Place::Structure => self.step_structure(byte),
            Place::Escape => {
                self.keep(&[byte]);
                self.place = Place::String;
            }
            Place::String => {
                self.keep(&[byte]);
                self.place = match byte {
                    b'"' => Place::Structure,
                    b'\\' => Place::Escape,
                    _ => Place::String,
                };
            }
            Place::Key(matched) => self.step_key(byte, matched),
            Place::OtherKey => match byte {
                b'"' => self.place = Place::Structure,
                // A key with an escape is not ours; its rest is skipped as any string.
                b'\\' => self.place = Place::Escape,
                _ => {}
            },
        }
    }

    fn step_key(&mut self, byte: u8, matched: usize) {
        self.place = match byte {
            b'"' => {
                if matched == self.key.len() {
                    self.member = Member::Usage;
                }
                Place::Structure
            }
            b'\\' => Place::Escape,
            _ if self.key.get(matched) == Some(&byte) => Place::Key(matched + 1),
            _ => Place::OtherKey,
        };
    }

    fn step_structure(&mut self, byte: u8) {
        if self.extent == Extent::Whole && !byte.is_ascii_whitespace() {
            self.extent = Extent::Exceeded;
        }
        let is_end = self.depth == 1 && matches!(byte, b',' | b'}' | b']');
        if is_end {
            self.member = Member::Other;
        }
        self.keep(&[byte]);
        match byte {
            b'"' if self.depth == 1 && self.member == Member::Key => {
                self.member = Member::Other;
                self.place = Place::Key(0);
            }
            b'"' => self.place = Place::String,
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                if self.depth == 1 && byte == b'{' {
                    self.member = Member::Key;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 && self.extent == Extent::Open {
                    self.extent = Extent::Whole;
                }
            }
            b',' if self.depth == 1 => self.member = Member::Key,
            b':' if self.depth == 1 && self.member == Member::Usage => {
                self.member = Member::Captured;
                self.captured.clear();
                self.captured.reserve(USAGE_BYTES);
            }
            _ => {}
        }
    }
}

/// What is told in two places: units beside tokens, or one of them.
fn completed(usage: Option<Usage>, beside: Option<Usage>) -> Option<Usage> {
    let (Some(usage), Some(beside)) = (usage, beside) else { return usage.or(beside) };
    let either = |one, other| if one == 0 { other } else { one };
    Some(Usage {
        audio_ms: either(usage.audio_ms, beside.audio_ms),
        ranking_units: either(usage.ranking_units, beside.ranking_units),
        ..usage
    })
}

/// Where the plain text of a number or a word ends.
fn scalar_end(rest: &[u8]) -> usize {
    let is_end = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':');
    rest.iter().position(is_end).unwrap_or(rest.len())
}

/// The bracket that leads back to the top-level object, or a string that does not end here; and the
/// depth there.
fn nested_end(rest: &[u8], mut depth: u32) -> (usize, u32) {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' if depth > 2 => depth -= 1,
            b'}' | b']' => break,
            b'"' => match rest.get(at + 1..).and_then(string_end) {
                Some(end) => at += 1 + end,
                None => break,
            },
            _ => {}
        }
        at += 1;
    }
    (at, depth)
}

#[cfg(test)]
mod tests {
    use doorward_dialect::Dialect;
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"{"id":"a\"b","usage2":{"usage":{"prompt_tokens":9}},"choices":[{"message":{"content":"say \"usage\":{} \\"}}],"\u0075sage":1,"usage" : {"prompt_tokens":25,"completion_tokens":30,"total_tokens":55,"x":["}",{}]},"z":1}"#;

    fn read(parts: &[&[u8]]) -> Option<(u64, u64)> {
        let mut meter = JsonMeter::new(Dialect::OpenAi, None, true);
        for part in parts {
            meter.read(part);
        }
        meter.metered().told.map(|usage| (usage.input_tokens, usage.output_tokens))
    }

    #[test]
    fn nothing_of_a_unit_is_told_otherwise_than_no_word_of_it() {
        #[rustfmt::skip]
        let cases = [
            (Call::Transcriptions, r#"{"text":"","usage":{"type":"duration","seconds":0}}"#,       true),
            (Call::Transcriptions, r#"{"text":"","duration":0}"#,                                  true),
            (Call::Transcriptions, r#"{"text":"","usage":{"input_tokens":0,"output_tokens":0}}"#,  false),
            (Call::Transcriptions, r#"{"text":"","duration":null}"#,                               false),
            (Call::Rerank,         r#"{"results":[],"meta":{"billed_units":{"search_units":0}}}"#, true),
            (Call::Rerank,         r#"{"results":[],"meta":{"billed_units":{"input_tokens":0}}}"#, false),
        ];
        for (call, answer, expected) in cases {
            let mut meter = JsonMeter::of(call, Dialect::OpenAi, None);
            meter.push(Bytes::from_static(answer.as_bytes()));
            assert_eq!(meter.metered().is_unit_told, expected, "{answer}");
        }
    }

    #[test]
    fn what_is_told_beside_the_usage_is_found_for_every_cut_of_the_answer() {
        let tokens = |input| Usage::of_tokens(input, 0);
        #[rustfmt::skip]
        let cases = [
            (Call::Transcriptions, r#"{"task":"transcribe","duration":3.5,"text":"duration"}"#, Usage { audio_ms: 3_500, ..tokens(0) }),
            (Call::Transcriptions, r#"{"text":"a","duration":"2"}"#,                            Usage { audio_ms: 2_000, ..tokens(0) }),
            (Call::Rerank,         r#"{"results":[{"meta":{}}],"meta":{"billed_units":{"search_units":2}}}"#, Usage { ranking_units: 2, ..tokens(0) }),
            (Call::Rerank,         r#"{"results":[],"usage":{"total_tokens":56}}"#,             tokens(56)),
            (Call::Rerank,         r#"{"meta":{"billed_units":{"search_units":1}},"usage":{"total_tokens":56}}"#, Usage { ranking_units: 1, ..tokens(56) }),
            (Call::Embeddings,     r#"{"data":[],"usage":{"total_tokens":56}}"#,                tokens(56)),
            (Call::Moderations,    r#"{"results":[],"usage":{"prompt_tokens":5}}"#,             tokens(5)),
        ];
        for (call, answer, expected) in cases {
            for cut in 0..=answer.len() {
                let mut meter = JsonMeter::of(call, Dialect::OpenAi, None);
                let (head, tail) = answer.as_bytes().split_at(cut);
                for part in [head, tail] {
                    meter.push(Bytes::copy_from_slice(part));
                }
                assert_eq!(meter.metered().told, Some(expected), "{answer} cut at {cut}");
            }
        }
        let mut chat = JsonMeter::of(Call::ChatCompletions, Dialect::OpenAi, None);
        chat.push(Bytes::from_static(br#"{"usage":{"total_tokens":56}}"#));
        assert_eq!(chat.metered().told, None, "how much of it is output is not told");
    }

    #[test]
    fn the_usage_is_found_for_every_cut_of_the_answer() {
        let bytes = ANSWER.as_bytes();
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(read(&[head, tail]), Some((25, 30)), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), Some((25, 30)));
    }

    #[test]
    fn each_dialect_has_its_member() {
        let json = r#"{"usage":{"prompt_tokens":1,"input_tokens":2,"output_tokens":3},"usageMetadata":{"promptTokenCount":4}}"#;
        for (dialect, expected) in
            [(Dialect::OpenAi, (1, 3)), (Dialect::Anthropic, (2, 3)), (Dialect::Google, (4, 0))]
        {
            let mut meter = JsonMeter::new(dialect, None, true);
            json.as_bytes().chunks(3).for_each(|part| meter.read(part));
            let usage = meter.metered().told.unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens), expected, "{dialect:?}");
        }
    }

    #[test]
    fn figures_that_a_model_computed_are_no_output() {
        for (has_output, expected) in [(true, 3), (false, 0)] {
            let mut meter = JsonMeter::new(Dialect::OpenAi, None, has_output);
            meter.read(br#"{"data":[]}"#);
            assert_eq!(meter.metered().counted_output, expected);
        }
    }

    #[test]
    fn searches_in_an_answer_that_is_too_large_to_keep_are_lost_and_not_none() {
        let mut meter = JsonMeter::new(Dialect::OpenAi, None, true).counting_searches(true);
        assert_eq!(meter.metered().searches, Searches::default());
        let chunk = Bytes::from(vec![b' '; 1 << 20]);
        for _ in 0..=KEPT_BYTES_MAX >> 20 {
            meter.push(chunk.clone());
        }
        assert!(meter.metered().searches.is_lost);
        assert_eq!(meter.kept, Kept::Overlong, "nothing of it stays in memory");
    }

    #[test]
    fn searches_are_counted_for_every_cut_of_the_answer_of_a_call_that_may_search() {
        let json = br#"{"output":[{"type":"web_search_call"}],"usage":{"input_tokens":1}}"#;
        for (may_search, expected) in [(true, 1), (false, 0)] {
            for cut in 0..=json.len() {
                let meter = JsonMeter::new(Dialect::OpenAi, None, true);
                let mut meter = meter.counting_searches(may_search);
                let (head, tail) = json.split_at(cut);
                meter.read(head);
                meter.read(tail);
                assert_eq!(meter.metered().searches.web, expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_usage_elsewhere_is_not_the_calls() {
        for json in [
            r#"{"choices":[{"usage":{"prompt_tokens":1}}]}"#,
            r#"[{"usage":{"prompt_tokens":1}}]"#,
            r#"{"a":"\"usage\":{\"prompt_tokens\":1}"}"#,
            r#"{"usage":null}"#,
            r#"{"usage":{"prompt_tokens":1"#,
            "",
        ] {
            assert_eq!(read(&[json.as_bytes()]), None, "{json}");
        }
    }

    #[test]
    fn a_usage_that_is_too_large_is_none() {
        let json =
            format!(r#"{{"usage":{{"x":"{}","prompt_tokens":1}}}}"#, "x".repeat(USAGE_BYTES_MAX));
        assert_eq!(read(&[json.as_bytes()]), None);
        let bytes: Vec<&[u8]> = json.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), None);
    }

    #[test]
    fn one_whole_object_is_complete_and_nothing_else_is() {
        #[rustfmt::skip]
        let cases = [
            (ANSWER,            true),
            ("{}",              true),
            (" {\"a\":[{}]} \n", true),
            ("",                false),
            ("{",               false),
            ("{\"a\":\"}",       false),
            ("{\"a\":[}",       false),
            ("{}{}",            false),
            ("{} x",            false),
        ];
        for (json, expected) in cases {
            let mut meter = JsonMeter::new(Dialect::OpenAi, None, true);
            meter.read(json.as_bytes());
            assert_eq!(meter.is_complete(), expected, "{json}");
        }
    }

    #[test]
    fn a_credential_is_covered_up_and_the_usage_behind_it_is_read() {
        let needle = Arc::new(Needle::new(b"sk-canary-123").unwrap());
        let json = r#"{"id":"sk-canary-123","usage":{"prompt_tokens":9}}"#;
        for cut in 0..=json.len() {
            let mut meter = JsonMeter::new(Dialect::OpenAi, Some(&needle), true);
            let (head, tail) = json.as_bytes().split_at(cut);
            let passed = [head, tail].map(|part| meter.push(Bytes::from_static(part)));
            let passed = [passed.concat(), meter.finish().to_vec()].concat();
            assert_eq!(passed, json.replace("sk-canary-123", "*************").as_bytes());
            assert_eq!(
                meter.metered().told.map(|usage| usage.input_tokens),
                Some(9),
                "cut at {cut}"
            );
        }
    }

    proptest! {
        /// Whatever an upstream sends, metering neither panics nor keeps more than its bound.
        #[test]
        fn any_bytes_are_survived(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32)) {
            let mut meter = JsonMeter::new(Dialect::OpenAi, None, true);
            for chunk in &chunks {
                meter.read(chunk);
            }
            meter.metered();
            prop_assert!(meter.captured.len() <= USAGE_BYTES_MAX);
        }

        /// What is passed at once is read as what comes byte by byte.
        #[test]
        fn how_it_is_cut_changes_nothing(tokens in prop::collection::vec(
            prop::sample::select(vec!["{", "}", "[", "]", "\"", "\\", ":", ",", " ", "\"usage\"", "{\"usage\":{", "1"]), 0..32,
        )) {
            let text = tokens.concat();
            let read = |parts: &mut dyn Iterator<Item = &[u8]>| {
                let mut meter = JsonMeter::new(Dialect::OpenAi, None, true);
                parts.for_each(|part| meter.read(part));
                (meter.is_complete(), meter.depth, meter.captured)
            };
            let whole = read(&mut std::iter::once(text.as_bytes()));
            prop_assert_eq!(whole, read(&mut text.as_bytes().chunks(1)));
        }
    }
}
