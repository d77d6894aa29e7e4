//! From this dialect into the form.

use doorward_domain::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::{Calls, Whence};
use crate::Text;
use crate::count::Count;
use crate::event::Event;
use crate::openai::answer::{MessageIn, Spoken};
use crate::openai::fault::fault_in_chunk;
use crate::openai::fields::Path;
use crate::openai::wire::Said;
use crate::openai::{finish, usage};
use crate::unsupported::Malformed;

/// The most answers to one request, as OpenAI has it.
const CHOICES_MAX: u64 = 128;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Said<'a>,
    #[serde(borrow)]
    choices: Option<Vec<ChoiceIn<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceIn<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow)]
    delta: Option<MessageIn<'a>>,
    #[serde(borrow, default)]
    finish_reason: Said<'a>,
    /// vLLM: the text that ended the answer; or the number of a token, which is none.
    #[serde(borrow, default)]
    stop_reason: Said<'a>,
}

/// Reads the events of one stream.
///
/// Ends are held until the stream's own end: servers tell the usage after them, and some tell of an end
/// twice, or before the last piece.
#[derive(Debug, Default)]
pub struct StreamReader {
    id: String,
    has_begun: bool,
    is_over: bool,
    choices: Vec<Option<State>>,
}

/// What was read of one answer.
#[derive(Debug, Default)]
struct State {
    said: finish::Said,
    calls: Calls,
    finish: Option<String>,
    stop_text: Option<String>,
}

impl StreamReader {
    /// A reader of a stream that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the data of one server-sent event. After an [`Event::End`] or an [`Event::Fault`] there is
    /// nothing more.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<Vec<Event<'a>>, Malformed> {
        let data = data.trim_ascii();
        // A keep-alive comment that somebody between wrapped in an event says nothing.
        if self.is_over || data.is_empty() || data.starts_with(b":") {
            return Ok(Vec::new());
        }
        if data.starts_with(b"[DONE]") {
            return if self.has_begun { self.finish() } else { Ok(Vec::new()) };
        }
        let chunk: Result<Chunk<'a>, _> = serde_json::from_slice(data);
        let chunk =
            chunk.map_err(|_| Path::Body.malformed("must be a chunk of a chat completion"))?;
        if chunk.error.is_some() || chunk.choices.is_none() {
            let json = serde_json::from_slice::<&RawValue>(data);
            let json = json.map_err(|_| Path::Body.malformed("must be JSON"))?;
            if let Some(fault) = fault_in_chunk(chunk.error, json) {
                self.is_over = true;
                return Ok(vec![Event::Fault(fault)]);
            }
        }
        self.chunk(chunk)
    }

    /// The connection has ended. An answer that had its end is whole, also without the last mark; of one
    /// that had not, nothing comes: it was cut.
    pub fn end(&mut self) -> Result<Vec<Event<'static>>, Malformed> {
        let mut states = self.choices.iter().flatten();
        let is_whole = self.has_begun && states.all(|state| state.finish.is_some());
        if self.is_over || !is_whole || self.choices.is_empty() {
            return Ok(Vec::new());
        }
        self.finish()
    }

    fn chunk<'a>(&mut self, chunk: Chunk<'a>) -> Result<Vec<Event<'a>>, Malformed> {
        let mut events = Vec::with_capacity(2);
        let choices = chunk.choices.unwrap_or_default();
        let usage: Option<Usage> = usage::read(chunk.usage);
        // Azure begins with a chunk about the prompt, which has no answer and no id.
        if !self.has_begun && (!choices.is_empty() || usage.is_some()) {
            self.has_begun = true;
            let id = chunk.id.0.unwrap_or_default();
            self.id.push_str(&id);
            events.push(Event::Start { id });
        }
        for (position, choice) in choices.into_iter().enumerate() {
            self.choice(position, choice, &mut events)?;
        }
        events.extend(usage.map(Event::Usage));
        Ok(events)
    }

    fn choice<'a>(
        &mut self,
        position: usize,
        choice: ChoiceIn<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let index = choice.index.0.unwrap_or(position as u64);
        let Some(number) = usize::try_from(index).ok().filter(|_| index < CHOICES_MAX) else {
            let path = Path::Body.field("choices");
            return Err(path.item(position).field("index").malformed("must be less than 128"));
        };
        if self.choices.len() <= number {
            self.choices.resize_with(number + 1, || None);
        }
        let Some(state) = self.choices.get_mut(number) else { return Ok(()) };
        let state = state.get_or_insert_default();
        if let Some(delta) = choice.delta {
            state.delta(Whence { answer: &self.id, choice: number }, delta, events);
        }
        if let Some(word) = choice.finish_reason.filled() {
            state.finish = Some(word.into_owned());
        }
        if let Some(text) = choice.stop_reason.filled() {
            state.stop_text = Some(text.into_owned());
        }
        Ok(())
    }

    fn finish<'a>(&mut self) -> Result<Vec<Event<'a>>, Malformed> {
        self.is_over = true;
        let mut events = Vec::new();
        for (choice, state) in self.choices.iter_mut().enumerate() {
            let Some(state) = state else { continue };
            state.calls.close()?;
            let word = state.finish.take().map(Text::from);
            let stop_text = state.stop_text.take().map(Text::from);
            let finish = finish::read(word, stop_text, state.said);
            events.push(Event::Finish { choice, finish });
        }
        events.push(Event::End);
        Ok(events)
    }
}

impl State {
    /// One piece may hold thoughts, text and calls at once: in this order.
    fn delta<'a>(
        &mut self,
        whence: Whence<'_>,
        mut delta: MessageIn<'a>,
        events: &mut Vec<Event<'a>>,
    ) {
        let choice = whence.choice;
        for spoken in delta.spoken() {
            self.said.anything = true;
            events.push(match spoken {
                Spoken::Thought(text) => Event::Thought { choice, text },
                Spoken::Text(text) => Event::Text { choice, text },
                Spoken::Refusal(text) => {
                    self.said.refusal = true;
                    Event::Refusal { choice, text }
                }
            });
        }
        for (position, call) in delta.tool_calls.unwrap_or_default().into_iter().enumerate() {
            self.calls.piece(whence, position, call, events);
        }
        if let Some(function) = delta.function_call {
            self.calls.old_piece(whence, function, events);
        }
        self.said.calls = self.calls.has_any();
        self.said.anything |= self.said.calls;
    }
}
