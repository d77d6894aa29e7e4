//! Errors of this dialect.
//!
//! Source: <https://platform.openai.com/docs/guides/error-codes>.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::wire::{Said, or_nothing};
use crate::Text;
use crate::count::Count;
use crate::fault::{Fault, FaultKind};

/// The longest message that is passed on, in bytes; a page of a proxy in between is no message.
const MESSAGE_BYTES_MAX: usize = 2_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// vLLM once wrote `{"object":"error","message":…}`.
    #[serde(borrow)]
    object: Said<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorIn<'a> {
    #[serde(borrow)]
    message: Said<'a>,
    #[serde(borrow, rename = "type")]
    kind: Said<'a>,
    /// A word, or a status as a number.
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

/// Reads any body that came with an error, also one that is no JSON. `status` is the one that it came with;
/// an error inside an answer or a stream came with 200, and then its own code counts.
pub fn read_fault(status: u16, body: &[u8]) -> Fault<'_> {
    match serde_json::from_slice::<&RawValue>(body) {
        Ok(json) => fault_in(status, json),
        Err(_) => Fault {
            kind: kind_of_status(status),
            message: plain_message(status, body),
            retry_after_s: None,
        },
    }
}

/// The error that a chunk of a stream tells of, if it does: `error` may be null, which is none.
pub(super) fn fault_in_chunk<'a>(
    error: Option<&'a RawValue>,
    chunk: &'a RawValue,
) -> Option<Fault<'a>> {
    let object =
        |chunk: &'a RawValue| or_nothing::<Body<'a>>(Some(chunk)).unwrap_or_default().object;
    match error.map(RawValue::get) {
        Some("null" | "false" | "\"\"") => None,
        Some(_) => Some(fault_in(200, chunk)),
        None if object(chunk).0.as_deref() == Some("error") => Some(fault_in(200, chunk)),
        None => None,
    }
}

fn fault_in(status: u16, json: &RawValue) -> Fault<'_> {
    let body: Body<'_> = or_nothing(Some(json)).unwrap_or_default();
    let inner = body.error.unwrap_or(json);
    if let Some(message) = or_nothing::<Said<'_>>(Some(inner)).unwrap_or_default().filled() {
        return Fault {
            kind: kind_of_status(status),
            message: bounded(message),
            retry_after_s: None,
        };
    }
    let error: ErrorIn<'_> = or_nothing(Some(inner)).unwrap_or_default();
    let code = or_nothing::<Said<'_>>(error.code).unwrap_or_default().0.unwrap_or_default();
    let status = own_status(status, error.code);
    let kind = error.kind.0.unwrap_or_default();
    let message = error.message.filled().map_or_else(|| nothing_said(status), bounded);
    Fault { kind: kind_of(status, &kind, &code), message, retry_after_s: None }
}

/// The status that the code names, where the one of HTTP says nothing.
fn own_status(status: u16, code: Option<&RawValue>) -> u16 {
    if status >= 400 {
        return status;
    }
    let number = or_nothing::<Count>(code).unwrap_or_default().0;
    let number = number.and_then(|number| u16::try_from(number).ok());
    number.filter(|number| (400..600).contains(number)).unwrap_or(status)
}

/// The words of OpenAI, Azure, llama.cpp, vLLM and `OpenRouter`; the status where they say nothing clearer.
fn kind_of(status: u16, kind: &str, code: &str) -> FaultKind {
    match (code, kind) {
        ("context_length_exceeded", _) | (_, "exceed_context_size_error") => {
            FaultKind::ContextTooLong
        }
        ("content_policy_violation" | "content_filter", _) => FaultKind::ContentRefused,
        ("insufficient_quota" | "billing_hard_limit_reached", _) | (_, "insufficient_quota") => {
            FaultKind::Billing
        }
        ("invalid_api_key", _) | (_, "authentication_error") => FaultKind::Unauthenticated,
        ("model_not_found", _) | (_, "not_found_error") => FaultKind::NotFound,
        ("rate_limit_exceeded", _) | (_, "rate_limit_error") => FaultKind::RateLimited,
        ("server_is_overloaded" | "slow_down" | "overloaded", _) | (_, "overloaded_error") => {
            FaultKind::Overloaded
        }
        (_, "unavailable_error" | "service_unavailable_error") => FaultKind::Unavailable,
        (_, "permission_error") => FaultKind::Forbidden,
        (_, "invalid_request_error" | "BadRequestError") if status < 400 => FaultKind::BadRequest,
        (_, _) => kind_of_status(status),
    }
}

