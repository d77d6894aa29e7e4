//! The conversation: items become instructions and turns, and every result finds its call.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::parts::{self, Sayer};
use crate::Text;
use crate::openai::fields::{Object, Path, begins_with, objects, text};
use crate::openai::made_id;
use crate::openai::request::read::calls::seal;
use crate::request::{Call, Content, Outcome, Part, Role, Thought, Turn};
use crate::unsupported::{Extra, Malformed};

/// What an answer says of its own items; it comes back in the history.
const HARMLESS: [&str; 3] = ["id", "status", "phase"];
/// By these a provider knows its own thoughts again. They are worth nothing to another one.
const HARMLESS_IN_THOUGHTS: [&str; 2] = ["encrypted_content", "format"];

/// What was read of the conversation.
#[derive(Debug, Default)]
pub(super) struct Talk<'a> {
    pub(super) system: Vec<Part<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    calls: Calls<'a>,
    /// Results follow one another, and are one turn.
    is_in_results: bool,
}

/// The calls that were read.
#[derive(Debug, Default)]
struct Calls<'a> {
    /// Those of the model's last turn, by the client's ids.
    open: HashMap<Text<'a>, Open<'a>>,
    /// Ids of all calls until now.
    ids: HashSet<Text<'a>>,
}

#[derive(Debug)]
struct Open<'a> {
    /// Where its item stands.
    at: usize,
    id: Text<'a>,
    name: Text<'a>,
    is_answered: bool,
}

/// Takes `instructions` and `input`.
pub(super) fn read<'a>(
    body: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Talk<'a>, Malformed> {
    let mut talk = Talk::default();
    let instructions = body.text("instructions")?.filter(|text| !text.is_empty());
    talk.system.extend(instructions.map(|text| part(Content::Text(text))));
    let input = body.take("input");
    let input = body.must("input", input)?;
    let outer = body.path;
    let path = outer.field("input");
    if begins_with(input, '"') {
        let words = Some(text(input, path)?).filter(|text| !text.is_empty());
        let words = words.map(|text| part(Content::Text(text)));
        talk.push(0, Role::User, words.into_iter().collect());
    } else if begins_with(input, '[') {
        for (at, fields) in objects(input, path)?.into_iter().enumerate() {
            talk.item(at, Object::of(fields, path.item(at)), extras)?;
        }
    } else {
        return Err(path.malformed("must be a string or a list of items"));
    }
    talk.calls.close(path)?;
    if talk.turns.is_empty() {
        return Err(path.malformed("must say something"));
    }
    Ok(talk)
}

impl<'a> Talk<'a> {
    /// Items of other kinds are of tools that OpenAI runs, or name what it has stored.
    fn item(
        &mut self,
        at: usize,
        mut item: Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        match item.text("type")?.as_deref() {
            None | Some("message") => self.message(at, &mut item, extras)?,
            Some("function_call") => self.call(at, &mut item, extras)?,
            Some("function_call_output") => self.result(at, &mut item, extras)?,
            Some("reasoning") => self.thought(at, &mut item, extras)?,
            Some(_) => {
                extras.push(item.path.field("type").extra());
                return Ok(());
            }
        }
        item.skip(&HARMLESS);
        item.rest(extras);
        Ok(())
    }

    fn message(
        &mut self,
        at: usize,
        item: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let (role, sayer) = match item.name("role")?.as_ref() {
            "user" => (Role::User, Sayer::User),
            "assistant" => (Role::Assistant, Sayer::Assistant),
            "system" | "developer" => (Role::System, Sayer::System),
            _ => {
                let why = "must be `user`, `assistant`, `system` or `developer`";
                return Err(item.path.field("role").malformed(why));
            }
        };
        let content = item.take("content");
        let content = item.must("content", content)?;
        let parts = parts::read(content, item.path.field("content"), sayer, extras)?;
        match role {
            Role::Assistant => return self.by_model(at, parts),
            Role::System if self.turns.is_empty() => self.system.extend(parts),
            Role::System | Role::User => {
                self.end_results()?;
                self.push(at, role, parts);
            }
        }
        Ok(())
    }

    /// What the model says goes on in one turn until somebody else speaks.
    fn by_model(&mut self, at: usize, parts: Vec<Part<'a>>) -> Result<(), Malformed> {
        self.begin_by_model()?;
        self.add_by_model(at, parts);
        Ok(())
    }

