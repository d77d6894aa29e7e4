//! What bounds one call: the key's own limits and budgets, those for its model, and those that the key
//! shares with others of its user, project and organization. A call takes from all of them in one step
//! or from none.

mod standing;

use std::sync::Arc;

use doorward_domain::bounds::{BoundOf, Bounds, SharedWith};
use doorward_domain::budget::{Budget, Held, NoRoom, Quote, Spend};
use doorward_domain::denial::Denial;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelPattern;
use doorward_domain::price::Price;
use doorward_domain::rights::Rights;
use doorward_domain::usage::Usage;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::MutexGuard;

use super::counters::{Admitted, Counters, Moment, Part, Quota, Units};
use super::elsewhere::Cost;
use super::tally::Tally;
use crate::increases::Raised;

pub use standing::{BudgetStanding, ConcurrencyStanding, LimitStanding, Standing};

/// Bounds beside the key's own, and their counters.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) of: BoundOf,
    /// Which models they are for. `None`: all.
    pub(super) models: Option<ModelPattern>,
    pub(super) bounds: Bounds,
    /// What an increase makes of them, until that ends.
    pub(super) raised: Option<Raised<Bounds>>,
    pub(super) tally: Arc<Tally>,
}

impl Link {
    /// What bounds at `now`.
    fn bounds_at(&self, now: Timestamp) -> &Bounds {
        Raised::or_own(self.raised.as_ref(), &self.bounds, now)
    }

    fn bounds_calls_of(&self, model: Option<&str>) -> bool {
        match &self.models {
            None => true,
            Some(pattern) => model.is_some_and(|model| pattern.matches(model)),
        }
    }
}

/// Everything that bounds a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounded<'a> {
    /// The key's own counters, and the rights with its limits and budgets.
    pub(super) own: (&'a Tally, &'a Rights),
    /// The others, in the order in which they are locked: the organization, the project, the user, then
    /// those of the key for some models. The key's own are locked last.
    pub(super) links: &'a [Link],
    /// `None`: no model is called.
    pub(super) model: Option<&'a str>,
}

/// What a call took, to be given back or replaced by what it used.
#[derive(Debug)]
pub(super) struct Taken {
    monotonic_us: u64,
    own: Part,
    /// Of which links. No key has so many that a place would not fit.
    others: Vec<(usize, Part)>,
}

impl Taken {
    /// When, on the clock that never runs backwards.
    pub(super) fn monotonic_us(&self) -> u64 {
        self.monotonic_us
    }

    /// What was set aside.
    pub(super) fn held(&self) -> Held {
        self.own.held()
    }
}

/// An admitted call: what it took, how many output tokens there is room for, what the limits say now.
pub(super) type Answer = Result<(Taken, u64, Admitted), (Denial, Admitted)>;

impl Bounded<'_> {
    /// Takes from everything in one step, or from nothing.
    pub(super) fn admit(&self, quote: &Quote<'_>, moment: Moment, zone: &TimeZone) -> Answer {
        let us = moment.monotonic_us;
        let mut chain = self.lock(moment, zone);
        match chain.room(quote, 1, us) {
            Ok(room) => {
                let taken = chain.take(&room, us);
                Ok((taken, room.output_tokens, chain.quotas(us)))
            }
            Err(denial) => Err((denial, chain.quotas(us))),
        }
    }

    /// The same for a use of the key elsewhere, whose end nobody tells: it takes from the rate limits
    /// and holds nothing. No price is known of it: a budget refuses it once nothing is left.
    pub(super) fn spend(
        &self,
        cost: Cost,
        moment: Moment,
        zone: &TimeZone,
    ) -> Result<Admitted, (Denial, Admitted)> {
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(cost.tokens, 0),
            fixed_output_tokens: 0,
            average: None,
        };
        let us = moment.monotonic_us;
        let mut chain = self.lock(moment, zone);
        let room = chain.room(&quote, cost.requests, us);
        match room.and_then(|room| chain.check_left().map(|()| room)) {
            Ok(room) => {
                chain.all_mut().for_each(|one| one.counters.spend_units(room.units, us));
                Ok(chain.quotas(us))
            }
            Err(denial) => Err((denial, chain.quotas(us))),
        }
    }

    /// Gives everything back: the call did not leave.
    pub(super) fn give_back(&self, taken: &Taken) {
        for (tally, part) in self.parts(taken) {
            tally.give_back(part, taken.monotonic_us);
        }
    }

    /// Replaces what a call took by what it used. Each of the counters by itself: what is held and what
    /// is spent change together in each, and that is all that any promise rests on.
    pub(super) fn settle(&self, taken: &Taken, spend: Spend) {
        for (tally, part) in self.parts(taken) {
            tally.settle(part, taken.monotonic_us, spend);
        }
    }

    /// Books what is spent beside what the call holds, in one step, where every budget covers both; else nothing
    /// is booked.
    pub(super) fn try_add(
        &self,
        spend: Spend,
        started_at: Timestamp,
        (moment, zone): (Moment, &TimeZone),
    ) -> bool {
        let mut chain = self.lock(moment, zone);
        let fits = |one: &Locked<'_>| one.counters.accounts().have_room_beside(spend, one.budgets);
        let is_covered = spend == Spend::default() || chain.all().all(fits);
        if is_covered {
            chain.all_mut().for_each(|one| one.counters.add(spend, started_at, zone));
        }
        is_covered
    }

    /// With whom the call is shared.
    pub(super) fn shared_with(&self, taken: &Taken) -> SharedWith {
        let links = taken.others.iter().filter_map(|(place, _)| self.links.get(*place));
        links.fold(SharedWith::NONE, |with, link| with.and(link.of))
    }

    fn parts<'a>(&'a self, taken: &'a Taken) -> impl Iterator<Item = (&'a Tally, &'a Part)> {
        let of_link = |(place, part): &'a (usize, Part)| {
            self.links.get(*place).map(|link| (&*link.tally, part))
        };
        taken.others.iter().filter_map(of_link).chain([(self.own.0, &taken.own)])
    }

    fn lock(&self, moment: Moment, zone: &TimeZone) -> Chain<'_> {
        let is_met = |(_, link): &(usize, &Link)| link.bounds_calls_of(self.model);
        let others = self.links.iter().enumerate().filter(is_met).map(|(place, link)| {
            let Bounds { limits, budgets } = link.bounds_at(moment.now);
            Locked { place, of: link.of, limits, budgets, counters: link.tally.lock() }
        });
        let others = others.collect();
        let (tally, rights) = self.own;
        let own = Locked {
            place: self.links.len(),
            of: BoundOf::Key,
            limits: &rights.limits,
            budgets: &rights.budgets,
            counters: tally.lock(),
        };
        let mut chain = Chain { own, others };
        chain.all_mut().for_each(|one| one.counters.bring_up(one.limits, moment, zone));
        chain
    }
}

