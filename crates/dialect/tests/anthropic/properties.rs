//! What holds for all input.

use doorward_dialect::answer::{Answer, Choice, Finish};
use doorward_dialect::anthropic::{
    StreamReader, read_answer, read_count, read_fault, read_request, write_answer, write_request,
};
use doorward_dialect::event::Event;
use doorward_dialect::request::{
    Call, Content, Delivery, Effort, Format, Keep, Outcome, Part, Request, Role, Sampling, Seal,
    Source, Thinking, ThinkingMode, Thought, Tool, ToolChoice, Turn,
};
use doorward_dialect::unsupported::Leave;
use doorward_dialect::{Dialect, Json, Text};
use doorward_domain::usage::Usage;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{FACE, Said, able, as_clients_do, events, golden, own_finish, written};

fn raw(json: &Value) -> Json<'static> {
    Json::Owned(RawValue::from_string(json.to_string()).unwrap())
}

/// Text that is not blank.
fn words() -> impl Strategy<Value = Text<'static>> {
    "[a-z\"\\\\\n é<\u{1F600}]{0,8}x".prop_map(Text::Owned)
}

fn name() -> impl Strategy<Value = Text<'static>> {
    "[a-zA-Z0-9_-]{1,12}".prop_map(Text::Owned)
}

fn keep() -> impl Strategy<Value = Option<Keep>> {
    of(prop_oneof![Just(Keep::Short), Just(Keep::Long)])
}

fn object() -> impl Strategy<Value = Json<'static>> {
    prop::collection::btree_map("[a-z]{1,3}", words(), 0..3)
        .prop_map(|map| raw(&map.into_iter().map(|(key, text)| (key, text.into_owned())).collect()))
}

fn image() -> impl Strategy<Value = Source<'static>> {
    prop_oneof![
        Just(Source::Inline { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() }),
        Just(Source::Url { url: "https://example.com/a.png".into(), media_type: None }),
        name().prop_map(Source::File),
    ]
}

fn document() -> impl Strategy<Value = Source<'static>> {
    let pdf = || Text::Borrowed("application/pdf");
    prop_oneof![
        Just(Source::Inline { media_type: pdf(), data: "JVBERi0=".into() }),
        Just(Source::Url { url: "https://example.com/a.pdf".into(), media_type: Some(pdf()) }),
        words().prop_map(Source::Plain),
        name().prop_map(Source::File),
    ]
}

fn said_by_user() -> impl Strategy<Value = Part<'static>> {
    let content = prop_oneof![
        words().prop_map(Content::Text),
        image().prop_map(Content::Image),
        (document(), of(words())).prop_map(|(source, title)| Content::Document { source, title }),
    ];
    (content, keep()).prop_map(|(content, cache)| Part { content, cache })
}

fn text_part() -> impl Strategy<Value = Part<'static>> {
    (words(), keep()).prop_map(|(text, cache)| Part { content: Content::Text(text), cache })
}

fn own_thought() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        (of(words()), words()).prop_map(|(text, seal)| {
            let text = text.unwrap_or_default();
            Content::Thought(Thought { text, seal: Some(Seal::Anthropic(seal)) })
        }),
        words().prop_map(|data| {
            let seal = Some(Seal::AnthropicHidden(data));
            Content::Thought(Thought { text: Text::default(), seal })
        }),
    ]
}

fn thought() -> impl Strategy<Value = Part<'static>> {
    own_thought().prop_map(|content| Part { content, cache: None })
}

/// A call, and what comes back.
type Called = (Text<'static>, Json<'static>, Option<Keep>, Vec<Part<'static>>, Option<bool>);

fn called() -> impl Strategy<Value = Called> {
    let back = prop::collection::vec(said_by_user(), 0..3);
    (name(), object(), keep(), back, of(any::<bool>()))
}

/// What the model says, and what the client says then.
type Exchange = (
    (Vec<Part<'static>>, Vec<Part<'static>>, Vec<Called>),
    Vec<Part<'static>>,
    Option<Part<'static>>,
);

fn exchange() -> impl Strategy<Value = Exchange> {
    let assistant = (
        prop::collection::vec(thought(), 0..2),
        prop::collection::vec(text_part(), 1..3),
        prop::collection::vec(called(), 0..3),
    );
    (assistant, prop::collection::vec(said_by_user(), 1..3), of(text_part()))
}

fn turns() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let first = prop::collection::vec(said_by_user(), 1..3);
    (first, prop::collection::vec(exchange(), 0..4)).prop_map(|(first, exchanges)| {
        let mut turns = vec![(Role::User, first)];
        for (at, ((mut said, texts, calls), then, system)) in exchanges.into_iter().enumerate() {
            let mut back = Vec::new();
            said.extend(texts);
            for (number, (name, arguments, cache, parts, is_error)) in calls.into_iter().enumerate()
            {
                let id: Text<'static> = format!("call_{at}_{number}").into();
                let call = Call { id: id.clone(), name: name.clone(), arguments, seal: None };
                said.push(Part { content: Content::Call(call), cache });
                let outcome = Outcome { call: id, name, parts, is_error };
                back.push(Part { content: Content::Outcome(outcome), cache });
            }
            back.extend(then);
            turns.extend([(Role::Assistant, said), (Role::User, back)]);
            turns.extend(system.map(|part| (Role::System, vec![part])));
        }
        let turns = turns.into_iter().enumerate();
        turns.map(|(at, (role, parts))| Turn { at, role, parts }).collect()
    })
}

