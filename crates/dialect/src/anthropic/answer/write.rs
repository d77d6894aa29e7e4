//! Writes a whole answer.

use serde::Serialize;

use super::finish::Stop;
use crate::Text;
use crate::answer::{Answer, Choice, Face, Finish};
use crate::anthropic::ids::Ids;
use crate::anthropic::request::Block;
use crate::anthropic::{json, usage};
use crate::fault::{Fault, FaultKind};
use crate::request::{Call, Content, Part, Seal, Thought};

#[derive(Debug, Serialize)]
struct Message<'a> {
    id: Text<'a>,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    #[serde(flatten)]
    stop: Stop<'a>,
    usage: usage::Write,
}

/// Writes the answer of `POST /v1/messages`: the first one, as this dialect cannot ask for several.
pub fn write_answer(answer: &Answer<'_>, face: &Face<'_>) -> Result<Vec<u8>, Fault<'static>> {
    let choice = answer.choices.first().ok_or_else(|| not_said("gave no answer"))?;
    let message = Message {
        id: message_id(&answer.id, face.call),
        kind: "message",
        role: "assistant",
        model: face.model,
        content: content(choice)?,
        stop: Stop::of(&choice.finish).ok_or_else(|| broken(&choice.finish))?,
        usage: usage::Write::from(answer.usage),
    };
    Ok(json::write(&message))
}

/// The name of an answer: the provider's if it gives one, else that of the call.
pub(in crate::anthropic) fn message_id<'a>(id: &'a str, call: &'a str) -> Text<'a> {
    let id = if id.is_empty() { call } else { id };
    if id.starts_with("msg_") { Text::Borrowed(id) } else { format!("msg_{id}").into() }
}

fn content<'a>(choice: &'a Choice<'a>) -> Result<Vec<Block<'a>>, Fault<'static>> {
    let mut ids = Ids::default();
    let mut blocks = Vec::with_capacity(choice.parts.len());
    for part in &choice.parts {
        blocks.extend(block(part, &mut ids)?);
    }
    Ok(blocks)
}

fn block<'a>(part: &'a Part<'a>, ids: &mut Ids<'a>) -> Result<Option<Block<'a>>, Fault<'static>> {
    Ok(match &part.content {
        Content::Text(text) | Content::Refusal(text) => (!text.is_empty())
            .then_some(Block::Text { text: Text::Borrowed(text), cache_control: None }),
        Content::Thought(thought) => written_thought(thought),
        Content::Call(call) => Some(written_call(call, ids)?),
        Content::Image(_) => return Err(not_said("answered with a picture")),
        Content::Audio(_) => return Err(not_said("answered with a sound")),
        Content::Document { .. } => return Err(not_said("answered with a file")),
        Content::Outcome(_) => return Err(not_said("answered with the outcome of a call")),
    })
}

/// A thought that another provider had has an empty signature, by which it is known when it comes back.
fn written_thought<'a>(thought: &'a Thought<'a>) -> Option<Block<'a>> {
    let signature = match &thought.seal {
        Some(Seal::AnthropicHidden(data)) => return Some(Block::RedactedThinking { data }),
        Some(Seal::Anthropic(signature)) => signature,
        Some(Seal::Google(_)) | None if thought.text.is_empty() => return None,
        Some(Seal::Google(_)) | None => "",
    };
    Some(Block::Thinking { thinking: &thought.text, signature })
}

fn written_call<'a>(call: &'a Call<'a>, ids: &mut Ids<'a>) -> Result<Block<'a>, Fault<'static>> {
    if !json::is_object(&call.arguments) {
        return Err(not_said("called a function with what is no JSON object"));
    }
    let id = ids.call(Text::Borrowed(&call.id));
    Ok(Block::ToolUse { id, name: &call.name, input: &call.arguments, cache_control: None })
}

pub(in crate::anthropic) fn broken(finish: &Finish<'_>) -> Fault<'static> {
    match finish {
        Finish::Broken(why) if !why.is_empty() => not_said(&format!("gave no answer: {why}")),
        Finish::Broken(_)
        | Finish::End
        | Finish::Stop(_)
        | Finish::Calls
        | Finish::OutputFull
        | Finish::ContextFull
        | Finish::Refused(_)
        | Finish::Filtered => not_said("gave no answer"),
    }
}

/// What the model did cannot be said here.
pub(in crate::anthropic) fn not_said(what: &str) -> Fault<'static> {
    let message = format!("The provider's model {what}.").into();
    Fault { kind: FaultKind::Server, message, retry_after_s: None }
}
