//! Whom to ask next.

use std::sync::Arc;

use doorward_domain::catalog::Routing;
use smallvec::SmallVec;

use crate::ask::Ask;
use crate::catalog::{RoutedModel, Target};
use crate::health::Pass;

/// Goes through the targets of a model for one call: by priority; among equals, one is drawn by weight, or
/// the one of two that answers sooner. With the best of all, everybody would go to the same one until it
/// is the worst; two drawn by chance are as good and do not stampede.
///
/// Those that are left alone are passed over. But a call is not refused for that: the way of Envoy's panic
/// mode rather than linkerd's fail-fast, for a breaker may be wrong about a provider, and then the only
/// one who could find that out is turned away. So where nobody else is left, the one that would be called
/// again soonest is asked, once for each call and never again after a pause, so that what waits does not
/// become a storm.
pub(super) struct Choice<'a> {
    targets: &'a [Arc<Target>],
    routing: Routing,
    marks: SmallVec<[Mark; 4]>,
    /// Drawn to go first, before the call was admitted.
    first: Option<usize>,
    has_last_resort: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Not asked so far.
    Fresh,
    /// Asked in this round.
    Asked,
    /// Not to be asked for this call again.
    Out,
}

impl<'a> Choice<'a> {
    /// Of those that can be asked for this call, and have a price for all of it. `random` is as good as
    /// random.
    pub(super) fn new(model: &'a RoutedModel, ask: &Ask<'_>, (now_us, random): (u64, u64)) -> Self {
        let targets = model.targets.as_slice();
        let mark = |target: &Arc<Target>| {
            if target.can_be_asked(ask) { Mark::Fresh } else { Mark::Out }
        };
        let marks = targets.iter().map(mark).collect();
        let routing = model.routing;
        let mut choice = Self { targets, routing, marks, first: None, has_last_resort: true };
        choice.first = choice.ready(now_us, random).or_else(|| choice.soonest());
        choice
    }

    /// Where the call goes unless something changes until then. `None`: there is nobody.
    pub(super) fn first(&self) -> Option<&'a Arc<Target>> {
        self.targets.get(self.first?)
    }

    /// The next one to ask, and the leave to do so. `None`: this round is over.
    pub(super) fn next(
        &mut self,
        now_us: u64,
        random: u64,
    ) -> Option<(usize, &'a Arc<Target>, Pass)> {
        let drawn = self.first.take();
        let mut next = drawn.or_else(|| self.ready(now_us, random));
        while let Some(position) = next {
            let target = self.targets.get(position)?;
            if let Some(pass) = target.health.enter(now_us) {
                self.mark(position, Mark::Asked);
                return Some((position, target, pass));
            }
            next = self.ready(now_us, random);
        }
        if !std::mem::take(&mut self.has_last_resort) {
            return None;
        }
        let position = self.soonest()?;
        let target = self.targets.get(position)?;
        self.mark(position, Mark::Asked);
        Some((position, target, target.health.enter_anyway()))
    }

    /// Never asks this one again.
    pub(super) fn rule_out(&mut self, position: usize) {
        self.mark(position, Mark::Out);
    }

    /// Never asks this deployment again, with no credential.
    pub(super) fn rule_out_deployment(&mut self, position: usize) {
        let Some(out) = self.targets.get(position).map(|target| target.deployment) else { return };
        for (mark, target) in self.marks.iter_mut().zip(self.targets) {
            if target.deployment == out {
                *mark = Mark::Out;
            }
        }
    }

    /// Begins another round, of those that may be asked again.
    pub(super) fn begin_again(&mut self) {
        self.has_last_resort = false;
        for mark in self.marks.iter_mut().filter(|mark| **mark == Mark::Asked) {
            *mark = Mark::Fresh;
        }
    }

    /// When one of those that may be asked again would let a call through. `None`: there is none.
    pub(super) fn ready_again_at_us(&self) -> Option<u64> {
        let open = self.marks.iter().zip(self.targets).filter(|(mark, _)| **mark != Mark::Out);
        open.map(|(_, target)| target.health.ready_at_us()).min()
    }

    fn mark(&mut self, position: usize, as_what: Mark) {
        if let Some(mark) = self.marks.get_mut(position) {
            *mark = as_what;
        }
    }

    fn fresh(&self) -> impl Iterator<Item = (usize, &'a Arc<Target>)> {
        let marked = self.marks.iter().zip(self.targets).enumerate();
        let fresh = marked.filter(|(_, (mark, _))| **mark == Mark::Fresh);
        // The snapshot of a call that waits may be older than an administrator's word.
        fresh
            .filter(|(_, (_, target))| !target.health.ended().is_cancelled())
            .map(|(at, (_, target))| (at, target))
    }

    /// One of those that let calls through.
    fn ready(&self, now_us: u64, random: u64) -> Option<usize> {
        let ready: SmallVec<[_; 4]> =
            self.fresh().filter(|(_, target)| target.health.is_ready(now_us)).collect();
        let best = ready.iter().map(|(_, target)| target.priority).min()?;
        let equals: SmallVec<[_; 4]> =
            ready.into_iter().filter(|(_, target)| target.priority == best).collect();
        let drawn = match self.routing {
            Routing::Weighted => draw_by_weight(equals.iter().map(|(_, t)| t.weight), random),
            Routing::LeastLatency => {
                let cost = |at: usize| equals.get(at).map(|(_, target)| target.health.cost(now_us));
                sooner_of_two(equals.len(), random, cost)
            }
        };
        equals.get(drawn).map(|(position, _)| *position)
    }

    /// The one that lets calls through first.
    fn soonest(&self) -> Option<usize> {
        let soonest = self.fresh().min_by_key(|(_, target)| target.health.ready_at_us());
        soonest.map(|(position, _)| position)
    }
}

