//! What holds for whatever comes.

use std::borrow::Cow;

use doorward_dialect::Json;
use doorward_dialect::answer::{Answer, Choice, Finish};
use doorward_dialect::event::Event;
use doorward_dialect::google::{self, Framing, StreamReader};
use doorward_dialect::request::{
    Call, Content, Effort, Format, Outcome, Part, Request, Role, Sampling, Seal, Source, Thinking,
    ThinkingMode, Thought, Tool, ToolChoice, Turn,
};
use doorward_dialect::unsupported::Leave;
use doorward_domain::usage::Usage;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;

use crate::streams::{Stream, read_all, written};
use crate::{FACE, PLACE, target};

type Words = Cow<'static, str>;

fn words() -> impl Strategy<Value = Words> {
    prop_oneof![
        "[a-z \"\\\\\n]{1,12}".prop_map(Cow::Owned),
        select(vec!["ü€𝄞", "</script>", "\u{7}\u{2028}", "data: x\r\n\r\n", "null"])
            .prop_map(Cow::Borrowed),
    ]
}

fn name() -> impl Strategy<Value = Words> {
    "[a-z_][a-z0-9_.:-]{0,8}".prop_map(Cow::Owned)
}

fn object() -> impl Strategy<Value = Json<'static>> {
    let json = prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{ "big":123456789012345678901, "f":1.50 }"#.to_owned()),
        words()
            .prop_map(|text| serde_json::json!({ "text": text, "list": [null, {}] }).to_string()),
    ];
    json.prop_map(|json| Cow::Owned(RawValue::from_string(json).unwrap()))
}

fn seal() -> impl Strategy<Value = Option<Seal<'static>>> {
    prop::option::of("[A-Za-z0-9]{1,8}".prop_map(|seal| Seal::Google(seal.into())))
}

const fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

fn media() -> impl Strategy<Value = Content<'static>> {
    let inline = |media_type: &'static str| Source::Inline {
        media_type: media_type.into(),
        data: "aGk=".into(),
    };
    let url = |url: &'static str, media_type: &'static str| Source::Url {
        url: url.into(),
        media_type: Some(media_type.into()),
    };
    prop_oneof![
        Just(Content::Image(inline("image/webp"))),
        Just(Content::Audio(inline("audio/wav"))),
        Just(Content::Document { source: inline("application/pdf"), title: None }),
        Just(Content::Image(url("https://e.org/a", "image/png"))),
        Just(Content::Document { source: Source::File("gs://b/o".into()), title: None }),
        words().prop_map(|text| Content::Document { source: Source::Plain(text), title: None }),
    ]
}

/// What a model says beside calls: pieces that belong together.
fn said() -> impl Strategy<Value = Vec<Part<'static>>> {
    let thought = |text: Words, seal| part(Content::Thought(Thought { text, seal }));
    prop_oneof![
        words().prop_map(|text| vec![part(Content::Text(text))]),
        (words(), seal()).prop_map(move |(text, seal)| vec![thought(text, seal)]),
        (words(), "[A-Z]{1,4}").prop_map(move |(text, seal)| {
            let seal = Some(Seal::Google(seal.into()));
            vec![thought("".into(), seal), part(Content::Text(text))]
        }),
    ]
}

/// What a model says and calls; the ids are given later.
fn of_model(calls: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Part<'static>>> {
    let call = (name(), object(), seal()).prop_map(|(name, arguments, seal)| {
        part(Content::Call(Call { id: "".into(), name, arguments, seal }))
    });
    (prop::collection::vec(said(), 0..4), prop::collection::vec(call, calls))
        .prop_map(|(said, calls)| said.into_iter().flatten().chain(calls).collect())
}

fn of_client() -> impl Strategy<Value = Vec<Part<'static>>> {
    let piece = prop_oneof![words().prop_map(Content::Text), media()];
    prop::collection::vec(piece.prop_map(part), 1..4)
}

