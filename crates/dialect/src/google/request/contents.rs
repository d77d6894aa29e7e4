//! `contents`: the conversation. Source: <https://ai.google.dev/api/caching#Content>.

use super::outcome::Calls;
use crate::Text;
use crate::google::fields::{Field, Object};
use crate::google::{self, media};
use crate::request::{Content, Part, Role, Seal, Thought, Turn};
use crate::unsupported::{Extra, Malformed};

/// Kinds of pieces that only Google's own tools make, and take.
const OWN_KINDS: [&str; 4] = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];

/// How finely a picture is read is a hint on costs.
const HARMLESS: [&str; 1] = ["mediaResolution"];

/// What is read so far.
struct Reader<'a, 'x> {
    turns: Vec<Turn<'a>>,
    calls: Calls<'a>,
    extras: &'x mut Vec<Extra>,
}

/// Reads the conversation.
pub(super) fn read<'a>(
    field: Field<'_, 'a>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Turn<'a>>, Malformed> {
    let path = field.path.clone();
    let mut reader = Reader { turns: Vec::new(), calls: Calls::default(), extras };
    field.each(|at, content| reader.content(at, content))?;
    let ends_with_client = reader.turns.last().is_some_and(|turn| turn.role == Role::User);
    if ends_with_client && !reader.calls.close() {
        return Err(path.malformed("leaves calls without their responses"));
    }
    if reader.turns.is_empty() {
        return Err(path.malformed("must not be empty"));
    }
    Ok(reader.turns)
}

impl<'a> Reader<'a, '_> {
    fn content(&mut self, at: usize, field: Field<'_, 'a>) -> Result<(), Malformed> {
        let mut object = Object::open(&field.path, field.node)?;
        let role = role(&mut object)?;
        let parts = object.take("parts")?.filter(|parts| !parts.is_empty_list());
        match (role, parts) {
            (Role::User | Role::System, Some(parts)) => self.said_by_client(at, parts)?,
            (Role::Assistant, Some(parts)) => self.said_by_model(at, parts)?,
            // An answer that was cut before its first word.
            (Role::Assistant, None) => {}
            (Role::User | Role::System, None) => {
                return Err(object.path.name("parts".into()).malformed("must not be empty"));
            }
        }
        object.finish(self.extras);
        Ok(())
    }

    /// The model's turn. Where it goes on after a call, it is the same turn: outcomes come after all of it.
    fn said_by_model(&mut self, at: usize, list: Field<'_, 'a>) -> Result<(), Malformed> {
        let before = self.turns.last().filter(|turn| turn.role == Role::Assistant);
        let goes_on = before.is_some() && self.calls.is_waiting();
        if !goes_on && !self.calls.close() {
            return Err(list.path.malformed("comes before all calls are answered"));
        }
        let mut parts = Vec::new();
        list.each(|index, part| self.model_part((at, index), part, &mut parts))?;
        match self.turns.last_mut().filter(|_| goes_on) {
            Some(turn) => turn.parts.append(&mut parts),
            None => self.push(at, Role::Assistant, parts),
        }
        Ok(())
    }

    fn push(&mut self, at: usize, role: Role, parts: Vec<Part<'a>>) {
        if !parts.is_empty() {
            self.turns.push(Turn { at, role, parts });
        }
    }

    fn model_part(
        &mut self,
        place: (usize, usize),
        field: Field<'_, 'a>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Malformed> {
        let mut object = Object::open(&field.path, field.node)?;
        let seal = object.text("thoughtSignature")?;
        let seal = seal.filter(|seal| !seal.is_empty() && seal != google::NO_SEAL);
        let seal = seal.map(Seal::Google);
        if let Some(call) = object.take("functionCall")? {
            let mut call = self.calls.call(call, place, self.extras)?;
            call.seal = seal;
            parts.push(whole(Content::Call(call)));
            return finish_part(object, self.extras);
        }
        if let Some(text) = object.text("text")? {
            parts.extend(said(text, object.flag("thought")?, seal));
            return finish_part(object, self.extras);
        }
        let Some(content) = self.media(&mut object)? else {
            if seal.is_some() && object.is_read() {
                parts.extend(said("".into(), false, seal));
                return Ok(());
            }
            return self.own_kind(object);
        };
        parts.extend(said("".into(), false, seal));
        parts.push(whole(content));
        finish_part(object, self.extras)
    }

    /// The client's turn. What functions returned stands first in it, wherever in its neighbours it stood.
    fn said_by_client(&mut self, at: usize, list: Field<'_, 'a>) -> Result<(), Malformed> {
        let (mut outcomes, mut parts) = (Vec::new(), Vec::new());
        list.each(|_, part| self.client_part(part, &mut outcomes, &mut parts))?;
        let after = self.turns.last_mut().filter(|turn| turn.role == Role::User);
        if let Some(turn) = after {
            let is_outcome = |part: &&Part<'_>| matches!(part.content, Content::Outcome(_));
            let first = turn.parts.iter().take_while(is_outcome).count();
            turn.parts.splice(first..first, outcomes);
        } else {
            outcomes.append(&mut parts);
            parts = outcomes;
        }
        self.push(at, Role::User, parts);
        Ok(())
    }

    fn client_part(
        &mut self,
        field: Field<'_, 'a>,
        outcomes: &mut Vec<Part<'a>>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), Malformed> {
        let mut object = Object::open(&field.path, field.node)?;
        if let Some(response) = object.take("functionResponse")? {
            let outcome = self.calls.outcome(response, self.extras)?;
            outcomes.push(whole(Content::Outcome(outcome)));
        } else if let Some(text) = object.text("text")? {
            parts.extend(said(text, false, None));
        } else if let Some(content) = self.media(&mut object)? {
            parts.push(whole(content));
        } else {
            return self.own_kind(object);
        }
        finish_part(object, self.extras)
    }

    fn media(&mut self, object: &mut Object<'_, 'a>) -> Result<Option<Content<'a>>, Malformed> {
        if let Some(inline) = object.take("inlineData")? {
            return media::inline(inline, self.extras).map(Some);
        }
        object.take("fileData")?.map(|file| media::file(file, self.extras)).transpose()
    }

    /// A piece that is none of those above: one of Google's own, or of a kind that nobody knows.
    fn own_kind(&mut self, mut object: Object<'_, 'a>) -> Result<(), Malformed> {
        for misplaced in ["functionCall", "functionResponse"] {
            if let Some(field) = object.take(misplaced)? {
                return Err(field.path.malformed("stands in a turn of the other role"));
            }
        }
        object.skip_zero("thought");
        let before = self.extras.len();
        let path = object.path;
        object.finish(self.extras);
        if self.extras.len() == before { Err(path.malformed("holds nothing")) } else { Ok(()) }
    }
}