/// Which of these weights a random number falls on.
fn draw_by_weight(weights: impl Iterator<Item = u64> + Clone, random: u64) -> usize {
    let mut left = random % weights.clone().sum::<u64>().max(1);
    let winner = weights.enumerate().find(|(_, weight)| {
        let is_winner = left < *weight;
        left = left.saturating_sub(*weight);
        is_winner
    });
    winner.map_or(0, |(position, _)| position)
}

/// Of two different ones out of so many, drawn by a random number, the one that costs less.
fn sooner_of_two(count: usize, random: u64, cost: impl Fn(usize) -> Option<f64>) -> usize {
    let count = count.max(1) as u64;
    let (one, step) = (random % count, 1 + (random >> 32) % count.saturating_sub(1).max(1));
    let position = |n: u64| usize::try_from(n % count).unwrap_or_default();
    let (one, other) = (position(one), position(one + step));
    match (cost(one), cost(other)) {
        (Some(a), Some(b)) if b < a => other,
        _ => one,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Over all random numbers, each gets its share.
        #[test]
        fn a_draw_follows_the_weights(weights in prop::collection::vec(1_u64..50, 1..8)) {
            let sum: u64 = weights.iter().sum();
            let mut drawn = vec![0; weights.len()];
            for random in 0..sum {
                drawn[draw_by_weight(weights.iter().copied(), random)] += 1;
            }
            prop_assert_eq!(drawn, weights);
        }

        /// The slowest of several is never chosen, and each of the others is, for some random number.
        #[test]
        fn of_two_the_sooner_is_chosen(count in 2_usize..8, slowest in 0_usize..8) {
            let slowest = slowest % count;
            let cost = |at: usize| Some(if at == slowest { 2.0 } else { 1.0 });
            let mut chosen = vec![false; count];
            for n in 1..2_000_u64 {
                chosen[sooner_of_two(count, n.wrapping_mul(0x9e37_79b9_7f4a_7c15), cost)] = true;
            }
            prop_assert!(!chosen[slowest]);
            prop_assert_eq!(chosen.iter().filter(|is| **is).count(), count - 1);
        }
    }

    #[test]
    fn the_only_one_is_chosen_whatever_it_costs() {
        for random in [0, 1, u64::MAX, 1 << 32] {
            assert_eq!(sooner_of_two(1, random, |_| Some(9.0)), 0);
        }
    }
}
