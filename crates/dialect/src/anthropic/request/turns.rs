//! Reads the conversation.

use super::blocks::{Place, parts};
use super::harmless::{BILLING, Extras};
use super::outcomes::Outcomes;
use super::wire::{Block, Message};
use crate::anthropic::TURNS;
use crate::anthropic::json::{Path, TextOr};
use crate::request::{Content, Part, Role, Turn};
use crate::unsupported::Malformed;

/// Reads the instructions that stand before the conversation.
pub(super) fn system<'a>(
    system: Option<TextOr<'a, Block<'a>>>,
    extras: &mut Extras,
) -> Result<Vec<Part<'a>>, Malformed> {
    let Some(system) = system else {
        return Ok(Vec::new());
    };
    let mut parts = parts(system, &Path::Body.field("system"), Place::System, extras)?;
    parts.retain(|part| !matches!(&part.content, Content::Text(text) if text.starts_with(BILLING)));
    Ok(parts)
}

/// Reads the messages. The dialect joins neighbours of one role; here they stay apart unless calls or their
/// outcomes would be torn from each other.
pub(super) fn turns<'a>(
    messages: Vec<Message<'a>>,
    extras: &mut Extras,
) -> Result<Vec<Turn<'a>>, Malformed> {
    let list = Path::Body.field(TURNS);
    let mut turns = Vec::with_capacity(messages.len());
    let mut outcomes = Outcomes::default();
    for (at, message) in messages.into_iter().enumerate() {
        let mut turn = turn(message, at, &list.item(at), extras)?;
        outcomes.connect(&mut turns, &mut turn)?;
        if !turn.parts.is_empty() {
            turns.push(turn);
        }
    }
    outcomes.finish()?;
    if turns.is_empty() {
        return Err(list.malformed("must say something"));
    }
    Ok(turns)
}

fn turn<'a>(
    mut message: Message<'a>,
    at: usize,
    path: &Path<'_>,
    extras: &mut Extras,
) -> Result<Turn<'a>, Malformed> {
    let role = message.role.take().ok_or_else(|| path.field("role").missing())?;
    let (role, place) = match &*role.0 {
        "user" => (Role::User, Place::User),
        "assistant" => (Role::Assistant, Place::Assistant),
        "system" => (Role::System, Place::System),
        _ => return Err(path.field("role").malformed("must be `user`, `assistant` or `system`")),
    };
    let content_path = path.field("content");
    let content = message.content.take().ok_or_else(|| content_path.missing())?;
    let parts = parts(content, &content_path, place, extras)?;
    extras.add_left(&message, path);
    Ok(Turn { at, role, parts })
}