fn tool() -> impl Strategy<Value = Tool<'static>> {
    (name(), of(words()), of(any::<bool>()), keep()).prop_map(
        |(name, description, is_strict, cache)| {
            let schema =
                Some(raw(&json!({"type": "object", "properties": {"a": {"type": "string"}}})));
            Tool { name, description, schema, is_strict, cache }
        },
    )
}

fn tool_choice() -> impl Strategy<Value = (ToolChoice<'static>, bool)> {
    prop_oneof![
        Just((ToolChoice::Unset, false)),
        Just((ToolChoice::Never, false)),
        any::<bool>().prop_map(|only| (ToolChoice::Auto, only)),
        any::<bool>().prop_map(|only| (ToolChoice::Required, only)),
        (name(), any::<bool>()).prop_map(|(name, only)| (ToolChoice::Named(name), only)),
    ]
}

fn thinking() -> impl Strategy<Value = Thinking> {
    let effort = of(prop::sample::select(vec![
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::Higher,
        Effort::Max,
    ]));
    let mode = prop_oneof![
        Just((ThinkingMode::Unset, None, None)),
        Just((ThinkingMode::Off, None, None)),
        of(any::<bool>()).prop_map(|shown| (ThinkingMode::Adaptive, None, shown)),
        (1024_u64..5000, of(any::<bool>())).prop_map(|(max, shown)| (
            ThinkingMode::On,
            Some(max),
            shown
        )),
    ];
    (effort, mode).prop_map(|(effort, (mode, tokens_max, is_shown))| Thinking {
        mode,
        effort,
        tokens_max,
        is_shown,
    })
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let fraction = || of((0_u8..=64).prop_map(|part| f64::from(part) / 64.0));
    (fraction(), fraction(), of(any::<u64>())).prop_map(|(temperature, top_p, top_k)| Sampling {
        temperature,
        top_p,
        top_k,
        ..Sampling::default()
    })
}

/// Requests that this dialect can say.
fn request() -> impl Strategy<Value = Request<'static>> {
    let talk = (prop::collection::vec(text_part(), 0..3), turns());
    let tools = (prop::collection::vec(tool(), 1..3), tool_choice(), thinking());
    let rest = (any::<bool>(), 5001_u64..100_000, sampling(), of(name()), any::<bool>());
    let stop = prop::collection::vec(words(), 0..3);
    (talk, tools, rest, stop).prop_map(
        |((system, turns), (tools, choice, thinking), rest, stop)| {
            let (has_schema, output_tokens_max, sampling, end_user, is_streamed) = rest;
            let (tool_choice, is_one_call_only) = choice;
            let is_forced = matches!(tool_choice, ToolChoice::Required | ToolChoice::Named(_));
            let is_silent = matches!(thinking.mode, ThinkingMode::Unset | ThinkingMode::Off);
            let thinking = if is_forced && !is_silent { Thinking::default() } else { thinking };
            let schema = raw(&json!({"type": "object", "additionalProperties": false}));
            let schema =
                Format::Schema { name: None, description: None, schema, is_strict: Some(true) };
            let stream = Delivery::Stream { wants_usage: true };
            Request {
                model: "m".into(),
                system,
                turns,
                tools,
                tool_choice,
                is_one_call_only,
                format: if has_schema { schema } else { Format::Text },
                output_tokens_max: Some(output_tokens_max),
                sampling,
                stop,
                thinking,
                answers: None,
                end_user,
                delivery: if is_streamed { stream } else { Delivery::Whole },
                extras: Vec::new(),
            }
        },
    )
}

