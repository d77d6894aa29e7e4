//! What the headers of an answer tell about its call.

use std::fmt::Write as _;

use bytes::BytesMut;
use doorward_dialect::Dialect;
use doorward_domain::credential::KeyId;
use doorward_domain::id::{CallId, OrganizationId};
use doorward_store::{Admitted, Quota};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::cors;
use crate::timing::{Timing, Waiting};
use crate::trace::SpanContext;
use crate::transcript::Transcript;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The same where Anthropic's clients look for it.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const KEY: HeaderName = HeaderName::from_static("x-doorward-key");
const MODEL: HeaderName = HeaderName::from_static("x-doorward-model");
const PROVIDER: HeaderName = HeaderName::from_static("x-doorward-provider");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-doorward-attempts");
const MAX_TOKENS: HeaderName = HeaderName::from_static("x-doorward-max-tokens");
const TIMING: HeaderName = HeaderName::from_static("server-timing");
const DROPPED: HeaderName = HeaderName::from_static("x-doorward-dropped");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

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

/// As Anthropic's clients look for them.
/// Source: <https://platform.claude.com/docs/en/api/rate-limits#response-headers>.
const ANTHROPIC_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
const ANTHROPIC_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
];

/// What is known about a call while it goes its way; the answer's headers tell it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) key: Option<KeyId>,
    /// Whose key it is.
    pub(crate) organization: Option<OrganizationId>,
    /// The model that was asked for and is none of the key's.
    pub(crate) refused_model: Option<Box<str>>,
    pub(crate) model: Option<HeaderValue>,
    pub(crate) provider: Option<HeaderValue>,
    pub(crate) attempts: u32,
    pub(crate) quotas: Admitted,
    /// Set where a budget lowered the call's `max_tokens`.
    pub(crate) lowered_to: Option<u64>,
    /// What was left out of the request because the client allows it, by its names.
    pub(crate) dropped: Vec<String>,
    /// Where the call stands in its trace, where that is recorded.
    pub(crate) span: Option<SpanContext>,
    /// How long we take, where answers are to tell it.
    pub(crate) timing: Option<Timing>,
    /// The web page that may read the answer.
    pub(crate) reader: Option<HeaderValue>,
    /// What the call asks and is answered, where its project keeps that.
    pub(crate) transcript: Option<Box<Transcript>>,
}

impl Facts {
    /// Somebody else has the call, until what this gives is dropped.
    pub(crate) fn waiting(&self) -> Option<Waiting<'_>> {
        self.timing.as_ref().map(Timing::waiting)
    }

    /// Writes what is known to an answer's headers, as clients of its dialect read them.
    pub(crate) fn write_headers(
        &self,
        (id, dialect, now): (CallId, Dialect, Timestamp),
        headers: &mut HeaderMap,
    ) {
        let mut values = Values(BytesMut::with_capacity(VALUES_BYTES));
        let request = values.make(|text| text.display(&id));
        if dialect == Dialect::Anthropic {
            headers.insert(ANTHROPIC_REQUEST_ID, request.clone());
            self.write_anthropic_quotas(now, &mut values, headers);
        }
        headers.insert(REQUEST_ID, request);
        if let Some(key) = &self.key {
            headers.insert(KEY, values.make(|text| text.text(key.as_str())));
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
        if !self.dropped.is_empty() {
            headers.insert(DROPPED, values.make(|text| write_names(text, &self.dropped)));
        }
        if let Some(timing) = &self.timing {
            headers.insert(TIMING, values.make(|text| write_timing(text, timing.own_us())));
        }
        self.write_quotas(&mut values, headers);
        if let Some(reader) = &self.reader {
            cors::let_read(reader, headers);
        }
    }

    fn write_quotas(&self, values: &mut Values, headers: &mut HeaderMap) {
        for (names, quota) in [(REQUESTS, &self.quotas.requests), (TOKENS, &self.quotas.tokens)] {
            let Some(quota) = quota else { continue };
            let [limit, remaining, reset] = names;
            headers.insert(limit, values.make(|text| text.number(quota.limit.into())));
            headers.insert(remaining, values.make(|text| text.number(quota.remaining.into())));
            headers.insert(reset, values.make(|text| write_wait(text, quota.reset_us)));
        }
        if self.quotas.requests.is_some() || self.quotas.tokens.is_some() {
            headers.insert(POLICY, values.make(|text| self.write_list(text, write_policy)));
            headers.insert(STATE, values.make(|text| self.write_list(text, write_state)));
        }
    }

    fn write_anthropic_quotas(&self, now: Timestamp, values: &mut Values, headers: &mut HeaderMap) {
        let kinds =
            [(ANTHROPIC_REQUESTS, &self.quotas.requests), (ANTHROPIC_TOKENS, &self.quotas.tokens)];
        for (names, quota) in kinds {
            let Some(quota) = quota else { continue };
            let [limit, remaining, reset] = names;
            headers.insert(limit, values.make(|text| text.number(quota.limit.into())));
            headers.insert(remaining, values.make(|text| text.number(quota.remaining.into())));
            let at = instant(now, quota.reset_us);
            headers.insert(reset, values.make(|text| text.display(&at)));
        }
    }

    /// One list for both kinds of limit.
    fn write_list(&self, text: &mut Text<'_>, write: fn(&mut Text<'_>, &Quota)) {
        let kinds = [("requests", &self.quotas.requests), ("tokens", &self.quotas.tokens)];
        let mut before = "\"";
        for (kind, quota) in kinds {
            let Some(quota) = quota else { continue };
            text.text(before);
            text.text(kind);
            text.text("\"");
            write(text, quota);
            before = ", \"";
        }
    }
}

