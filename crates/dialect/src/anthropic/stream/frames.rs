//! The events as they are written.

use serde::Serialize;

use crate::anthropic::answer::Stop;
use crate::anthropic::usage;

/// Appends one whole server-sent event. Clients skip events without a name.
pub(super) fn frame(out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    // Writing to memory what has text for keys only cannot fail.
    serde_json::to_writer(&mut *out, data).unwrap_or_default();
    out.extend_from_slice(b"\n\n");
}

/// The beginning.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "message_start")]
pub(super) struct MessageStart<'a> {
    pub(super) message: Message<'a>,
}

/// An answer that says nothing yet.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: [(); 0],
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'static str>,
    pub(super) usage: usage::Write,
}

/// A block begins.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "content_block_start")]
pub(super) struct BlockStart<'a> {
    pub(super) index: usize,
    pub(super) content_block: Begin<'a>,
}

/// A block that says nothing yet, except for hidden thoughts, which come whole.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Begin<'a> {
    Text { text: &'static str },
    Thinking { thinking: &'static str, signature: &'static str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Nothing },
}

/// `{}`.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

/// More of a block.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "content_block_delta")]
pub(super) struct BlockDelta<'a> {
    pub(super) index: usize,
    pub(super) delta: Delta<'a>,
}

/// What more there is.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

/// A block ends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "content_block_stop")]
pub(super) struct BlockStop {
    pub(super) index: usize,
}

/// The answer ends: why, and what it cost.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "message_delta")]
pub(super) struct MessageDelta<'a> {
    pub(super) delta: Stop<'a>,
    pub(super) usage: usage::Write,
}

/// Nothing follows.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "message_stop")]
pub(super) struct MessageStop {}
