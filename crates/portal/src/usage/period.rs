//! Of which time a report is, and into how many parts a picture cuts it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::query::Query;
use crate::refusal::FieldError;
use crate::time;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// Bars of a picture, at most: on a phone they are some pixels wide.
const BARS_MAX: i64 = 92;
/// The longest period: years of which nobody keeps calls.
const DAYS_MAX: i64 = 3_660;

/// Periods that are offered, by their names in the query and in texts.
pub(crate) const CHOICES: [&str; 5] = ["24h", "7d", "30d", "90d", "range"];

/// From a whole hour or day until now, or until the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Seconds in one part: an hour, or some days.
    part_s: i64,
}

impl Period {
    /// The period that a query asks for; the last 30 days where it does not say, or not what is known.
    pub(crate) fn read(query: &Query, now: Timestamp) -> Result<Self, FieldError> {
        match query.text("last") {
            "24h" => Ok(Self::of(floor(now, HOUR_S) - hours(23), now, HOUR_S)),
            "7d" => Ok(Self::days(7, now)),
            "90d" => Ok(Self::days(90, now)),
            "range" => Self::range(query, now),
            _ => Ok(Self::days(30, now)),
        }
    }

    /// So many days, today among them.
    pub(crate) fn days(days: i64, now: Timestamp) -> Self {
        Self::of(floor(now, DAY_S) - hours(24 * (days - 1)), now, DAY_S)
    }

    /// From the first of two days through the last; today where that is not said. Where neither is, nobody has
    /// had a field for them yet: the last 30 days, to begin with.
    fn range(query: &Query, now: Timestamp) -> Result<Self, FieldError> {
        if !query.has_any(&["from", "to"]) {
            return Ok(Self::days(30, now));
        }
        let day = |name: &'static str| match query.get(name) {
            None => Ok(floor(now, DAY_S)),
            Some(text) => {
                let day = text.parse().ok().and_then(first_moment);
                day.ok_or_else(|| FieldError::new(name, "wrong-date"))
            }
        };
        let (from, last) = (day("from")?, day("to")?);
        let days = last.duration_since(from).as_secs() / DAY_S + 1;
        if from > last {
            return Err(FieldError::new("from", "usage-wrong-order"));
        }
        if days > DAYS_MAX {
            return Err(FieldError::new("from", "usage-too-long"));
        }
        let to = last + hours(24);
        Ok(match days {
            1..=2 => Self::of(from, to, HOUR_S),
            _ => Self::of(from, to, DAY_S * (days - 1).div_euclid(BARS_MAX) + DAY_S),
        })
    }

    /// Its first and its last day, as a field for a day has them.
    pub(crate) fn as_days(&self) -> (String, String) {
        let last = self.to - SignedDuration::from_micros(1);
        (utc(self.from, "%Y-%m-%d"), utc(last, "%Y-%m-%d"))
    }

    fn of(from: Timestamp, to: Timestamp, part_s: i64) -> Self {
        Self { from, to, part_s }
    }

    /// The column of a report that tells these parts.
    pub(crate) fn group_by(&self) -> &'static str {
        if self.part_s == HOUR_S { "hour" } else { "day" }
    }

    /// When each part begins.
    pub(super) fn starts(&self) -> impl Iterator<Item = Timestamp> {
        let length = self.to.duration_since(self.from).as_secs();
        let count = length.saturating_sub(1).div_euclid(self.part_s) + 1;
        let (from, part_s) = (self.from, self.part_s);
        (0..count).map(move |n| from + SignedDuration::from_secs(n * part_s))
    }

    /// The part in which something was.
    pub(super) fn slot(&self, at: Timestamp) -> Option<usize> {
        let after = at.duration_since(self.from).as_secs();
        usize::try_from(after.div_euclid(self.part_s)).ok()
    }

    /// A part in full: `12 Nov 2026`, `12 Nov 2026, 09:00 UTC`, `12 Nov 2026 – 15 Nov 2026`.
    pub(super) fn time(&self, at: Timestamp) -> String {
        match self.part_s {
            HOUR_S => utc(at, "%-d %b %Y, %H:00 UTC"),
            DAY_S => time::day(at),
            part_s => {
                let end = (at + SignedDuration::from_secs(part_s - DAY_S)).min(self.to);
                format!("{} – {}", time::day(at), time::day(end))
            }
        }
    }

    /// The same in a few letters.
    pub(super) fn mark(&self, at: Timestamp) -> String {
        utc(at, if self.part_s == HOUR_S { "%H:00" } else { "%-d %b" })
    }
}

