//! The blocks of a stream, of which one is open at most.

use std::collections::VecDeque;

use super::arguments::Arguments;
use super::frames::{Begin, BlockDelta, BlockStart, BlockStop, Delta, Nothing, frame};
use crate::Text;
use crate::anthropic::ids::Ids;
use crate::request::Seal;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Thought,
    /// The call of this number.
    Call(usize),
}

/// The blocks of one answer. Clients put them one after the other in the order in which they begin, so a
/// call that something else interrupts stays open, and the other waits until the call's arguments are there.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// How many blocks have begun.
    begun: usize,
    open: Option<Open>,
    /// What waits, in the order in which it began. Empty unless a call is open.
    waiting: VecDeque<Waiting>,
    ids: Ids<'static>,
    /// Some call's arguments are no JSON object.
    is_wrong: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    kind: Kind,
    arguments: Arguments,
}

/// A block that waits.
#[derive(Debug)]
enum Waiting {
    Text(String),
    Thought(String),
    Seal(Seal<'static>),
    Call { call: usize, id: String, name: String, json: String },
}

impl Blocks {
    /// Whether some call's arguments can never become a JSON object.
    pub(super) const fn are_wrong(&self) -> bool {
        self.is_wrong
    }

    /// Says more of a text.
    pub(super) fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if !self.must_wait() {
            self.write_piece(Kind::Text, Delta::Text { text }, out);
        } else if let Some(Waiting::Text(before)) = self.waiting.back_mut() {
            before.push_str(text);
        } else {
            self.waiting.push_back(Waiting::Text(text.to_owned()));
        }
    }

    /// Says more of a thought.
    pub(super) fn thought(&mut self, thinking: &str, out: &mut Vec<u8>) {
        if thinking.is_empty() {
            return;
        }
        if !self.must_wait() {
            self.write_piece(Kind::Thought, Delta::Thinking { thinking }, out);
        } else if let Some(Waiting::Thought(before)) = self.waiting.back_mut() {
            before.push_str(thinking);
        } else {
            self.waiting.push_back(Waiting::Thought(thinking.to_owned()));
        }
    }

    /// Says by what the provider knows a thought again. What another dialect has for it is worth nothing here.
    pub(super) fn seal(&mut self, seal: &Seal<'_>, out: &mut Vec<u8>) {
        if !self.must_wait() {
            self.write_seal(seal, out);
            return;
        }
        let own = |text: &Text<'_>| Text::Owned(text.to_string());
        let seal = match seal {
            Seal::Anthropic(signature) => Seal::Anthropic(own(signature)),
            Seal::AnthropicHidden(data) => Seal::AnthropicHidden(own(data)),
            Seal::Google(_) => return,
        };
        self.waiting.push_back(Waiting::Seal(seal));
    }

    /// Begins a call.
    pub(super) fn call(&mut self, call: usize, id: &str, name: &str, out: &mut Vec<u8>) {
        if self.must_wait() {
            let (id, name, json) = (id.to_owned(), name.to_owned(), String::new());
            self.waiting.push_back(Waiting::Call { call, id, name, json });
        } else {
            self.write_call(call, id, name, out);
        }
    }

    /// Says more of a call's arguments.
    pub(super) fn arguments(&mut self, call: usize, json: &str, out: &mut Vec<u8>) {
        if self.open.is_some_and(|open| open.kind == Kind::Call(call)) {
            self.write_arguments(json, out);
            self.write_waiting(out);
        } else if let Some(before) = self.waiting_arguments(call) {
            before.push_str(json);
        } else {
            // The call is closed, so its arguments were complete.
            self.is_wrong |= !json.trim().is_empty();
        }
    }

    /// Ends all blocks. Where the answer was cut, so may be the arguments of a call.
    pub(super) fn finish(&mut self, is_cut: bool, out: &mut Vec<u8>) {
        loop {
            let arguments = self.open.map(|open| open.arguments).unwrap_or_default();
            let is_whole = arguments.is_empty() || arguments.is_complete();
            self.is_wrong |= !is_whole && !is_cut;
            self.close(out);
            if self.is_wrong || self.waiting.is_empty() {
                return;
            }
            self.write_waiting(out);
        }
    }

    /// Whether a call is open whose arguments may go on.
    fn must_wait(&self) -> bool {
        self.open
            .is_some_and(|open| matches!(open.kind, Kind::Call(_)) && !open.arguments.is_complete())
    }

    fn waiting_arguments(&mut self, call: usize) -> Option<&mut String> {
        self.waiting.iter_mut().find_map(|waiting| match waiting {
            Waiting::Call { call: other, json, .. } if *other == call => Some(json),
            Waiting::Call { .. } | Waiting::Text(_) | Waiting::Thought(_) | Waiting::Seal(_) => {
                None
            }
        })
    }

    /// Writes what waits, as far as no call is open.
    fn write_waiting(&mut self, out: &mut Vec<u8>) {
        while !self.must_wait() {
            match self.waiting.pop_front() {
                None => return,
                Some(Waiting::Text(text)) => self.text(&text, out),
                Some(Waiting::Thought(text)) => self.thought(&text, out),
                Some(Waiting::Seal(seal)) => self.write_seal(&seal, out),
                Some(Waiting::Call { call, id, name, json }) => {
                    self.write_call(call, &id, &name, out);
                    self.write_arguments(&json, out);
                }
            }
        }
    }

    fn write_piece(&mut self, kind: Kind, delta: Delta<'_>, out: &mut Vec<u8>) {
        if self.open.is_none_or(|open| open.kind != kind) {
            let begin = match kind {
                Kind::Thought => Begin::Thinking { thinking: "", signature: "" },
                Kind::Text | Kind::Call(_) => Begin::Text { text: "" },
            };
            self.begin(kind, begin, out);
        }
        self.write_delta(delta, out);
    }

    fn write_seal(&mut self, seal: &Seal<'_>, out: &mut Vec<u8>) {
        match seal {
            Seal::Anthropic(signature) => {
                self.write_piece(Kind::Thought, Delta::Signature { signature }, out);
            }
            Seal::AnthropicHidden(data) => {
                self.begin(Kind::Thought, Begin::RedactedThinking { data }, out);
            }
            Seal::Google(_) => return,
        }
        self.close(out);
    }

    fn write_call(&mut self, call: usize, id: &str, name: &str, out: &mut Vec<u8>) {
        let id = self.ids.call(Text::Owned(id.to_owned()));
        let begin = Begin::ToolUse { id: &id, name, input: Nothing {} };
        self.begin(Kind::Call(call), begin, out);
    }

    fn write_arguments(&mut self, json: &str, out: &mut Vec<u8>) {
        if json.is_empty() {
            return;
        }
        if let Some(open) = &mut self.open {
            open.arguments.follow(json);
            self.is_wrong |= open.arguments.is_wrong();
        }
        self.write_delta(Delta::InputJson { partial_json: json }, out);
    }

    fn begin(&mut self, kind: Kind, content_block: Begin<'_>, out: &mut Vec<u8>) {
        self.close(out);
        frame(out, "content_block_start", &BlockStart { index: self.begun, content_block });
        self.begun += 1;
        self.open = Some(Open { kind, arguments: Arguments::default() });
    }

    fn write_delta(&self, delta: Delta<'_>, out: &mut Vec<u8>) {
        frame(out, "content_block_delta", &BlockDelta { index: self.index(), delta });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            frame(out, "content_block_stop", &BlockStop { index: self.index() });
        }
    }

    /// The index of the block that began last.
    const fn index(&self) -> usize {
        self.begun.saturating_sub(1)
    }
}