fn usage() -> impl Strategy<Value = Usage> {
    any::<[u32; 5]>().prop_map(|parts| {
        let [plain, cached, written, answer, reasoning] = parts.map(u64::from);
        Usage {
            input_tokens: plain + cached + written,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: answer + reasoning,
            reasoning_tokens: reasoning,
            ..Usage::default()
        }
    })
}

/// Why an answer ended, given whether it has calls and whether it says anything.
fn finish(calls: bool, pick: u8) -> Finish<'static> {
    match (pick % 5, calls) {
        (0, _) => Finish::OutputFull,
        (1, _) => Finish::ContextFull,
        (2, _) => Finish::Refused((pick > 99).then(|| "why".into())),
        (3, _) => Finish::Stop(Some("X".into())),
        (_, true) => Finish::Calls,
        (_, false) => Finish::End,
    }
}

/// Answers that this dialect can say.
fn answer() -> impl Strategy<Value = Answer<'static>> {
    let part = prop_oneof![
        words().prop_map(Content::Text),
        own_thought(),
        words().prop_map(|text| Content::Thought(Thought { text, seal: None })),
        (name(), object()).prop_map(|(name, arguments)| {
            Content::Call(Call { id: Text::default(), name, arguments, seal: None })
        }),
    ];
    (prop::collection::vec(part, 0..6), any::<u8>(), usage()).prop_map(|(contents, pick, usage)| {
        let mut parts: Vec<_> =
            contents.into_iter().map(|content| Part { content, cache: None }).collect();
        let mut calls = 0;
        for part in &mut parts {
            if let Content::Call(call) = &mut part.content {
                call.id = format!("call_{calls}").into();
                calls += 1;
            }
        }
        let finish = finish(calls > 0, pick);
        Answer { id: "msg_1".into(), choices: vec![Choice { parts, finish }], usage: Some(usage) }
    })
}

/// Legal events, made by following `steps`.
fn legal(steps: Vec<(u8, usize, String)>, pick: u8, usage: Option<Usage>) -> Vec<Event<'static>> {
    let mut events = vec![Event::Start { id: "msg_1".into() }];
    let mut pending: Vec<Vec<String>> = Vec::new();
    for (kind, number, text) in steps {
        let choice = 0;
        let words: Text<'static> = text.clone().into();
        match kind % 9 {
            0 | 1 => events.push(Event::Text { choice, text: words }),
            2 => events.push(Event::Thought { choice, text: words }),
            3 => {
                let id = format!("call_{}", pending.len()).into();
                let call = pending.len();
                events.push(Event::Call { choice, call, id, name: "f".into(), seal: None });
                pending.push(if number % 4 == 0 { Vec::new() } else { pieces(&text, number) });
            }
            4 => events.push(Event::Seal { choice, seal: Seal::AnthropicHidden(words) }),
            5 => events.push(Event::Seal { choice, seal: Seal::Google(words) }),
            6 => events.push(Event::Text { choice: 1, text: words }),
            _ => events.extend(next_piece(&mut pending, number)),
        }
    }
    let calls = pending.len();
    for number in 0..calls * 64 {
        events.extend(next_piece(&mut pending, number));
    }
    assert!(pending.iter().all(Vec::is_empty));
    events.push(Event::Finish { choice: 0, finish: finish(calls > 0, pick) });
    events.extend(usage.map(Event::Usage));
    events.push(Event::End);
    events
}

/// The JSON of an object, cut into pieces; the last comes first.
fn pieces(text: &str, size: usize) -> Vec<String> {
    let json = json!({"a": text, "b": [{"c": "}"}, 1]}).to_string();
    let letters: Vec<char> = json.chars().collect();
    letters.chunks(1 + size % 7).rev().map(|piece| piece.iter().collect()).collect()
}

fn next_piece(pending: &mut [Vec<String>], number: usize) -> Option<Event<'static>> {
    let call = number.checked_rem(pending.len())?;
    let json = pending[call].pop()?.into();
    Some(Event::Arguments { choice: 0, call, json })
}

fn steps() -> impl Strategy<Value = Vec<(u8, usize, String)>> {
    prop::collection::vec((any::<u8>(), 0_usize..100, "[a-z\"\\\\é ]{1,6}"), 0..40)
}

