//! A stream for a client of Google's dialect.

use doorward_domain::usage::Usage;
use serde_json::value::RawValue;

use crate::answer::{Face, Finish};
use crate::event::Event;
use crate::fault::Fault;
use crate::google::answer::write::{Body, Candidate, MODEL};
use crate::google::said::{self, FunctionCall, Piece, Said};
use crate::google::{fault, finish, usage};
use crate::request::Seal;

/// How pieces are put one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events, with `alt=sse`. Google's clients read nothing but lines of data: no comments, no
    /// names of events, no mark at the end.
    Events,
    /// One list of JSON, without it.
    List,
}

/// Puts pieces one after the other.
#[derive(Debug)]
pub struct Frames {
    framing: Framing,
    is_begun: bool,
}

impl Frames {
    /// None was put yet.
    pub const fn new(framing: Framing) -> Self {
        Self { framing, is_begun: false }
    }

    /// Appends a piece: one value of JSON.
    pub fn put(&mut self, json: &[u8], out: &mut Vec<u8>) {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let before: &[u8] = match (self.framing, is_first) {
            (Framing::Events, _) => b"data: ",
            (Framing::List, true) => b"[",
            (Framing::List, false) => b",\r\n",
        };
        out.extend_from_slice(before);
        let start = out.len();
        out.extend_from_slice(json);
        // Arguments stand there as the model wrote them, perhaps in lines, and a line ends an event's data.
        // In JSON that is space: inside of texts it would be escaped.
        let lines = out.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r'));
        lines.for_each(|byte| *byte = b' ');
        out.extend_from_slice(if self.framing == Framing::Events { b"\r\n\r\n" } else { b"\n" });
    }

    /// Appends what stands behind the last piece.
    pub fn close(&self, out: &mut Vec<u8>) {
        if self.framing == Framing::List {
            out.extend_from_slice(if self.is_begun { b"]" } else { b"[]" });
        }
    }
}

/// Writes the stream of one answer.
///
/// Texts and thoughts go out as they come. Calls are gathered whole, as this dialect knows no other, and are
/// told at the end, together with the reasons and the usage.
#[derive(Debug)]
pub struct StreamWriter {
    frames: Frames,
    model: String,
    /// The answer's name: ours until the provider tells its own.
    id: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Choice {
    calls: Vec<Call>,
    finish: Option<Finish<'static>>,
    /// What was said last was a thought, so that a seal is one's.
    is_thought_last: bool,
    is_refusal: bool,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
    seal: Option<String>,
}

impl StreamWriter {
    /// Nothing was written yet.
    pub fn new(face: &Face<'_>, framing: Framing) -> Self {
        Self {
            frames: Frames::new(framing),
            model: face.model.to_owned(),
            id: face.call.to_owned(),
            choices: Vec::new(),
            usage: None,
            is_over: false,
        }
    }

