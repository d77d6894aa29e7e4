//! Rate limits: how many requests or tokens in a minute, an hour, a day, and how many at once.
//!
//! A limit promises two things: in any stretch of one window no more than the limit is admitted,
//! and whoever stays under it is never refused, whether the calls come evenly or all together. A
//! leaky bucket can keep only one of the two, so each window remembers when units were taken.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;

/// The windows of rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Span {
    /// The length in microseconds.
    pub const fn us(self) -> u64 {
        self.seconds() * 1_000_000
    }

    /// The length in seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// What a rate limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Calls.
    Requests,
    /// Input and output tokens.
    Tokens,
}

/// The limits of a key; what is not named is not limited.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Limits {
    /// Requests in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests in any 60 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub requests_per_hour: Option<NonZeroU32>,
    /// Requests in any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub requests_per_day: Option<NonZeroU32>,
    /// Tokens in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Tokens in any 60 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub tokens_per_hour: Option<NonZeroU32>,
    /// Tokens in any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub tokens_per_day: Option<NonZeroU32>,
    /// Calls in flight at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4_294_967_295_u32)]
    pub concurrency: Option<NonZeroU32>,
}

impl serde::Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Only from an object: derived code alone would take the figures of a list for limits, by their order.
impl<'de> serde::Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Named)
    }
}

struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Limits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Limits, A::Error> {
        Limits::deserialize(MapAccessDeserializer::new(map))
    }
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self {
        requests_per_minute: None,
        requests_per_hour: None,
        requests_per_day: None,
        tokens_per_minute: None,
        tokens_per_hour: None,
        tokens_per_day: None,
        concurrency: None,
    };

    /// The rate limits that are set, shortest window first.
    pub fn rates(&self) -> impl Iterator<Item = (LimitKind, Span, NonZeroU32)> {
        [
            (LimitKind::Requests, Span::Minute, self.requests_per_minute),
            (LimitKind::Tokens, Span::Minute, self.tokens_per_minute),
            (LimitKind::Requests, Span::Hour, self.requests_per_hour),
            (LimitKind::Tokens, Span::Hour, self.tokens_per_hour),
            (LimitKind::Requests, Span::Day, self.requests_per_day),
            (LimitKind::Tokens, Span::Day, self.tokens_per_day),
        ]
        .into_iter()
        .filter_map(|(kind, span, limit)| limit.map(|limit| (kind, span, limit)))
    }

    /// Every axis with its field of the management API, set or not.
    pub const fn axes(&self) -> [(&'static str, Option<NonZeroU32>); 7] {
        [
            ("requests_per_minute", self.requests_per_minute),
            ("requests_per_hour", self.requests_per_hour),
            ("requests_per_day", self.requests_per_day),
            ("tokens_per_minute", self.tokens_per_minute),
            ("tokens_per_hour", self.tokens_per_hour),
            ("tokens_per_day", self.tokens_per_day),
            ("concurrency", self.concurrency),
        ]
    }

    /// Whether `other` is at least as tight on every axis.
    pub fn covers(&self, other: &Self) -> bool {
        let mut axes = self.axes().into_iter().zip(other.axes());
        axes.all(|((_, mine), (_, theirs))| mine.is_none_or(|m| theirs.is_some_and(|t| t <= m)))
    }

    /// These limits, with those that `higher` names at that height. What is not limited here stays so,
    /// and no limit becomes tighter.
    #[must_use]
    pub fn raised_to(&self, higher: &Self) -> Self {
        let raise = |own: Option<NonZeroU32>, named: Option<NonZeroU32>| {
            own.map(|own| named.map_or(own, |named| named.max(own)))
        };
        Self {
            requests_per_minute: raise(self.requests_per_minute, higher.requests_per_minute),
            requests_per_hour: raise(self.requests_per_hour, higher.requests_per_hour),
            requests_per_day: raise(self.requests_per_day, higher.requests_per_day),
            tokens_per_minute: raise(self.tokens_per_minute, higher.tokens_per_minute),
            tokens_per_hour: raise(self.tokens_per_hour, higher.tokens_per_hour),
            tokens_per_day: raise(self.tokens_per_day, higher.tokens_per_day),
            concurrency: raise(self.concurrency, higher.concurrency),
        }
    }
}

