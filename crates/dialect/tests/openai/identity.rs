//! Whatever this dialect can say is read from what was written as the same form.

use std::borrow::Cow;

use doorward_dialect::openai::{read_request, write_request};
use doorward_dialect::request::{
    Call, Content, Delivery, Effort, Format, Keep, Outcome, Part, Request, Role, Sampling, Source,
    Thinking, ThinkingMode, Thought, Tool, ToolChoice, Turn,
};
use doorward_dialect::{Json, Text};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;

use super::support::{knowing_all, nothing};

fn raw(json: &str) -> Json<'static> {
    Cow::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

fn plain(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

/// Any text that says something.
fn text() -> impl Strategy<Value = Text<'static>> {
    prop_oneof!["[a-z ]{1,12}", "\\PC{1,8}", select(vec!["\"\\\n\u{0}".to_owned(), " ".to_owned()])]
        .prop_map(Text::from)
}

fn name() -> impl Strategy<Value = Text<'static>> {
    "[a-zA-Z0-9_-]{1,12}".prop_map(Text::from)
}

fn keep() -> impl Strategy<Value = Option<Keep>> {
    of(select(vec![Keep::Short, Keep::Long]))
}

fn object() -> impl Strategy<Value = Json<'static>> {
    let objects =
        ["{}", r#"{"a": 1e400, "b":[ ]}"#, r#"{"big":12345678901234567890,"z":"\u00e9"}"#];
    select(objects.to_vec()).prop_map(raw)
}

fn data() -> impl Strategy<Value = Text<'static>> {
    select(vec!["QUJD", "QQ==", "QUI="]).prop_map(Text::from)
}

fn inline(media_type: &'static str) -> impl Strategy<Value = Source<'static>> {
    data().prop_map(move |data| Source::Inline { media_type: media_type.into(), data })
}

fn users() -> impl Strategy<Value = Part<'static>> {
    let url = select(vec!["https://a.example/b.png", "http://a.example/?q=\"x\""]);
    let url = url.prop_map(|url| Source::Url { url: url.into(), media_type: None });
    let content = prop_oneof![
        text().prop_map(Content::Text),
        prop_oneof![inline("image/png"), inline("image/heic"), url].prop_map(Content::Image),
        prop_oneof![inline("audio/wav"), inline("audio/mp3")].prop_map(Content::Audio),
        (inline("application/pdf"), text())
            .prop_map(|(source, title)| Content::Document { source, title: Some(title) }),
    ];
    (content, keep()).prop_map(|(content, cache)| Part { content, cache })
}

fn texts(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Part<'static>>> {
    let part = (text(), keep());
    let part = part.prop_map(|(text, cache)| Part { content: Content::Text(text), cache });
    prop::collection::vec(part, sizes)
}

/// What the model says, and what its functions returned.
type Exchange = (Vec<Part<'static>>, Vec<Part<'static>>);

fn exchange() -> impl Strategy<Value = Exchange> {
    let refusal = of(text().prop_map(Content::Refusal).prop_map(plain));
    let thought = of(text().prop_map(|text| plain(Content::Thought(Thought { text, seal: None }))));
    let calls = prop::collection::vec((name(), object(), texts(0..3)), 0..3);
    (thought, texts(0..3), refusal, calls).prop_map(|(thought, texts, refusal, calls)| {
        let mut said: Vec<_> = thought.into_iter().chain(texts).chain(refusal).collect();
        let mut outcomes = Vec::new();
        for (name, arguments, parts) in calls {
            let (id, call) = (Text::from("?"), Text::from("?"));
            let outcome = Outcome { call, name: name.clone(), parts, is_error: None };
            said.push(plain(Content::Call(Call { id, name, arguments, seal: None })));
            outcomes.push(plain(Content::Outcome(outcome)));
        }
        if said.iter().all(|part| matches!(part.content, Content::Thought(_))) {
            said.push(plain(Content::Text("so".into())));
        }
        (said, outcomes)
    })
}

fn turns() -> impl Strategy<Value = Vec<(Role, Vec<Part<'static>>)>> {
    let turn = prop_oneof![
        prop::collection::vec(users(), 1..4).prop_map(|parts| vec![(Role::User, parts)]),
        texts(1..3).prop_map(|parts| vec![(Role::System, parts)]),
        exchange().prop_map(|(said, outcomes)| {
            let mut turns = vec![(Role::Assistant, said)];
            if !outcomes.is_empty() {
                turns.push((Role::User, outcomes));
            }
            turns
        }),
    ];
    let first = prop::collection::vec(users(), 1..3);
    (first, prop::collection::vec(turn, 0..5)).prop_map(|(first, turns)| {
        [(Role::User, first)].into_iter().chain(turns.into_iter().flatten()).collect()
    })
}