/// Everything that bounds a call, locked.
struct Chain<'a> {
    own: Locked<'a>,
    others: Vec<Locked<'a>>,
}

struct Locked<'a> {
    place: usize,
    of: BoundOf,
    limits: &'a Limits,
    budgets: &'a [Budget],
    counters: MutexGuard<'a, Counters>,
}

/// What there is room for.
struct Room {
    held: Held,
    units: Units,
    output_tokens: u64,
}

impl<'a> Chain<'a> {
    /// The key's own first, then what is ever wider: what a holder can mend is told before what they
    /// cannot.
    fn all(&self) -> impl Iterator<Item = &Locked<'a>> {
        std::iter::once(&self.own).chain(self.others.iter().rev())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Locked<'a>> {
        std::iter::once(&mut self.own).chain(self.others.iter_mut().rev())
    }

    /// What there is room for, without taking it. The limits answer before the budgets, so that a
    /// caller who is too fast is told just that. No requests: it is only asked about, and may be
    /// while others are in flight.
    fn room(&mut self, quote: &Quote<'_>, requests: u32, us: u64) -> Result<Room, Denial> {
        if requests > 0
            && let Some(full) = self.all().find(|one| one.is_full())
        {
            return Err(Denial::TooManyConcurrent(full.of));
        }
        let fitting = self.fit(quote);
        let held = quote.hold(*fitting.as_ref().unwrap_or(&quote.most.output_tokens));
        let units = Units::new(requests, held.worst.tokens);
        match self.all_mut().find_map(|one| one.limited(units, us)) {
            Some(denial) => Err(denial),
            None => fitting.map(|output_tokens| Room { held, units, output_tokens }),
        }
    }

    /// How many output tokens fit into every budget. Where one is held and another spent, it is
    /// spent: waiting would not help.
    fn fit(&self, quote: &Quote<'_>) -> Result<u64, Denial> {
        let fit = |one: &Locked<'_>| one.counters.accounts().fit(quote, one.budgets);
        self.all().try_fold(Ok(quote.most.output_tokens), |fitting, one| {
            match (fitting, fit(one)) {
                (_, Err(NoRoom::Spent)) => Err(Denial::BudgetSpent(one.of)),
                (Ok(all), Ok(room)) => Ok(Ok(all.min(room))),
                (Ok(_), Err(NoRoom::Held)) => Ok(Err(Denial::BudgetHeld(one.of))),
                (Err(held), _) => Ok(Err(held)),
            }
        })?
    }

    /// Whether every budget has anything left.
    fn check_left(&self) -> Result<(), Denial> {
        let left = |one: &Locked<'_>| one.counters.accounts().check_left(one.budgets);
        self.all().try_fold(Ok(()), |so_far, one| match (so_far, left(one)) {
            (_, Err(NoRoom::Spent)) => Err(Denial::BudgetSpent(one.of)),
            (Ok(()), Err(NoRoom::Held)) => Ok(Err(Denial::BudgetHeld(one.of))),
            (so_far, _) => Ok(so_far),
        })?
    }

    fn take(&mut self, room: &Room, us: u64) -> Taken {
        let take = |one: &mut Locked<'_>| one.counters.take(room.units, room.held, us);
        let own = take(&mut self.own);
        let others = self.others.iter_mut().map(|one| (one.place, take(one))).collect();
        Taken { monotonic_us: us, own, others }
    }

    /// Of each kind, the limit with the least left.
    fn quotas(&mut self, us: u64) -> Admitted {
        let mut quotas = Admitted::default();
        for one in self.all_mut() {
            for rate in one.counters.windows() {
                let slot = quotas.of_mut(rate.kind());
                let quota: Quota = rate.quota(us);
                if slot.is_none_or(|known| quota.remaining < known.remaining) {
                    *slot = Some(quota);
                }
            }
        }
        quotas
    }
}

impl Locked<'_> {
    fn is_full(&self) -> bool {
        self.limits.concurrency.is_some_and(|limit| self.counters.in_flight() >= limit.get())
    }

    fn limited(&mut self, units: Units, us: u64) -> Option<Denial> {
        let (kind, retry_after_us) = self.counters.first_limited(units, us)?;
        Some(Denial::RateLimited { of: self.of, kind, retry_after_us })
    }
}

#[cfg(test)]
pub(super) mod tests;
