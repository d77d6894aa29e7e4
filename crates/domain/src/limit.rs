//! Rate limits: how many requests or tokens in a minute, an hour, a day, and how many at once.
//!
//! A limit promises two things: in any stretch of one window no more than the limit is admitted,
//! and whoever stays under it is never refused, whether the calls come evenly or all together. A
//! leaky bucket can keep only one of the two, so each window remembers when units were taken.

use std::collections::VecDeque;
use std::num::NonZeroU32;

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

/// The limits of a key. `None` is no limit on that axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests in any 60 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_hour: Option<NonZeroU32>,
    /// Requests in any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<NonZeroU32>,
    /// Tokens in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Tokens in any 60 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_hour: Option<NonZeroU32>,
    /// Tokens in any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<NonZeroU32>,
    /// Calls in flight at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
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

    /// Whether `other` is at least as tight on every axis.
    pub fn covers(&self, other: &Self) -> bool {
        let axes = [
            (self.requests_per_minute, other.requests_per_minute),
            (self.requests_per_hour, other.requests_per_hour),
            (self.requests_per_day, other.requests_per_day),
            (self.tokens_per_minute, other.tokens_per_minute),
            (self.tokens_per_hour, other.tokens_per_hour),
            (self.tokens_per_day, other.tokens_per_day),
            (self.concurrency, other.concurrency),
        ];
        axes.into_iter().all(|(mine, theirs)| mine.is_none_or(|m| theirs.is_some_and(|t| t <= m)))
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
        let Some(entry) = self.taken.iter_mut().find(holds_it) else { return };
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