/// Positions and ids as a client's own list has them.
fn placed(turns: Vec<(Role, Vec<Part<'static>>)>, has_system: bool) -> Vec<Turn<'static>> {
    let (mut at, mut count, mut answered) = (usize::from(has_system), 0, 0);
    let mut placed = Vec::new();
    for (role, mut parts) in turns {
        let mut outcomes = 0;
        for part in &mut parts {
            if let Content::Call(call) = &mut part.content {
                call.id = format!("call_{count}").into();
                count += 1;
            }
            if let Content::Outcome(outcome) = &mut part.content {
                outcome.call = format!("call_{answered}").into();
                answered += 1;
                outcomes += 1;
            }
        }
        placed.push(Turn { at, role, parts });
        at += outcomes.max(1);
    }
    placed
}

fn tools() -> impl Strategy<Value = (Vec<Tool<'static>>, ToolChoice<'static>, bool)> {
    let tool = (name(), of(text()), of(object()), of(any::<bool>()));
    let tool = tool.prop_map(|(name, description, schema, is_strict)| Tool {
        name,
        description,
        schema,
        is_strict,
        cache: None,
    });
    let choice = prop_oneof![
        select(vec![ToolChoice::Unset, ToolChoice::Auto, ToolChoice::Never, ToolChoice::Required]),
        name().prop_map(ToolChoice::Named),
        (prop::collection::vec(name(), 0..3), any::<bool>())
            .prop_map(|(names, is_required)| ToolChoice::Among { names, is_required }),
    ];
    let some = (prop::collection::vec(tool, 1..3), choice, any::<bool>());
    prop_oneof![Just((Vec::new(), ToolChoice::Unset, false)), some]
}

fn format() -> impl Strategy<Value = Format<'static>> {
    let schema = (name(), of(text()), object(), of(any::<bool>()));
    prop_oneof![
        Just(Format::Text),
        Just(Format::Json),
        schema.prop_map(|(name, description, schema, is_strict)| Format::Schema {
            name: Some(name),
            description,
            schema,
            is_strict,
        }),
    ]
}

/// Quarters, which no way of writing them down changes.
fn quarters(range: std::ops::RangeInclusive<i8>) -> impl Strategy<Value = Option<f64>> {
    of(range.prop_map(|quarters| f64::from(quarters) / 4.0))
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let penalties = (quarters(-8..=8), quarters(-8..=8));
    let numbers = (quarters(0..=8), quarters(0..=4), of(any::<u64>()), of(any::<i64>()));
    (numbers, penalties).prop_map(|((temperature, top_p, top_k, seed), (frequency, presence))| {
        let (frequency_penalty, presence_penalty) = (frequency, presence);
        Sampling { temperature, top_p, top_k, seed, frequency_penalty, presence_penalty }
    })
}

fn thinking() -> impl Strategy<Value = Thinking> {
    let off = Thinking { mode: ThinkingMode::Off, ..Thinking::default() };
    let efforts =
        [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Higher, Effort::Max];
    let effort = select(efforts.to_vec());
    let effort = effort.prop_map(|effort| Thinking { effort: Some(effort), ..Thinking::default() });
    prop_oneof![Just(Thinking::default()), Just(off), effort]
}

fn requests() -> impl Strategy<Value = Request<'static>> {
    let talk = (name(), texts(0..3), turns());
    let wishes = (tools(), format(), sampling(), thinking());
    let stop = prop::collection::vec(text(), 0..5);
    let rest = (of(any::<u64>()), stop, of(1_u64..9), of("[a-z:]{1,40}"), any::<bool>());
    (talk, wishes, rest).prop_map(|(talk, wishes, rest)| {
        let ((model, system, turns), (tools, format, sampling, thinking)) = (talk, wishes);
        let (output_tokens_max, stop, answers, end_user, is_stream) = rest;
        let stream = Delivery::Stream { wants_usage: true };
        Request {
            model,
            turns: placed(turns, !system.is_empty()),
            system,
            tools: tools.0,
            tool_choice: tools.1,
            is_one_call_only: tools.2,
            format,
            output_tokens_max,
            sampling,
            stop,
            thinking,
            answers,
            end_user: end_user.map(Text::from),
            delivery: if is_stream { stream } else { Delivery::Whole },
            extras: Vec::new(),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_form(mut request in requests()) {
        let mut leave = nothing();
        let written = write_request(&request, &knowing_all(), &mut leave).unwrap();
        let read = read_request(&written).unwrap();
        request.model = "theirs".into();
        prop_assert_eq!(format!("{read:#?}"), format!("{request:#?}"));
        prop_assert!(leave.left().is_empty());
        prop_assert_eq!(write_request(&read, &knowing_all(), &mut leave).unwrap(), written);
    }
}
