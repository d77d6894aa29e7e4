//! The counters of a key: rate limits, calls in flight, budgets. They outlive the key's place in
//! the cache, so that an edit resets no limit and forgets no hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doorward_domain::budget::{Account, Budget, NoRoom, Period, Quote, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::key::ApiKey;
use doorward_domain::limit::{Admission, LimitKind, Limits, Span, Window};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

use crate::usage::load_spent;
use crate::{Store, StoreError};

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

/// The counters of one key.
#[derive(Debug)]
pub struct KeyState {
    counters: Mutex<Counters>,
    /// Finished calls of this key that the database does not know yet.
    unwritten: AtomicU64,
}

#[derive(Debug)]
struct Counters {
    windows: Vec<RateWindow>,
    in_flight: u32,
    accounts: Vec<PeriodAccount>,
}

#[derive(Debug)]
struct RateWindow {
    kind: LimitKind,
    span: Span,
    window: Window,
}

/// A budget's account and the period that it counts.
#[derive(Debug, Clone, Copy)]
struct PeriodAccount {
    budget: Budget,
    account: Account,
    start: Timestamp,
    end: Option<Timestamp>,
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
    moment: Moment,
    held: Spend,
    tokens: u32,
}

impl Taken {
    /// When, on the clock that never runs backwards.
    pub(super) fn monotonic_us(&self) -> u64 {
        self.moment.monotonic_us
    }

    /// The worst case that was set aside.
    pub(super) fn held(&self) -> Spend {
        self.held
    }
}

impl KeyState {
    fn new(accounts: Vec<PeriodAccount>) -> Self {
        let counters = Counters { windows: Vec::new(), in_flight: 0, accounts };
        Self { counters: Mutex::new(counters), unwritten: AtomicU64::new(0) }
    }

    /// Takes from everything in one step, or from nothing. Returns what was taken and how many
    /// output tokens there is room for.
    pub(super) fn admit(
        &self,
        key: &ApiKey,
        quote: &Quote<'_>,
        moment: Moment,
        zone: &TimeZone,
    ) -> Result<(Taken, u64, Admitted), (Denial, Admitted)> {
        let mut counters = self.counters.lock();
        counters.fit_limits(&key.rights.limits);
        counters.fit_budgets(&key.rights.budgets, moment.now, zone);
        let limit = key.rights.limits.concurrency;
        if limit.is_some_and(|limit| counters.in_flight >= limit.get()) {
            return Err((Denial::TooManyConcurrent, counters.quotas(moment)));
        }
        let granted = counters.granted(quote).map_err(|no| (denial(no), counters.quotas(moment)));
        let tokens = |granted: u64| {
            u32::try_from(quote.input_tokens.saturating_add(granted)).unwrap_or(u32::MAX)
        };
        // The limits answer first, so that a caller who is too fast is told just that.
        let wanted = tokens(granted.as_ref().copied().unwrap_or(quote.output_tokens));
        if let Some(denial) = counters.first_limited(wanted, moment) {
            return Err((denial, counters.quotas(moment)));
        }
        let granted = granted?;
        let taken = Taken { moment, held: quote.hold(granted), tokens: wanted };
        counters.take(&taken);
        Ok((taken, granted, counters.quotas(moment)))
    }

    /// Gives everything back: the call did not leave.
    pub(super) fn give_back(&self, taken: &Taken) {
        let mut counters = self.counters.lock();
        counters.in_flight = counters.in_flight.saturating_sub(1);
        for rate in &mut counters.windows {
            let estimate = rate.cost(taken.tokens);
            rate.window.correct(taken.moment.monotonic_us, estimate, 0);
        }
        counters.release(taken, Spend::default());
    }

    /// Replaces what a call took by what it used.
    pub(super) fn settle(&self, taken: &Taken, spend: Spend) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        let real = u32::try_from(spend.tokens).unwrap_or(u32::MAX);
        let mut counters = self.counters.lock();
        counters.in_flight = counters.in_flight.saturating_sub(1);
        for rate in &mut counters.windows {
            if rate.kind == LimitKind::Tokens {
                let estimate = rate.cost(taken.tokens);
                rate.window.correct(taken.moment.monotonic_us, estimate, real);
            }
        }
        counters.release(taken, spend);
    }

    /// The database knows some more finished calls of this key.
    pub(super) fn written(&self, events: u64) {
        let before = self.unwritten.load(Ordering::Relaxed);
        self.unwritten.store(before.saturating_sub(events), Ordering::Relaxed);
    }

    /// Whether forgetting the counters would forget something that the database does not know.
    fn is_idle(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) == 0 && self.counters.lock().in_flight == 0
    }
}

fn denial(no: NoRoom) -> Denial {
    match no {
        NoRoom::Held => Denial::BudgetHeld,
        NoRoom::Spent => Denial::BudgetSpent,
    }
}

impl RateWindow {
    /// What a call of so many tokens takes. A worst case larger than the whole limit takes the whole
    /// limit until the real figure is known; else such a call could never be made.
    fn cost(&self, tokens: u32) -> u32 {
        match self.kind {
            LimitKind::Requests => 1,
            LimitKind::Tokens => tokens.min(self.window.limit()),
        }
    }
}

impl Counters {
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

