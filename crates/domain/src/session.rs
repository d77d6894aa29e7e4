//! How long a session lasts.

use jiff::{SignedDuration, Timestamp};

/// The most hours that sessions can be let last: 30 days.
pub const SESSION_HOURS_MAX: u16 = 720;

/// How long the sessions of an organization last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// One that was not used for so long is over, in minutes.
    pub idle_minutes: u16,
    /// However much it is used, it is over after this time, in hours.
    pub max_hours: u16,
}

impl SessionBounds {
    /// When a session ends that is not used any more: it is over at this instant, not after it.
    pub fn end(self, created_at: Timestamp, last_seen_at: Timestamp) -> Timestamp {
        let idle = SignedDuration::from_mins(self.idle_minutes.into());
        let age = SignedDuration::from_hours(self.max_hours.into());
        let after = |at: Timestamp, time| at.checked_add(time).unwrap_or(Timestamp::MAX);
        after(last_seen_at, idle).min(after(created_at, age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let bounds = SessionBounds { idle_minutes: 30, max_hours: 12 };
        let at = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
        #[rustfmt::skip]
        let cases = [
            // created, seen, ends, in minutes
            (0,         0,    30),
            (0,         5,    35),
            (0,         690,  720),
            (0,         719,  720),
            (100,       800,  820),
        ];
        for (created, seen, ends) in cases {
            assert_eq!(bounds.end(at(created), at(seen)), at(ends), "{created} {seen}");
        }
        assert_eq!(bounds.end(Timestamp::MAX, Timestamp::MAX), Timestamp::MAX);
    }
}
