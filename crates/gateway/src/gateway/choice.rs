//! Whom to ask next.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::catalog::{RoutedModel, Target};
use crate::health::Pass;

/// Goes through the targets of a model for one call: by priority; among equals, one is drawn by weight.
///
/// Those that are left alone are passed over. But a call is not refused for that: the way of Envoy's panic
/// mode rather than linkerd's fail-fast, for a breaker may be wrong about a provider, and then the only
/// one who could find that out is turned away. So where nobody else is left, the one that would be called
/// again soonest is asked, once for each call and never again after a pause, so that what waits does not
/// become a storm.
pub(super) struct Choice<'a> {
    targets: &'a [Arc<Target>],
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
    /// `random` is as good as random.
    pub(super) fn new(model: &'a RoutedModel, now_us: u64, random: u64) -> Self {
        let targets = model.targets.as_slice();
        let marks = targets.iter().map(|_| Mark::Fresh).collect();
        let mut choice = Self { targets, marks, first: None, has_last_resort: true };
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
        marked.filter(|(_, (mark, _))| **mark == Mark::Fresh).map(|(at, (_, target))| (at, target))
    }

    /// One of those that let calls through.
    fn ready(&self, now_us: u64, random: u64) -> Option<usize> {
        let ready: SmallVec<[_; 4]> =
            self.fresh().filter(|(_, target)| target.health.is_ready(now_us)).collect();
        let best = ready.iter().map(|(_, target)| target.priority).min()?;
        let equals: SmallVec<[_; 4]> =
            ready.into_iter().filter(|(_, target)| target.priority == best).collect();
        let weights = equals.iter().map(|(_, target)| u64::from(target.weight));
        equals.get(draw_by_weight(weights, random)).map(|(position, _)| *position)
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
