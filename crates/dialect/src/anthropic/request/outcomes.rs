//! Connects calls with their outcomes.

use crate::Text;
use crate::anthropic::TURNS;
use crate::anthropic::json::Path;
use crate::request::{Content, Role, Turn};
use crate::unsupported::Malformed;

/// The calls that wait for their outcomes, and where these go.
#[derive(Debug, Default)]
pub(super) struct Outcomes<'a> {
    /// The calls of the assistant's last turn, or of its last turns if nobody spoke between them.
    calls: Vec<Open<'a>>,
    /// Which turn is the first of the client's after those calls.
    home: Option<usize>,
}

#[derive(Debug)]
struct Open<'a> {
    at: usize,
    id: Text<'a>,
    name: Text<'a>,
    is_answered: bool,
}

impl<'a> Outcomes<'a> {
    /// Connects a turn with those before it. What belongs together is moved to one turn; the given one may
    /// be empty then.
    pub(super) fn connect(
        &mut self,
        turns: &mut [Turn<'a>],
        turn: &mut Turn<'a>,
    ) -> Result<(), Malformed> {
        match turn.role {
            Role::System => Ok(()),
            Role::Assistant => self.connect_calls(turns, turn),
            Role::User => self.connect_outcomes(turns, turn),
        }
    }

    /// All calls must have their outcomes.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        match self.calls.iter().find(|call| !call.is_answered) {
            Some(call) => {
                let why = "calls a function whose `tool_result` is not in the next message";
                Err(Path::Body.field(TURNS).item(call.at).field("content").malformed(why))
            }
            None => Ok(()),
        }
    }

    fn connect_calls(
        &mut self,
        turns: &mut [Turn<'a>],
        turn: &mut Turn<'a>,
    ) -> Result<(), Malformed> {
        let is_continued = !self.calls.is_empty()
            && turns.last().is_some_and(|before| before.role == Role::Assistant);
        if !is_continued {
            self.finish()?;
            self.calls.clear();
            self.home = None;
        }
        self.open_calls(turn)?;
        if let (true, Some(before)) = (is_continued, turns.last_mut()) {
            before.parts.append(&mut turn.parts);
        }
        Ok(())
    }

    fn open_calls(&mut self, turn: &Turn<'a>) -> Result<(), Malformed> {
        for part in &turn.parts {
            let Content::Call(call) = &part.content else { continue };
            if self.calls.iter().any(|open| open.id == call.id) {
                let path = Path::Body.field(TURNS);
                return Err(path.item(turn.at).field("content").malformed("has an id twice"));
            }
            let (id, name) = (call.id.clone(), call.name.clone());
            self.calls.push(Open { at: turn.at, id, name, is_answered: false });
        }
        Ok(())
    }

    fn connect_outcomes(
        &mut self,
        turns: &mut [Turn<'a>],
        turn: &mut Turn<'a>,
    ) -> Result<(), Malformed> {
        for part in &mut turn.parts {
            let Content::Outcome(outcome) = &mut part.content else { continue };
            outcome.name = self.answer(&outcome.call, turn.at)?;
        }
        let first = turn.parts.iter().take_while(|part| is_outcome(&part.content)).count();
        if turn.parts.iter().skip(first).any(|part| is_outcome(&part.content)) {
            let why = "must have its `tool_result` blocks before all others";
            return Err(Path::Body.field(TURNS).item(turn.at).field("content").malformed(why));
        }
        match self.home.and_then(|home| turns.get_mut(home)) {
            Some(home) => {
                let at = home.parts.iter().take_while(|part| is_outcome(&part.content)).count();
                home.parts.splice(at..at, turn.parts.drain(..first));
            }
            None if !turn.parts.is_empty() => self.home = Some(turns.len()),
            None => {}
        }
        Ok(())
    }

    /// The name of the function whose call is answered.
    fn answer(&mut self, id: &str, at: usize) -> Result<Text<'a>, Malformed> {
        let path = Path::Body.field(TURNS);
        let path = path.item(at);
        let path = path.field("content");
        let call = self.calls.iter_mut().find(|call| call.id == id);
        let call = call.ok_or_else(|| {
            path.malformed("has a `tool_result` for no `tool_use` of the message before")
        })?;
        if call.is_answered {
            return Err(path.malformed("has two `tool_result` blocks for one `tool_use`"));
        }
        call.is_answered = true;
        Ok(call.name.clone())
    }
}

const fn is_outcome(content: &Content<'_>) -> bool {
    matches!(content, Content::Outcome(_))
}
