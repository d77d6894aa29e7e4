//! Rotation: a key gets a new secret under the same id, and the one before works a while longer.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

/// How long the old secret works where nothing else is asked for.
pub const OVERLAP_DEFAULT: SignedDuration = SignedDuration::from_hours(24);
/// The longest that an old secret may work: an overlap that is forgotten ends by itself.
pub const OVERLAP_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Secrets of one key that may work at the same time.
pub const SECRETS_MAX: u32 = 4;

/// Which secret of its key, from 1; a later one has a larger number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretNumber(pub u32);

impl SecretNumber {
    /// The one that a key is made with.
    pub const FIRST: Self = Self(1);

    /// The one that replaces this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One secret of a key, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// Which one.
    pub number: SecretNumber,
    /// Its last four characters.
    pub tail: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working. `None`: with its key, as the newest one does.
    pub ends_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<IpAddr>,
}

/// A time for which no old secret may work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 0 to 604800 seconds: an old secret works for at most seven days")]
pub struct OverlapOutOfBounds;

/// How long the old secrets of a key work after its rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap(SignedDuration);

impl Overlap {
    /// So many seconds; 0: the old secrets end at once.
    pub fn from_seconds(seconds: i64) -> Result<Self, OverlapOutOfBounds> {
        let is_in_bounds = (0..=OVERLAP_MAX.as_secs()).contains(&seconds);
        is_in_bounds.then(|| Self(SignedDuration::from_secs(seconds))).ok_or(OverlapOutOfBounds)
    }

    /// Whether the old secrets end at once.
    pub const fn is_none(self) -> bool {
        self.0.is_zero()
    }

    /// When the secrets end that a rotation at `now` replaces. One that ends sooner still does.
    pub fn ends_at(self, now: Timestamp) -> Timestamp {
        now.checked_add(self.0).unwrap_or(Timestamp::MAX)
    }
}

impl Default for Overlap {
    fn default() -> Self {
        Self(OVERLAP_DEFAULT)
    }
}

/// The end of a key that gets a new secret at `now`: as much later as the secret is newer, so that it
/// lives as long again. `since`: when the secret before was made.
pub fn renewed(
    expires_at: Option<Timestamp>,
    since: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let life = expires_at?.duration_since(since).max(SignedDuration::ZERO);
    Some(now.checked_add(life).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_overlap_is_bounded() {
        #[rustfmt::skip]
        let cases = [
            (i64::MIN, false), (-1, false), (0, true), (1, true),
            (604_800, true), (604_801, false), (i64::MAX, false),
        ];
        for (seconds, is_valid) in cases {
            assert_eq!(Overlap::from_seconds(seconds).is_ok(), is_valid, "{seconds}");
        }
        assert!(Overlap::from_seconds(0).unwrap().is_none());
        assert!(!Overlap::default().is_none());
        assert_eq!(Overlap::default().ends_at(at(10)), at(10 + 86_400));
    }

    #[test]
    fn a_key_that_never_ends_goes_on() {
        assert_eq!(renewed(None, at(1), at(5)), None);
    }

    #[test]
    fn nothing_overflows_at_the_end_of_time() {
        let end = Overlap::default().ends_at(Timestamp::MAX);
        assert_eq!(end, Timestamp::MAX);
        assert_eq!(renewed(Some(Timestamp::MAX), at(0), at(1)), Some(Timestamp::MAX));
        assert_eq!(SecretNumber(u32::MAX).next(), SecretNumber(u32::MAX));
    }

    proptest! {
        #[test]
        fn a_renewed_key_lives_as_long_again(
            since in 0..2_000_000_000_i64,
            life in 1..100_000_000_i64,
            age in 0..100_000_000_i64,
        ) {
            let renewed = renewed(Some(at(since + life)), at(since), at(since + age));
            prop_assert_eq!(renewed, Some(at(since + age + life)));
        }
    }
}
