//! Writes a stream.

use doorward_domain::usage::Usage;

use super::blocks::Blocks;
use super::frames::{Message, MessageDelta, MessageStart, MessageStop, frame};
use crate::answer::{Face, Finish};
use crate::anthropic::answer::{Stop, broken, message_id, not_said};
use crate::anthropic::{fault, usage};
use crate::event::Event;
use crate::fault::Fault;

/// Writes the events of one answer: the first one, as this dialect cannot ask for several.
#[derive(Debug)]
pub struct StreamWriter {
    call: String,
    model: String,
    is_started: bool,
    is_over: bool,
    blocks: Blocks,
    usage: Option<Usage>,
    /// Held until the end, because the usage may come after it and both are told together.
    finish: Option<Finish<'static>>,
}

impl StreamWriter {
    /// Nothing was written yet.
    pub fn new(face: &Face<'_>) -> Self {
        Self {
            call: face.call.to_owned(),
            model: face.model.to_owned(),
            is_started: false,
            is_over: false,
            blocks: Blocks::default(),
            usage: None,
            finish: None,
        }
    }

    /// Appends whatever server-sent events an event becomes, whole ones only.
    pub fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id } => self.start(id, out),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault(fault, out),
            Event::End => self.end(out),
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thought { .. }
            | Event::Seal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. } => {
                self.start("", out);
                self.go_on(event, out);
            }
        }
        if self.blocks.are_wrong() && !self.is_over {
            self.fault(&not_said("called a function with what is no JSON object"), out);
        }
    }

    fn go_on(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.blocks.text(text, out);
            }
            Event::Thought { choice: 0, text } => self.blocks.thought(text, out),
            Event::Seal { choice: 0, seal } => self.blocks.seal(seal, out),
            Event::Call { choice: 0, call, id, name, .. } => {
                self.blocks.call(*call, id, name, out);
            }
            Event::Arguments { choice: 0, call, json } => self.blocks.arguments(*call, json, out),
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.owned()),
            // Of other answers, or written already.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thought { .. }
            | Event::Seal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. }
            | Event::Start { .. }
            | Event::Usage(_)
            | Event::Fault(_)
            | Event::End => {}
        }
    }

    /// The usage is told at the end: what is known now is less than that.
    fn start(&mut self, id: &str, out: &mut Vec<u8>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let message = Message {
            id: &message_id(id, &self.call),
            kind: "message",
            role: "assistant",
            model: &self.model,
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: usage::Write::from(self.usage),
        };
        frame(out, "message_start", &MessageStart { message });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start("", out);
        let finish = self.finish.take().unwrap_or_else(|| Finish::Broken("".into()));
        let Some(stop) = Stop::of(&finish) else {
            return self.fault(&broken(&finish), out);
        };
        self.blocks.finish(matches!(finish, Finish::OutputFull | Finish::ContextFull), out);
        if self.blocks.are_wrong() {
            return;
        }
        self.is_over = true;
        let usage = usage::Write::from(self.usage);
        frame(out, "message_delta", &MessageDelta { delta: stop, usage });
        frame(out, "message_stop", &MessageStop {});
    }

    /// An error ends a stream; there is no `message_stop` then.
    fn fault(&mut self, fault: &Fault<'_>, out: &mut Vec<u8>) {
        self.is_over = true;
        frame(out, "error", &fault::Written::new(fault, &self.call));
    }
}
