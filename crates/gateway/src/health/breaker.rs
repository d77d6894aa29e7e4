//! When something upstream is called, and when it is left alone: a pure state machine that is told the
//! time, in microseconds of a clock that never runs backwards.

use std::time::Duration;

pub(crate) use doorward_domain::health::State;

/// So many failures in a row open it,
const FAILURES_MAX: u32 = 5;
/// and so many among the last ones that ended: what fails every other time never fails in a row.
const RECENT_FAILURES_MAX: u32 = 10;
const RECENT: u32 = 20;
/// How long it stays open at first; each trial that fails doubles that,
const REST_MIN: Duration = Duration::from_secs(1);
/// up to this.
const BACK_OFF_MAX: Duration = Duration::from_mins(1);
/// The longest that a provider can have itself left alone: what it says may be an error of its own, and
/// nobody here could end it.
const REST_MAX: Duration = Duration::from_mins(5);

/// On which terms a call goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// As one of many.
    Regular,
    /// As the one that finds out.
    Trial,
    /// Although it is open, because there is nothing else.
    LastResort,
}

/// How a call ended, as far as it tells something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// One of several, before it opens.
    Failure,
    /// It opens at once, for so long at least.
    Rest(Duration),
    /// Nothing can be said.
    Unknown,
}

/// What somebody should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing goes through for so long.
    Opened(Duration),
    /// That goes on for longer than it was said.
    Prolonged,
    Closed,
}

/// How long one trial keeps the others out.
const TRIAL_MAX: Duration = Duration::from_secs(30);

/// Opens after failures, lets one call try after a while, closes when that succeeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    phase: Phase,
    failures_in_row: u32,
    /// How the last calls ended, the newest in the lowest bit; 1: it failed.
    recent: u32,
    /// How often it opened since it was last closed.
    openings: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Closed,
    Open {
        until_us: u64,
    },
    /// A trial is on its way.
    Trial {
        since_us: u64,
    },
}

impl Breaker {
    pub(crate) fn state(&self, now_us: u64) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { until_us } if now_us < until_us => State::Open,
            Phase::Open { .. } | Phase::Trial { .. } => State::HalfOpen,
        }
    }

    /// Whether a call would go through.
    pub(crate) fn is_ready(&self, now_us: u64) -> bool {
        match self.phase {
            Phase::Closed => true,
            Phase::Open { until_us } => until_us <= now_us,
            Phase::Trial { since_us } => is_stale(since_us, now_us),
        }
    }

    /// When a call may go through again, if nothing happens until then. That a trial ends cannot be known
    /// beforehand: it counts as now.
    pub(crate) fn ready_at_us(&self) -> u64 {
        match self.phase {
            Phase::Open { until_us } => until_us,
            Phase::Closed | Phase::Trial { .. } => 0,
        }
    }

    /// Lets a call through, or not. Whoever was let through says how it [ended](Self::end).
    pub(crate) fn enter(&mut self, now_us: u64) -> Option<Entry> {
        match self.phase {
            Phase::Closed => Some(Entry::Regular),
            Phase::Open { until_us } if until_us <= now_us => Some(self.try_out(now_us)),
            Phase::Trial { since_us } if is_stale(since_us, now_us) => Some(self.try_out(now_us)),
            Phase::Open { .. } | Phase::Trial { .. } => None,
        }
    }

    /// Takes down how a call ended. One that began before something changed says nothing about what it is
    /// now, but for how long it wants to be left alone.
    pub(crate) fn end(&mut self, now_us: u64, entry: Entry, verdict: Verdict) -> Option<Change> {
        match (self.phase, entry, verdict) {
            (Phase::Closed, _, Verdict::Success) => {
                self.note(false);
                None
            }
            (Phase::Open { .. } | Phase::Trial { .. }, Entry::Regular, Verdict::Success) => None,
            (_, _, Verdict::Success) => Some(self.close()),
            (Phase::Closed, _, Verdict::Failure) => {
                self.note(true);
                let is_too_much = self.failures_in_row >= FAILURES_MAX
                    || self.recent.count_ones() >= RECENT_FAILURES_MAX;
                is_too_much.then(|| self.open(now_us, Duration::ZERO))
            }
            (Phase::Trial { .. }, Entry::Trial, Verdict::Failure) => {
                Some(self.open(now_us, Duration::ZERO))
            }
            (Phase::Closed | Phase::Trial { .. }, _, Verdict::Rest(rest)) => {
                Some(self.open(now_us, rest))
            }
            (Phase::Open { until_us }, _, Verdict::Rest(rest)) => {
                let wished_us = now_us.saturating_add(us(rest.min(REST_MAX)));
                self.phase = Phase::Open { until_us: until_us.max(wished_us) };
                (wished_us > until_us).then_some(Change::Prolonged)
            }
            // Another one may try at once.
            (Phase::Trial { .. }, Entry::Trial, Verdict::Unknown) => {
                self.phase = Phase::Open { until_us: now_us };
                None
            }
            (_, _, Verdict::Failure | Verdict::Unknown) => None,
        }
    }

    const fn try_out(&mut self, now_us: u64) -> Entry {
        self.phase = Phase::Trial { since_us: now_us };
        Entry::Trial
    }

    fn note(&mut self, is_failure: bool) {
        self.failures_in_row = if is_failure { self.failures_in_row + 1 } else { 0 };
        self.recent = (self.recent << 1 | u32::from(is_failure)) & ((1 << RECENT) - 1);
    }

    fn open(&mut self, now_us: u64, rest: Duration) -> Change {
        let doubled = REST_MIN.saturating_mul(1 << self.openings.min(16)).min(BACK_OFF_MAX);
        let rest = rest.min(REST_MAX).max(doubled);
        let openings = self.openings.saturating_add(1);
        let phase = Phase::Open { until_us: now_us.saturating_add(us(rest)) };
        *self = Self { phase, openings, ..Self::default() };
        Change::Opened(rest)
    }

    fn close(&mut self) -> Change {
        *self = Self::default();
        Change::Closed
    }
}

