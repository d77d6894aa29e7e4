//! The conversation: messages become instructions and turns, and every result finds its call.

use super::calls::{Calls, Whose};
use super::parts::{self, Sayer};
use crate::Text;
use crate::openai::fields::{Object, Path};
use crate::openai::request::harmless;
use crate::request::{Content, Outcome, Part, Role, Thought, Turn};
use crate::unsupported::{Extra, Malformed};

/// What was read of the conversation.
#[derive(Debug, Default)]
pub(super) struct Talk<'a> {
    pub(super) system: Vec<Part<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    calls: Calls<'a>,
    /// Results follow one another, and are one turn.
    is_in_results: bool,
}

/// Takes `messages`.
pub(super) fn read<'a>(
    body: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Talk<'a>, Malformed> {
    let outer = body.path;
    let path = outer.field("messages");
    let messages = body.objects("messages")?;
    let messages = body.must("messages", messages)?;
    let mut talk = Talk::default();
    for (at, fields) in messages.into_iter().enumerate() {
        talk.message(at, Object::of(fields, path.item(at)), extras)?;
    }
    talk.calls.close(path)?;
    if talk.system.is_empty() && talk.turns.is_empty() {
        return Err(path.malformed("must hold a message that says something"));
    }
    Ok(talk)
}

impl<'a> Talk<'a> {
    fn message(
        &mut self,
        at: usize,
        mut message: Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let role = message.name("role")?;
        let is_result = matches!(role.as_ref(), "tool" | "function");
        if !is_result {
            let messages = Path::Body.field("messages");
            self.calls.close(messages)?;
            self.is_in_results = false;
        }
        match role.as_ref() {
            "system" | "developer" => self.system(at, &mut message, extras)?,
            "user" => self.user(at, &mut message, extras)?,
            "assistant" => self.assistant(at, &mut message, extras)?,
            "tool" => self.tool(at, &mut message, extras)?,
            "function" => self.function(at, &mut message, extras)?,
            _ => {
                let why = "must be `system`, `developer`, `user`, `assistant` or `tool`";
                return Err(message.path.field("role").malformed(why));
            }
        }
        message.rest(extras);
        Ok(())
    }

    fn system(
        &mut self,
        at: usize,
        message: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let parts = must_content(message, Sayer::System, extras)?;
        if self.turns.is_empty() {
            self.system.extend(parts);
        } else {
            self.push(at, Role::System, parts);
        }
        Ok(())
    }

    fn user(
        &mut self,
        at: usize,
        message: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let parts = must_content(message, Sayer::User, extras)?;
        self.push(at, Role::User, parts);
        Ok(())
    }

    /// A message that says nothing is left out: to some providers it would be an error.
    fn push(&mut self, at: usize, role: Role, parts: Vec<Part<'a>>) {
        if !parts.is_empty() {
            self.turns.push(Turn { at, role, parts });
        }
    }

    fn assistant(
        &mut self,
        at: usize,
        message: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let mut parts: Vec<_> = thought(message)?.map(part).into_iter().collect();
        if let Some(json) = message.take("content") {
            let path = message.path.field("content");
            parts.extend(parts::read(json, path, Sayer::Assistant, extras)?);
        }
        let refusal = message.text("refusal")?.filter(|text| !text.is_empty());
        parts.extend(refusal.map(|text| part(Content::Refusal(text))));
        let calls = self.calls.read(at, message, extras)?;
        parts.extend(calls.into_iter().map(Content::Call).map(part));
        message.skip(&harmless::ASSISTANT);
        self.push(at, Role::Assistant, parts);
        Ok(())
    }

    fn tool(
        &mut self,
        at: usize,
        message: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let whose = self.calls.answered(message)?;
        let parts = must_content(message, Sayer::Tool, extras)?;
        match whose {
            Whose::Custom => extras.push(message.path.field("content").extra()),
            Whose::Function { call, name } => self.result(at, call, name, parts),
        }
        Ok(())
    }

    /// The same in the old form, where nothing at all is a result, too.
    fn function(
        &mut self,
        at: usize,
        message: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let whose = self.calls.old_answered(message)?;
        let content = message.take("content");
        let path = message.path.field("content");
        let read = content.map(|json| parts::read(json, path, Sayer::Tool, extras));
        if let Whose::Function { call, name } = whose {
            self.result(at, call, name, read.transpose()?.unwrap_or_default());
        }
        Ok(())
    }

    fn result(&mut self, at: usize, call: Text<'a>, name: Text<'a>, parts: Vec<Part<'a>>) {
        let outcome = part(Content::Outcome(Outcome { call, name, parts, is_error: None }));
        match self.turns.last_mut() {
            Some(turn) if self.is_in_results => turn.parts.push(outcome),
            Some(_) | None => self.push(at, Role::User, vec![outcome]),
        }
        self.is_in_results = true;
    }
}

const fn part(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}

fn must_content<'a>(
    message: &mut Object<'a, '_>,
    sayer: Sayer,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part<'a>>, Malformed> {
    let content = message.take("content");
    let content = message.must("content", content)?;
    parts::read(content, message.path.field("content"), sayer, extras)
}

/// Servers that show thoughts call them by one of two names, and some by both.
fn thought<'a>(message: &mut Object<'a, '_>) -> Result<Option<Content<'a>>, Malformed> {
    let one = message.text("reasoning_content")?.filter(|text| !text.is_empty());
    let other = message.text("reasoning")?;
    let text = one.or(other).filter(|text| !text.is_empty());
    Ok(text.map(|text| Content::Thought(Thought { text, seal: None })))
}