    /// Appends what an event becomes, whole frames, perhaps none. After an error or the end, nothing.
    pub fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id } if id.is_empty() => {}
            Event::Start { id } => id.as_ref().clone_into(&mut self.id),
            Event::Text { choice, text } => self.text(*choice, text, false, out),
            Event::Refusal { choice, text } => self.text(*choice, text, true, out),
            Event::Thought { choice, text } => {
                self.choice(*choice).is_thought_last = true;
                self.piece(*choice, Piece::thought(text, None), out);
            }
            Event::Seal { choice, seal } => self.seal(*choice, seal, out),
            Event::Call { choice, call, id, name, seal } => {
                let seal = said::own(seal.as_ref()).map(str::to_owned);
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                *self.call(*choice, *call) = Call { id, name, arguments: String::new(), seal };
            }
            Event::Arguments { choice, call, json } => {
                self.call(*choice, *call).arguments.push_str(json);
            }
            Event::Finish { choice, finish } => {
                self.choice(*choice).finish = Some(finish.owned());
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault(fault, out),
            Event::End => self.end(out),
        }
    }

    fn choice(&mut self, at: usize) -> &mut Choice {
        nth(&mut self.choices, at)
    }

    fn call(&mut self, choice: usize, call: usize) -> &mut Call {
        nth(&mut self.choice(choice).calls, call)
    }

    fn text(&mut self, choice: usize, text: &str, is_refusal: bool, out: &mut Vec<u8>) {
        let state = self.choice(choice);
        state.is_thought_last = false;
        state.is_refusal |= is_refusal;
        self.piece(choice, Piece::text(text), out);
    }

    /// Google's own seals follow what they belong to, in a piece without words.
    fn seal(&mut self, choice: usize, seal: &Seal<'_>, out: &mut Vec<u8>) {
        let thought = self.choice(choice).is_thought_last;
        if let Some(seal) = said::own(Some(seal)) {
            self.piece(choice, Piece { thought, ..Piece::seal(seal) }, out);
        }
    }

    fn piece(&mut self, index: usize, piece: Piece<'_>, out: &mut Vec<u8>) {
        let content = Said { role: MODEL, parts: vec![piece] };
        let candidate = Candidate { content, finish_reason: None, finish_message: None, index };
        let body = Body {
            candidates: vec![candidate],
            usage_metadata: None,
            model_version: &self.model,
            response_id: &self.id,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        self.frames.put(&json, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.is_over = true;
        self.frames.close(out);
    }

    fn fault(&mut self, fault: &Fault<'_>, out: &mut Vec<u8>) {
        let json = fault::write_fault(fault, fault::status_of(fault.kind), "");
        self.frames.put(&json, out);
        self.close(out);
    }

    /// The last piece: all calls, why each answer ended, and what it cost.
    fn end(&mut self, out: &mut Vec<u8>) {
        match self.last() {
            Ok(json) => {
                self.frames.put(&json, out);
                self.close(out);
            }
            Err(fault) => self.fault(&fault, out),
        }
    }

    fn last(&self) -> Result<Vec<u8>, Fault<'static>> {
        let choices = self.choices.iter().enumerate();
        let candidates: Result<_, _> = choices.map(|(index, choice)| choice.last(index)).collect();
        let body = Body {
            candidates: candidates?,
            usage_metadata: self.usage.map(usage::Told::from),
            model_version: &self.model,
            response_id: &self.id,
        };
        serde_json::to_vec(&body).map_err(|_| finish::broken_call())
    }
}

/// Far beyond what any answer has: a position out of bounds must not take the memory.
const PIECES_MAX: usize = 4_096;

/// The piece `at` of a list that grows as far as it is asked for. Streams are told in order, so it grows
/// by one.
fn nth<T: Default>(list: &mut Vec<T>, at: usize) -> &mut T {
    let at = at.min(PIECES_MAX - 1);
    if at >= list.len() {
        list.resize_with(at + 1, T::default);
    }
    #[expect(clippy::indexing_slicing, reason = "it was made as long as that above")]
    &mut list[at]
}

impl Choice {
    fn last(&self, index: usize) -> Result<Candidate<'_>, Fault<'static>> {
        let end = self.finish.as_ref().map(|finish| finish::write(finish, self.is_refusal));
        let end = end.transpose()?;
        let calls: Result<Vec<_>, _> = self.calls.iter().map(Call::piece).collect();
        let mut parts = calls?;
        if parts.is_empty() {
            // As Google does: clients print the text of each piece, and would print that there is none.
            parts.push(Piece::text(""));
        }
        Ok(Candidate {
            content: Said { role: MODEL, parts },
            finish_reason: end.map(|end| end.reason),
            finish_message: end.and_then(|end| end.message),
            index,
        })
    }
}

impl Call {
    fn piece(&self) -> Result<Piece<'_>, Fault<'static>> {
        let json = if self.arguments.trim().is_empty() { "{}" } else { self.arguments.trim() };
        let args: &RawValue = serde_json::from_str(json).map_err(|_| finish::broken_call())?;
        if !args.get().starts_with('{') {
            return Err(finish::broken_call());
        }
        let call = FunctionCall { id: &self.id, name: &self.name, args };
        let thought_signature = self.seal.as_deref();
        Ok(Piece { function_call: Some(call), thought_signature, ..Piece::default() })
    }
}