    fn add_by_model(&mut self, at: usize, parts: Vec<Part<'a>>) {
        match self.turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
            Some(turn) => turn.parts.extend(parts),
            None => self.push(at, Role::Assistant, parts),
        }
    }

    /// The model speaks again only when all its calls have their results.
    fn begin_by_model(&mut self) -> Result<(), Malformed> {
        let goes_on = self.turns.last().is_some_and(|turn| turn.role == Role::Assistant);
        if goes_on { Ok(()) } else { self.end_results() }
    }

    fn end_results(&mut self) -> Result<(), Malformed> {
        self.is_in_results = false;
        self.calls.close(Path::Body.field("input"))
    }

    /// What says nothing is left out: to some providers it would be an error.
    fn push(&mut self, at: usize, role: Role, parts: Vec<Part<'a>>) {
        if !parts.is_empty() {
            self.turns.push(Turn { at, role, parts });
        }
    }

    fn call(
        &mut self,
        at: usize,
        item: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let (wire_id, name) = (item.name("call_id")?, item.name("name")?);
        let arguments = item.text("arguments")?;
        let arguments = item.must("arguments", arguments)?;
        let Some(arguments) = crate::openai::arguments(&arguments) else {
            let why = "must hold the JSON of an object";
            return Err(item.path.field("arguments").malformed(why));
        };
        let seal = seal(item, extras)?;
        self.begin_by_model()?;
        let id = self.calls.open(at, wire_id, name.clone(), item.path)?;
        let call = Call { id, name, arguments: Cow::Owned(arguments), seal };
        self.add_by_model(at, vec![part(Content::Call(call))]);
        Ok(())
    }

    fn result(
        &mut self,
        at: usize,
        item: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let wire_id = item.name("call_id")?;
        let output = item.take("output");
        let output = item.must("output", output)?;
        let parts = parts::read(output, item.path.field("output"), Sayer::Function, extras)?;
        let (call, name) = self.calls.answered(&wire_id, item.path)?;
        let outcome = part(Content::Outcome(Outcome { call, name, parts, is_error: None }));
        match self.turns.last_mut() {
            Some(turn) if self.is_in_results => turn.parts.push(outcome),
            Some(_) | None => self.push(at, Role::User, vec![outcome]),
        }
        self.is_in_results = true;
        Ok(())
    }

    /// What the model thought, or a summary of it.
    fn thought(
        &mut self,
        at: usize,
        item: &mut Object<'a, '_>,
        extras: &mut Vec<Extra>,
    ) -> Result<(), Malformed> {
        let mut texts = Vec::new();
        for name in ["content", "summary"] {
            let outer = item.path;
            let path = outer.field(name);
            let pieces = item.objects(name)?.unwrap_or_default();
            // The summary tells shorter what stands in the content, where there is one.
            let is_told = !texts.is_empty();
            for (position, fields) in pieces.into_iter().enumerate() {
                let mut piece = Object::of(fields, path.item(position));
                let text = piece.text("text")?;
                let text = piece.must("text", text)?;
                piece.skip(&["type"]);
                piece.rest(extras);
                texts.extend((!is_told).then_some(text));
            }
        }
        item.skip(&HARMLESS_IN_THOUGHTS);
        let text = match texts.as_mut_slice() {
            [text] => std::mem::take(text),
            texts => texts.concat().into(),
        };
        if text.is_empty() {
            return Ok(());
        }
        self.by_model(at, vec![part(Content::Thought(Thought { text, seal: None }))])
    }
}

impl<'a> Calls<'a> {
    /// The id of a call, by which it is known from all others: some servers count the calls of each answer
    /// anew.
    fn open(
        &mut self,
        at: usize,
        wire_id: Text<'a>,
        name: Text<'a>,
        item: Path<'_>,
    ) -> Result<Text<'a>, Malformed> {
        let id = if self.ids.insert(wire_id.clone()) {
            wire_id.clone()
        } else {
            made_id(&wire_id, &[at], &name).into()
        };
        let open = Open { at, id: id.clone(), name, is_answered: false };
        match self.open.insert(wire_id, open) {
            None => Ok(id),
            Some(_) => Err(item.field("call_id").malformed("is the id of another call, too")),
        }
    }

    /// The id and the name of the call whose result this is.
    fn answered(
        &mut self,
        wire_id: &str,
        item: Path<'_>,
    ) -> Result<(Text<'a>, Text<'a>), Malformed> {
        let path = item.field("call_id");
        let Some(open) = self.open.get_mut(wire_id) else {
            return Err(path.malformed("names no call before it that waits for a result"));
        };
        if std::mem::replace(&mut open.is_answered, true) {
            return Err(path.malformed("names a call that has its result already"));
        }
        Ok((open.id.clone(), open.name.clone()))
    }

    /// Nothing may stand between calls and their results.
    fn close(&mut self, input: Path<'_>) -> Result<(), Malformed> {
        let waiting = self.open.values().filter(|open| !open.is_answered);
        if let Some(at) = waiting.map(|open| open.at).min() {
            let why = "is a call without a result in the items that follow it";
            return Err(input.item(at).malformed(why));
        }
        self.open.clear();
        Ok(())
    }
}

const fn part(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}
