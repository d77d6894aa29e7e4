//! The counters of one thing that is bounded: rate limits, calls in flight, budgets.

use doorward_domain::budget::{Held, Spend};
use doorward_domain::limit::{Admission, LimitKind, Limits, Span, Window};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::accounts::{Accounts, Hold};

/// The state of the tightest limit of one kind, for headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The limit.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
    /// Microseconds until all of it is back.
    pub reset_us: u64,
    /// The window in seconds.
    pub window_seconds: u64,
}

/// What the limits said, for the answer's headers, whether the call was admitted or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Admitted {
    /// Of the requests limits, the one with the least left.
    pub requests: Option<Quota>,
    /// Of the tokens limits, the one with the least left.
    pub tokens: Option<Quota>,
}

/// The two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) monotonic_us: u64,
}

#[derive(Debug)]
pub(super) struct Counters {
    windows: Vec<RateWindow>,
    in_flight: u32,
    accounts: Accounts,
}

#[derive(Debug)]
pub(super) struct RateWindow {
    kind: LimitKind,
    span: Span,
    window: Window,
}

/// What a call took of some counters, to be given back or replaced by what it used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    hold: Hold,
    requests: u32,
    tokens: TakenTokens,
}

/// What was taken from the tokens limits: of each at most its height at that moment, which may be
/// another one when the real figure is known.
#[derive(Debug, Clone, Copy, Default)]
struct TakenTokens {
    minute: u32,
    hour: u32,
    day: u32,
}

impl TakenTokens {
    const fn of(self, span: Span) -> u32 {
        match span {
            Span::Minute => self.minute,
            Span::Hour => self.hour,
            Span::Day => self.day,
        }
    }

    const fn set(&mut self, span: Span, tokens: u32) {
        match span {
            Span::Minute => self.minute = tokens,
            Span::Hour => self.hour = tokens,
            Span::Day => self.day = tokens,
        }
    }
}

/// What is taken from the rate limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    pub(super) requests: u32,
    pub(super) tokens: u32,
}

impl Units {
    pub(super) fn new(requests: u32, tokens: u64) -> Self {
        Self { requests, tokens: units(tokens) }
    }
}

/// Windows count in 32 bits; what is larger exceeds any limit.
fn units(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

impl Part {
    /// What was set aside.
    pub(super) fn held(&self) -> Held {
        self.hold.held
    }
}

impl RateWindow {
    pub(super) fn kind(&self) -> LimitKind {
        self.kind
    }

    pub(super) fn quota(&mut self, monotonic_us: u64) -> Quota {
        Quota {
            limit: self.window.limit(),
            remaining: self.window.remaining(monotonic_us),
            reset_us: self.window.reset_us(monotonic_us),
            window_seconds: self.span.seconds(),
        }
    }

    /// What these take of it. A worst case larger than the whole limit takes the whole limit until the
    /// real figure is known; else such a call could never be made.
    fn cost(&self, units: Units) -> u32 {
        match self.kind {
            LimitKind::Requests => units.requests,
            LimitKind::Tokens => units.tokens.min(self.window.limit()),
        }
    }

    /// What a call has taken of it.
    fn taken(&self, part: &Part) -> u32 {
        match self.kind {
            LimitKind::Requests => part.requests,
            LimitKind::Tokens => part.tokens.of(self.span),
        }
    }
}

impl Counters {
    pub(super) fn new(accounts: Accounts) -> Self {
        Self { windows: Vec::new(), in_flight: 0, accounts }
    }

    /// Makes them those of the present limits and periods.
    pub(super) fn bring_up(&mut self, limits: &Limits, moment: Moment, zone: &TimeZone) {
        self.fit_limits(limits);
        self.accounts.roll(moment.now, zone);
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(super) fn windows(&mut self) -> impl Iterator<Item = &mut RateWindow> {
        self.windows.iter_mut()
    }

    /// Whether nothing is in flight, and nothing in any window.
    pub(super) fn is_quiet(&self, monotonic_us: u64) -> bool {
        let is_empty = |rate: &RateWindow| rate.window.reset_us(monotonic_us) == 0;
        self.in_flight == 0 && self.windows.iter().all(is_empty)
    }

    /// Keeps what was taken under limits that stay, whatever their new height.
    fn fit_limits(&mut self, limits: &Limits) {
        let is_fitting = self.windows.iter().map(|r| (r.kind, r.span, r.window.limit()));
        if is_fitting.eq(limits.rates().map(|(kind, span, limit)| (kind, span, limit.get()))) {
            return;
        }
        let mut old = std::mem::take(&mut self.windows);
        for (kind, span, limit) in limits.rates() {
            let kept = old.iter().position(|r| r.kind == kind && r.span == span);
            let mut window = match kept {
                Some(position) => old.swap_remove(position).window,
                None => Window::new(span, limit),
            };
            window.set_limit(limit);
            self.windows.push(RateWindow { kind, span, window });
        }
    }

    /// The first limit without room for these, and microseconds until there is.
    pub(super) fn first_limited(
        &mut self,
        units: Units,
        monotonic_us: u64,
    ) -> Option<(LimitKind, u64)> {
        self.windows.iter_mut().find_map(|rate| {
            let cost = rate.cost(units);
            match rate.window.check(monotonic_us, cost) {
                Admission::Admitted { .. } => None,
                Admission::Limited { retry_after_us, .. } => Some((rate.kind, retry_after_us)),
            }
        })
    }

    /// Takes a call: its place in flight, its units and what is set aside for it.
    pub(super) fn take(&mut self, units: Units, held: Held, monotonic_us: u64) -> Part {
        self.in_flight = self.in_flight.saturating_add(1);
        let tokens = self.take_units(units, monotonic_us);
        Part { hold: self.accounts.hold(held), requests: units.requests, tokens }
    }

    /// Takes from the rate limits alone.
    pub(super) fn spend_units(&mut self, units: Units, monotonic_us: u64) {
        self.take_units(units, monotonic_us);
    }

    fn take_units(&mut self, units: Units, monotonic_us: u64) -> TakenTokens {
        let mut tokens = TakenTokens::default();
        for rate in &mut self.windows {
            let cost = rate.cost(units);
            rate.window.take(monotonic_us, cost);
            if rate.kind == LimitKind::Tokens {
                tokens.set(rate.span, cost);
            }
        }
        tokens
    }

    /// Gives everything back: the call did not leave.
    pub(super) fn give_back(&mut self, part: &Part, taken_us: u64) {
        for rate in &mut self.windows {
            rate.window.correct(taken_us, rate.taken(part), 0);
        }
        self.release(part, Spend::default());
    }

    /// Replaces what a call took by what it used.
    pub(super) fn settle(&mut self, part: &Part, taken_us: u64, spend: Spend) {
        let real = units(spend.tokens);
        for rate in &mut self.windows {
            if rate.kind == LimitKind::Tokens {
                rate.window.correct(taken_us, rate.taken(part), real);
            }
        }
        self.release(part, spend);
    }

    /// Books a call that took nothing here when it began.
    pub(super) fn add(&mut self, spend: Spend, started_at: Timestamp, zone: &TimeZone) {
        self.accounts.roll(started_at, zone);
        self.accounts.add(spend, started_at);
    }

    fn release(&mut self, part: &Part, spend: Spend) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.accounts.settle(&part.hold, spend);
    }
}

impl Admitted {
    /// The place of one kind.
    pub(super) fn of_mut(&mut self, kind: LimitKind) -> &mut Option<Quota> {
        match kind {
            LimitKind::Requests => &mut self.requests,
            LimitKind::Tokens => &mut self.tokens,
        }
    }
}
