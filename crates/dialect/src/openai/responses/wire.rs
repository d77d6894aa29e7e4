//! The events of a response as they are written.

use serde::Serialize;

use super::answer::Response;
use super::output::{Item, Kind, Last, Said};

/// An event that tells of an item, of whatever kind.
#[derive(Default, Serialize)]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<&'a Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[(); 0]>,
}

/// An event that holds the response as far as it has come.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    pub(super) response: Response<'a>,
}

/// What an `error` tells.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    pub(super) code: &'static str,
    pub(super) message: &'a str,
    pub(super) param: Option<()>,
}

#[derive(Serialize)]
struct Frame<T> {
    #[serde(rename = "type")]
    name: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    body: T,
}

impl<'a> Body<'a> {
    /// Of the piece that was begun last.
    pub(super) fn of(last: Last<'a>) -> Self {
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
pub(super) struct Wire {
    sequence_number: u64,
}

impl Wire {
    /// Appends one whole event.
    pub(super) fn tell(&mut self, name: &'static str, body: impl Serialize, out: &mut Vec<u8>) {
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
