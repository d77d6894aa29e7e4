//! Whatever both dialects of a pair can say comes back from a journey through the other one as it was.

use std::borrow::Cow;

use doorward_dialect::Json;
use doorward_dialect::answer::{Answer, Choice, Finish};
use doorward_dialect::request::{
    Call, Content, Delivery, Outcome, Part, Request, Role, Sampling, Source, Thought, Tool,
    ToolChoice, Turn,
};
use doorward_dialect::unsupported::{Allowed, Leave};
use doorward_dialect::{Dialect, Text};
use doorward_domain::usage::Usage;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;

use super::support::{FACE, PAIRS, PLACE, Pair, target};

fn words() -> impl Strategy<Value = Text<'static>> {
    prop_oneof![
        "[a-z][a-z \"\\\\\n]{0,11}".prop_map(Cow::Owned),
        select(vec!["ü€𝄞", "</script>", "\u{7}x\u{2028}", "data: x\r\n\r\n", "null", "{}"])
            .prop_map(Cow::Borrowed),
    ]
}

fn raw(json: &str) -> Json<'static> {
    Cow::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

fn object() -> impl Strategy<Value = Json<'static>> {
    prop_oneof![
        Just(raw("{}")),
        Just(raw(r#"{ "big":123456789012345678901, "f":1.50 }"#)),
        words().prop_map(|text| raw(&serde_json::json!({ "a": [text, null, {}] }).to_string())),
    ]
}

const fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

fn of_user() -> impl Strategy<Value = Vec<Part<'static>>> {
    let image = || Source::Inline { media_type: "image/png".into(), data: "aGk=".into() };
    let pdf = || Source::Inline { media_type: "application/pdf".into(), data: "aGk=".into() };
    let piece = prop_oneof![
        4 => words().prop_map(Content::Text),
        1 => Just(Content::Image(image())),
        1 => Just(Content::Document { source: pdf(), title: None }),
    ];
    vec(piece.prop_map(part), 1..4)
}

/// A text, calls, and what the functions returned.
type Step = (Option<Text<'static>>, Vec<(Json<'static>, Option<Text<'static>>)>);

/// A conversation in which the sides take turns, and each call has its result.
fn turns() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let calls = vec((object(), of(words())), 0..3);
    let step = (of(words()), calls, of_user());
    (of_user(), vec(step, 0..4)).prop_map(|(first, steps)| {
        let mut turns = vec![turn(Role::User, first)];
        for (step, (text, calls, next)) in steps.into_iter().enumerate() {
            turns.extend(said_and_done(step, (text, calls)));
            turns.push(turn(Role::User, next));
        }
        turns
    })
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { at: 0, role, parts }
}

fn said_and_done(step: usize, (text, calls): Step) -> Vec<Turn<'static>> {
    let text = text.or_else(|| calls.is_empty().then(|| "Yes.".into()));
    let mut said: Vec<_> = text.into_iter().map(Content::Text).map(part).collect();
    let mut done = Vec::new();
    for (at, (arguments, result)) in calls.into_iter().enumerate() {
        let id: Text<'static> = format!("call_{step}_{at}").into();
        let name: Text<'static> = select_name(at);
        let parts = result.into_iter().map(Content::Text).map(part).collect();
        let outcome = Outcome { call: id.clone(), name: name.clone(), parts, is_error: None };
        done.push(part(Content::Outcome(outcome)));
        said.push(part(Content::Call(Call { id, name, arguments, seal: None })));
    }
    let mut turns = vec![turn(Role::Assistant, said)];
    turns.extend((!done.is_empty()).then(|| turn(Role::User, done)));
    turns
}

fn select_name(at: usize) -> Text<'static> {
    ["look", "read_it", "f"].get(at).copied().unwrap_or("f").into()
}

fn tools() -> impl Strategy<Value = (Vec<Tool<'static>>, ToolChoice<'static>)> {
    let schema = r#"{"type":"object","properties":{"a":{"type":"string"}},"x": 1.0}"#;
    let tool = of(words()).prop_map(move |description| Tool {
        name: "f".into(),
        description,
        schema: Some(raw(schema)),
        is_strict: None,
        cache: None,
    });
    let choice = select(vec![
        ToolChoice::Unset,
        ToolChoice::Auto,
        ToolChoice::Never,
        ToolChoice::Required,
        ToolChoice::Named("f".into()),
    ]);
    (vec(tool, 0..2), choice).prop_map(|(tools, choice)| {
        let choice = if tools.is_empty() { ToolChoice::Unset } else { choice };
        (tools, choice)
    })
}