const fn kind_of_status(status: u16) -> FaultKind {
    match status {
        401 => FaultKind::Unauthenticated,
        402 => FaultKind::Billing,
        403 => FaultKind::Forbidden,
        404 | 410 => FaultKind::NotFound,
        408 | 504 => FaultKind::Timeout,
        409 => FaultKind::Conflict,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        400..=499 => FaultKind::BadRequest,
        502 | 503 => FaultKind::Unavailable,
        529 => FaultKind::Overloaded,
        _ => FaultKind::Server,
    }
}

/// The status that OpenAI gives such an error.
pub const fn status_of(kind: FaultKind) -> u16 {
    face_of(kind).0
}

/// The word by which a program knows it, where there is one.
pub(super) const fn code_of(kind: FaultKind) -> Option<&'static str> {
    face_of(kind).2
}

/// Status, `type` and `code`.
const fn face_of(kind: FaultKind) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        FaultKind::BadRequest => (400, INVALID, None),
        FaultKind::ContextTooLong => (400, INVALID, Some("context_length_exceeded")),
        FaultKind::ContentRefused => (400, INVALID, Some("content_policy_violation")),
        FaultKind::Unauthenticated => (401, INVALID, Some("invalid_api_key")),
        FaultKind::Billing => (429, "insufficient_quota", Some("insufficient_quota")),
        FaultKind::Forbidden => (403, "permission_error", None),
        FaultKind::NotFound => (404, INVALID, Some("model_not_found")),
        FaultKind::Conflict => (409, INVALID, None),
        FaultKind::TooLarge => (413, INVALID, Some("request_too_large")),
        FaultKind::RateLimited => (429, "requests", Some("rate_limit_exceeded")),
        FaultKind::Server => (500, SERVER, None),
        FaultKind::Unavailable => (503, SERVER, Some("upstream_unavailable")),
        FaultKind::Overloaded => (503, SERVER, Some("overloaded")),
        FaultKind::Timeout => (504, SERVER, Some("upstream_timeout")),
    }
}

#[derive(Serialize)]
struct BodyOut<'a> {
    error: ErrorOut<'a>,
}

#[derive(Serialize)]
struct ErrorOut<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<()>,
    code: Option<&'static str>,
}

/// Writes the body of an error. This dialect has no place in it for the status or for the id of the call,
/// which stands in a header.
pub fn write_fault(fault: &Fault<'_>, _status: u16, _call: &str) -> Vec<u8> {
    let (_, kind, code) = face_of(fault.kind);
    let error = ErrorOut { message: &fault.message, kind, param: None, code };
    // Texts are all that is in it, so it cannot fail.
    serde_json::to_vec(&BodyOut { error }).unwrap_or_default()
}

/// Writes an error into a stream that has begun. Nothing may follow it, not even `[DONE]`.
pub fn write_fault_event(fault: &Fault<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&write_fault(fault, 0, ""));
    out.extend_from_slice(b"\n\n");
}

fn nothing_said(status: u16) -> Text<'static> {
    if status < 400 {
        return "The provider tells of an error, but not of which.".into();
    }
    format!("The provider answered with status {status}.").into()
}

/// A line of text is a message; a page is not.
fn plain_message(status: u16, body: &[u8]) -> Text<'_> {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    if text.is_empty() || text.starts_with(['<', '{', '[']) || text.len() > MESSAGE_BYTES_MAX {
        return nothing_said(status);
    }
    text.into()
}

