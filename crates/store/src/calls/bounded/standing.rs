//! How everything that bounds a key stands, without taking from it.

use std::num::NonZeroU32;

use doorward_domain::bounds::BoundOf;
use doorward_domain::budget::{Budget, NoRoom, Spend};
use doorward_domain::limit::LimitKind;
use jiff::tz::TimeZone;

use super::{Bounded, Locked};
use crate::calls::counters::{Moment, Quota};
use crate::{CallKey, Store};

/// How the limits and budgets of a key stand, and those that it shares with others.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Calls of the key at this moment.
    pub in_flight: u32,
    /// Each limit of calls at one time.
    pub concurrency: Vec<ConcurrencyStanding>,
    /// Each rate limit.
    pub limits: Vec<LimitStanding>,
    /// Each budget.
    pub budgets: Vec<BudgetStanding>,
}

/// One limit of calls at one time.
#[derive(Debug, Clone, Copy)]
pub struct ConcurrencyStanding {
    /// Whose.
    pub of: BoundOf,
    /// The limit.
    pub limit: NonZeroU32,
    /// Calls that count against it at this moment.
    pub in_flight: u32,
}

/// One rate limit.
#[derive(Debug, Clone, Copy)]
pub struct LimitStanding {
    /// Whose.
    pub of: BoundOf,
    /// What it counts.
    pub kind: LimitKind,
    /// How much of it is left.
    pub quota: Quota,
}

/// One budget.
#[derive(Debug, Clone, Copy)]
pub struct BudgetStanding {
    /// Whose.
    pub of: BoundOf,
    /// The budget.
    pub budget: Budget,
    /// What was spent in the present period.
    pub spent: Spend,
    /// What calls in flight hold of it.
    pub held: Spend,
    /// Whether anything is left of it.
    pub left: Result<(), NoRoom>,
}

impl Store {
    /// How everything that bounds a key stands now; with what bounds its calls of a model, where one is
    /// named. Nothing is taken.
    pub fn standing(&self, key: &CallKey, model: Option<&str>) -> Standing {
        let moment = Moment { now: self.clock.now(), monotonic_us: self.clock.monotonic_us() };
        key.bounded(moment.now, model).standing(moment, &self.time_zone)
    }
}

impl Bounded<'_> {
    fn standing(&self, moment: Moment, zone: &TimeZone) -> Standing {
        let mut chain = self.lock(moment, zone);
        Standing {
            in_flight: chain.own.counters.in_flight(),
            concurrency: chain.all().filter_map(Locked::concurrency).collect(),
            budgets: chain.all().flat_map(Locked::budgets).collect(),
            limits: chain.all_mut().flat_map(|one| one.rates(moment.monotonic_us)).collect(),
        }
    }
}

impl Locked<'_> {
    fn concurrency(&self) -> Option<ConcurrencyStanding> {
        let limit = self.limits.concurrency?;
        Some(ConcurrencyStanding { of: self.of, limit, in_flight: self.counters.in_flight() })
    }

    fn rates(&mut self, us: u64) -> Vec<LimitStanding> {
        let of = self.of;
        let windows = self.counters.windows();
        windows.map(|rate| LimitStanding { of, kind: rate.kind(), quota: rate.quota(us) }).collect()
    }

    fn budgets(&self) -> impl Iterator<Item = BudgetStanding> {
        self.budgets.iter().map(|budget| {
            let account = self.counters.accounts().of(budget.period);
            BudgetStanding {
                of: self.of,
                budget: *budget,
                spent: account.spent,
                held: budget.held_of(&account),
                left: budget.check_left(&account),
            }
        })
    }
}
