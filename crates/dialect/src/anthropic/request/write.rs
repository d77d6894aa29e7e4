//! Writes a request.

use serde::Serialize;

use super::write_blocks::{Block, Words, Writer};
use super::write_settings::{
    Metadata, OutputConfig, Thinking, ToolChoice, sampling, stop, thinking, tool_choice,
};
use super::write_tools::{Tool, tools};
use crate::Target;
use crate::anthropic::ids::Ids;
use crate::anthropic::json;
use crate::request::{Delivery, Format, Part, Request, Role, Turn};
use crate::unsupported::{Feature, Leave, Malformed, Untranslatable};

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Words::is_empty")]
    system: Words<'a>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Words<'a>,
}

/// Writes the body of `POST /v1/messages`.
pub fn write_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    Ok(json::write(&body(request, to, leave)?))
}

/// Writes the body of `POST /v1/messages/count_tokens`, which takes only what the input is made of.
pub(in crate::anthropic) fn write_count_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    Ok(json::write(&Body {
        max_tokens: None,
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: Vec::new(),
        metadata: None,
        stream: false,
        ..body(request, to, leave)?
    }))
}

fn body<'a>(
    request: &'a Request<'a>,
    to: &Target<'a>,
    leave: &mut Leave,
) -> Result<Body<'a>, Untranslatable> {
    for extra in &request.extras {
        leave.out(&extra.path)?;
    }
    if request.answers.is_some_and(|answers| answers > 1) {
        leave.feature(Feature::Answers, None, to.from)?;
    }
    let tools = tools(request, to, leave)?;
    let max_tokens = request.output_tokens_max.unwrap_or(to.output_tokens_default);
    let (system, messages) = conversation(request, to, leave)?;
    if messages.is_empty() {
        let path = to.from.turns().to_owned();
        return Err(Malformed { path, why: "must say something".into() }.into());
    }
    let sampling = sampling(request.sampling, to, leave)?;
    Ok(Body {
        model: to.model,
        max_tokens: Some(max_tokens),
        system: Words::of(system),
        messages,
        tool_choice: tool_choice(request, tools.is_empty()),
        thinking: thinking(request, max_tokens, to, leave)?,
        output_config: output_config(request, to, leave)?,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: stop(request, to, leave)?,
        metadata: request.end_user.as_deref().map(|user_id| Metadata { user_id }),
        stream: matches!(request.delivery, Delivery::Stream { .. }),
        tools,
    })
}

/// Writes the instructions before the conversation, and the conversation.
fn conversation<'a>(
    request: &'a Request<'a>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<(Vec<Block<'a>>, Vec<Message<'a>>), Untranslatable> {
    let mut ids = Ids::default();
    let mut write = |role, at, parts: &'a [Part<'a>]| {
        Writer { leave: &mut *leave, from: to.from, ids: &mut ids, at, role }.blocks(parts)
    };
    let mut system = write(Role::System, None, &request.system)?;
    let mut messages = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        let blocks = write(turn.role, Some(turn.at), &turn.parts)?;
        if blocks.is_empty() {
            continue;
        }
        if turn.role == Role::System && !to.knows.system_turns {
            system.extend(blocks);
            continue;
        }
        messages.push(Message { role: role(turn.role), content: Words::of(blocks) });
    }
    leave_system_turns(&request.turns, to, leave)?;
    Ok((system, messages))
}

/// Where instructions cannot stand in the middle, they lose their place: they go before the conversation.
fn leave_system_turns(
    turns: &[Turn<'_>],
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<(), Untranslatable> {
    if to.knows.system_turns {
        return Ok(());
    }
    for turn in turns.iter().filter(|turn| turn.role == Role::System && !turn.parts.is_empty()) {
        leave.feature(Feature::SystemTurn, Some(turn.at), to.from)?;
    }
    Ok(())
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    }
}

/// A schema's name and purpose are for people only, and the answer always matches it.
fn output_config<'a>(
    request: &'a Request<'a>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<OutputConfig<'a>, Untranslatable> {
    let schema = match &request.format {
        Format::Text => None,
        Format::Json => {
            leave.feature(Feature::JsonFormat, None, to.from)?;
            None
        }
        Format::Schema { schema, .. } => Some(&**schema),
    };
    Ok(OutputConfig::new(request.thinking.effort, schema))
}
