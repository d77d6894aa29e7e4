//! How the limits and budgets of a key stand, without taking from them.

use doorward_domain::budget::{Budget, Spend};
use doorward_domain::limit::LimitKind;
use doorward_domain::rights::Rights;
use jiff::tz::TimeZone;

use super::{KeyState, Moment, Quota, RateWindow};
use crate::{CallKey, Store};

/// How the limits and budgets of a key stand.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Calls at this moment.
    pub in_flight: u32,
    /// Each rate limit.
    pub limits: Vec<LimitStanding>,
    /// Each budget.
    pub budgets: Vec<BudgetStanding>,
}

/// One rate limit.
#[derive(Debug, Clone, Copy)]
pub struct LimitStanding {
    /// What it counts.
    pub kind: LimitKind,
    /// How much of it is left.
    pub quota: Quota,
}

/// One budget.
#[derive(Debug, Clone, Copy)]
pub struct BudgetStanding {
    /// The budget.
    pub budget: Budget,
    /// What was spent in the present period.
    pub spent: Spend,
    /// What calls in flight hold.
    pub held: Spend,
}

impl Store {
    /// How the limits and budgets of a key stand now. Nothing is taken.
    pub fn standing(&self, key: &CallKey) -> Standing {
        let moment = Moment { now: self.clock.now(), monotonic_us: self.clock.monotonic_us() };
        key.state.standing(key.rights_at(moment.now), moment, &self.time_zone)
    }
}

impl KeyState {
    fn standing(&self, rights: &Rights, moment: Moment, zone: &TimeZone) -> Standing {
        let mut counters = self.counters.lock();
        counters.fit_limits(&rights.limits);
        counters.accounts.roll(moment.now, zone);
        let limit = |rate: &mut RateWindow| LimitStanding {
            kind: rate.kind,
            quota: rate.quota(moment.monotonic_us),
        };
        let limits = counters.windows.iter_mut().map(limit).collect();
        let budget = |budget: &Budget| {
            let account = counters.accounts.of(budget.period);
            BudgetStanding { budget: *budget, spent: account.spent, held: account.held }
        };
        let budgets = rights.budgets.iter().map(budget).collect();
        Standing { in_flight: counters.in_flight, limits, budgets }
    }
}