/// Whether a trial takes so long that another one is let in: an answer may take half an hour, and the
/// deployment may be well all that time.
fn is_stale(since_us: u64, now_us: u64) -> bool {
    now_us.saturating_sub(since_us) >= us(TRIAL_MAX)
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn fail(breaker: &mut Breaker, now_us: u64) -> Option<Change> {
        breaker.end(now_us, Entry::Regular, Verdict::Failure)
    }

    fn opened(rest: Duration) -> Breaker {
        let mut breaker = Breaker::default();
        breaker.end(0, Entry::Regular, Verdict::Rest(rest));
        breaker
    }

    #[test]
    fn it_opens_with_the_fifth_failure_in_a_row_and_a_success_begins_the_count_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            for _ in 1..FAILURES_MAX {
                assert_eq!(fail(&mut breaker, 0), None);
            }
            assert_eq!(breaker.end(0, Entry::Regular, Verdict::Success), None);
            breaker.recent = 0;
        }
        for _ in 1..FAILURES_MAX {
            assert_eq!(fail(&mut breaker, 0), None);
        }
        assert_eq!(fail(&mut breaker, 0), Some(Change::Opened(REST_MIN)));
        assert_eq!(breaker.state(0), State::Open);
    }

    #[test]
    fn what_fails_every_other_time_is_opened_too() {
        let mut breaker = Breaker::default();
        let opened = (0..RECENT).position(|_| {
            breaker.end(0, Entry::Regular, Verdict::Success);
            fail(&mut breaker, 0).is_some()
        });
        assert_eq!(opened, Some(RECENT_FAILURES_MAX as usize - 1));
    }

    #[test]
    fn what_fails_one_time_in_three_stays_closed() {
        let mut breaker = Breaker::default();
        for n in 0..1_000 {
            let verdict = if n % 3 == 0 { Verdict::Failure } else { Verdict::Success };
            assert_eq!(breaker.end(0, Entry::Regular, verdict), None);
        }
    }

    #[test]
    fn a_rest_is_as_long_as_is_asked_for_within_bounds() {
        #[rustfmt::skip]
        let cases = [
            // asked for                  left alone for
            (Duration::ZERO,              REST_MIN),
            (Duration::from_millis(1),    REST_MIN),
            (Duration::from_secs(17),     Duration::from_secs(17)),
            (Duration::from_hours(24),    REST_MAX),
            (Duration::MAX,               REST_MAX),
        ];
        for (asked, rest) in cases {
            let mut breaker = Breaker::default();
            let change = breaker.end(SECOND, Entry::Regular, Verdict::Rest(asked));
            assert_eq!(change, Some(Change::Opened(rest)), "{asked:?}");
            assert_eq!(breaker.ready_at_us(), SECOND + us(rest));
            assert!(!breaker.is_ready(breaker.ready_at_us() - 1));
            assert!(breaker.is_ready(breaker.ready_at_us()));
        }
    }

    #[test]
    fn each_trial_that_fails_doubles_the_rest_up_to_a_minute_and_one_that_succeeds_ends_it() {
        let (mut breaker, mut now_us) = (opened(Duration::ZERO), 0);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            now_us = breaker.ready_at_us();
            assert_eq!(breaker.enter(now_us), Some(Entry::Trial));
            let change = breaker.end(now_us, Entry::Trial, Verdict::Failure);
            assert_eq!(change, Some(Change::Opened(Duration::from_secs(seconds))));
        }
        now_us += 60 * SECOND;
        assert_eq!(breaker.enter(now_us), Some(Entry::Trial));
        assert_eq!(breaker.end(now_us, Entry::Trial, Verdict::Success), Some(Change::Closed));
        assert_eq!(breaker.state(now_us), State::Closed);
        let change = breaker.end(now_us, Entry::Regular, Verdict::Rest(Duration::ZERO));
        assert_eq!(change, Some(Change::Opened(REST_MIN)), "the doubling begins anew");
    }

    #[test]
    fn a_trial_of_which_nothing_is_known_makes_room_for_another() {
        let mut breaker = opened(REST_MIN);
        assert_eq!(breaker.enter(SECOND), Some(Entry::Trial));
        assert_eq!((breaker.enter(SECOND), breaker.state(SECOND)), (None, State::HalfOpen));
        assert_eq!(breaker.end(SECOND, Entry::Trial, Verdict::Unknown), None);
        assert_eq!(breaker.enter(SECOND), Some(Entry::Trial));
    }

    #[test]
    fn a_trial_that_takes_too_long_keeps_nobody_out() {
        let mut breaker = opened(REST_MIN);
        assert_eq!(breaker.enter(SECOND), Some(Entry::Trial));
        let later = SECOND + us(TRIAL_MAX);
        assert_eq!((breaker.enter(later - 1), breaker.is_ready(later)), (None, true));
        assert_eq!(breaker.enter(later), Some(Entry::Trial));
        assert_eq!(breaker.enter(later), None, "one at a time");
    }

    #[test]
    fn a_last_resort_closes_it_where_it_succeeds_and_keeps_nobody_longer_away_where_it_fails() {
        let mut breaker = opened(REST_MIN);
        for _ in 0..10 {
            assert_eq!(breaker.end(1, Entry::LastResort, Verdict::Failure), None);
        }
        assert_eq!(breaker.ready_at_us(), SECOND);
        assert_eq!(breaker.end(1, Entry::LastResort, Verdict::Success), Some(Change::Closed));
    }

    #[test]
    fn what_began_before_it_opened_does_not_close_it_and_may_prolong_it() {
        let mut breaker = opened(REST_MIN);
        assert_eq!(breaker.end(1, Entry::Regular, Verdict::Success), None);
        assert_eq!(breaker.state(1), State::Open);
        breaker.end(SECOND, Entry::Regular, Verdict::Rest(Duration::from_secs(9)));
        assert_eq!(breaker.ready_at_us(), 10 * SECOND);
        breaker.end(SECOND, Entry::Regular, Verdict::Rest(Duration::from_secs(1)));
        assert_eq!(breaker.ready_at_us(), 10 * SECOND, "it is never shortened");
    }

    /// What happens to a breaker: time passes, somebody wants in, somebody who is in ends.
    #[derive(Debug, Clone)]
    enum Event {
        Pass(u64),
        Enter,
        Force,
        End(usize, Verdict),
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let verdict = prop_oneof![
            Just(Verdict::Success),
            Just(Verdict::Failure),
            Just(Verdict::Unknown),
            (0_u64..1_000).prop_map(|seconds| Verdict::Rest(Duration::from_secs(seconds))),
        ];
        prop_oneof![
            (0_u64..3 * SECOND).prop_map(Event::Pass),
            Just(Event::Enter),
            Just(Event::Force),
            (any::<usize>(), verdict).prop_map(|(who, verdict)| Event::End(who, verdict)),
        ]
    }

    proptest! {
        /// Nobody is let through while it is open, at most one at a time while it is half open, and it
        /// never stays open for longer than the longest rest.
        #[test]
        fn whatever_happens_the_rules_hold(events in prop::collection::vec(any_event(), 1..300)) {
            let (mut breaker, mut now_us, mut inside) = (Breaker::default(), 0_u64, Vec::new());
            for event in events {
                match event {
                    Event::Pass(us) => now_us += us,
                    Event::Enter => {
                        let (before, is_ready) = (breaker.state(now_us), breaker.is_ready(now_us));
                        let entry = breaker.enter(now_us);
                        prop_assert_eq!(entry.is_some(), is_ready);
                        prop_assert_ne!(entry, Some(Entry::LastResort));
                        match entry {
                            Some(Entry::Regular) => prop_assert_eq!(before, State::Closed),
                            Some(Entry::Trial) => {
                                prop_assert_eq!(before, State::HalfOpen);
                                prop_assert_eq!(breaker.enter(now_us), None);
                            }
                            Some(Entry::LastResort) | None => prop_assert!(before != State::Closed),
                        }
                        inside.extend(entry);
                    }
                    Event::Force => inside.push(Entry::LastResort),
                    Event::End(who, verdict) if !inside.is_empty() => {
                        let entry = inside.swap_remove(who % inside.len());
                        let before = breaker.state(now_us);
                        let change = breaker.end(now_us, entry, verdict);
                        if change == Some(Change::Closed) {
                            prop_assert!(before != State::Closed && verdict == Verdict::Success);
                        }
                        if let Some(Change::Opened(rest)) = change {
                            prop_assert!(before != State::Open && rest >= REST_MIN);
                        }
                    }
                    Event::End(..) => {}
                }
                prop_assert!(breaker.ready_at_us() <= now_us.saturating_add(us(REST_MAX)));
            }
            // Whoever is inside goes; after the longest rest somebody gets in.
            for entry in inside {
                breaker.end(now_us, entry, Verdict::Unknown);
            }
            let later = now_us + us(REST_MAX);
            let entry = breaker.enter(later);
            prop_assert!(entry.is_some());
        }
    }
}