    /// Follows edits of the budgets, and begins new periods. A budget for a period that was not
    /// counted so far begins with what other budgets of the same period know, else at nothing.
    fn fit_budgets(&mut self, budgets: &[Budget], now: Timestamp, zone: &TimeZone) {
        if !self.accounts.iter().map(|a| &a.budget).eq(budgets) {
            let old = std::mem::take(&mut self.accounts);
            for budget in budgets {
                let known = old.iter().find(|a| a.budget.period == budget.period);
                let account = known.map_or_else(Account::default, |known| known.account);
                self.accounts.push(PeriodAccount::new(*budget, account, now, zone));
            }
        }
        for account in &mut self.accounts {
            if account.end.is_some_and(|end| end <= now) {
                *account = PeriodAccount::new(account.budget, Account::default(), now, zone);
            }
        }
    }

    fn granted(&self, quote: &Quote<'_>) -> Result<u64, NoRoom> {
        if self.accounts.is_empty() {
            return Ok(quote.output_tokens);
        }
        let accounts: Vec<_> = self.accounts.iter().map(|a| (a.budget, a.account)).collect();
        quote.fit(&accounts)
    }

    fn first_limited(&mut self, tokens: u32, moment: Moment) -> Option<Denial> {
        self.windows.iter_mut().find_map(|rate| {
            let cost = rate.cost(tokens);
            match rate.window.check(moment.monotonic_us, cost) {
                Admission::Admitted { .. } => None,
                Admission::Limited { retry_after_us, .. } => {
                    Some(Denial::RateLimited { kind: rate.kind, retry_after_us })
                }
            }
        })
    }

    fn take(&mut self, taken: &Taken) {
        self.in_flight = self.in_flight.saturating_add(1);
        for rate in &mut self.windows {
            let cost = rate.cost(taken.tokens);
            rate.window.take(taken.moment.monotonic_us, cost);
        }
        for account in &mut self.accounts {
            account.account.held = account.account.held.plus(taken.held);
        }
    }

    /// A call that began in an earlier period held nothing of this one, and is paid in its own.
    fn release(&mut self, taken: &Taken, spend: Spend) {
        for account in &mut self.accounts {
            if account.start <= taken.moment.now {
                account.account.held = account.account.held.minus(taken.held);
                account.account.spent = account.account.spent.plus(spend);
            }
        }
    }

    fn quotas(&mut self, moment: Moment) -> Admitted {
        let mut quotas = Admitted::default();
        for rate in &mut self.windows {
            let quota = Quota {
                limit: rate.window.limit(),
                remaining: rate.window.remaining(moment.monotonic_us),
                reset_us: rate.window.reset_us(moment.monotonic_us),
                window_seconds: rate.span.seconds(),
            };
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

impl PeriodAccount {
    fn new(budget: Budget, account: Account, now: Timestamp, zone: &TimeZone) -> Self {
        let period: Period = budget.period;
        let (start, end) = (period.start(now, zone), period.end(now, zone));
        Self { budget, account, start, end }
    }
}

/// The counters of all keys that were used lately.
#[derive(Debug)]
pub(super) struct States {
    states: Mutex<HashMap<KeyId, Arc<KeyState>>>,
    states_max: usize,
}

impl States {
    pub(super) fn new(call_keys_max: usize) -> Self {
        Self { states: Mutex::default(), states_max: call_keys_max.saturating_mul(2).max(16) }
    }

    /// The counters of a key: those in memory, or new ones with what the database knows was spent.
    pub(super) async fn of(
        &self,
        store: &Store,
        key: &ApiKey,
    ) -> Result<Arc<KeyState>, StoreError> {
        if let Some(state) = self.find(&key.id)
            && state.knows_periods(key)
        {
            return Ok(state);
        }
        let now = store.clock.now();
        // A budget added to a key that is in use may be for a period that nobody counted so far: what
        // waits for the database must be in it before it is asked.
        store.flush_events().await?;
        let budgets = &key.rights.budgets;
        let spent = load_spent(&store.db, &key.id, budgets, now, &store.time_zone).await?;
        let accounts = spent.into_iter().map(|(budget, spent)| {
            let account = Account { spent, held: Spend::default() };
            PeriodAccount::new(budget, account, now, &store.time_zone)
        });
        Ok(self.adopt(key.id, accounts.collect()))
    }

    /// The database knows some more finished calls of this key.
    pub(super) fn written(&self, key: &KeyId, events: u64) {
        if let Some(state) = self.find(key) {
            state.written(events);
        }
    }

    fn find(&self, id: &KeyId) -> Option<Arc<KeyState>> {
        self.states.lock().get(id).cloned()
    }

    fn adopt(&self, id: KeyId, accounts: Vec<PeriodAccount>) -> Arc<KeyState> {
        let mut states = self.states.lock();
        if let Some(state) = states.get(&id) {
            state.counters.lock().add_accounts(accounts);
            return Arc::clone(state);
        }
        if states.len() >= self.states_max {
            states.retain(|_, state| Arc::strong_count(state) > 1 || !state.is_idle());
        }
        let state = Arc::new(KeyState::new(accounts));
        states.insert(id, Arc::clone(&state));
        state
    }
}

impl KeyState {
    /// Whether every period of the key's budgets is counted already.
    fn knows_periods(&self, key: &ApiKey) -> bool {
        let counters = self.counters.lock();
        let is_known =
            |budget: &Budget| counters.accounts.iter().any(|a| a.budget.period == budget.period);
        key.rights.budgets.iter().all(is_known)
    }
}

impl Counters {
    /// Adds accounts for periods that were not counted so far; those that were know more.
    fn add_accounts(&mut self, accounts: Vec<PeriodAccount>) {
        for account in accounts {
            if !self.accounts.iter().any(|known| known.budget.period == account.budget.period) {
                self.accounts.push(account);
            }
        }
    }
}
