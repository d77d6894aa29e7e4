//! What a translation costs, per ordered pair of dialects: a call that is not streamed (its request and its
//! answer, some 3 kB together), and one event of a stream.
//!
//! `cargo bench -p doorward-dialect --profile dist`: that profile is what packages ship. The bars are 60 µs for
//! the call and 3 µs for the event.

use doorward_dialect::answer::Face;
use doorward_dialect::google::{Framing, Place};
use doorward_dialect::spoken::Manner;
use doorward_dialect::unsupported::{Allowed, Leave};
use doorward_dialect::{Dialect, Knows, Target};

/// A request in OpenAI's dialect, of which those in the others are made.
const REQUEST: &str = include_str!("request.json");
const ANSWER: &str = include_str!("answer.json");
const FACE: Face<'static> = Face { call: "call_1", model: "alias", created_s: 1_795_000_000 };
const MANNER: Manner = Manner { wants_usage: true, framing: Framing::Events };

/// Client and provider.
const PAIRS: [(Dialect, Dialect); 6] = [
    (Dialect::OpenAi, Dialect::Anthropic),
    (Dialect::OpenAi, Dialect::Google),
    (Dialect::Anthropic, Dialect::OpenAi),
    (Dialect::Anthropic, Dialect::Google),
    (Dialect::Google, Dialect::OpenAi),
    (Dialect::Google, Dialect::Anthropic),
];

fn main() {
    divan::main();
}

fn target(from: Dialect) -> Target<'static> {
    let knows = Knows { choice_objects: true, sampling: true, ..Knows::default() };
    Target { model: "theirs", from: from.into(), output_tokens_default: 4096, knows }
}

fn place() -> Place<'static> {
    Place { model: "alias", is_stream: false }
}

fn request(body: &[u8], (from, to): (Dialect, Dialect)) -> Vec<u8> {
    let request = from.read_request(body, place()).unwrap_or_default();
    let mut leave = Leave::new(Allowed::All);
    to.write_request(&request, &target(from), &mut leave).unwrap_or_default()
}

fn answer(body: &[u8], (client, provider): (Dialect, Dialect)) -> Vec<u8> {
    let answer = provider.read_answer(body);
    answer.ok().and_then(|answer| client.write_answer(&answer, &FACE).ok()).unwrap_or_default()
}

/// What a client of this dialect sends.
fn asked(dialect: Dialect) -> Vec<u8> {
    match dialect {
        Dialect::OpenAi => REQUEST.into(),
        Dialect::Anthropic | Dialect::Google => {
            request(REQUEST.as_bytes(), (Dialect::OpenAi, dialect))
        }
    }
}

/// What a provider of this dialect answers.
fn answered(dialect: Dialect) -> Vec<u8> {
    match dialect {
        Dialect::OpenAi => ANSWER.into(),
        Dialect::Anthropic | Dialect::Google => {
            answer(ANSWER.as_bytes(), (dialect, Dialect::OpenAi))
        }
    }
}

/// A request on its way there, and its answer on its way back.
#[divan::bench(args = PAIRS)]
fn call(bencher: divan::Bencher<'_, '_>, pair: (Dialect, Dialect)) {
    let (asked, answered) = (asked(pair.0), answered(pair.1));
    assert!(!request(&asked, pair).is_empty() && !answer(&answered, pair).is_empty());
    bencher.bench(|| (request(&asked, pair), answer(&answered, pair)));
}

/// One piece of a text, in the middle of a stream.
#[divan::bench(args = PAIRS)]
fn event(bencher: divan::Bencher<'_, '_>, (client, provider): (Dialect, Dialect)) {
    let piece: &[u8] = match provider {
        Dialect::OpenAi => {
            br#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"theirs","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" weather"},"logprobs":null,"finish_reason":null}]}"#
        }
        Dialect::Anthropic => {
            br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" weather"}}"#
        }
        Dialect::Google => {
            br#"{"candidates":[{"content":{"parts":[{"text":" weather"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":4,"totalTokenCount":15,"promptTokensDetails":[{"modality":"TEXT","tokenCount":11}]},"modelVersion":"theirs","responseId":"r1"}"#
        }
    };
    let (mut reader, mut writer) = (provider.stream_reader(), client.stream_writer(&FACE, MANNER));
    let mut out = Vec::with_capacity(1 << 10);
    bencher.bench_local(|| {
        out.clear();
        for event in reader.read(divan::black_box(piece)).unwrap_or_default() {
            writer.write(&event, &mut out);
        }
        out.len()
    });
}