/// A conversation in which each call has its outcome.
fn turns() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let outcome = (prop::option::of(words()), any::<bool>(), prop::option::of(media()));
    let step = (of_model(0..3), prop::collection::vec(outcome, 3), of_client());
    (of_client(), prop::collection::vec(step, 0..4)).prop_map(|(first, steps)| {
        let mut turns = vec![Turn { at: 0, role: Role::User, parts: first }];
        for (step, (mut model, outcomes, client)) in steps.into_iter().enumerate() {
            let mut results = Vec::new();
            for (at, one) in model.iter_mut().enumerate() {
                let Content::Call(call) = &mut one.content else { continue };
                call.id = format!("id-{step}-{at}").into();
                let (text, is_error, media) = outcomes[results.len()].clone();
                let parts = text.map(Content::Text).into_iter().chain(media).map(part).collect();
                let (id, name) = (call.id.clone(), call.name.clone());
                let is_error = is_error.then_some(true);
                results.push(part(Content::Outcome(Outcome { call: id, name, parts, is_error })));
            }
            turns.push(Turn { at: 0, role: Role::Assistant, parts: model });
            results.extend(client);
            turns.push(Turn { at: 0, role: Role::User, parts: results });
        }
        turns
    })
}

fn tools() -> impl Strategy<Value = (Vec<Tool<'static>>, ToolChoice<'static>)> {
    let tool = (name(), prop::option::of(words()), prop::option::of(object()));
    let tool = tool.prop_map(|(name, description, schema)| Tool {
        name,
        description,
        schema,
        is_strict: None,
        cache: None,
    });
    let names = || vec!["f".into(), "g".into()];
    let choice = select(vec![
        (ToolChoice::Unset, None),
        (ToolChoice::Auto, None),
        (ToolChoice::Never, None),
        (ToolChoice::Required, None),
        (ToolChoice::Named("f".into()), None),
        (ToolChoice::Among { names: names(), is_required: true }, None),
        (ToolChoice::Auto, Some(true)),
        (ToolChoice::Among { names: names(), is_required: false }, Some(true)),
    ]);
    (prop::collection::vec(tool, 0..3), choice).prop_map(|(mut tools, (choice, is_strict))| {
        for tool in &mut tools {
            tool.is_strict = is_strict;
        }
        let choice = if tools.is_empty() { ToolChoice::Unset } else { choice };
        (tools, choice)
    })
}

fn format() -> impl Strategy<Value = Format<'static>> {
    let schema = object().prop_map(|schema| Format::Schema {
        name: None,
        description: None,
        schema,
        is_strict: None,
    });
    prop_oneof![Just(Format::Text), Just(Format::Json), schema]
}

fn thinking() -> impl Strategy<Value = Thinking> {
    let effort =
        select(vec![Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Higher]);
    let none = Thinking::default();
    let how = prop_oneof![
        Just(none),
        Just(Thinking { mode: ThinkingMode::Off, ..none }),
        Just(Thinking { mode: ThinkingMode::Adaptive, ..none }),
        (1_u64..100_000).prop_map(move |tokens| Thinking {
            mode: ThinkingMode::On,
            tokens_max: Some(tokens),
            ..none
        }),
        effort.prop_map(move |effort| Thinking { effort: Some(effort), ..none }),
    ];
    (how, any::<Option<bool>>()).prop_map(|(how, is_shown)| Thinking { is_shown, ..how })
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let number = || prop::option::of((0_i32..200).prop_map(|hundreds| f64::from(hundreds) / 100.0));
    (number(), number(), any::<Option<u32>>(), any::<Option<i32>>(), number(), number()).prop_map(
        |(temperature, top_p, top_k, seed, frequency_penalty, presence_penalty)| Sampling {
            temperature,
            top_p,
            top_k: top_k.map(u64::from),
            seed: seed.map(i64::from),
            frequency_penalty,
            presence_penalty,
        },
    )
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let system = prop::collection::vec(words().prop_map(|text| part(Content::Text(text))), 0..3);
    let rest = (any::<Option<u32>>(), any::<Option<u8>>(), prop::collection::vec(words(), 0..5));
    (system, turns(), tools(), format(), thinking(), sampling(), rest).prop_map(
        |(
            system,
            turns,
            (tools, tool_choice),
            format,
            thinking,
            sampling,
            (tokens, answers, stop),
        )| Request {
            model: "gemini-pro".into(),
            system,
            turns,
            tools,
            tool_choice,
            format,
            thinking,
            sampling,
            output_tokens_max: tokens.map(u64::from),
            answers: answers.map(|count| u64::from(count) + 1),
            stop,
            ..Request::default()
        },
    )
}

