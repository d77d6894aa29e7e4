//! The head of an answer: which headers it has, and what must not be in it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::error::ProxyError;
use crate::redact::Needle;
use crate::relay::RelayBody;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The upstream's headers that the gateway reads or passes on; no other one is kept. None may carry
/// what identifies the provider's account.
const KEPT: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];

/// The answer to a call that was stopped.
pub(crate) fn refusal(error: &ProxyError) -> Response<RelayBody> {
    let mut answer = json(error.status(), error.body());
    error.write_headers(answer.headers_mut());
    answer
}

/// An answer of our own making.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response<RelayBody> {
    let mut answer = Response::new(RelayBody::whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, JSON);
    answer
}

/// The name of an upstream's header, if it is one to keep.
pub(crate) fn kept(name: &[u8]) -> Option<HeaderName> {
    KEPT.into_iter().find(|kept| kept.as_str().as_bytes().eq_ignore_ascii_case(name))
}

/// Makes the head of an answer from what was kept of the upstream's. A header that holds the
/// provider's credential is dropped.
pub(crate) fn head(
    status: StatusCode,
    mut kept: HeaderMap,
    secret: Option<&Needle>,
) -> Response<()> {
    kept.remove(header::CONTENT_ENCODING);
    let is_echo = |value: &HeaderValue| secret.is_some_and(|secret| secret.is_in(value.as_bytes()));
    if kept.values().any(is_echo) {
        let clean = kept.iter().filter(|(_, value)| !is_echo(value));
        kept = clean.map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = kept;
    answer
}

/// What an upstream's answer is made of.
pub(crate) enum Shape {
    Json,
    Events,
}

/// Reads the shape off the head; what this gateway cannot meter it does not relay.
pub(crate) fn shape(upstream: &HeaderMap) -> Result<Shape, &'static str> {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if upstream.get(header::CONTENT_ENCODING).is_some_and(|value| !is_plain(value)) {
        return Err("it is compressed, though we did not ask for that");
    }
    let kind = upstream.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"application/json") {
        Ok(Shape::Json)
    } else if kind.eq_ignore_ascii_case(b"text/event-stream") {
        Ok(Shape::Events)
    } else {
        Err("it is neither JSON nor an event stream")
    }
}

/// A stream of our own making.
pub(crate) fn events(body: RelayBody) -> Response<RelayBody> {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}