fn requests() -> impl Strategy<Value = Request<'static>> {
    let number = || of((0_i32..=100).prop_map(|hundreds| f64::from(hundreds) / 100.0));
    let system = vec(words().prop_map(|text| part(Content::Text(text))), 0..3);
    let rest = (number(), number(), 1_u64..100_000, vec(words(), 0..4));
    (system, turns(), tools(), rest).prop_map(|(system, turns, (tools, tool_choice), rest)| {
        let (temperature, top_p, tokens, stop) = rest;
        Request {
            model: "theirs".into(),
            system,
            turns,
            tools,
            tool_choice,
            output_tokens_max: Some(tokens),
            sampling: Sampling { temperature, top_p, ..Sampling::default() },
            stop,
            delivery: Delivery::Whole,
            ..Request::default()
        }
    })
}

/// What a request says, whatever its turns are joined to. OpenAI's dialect gives a file a name where the others
/// may have none.
fn gist(request: &Request<'_>) -> String {
    let nameless = |content: &Content<'_>| {
        if let Content::Document { source, .. } = content {
            return format!("{source:?}");
        }
        format!("{content:?}")
    };
    let turns = request.turns.iter();
    let said = turns
        .flat_map(|turn| turn.parts.iter().map(move |part| (turn.role, nameless(&part.content))));
    let said: Vec<_> = said.collect();
    let rest = Request { turns: Vec::new(), ..request.clone() };
    format!("{said:#?}\n{rest:#?}")
}

fn write(request: &Request<'_>, from: Dialect, to: Dialect) -> Vec<u8> {
    let mut leave = Leave::new(Allowed::Nothing);
    let mut to_whom = target(from);
    // In its own dialect a request goes on as it is.
    to_whom.knows.choice_objects = true;
    to.write_request(request, &to_whom, &mut leave).unwrap()
}

fn read(body: &[u8], dialect: Dialect) -> Request<'_> {
    let place = doorward_dialect::google::Place { model: "theirs", ..PLACE };
    let request = dialect.read_request(body, place).unwrap();
    assert!(request.extras.is_empty(), "{:?}", request.extras);
    request
}

fn answers() -> impl Strategy<Value = Answer<'static>> {
    let finish = select(vec![Finish::End, Finish::OutputFull, Finish::Filtered]);
    let calls = vec(object(), 0..3);
    let counts = (0_u64..1000, 0_u64..1000, 0_u64..1000, 0_u64..1000);
    (of(words()), of(words()), calls, finish, counts).prop_map(
        |(thought, text, calls, finish, (plain, cached, said, reasoning_tokens))| {
            let finish = if calls.is_empty() { finish } else { Finish::Calls };
            let thought = thought.map(|text| Content::Thought(Thought { text, seal: None }));
            let text = text.map(Content::Text);
            let calls = calls.into_iter().enumerate().map(|(at, arguments)| {
                let id = format!("call_{at}").into();
                Content::Call(Call { id, name: select_name(at), arguments, seal: None })
            });
            let parts = thought.into_iter().chain(text).chain(calls).map(part).collect();
            let usage = Usage {
                input_tokens: plain + cached,
                cached_input_tokens: cached,
                cache_write_tokens: 0,
                output_tokens: said + reasoning_tokens,
                reasoning_tokens,
                ..Usage::default()
            };
            let choices = vec![Choice { parts, finish }];
            Answer { id: "a1".into(), choices, usage: Some(usage) }
        },
    )
}

/// What an answer says, but for its name, which Anthropic's dialect begins with a word of its own; and that a
/// filter stopped it is a refusal there.
fn gist_of_answer(answer: &Answer<'_>) -> String {
    let finish = format!("{:?}", answer.choices[0].finish);
    let finish = finish.replace("Refused(None)", "Filtered");
    let parts: Vec<_> = answer.choices[0].parts.iter().map(|part| &part.content).collect();
    format!("{parts:#?} {finish} {:?}", answer.usage)
}

proptest! {
    #[test]
    fn a_request_comes_back_from_the_other_dialect_as_it_was(request in requests()) {
        for (client, provider) in PAIRS {
            let first = write(&request, client, client);
            let read_first = read(&first, client);
            let there = write(&read_first, client, provider);
            let read_there = read(&there, provider);
            let back = write(&read_there, provider, client);
            prop_assert_eq!(gist(&read(&back, client)), gist(&read_first), "{:?}", (client, provider));
        }
    }

    #[test]
    fn an_answer_comes_back_from_the_other_dialect_as_it_was(answer in answers()) {
        for (client, provider) in PAIRS {
            let first = provider.write_answer(&answer, &FACE).unwrap();
            let read_first = provider.read_answer(&first).unwrap();
            let there = client.write_answer(&read_first, &FACE).unwrap();
            let read_there = client.read_answer(&there).unwrap();
            let back = provider.write_answer(&read_there, &FACE).unwrap();
            let read_back = provider.read_answer(&back).unwrap();
            let pair: Pair = (client, provider);
            prop_assert_eq!(gist_of_answer(&read_back), gist_of_answer(&read_first), "{:?}", pair);
        }
    }
}