/// The form as text. Neighbours of one role are one turn, as they are for this dialect.
fn shown(request: &Request<'_>) -> String {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for turn in &request.turns {
        match turns.last_mut().filter(|last| last.role == turn.role) {
            Some(last) => last.parts.extend(turn.parts.iter().cloned()),
            None => turns.push(Turn { at: 0, ..turn.clone() }),
        }
    }
    turns.retain(|turn| !turn.parts.is_empty());
    let mut merged: Vec<Turn<'_>> = Vec::new();
    for turn in turns {
        match merged.last_mut().filter(|last| last.role == turn.role) {
            Some(last) => last.parts.extend(turn.parts),
            None => merged.push(turn),
        }
    }
    format!("{:#?}", Request { turns: merged, ..request.clone() })
}

fn usage() -> impl Strategy<Value = Usage> {
    any::<[u32; 5]>().prop_map(|[plain, cached, _, answer, thoughts]| {
        let [plain, cached, answer, thoughts] = [plain, cached, answer, thoughts].map(u64::from);
        Usage {
            input_tokens: plain + cached,
            cached_input_tokens: cached,
            cache_write_tokens: 0,
            output_tokens: answer + thoughts,
            reasoning_tokens: thoughts,
            ..Usage::default()
        }
    })
}

fn answer() -> impl Strategy<Value = Answer<'static>> {
    let choice = (of_model(0..3), 0..3).prop_map(|(mut parts, finish)| {
        let mut has_calls = false;
        for (at, part) in parts.iter_mut().enumerate() {
            if let Content::Call(call) = &mut part.content {
                has_calls = true;
                call.id = format!("id-{at}").into();
            }
        }
        let finish = match finish {
            0 if has_calls => Finish::Calls,
            0 => Finish::End,
            1 => Finish::OutputFull,
            _ => Finish::Filtered,
        };
        Choice { parts, finish }
    });
    (prop::collection::vec(choice, 1..3), prop::option::of(usage()), name())
        .prop_map(|(choices, usage, id)| Answer { id, choices, usage })
}

/// A piece of a stream, before it knows its place in it.
#[derive(Debug, Clone)]
enum Step {
    Text(Words),
    Thought(Words),
    Refusal(Words),
    Seal(Seal<'static>),
    Call(Words, Option<Seal<'static>>, Vec<&'static str>),
    Usage(Usage),
}

fn step() -> impl Strategy<Value = Step> {
    let pieces = select(vec![
        vec![],
        vec!["{}"],
        vec!["{\"a", "\":", "[1,2]}"],
        vec!["\r\n{", "\n\n\"a\":\n1}"],
    ]);
    prop_oneof![
        3 => words().prop_map(Step::Text),
        2 => words().prop_map(Step::Thought),
        1 => words().prop_map(Step::Refusal),
        1 => "[A-Z]{1,4}".prop_map(|seal| Step::Seal(Seal::Google(seal.into()))),
        1 => "[A-Z]{1,4}".prop_map(|seal| Step::Seal(Seal::Anthropic(seal.into()))),
        3 => (name(), seal(), pieces).prop_map(|(name, seal, pieces)| Step::Call(name, seal, pieces)),
        1 => usage().prop_map(Step::Usage),
    ]
}

/// A legal sequence of events: pieces of two answers, in which the arguments of calls come later than their
/// calls and among other pieces.
fn events() -> impl Strategy<Value = Vec<Event<'static>>> {
    (prop::collection::vec((0_usize..2, step()), 0..12), prop::option::of(usage())).prop_map(
        |(steps, last)| {
            let mut events = vec![Event::Start { id: "r".into() }];
            let mut later = Vec::new();
            let mut calls = [0, 0];
            for (choice, step) in steps {
                match step {
                    Step::Text(text) => events.push(Event::Text { choice, text }),
                    Step::Thought(text) => events.push(Event::Thought { choice, text }),
                    Step::Refusal(text) => events.push(Event::Refusal { choice, text }),
                    Step::Seal(seal) => events.push(Event::Seal { choice, seal }),
                    Step::Usage(usage) => events.push(Event::Usage(usage)),
                    Step::Call(name, seal, pieces) => {
                        let call = calls[choice];
                        calls[choice] += 1;
                        let id = format!("id-{choice}-{call}").into();
                        events.push(Event::Call { choice, call, id, name, seal });
                        later.extend(pieces.iter().map(|json| Event::Arguments {
                            choice,
                            call,
                            json: (*json).into(),
                        }));
                    }
                }
                if later.len() > 2 {
                    events.push(later.remove(0));
                }
            }
            events.extend(later);
            for (choice, calls) in calls.into_iter().enumerate() {
                let finish = if calls > 0 { Finish::Calls } else { Finish::OutputFull };
                events.push(Event::Finish { choice, finish });
            }
            events.extend(last.map(Event::Usage));
            events.push(Event::End);
            events
        },
    )
}

