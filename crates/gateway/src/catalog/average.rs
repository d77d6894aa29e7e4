//! What calls of a model spend on average, lately: what a budget that may be overrun holds for one more.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use doorward_domain::budget::Spend;
use doorward_domain::money::NanoUsd;

/// The average is that of all calls until there were so many; from then on each weighs as much as it would
/// then, so that what was long ago is forgotten. Enough that no single call matters much, and few enough to
/// follow when the model is used for something else.
const CALLS: u64 = 64;

/// Tokens are few beside [`CALLS`]: in whole ones, the rounding of each step would move the average.
const PARTS_PER_TOKEN: u64 = 1 << 16;

/// A running average, in memory only: after a start nothing is known until a call has ended.
///
/// Its figures are kept each by itself, so that no call waits for another one: read in the middle of a
/// note, they are those of neighbouring calls, and of calls that end at the very same moment one may not
/// count as one more. Both is nothing to an estimate.
#[derive(Debug, Default)]
pub(crate) struct Average {
    /// Calls behind the figures, at most [`CALLS`]. Written last.
    calls: AtomicU64,
    cost_nanousd: AtomicU64,
    token_parts: AtomicU64,
}

impl Average {
    /// Takes down what a call spent. One that spent nothing has failed, never left, or is free: it tells
    /// nothing of others, and an hour in which everything fails must not make them look cheap.
    pub(crate) fn note(&self, spend: Spend) {
        if spend == Spend::default() {
            return;
        }
        let calls = self.calls.load(Relaxed).saturating_add(1).min(CALLS);
        let parts = spend.tokens.saturating_mul(PARTS_PER_TOKEN);
        for (known, figure) in
            [(&self.cost_nanousd, spend.cost.nanos()), (&self.token_parts, parts)]
        {
            known.update(Relaxed, Relaxed, |known| toward(known, figure, calls));
        }
        self.calls.fetch_max(calls, Release);
    }

    /// What a call spends. `None`: nothing is known.
    pub(crate) fn spend(&self) -> Option<Spend> {
        (self.calls.load(Acquire) > 0).then(|| Spend {
            cost: NanoUsd::from_nanos(self.cost_nanousd.load(Relaxed)),
            tokens: self.token_parts.load(Relaxed).div_ceil(PARTS_PER_TOKEN),
        })
    }
}

/// The average of so many figures, of which `figure` is the last, where `known` is that of the others.
/// Rounded towards the figure, so that it is reached where it comes again and again.
fn toward(known: u64, figure: u64, calls: u64) -> u64 {
    let step = known.abs_diff(figure).div_ceil(calls);
    if figure > known { known + step } else { known - step }
}

#[cfg(test)]
mod tests {
    use doorward_domain::usage::TOKENS_MAX;
    use proptest::prelude::*;

    use super::*;

    fn spend(nanos: u64, tokens: u64) -> Spend {
        Spend { cost: NanoUsd::from_nanos(nanos), tokens }
    }

    fn after(spends: impl IntoIterator<Item = Spend>) -> Average {
        let average = Average::default();
        spends.into_iter().for_each(|spend| average.note(spend));
        average
    }

    fn any_spend() -> impl Strategy<Value = Spend> {
        (any::<u64>(), 0..=2 * TOKENS_MAX).prop_map(|(nanos, tokens)| spend(nanos, tokens))
    }

    #[test]
    fn what_spent_nothing_tells_nothing() {
        assert_eq!(after([]).spend(), None);
        assert_eq!(after([Spend::default()]).spend(), None);
        let average = after([spend(7, 55), Spend::default(), Spend::default()]);
        assert_eq!(average.spend(), Some(spend(7, 55)));
    }

    #[test]
    fn a_free_model_has_an_average_of_tokens() {
        assert_eq!(after([spend(0, 10), spend(0, 30)]).spend(), Some(spend(0, 20)));
    }

    /// Most calls are short, and a few are not.
    #[test]
    fn many_small_calls_do_not_hide_what_few_large_ones_spend() {
        let calls = (0..2_000).map(|n| if n % 10 == 0 { spend(600, 60) } else { spend(100, 10) });
        let told = after(calls).spend().unwrap();
        assert!((14..=16).contains(&told.tokens), "{told:?}");
    }

    #[test]
    fn what_a_model_is_used_for_now_is_soon_its_average() {
        let average = after((0..1_000).map(|_| spend(5_000, 10)));
        assert_eq!(average.spend(), Some(spend(5_000, 10)));
        average.note(spend(50_000, 10_000));
        let one = average.spend().unwrap();
        assert!(one.tokens < 200 && one.cost.nanos() < 6_000, "{one:?}");
        (0..64).for_each(|_| average.note(spend(50_000, 10_000)));
        let some = average.spend().unwrap();
        assert!(some.tokens > 5_000 && some.cost.nanos() > 30_000, "{some:?}");
        (0..1_000).for_each(|_| average.note(spend(50_000, 10_000)));
        assert_eq!(average.spend(), Some(spend(50_000, 10_000)));
    }

    proptest! {
        #[test]
        fn the_first_calls_count_alike(tokens in prop::collection::vec(1_u64..1_000_000, 1..=64)) {
            let average = after(tokens.iter().map(|tokens| spend(0, *tokens)));
            let mean = tokens.iter().sum::<u64>() / tokens.len() as u64;
            let told = average.spend().unwrap().tokens;
            prop_assert!(told.abs_diff(mean) <= 1, "{} for {}", told, mean);
        }

        #[test]
        fn an_average_is_between_the_least_and_the_most(
            spends in prop::collection::vec(any_spend(), 1..200),
        ) {
            let told = after(spends.iter().copied()).spend();
            let counted = || spends.iter().filter(|spend| **spend != Spend::default());
            prop_assert_eq!(told.is_some(), counted().count() > 0);
            let Some(told) = told else { return Ok(()) };
            let is_among = |of: fn(&Spend) -> u64| {
                let (least, most) = (counted().map(of).min(), counted().map(of).max());
                least <= Some(of(&told)) && Some(of(&told)) <= most
            };
            prop_assert!(is_among(|spend| spend.tokens) && is_among(|spend| spend.cost.nanos()));
        }
    }
}
