//! The head of an answer: which headers it has, and what must not be in it.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use doorward_domain::credential::KeyId;
use doorward_domain::id::CallId;
use doorward_store::{Admitted, Quota};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::error::ProxyError;
use crate::redact::Needle;
use crate::relay::RelayBody;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const KEY: HeaderName = HeaderName::from_static("x-doorward-key");
const MODEL: HeaderName = HeaderName::from_static("x-doorward-model");
const PROVIDER: HeaderName = HeaderName::from_static("x-doorward-provider");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-doorward-attempts");
const MAX_TOKENS: HeaderName = HeaderName::from_static("x-doorward-max-tokens");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The three headers of one kind of limit.
const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// What an upstream's answer may tell the client beside its body.
const PASSED: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];

/// What is known about a call while it goes its way; the answer's headers tell it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) key: Option<KeyId>,
    pub(crate) model: Option<HeaderValue>,
    pub(crate) provider: Option<HeaderValue>,
    pub(crate) attempts: u32,
    pub(crate) quotas: Admitted,
    /// Set where a budget lowered the call's `max_tokens`.
    pub(crate) lowered_to: Option<u64>,
}

/// Text values of one answer, cut from one allocation.
struct Values(BytesMut);

impl Values {
    fn make(&mut self, text: std::fmt::Arguments<'_>) -> HeaderValue {
        // Writing to a growing buffer cannot fail; a bad byte makes an empty value.
        let written = self.0.write_fmt(text).is_ok();
        let value = HeaderValue::from_maybe_shared(self.0.split().freeze()).ok();
        value.filter(|_| written).unwrap_or_else(|| HeaderValue::from_static(""))
    }
}

impl Facts {
    /// Writes what is known to an answer's headers.
    pub(crate) fn write_headers(&self, id: CallId, headers: &mut HeaderMap) {
        let mut values = Values(BytesMut::with_capacity(320));
        headers.insert(REQUEST_ID, values.make(format_args!("{id}")));
        if let Some(key) = &self.key {
            headers.insert(KEY, values.make(format_args!("{key}")));
        }
        if let Some(model) = &self.model {
            headers.insert(MODEL, model.clone());
        }
        if let Some(provider) = &self.provider {
            headers.insert(PROVIDER, provider.clone());
        }
        if self.attempts > 1 {
            headers.insert(ATTEMPTS, self.attempts.into());
        }
        if let Some(tokens) = self.lowered_to {
            headers.insert(MAX_TOKENS, tokens.into());
        }
        self.write_quotas(&mut values, headers);
    }

    fn write_quotas(&self, values: &mut Values, headers: &mut HeaderMap) {
        let kinds =
            [("requests", REQUESTS, self.quotas.requests), ("tokens", TOKENS, self.quotas.tokens)];
        for (kind, names, quota) in kinds {
            let Some(quota) = quota else { continue };
            let [limit, remaining, reset] = names;
            headers.insert(limit, quota.limit.into());
            headers.insert(remaining, quota.remaining.into());
            headers.insert(reset, values.make(format_args!("{}", Wait(quota.reset_us))));
            headers.append(POLICY, values.make(format_args!("{}", Policy(kind, quota))));
            headers.append(STATE, values.make(format_args!("{}", State(kind, quota))));
        }
    }
}

/// A wait as OpenAI writes it: `12ms`, `1s`, `6m0s`, rounded up.
struct Wait(u64);

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.div_ceil(1_000);
        if ms < 1_000 {
            return write!(f, "{ms}ms");
        }
        let seconds = self.0.div_ceil(1_000_000);
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        match (hours, minutes) {
            (0, 0) => write!(f, "{seconds}s"),
            (0, _) => write!(f, "{minutes}m{}s", seconds % 60),
            _ => write!(f, "{hours}h{minutes}m{}s", seconds % 60),
        }
    }
}

/// The `RateLimit-Policy` of one limit (draft-ietf-httpapi-ratelimit-headers-10, section 3).
struct Policy<'a>(&'a str, Quota);

impl std::fmt::Display for Policy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\";q={};w={}", self.0, self.1.limit, self.1.window_seconds)
    }
}

/// The `RateLimit` of one limit (the same draft, section 4).
struct State<'a>(&'a str, Quota);

impl std::fmt::Display for State<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\";r={};t={}", self.0, self.1.remaining, self.1.reset_us.div_ceil(1_000_000))
    }
}

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

/// The head of a relayed answer, built from an allow-list.
pub(crate) fn head(
    status: StatusCode,
    upstream: &HeaderMap,
    secret: Option<&Needle>,
) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.reserve(20);
    for name in PASSED {
        let value = upstream
            .get(&name)
            .filter(|value| !secret.is_some_and(|secret| secret.is_in(value.as_bytes())));
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_and_written_as_clients_read_them() {
        #[rustfmt::skip]
        let cases = [
            (0,             "0ms"),
            (1,             "1ms"),
            (11_001,        "12ms"),
            (999_001,       "1s"),
            (1_000_001,     "2s"),
            (60_000_000,    "1m0s"),
            (360_000_000,   "6m0s"),
            (3_661_000_000, "1h1m1s"),
        ];
        for (us, expected) in cases {
            assert_eq!(Wait(us).to_string(), expected, "{us}");
        }
    }

    #[test]
    fn both_kinds_of_limit_are_told_in_both_families() {
        let quota = Quota { limit: 100, remaining: 50, reset_us: 29_500_000, window_seconds: 60 };
        let facts = Facts {
            quotas: Admitted { requests: Some(quota), tokens: Some(quota) },
            ..Facts::default()
        };
        let mut headers = HeaderMap::new();
        facts.write_headers(CallId::new(0, 0), &mut headers);
        let all = |name: &str| -> Vec<_> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(all("x-ratelimit-remaining-requests"), ["50"]);
        assert_eq!(all("x-ratelimit-reset-tokens"), ["30s"]);
        assert_eq!(all("ratelimit-policy"), [r#""requests";q=100;w=60"#, r#""tokens";q=100;w=60"#]);
        assert_eq!(all("ratelimit"), [r#""requests";r=50;t=30"#, r#""tokens";r=50;t=30"#]);
    }
}
