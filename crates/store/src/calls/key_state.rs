//! The counters of a key: rate limits, calls in flight, budgets. They outlive the key's place in
//! the cache, so that an edit resets no limit and forgets no hold.

mod standing;

use std::sync::atomic::{AtomicI64, Ordering};

use doorward_domain::budget::{NoRoom, Quote, Spend};
use doorward_domain::denial::Denial;
use doorward_domain::key::Owner;
use doorward_domain::limit::{Admission, LimitKind, Limits, Span, Window};
use doorward_domain::price::Price;
use doorward_domain::rights::Rights;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::accounts::{Accounts, Held};
use super::elsewhere::Cost;

pub use standing::{BudgetStanding, LimitStanding, Standing};

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

/// The counters of one key, and the signal that ends its streams.
#[derive(Debug)]
pub struct KeyState {
    owner: Owner,
    counters: Mutex<Counters>,
    /// Finished calls of this key that the database does not know yet. Below nothing for the moment
    /// in which the database was faster than the counter.
    unwritten: AtomicI64,
    /// Cancelled, and replaced, when the key changes.
    changed: Mutex<CancellationToken>,
}

#[derive(Debug)]
struct Counters {
    windows: Vec<RateWindow>,
    in_flight: u32,
    accounts: Accounts,
}

#[derive(Debug)]
struct RateWindow {
    kind: LimitKind,
    span: Span,
    window: Window,
}

/// The two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) monotonic_us: u64,
}

/// What a call took, to be given back or replaced by what it used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    monotonic_us: u64,
    held: Held,
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
struct Units {
    requests: u32,
    tokens: u32,
}

/// What there is room for.
struct Room {
    worst_case: Spend,
    units: Units,
    output_tokens: u64,
}

impl Taken {
    /// When, on the clock that never runs backwards.
    pub(super) fn monotonic_us(&self) -> u64 {
        self.monotonic_us
    }

    /// The worst case that was set aside.
    pub(super) fn held(&self) -> Spend {
        self.held.spend
    }
}

