//! Turns become messages; of one turn, each result becomes a message of its own.

use serde::Serialize;

use super::parts::{self, PartOut};
use crate::request::{Call, Content, Outcome, Part, Request, Role, Turn};
use crate::unsupported::{Leave, Untranslatable};
use crate::{Target, Text};

/// What stands before the result of a call that failed: this dialect has no field for it.
const FAILED: &str = "Error: ";
/// What stands before pictures and files of a result, before the name of the function.
const RESULT_OF: &str = "Result of ";

#[derive(Default, Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Option<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// One text without a mark is a string, which every server takes; else it is a list.
#[derive(Serialize)]
#[serde(untagged)]
enum ContentOut<'a> {
    Text(Text<'a>),
    Parts(Vec<PartOut<'a>>),
}

#[derive(Serialize)]
struct CallOut<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionOut<'a>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    name: &'a str,
    arguments: &'a str,
}

pub(super) fn write<'a>(
    request: &'a Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<Message<'a>>, Untranslatable> {
    let mut messages = Vec::with_capacity(request.turns.len() + 1);
    if !request.system.is_empty() {
        let content = content(&request.system, parts::Place::system(), to, leave)?;
        messages.extend(message("system", content));
    }
    for turn in &request.turns {
        match turn.role {
            Role::System => {
                let content = content(&turn.parts, parts::Place::of(turn), to, leave)?;
                messages.extend(message("system", content));
            }
            Role::User => user(turn, to, leave, &mut messages)?,
            Role::Assistant => messages.extend(assistant(turn, to, leave)?),
        }
    }
    Ok(messages)
}

fn message<'a>(role: &'static str, content: Option<ContentOut<'a>>) -> Option<Message<'a>> {
    let content = Some(content?);
    Some(Message { role, content, ..Message::default() })
}

/// The results first, each by itself, then what else was said.
fn user<'a>(
    turn: &'a Turn<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
    messages: &mut Vec<Message<'a>>,
) -> Result<(), Untranslatable> {
    let place = parts::Place::of(turn);
    let mut beside = Vec::new();
    for part in &turn.parts {
        if let Content::Outcome(outcome) = &part.content {
            messages.push(result(outcome, turn, to, leave)?);
            shown(outcome, place, to, leave, &mut beside)?;
        }
    }
    write_parts(&turn.parts, place, to, leave, &mut beside)?;
    messages.extend(message("user", as_content(beside)));
    Ok(())
}

/// Pictures and files that a function returned: results are texts only, so they go to the user's words,
/// behind a line that says whose they are.
fn shown<'a>(
    outcome: &'a Outcome<'_>,
    place: parts::Place,
    to: &Target<'_>,
    leave: &mut Leave,
    beside: &mut Vec<PartOut<'a>>,
) -> Result<(), Untranslatable> {
    let before = beside.len();
    for part in outcome.parts.iter().filter(|part| parts::is_shown(&part.content)) {
        beside.extend(parts::write(part, place, to, leave)?);
    }
    if beside.len() > before {
        let title = format!("{RESULT_OF}{}:", outcome.name);
        beside.insert(before, PartOut::text(title.into()));
    }
    Ok(())
}

fn result<'a>(
    outcome: &'a Outcome<'_>,
    turn: &Turn<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Message<'a>, Untranslatable> {
    let mut written = Vec::with_capacity(outcome.parts.len());
    for part in outcome.parts.iter().filter(|part| !parts::is_shown(&part.content)) {
        written.extend(parts::write(part, parts::Place::result_in(turn), to, leave)?);
    }
    let content = as_content(written);
    let content = content.unwrap_or(ContentOut::Text("".into()));
    let content = if outcome.is_error == Some(true) { failed(content) } else { content };
    let tool_call_id = Some(outcome.call.as_ref());
    Ok(Message { role: "tool", content: Some(content), tool_call_id, ..Message::default() })
}

fn failed(content: ContentOut<'_>) -> ContentOut<'_> {
    match content {
        ContentOut::Text(text) => ContentOut::Text(format!("{FAILED}{text}").into()),
        ContentOut::Parts(mut parts) => {
            parts.insert(0, PartOut::text(FAILED.into()));
            ContentOut::Parts(parts)
        }
    }
}

/// `None`: it says nothing that has a place here.
fn assistant<'a>(
    turn: &'a Turn<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Option<Message<'a>>, Untranslatable> {
    let content = content(&turn.parts, parts::Place::of(turn), to, leave)?;
    let tool_calls: Vec<_> = turn.parts.iter().filter_map(call).collect();
    if content.is_none() && tool_calls.is_empty() {
        return Ok(None);
    }
    let reasoning_content = if to.knows.reasoning_content { thoughts(&turn.parts) } else { None };
    let role = "assistant";
    Ok(Some(Message { role, content, reasoning_content, tool_calls, tool_call_id: None }))
}

/// What was thought, without the seals, which mean nothing here. A server that does not know the field does
/// without, as OpenAI does itself.
fn thoughts(parts: &[Part<'_>]) -> Option<String> {
    let mut thoughts = String::new();
    for part in parts {
        if let Content::Thought(thought) = &part.content {
            thoughts.push_str(&thought.text);
        }
    }
    Some(thoughts).filter(|thoughts| !thoughts.is_empty())
}

fn call<'a>(part: &'a Part<'_>) -> Option<CallOut<'a>> {
    let Content::Call(Call { id, name, arguments, .. }) = &part.content else { return None };
    let function = FunctionOut { name, arguments: arguments.get() };
    Some(CallOut { id, kind: "function", function })
}

/// What is neither a result nor a call nor a thought.
fn content<'a>(
    parts: &'a [Part<'_>],
    place: parts::Place,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Option<ContentOut<'a>>, Untranslatable> {
    let mut written = Vec::with_capacity(parts.len());
    write_parts(parts, place, to, leave, &mut written)?;
    Ok(as_content(written))
}

fn write_parts<'a>(
    parts: &'a [Part<'_>],
    place: parts::Place,
    to: &Target<'_>,
    leave: &mut Leave,
    written: &mut Vec<PartOut<'a>>,
) -> Result<(), Untranslatable> {
    for part in parts {
        written.extend(parts::write(part, place, to, leave)?);
    }
    Ok(())
}

fn as_content(parts: Vec<PartOut<'_>>) -> Option<ContentOut<'_>> {
    match parts.len() {
        0 => None,
        1 => Some(alone(parts)),
        _ => Some(ContentOut::Parts(parts)),
    }
}

fn alone(mut parts: Vec<PartOut<'_>>) -> ContentOut<'_> {
    match parts.pop().map(PartOut::into_text) {
        Some(Ok(text)) => ContentOut::Text(text),
        Some(Err(part)) => ContentOut::Parts(vec![part]),
        None => ContentOut::Parts(parts),
    }
}