/// Milliseconds (<https://www.w3.org/TR/server-timing/>, section 2).
fn write_timing(text: &mut Text<'_>, us: u64) {
    text.display(&format_args!("gateway;dur={}.{:03}", us / 1_000, us % 1_000));
}

/// When all of a limit is back, in whole seconds, rounded up.
fn instant(now: Timestamp, reset_us: u64) -> Timestamp {
    let us = i64::try_from(reset_us).unwrap_or(i64::MAX).saturating_add(now.as_microsecond());
    let seconds = us.saturating_add(999_999).div_euclid(1_000_000);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// The policy of one limit (draft-ietf-httpapi-ratelimit-headers-10, section 3).
fn write_policy(text: &mut Text<'_>, quota: &Quota) {
    text.text(";q=");
    text.number(quota.limit.into());
    text.text(";w=");
    text.number(quota.window_seconds);
}

/// The state of one limit (the same draft, section 4).
fn write_state(text: &mut Text<'_>, quota: &Quota) {
    text.text(";r=");
    text.number(quota.remaining.into());
    text.text(";t=");
    text.number(quota.reset_us.div_ceil(1_000_000));
}

/// Longest list of names, in bytes: there are proxies that refuse an answer with a long head.
const NAMES_BYTES_MAX: usize = 2_048;

/// Names of fields; what a header cannot carry of them is a question mark.
fn write_names(text: &mut Text<'_>, names: &[String]) {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let mut list: String = names.join(", ").chars().map(plain).collect();
    if list.len() > NAMES_BYTES_MAX {
        list.truncate(NAMES_BYTES_MAX);
        list.push_str("...");
    }
    text.text(&list);
}

/// A wait as OpenAI writes it: `12ms`, `1s`, `6m0s`, rounded up.
fn write_wait(text: &mut Text<'_>, us: u64) {
    let ms = us.div_ceil(1_000);
    if ms < 1_000 {
        text.number(ms);
        return text.text("ms");
    }
    let seconds = us.div_ceil(1_000_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    if hours > 0 {
        text.number(hours);
        text.text("h");
    }
    if hours > 0 || minutes > 0 {
        text.number(minutes);
        text.text("m");
    }
    text.number(seconds % 60);
    text.text("s");
}

/// Room for the values of one answer.
const VALUES_BYTES: usize = 320;

/// Text values of one answer, cut from one allocation.
struct Values(BytesMut);

/// A value that is being written. Plain appends: the machinery of `format!` costs a microsecond for
/// all of an answer's headers.
struct Text<'a>(&'a mut BytesMut);

impl Values {
    fn make(&mut self, write: impl FnOnce(&mut Text<'_>)) -> HeaderValue {
        write(&mut Text(&mut self.0));
        let value = HeaderValue::from_maybe_shared(self.0.split().freeze());
        value.unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl Text<'_> {
    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.text(itoa::Buffer::new().format(number));
    }

    fn display(&mut self, value: &impl std::fmt::Display) {
        // Writing to a growing buffer cannot fail.
        let _written = write!(self.0, "{value}");
    }
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
            let value = Values(BytesMut::new()).make(|text| write_wait(text, us));
            assert_eq!(value, expected, "{us}");
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
        let now = Timestamp::from_microsecond(1_500_000).unwrap();
        facts.write_headers((CallId::new(0, 0), Dialect::Anthropic, now), &mut headers);
        let all = |name: &str| -> Vec<_> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(all("x-ratelimit-remaining-requests"), ["50"]);
        assert_eq!(all("x-ratelimit-reset-tokens"), ["30s"]);
        assert_eq!(all("anthropic-ratelimit-requests-limit"), ["100"]);
        assert_eq!(all("anthropic-ratelimit-tokens-reset"), ["1970-01-01T00:00:31Z"]);
        assert_eq!(all("request-id"), all("x-request-id"));
        assert_eq!(all("ratelimit-policy"), [r#""requests";q=100;w=60, "tokens";q=100;w=60"#]);
        assert_eq!(all("ratelimit"), [r#""requests";r=50;t=30, "tokens";r=50;t=30"#]);
    }
}
