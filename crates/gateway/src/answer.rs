//! The head of an answer: which headers it has, and what must not be in it.

use std::sync::Arc;

use bytes::Bytes;
use doorward_dialect::{Dialect, Provider, bedrock};
use doorward_domain::id::CallId;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::error::ProxyError;
use crate::redact::Needle;
use crate::relay::RelayBody;
use crate::route::Work;
use crate::transcript::Transcript;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The upstream's headers that the gateway reads or passes on; no other one is kept. None may carry
/// what identifies the provider's account.
const KEPT: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
    ERROR_NAME,
];
/// What Amazon calls an error; the client gets it in its own words.
const ERROR_NAME: HeaderName = HeaderName::from_static(bedrock::ERROR_NAME);

/// Headers of an answer, besides those that tell of its call; nearly always one or two.
pub(crate) type Headers = smallvec::SmallVec<[(HeaderName, HeaderValue); 2]>;

/// An answer, but for what its headers tell of the call.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    pub(crate) body: RelayBody,
}

impl Answer {
    /// The answer to a call that was stopped.
    pub(crate) fn refusal(error: &ProxyError, dialect: Dialect, call: CallId) -> Self {
        let mut answer = Self::json(error.status(), error.told().body(dialect, call));
        answer.headers.extend(error.headers());
        answer
    }

    /// JSON of our own making.
    pub(crate) fn json(status: StatusCode, body: Bytes) -> Self {
        let headers = Headers::from_iter([(header::CONTENT_TYPE, JSON)]);
        Self { status, headers, body: RelayBody::whole(body) }
    }

    /// Something else of our own making.
    pub(crate) fn of_kind(kind: &'static str, body: Bytes) -> Self {
        let headers = Headers::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Self { status: StatusCode::OK, headers, body: RelayBody::whole(body) }
    }

    /// A stream of our own making.
    pub(crate) fn events(body: RelayBody) -> Self {
        let headers = [(header::CONTENT_TYPE, EVENTS), (header::CACHE_CONTROL, NO_CACHE)];
        Self { status: StatusCode::OK, headers: headers.into(), body }
    }

    /// A stream as one list of JSON.
    pub(crate) fn list(body: RelayBody) -> Self {
        let headers = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, NO_CACHE)];
        Self { status: StatusCode::OK, headers: headers.into(), body }
    }

    /// Has the transcript of the call read along what goes to the client.
    pub(crate) fn read_along(&mut self, mut transcript: Box<Transcript>) {
        transcript.begin_answer(&self.headers, matches!(self.body, RelayBody::Live(_)));
        self.body.read_along(transcript);
    }

    /// `headers` is an empty map, with room for them.
    pub(crate) fn into_response(self, mut headers: HeaderMap) -> Response<RelayBody> {
        headers.extend(self.headers);
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// The name of an upstream's header, if it is one to keep.
pub(crate) fn kept(name: &[u8]) -> Option<HeaderName> {
    KEPT.into_iter().find(|kept| kept.as_str().as_bytes().eq_ignore_ascii_case(name))
}

/// What of the upstream's headers goes on to the client: nothing that holds the provider's credential.
pub(crate) fn clean(mut kept: Headers, secret: Option<&Arc<Needle>>) -> Headers {
    kept.retain(|(name, value)| {
        let is_echo = secret.is_some_and(|secret| secret.is_in(value.as_bytes()));
        *name != header::CONTENT_ENCODING && *name != ERROR_NAME && !is_echo
    });
    kept
}

/// What an upstream's answer is made of.
pub(crate) enum Shape {
    Json,
    Events,
    /// Sound or text, which tells nothing of what it cost.
    Plain,
}

/// The media type of a provider's streams.
const fn stream_type(provider: Provider) -> &'static [u8] {
    match provider {
        Provider::Dialect(_) => b"text/event-stream",
        Provider::Bedrock => b"application/vnd.amazon.eventstream",
    }
}

/// Reads the shape off the head; what this gateway cannot meter it does not relay.
pub(crate) fn shape(
    upstream: &Headers,
    provider: Provider,
    work: Work,
) -> Result<Shape, &'static str> {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    let find = |wanted| upstream.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    if find(header::CONTENT_ENCODING).is_some_and(|value| !is_plain(value)) {
        return Err("it is compressed, though we did not ask for that");
    }
    let kind = find(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    // Nobody can listen to JSON.
    if kind.eq_ignore_ascii_case(b"application/json") && work != Work::Speech {
        Ok(Shape::Json)
    } else if kind.eq_ignore_ascii_case(stream_type(provider)) {
        Ok(Shape::Events)
    } else if is_plain_of(work, &kind.to_ascii_lowercase()) {
        Ok(Shape::Plain)
    } else {
        Err("it is of no kind that this route has")
    }
}

/// Whether a route has answers of this kind beside JSON and events.
fn is_plain_of(work: Work, kind: &[u8]) -> bool {
    match work {
        Work::Speech => kind.starts_with(b"audio/") || kind == b"application/octet-stream",
        Work::Transcript => {
            matches!(kind, b"text/plain" | b"text/vtt" | b"text/srt" | b"application/x-subrip")
        }
        Work::Chat
        | Work::Completion
        | Work::Response
        | Work::Prompt
        | Work::Embedding
        | Work::Moderation
        | Work::Picture
        | Work::Ranking
        | Work::Count => false,
    }
}
