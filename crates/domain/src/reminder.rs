//! When somebody is to be told that a key ends soon, or that its secret is old.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// Days before the end of a key at which it is told, where nothing else is set.
pub const NOTICE_DAYS_DEFAULT: [u16; 4] = [30, 14, 7, 1];
/// The earliest notice before an end, in days.
pub const NOTICE_DAYS_MAX: u16 = 365;
/// Notices before one end.
pub const NOTICES_MAX: usize = 10;
/// How an empty list is written.
const NONE: &str = "none";

/// How many days before the end of a key it is told, the earliest notice first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeDays(Vec<u16>);

/// Days that no list of notices can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be up to 10 different numbers of days from 1 to 365, such as 30,14,7,1, or none")]
pub struct MalformedNoticeDays;

impl NoticeDays {
    /// Takes days in any order.
    pub fn new(days: &[u64]) -> Result<Self, MalformedNoticeDays> {
        let read = |day: &u64| {
            let day = u16::try_from(*day).ok();
            day.filter(|day| (1..=NOTICE_DAYS_MAX).contains(day)).ok_or(MalformedNoticeDays)
        };
        let mut days = days.iter().map(read).collect::<Result<Vec<u16>, _>>()?;
        let given = days.len();
        days.sort_unstable_by(|a, b| b.cmp(a));
        days.dedup();
        let fits = days.len() == given && given <= NOTICES_MAX;
        fits.then_some(Self(days)).ok_or(MalformedNoticeDays)
    }

    /// The days, the earliest notice first.
    pub fn days(&self) -> &[u16] {
        &self.0
    }

    /// How long before an end the first notice goes out. `None`: there is none.
    pub fn earliest(&self) -> Option<SignedDuration> {
        self.0.first().map(|days| days_long(*days))
    }

    /// The notice that is due at `now`, as its number of days before the end: the last one whose time
    /// came after `since` and is not over. `since` is when the end was set, or when it was last looked
    /// whether a notice is due: what was passed by then is never told any more, so that a key which is
    /// made shortly before its end brings no burst, and a job that did not run for a while tells once.
    pub fn due(&self, expires_at: Timestamp, since: Timestamp, now: Timestamp) -> Option<u16> {
        if now >= expires_at {
            return None;
        }
        let is_due = |days: &u16| {
            let at = before(expires_at, days_long(*days));
            since < at && at <= now
        };
        self.0.iter().rev().copied().find(is_due)
    }
}

impl Default for NoticeDays {
    fn default() -> Self {
        Self(NOTICE_DAYS_DEFAULT.to_vec())
    }
}

impl fmt::Display for NoticeDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        let days: Vec<String> = self.0.iter().map(u16::to_string).collect();
        f.write_str(&days.join(","))
    }
}

impl FromStr for NoticeDays {
    type Err = MalformedNoticeDays;

    fn from_str(text: &str) -> Result<Self, MalformedNoticeDays> {
        if text == NONE {
            return Ok(Self(Vec::new()));
        }
        let read = |day: &str| day.trim().parse().map_err(|_| MalformedNoticeDays);
        let days: Vec<u64> = text.split(',').map(read).collect::<Result<_, _>>()?;
        Self::new(&days)
    }
}

/// Whether somebody is to be told at `now` that a secret which was made at `made_at` is old.
/// `every_days`: after how many days; 0: never. `reminded_of`: when the secret was made of which it was
/// told last.
pub fn is_rotation_due(
    every_days: u16,
    made_at: Timestamp,
    reminded_of: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let age = now.duration_since(made_at);
    every_days > 0 && reminded_of != Some(made_at) && age >= days_long(every_days)
}

/// So many days of 24 hours.
pub fn days_long(days: u16) -> SignedDuration {
    SignedDuration::from_hours(i64::from(days) * 24)
}