/// Who says it. What functions returned has a role of its own with some clients, by one of two names.
fn role(object: &mut Object<'_, '_>) -> Result<Role, Malformed> {
    match object.text("role")?.as_deref() {
        None | Some("" | "user" | "function" | "tool") => Ok(Role::User),
        Some("model") => Ok(Role::Assistant),
        Some(_) => Err(object.path.name("role".into()).malformed("must be `user` or `model`")),
    }
}

/// A text or a thought, with its seal. The seal of a text stands before it, as a thought without words:
/// nothing else can tell a text's seal from that of a call that follows it.
fn said<'a>(text: Text<'a>, is_thought: bool, seal: Option<Seal<'a>>) -> Vec<Part<'a>> {
    if is_thought {
        let is_empty = text.is_empty() && seal.is_none();
        let thought = whole(Content::Thought(Thought { text, seal }));
        return if is_empty { Vec::new() } else { vec![thought] };
    }
    let thought = seal.map(|seal| Thought { text: "".into(), seal: Some(seal) });
    let text = (!text.is_empty()).then(|| whole(Content::Text(text)));
    thought.map(|thought| whole(Content::Thought(thought))).into_iter().chain(text).collect()
}

const fn whole(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}

/// What else stands in a piece. A second kind in it is no field that we do not know.
fn finish_part(mut object: Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<(), Malformed> {
    for kind in ["text", "inlineData", "fileData", "functionCall", "functionResponse"] {
        if object.take(kind)?.is_some() {
            return Err(object.path.malformed("must hold one kind of data"));
        }
    }
    for kind in OWN_KINDS {
        if object.take(kind)?.is_some() {
            return Err(object.path.malformed("must hold one kind of data"));
        }
    }
    object.skip(&HARMLESS);
    object.skip_zero("thought");
    object.skip_word("thoughtSignature", &[""]);
    object.finish(extras);
    Ok(())
}
