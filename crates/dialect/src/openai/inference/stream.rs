//! The output in pieces: events of the same form, of which the last has the reason and the usage.

use doorward_domain::usage::Usage;

use super::write::{Body, UsageOut, finish_reason};
use crate::answer::{Face, Finish};
use crate::event::Event;
use crate::fault::Fault;
use crate::openai::answer::unsayable;
use crate::openai::fault::write_fault_event;

/// Writes the events of one output.
#[derive(Debug)]
pub struct StreamWriter {
    id: String,
    model: String,
    finish: Option<Finish<'static>>,
    usage: Option<Usage>,
    is_over: bool,
}

impl StreamWriter {
    /// Nothing was written yet.
    pub fn new(face: &Face<'_>) -> Self {
        Self {
            id: face.call.to_owned(),
            model: face.model.to_owned(),
            finish: None,
            usage: None,
            is_over: false,
        }
    }

    /// Appends whatever server-sent events an event becomes, whole ones only. After an error or the end,
    /// nothing.
    pub fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id } if id.is_empty() => {}
            Event::Start { id } => id.as_ref().clone_into(&mut self.id),
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.frame(text, None, out);
            }
            Event::Call { choice: 0, .. } => self.fault(&unsayable("a call of a function"), out),
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.owned()),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault(fault, out),
            Event::End => self.end(out),
            // Of other answers, or no part of the output.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thought { .. }
            | Event::Seal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. } => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let finish = self.finish.take().unwrap_or_else(|| Finish::Broken("".into()));
        match finish_reason(&finish) {
            Ok(reason) => {
                self.is_over = true;
                self.frame("", Some(reason), out);
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            Err(fault) => self.fault(&fault, out),
        }
    }

    /// An error ends a stream, without the mark of a good end.
    fn fault(&mut self, fault: &Fault<'_>, out: &mut Vec<u8>) {
        self.is_over = true;
        write_fault_event(fault, out);
    }

    fn frame(&self, output: &str, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let usage = self.usage.filter(|_| finish_reason.is_some()).map(UsageOut::from);
        let body = Body { id: &self.id, model: &self.model, output, finish_reason, usage };
        out.extend_from_slice(b"data: ");
        // Texts and numbers are all that is in it, so it cannot fail.
        out.extend_from_slice(&serde_json::to_vec(&body).unwrap_or_default());
        out.extend_from_slice(b"\n\n");
    }
}
