//! Errors. Sources: <https://ai.google.dev/gemini-api/docs/troubleshooting>,
//! <https://cloud.google.com/apis/design/errors>.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::read::Words;
use crate::Text;
use crate::fault::{Fault, FaultKind};

#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Told<'a>,
}

#[derive(Debug, Deserialize)]
struct Told<'a> {
    /// Of any type: what is odd here must not lose the message.
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<Words<'a>>,
    #[serde(borrow)]
    status: Option<Words<'a>>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

/// Of `google.rpc.ErrorInfo` and `google.rpc.RetryInfo`, which are told apart by what they hold.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    reason: Option<Words<'a>>,
    #[serde(borrow, alias = "retry_delay")]
    retry_delay: Option<Words<'a>>,
}

/// Reads an error of a provider. A body that is none tells nothing but its status: it may be a page of
/// some proxy, and is not for the client.
pub fn read_fault(status: u16, body: &[u8]) -> Fault<'_> {
    told(body).map_or_else(|| unread(status), |told| told.into_fault(status))
}

fn told(body: &[u8]) -> Option<Told<'_>> {
    // Where a list was asked for, the error stands in one. Asked first: serde takes a list for a struct, too.
    if body.trim_ascii_start().starts_with(b"[") {
        let list: Vec<Body<'_>> = serde_json::from_slice(body).ok()?;
        return list.into_iter().next().map(|body| body.error);
    }
    serde_json::from_slice::<Body<'_>>(body).ok().map(|body| body.error)
}

/// An error in a stream, where nothing else says what kind it is.
pub(super) fn read_in_stream(json: &str) -> Fault<'_> {
    let told: Option<Told<'_>> = serde_json::from_str(json).ok();
    told.map_or_else(|| unread(500), |told| told.into_fault(500))
}

fn unread(status: u16) -> Fault<'static> {
    let message = format!("The provider answered with the status {status}.").into();
    Fault { kind: kind_of_status(status), message, retry_after_s: None }
}

impl<'a> Told<'a> {
    fn into_fault(self, status: u16) -> Fault<'a> {
        let code = self.code.and_then(|code| code.get().parse().ok());
        let status = code.filter(|_| status < 400 || status == 500).unwrap_or(status);
        let details = self.details.map(details).unwrap_or_default();
        let retry = details.iter().find_map(|detail| detail.retry_delay.as_ref());
        let retry_after_s = retry.and_then(|delay| seconds(&delay.0));
        let word = self.status.unwrap_or_default().0;
        let reason = details.iter().find_map(|detail| detail.reason.as_ref());
        let reason = reason.map_or("", |reason| &*reason.0);
        let message = self.message.unwrap_or_default().0;
        let kind = kind_of(reason, &word, &message).unwrap_or_else(|| kind_of_status(status));
        if message.is_empty() {
            return Fault { kind, retry_after_s, ..unread(status) };
        }
        Fault { kind, message, retry_after_s }
    }
}

/// Those that can be read.
fn details(list: &RawValue) -> Vec<Detail<'_>> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    list.into_iter().filter_map(|one| serde_json::from_str(one.get()).ok()).collect()
}

/// `30s` and `1.5s` in whole seconds, upwards: earlier would be too early.
fn seconds(delay: &str) -> Option<u64> {
    let number: f64 = delay.strip_suffix('s')?.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is neither negative nor above a day"
    )]
    (0.0..=86_400.0).contains(&number).then(|| number.ceil() as u64)
}

fn kind_of(reason: &str, word: &str, message: &str) -> Option<FaultKind> {
    Some(match (reason, word) {
        ("API_KEY_INVALID" | "API_KEY_EXPIRED", _) | (_, "UNAUTHENTICATED") => {
            FaultKind::Unauthenticated
        }
        ("BILLING_DISABLED", _) => FaultKind::Billing,
        (_, "INVALID_ARGUMENT") if is_too_long(message) => FaultKind::ContextTooLong,
        (_, "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "UNIMPLEMENTED") => {
            FaultKind::BadRequest
        }
        (_, "PERMISSION_DENIED") => FaultKind::Forbidden,
        (_, "NOT_FOUND") => FaultKind::NotFound,
        (_, "ABORTED" | "ALREADY_EXISTS") => FaultKind::Conflict,
        (_, "RESOURCE_EXHAUSTED") => FaultKind::RateLimited,
        (_, "INTERNAL" | "UNKNOWN" | "DATA_LOSS") => FaultKind::Server,
        (_, "UNAVAILABLE") if message.contains("overloaded") => FaultKind::Overloaded,
        (_, "UNAVAILABLE") => FaultKind::Unavailable,
        (_, "DEADLINE_EXCEEDED" | "CANCELLED") => FaultKind::Timeout,
        (_, _) => return None,
    })
}