/// The answer of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// There is room. `remaining` counts what is left after this one; at `reset_us` from now the
    /// window is empty again if nothing else comes.
    Admitted {
        /// Units left.
        remaining: u32,
        /// Microseconds until all units are back.
        reset_us: u64,
    },
    /// There is no room until `retry_after_us` from now.
    Limited {
        /// Microseconds until this cost would fit, if nothing else comes.
        retry_after_us: u64,
        /// Microseconds until all units are back.
        reset_us: u64,
    },
}

/// Units taken close together, remembered as one. They leave the window with the last of them;
/// `first_us` is the earliest time that a caller read, by which it finds them again.
#[derive(Debug, Clone, Copy)]
struct Taken {
    first_us: u64,
    last_us: u64,
    units: u64,
}

/// How many separate moments a window remembers: up to here it is exact. 3 KiB at most.
const MOMENTS_MAX: usize = 128;
/// Beyond that, moments that share one such part of the window count as one, and their units come
/// back up to that much later. Half of [`MOMENTS_MAX`], so that merging always makes room.
const GRAINS: u64 = 64;

/// The memory of one rate limit. `now_us` is monotonic, in microseconds from any fixed instant; a
/// value that runs backwards counts as the latest one seen.
#[derive(Debug, Clone)]
pub struct Window {
    span_us: u64,
    limit: u32,
    taken: VecDeque<Taken>,
    units: u64,
    latest_us: u64,
}

impl Window {
    /// An empty window.
    pub fn new(span: Span, limit: NonZeroU32) -> Self {
        let (span_us, limit) = (span.us(), limit.get());
        Self { span_us, limit, taken: VecDeque::new(), units: 0, latest_us: 0 }
    }

    /// The limit of this window.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Sets another limit, keeping what was taken.
    pub fn set_limit(&mut self, limit: NonZeroU32) {
        self.limit = limit.get();
    }

    /// Decides whether `cost` units fit now, and takes nothing. A cost above the limit can never
    /// fit: it is told to wait for an empty window.
    pub fn check(&mut self, now_us: u64, cost: u32) -> Admission {
        let now_us = self.advance(now_us);
        let reset_us = self.reset_us(now_us);
        let wanted = self.units.saturating_add(u64::from(cost));
        let limit = u64::from(self.limit);
        if wanted <= limit {
            Admission::Admitted { remaining: as_units(limit - wanted), reset_us }
        } else {
            Admission::Limited { retry_after_us: self.wait_us(now_us, wanted - limit), reset_us }
        }
    }

    /// Takes `cost` units, whether they fit or not: what was consumed counts.
    pub fn take(&mut self, now_us: u64, cost: u32) {
        let (first_us, last_us) = (now_us, self.advance(now_us));
        let units = u64::from(cost);
        self.units = self.units.saturating_add(units);
        if let Some(last) = self.taken.back_mut()
            && last.last_us == last_us
        {
            last.first_us = last.first_us.min(first_us);
            last.units = last.units.saturating_add(units);
            return;
        }
        if self.taken.len() >= MOMENTS_MAX {
            self.merge_moments();
        }
        self.taken.push_back(Taken { first_us, last_us, units });
    }

    /// Merges the moments that share a grain. At most 65 grains reach into one window, so there is
    /// room for 63 more moments each time.
    fn merge_moments(&mut self) {
        let grain_us = self.span_us / GRAINS;
        let mut merged: VecDeque<Taken> = VecDeque::with_capacity(MOMENTS_MAX);
        for next in self.taken.drain(..) {
            match merged.back_mut() {
                Some(last) if last.last_us / grain_us == next.last_us / grain_us => {
                    last.first_us = last.first_us.min(next.first_us);
                    last.last_us = next.last_us;
                    last.units = last.units.saturating_add(next.units);
                }
                Some(_) | None => merged.push_back(next),
            }
        }
        self.taken = merged;
    }