proptest! {
    #[test]
    fn a_request_that_is_written_is_read_as_the_same(request in request()) {
        let body = google::write_request(&request, &target(), &mut Leave::default()).unwrap();
        let again = google::read_request(&body, PLACE).unwrap();
        prop_assert_eq!(shown(&again), shown(&request));
        let twice = google::write_request(&again, &target(), &mut Leave::default()).unwrap();
        prop_assert_eq!(twice, body);
    }

    #[test]
    fn an_answer_that_is_written_is_read_as_the_same(answer in answer()) {
        let body = google::write_answer(&answer, &FACE).unwrap();
        let again = google::read_answer(&body).unwrap();
        prop_assert_eq!(format!("{again:#?}"), format!("{answer:#?}"));
    }

    #[test]
    fn any_stream_of_events_is_written_as_a_legal_stream(events in events()) {
        let mut said = Stream::default();
        for event in &events {
            said.push(event);
        }
        let mut said = said.compact();
        said.choices.iter_mut().for_each(|choice| choice.seals.sort());
        let sse = written(&events, Framing::Events);
        prop_assert!(sse.ends_with("\r\n\r\n"));
        let mut frames: Vec<&str> = sse.split("\r\n\r\n").collect();
        prop_assert_eq!(frames.pop(), Some(""));
        let mut data = Vec::new();
        for frame in frames {
            prop_assert!(!frame.contains('\n'));
            data.push(frame.strip_prefix("data: ").unwrap());
        }
        let list = written(&events, Framing::List);
        let list: Vec<&RawValue> = serde_json::from_str(&list).unwrap();
        let list: Vec<_> = list.iter().map(|one| one.get()).collect();
        for frames in [data, list] {
            let mut told = read_all(&frames);
            told.choices.iter_mut().for_each(|choice| choice.seals.sort());
            prop_assert_eq!(&told, &said);
        }
    }

    #[test]
    fn nothing_that_comes_makes_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0_usize..4_000, file in 0_usize..20) {
        all_readers(&bytes);
        // A documented body with a few bytes of it changed.
        let folder = if file < 15 { "requests" } else { "answers" };
        let mut files: Vec<_> = std::fs::read_dir(crate::golden::folder(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut body = std::fs::read(&files[file % files.len()]).unwrap();
        for (offset, byte) in bytes.iter().take(2).enumerate() {
            let at = (at * (offset + 7)) % body.len();
            body[at] = if *byte < 128 { *byte } else { b"{}[]\",:0"[usize::from(*byte) % 8] };
        }
        all_readers(&body);
        body.truncate(at % body.len());
        all_readers(&body);
    }
}

fn all_readers(bytes: &[u8]) {
    if let Ok(request) = google::read_request(bytes, PLACE) {
        google::write_request(&request, &target(), &mut Leave::default()).ok();
    }
    if let Ok(answer) = google::read_answer(bytes) {
        google::write_answer(&answer, &FACE).ok();
    }
    let mut reader = StreamReader::new();
    reader.read(bytes).ok();
    reader.finish();
    google::read_fault(500, bytes);
    google::read_count(bytes).ok();
    google::read_count_request(bytes, PLACE).ok();
}
