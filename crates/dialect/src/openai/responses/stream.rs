//! A response in pieces.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use doorward_domain::usage::Usage;
use serde::Serialize;

use super::answer::{ErrorOut, Incomplete, Response, UsageOut, ended, response_id};
use super::echo::Echo;
use super::output::{Item, Kind, Last, Output, Said, Status};
use crate::answer::{Face, Finish};
use crate::event::Event;
use crate::fault::{Fault, FaultKind};

/// The most that is gathered for the last event, which repeats everything: as much as of a whole answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// An event that tells of an item, of whatever kind.
#[derive(Default, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

/// An event that holds the response as far as it has come.
#[derive(Serialize)]
struct Whole<'a> {
    response: Response<'a>,
}

/// What an `error` tells.
#[derive(Serialize)]
struct Told<'a> {
    code: &'static str,
    message: &'a str,
    param: Option<()>,
}

#[derive(Serialize)]
struct Frame<T> {
    #[serde(rename = "type")]
    name: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    body: T,
}

/// Writes the events of one response: of the first answer, as this form cannot ask for several.
///
/// One item of words is open at most. Calls stay open until the end: servers may tell of several at once.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct StreamWriter {
    id: String,
    call: String,
    model: String,
    created_s: i64,
    echo: Echo,
    output: Output,
    /// The last item holds words, which may go on.
    are_words_open: bool,
    /// Which item each call is.
    calls: Vec<usize>,
    finish: Option<Finish<'static>>,
    usage: Option<Usage>,
    has_refusal: bool,
    gathered_bytes: usize,
    wire: Wire,
    is_begun: bool,
    is_over: bool,
}

