//! Calls in pieces: which piece belongs to which call.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::event::Event;
use crate::openai::answer::{CallIn, FunctionIn, google_seal};
use crate::openai::fields::Path;
use crate::openai::made_id;
use crate::request::Seal;
use crate::unsupported::Malformed;

/// The calls of one answer.
///
/// Servers differ: some leave `index` out, some always say 0, some repeat `id` and `name` with each piece,
/// and some make a new `id` for each piece of one call. So a call begins where a piece with a name has an
/// `index` that is new, or an `id` or a name other than the open call's of that `index`.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The latest call of each `index`.
    open: BTreeMap<u64, Open>,
    begun: usize,
}

#[derive(Debug, Default)]
struct Open {
    id: String,
    name: String,
    seal: Option<Seal<'static>>,
    /// Its number here, once its name is known.
    call: Option<usize>,
    /// What was said of its arguments before.
    early: String,
}

/// Where a call stands: the name of the answer, and which of the answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whence<'w> {
    pub(super) answer: &'w str,
    pub(super) choice: usize,
}

impl Calls {
    pub(super) const fn has_any(&self) -> bool {
        self.begun > 0
    }

    /// One piece of a call; `position` is where it stands in its chunk.
    pub(super) fn piece<'a>(
        &mut self,
        whence: Whence<'_>,
        position: usize,
        piece: CallIn<'a>,
        events: &mut Vec<Event<'a>>,
    ) {
        let index = piece.index.0.unwrap_or(position as u64);
        let function = piece.function.unwrap_or_default();
        let json = function.some_arguments();
        let id = piece.id.filled().unwrap_or_default();
        let name = function.name.filled().unwrap_or_default();
        let open = self.open.entry(index).or_default();
        if open.is_another(&id, &name) {
            *open = Open::default();
        }
        if open.call.is_none() {
            open.learn(&id, &name, piece.extra_content);
            self.begun += usize::from(open.begin(whence, self.begun, events));
        }
        let Some(json) = json else { return };
        match open.call {
            Some(call) => events.push(Event::Arguments { choice: whence.choice, call, json }),
            None => open.early.push_str(&json),
        }
    }

    /// The same in the old form, of which an answer has one.
    pub(super) fn old_piece<'a>(
        &mut self,
        whence: Whence<'_>,
        function: FunctionIn<'a>,
        events: &mut Vec<Event<'a>>,
    ) {
        let piece = CallIn { function: Some(function), ..CallIn::default() };
        self.piece(whence, 0, piece, events);
    }

    /// A call without a name is none that anybody could make.
    pub(super) fn close(&self) -> Result<(), Malformed> {
        if self.open.values().all(|open| open.call.is_some()) {
            return Ok(());
        }
        let path = Path::Body.field("choices[].delta.tool_calls[].function.name");
        Err(path.malformed("is missing"))
    }
}

impl Open {
    fn is_another(&self, id: &str, name: &str) -> bool {
        let has_other_id = !id.is_empty() && !self.id.is_empty() && id != self.id;
        let has_other_name = !self.name.is_empty() && name != self.name;
        self.call.is_some() && !name.is_empty() && (has_other_id || has_other_name)
    }

    fn learn(&mut self, id: &str, name: &str, beside: Option<&RawValue>) {
        for (known, said) in [(&mut self.id, id), (&mut self.name, name)] {
            if known.is_empty() {
                known.push_str(said);
            }
        }
        self.seal = self.seal.take().or_else(|| google_seal(beside).map(owned));
    }

    /// Whether it begins now: its name is known.
    fn begin(&mut self, whence: Whence<'_>, call: usize, events: &mut Vec<Event<'_>>) -> bool {
        if self.name.is_empty() {
            return false;
        }
        let choice = whence.choice;
        if self.id.is_empty() {
            self.id = made_id(whence.answer, &[choice, call], &self.name);
        }
        let (id, name) = (self.id.clone().into(), self.name.clone().into());
        events.push(Event::Call { choice, call, id, name, seal: self.seal.take() });
        self.call = Some(call);
        let json = std::mem::take(&mut self.early);
        if !json.is_empty() {
            events.push(Event::Arguments { choice, call, json: json.into() });
        }
        true
    }
}

fn owned(seal: Seal<'_>) -> Seal<'static> {
    match seal {
        Seal::Anthropic(text) => Seal::Anthropic(text.into_owned().into()),
        Seal::AnthropicHidden(text) => Seal::AnthropicHidden(text.into_owned().into()),
        Seal::Google(text) => Seal::Google(text.into_owned().into()),
    }
}
