//! Times, as people say them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::text::text_with;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `just now`, `2 minutes ago`, `in 71 days`: in the largest unit of which there is one, days at most. What is to
/// come is rounded, so that what was just said to end in 90 days does not end in 89.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second().saturating_sub(now.as_second());
    let is_ahead = seconds > 0;
    let seconds = seconds.saturating_abs();
    if seconds < MINUTE {
        return text_with(if is_ahead { "time-soon" } else { "time-now" }, "n", 0);
    }
    let count = |unit: i64| seconds.saturating_add(if is_ahead { unit / 2 } else { 0 }) / unit;
    let (name, count) = match (count(MINUTE), count(HOUR), count(DAY)) {
        (minutes @ ..60, ..) => ("minutes", minutes),
        (_, hours @ ..24, _) => ("hours", hours),
        (.., days) => ("days", days),
    };
    let way = if is_ahead { "in" } else { "ago" };
    text_with(&format!("time-{way}-{name}"), "n", count)
}

/// `31 Jan 2027`, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y").to_string()
}

/// `31 Jan 2027, 09:30:05 UTC`.
pub(crate) fn exact(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

/// How long something took: `340 ms`, `1.24 s`, in three digits or so.
pub(crate) fn duration(us: u64) -> String {
    let (whole, hundredths, unit) = match us {
        ..1_000_000 => (us / 1_000, us % 1_000 / 10, "ms"),
        _ => (us / 1_000_000, us % 1_000_000 / 10_000, "s"),
    };
    let digits = match whole {
        0..10 => format!("{whole}.{hundredths:02}"),
        10..100 => format!("{whole}.{}", hundredths / 10),
        _ => format!("{whole}.0"),
    };
    format!("{} {unit}", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_time_is_told_in_the_largest_unit_that_it_fills() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let cases = [
            ("2026-11-22T12:00:00Z", "just now"),
            ("2026-11-22T11:59:01Z", "just now"),
            ("2026-11-22T12:00:59Z", "in a moment"),
            ("2026-11-22T11:59:00Z", "a minute ago"),
            ("2026-11-22T11:58:00Z", "2 minutes ago"),
            ("2026-11-22T13:00:00Z", "in an hour"),
            ("2026-11-22T06:00:00Z", "6 hours ago"),
            ("2026-11-21T12:00:00Z", "yesterday"),
            ("2026-11-23T12:00:00Z", "tomorrow"),
            ("2027-01-31T12:00:00Z", "in 70 days"),
            ("2026-11-01T12:00:00Z", "21 days ago"),
            ("2027-02-20T11:59:58Z", "in 90 days"),
            ("2026-11-24T11:59:58Z", "in 2 days"),
            ("2026-11-23T11:59:58Z", "tomorrow"),
            ("2026-11-22T12:59:50Z", "in an hour"),
            ("2026-11-20T12:00:01Z", "yesterday"),
        ];
        for (at, expected) in cases {
            assert_eq!(relative(at.parse().unwrap(), now), expected, "{at}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_duration_is_told_in_three_digits() {
        let cases = [
            (0,             "0 ms"),
            (4,             "0 ms"),
            (540,           "0.54 ms"),
            (12_340,        "12.3 ms"),
            (340_999,       "340 ms"),
            (1_240_000,     "1.24 s"),
            (20_000_000,    "20 s"),
            (600_500_000,   "600 s"),
        ];
        for (us, expected) in cases {
            assert_eq!(duration(us), expected, "{us}");
        }
    }

    #[test]
    fn a_day_and_an_instant_are_spelled_out() {
        let at: Timestamp = "2027-01-03T09:05:07.9Z".parse().unwrap();
        assert_eq!((day(at), exact(at)), ("3 Jan 2027".into(), "3 Jan 2027, 09:05:07 UTC".into()));
    }
}