impl StreamWriter {
    /// Nothing was written yet. `asked`: the body of the request, parts of which a response repeats.
    pub fn new(face: &Face<'_>, asked: &[u8]) -> Self {
        Self {
            id: response_id("", face.call),
            call: face.call.to_owned(),
            model: face.model.to_owned(),
            created_s: face.created_s,
            echo: Echo::of(asked),
            output: Output::new(face.call),
            are_words_open: false,
            calls: Vec::new(),
            finish: None,
            usage: None,
            has_refusal: false,
            gathered_bytes: 0,
            wire: Wire::default(),
            is_begun: false,
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
            Event::Start { id } => self.start(id, out),
            Event::Text { choice: 0, text } => self.words(Kind::Text, text, out),
            Event::Refusal { choice: 0, text } => self.words(Kind::Refusal, text, out),
            Event::Thought { choice: 0, text } => self.words(Kind::Thought, text, out),
            Event::Call { choice: 0, .. } => self.call(event, out),
            Event::Arguments { choice: 0, call, json } => self.arguments(*call, json, out),
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.owned()),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault(fault, out),
            Event::End => self.end(out),
            // Of other answers; and a seal has no place here but with a call.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thought { .. }
            | Event::Seal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. } => {}
        }
        if self.gathered_bytes > ANSWER_BYTES_MAX && !self.is_over {
            let message = "The answer is too long for a response.".into();
            let fault = Fault { kind: FaultKind::Server, message, retry_after_s: None };
            self.fault(&fault, out);
        }
    }

    fn start(&mut self, id: &str, out: &mut Vec<u8>) {
        self.id = response_id(id, &self.call);
        self.begin(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.response("response.created", Status::InProgress, (None, None), out);
            self.response("response.in_progress", Status::InProgress, (None, None), out);
        }
    }

    fn words(&mut self, kind: Kind, words: &str, out: &mut Vec<u8>) {
        self.begin(out);
        self.gathered_bytes = self.gathered_bytes.saturating_add(words.len());
        self.has_refusal |= kind == Kind::Refusal;
        if !self.output.goes_on(kind) {
            self.begin_words(kind, out);
        }
        self.output.say(words);
        let name = match kind {
            Kind::Text => "response.output_text.delta",
            Kind::Refusal => "response.refusal.delta",
            Kind::Thought => "response.reasoning_summary_text.delta",
        };
        let Some(last) = self.output.last() else { return };
        let logprobs = (kind == Kind::Text).then_some([]);
        let body = Body { delta: Some(words), logprobs, ..Body::of(last) };
        self.wire.tell(name, body, out);
    }

    /// Begins a piece, and an item where the last one has no place for it.
    fn begin_words(&mut self, kind: Kind, out: &mut Vec<u8>) {
        if self.output.takes(kind) {
            self.close_piece(out);
        } else {
            self.close_words(Status::Completed, out);
            self.output.begin_item(kind);
            self.are_words_open = true;
            self.tell_item("response.output_item.added", self.output.items().len() - 1, out);
        }
        self.output.begin_piece(kind);
        let Some(last) = self.output.last() else { return };
        let name = match kind {
            Kind::Text | Kind::Refusal => "response.content_part.added",
            Kind::Thought => "response.reasoning_summary_part.added",
        };
        self.wire.tell(name, Body { part: Some(last.said), ..Body::of(last) }, out);
    }

    /// Ends the piece that goes on no more.
    fn close_piece(&mut self, out: &mut Vec<u8>) {
        let Some(last) = self.output.last() else { return };
        let words = Some(last.said.words());
        let (name, done, part) = match last.said.kind() {
            Kind::Text => (
                "response.output_text.done",
                Body { text: words, logprobs: Some([]), ..Body::of(last) },
                "response.content_part.done",
            ),
            Kind::Refusal => (
                "response.refusal.done",
                Body { refusal: words, ..Body::of(last) },
                "response.content_part.done",
            ),
            Kind::Thought => (
                "response.reasoning_summary_text.done",
                Body { text: words, ..Body::of(last) },
                "response.reasoning_summary_part.done",
            ),
        };
        self.wire.tell(name, done, out);
        self.wire.tell(part, Body { part: Some(last.said), ..Body::of(last) }, out);
    }

    /// Ends the item of words that is open, if one is; it is the last one then.
    fn close_words(&mut self, status: Status, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.are_words_open) {
            self.close_piece(out);
            self.close_item(self.output.items().len() - 1, status, out);
        }
    }

    fn close_item(&mut self, item: usize, status: Status, out: &mut Vec<u8>) {
        self.output.end(item, status);
        self.tell_item("response.output_item.done", item, out);
    }

    fn tell_item(&mut self, name: &'static str, index: usize, out: &mut Vec<u8>) {
        let item = self.output.items().get(index);
        self.wire.tell(name, Body { output_index: Some(index), item, ..Body::default() }, out);
    }

    fn call(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        let Event::Call { id, name, seal, .. } = event else { return };
        self.begin(out);
        self.close_words(Status::Completed, out);
        self.gathered_bytes = self.gathered_bytes.saturating_add(name.len());
        let item = self.output.call(id, name, seal.as_ref());
        self.calls.push(item);
        self.tell_item("response.output_item.added", item, out);
    }

    fn arguments(&mut self, call: usize, json: &str, out: &mut Vec<u8>) {
        let Some(&index) = self.calls.get(call) else { return };
        self.gathered_bytes = self.gathered_bytes.saturating_add(json.len());
        self.output.add_arguments(index, json);
        let item_id = self.output.items().get(index).map(Item::id);
        let body = Body { item_id, output_index: Some(index), ..Body::default() };
        let body = Body { delta: Some(json), ..body };
        self.wire.tell("response.function_call_arguments.delta", body, out);
    }

    /// Ends the calls. One of which nothing more was said has no arguments, and clients parse what they have.
    fn close_calls(&mut self, status: Status, out: &mut Vec<u8>) {
        for call in 0..self.calls.len() {
            let Some(&index) = self.calls.get(call) else { continue };
            let said = self.output.items().get(index).and_then(Item::as_call);
            if said.is_some_and(|(_, arguments)| arguments.is_empty()) {
                self.arguments(call, "{}", out);
            }
            let Some(item) = self.output.items().get(index) else { continue };
            let Some((name, arguments)) = item.as_call() else { continue };
            let body =
                Body { item_id: Some(item.id()), output_index: Some(index), ..Body::default() };
            let body = Body { name: Some(name), arguments: Some(arguments), ..body };
            self.wire.tell("response.function_call_arguments.done", body, out);
            let is_last = index + 1 == self.output.items().len();
            self.close_item(index, if is_last { status } else { Status::Completed }, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        let finish = self.finish.take().unwrap_or_else(|| Finish::Broken("".into()));
        if let Finish::Refused(Some(why)) = &finish
            && !self.has_refusal
        {
            self.words(Kind::Refusal, why, out);
        }
        let (status, incomplete) = match ended(&finish, self.has_refusal) {
            Ok(ended) => ended,
            Err(fault) => return self.fault(&fault, out),
        };
        self.close_words(status, out);
        self.close_calls(status, out);
        self.is_over = true;
        let name = if incomplete.is_some() { "response.incomplete" } else { "response.completed" };
        self.response(name, status, (None, incomplete), out);
    }

    /// An error is told by itself, and as the end of what has begun.
    fn fault(&mut self, fault: &Fault<'_>, out: &mut Vec<u8>) {
        self.is_over = true;
        let error = ErrorOut::of(fault);
        let told = Told { code: error.code, message: error.message, param: None };
        self.wire.tell("error", told, out);
        if self.is_begun {
            self.response("response.failed", Status::Failed, (Some(error), None), out);
        }
    }

    fn response(
        &mut self,
        name: &'static str,
        status: Status,
        (error, incomplete_details): (Option<ErrorOut<'_>>, Option<Incomplete>),
        out: &mut Vec<u8>,
    ) {
        let response = Response {
            id: &self.id,
            object: "response",
            created_at: self.created_s,
            status,
            error,
            incomplete_details,
            model: &self.model,
            output: self.output.items(),
            previous_response_id: None,
            store: false,
            echo: &self.echo,
            usage: self.usage.filter(|_| status != Status::InProgress).map(UsageOut::from),
        };
        self.wire.tell(name, Whole { response }, out);
    }
}

impl<'a> Body<'a> {
    /// Of the piece that was begun last.
    fn of(last: Last<'a>) -> Self {
        let is_thought = last.said.kind() == Kind::Thought;
        Self {
            item_id: Some(last.item_id),
            output_index: Some(last.item),
            content_index: (!is_thought).then_some(last.piece),
            summary_index: is_thought.then_some(last.piece),
            ..Self::default()
        }
    }
}

/// Counts the events as they are written.
#[derive(Debug, Default)]
struct Wire {
    sequence_number: u64,
}

impl Wire {
    /// Appends one whole event.
    fn tell(&mut self, name: &'static str, body: impl Serialize, out: &mut Vec<u8>) {
        let frame = Frame { name, sequence_number: self.sequence_number, body };
        let begin = out.len();
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Texts, numbers and JSON that was read are all that is in it, so it cannot fail; if it did, half a
        // frame would be worse.
        match serde_json::to_writer(&mut *out, &frame) {
            Ok(()) => out.extend_from_slice(b"\n\n"),
            Err(_) => out.truncate(begin),
        }
        self.sequence_number += 1;
    }
}