/// `The input token count (…) exceeds the maximum number of tokens allowed (…).`
fn is_too_long(message: &str) -> bool {
    message.contains("token count") && message.contains("exceeds")
}

const fn kind_of_status(status: u16) -> FaultKind {
    match status {
        401 => FaultKind::Unauthenticated,
        402 => FaultKind::Billing,
        403 => FaultKind::Forbidden,
        404 => FaultKind::NotFound,
        408 | 499 | 504 => FaultKind::Timeout,
        409 => FaultKind::Conflict,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        400..500 => FaultKind::BadRequest,
        502 | 503 => FaultKind::Unavailable,
        529 => FaultKind::Overloaded,
        _ => FaultKind::Server,
    }
}

/// The HTTP status of a kind in this dialect.
pub const fn status_of(kind: FaultKind) -> u16 {
    match kind {
        FaultKind::BadRequest | FaultKind::ContextTooLong | FaultKind::ContentRefused => 400,
        FaultKind::Unauthenticated => 401,
        FaultKind::Forbidden => 403,
        FaultKind::NotFound => 404,
        FaultKind::Conflict => 409,
        FaultKind::TooLarge => 413,
        FaultKind::Billing | FaultKind::RateLimited => 429,
        FaultKind::Server => 500,
        FaultKind::Unavailable | FaultKind::Overloaded => 503,
        FaultKind::Timeout => 504,
    }
}

const fn word_of(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::BadRequest
        | FaultKind::ContextTooLong
        | FaultKind::ContentRefused
        | FaultKind::TooLarge => "INVALID_ARGUMENT",
        FaultKind::Unauthenticated => "UNAUTHENTICATED",
        FaultKind::Forbidden => "PERMISSION_DENIED",
        FaultKind::NotFound => "NOT_FOUND",
        FaultKind::Conflict => "ABORTED",
        FaultKind::Billing | FaultKind::RateLimited => "RESOURCE_EXHAUSTED",
        FaultKind::Server => "INTERNAL",
        FaultKind::Unavailable | FaultKind::Overloaded => "UNAVAILABLE",
        FaultKind::Timeout => "DEADLINE_EXCEEDED",
    }
}

/// `error` is the first and only field: Google's client for Python looks for exactly that in a stream.
#[derive(Serialize)]
struct BodyOut<'f> {
    error: Out<'f>,
}

#[derive(Serialize)]
struct Out<'f> {
    code: u16,
    message: &'f Text<'f>,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<DetailOut<'f>>,
}

#[derive(Serialize)]
#[serde(tag = "@type")]
enum DetailOut<'f> {
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
    Retry { retry_delay: String },
    #[serde(rename = "type.googleapis.com/google.rpc.RequestInfo", rename_all = "camelCase")]
    Request { request_id: &'f str },
}

/// Writes an error. `call` is our id of the call. The code in it is the HTTP status, if that is one of an
/// error; Google's clients read no other.
pub fn write_fault(fault: &Fault<'_>, status: u16, call: &str) -> Vec<u8> {
    let mut details = Vec::new();
    if let Some(after_s) = fault.retry_after_s {
        details.push(DetailOut::Retry { retry_delay: format!("{after_s}s") });
    }
    if !call.is_empty() {
        details.push(DetailOut::Request { request_id: call });
    }
    let code = if matches!(status, 400..600) { status } else { status_of(fault.kind) };
    let error = Out { code, message: &fault.message, status: word_of(fault.kind), details };
    // Numbers and texts: there is nothing in it that could not be written.
    serde_json::to_vec(&BodyOut { error }).unwrap_or_default()
}