fn bounded(message: Text<'_>) -> Text<'_> {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message;
    }
    let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
    format!("{}…", message.get(..end).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_again_from_what_is_written() {
        for kind in FaultKind::ALL {
            let fault = Fault { kind, message: "\"Why\" – so.".into(), retry_after_s: None };
            let body = write_fault(&fault, status_of(kind), "call_1");
            assert_eq!(read_fault(status_of(kind), &body), fault);
        }
    }

    #[test]
    fn every_shape_of_error_is_read() {
        use FaultKind::*;
        const NOTHING: &str = "The provider answered with status 502.";
        #[rustfmt::skip]
        let cases: [(u16, &str, FaultKind, &str); 24] = [
            (401, r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#, Unauthenticated, "Incorrect API key provided: sk-x."),
            (429, r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#, Billing, "You exceeded your current quota."),
            (429, r#"{"error":{"message":"Slow.","type":"tokens","code":"rate_limit_exceeded"}}"#,        RateLimited,     "Slow."),
            (400, r#"{"error":{"message":"Too long.","type":"invalid_request_error","code":"context_length_exceeded"}}"#, ContextTooLong, "Too long."),
            (400, r#"{"error":{"code":400,"message":"too big","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}"#, ContextTooLong, "too big"),
            (503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,       Unavailable,     "Loading model"),
            (400, r#"{"error":{"code":"content_filter","message":"No.","innererror":{},"status":400}}"#,  ContentRefused,  "No."),
            (404, r#"{"object":"error","message":"No such model.","type":"NotFoundError","code":404}"#,   NotFound,        "No such model."),
            (200, r#"{"object":"error","message":"No such model.","type":"NotFoundError","code":404}"#,   NotFound,        "No such model."),
            (404, r#"{"error":"model \"x\" not found"}"#,                                                NotFound,        "model \"x\" not found"),
            (200, r#"{"error":{"code":502,"message":"Provider disconnected","metadata":{}}}"#,            Unavailable,     "Provider disconnected"),
            (200, r#"{"error":{"code":"429","message":"Wait"}}"#,                                         RateLimited,     "Wait"),
            (200, r#"{"error":{"message":"Bad","type":"invalid_request_error"}}"#,                        BadRequest,      "Bad"),
            (200, r#"{"error":{"message":"Boom","type":"server_error"}}"#,                                Server,          "Boom"),
            (200, r#"{"error":{}}"#,                                                                      Server,          "The provider tells of an error, but not of which."),
            (502, "<html><body>Bad gateway</body></html>",                                                Unavailable,     NOTHING),
            (502, "",                                                                                     Unavailable,     NOTHING),
            (502, "{\"error\":{\"mess",                                                                   Unavailable,     NOTHING),
            (502, "\"\"",                                                                                 Unavailable,     NOTHING),
            (502, "[]",                                                                                   Unavailable,     NOTHING),
            (502, r#"{"error":{"message":7,"type":[],"code":{}}}"#,                                       Unavailable,     NOTHING),
            (500, "upstream connect error",                                                               Server,          "upstream connect error"),
            (529, "Overloaded\n",                                                                         Overloaded,      "Overloaded"),
            (422, r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,                              BadRequest,      "The provider answered with status 422."),
        ];
        for (status, body, kind, message) in cases {
            let fault = read_fault(status, body.as_bytes());
            assert_eq!((fault.kind, fault.message.as_ref()), (kind, message), "{status} {body}");
        }
    }

    #[test]
    fn a_message_is_bounded_and_cut_between_letters() {
        let long = format!(r#"{{"error":{{"message":"x{}"}}}}"#, "é".repeat(5_000));
        let fault = read_fault(500, long.as_bytes());
        assert!(fault.message.len() < MESSAGE_BYTES_MAX + 4, "{}", fault.message.len());
        assert!(fault.message.ends_with("é…"));
        let page = "x".repeat(MESSAGE_BYTES_MAX + 1);
        assert_eq!(
            read_fault(500, page.as_bytes()).message,
            "The provider answered with status 500."
        );
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read(status: u16, body: Vec<u8>, text: String) {
            assert!(!read_fault(status, &body).message.is_empty());
            let quoted = serde_json::json!({ "error": { "message": text, "code": text } });
            assert!(!read_fault(status, quoted.to_string().as_bytes()).message.is_empty());
        }
    }
}