    /// Replaces `estimate` units taken at `at_us` by the `real` ones. What has left the window
    /// already is left alone.
    pub fn correct(&mut self, at_us: u64, estimate: u32, real: u32) {
        let holds_it = |t: &&mut Taken| (t.first_us..=t.last_us).contains(&at_us);
        // Nearly always among the latest.
        let Some(entry) = self.taken.iter_mut().rfind(holds_it) else { return };
        let before = entry.units;
        entry.units = before.saturating_sub(u64::from(estimate)).saturating_add(u64::from(real));
        self.units = self.units.saturating_sub(before).saturating_add(entry.units);
    }

    /// Microseconds until the window is empty if nothing else comes.
    pub fn reset_us(&self, now_us: u64) -> u64 {
        let last = self.taken.iter().rfind(|entry| entry.units > 0);
        last.map_or(0, |last| (last.last_us + self.span_us).saturating_sub(now_us))
    }

    /// Units that still fit.
    pub fn remaining(&mut self, now_us: u64) -> u32 {
        self.advance(now_us);
        as_units(u64::from(self.limit).saturating_sub(self.units))
    }

    /// Lets time pass and forgets what has left the window. Gives back the latest time seen: callers
    /// read the clock before they wait for their turn here, so one may overtake another.
    fn advance(&mut self, now_us: u64) -> u64 {
        self.latest_us = self.latest_us.max(now_us);
        while let Some(first) = self.taken.front() {
            // A unit counts for one whole window, the last microsecond included.
            if first.last_us + self.span_us > self.latest_us {
                break;
            }
            self.units = self.units.saturating_sub(first.units);
            self.taken.pop_front();
        }
        self.latest_us
    }

    fn wait_us(&self, now_us: u64, missing: u64) -> u64 {
        let mut freed = 0_u64;
        for entry in &self.taken {
            freed = freed.saturating_add(entry.units);
            if freed >= missing {
                return (entry.last_us + self.span_us).saturating_sub(now_us);
            }
        }
        self.span_us
    }
}

