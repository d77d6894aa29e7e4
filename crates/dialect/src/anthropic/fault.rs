//! Errors. Source: <https://platform.claude.com/docs/en/api/errors>.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json::{self, Str, fields};
use crate::Text;
use crate::fault::{Fault, FaultKind};

fields! {
    /// A body that tells of an error, in this dialect or in what its imitators make of it.
    Body<'a> {
        "error" => error: &'a RawValue,
        "message" => message: &'a RawValue,
    }
}

/// The error itself.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Error<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    message: Option<Str<'a>>,
}

/// What begins the message about a conversation that is too long. Clients know it by these words, and make
/// it shorter.
const TOO_LONG: &str = "prompt is too long";

/// Words of messages that say more than their type, in lower case.
const TELLING: [(&str, FaultKind); 8] = [
    (TOO_LONG, FaultKind::ContextTooLong),
    ("exceed context limit", FaultKind::ContextTooLong),
    ("exceeds the context", FaultKind::ContextTooLong),
    ("exceeds the available context", FaultKind::ContextTooLong),
    ("credit balance is too low", FaultKind::Billing),
    ("api usage limits", FaultKind::Billing),
    ("blocked by content filtering", FaultKind::ContentRefused),
    ("content filtering policy", FaultKind::ContentRefused),
];

/// Reads an error, whatever its body.
pub fn read_fault(status: u16, body: &[u8]) -> Fault<'_> {
    let body = json::read::<Body<'_>>(body).unwrap_or_default();
    let error = body.error.or(body.message).map(error).unwrap_or_default();
    error.into_fault(status)
}

/// Reads the error itself, of which some servers give only the text.
pub(super) fn error(json: &RawValue) -> Error<'_> {
    serde_json::from_str(json.get())
        .unwrap_or_else(|_| Error { kind: None, message: serde_json::from_str(json.get()).ok() })
}

impl<'a> Error<'a> {
    /// The error in no dialect. `status` says what its type does not.
    pub(super) fn into_fault(self, status: u16) -> Fault<'a> {
        let message = self.message.map(|message| message.0).filter(|message| !message.is_empty());
        let kind = kind_of(self.kind.as_ref().map(|kind| &*kind.0), status);
        let kind = message.as_deref().map_or(kind, |message| told_by(message, kind));
        let message = message.unwrap_or_else(|| format!("The provider answered {status}.").into());
        Fault { kind, message, retry_after_s: None }
    }
}

/// What kind of error it is by its message, where its type is the one for whatever the client did wrong.
fn told_by(message: &str, kind: FaultKind) -> FaultKind {
    if kind != FaultKind::BadRequest {
        return kind;
    }
    let message = message.to_ascii_lowercase();
    let telling = TELLING.iter().find(|(words, _)| message.contains(words));
    telling.map_or(kind, |(_, kind)| *kind)
}

fn kind_of(kind: Option<&str>, status: u16) -> FaultKind {
    match kind {
        Some("authentication_error") => FaultKind::Unauthenticated,
        Some("billing_error") => FaultKind::Billing,
        Some("permission_error") => FaultKind::Forbidden,
        Some("not_found_error") => FaultKind::NotFound,
        Some("conflict_error") => FaultKind::Conflict,
        Some("request_too_large") => FaultKind::TooLarge,
        Some("rate_limit_error") => FaultKind::RateLimited,
        Some("overloaded_error") => FaultKind::Overloaded,
        Some("timeout_error") => FaultKind::Timeout,
        Some("exceed_context_size_error") => FaultKind::ContextTooLong,
        Some("unavailable_error") => FaultKind::Unavailable,
        Some(_) | None => kind_of_status(status),
    }
}

const fn kind_of_status(status: u16) -> FaultKind {
    match status {
        401 => FaultKind::Unauthenticated,
        402 => FaultKind::Billing,
        403 => FaultKind::Forbidden,
        404 => FaultKind::NotFound,
        408 | 504 => FaultKind::Timeout,
        409 => FaultKind::Conflict,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        502 | 503 => FaultKind::Unavailable,
        529 => FaultKind::Overloaded,
        400..=499 => FaultKind::BadRequest,
        _ => FaultKind::Server,
    }
}

/// The status with which this dialect tells of an error.
pub const fn status_of(kind: FaultKind) -> u16 {
    match kind {
        FaultKind::BadRequest | FaultKind::ContextTooLong | FaultKind::ContentRefused => 400,
        FaultKind::Unauthenticated => 401,
        FaultKind::Billing => 402,
        FaultKind::Forbidden => 403,
        FaultKind::NotFound => 404,
        FaultKind::Conflict => 409,
        FaultKind::TooLarge => 413,
        FaultKind::RateLimited => 429,
        FaultKind::Server => 500,
        FaultKind::Unavailable => 503,
        FaultKind::Timeout => 504,
        FaultKind::Overloaded => 529,
    }
}

const fn type_of(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::BadRequest | FaultKind::ContextTooLong | FaultKind::ContentRefused => {
            "invalid_request_error"
        }
        FaultKind::Unauthenticated => "authentication_error",
        FaultKind::Billing => "billing_error",
        FaultKind::Forbidden => "permission_error",
        FaultKind::NotFound => "not_found_error",
        FaultKind::Conflict => "conflict_error",
        FaultKind::TooLarge => "request_too_large",
        FaultKind::RateLimited => "rate_limit_error",
        FaultKind::Server | FaultKind::Unavailable => "api_error",
        FaultKind::Overloaded => "overloaded_error",
        FaultKind::Timeout => "timeout_error",
    }
}

/// An error as we tell it; the same in a stream.
#[derive(Debug, Serialize)]
pub(super) struct Written<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    error: WrittenError<'a>,
    request_id: &'a str,
}

#[derive(Debug, Serialize)]
struct WrittenError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Text<'a>,
}

impl<'a> Written<'a> {
    /// `call` is our id of the call.
    pub(super) fn new(fault: &'a Fault<'_>, call: &'a str) -> Self {
        let is_unknown = fault.kind == FaultKind::ContextTooLong
            && !fault.message.to_ascii_lowercase().contains(TOO_LONG);
        let message = if is_unknown {
            format!("{TOO_LONG}: {}", fault.message).into()
        } else {
            Text::Borrowed(&*fault.message)
        };
        let error = WrittenError { kind: type_of(fault.kind), message };
        Self { name: "error", error, request_id: call }
    }
}

/// Writes an error. The status stands in the answer's head only; `call` is our id of the call.
pub fn write_fault(fault: &Fault<'_>, _status: u16, call: &str) -> Vec<u8> {
    json::write(&Written::new(fault, call))
}
