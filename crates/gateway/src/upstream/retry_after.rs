//! How long a provider wants to be left alone (RFC 9110, section 10.2.3).

use std::time::Duration;

use http::header;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::answer::Headers;

/// What `retry-after` says, as seconds or as a date. `None`: nothing that can be understood. A date that is
/// past says: now.
pub(crate) fn retry_after(headers: &Headers, now: Timestamp) -> Option<Duration> {
    let (_, value) = headers.iter().find(|(name, _)| *name == header::RETRY_AFTER)?;
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let after = |seconds| Some(Duration::from_secs(seconds));
        #[rustfmt::skip]
        let cases = [
            ("0",                             after(0)),
            (" 17 ",                          after(17)),
            ("18446744073709551615",          after(u64::MAX)),
            ("Sat, 21 Nov 2026 12:01:30 GMT", after(90)),
            ("Sat, 21 Nov 2026 11:00:00 GMT", after(0)),
            ("",                              None),
            ("-1",                            None),
            ("1.5",                           None),
            ("soon",                          None),
            ("99999999999999999999999",       None),
            ("Sat, 32 Nov 2026 12:01:30 GMT", None),
        ];
        for (text, expected) in cases {
            let value = HeaderValue::from_str(text).unwrap();
            let headers = Headers::from_iter([(header::RETRY_AFTER, value)]);
            assert_eq!(retry_after(&headers, now), expected, "{text}");
        }
        assert_eq!(retry_after(&Headers::new(), now), None);
    }
}
