//! What checks found out about a deployment. It is kept apart from how its calls end: many a server lists its models
//! while the engine behind it is dead, and one that says no to a check may serve calls.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::breaker::Change;

/// So many checks in a row fail before calls pass a deployment over.
const FAILURES_MAX: u32 = 5;
/// How long that holds after the last of them: where checks are rare, calls find out sooner.
const DOWN_MAX: Duration = Duration::from_mins(5);

/// Down after checks that failed in a row, until one is good.
#[derive(Debug, Default)]
pub(super) struct Checked {
    failures_in_row: AtomicU32,
    /// 0: it is not down.
    down_until_us: AtomicU64,
}

impl Checked {
    pub(super) fn is_down(&self, now_us: u64) -> bool {
        now_us < self.down_until_us()
    }

    /// When calls go through again, if no check is good until then.
    pub(super) fn down_until_us(&self) -> u64 {
        self.down_until_us.load(Relaxed)
    }

    /// Whatever failed before, it is there.
    pub(super) fn is_there(&self) -> Option<Change> {
        self.failures_in_row.store(0, Relaxed);
        (self.down_until_us.swap(0, Relaxed) != 0).then_some(Change::Closed)
    }

    /// A check failed.
    pub(super) fn failed(&self, now_us: u64) -> Option<Change> {
        if self.failures_in_row.fetch_add(1, Relaxed) + 1 < FAILURES_MAX {
            return None;
        }
        let down_max_us = u64::try_from(DOWN_MAX.as_micros()).unwrap_or(u64::MAX);
        let before = self.down_until_us.swap(now_us.saturating_add(down_max_us), Relaxed);
        Some(if before == 0 { Change::Opened(DOWN_MAX) } else { Change::Prolonged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_that_fail_in_a_row_hold_until_one_is_good_or_nobody_asks_any_more() {
        let checked = Checked::default();
        for _ in 1..FAILURES_MAX {
            assert_eq!(checked.failed(0), None);
        }
        assert_eq!(checked.is_there(), None);
        for _ in 1..FAILURES_MAX {
            assert_eq!(checked.failed(0), None);
        }
        assert!(!checked.is_down(0));
        assert_eq!(checked.failed(0), Some(Change::Opened(DOWN_MAX)));
        assert!(checked.is_down(0));
        assert_eq!(checked.failed(7), Some(Change::Prolonged), "that is known");
        let until_us = checked.down_until_us();
        assert_eq!(until_us, 7 + 300_000_000);
        assert!(checked.is_down(until_us - 1) && !checked.is_down(until_us));
        assert_eq!((checked.is_there(), checked.is_down(7)), (Some(Change::Closed), false));
    }
}