/// Any event at all, also where it may not be.
fn any_event() -> impl Strategy<Value = Event<'static>> {
    (0_u8..11, 0_usize..3, 0_usize..2, "[{}\"a\\[ ]{0,4}").prop_map(|(kind, call, choice, text)| {
        let text = Text::Owned(text);
        match kind {
            0 => Event::Start { id: text },
            1 => Event::Text { choice, text },
            2 => Event::Refusal { choice, text },
            3 => Event::Thought { choice, text },
            4 => Event::Seal { choice, seal: Seal::Anthropic(text) },
            5 | 6 => Event::Call { choice, call, id: text.clone(), name: text, seal: None },
            7 | 8 => Event::Arguments { choice, call, json: text },
            9 => Event::Finish { choice, finish: Finish::Stop(Some(text)) },
            _ => Event::Usage(Usage::default()),
        }
    })
}

/// Documented bodies with something wrong put into them.
fn broken() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<_> = ["requests", "answers", "streams"]
        .into_iter()
        .flat_map(|folder| golden(folder, "json"))
        .chain(golden("streams", "txt"))
        .flat_map(|(_, text)| {
            text.lines().map(str::to_owned).chain([text.clone()]).collect::<Vec<_>>()
        })
        .map(|text| text.strip_prefix("data: ").map_or(text.clone(), str::to_owned))
        .collect();
    let wrong =
        ["", "null", "[]", "{}", "-1", "1e999", "\"\"", "true", "\\u0000", "\u{e9}", "}", ","];
    let wrong = prop::sample::select(wrong.to_vec());
    (prop::sample::select(files), any::<prop::sample::Index>(), 0_usize..20, wrong).prop_map(
        |(text, at, length, wrong)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, wrong.bytes());
            bytes
        },
    )
}

fn read_as_anything(bytes: &[u8]) {
    if let Ok(request) = read_request(bytes) {
        let to = able("m", Dialect::OpenAi);
        drop(write_request(&request, &to, &mut Leave::default()));
    }
    if let Ok(answer) = read_answer(bytes) {
        drop(write_answer(&answer, &FACE));
    }
    drop(read_count(bytes));
    assert!(!read_fault(500, bytes).message.is_empty());
    let mut reader = StreamReader::new();
    drop(reader.read(bytes));
    drop(reader.read(bytes));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_request(request in request()) {
        let to = able("m", Dialect::Anthropic);
        let bytes = write_request(&request, &to, &mut Leave::default()).unwrap();
        let again = read_request(&bytes).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{request:?}"));
    }

    #[test]
    fn what_is_written_is_read_as_the_same_answer(answer in answer()) {
        let bytes = write_answer(&answer, &FACE).unwrap();
        let again = read_answer(&bytes).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{answer:?}"));
    }

    #[test]
    fn legal_events_become_a_legal_stream_that_says_the_same(
        steps in steps(),
        pick: u8,
        usage in of(usage()),
    ) {
        let mut expected = Said::default();
        let events = legal(steps, pick, usage);
        let ours = |event: &&Event<'_>| !matches!(event, Event::Text { choice: 1, .. });
        events.iter().filter(ours).for_each(|event| expected.take(event));
        expected.seals.retain(|seal| !matches!(seal, Seal::Google(_)));
        expected.usage.get_or_insert_default();
        let stream = written(events);
        prop_assert_eq!(Said::by_stream(&stream), expected);
        let message = as_clients_do(&stream);
        let bytes = message.to_string().into_bytes();
        let whole = Said::by_answer(&read_answer(&bytes).unwrap());
        prop_assert_eq!(whole, Said::by_stream(&stream));
    }

    #[test]
    fn events_that_are_not_legal_still_become_whole_frames(
        list in prop::collection::vec(any_event(), 0..30),
    ) {
        let ends = list.iter().any(|event| matches!(event, Event::Finish { choice: 0, .. }));
        let stream = written(list.into_iter().chain([Event::End]));
        let data = events(&stream);
        let last = data.last().unwrap();
        prop_assert!(last.contains("\"error\"") || (ends && last.contains("message_stop")), "{last}");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        read_as_anything(&bytes);
    }

    #[test]
    fn broken_bodies_never_panic(bytes in broken()) {
        read_as_anything(&bytes);
    }
}

#[test]
fn the_generator_of_finishes_says_each() {
    let all: Vec<_> = (0..=u8::MAX).map(|pick| own_finish(&finish(pick > 40, pick))).collect();
    for expected in [Finish::End, Finish::Calls, Finish::Refused(None), Finish::OutputFull] {
        assert!(all.contains(&expected), "{expected:?}");
    }
}
