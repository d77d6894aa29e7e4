//! Errors. Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Words;
use crate::Text;
use crate::fault::{Fault, FaultKind};

/// The header with an error's name.
/// Source: <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>.
pub const ERROR_NAME: &str = "x-amzn-errortype";

/// What AWS says of any error; the name stands in a header, and sometimes here.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow, alias = "Message")]
    message: Option<Words<'a>>,
    #[serde(borrow, rename = "__type")]
    name: Option<Words<'a>>,
}

/// Words of messages that say more than the name of the error, in lower case.
const TELLING: [(&str, FaultKind); 6] = [
    ("prompt is too long", FaultKind::ContextTooLong),
    ("input is too long", FaultKind::ContextTooLong),
    ("too many input tokens", FaultKind::ContextTooLong),
    ("exceeds the maximum number of tokens", FaultKind::ContextTooLong),
    ("maximum context length", FaultKind::ContextTooLong),
    ("content filtering policy", FaultKind::ContentRefused),
];

/// Reads an error. `name`: what the header [`ERROR_NAME`] says. A body that is none tells nothing but its
/// status: it may be a page of some proxy, and is not for the client.
pub fn read_fault<'a>(status: u16, name: Option<&str>, body: &'a [u8]) -> Fault<'a> {
    let body: Body<'_> = serde_json::from_slice(body).unwrap_or_default();
    let said = body.name.unwrap_or_default().0;
    let kind = name.and_then(kind_of_name).or_else(|| kind_of_name(&said));
    let kind = kind.unwrap_or_else(|| kind_of_status(status));
    fault(kind, body.message, || format!("The provider answered with the status {status}."))
}

/// An error in a stream: an object with one member, the name of the exception and what it says.
pub(super) fn read_in_stream(json: &RawValue) -> Fault<'_> {
    let error: BTreeMap<Text<'_>, Body<'_>> = serde_json::from_str(json.get()).unwrap_or_default();
    let (name, body) = error.into_iter().next().unwrap_or_default();
    let kind = kind_of_name(&name).unwrap_or(FaultKind::Server);
    fault(kind, body.message, || "The provider's stream failed.".to_owned())
}

fn fault(
    kind: FaultKind,
    message: Option<Words<'_>>,
    unsaid: impl FnOnce() -> String,
) -> Fault<'_> {
    let message = message.map(|message| message.0).filter(|message| !message.is_empty());
    let kind = message.as_deref().map_or(kind, |message| told_by(message, kind));
    let message = message.unwrap_or_else(|| unsaid().into());
    Fault { kind, message, retry_after_s: None }
}

/// What kind of error it is by its message, where its name is the one for whatever the client did wrong.
fn told_by(message: &str, kind: FaultKind) -> FaultKind {
    if kind != FaultKind::BadRequest {
        return kind;
    }
    let message = message.to_ascii_lowercase();
    let telling = TELLING.iter().find(|(words, _)| message.contains(words));
    telling.map_or(kind, |(_, kind)| *kind)
}

/// What an error is by its name alone; `None`: the name is not known. `throttlingException` is the same as
/// `com.amazon.coral.service#ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.service/`.
pub fn kind_of_name(name: &str) -> Option<FaultKind> {
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    Some(match name.to_ascii_lowercase().as_str() {
        "validationexception" => FaultKind::BadRequest,
        "unrecognizedclientexception" | "expiredtokenexception" => FaultKind::Unauthenticated,
        "accessdeniedexception" => FaultKind::Forbidden,
        "resourcenotfoundexception" => FaultKind::NotFound,
        "conflictexception" => FaultKind::Conflict,
        "modeltimeoutexception" => FaultKind::Timeout,
        "throttlingexception" | "servicequotaexceededexception" => FaultKind::RateLimited,
        "modelnotreadyexception" => FaultKind::Overloaded,
        "serviceunavailableexception" => FaultKind::Unavailable,
        "internalserverexception" | "modelerrorexception" | "modelstreamerrorexception" => {
            FaultKind::Server
        }
        _ => return None,
    })
}

/// 424: the model failed.
const fn kind_of_status(status: u16) -> FaultKind {
    match status {
        401 => FaultKind::Unauthenticated,
        402 => FaultKind::Billing,
        403 => FaultKind::Forbidden,
        404 => FaultKind::NotFound,
        408 | 504 => FaultKind::Timeout,
        409 => FaultKind::Conflict,
        413 => FaultKind::TooLarge,
        424 => FaultKind::Server,
        429 => FaultKind::RateLimited,
        502 | 503 => FaultKind::Unavailable,
        529 => FaultKind::Overloaded,
        400..=499 => FaultKind::BadRequest,
        _ => FaultKind::Server,
    }
}
