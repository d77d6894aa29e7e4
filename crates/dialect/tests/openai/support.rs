//! What the tests of this dialect share.

use std::collections::BTreeMap;

use doorward_dialect::answer::{Answer, Face};
use doorward_dialect::event::Event;
use doorward_dialect::openai::StreamReader;
use doorward_dialect::request::{Content, Seal};
use doorward_dialect::unsupported::{Allowed, Leave};
use doorward_dialect::{Client, Dialect, Knows, Target};
use doorward_domain::usage::Usage;

pub(super) const FACE: Face<'static> =
    Face { call: "our-1", model: "alias", created_s: 1_741_569_952 };

/// A deployment of OpenAI's own, with what its compatible servers know besides.
pub(super) fn knowing_all() -> Target<'static> {
    let knows = Knows {
        completion_tokens: true,
        top_k: true,
        reasoning_content: true,
        choice_objects: true,
        cache_marks: true,
        ..Knows::default()
    };
    Target {
        model: "theirs",
        from: Client::Dialect(Dialect::OpenAi),
        output_tokens_default: 4096,
        knows,
    }
}

/// A server of which nothing is known.
pub(super) fn knowing_nothing() -> Target<'static> {
    Target { knows: Knows::default(), ..knowing_all() }
}

pub(super) fn nothing() -> Leave {
    Leave::new(Allowed::Nothing)
}

/// What an answer says, however it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gist {
    pub(super) id: String,
    pub(super) choices: BTreeMap<usize, ChoiceGist>,
    pub(super) usage: Option<Usage>,
    pub(super) is_whole: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ChoiceGist {
    pub(super) thought: String,
    pub(super) text: String,
    pub(super) refusal: String,
    /// Id, name, arguments and seal.
    pub(super) calls: Vec<(String, String, String, Option<Seal<'static>>)>,
    pub(super) finish: String,
}

fn owned(seal: &Seal<'_>) -> Seal<'static> {
    match seal {
        Seal::Google(text) => Seal::Google(text.to_string().into()),
        Seal::Anthropic(text) => Seal::Anthropic(text.to_string().into()),
        Seal::AnthropicHidden(text) => Seal::AnthropicHidden(text.to_string().into()),
    }
}

/// The gist of a whole answer.
pub(super) fn gist_of(answer: &Answer<'_>) -> Gist {
    let mut gist =
        Gist { id: answer.id.to_string(), usage: answer.usage, is_whole: true, ..Gist::default() };
    for (index, choice) in answer.choices.iter().enumerate() {
        let said = gist.choices.entry(index).or_default();
        said.finish = format!("{:?}", choice.finish);
        for part in &choice.parts {
            match &part.content {
                Content::Text(text) => said.text.push_str(text),
                Content::Refusal(text) => said.refusal.push_str(text),
                Content::Thought(thought) => said.thought.push_str(&thought.text),
                Content::Call(call) => said.calls.push((
                    call.id.to_string(),
                    call.name.to_string(),
                    call.arguments.get().to_owned(),
                    call.seal.as_ref().map(owned),
                )),
                Content::Image(_)
                | Content::Audio(_)
                | Content::Document { .. }
                | Content::Outcome(_) => panic!("no part of an answer: {part:?}"),
            }
        }
    }
    gist
}

/// Adds an event, and holds it to what is promised of events.
pub(super) fn add(gist: &mut Gist, is_first: bool, event: &Event<'_>) {
    assert_eq!(is_first, matches!(event, Event::Start { .. }), "{event:?}");
    assert!(!gist.is_whole, "{event:?} after the end");
    match event {
        Event::Start { id } => gist.id = id.to_string(),
        Event::Text { choice, text } => filled(text, &mut said(gist, *choice).text),
        Event::Refusal { choice, text } => filled(text, &mut said(gist, *choice).refusal),
        Event::Thought { choice, text } => filled(text, &mut said(gist, *choice).thought),
        Event::Seal { .. } => {}
        Event::Call { choice, call, id, name, seal } => {
            let calls = &mut said(gist, *choice).calls;
            assert_eq!(calls.len(), *call);
            calls.push((id.to_string(), name.to_string(), String::new(), seal.as_ref().map(owned)));
        }
        Event::Arguments { choice, call, json } => {
            filled(json, &mut said(gist, *choice).calls[*call].2);
        }
        Event::Finish { choice, finish } => {
            let said = said(gist, *choice);
            assert_eq!(said.finish, "", "the answer has ended twice");
            said.finish = format!("{finish:?}");
        }
        Event::Usage(usage) => gist.usage = Some(*usage),
        Event::Fault(fault) => panic!("{fault:?}"),
        Event::End => {
            gist.is_whole = true;
            for call in gist.choices.values_mut().flat_map(|choice| &mut choice.calls) {
                if call.2.is_empty() {
                    call.2.push_str("{}");
                }
            }
        }
    }
}

fn said(gist: &mut Gist, choice: usize) -> &mut ChoiceGist {
    gist.choices.entry(choice).or_default()
}

fn filled(text: &str, to: &mut String) {
    assert!(!text.is_empty(), "an event that says nothing");
    to.push_str(text);
}

/// The data of each event of a stream.
pub(super) fn data_of(stream: &str) -> Vec<&str> {
    assert!(stream.is_empty() || stream.ends_with("\n\n"));
    let frames = stream.split("\n\n").filter(|frame| !frame.is_empty());
    frames.map(|frame| frame.strip_prefix("data: ").unwrap()).collect()
}

/// Reads a stream, each event by itself, to its end.
pub(super) fn read_stream(data: &[&str]) -> Gist {
    let (mut reader, mut gist, mut count) = (StreamReader::new(), Gist::default(), 0);
    for data in data {
        for event in reader.read(data.as_bytes()).unwrap() {
            add(&mut gist, count == 0, &event);
            count += 1;
        }
    }
    for event in reader.end().unwrap() {
        add(&mut gist, count == 0, &event);
        count += 1;
    }
    gist
}