fn before(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.checked_sub(time).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What is told of one end, when the job runs at these times.
    fn told(days: &NoticeDays, expires: i64, set: i64, runs: &[i64]) -> Vec<(i64, u16)> {
        let mut since = at(set);
        let mut told = Vec::new();
        for run in runs {
            if let Some(due) = days.due(at(expires), since, at(*run)) {
                told.push((*run, due));
                since = at(*run);
            }
        }
        told
    }

    #[test]
    fn a_list_reads_back_as_it_prints_and_is_sorted() {
        for (text, printed) in
            [("30,14,7,1", "30,14,7,1"), ("1, 7", "7,1"), ("none", "none"), ("365", "365")]
        {
            let days: NoticeDays = text.parse().unwrap();
            assert_eq!(days.to_string(), printed);
            assert_eq!(printed.parse(), Ok(days));
        }
        for text in ["", "0", "366", "7,7", "7,", "-1", "a", "1,2,3,4,5,6,7,8,9,10,11", "None"] {
            assert_eq!(text.parse::<NoticeDays>(), Err(MalformedNoticeDays), "{text:?}");
        }
        assert_eq!(NoticeDays::default().to_string(), "30,14,7,1");
    }

    #[test]
    #[rustfmt::skip]
    fn what_was_passed_when_the_end_was_set_is_never_told() {
        let days = NoticeDays::default();
        let every_hour: Vec<i64> = (0..100 * 24).map(|hour| hour * HOUR).collect();
        let cases: [(i64, &[u16]); 8] = [
            // days to live   notices
            (31,              &[30, 14, 7, 1]),
            (30,              &[14, 7, 1]),
            (90,              &[30, 14, 7, 1]),
            (15,              &[14, 7, 1]),
            (14,              &[7, 1]),
            (5,               &[1]),
            (1,               &[]),
            (0,               &[]),
        ];
        for (life, expected) in cases {
            let found = told(&days, life * DAY, 0, &every_hour);
            let (times, found): (Vec<i64>, Vec<u16>) = found.into_iter().unzip();
            assert_eq!(found, expected, "{life} days");
            let due = expected.iter().map(|days| (life - i64::from(*days)) * DAY);
            assert_eq!(times, due.collect::<Vec<_>>(), "at the instant itself");
        }
    }

    #[test]
    fn a_job_that_was_late_tells_the_nearest_once() {
        let days = NoticeDays::default();
        let (expires, late) = (31 * DAY, 26 * DAY);
        assert_eq!(told(&days, expires, 0, &[late, late + HOUR]), [(late, 7)]);
        assert_eq!(told(&days, expires, 0, &[late, 30 * DAY, expires]), [(late, 7), (30 * DAY, 1)]);
        assert_eq!(told(&days, expires, 0, &[expires, expires + DAY]), []);
        assert_eq!(told(&days, expires, 0, &[expires - 1]), [(expires - 1, 1)]);
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_time() {
        let days: NoticeDays = "365".parse().unwrap();
        assert_eq!(days.due(Timestamp::MIN, Timestamp::MIN, Timestamp::MAX), None);
        assert_eq!(days.due(Timestamp::MAX, Timestamp::MIN, Timestamp::UNIX_EPOCH), None);
        assert!(is_rotation_due(1, Timestamp::MIN, None, Timestamp::MAX));
        assert!(!is_rotation_due(1, Timestamp::MAX, None, Timestamp::MIN));
    }

    #[test]
    fn a_secret_is_told_to_be_old_once() {
        let (made, due) = (at(0), at(90 * DAY));
        assert!(!is_rotation_due(90, made, None, at(90 * DAY - 1)));
        assert!(is_rotation_due(90, made, None, due));
        assert!(!is_rotation_due(90, made, Some(made), due));
        assert!(is_rotation_due(90, at(DAY), Some(made), at(91 * DAY)), "another secret");
        assert!(!is_rotation_due(0, made, None, due));
    }

    fn any_days() -> impl Strategy<Value = NoticeDays> {
        prop::collection::btree_set(1_u64..=365, 0..=10)
            .prop_map(|days| NoticeDays::new(&days.into_iter().collect::<Vec<_>>()).unwrap())
    }

    proptest! {
        /// Whenever the job runs, and however often: each notice once at most, in the order of their
        /// times, never before its time, never one that was passed when the end was set.
        #[test]
        fn each_notice_is_told_once_at_most(
            days in any_days(),
            set in 0..400 * DAY,
            life in 0..400 * DAY,
            mut runs in prop::collection::vec(0..800 * DAY, 0..60),
        ) {
            runs.sort_unstable();
            let runs: Vec<i64> = runs.into_iter().filter(|run| *run >= set).collect();
            let expires = set + life;
            let told = told(&days, expires, set, &runs);
            prop_assert!(told.windows(2).all(|pair| pair[0].1 > pair[1].1), "{:?}", told);
            for (run, notice) in told {
                let due = expires - i64::from(notice) * DAY;
                prop_assert!(set < due && due <= run && run < expires);
            }
        }

        /// A job that runs all the time forgets none.
        #[test]
        fn each_notice_is_told_by_a_job_that_runs_all_the_time(
            days in any_days(),
            life in 0..400 * DAY,
        ) {
            let runs: Vec<i64> = (0..=life / DAY * 4 + 4).map(|n| n * DAY / 4).collect();
            let found: Vec<u16> = told(&days, life, 0, &runs).into_iter().map(|t| t.1).collect();
            let lies_ahead = |day: &&u16| i64::from(**day) * DAY < life;
            let expected: Vec<u16> = days.days().iter().filter(lies_ahead).copied().collect();
            prop_assert_eq!(found, expected);
        }

        /// However late a job runs, one run tells one thing: the one that came last.
        #[test]
        fn one_run_tells_the_one_that_came_last(
            days in any_days(),
            life in 1..400 * DAY,
            run in 0..400 * DAY,
        ) {
            let found = days.due(at(life), at(0), at(run));
            let passed = |day: &&u16| {
                let due = life - i64::from(**day) * DAY;
                0 < due && due <= run && run < life
            };
            prop_assert_eq!(found, days.days().iter().filter(passed).min().copied());
        }
    }
}
