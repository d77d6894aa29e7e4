//! `finishReason`. Source: <https://ai.google.dev/api/generate-content#FinishReason>.

use crate::answer::Finish;
use crate::fault::{Fault, FaultKind};

/// The provider's filter stopped it.
const FILTERED: [&str; 7] =
    ["SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"];

/// The same for pictures.
const FILTERED_IMAGES: [&str; 4] =
    ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"];

/// There is no good answer, whatever was said before.
const BROKEN: [&str; 7] = [
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "NO_IMAGE",
    "OTHER",
];

/// What an answer holds when it ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holds {
    pub(super) is_something: bool,
    pub(super) is_calls: bool,
}

/// Why it ended. That the model waits for outcomes is told only by the calls. A word that nobody knows ends
/// an answer that says something, and is the fault of one that does not.
pub(super) fn read(word: &str, holds: Holds) -> Finish<'static> {
    let is_filtered = FILTERED.contains(&word) || FILTERED_IMAGES.contains(&word);
    match word {
        "MAX_TOKENS" => Finish::OutputFull,
        _ if is_filtered => Finish::Filtered,
        _ if BROKEN.contains(&word) => Finish::Broken(word.to_owned().into()),
        _ if holds.is_calls => Finish::Calls,
        "STOP" => Finish::End,
        _ if holds.is_something => Finish::End,
        "" => Finish::Broken("FINISH_REASON_UNSPECIFIED".into()),
        _ => Finish::Broken(word.to_owned().into()),
    }
}

/// A reason as it is told to a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'f> {
    pub(super) reason: &'static str,
    pub(super) message: Option<&'f str>,
}

/// What a client is told. An answer in which the model refused is stopped for what it would have said.
pub(super) fn write<'f>(
    finish: &'f Finish<'_>,
    is_refusal: bool,
) -> Result<Told<'f>, Fault<'static>> {
    let told = |reason| Told { reason, message: None };
    Ok(match finish {
        Finish::End if is_refusal => told("SAFETY"),
        Finish::End | Finish::Stop(_) | Finish::Calls => told("STOP"),
        Finish::OutputFull | Finish::ContextFull => told("MAX_TOKENS"),
        Finish::Refused(why) => Told { reason: "SAFETY", message: why.as_deref() },
        Finish::Filtered => told("SAFETY"),
        Finish::Broken(word) => return Err(broken(word)),
    })
}

fn broken(word: &str) -> Fault<'static> {
    let message = format!("The model's answer could not be read by its provider ({word}).");
    Fault { kind: FaultKind::Server, message: message.into(), retry_after_s: None }
}

/// The arguments of a call are no JSON object, so that there is no way to tell them.
pub(super) fn broken_call() -> Fault<'static> {
    let message = "The model called a function with arguments that are no JSON object.";
    Fault { kind: FaultKind::Server, message: message.into(), retry_after_s: None }
}