/// The first moment of a day.
pub(super) fn first_moment(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
}

fn utc(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// The beginning of the hour or day of an instant. Those of UTC begin where those of the epoch do.
fn floor(at: Timestamp, size_s: i64) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(size_s)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn read(query: &str) -> Result<Period, FieldError> {
        let request = Request::builder().uri(format!("/usage?{query}")).body(()).unwrap();
        let now = "2026-11-22T10:30:00Z".parse().unwrap();
        Period::read(&Query::of(&request.into_parts().0), now)
    }

    #[test]
    #[rustfmt::skip]
    fn a_period_begins_with_a_whole_hour_or_day_and_has_few_parts() {
        let cases = [
            // asked                                    from                    to                      by     parts
            ("",                                        "2026-10-24T00:00:00Z", "2026-11-22T10:30:00Z", "day",  30),
            ("last=soon",                               "2026-10-24T00:00:00Z", "2026-11-22T10:30:00Z", "day",  30),
            ("last=24h",                                "2026-11-21T11:00:00Z", "2026-11-22T10:30:00Z", "hour", 24),
            ("last=7d",                                 "2026-11-16T00:00:00Z", "2026-11-22T10:30:00Z", "day",  7),
            ("last=90d",                                "2026-08-25T00:00:00Z", "2026-11-22T10:30:00Z", "day",  90),
            ("last=range&from=2026-11-01&to=2026-11-01", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "hour", 24),
            ("last=range&from=2026-11-01&to=2026-11-10", "2026-11-01T00:00:00Z", "2026-11-11T00:00:00Z", "day",  10),
            ("last=range&from=2026-01-01&to=2026-12-31", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "day",  92),
            ("last=range",                              "2026-10-24T00:00:00Z", "2026-11-22T10:30:00Z", "day",  30),
            ("last=range&from=2026-11-22",              "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "hour", 24),
        ];
        for (query, from, to, by, parts) in cases {
            let period = read(query).unwrap();
            assert_eq!((period.from.to_string().as_str(), period.to.to_string().as_str()), (from, to), "{query}");
            assert_eq!((period.group_by(), period.starts().count()), (by, parts), "{query}");
            assert_eq!(period.slot(period.from), Some(0));
            let last = period.starts().last().unwrap();
            assert_eq!(period.slot(last), Some(parts - 1), "{query}");
            assert!(last < period.to, "{query}");
        }
        let year = read("last=range&from=2026-01-01&to=2026-12-31").unwrap();
        assert_eq!(year.time(year.from), "1 Jan 2026 – 4 Jan 2026");
    }

    #[test]
    fn a_period_fills_the_fields_for_its_days() {
        for (query, from, to) in [
            ("", "2026-10-24", "2026-11-22"),
            ("last=range&from=2026-11-01&to=2026-11-10", "2026-11-01", "2026-11-10"),
            ("last=24h", "2026-11-21", "2026-11-22"),
        ] {
            assert_eq!(read(query).unwrap().as_days(), (from.to_owned(), to.to_owned()), "{query}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused_at_its_field() {
        for (query, field) in [
            ("last=range&from=yesterday", "from"),
            ("last=range&from=2026-11-01&to=2026-13-01", "to"),
            ("last=range&from=2026-11-02&to=2026-11-01", "from"),
            ("last=range&from=0001-01-01", "from"),
        ] {
            assert_eq!(read(query).unwrap_err().field, field, "{query}");
        }
    }
}
