//! The day, in the zone of budgets, that holds a moment.

use doorward_domain::budget::Period;
use jiff::tz::TimeZone;

use crate::StoreError;
use crate::db::timestamp;

/// From its first moment to that of the next, microseconds since the Unix epoch. To find a day costs far
/// more than to see that a moment is in it, and calls that come together are of one day, or of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    start_us: i64,
    end_us: i64,
}

impl Day {
    /// Holds no moment.
    pub(super) const NONE: Self = Self { start_us: i64::MAX, end_us: i64::MIN };

    /// This day if it holds the moment, else the one that does.
    pub(super) fn or_that_of(self, at_us: i64, zone: &TimeZone) -> Result<Self, StoreError> {
        if (self.start_us..self.end_us).contains(&at_us) {
            return Ok(self);
        }
        let at = timestamp(at_us)?;
        let end = Period::Day.end(at, zone).map_or(i64::MAX, jiff::Timestamp::as_microsecond);
        Ok(Self { start_us: Period::Day.start(at, zone).as_microsecond(), end_us: end })
    }

    pub(super) const fn start_us(self) -> i64 {
        self.start_us
    }
}
