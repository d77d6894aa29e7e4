//! How long a session lasts.

use jiff::{SignedDuration, Timestamp};

/// A session that was not used for so long is over.
pub const IDLE_MAX: SignedDuration = SignedDuration::from_hours(12);
/// However much it is used, it is over after this time.
pub const AGE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// When a session was begun and last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLife {
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
}

impl SessionLife {
    /// When it ends if it is not used any more.
    pub fn ends_at(self) -> Timestamp {
        let idle = self.last_seen_at.checked_add(IDLE_MAX).unwrap_or(Timestamp::MAX);
        let aged = self.created_at.checked_add(AGE_MAX).unwrap_or(Timestamp::MAX);
        idle.min(aged)
    }

    /// Whether it is over: it ends at the stated instant, not after it.
    pub fn is_over(self, now: Timestamp) -> bool {
        self.ends_at() <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(created_hours: i64, seen_hours: i64) -> SessionLife {
        let at = |hours: i64| Timestamp::from_second(hours * 3_600).unwrap();
        SessionLife { created_at: at(created_hours), last_seen_at: at(seen_hours) }
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        #[rustfmt::skip]
        let cases = [
            // created, seen, ends
            (0,         0,    12),
            (0,         5,    17),
            (0,         700,  712),
            (0,         719,  720),
            (100,       800,  812),
        ];
        for (created, seen, ends) in cases {
            let (life, ends) = (life(created, seen), Timestamp::from_second(ends * 3_600).unwrap());
            assert_eq!(life.ends_at(), ends);
            assert!(life.is_over(ends));
            assert!(!life.is_over(ends - SignedDuration::from_micros(1)));
        }
    }
}
