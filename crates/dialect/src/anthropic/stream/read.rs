//! Reads a stream.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::wire::{Block, Delta, Start, Wire};
use crate::Text;
use crate::anthropic::answer::{Ended, Said};
use crate::anthropic::json::{self, Path, Str};
use crate::anthropic::{fault, usage};
use crate::event::Event;
use crate::request::Seal;
use crate::unsupported::Malformed;

/// The status that an error in a stream would have had if its type says none.
const STATUS: u16 = 500;

/// Reads the events of one answer, in their order.
#[derive(Debug, Default)]
pub struct StreamReader {
    is_started: bool,
    is_over: bool,
    said: Said,
    /// The blocks that have begun, by their index; those that are calls hold one.
    blocks: BTreeMap<usize, Option<OpenCall>>,
    /// How many calls there are.
    calls: usize,
    usage: usage::Told,
    /// Why the answer ends, as it was said last.
    ended: Ended<'static>,
}

#[derive(Debug)]
struct OpenCall {
    /// Which call of the answer it is.
    call: usize,
    /// Arguments that came with the beginning of the call: they hold unless pieces follow.
    input: Option<String>,
}

impl StreamReader {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the data of one server-sent event.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<Vec<Event<'a>>, Malformed> {
        if self.is_over || data.trim_ascii().is_empty() || data.trim_ascii() == b"[DONE]" {
            return Ok(Vec::new());
        }
        let wire: Wire<'a> = json::read(data)?;
        let mut events = Vec::new();
        if let Some(error) = wire.error {
            self.is_over = true;
            return Ok(vec![Event::Fault(fault::error(error).into_fault(STATUS))]);
        }
        match wire.kind.as_ref().map(|kind| &*kind.0) {
            Some("message_start") => self.start(wire.message.unwrap_or_default(), &mut events),
            Some("content_block_start") => {
                self.open(wire.index, wire.content_block, &mut events)?;
            }
            Some("content_block_delta") => self.go_on(wire.index, wire.delta, &mut events)?,
            Some("content_block_stop") => self.close(wire.index, &mut events),
            Some("message_delta") => {
                self.say_usage(wire.usage.as_ref(), &mut events);
                self.note_end(wire.delta);
            }
            Some("message_stop") => self.end(&mut events),
            Some(_) | None => {}
        }
        self.begin_with_start(&mut events);
        Ok(events)
    }

    fn start<'a>(&mut self, message: Start<'a>, events: &mut Vec<Event<'a>>) {
        if !self.is_started {
            self.is_started = true;
            events.push(Event::Start { id: message.id.map(|id| id.0).unwrap_or_default() });
        }
        self.say_usage(message.usage.as_ref(), events);
    }

    /// An answer begins before it says anything, even if its provider forgets to say so.
    fn begin_with_start(&mut self, events: &mut Vec<Event<'_>>) {
        if !self.is_started && !events.is_empty() {
            self.is_started = true;
            events.insert(0, Event::Start { id: Text::default() });
        }
    }

    /// Counts are those of the whole answer until now, and replace each other.
    fn say_usage(&mut self, read: Option<&usage::Read>, events: &mut Vec<Event<'_>>) {
        let Some(read) = read else { return };
        self.usage.take(read);
        events.extend(self.usage.usage().map(Event::Usage));
    }

    fn open<'a>(
        &mut self,
        index: Option<usize>,
        block: Option<Block<'a>>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let path = Path::Body.field("content_block");
        let block = block.ok_or_else(|| path.missing())?;
        let index = index.unwrap_or(self.blocks.len());
        self.blocks.insert(index, None);
        match block.kind.as_ref().map(|kind| &*kind.0) {
            Some("text") => self.say(text(block.text), events),
            Some("thinking") => {
                self.say(thought(block.thinking), events);
                self.say(seal(block.signature), events);
            }
            Some("redacted_thinking") => self.say(hidden(block.data), events),
            Some("tool_use") => self.open_call(index, block, &path, events)?,
            Some(_) | None => {}
        }
        Ok(())
    }

    fn open_call<'a>(
        &mut self,
        index: usize,
        block: Block<'a>,
        path: &Path<'_>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let id = said(block.id).ok_or_else(|| path.field("id").missing())?;
        let name = said(block.name).ok_or_else(|| path.field("name").missing())?;
        let call = self.calls;
        self.calls += 1;
        self.said.calls = true;
        let input = block.input.filter(|input| !is_empty_object(input));
        let input = input.map(|input| input.get().to_owned());
        self.blocks.insert(index, Some(OpenCall { call, input }));
        self.say(Some(Event::Call { choice: 0, call, id, name, seal: None }), events);
        Ok(())
    }

    fn go_on<'a>(
        &mut self,
        index: Option<usize>,
        delta: Option<Delta<'a>>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let delta = delta.ok_or_else(|| Path::Body.field("delta").missing())?;
        match delta.kind.as_ref().map(|kind| &*kind.0) {
            Some("text_delta") => self.say(text(delta.text), events),
            Some("thinking_delta") => self.say(thought(delta.thinking), events),
            Some("signature_delta") => self.say(seal(delta.signature), events),
            Some("input_json_delta") => {
                if let Some(json) = said(delta.partial_json) {
                    let event = self.arguments(index, json)?;
                    self.say(event, events);
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// More of a call's arguments; of a block that is no call, nobody wants them.
    fn arguments<'a>(
        &mut self,
        index: Option<usize>,
        json: Text<'a>,
    ) -> Result<Option<Event<'a>>, Malformed> {
        let block = index.and_then(|index| self.blocks.get_mut(&index));
        let block = block.ok_or_else(|| {
            Path::Body.field("index").malformed("must be the index of a block that has begun")
        })?;
        Ok(block.as_mut().map(|open| {
            open.input = None;
            Event::Arguments { choice: 0, call: open.call, json }
        }))
    }

    fn close(&mut self, index: Option<usize>, events: &mut Vec<Event<'_>>) {
        let open = index.and_then(|index| self.blocks.get_mut(&index));
        events.extend(open.and_then(Option::as_mut).and_then(OpenCall::whole_input));
    }

    fn note_end(&mut self, delta: Option<Delta<'_>>) {
        if let Some(Delta { stop_reason: Some(reason), stop_sequence, stop_details, .. }) = delta {
            let (sequence, details) = (stop_sequence, stop_details);
            self.ended = Ended { reason: Some(reason), sequence, details }.into_owned();
        }
    }

    fn end(&mut self, events: &mut Vec<Event<'_>>) {
        self.is_over = true;
        let open = self.blocks.values_mut().filter_map(Option::as_mut);
        events.extend(open.filter_map(OpenCall::whole_input));
        let finish = std::mem::take(&mut self.ended).into_finish(self.said);
        events.push(Event::Finish { choice: 0, finish });
        events.push(Event::End);
    }

    fn say<'a>(&mut self, event: Option<Event<'a>>, events: &mut Vec<Event<'a>>) {
        self.said.anything |= event.is_some();
        events.extend(event);
    }
}

impl OpenCall {
    /// The arguments that came with the beginning, if no pieces followed.
    fn whole_input<'a>(&mut self) -> Option<Event<'a>> {
        let json = Text::Owned(self.input.take()?);
        Some(Event::Arguments { choice: 0, call: self.call, json })
    }
}

fn said(text: Option<Str<'_>>) -> Option<Text<'_>> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
}

fn text(piece: Option<Str<'_>>) -> Option<Event<'_>> {
    said(piece).map(|text| Event::Text { choice: 0, text })
}

fn thought(piece: Option<Str<'_>>) -> Option<Event<'_>> {
    said(piece).map(|text| Event::Thought { choice: 0, text })
}

fn seal(signature: Option<Str<'_>>) -> Option<Event<'_>> {
    said(signature).map(|text| Event::Seal { choice: 0, seal: Seal::Anthropic(text) })
}

fn hidden(data: Option<Str<'_>>) -> Option<Event<'_>> {
    said(data).map(|data| Event::Seal { choice: 0, seal: Seal::AnthropicHidden(data) })
}

fn is_empty_object(json: &RawValue) -> bool {
    json.get().bytes().all(|byte| byte.is_ascii_whitespace() || byte == b'{' || byte == b'}')
}