impl KeyState {
    pub(super) fn new(owner: Owner, accounts: Accounts) -> Self {
        let counters = Counters { windows: Vec::new(), in_flight: 0, accounts };
        Self {
            owner,
            counters: Mutex::new(counters),
            unwritten: AtomicI64::new(0),
            changed: Mutex::default(),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// Cancelled when the key changes from how it is now.
    pub(super) fn changed(&self) -> CancellationToken {
        self.changed.lock().clone()
    }

    /// Wakes everything that waits for the key to change.
    pub(super) fn signal_change(&self) {
        std::mem::take(&mut *self.changed.lock()).cancel();
    }

    /// Takes from everything in one step, or from nothing. Returns what was taken and how many
    /// output tokens there is room for.
    pub(super) fn admit(
        &self,
        rights: &Rights,
        quote: &Quote<'_>,
        moment: Moment,
        zone: &TimeZone,
    ) -> Result<(Taken, u64, Admitted), (Denial, Admitted)> {
        let mut counters = self.counters.lock();
        counters.bring_up(rights, moment, zone);
        match counters.room(rights, quote, 1, moment.monotonic_us) {
            Ok(room) => {
                let taken = counters.take(&room, moment.monotonic_us);
                Ok((taken, room.output_tokens, counters.quotas(moment.monotonic_us)))
            }
            Err(denial) => Err((denial, counters.quotas(moment.monotonic_us))),
        }
    }

    /// The same for a use of the key elsewhere, whose end nobody tells: it takes from the rate limits
    /// and holds nothing. No price is known of it: a budget refuses it once nothing is left.
    pub(super) fn spend(
        &self,
        rights: &Rights,
        cost: Cost,
        moment: Moment,
        zone: &TimeZone,
    ) -> Result<Admitted, (Denial, Admitted)> {
        let quote = Quote { price: &Price::FREE, input_tokens: cost.tokens, output_tokens: 0 };
        let mut counters = self.counters.lock();
        counters.bring_up(rights, moment, zone);
        let room = counters.room(rights, &quote, cost.requests, moment.monotonic_us);
        let left = counters.accounts.check_left(&rights.budgets).map_err(denial);
        match room.and_then(|room| left.map(|()| room)) {
            Ok(room) => {
                counters.take_units(room.units, moment.monotonic_us);
                Ok(counters.quotas(moment.monotonic_us))
            }
            Err(denial) => Err((denial, counters.quotas(moment.monotonic_us))),
        }
    }

    /// Gives everything back: the call did not leave.
    pub(super) fn give_back(&self, taken: &Taken) {
        let mut counters = self.counters.lock();
        for rate in &mut counters.windows {
            rate.window.correct(taken.monotonic_us, rate.taken(taken), 0);
        }
        counters.release(taken, Spend::default());
    }

    /// Replaces what a call took by what it used.
    pub(super) fn settle(&self, taken: &Taken, spend: Spend) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        let real = units(spend.tokens);
        let mut counters = self.counters.lock();
        for rate in &mut counters.windows {
            if rate.kind == LimitKind::Tokens {
                rate.window.correct(taken.monotonic_us, rate.taken(taken), real);
            }
        }
        counters.release(taken, spend);
    }

    /// The database knows some more finished calls of this key.
    pub(super) fn written(&self, events: u64) {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        self.unwritten.fetch_sub(events, Ordering::Relaxed);
    }

    /// Whether counters made anew from the database would be the same: no call in flight, none that
    /// the database does not know, nothing left in a rate limit's window.
    pub(super) fn is_idle(&self, monotonic_us: u64) -> bool {
        let counters = self.counters.lock();
        let is_empty = |rate: &RateWindow| rate.window.reset_us(monotonic_us) == 0;
        self.unwritten.load(Ordering::Relaxed) == 0
            && counters.in_flight == 0
            && counters.windows.iter().all(is_empty)
    }
}

/// Windows count in 32 bits; what is larger exceeds any limit.
fn units(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

fn denial(no: NoRoom) -> Denial {
    match no {
        NoRoom::Held => Denial::BudgetHeld,
        NoRoom::Spent => Denial::BudgetSpent,
    }
}

impl RateWindow {
    fn quota(&mut self, monotonic_us: u64) -> Quota {
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
    fn taken(&self, taken: &Taken) -> u32 {
        match self.kind {
            LimitKind::Requests => taken.requests,
            LimitKind::Tokens => taken.tokens.of(self.span),
        }
    }
}

impl Counters {
    /// Makes them those of the present limits and periods.
    fn bring_up(&mut self, rights: &Rights, moment: Moment, zone: &TimeZone) {
        self.fit_limits(&rights.limits);
        self.accounts.roll(moment.now, zone);
    }

    /// What there is room for, without taking it. The limits answer before the budgets, so that a
    /// caller who is too fast is told just that. No requests: it is only asked about, and may be
    /// while others are in flight.
    fn room(
        &mut self,
        rights: &Rights,
        quote: &Quote<'_>,
        requests: u32,
        monotonic_us: u64,
    ) -> Result<Room, Denial> {
        let limit = rights.limits.concurrency.filter(|_| requests > 0);
        if limit.is_some_and(|limit| self.in_flight >= limit.get()) {
            return Err(Denial::TooManyConcurrent);
        }
        let fitting = self.accounts.fit(quote, &rights.budgets);
        let worst_case = quote.hold(fitting.unwrap_or(quote.output_tokens));
        let units = Units { requests, tokens: units(worst_case.tokens) };
        match self.first_limited(units, monotonic_us) {
            Some(denial) => Err(denial),
            None => fitting
                .map(|output_tokens| Room { worst_case, units, output_tokens })
                .map_err(denial),
        }
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

    fn first_limited(&mut self, units: Units, monotonic_us: u64) -> Option<Denial> {
        self.windows.iter_mut().find_map(|rate| {
            let cost = rate.cost(units);
            match rate.window.check(monotonic_us, cost) {
                Admission::Admitted { .. } => None,
                Admission::Limited { retry_after_us, .. } => {
                    Some(Denial::RateLimited { kind: rate.kind, retry_after_us })
                }
            }
        })
    }

    fn take(&mut self, room: &Room, monotonic_us: u64) -> Taken {
        self.in_flight = self.in_flight.saturating_add(1);
        let tokens = self.take_units(room.units, monotonic_us);
        let (held, requests) = (self.accounts.hold(room.worst_case), room.units.requests);
        Taken { monotonic_us, held, requests, tokens }
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

    fn release(&mut self, taken: &Taken, spend: Spend) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.accounts.settle(&taken.held, spend);
    }

    fn quotas(&mut self, monotonic_us: u64) -> Admitted {
        let mut quotas = Admitted::default();
        for rate in &mut self.windows {
            let quota = rate.quota(monotonic_us);
            let slot = match rate.kind {
                LimitKind::Requests => &mut quotas.requests,
                LimitKind::Tokens => &mut quotas.tokens,
            };
            if slot.is_none_or(|known| quota.remaining < known.remaining) {
                *slot = Some(quota);
            }
        }
        quotas
    }
}

#[cfg(test)]
pub(super) mod tests;