fn as_units(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_US: u64 = 60_000_000;

    pub(crate) fn any_limits() -> impl Strategy<Value = Limits> {
        let axis =
            || prop::option::of((1_u32..4).prop_map(|limit| NonZeroU32::new(limit).unwrap()));
        (axis(), axis(), axis(), axis(), axis(), axis(), axis()).prop_map(
            |(rpm, rph, rpd, tpm, tph, tpd, concurrency)| Limits {
                requests_per_minute: rpm,
                requests_per_hour: rph,
                requests_per_day: rpd,
                tokens_per_minute: tpm,
                tokens_per_hour: tph,
                tokens_per_day: tpd,
                concurrency,
            },
        )
    }

    fn minute(limit: u32) -> Window {
        Window::new(Span::Minute, NonZeroU32::new(limit).unwrap())
    }

    fn is_admitted(admission: Admission) -> bool {
        matches!(admission, Admission::Admitted { .. })
    }

    /// Asks, and takes what was admitted.
    fn admit(window: &mut Window, now_us: u64, cost: u32) -> bool {
        let is_admitted = is_admitted(window.check(now_us, cost));
        if is_admitted {
            window.take(now_us, cost);
        }
        is_admitted
    }

    /// From none at all to more than a window; most are far below.
    fn any_gap_us() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => Just(0),
            8 => 0_u64..1_000,
            16 => 0..MINUTE_US / 100,
            2 => 0..MINUTE_US / 2,
            1 => MINUTE_US - 2..MINUTE_US + 2,
        ]
    }

    /// The most units in any slice of one window's length; `admitted` is in order of time.
    fn fullest_slice(admitted: &[(u64, u32)]) -> u64 {
        let (mut sum, mut fullest, mut oldest) = (0, 0, admitted.iter().peekable());
        for (at_us, cost) in admitted {
            sum += u64::from(*cost);
            while let Some((_, gone)) = oldest.next_if(|(first, _)| first + MINUTE_US <= *at_us) {
                sum -= u64::from(*gone);
            }
            fullest = fullest.max(sum);
        }
        fullest
    }

    #[test]
    fn the_whole_limit_may_come_at_once_and_then_nothing() {
        for limit in [1, 2, 60, 1_000, u32::MAX] {
            let mut window = minute(limit);
            assert!(admit(&mut window, 5, limit));
            assert!(!admit(&mut window, 5, 1), "{limit}");
            assert!(!admit(&mut window, 5 + MINUTE_US - 1, 1), "{limit}");
            assert!(admit(&mut window, 5 + MINUTE_US, limit), "{limit}");
        }
    }

    #[test]
    fn a_burst_of_single_calls_up_to_the_limit_is_admitted() {
        let mut window = minute(1_000);
        assert!((0..1_000).all(|n| admit(&mut window, n, 1)));
        assert!(!admit(&mut window, 1_000, 1));
    }

    #[test]
    fn an_answer_tells_what_is_left_and_when_all_is_back() {
        let mut window = minute(10);
        assert_eq!(window.check(0, 4), Admission::Admitted { remaining: 6, reset_us: 0 });
        window.take(0, 4);
        window.take(MINUTE_US / 2, 5);
        let reset_us = MINUTE_US - 1;
        let now_us = MINUTE_US / 2 + 1;
        assert_eq!(window.check(now_us, 1), Admission::Admitted { remaining: 0, reset_us });
        let retry_after_us = MINUTE_US / 2 - 1;
        assert_eq!(window.check(now_us, 2), Admission::Limited { retry_after_us, reset_us });
        assert_eq!((window.limit(), window.remaining(now_us)), (10, 1));
        assert_eq!(window.reset_us(now_us), reset_us);
    }

    #[test]
    fn a_check_alone_takes_nothing() {
        let mut window = minute(1);
        assert!((0..10).all(|now_us| is_admitted(window.check(now_us, 1))));
    }

    #[test]
    fn a_cost_above_the_limit_never_fits_and_waits_for_an_empty_window() {
        let mut window = minute(10);
        let limited = Admission::Limited { retry_after_us: MINUTE_US, reset_us: 0 };
        assert_eq!(window.check(0, 11), limited);
    }

    #[test]
    fn what_was_consumed_beyond_the_limit_counts() {
        let mut window = minute(10);
        window.take(0, 5);
        window.take(MINUTE_US / 2, 25);
        assert_eq!(window.remaining(MINUTE_US / 2), 0);
        let Admission::Limited { retry_after_us, .. } = window.check(MINUTE_US / 2, 5) else {
            panic!("25 of 10 are taken");
        };
        assert_eq!(retry_after_us, MINUTE_US, "the five of the beginning are not enough");
    }

    #[test]
    fn a_lowered_limit_counts_what_was_taken_under_the_old_one() {
        let mut window = minute(10);
        window.take(0, 6);
        window.set_limit(NonZeroU32::new(5).unwrap());
        assert!(!is_admitted(window.check(1, 1)));
        window.set_limit(NonZeroU32::new(7).unwrap());
        assert!(is_admitted(window.check(1, 1)));
    }

    #[test]
    fn a_correction_moves_the_total_to_the_real_cost() {
        #[rustfmt::skip]
        let cases = [
            // real  remaining of 100 after an estimate of 40
            (40,     60),
            (10,     90),
            (0,      100),
            (70,     30),
            (100,    0),
            (250,    0),
        ];
        for (real, remaining) in cases {
            let mut window = minute(100);
            window.take(7, 40);
            window.correct(7, 40, real);
            assert_eq!(window.remaining(8), remaining, "{real}");
        }
    }

    #[test]
    fn what_turns_out_to_cost_nothing_is_back_at_once() {
        let mut window = minute(100);
        window.take(7, 40);
        window.correct(7, 40, 0);
        assert_eq!(window.reset_us(8), 0);
    }

    #[test]
    fn correcting_what_has_left_the_window_changes_nothing() {
        let mut window = minute(100);
        window.take(0, 40);
        window.take(MINUTE_US - 10, 50);
        assert_eq!(window.remaining(MINUTE_US), 50);
        window.correct(0, 40, 0);
        window.correct(0, 40, 90);
        assert_eq!(window.remaining(MINUTE_US), 50);
    }

    #[test]
    fn a_caller_whose_clock_was_overtaken_finds_its_units_again() {
        let mut window = minute(100);
        window.take(10, 30);
        window.take(5, 40);
        window.correct(5, 40, 20);
        assert_eq!(window.remaining(10), 50);
    }

    #[test]
    fn a_caller_whose_clock_was_overtaken_finds_its_units_also_when_moments_merge() {
        let mut window = minute(1_000);
        window.take(100, 1);
        window.take(200, 1);
        window.take(50, 40); // counts at 200
        for now_us in 201..=400 {
            window.take(now_us, 1);
        }
        window.correct(50, 40, 0);
        assert_eq!(window.remaining(400), 1_000 - 202);
    }

    #[test]
    fn limits_in_json_are_positive_and_known() {
        #[rustfmt::skip]
        let cases = [
            // json                                     valid
            ("{}",                                      true),
            (r#"{"requests_per_minute":60}"#,           true),
            (r#"{"concurrency":4,"tokens_per_day":1}"#, true),
            (r#"{"requests_per_minute":null}"#,         true),
            (r#"{"requests_per_minute":0}"#,            false), // nobody means "never" by a rate
            (r#"{"requests_per_minute":-1}"#,           false),
            (r#"{"requests_per_minute":1.5}"#,          false),
            (r#"{"requests_per_minute":"60"}"#,         false),
            (r#"{"requests_per_minute":4294967296}"#,   false),
            (r#"{"rpm":60}"#,                           false),
            ("[60]",                                    false), // by name, not by order
            ("[]",                                      false),
            ("60",                                      false),
            ("null",                                    false),
        ];
        for (json, is_valid) in cases {
            assert_eq!(serde_json::from_str::<Limits>(json).is_ok(), is_valid, "{json}");
        }
    }

    #[test]
    fn every_rate_is_listed_once_shortest_window_first() {
        let limit = |n| NonZeroU32::new(n);
        let limits = Limits {
            requests_per_minute: limit(1),
            tokens_per_minute: limit(2),
            requests_per_hour: limit(3),
            tokens_per_hour: limit(4),
            requests_per_day: limit(5),
            tokens_per_day: limit(6),
            concurrency: limit(7),
        };
        let rates: Vec<_> =
            limits.rates().map(|(k, span, n)| (k, span.seconds(), n.get())).collect();
        let (requests, tokens) = (LimitKind::Requests, LimitKind::Tokens);
        #[rustfmt::skip]
        let expected = [
            (requests, 60,     1),
            (tokens,   60,     2),
            (requests, 3_600,  3),
            (tokens,   3_600,  4),
            (requests, 86_400, 5),
            (tokens,   86_400, 6),
        ];
        assert_eq!(rates, expected);
        assert_eq!(Limits::NONE.rates().count(), 0);
    }

    proptest! {
        /// What customers buy: in any stretch of one window, no more than the limit.
        #[test]
        fn no_slice_of_a_windows_length_ever_has_more_than_the_limit(
            limit in prop_oneof![1_u32..20, 1_u32..400],
            steps in prop::collection::vec((any_gap_us(), 0_u32..8), 1..700),
        ) {
            let (mut window, mut now_us, mut admitted) = (minute(limit), 0, Vec::new());
            for (gap_us, cost) in steps {
                now_us += gap_us;
                if admit(&mut window, now_us, cost) {
                    admitted.push((now_us, cost));
                }
                prop_assert!(window.taken.len() <= MOMENTS_MAX);
            }
            prop_assert!(fullest_slice(&admitted) <= u64::from(limit));
        }

        #[test]
        fn up_to_128_moments_a_window_refuses_only_what_is_over_the_limit(
            limit in 1_u32..128,
            steps in prop::collection::vec((any_gap_us(), 1_u32..5), 1..300),
        ) {
            let (mut window, mut now_us, mut admitted) = (minute(limit), 0, Vec::new());
            for (gap_us, cost) in steps {
                now_us += gap_us;
                let recent = admitted.iter().filter(|(at_us, _)| at_us + MINUTE_US > now_us);
                let used: u32 = recent.map(|(_, cost)| cost).sum();
                prop_assert_eq!(admit(&mut window, now_us, cost), used + cost <= limit);
                if used + cost <= limit {
                    admitted.push((now_us, cost));
                }
            }
        }

        #[test]
        fn a_steady_caller_at_exactly_the_limit_is_never_refused(
            limit in 1_u32..=128,
            start_us in 0..MINUTE_US,
        ) {
            let gap_us = MINUTE_US.div_ceil(u64::from(limit));
            let mut window = minute(limit);
            for call in 0..u64::from(limit) * 4 {
                prop_assert!(admit(&mut window, start_us + call * gap_us, 1), "call {}", call);
            }
        }

        #[test]
        fn waiting_as_told_is_enough_and_no_longer_than_needed(
            limit in 1_u32..400,
            steps in prop::collection::vec((any_gap_us(), 1_u32..8, any::<bool>()), 1..400),
        ) {
            let (mut window, mut now_us) = (minute(limit), 0);
            for (gap_us, cost, is_forced) in steps {
                now_us += gap_us;
                if let Admission::Limited { retry_after_us, .. } = window.check(now_us, cost)
                    && cost <= limit
                {
                    let (mut early, mut later) = (window.clone(), window.clone());
                    prop_assert!(!is_admitted(early.check(now_us + retry_after_us - 1, cost)));
                    prop_assert!(is_admitted(later.check(now_us + retry_after_us, cost)));
                }
                if is_forced || is_admitted(window.check(now_us, cost)) {
                    window.take(now_us, cost);
                }
            }
        }

        #[test]
        fn a_window_is_empty_at_the_end_of_its_reset(
            limit in 1_u32..400,
            steps in prop::collection::vec((any_gap_us(), 1_u32..8), 1..400),
        ) {
            let (mut window, mut now_us) = (minute(limit), 0);
            for (gap_us, cost) in steps {
                now_us += gap_us;
                window.take(now_us, cost);
                prop_assert_eq!(window.reset_us(now_us), MINUTE_US);
            }
            prop_assert!(window.clone().remaining(now_us + MINUTE_US - 1) < limit);
            prop_assert_eq!(window.remaining(now_us + MINUTE_US), limit);
        }

        #[test]
        fn a_clock_that_runs_backwards_admits_no_more_than_the_limit(
            limit in 1_u32..50,
            times_us in prop::collection::vec((0..MINUTE_US * 3, 1_u32..5), 1..400),
        ) {
            let (mut window, mut latest_us, mut admitted) = (minute(limit), 0, Vec::new());
            for (now_us, cost) in times_us {
                latest_us = now_us.max(latest_us);
                if admit(&mut window, now_us, cost) {
                    admitted.push((latest_us, cost));
                }
                prop_assert!(window.remaining(now_us) <= limit);
            }
            prop_assert!(fullest_slice(&admitted) <= u64::from(limit));
            prop_assert_eq!(window.remaining(latest_us + MINUTE_US), limit);
        }

        #[test]
        fn corrected_totals_agree_with_a_list_of_every_call(
            steps in prop::collection::vec(
                (any_gap_us(), 0_u32..1_000, prop::option::of((any::<prop::sample::Index>(), 0_u32..2_000))),
                1..120,
            ),
        ) {
            let (mut window, mut now_us) = (minute(u32::MAX), 0);
            let mut calls: Vec<(u64, u32)> = Vec::new();
            for (gap_us, cost, correction) in steps {
                now_us += gap_us;
                window.take(now_us, cost);
                calls.push((now_us, cost));
                if let Some((index, real)) = correction {
                    let call = index.index(calls.len());
                    window.correct(calls[call].0, calls[call].1, real);
                    calls[call].1 = real;
                }
                let recent = calls.iter().filter(|(at_us, _)| at_us + MINUTE_US > now_us);
                let used: u32 = recent.map(|(_, cost)| cost).sum();
                prop_assert_eq!(window.remaining(now_us), u32::MAX - used);
            }
        }

        #[test]
        fn looser_limits_cover_tighter_ones(a in any_limits(), b in any_limits(), c in any_limits()) {
            prop_assert!(a.covers(&a) && Limits::NONE.covers(&a));
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
            prop_assert!(!(a.covers(&b) && b.covers(&a)) || a == b);
            if a.covers(&b) {
                for (kind, span, mine) in a.rates() {
                    let theirs = b.rates().find(|(k, s, _)| (*k, *s) == (kind, span));
                    prop_assert!(theirs.is_some_and(|(_, _, theirs)| theirs <= mine));
                }
            }
        }
    }

    /// Many calls in one window, so that moments merge.
    fn many_steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
        let gap_us = prop_oneof![3 => 1_u64..1_000, 3 => 1_u64..300_000, 1 => 1..MINUTE_US / 20];
        prop::collection::vec((gap_us, 1_u32..4), 400..1_000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn many_moments_keep_the_promise_in_bounded_memory(
            limit in 200_u32..1_500,
            steps in many_steps(),
        ) {
            let (mut window, mut now_us, mut admitted) = (minute(limit), 0, Vec::new());
            for (gap_us, cost) in steps {
                now_us += gap_us;
                if admit(&mut window, now_us, cost) {
                    admitted.push((now_us, cost));
                } else if let Admission::Limited { retry_after_us, .. } = window.check(now_us, cost) {
                    prop_assert!(is_admitted(window.clone().check(now_us + retry_after_us, cost)));
                }
                prop_assert!(window.taken.len() <= MOMENTS_MAX);
            }
            prop_assert!(fullest_slice(&admitted) <= u64::from(limit));
        }

        #[test]
        fn corrections_find_every_call_in_the_window_however_many(
            gaps_us in prop::collection::vec(1_u64..100_000, 200..600),
        ) {
            let (mut window, mut now_us, mut calls) = (minute(100_000), 0, Vec::new());
            for gap_us in gaps_us {
                now_us += gap_us;
                window.take(now_us, 7);
                calls.push(now_us);
            }
            calls.retain(|at_us| at_us + MINUTE_US > now_us);
            for at_us in calls {
                window.correct(at_us, 7, 0);
            }
            prop_assert_eq!(window.remaining(now_us), 100_000);
        }

        /// Merged moments come back up to 1/64 of the window late, and not later.
        #[test]
        fn a_steady_caller_two_percent_under_any_limit_is_never_refused(limit in 129_u32..4_000) {
            let gap_us = MINUTE_US * 65 / 64 / u64::from(limit - 1) + 1;
            let mut window = minute(limit);
            for call in 0..u64::from(limit) * 3 {
                prop_assert!(admit(&mut window, call * gap_us, 1), "call {}", call);
            }
        }
    }
}
