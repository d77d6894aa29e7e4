//! Reads a stream.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Words, said};
use super::finish::{self, Said};
use super::{fault, usage};
use crate::Text;
use crate::event::Event;
use crate::path::Path;
use crate::request::Seal;
use crate::unsupported::Malformed;

/// One event, of whatever kind: the one member that is there says which.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    content_block_start: Option<BlockStart<'a>>,
    #[serde(borrow)]
    content_block_delta: Option<BlockDelta<'a>>,
    #[serde(borrow)]
    message_stop: Option<Stop<'a>>,
    metadata: Option<Metadata>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart<'a> {
    content_block_index: Option<usize>,
    #[serde(borrow)]
    start: Option<Start<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
}

#[derive(Debug, Deserialize)]
struct ToolUse<'a> {
    #[serde(borrow, rename = "toolUseId")]
    id: Option<Words<'a>>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    content_block_index: Option<usize>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Words<'a>>,
    #[serde(borrow)]
    tool_use: Option<Input<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Reasoning<'a>>,
}

#[derive(Debug, Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    input: Option<Words<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    text: Option<Words<'a>>,
    #[serde(borrow)]
    signature: Option<Words<'a>>,
    #[serde(borrow)]
    redacted_content: Option<Words<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stop<'a> {
    #[serde(borrow)]
    stop_reason: Option<Words<'a>>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    usage: Option<usage::Read>,
}

/// Reads the events of one answer, in their order. What it cost comes last, behind the reason of its end: an
/// answer without it was cut.
#[derive(Debug, Default)]
pub struct StreamReader {
    state: State,
    said: Said,
    /// Which call of the answer each block is that is one, by the block's index.
    calls: BTreeMap<usize, usize>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was read yet.
    #[default]
    Before,
    Going,
    /// It was told why the answer has ended.
    Stopped,
    /// All was told, or an error.
    Over,
}

impl StreamReader {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the data of one event that [`Frames`](super::Frames) wrote.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<Vec<Event<'a>>, Malformed> {
        if self.state == State::Over {
            return Ok(Vec::new());
        }
        let wrong = |_| Path::Body.malformed("is no event of this dialect");
        let wire: Wire<'a> = serde_json::from_slice(data).map_err(wrong)?;
        if let Some(error) = wire.error {
            self.state = State::Over;
            return Ok(vec![Event::Fault(fault::read_in_stream(error))]);
        }
        let mut events = Vec::new();
        if self.state == State::Before {
            self.state = State::Going;
            events.push(Event::Start { id: Text::default() });
        }
        if let Some(BlockStart { content_block_index, start: Some(start) }) =
            wire.content_block_start
            && let Some(call) = start.tool_use
        {
            self.open_call(content_block_index, call, &mut events)?;
        }
        if let Some(BlockDelta { content_block_index, delta: Some(delta) }) =
            wire.content_block_delta
        {
            self.go_on(content_block_index, delta, &mut events)?;
        }
        if let Some(stop) = wire.message_stop {
            self.stop(&stop.stop_reason.unwrap_or_default().0, &mut events);
        }
        if let Some(metadata) = wire.metadata {
            let usage = metadata.usage.and_then(usage::Read::into_usage);
            events.extend(usage.map(Event::Usage));
            if self.state == State::Stopped {
                self.state = State::Over;
                events.push(Event::End);
            }
        }
        Ok(events)
    }

    fn open_call<'a>(
        &mut self,
        index: Option<usize>,
        call: ToolUse<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let block = Path::Body.field("contentBlockStart");
        let (position, start) = (block.field("contentBlockIndex"), block.field("start"));
        let place = start.field("toolUse");
        let index = index.ok_or_else(|| position.missing())?;
        let id = said(call.id).ok_or_else(|| place.field("toolUseId").missing())?;
        let name = said(call.name).ok_or_else(|| place.field("name").missing())?;
        let call = self.calls.len();
        if self.calls.insert(index, call).is_some() {
            return Err(position.malformed("must begin one block only"));
        }
        self.said = Said { is_something: true, is_calls: true };
        events.push(Event::Call { choice: 0, call, id, name, seal: None });
        Ok(())
    }

    fn go_on<'a>(
        &mut self,
        index: Option<usize>,
        delta: Delta<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let choice = 0;
        let before = events.len();
        events.extend(said(delta.text).map(|text| Event::Text { choice, text }));
        if let Some(thought) = delta.reasoning_content {
            events.extend(said(thought.text).map(|text| Event::Thought { choice, text }));
            let seal = said(thought.signature).map(Seal::Anthropic);
            let seal = seal.or(said(thought.redacted_content).map(Seal::AnthropicHidden));
            events.extend(seal.map(|seal| Event::Seal { choice, seal }));
        }
        if let Some(json) = delta.tool_use.and_then(|input| said(input.input)) {
            let call = index.and_then(|index| self.calls.get(&index));
            let call = *call.ok_or_else(|| {
                let block = Path::Body.field("contentBlockDelta");
                block.field("contentBlockIndex").malformed("must be that of a call that has begun")
            })?;
            events.push(Event::Arguments { choice, call, json });
        }
        self.said.is_something |= events.len() > before;
        Ok(())
    }

    fn stop(&mut self, reason: &str, events: &mut Vec<Event<'_>>) {
        if self.state != State::Stopped {
            self.state = State::Stopped;
            events.push(Event::Finish { choice: 0, finish: finish::read(reason, self.said) });
        }
    }
}
