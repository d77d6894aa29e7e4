use std::num::NonZeroU32;

use doorward_domain::address::AddressRules;
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::limit::{LimitKind, Limits};
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::price::Price;
use doorward_domain::scope::ScopeSet;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::calls::accounts::Accounts;
use crate::usage::PeriodSpend;

/// Rights without rate limits.
pub(crate) fn rights(budgets: &[Budget]) -> Rights {
    limited(Limits::NONE, budgets)
}

fn limited(limits: Limits, budgets: &[Budget]) -> Rights {
    Rights {
        scopes: ScopeSet::ALL,
        models: ModelRule::All,
        addresses: AddressRules::ANY,
        limits,
        model_limits: vec![],
        budgets: budgets.to_vec(),
        expires_at: None,
        allowed_origins: None,
    }
}

fn limit(most: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(most)
}

fn total_tokens(most: u64) -> Budget {
    Budget { amount: Amount::Tokens(most), period: Period::Total, overrun: Overrun::Deny }
}

fn state() -> Tally {
    Tally::new(Accounts::new(&PeriodSpend::default(), Timestamp::UNIX_EPOCH, &TimeZone::UTC))
}

/// A key that shares nothing.
fn alone<'a>(tally: &'a Tally, rights: &'a Rights) -> Bounded<'a> {
    Bounded { own: (tally, rights), links: &[], model: None }
}

pub(crate) fn admit(tally: &Tally, rights: &Rights, quote: &Quote<'_>, moment: Moment) -> Answer {
    alone(tally, rights).admit(quote, moment, &TimeZone::UTC)
}

pub(crate) fn settle(tally: &Tally, rights: &Rights, taken: &Taken, spend: Spend) {
    alone(tally, rights).settle(taken, spend);
}

fn give_back(tally: &Tally, rights: &Rights, taken: &Taken) {
    alone(tally, rights).give_back(taken);
}

/// Asks for a call of so many tokens, with all output tokens or fewer.
fn take(state: &Tally, rights: &Rights, input: u64, output: u64) -> Result<Taken, Denial> {
    let taken = take_at(state, rights, 0, (input, output));
    taken.map(|(taken, _, _)| taken).map_err(|(denial, _)| denial)
}

fn take_at(
    state: &Tally,
    rights: &Rights,
    monotonic_us: u64,
    (input_tokens, output_tokens): (u64, u64),
) -> Answer {
    let quote = Quote {
        price: &Price::FREE,
        most: Usage::of_tokens(input_tokens, output_tokens),
        fixed_output_tokens: 0,
        average: None,
    };
    let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us };
    admit(state, rights, &quote, moment)
}

fn quotas(answer: &Answer) -> Admitted {
    match answer {
        Ok((_, _, quotas)) | Err((_, quotas)) => *quotas,
    }
}

fn denied(answer: Answer) -> Denial {
    answer.unwrap_err().0
}

fn spent(tokens: u64) -> Spend {
    Spend { tokens, ..Spend::default() }
}

#[test]
fn no_more_calls_run_at_once_than_allowed() {
    let rights = limited(Limits { concurrency: limit(2), ..Limits::NONE }, &[]);
    let state = state();
    let first = take(&state, &rights, 1, 1).unwrap();
    take(&state, &rights, 1, 1).unwrap();
    assert_eq!(take(&state, &rights, 1, 1).unwrap_err(), Denial::TooManyConcurrent(BoundOf::Key));
    settle(&state, &rights, &first, spent(2));
    take(&state, &rights, 1, 1).unwrap();
}

#[test]
fn the_first_of_several_reasons_is_told() {
    let all = Limits {
        concurrency: limit(1),
        requests_per_minute: limit(1),
        tokens_per_minute: limit(10),
        ..Limits::NONE
    };
    let mut rights = limited(all, &[total_tokens(10)]);
    let state = state();
    let call = take(&state, &rights, 9, 1).unwrap();
    assert_eq!(take(&state, &rights, 9, 1).unwrap_err(), Denial::TooManyConcurrent(BoundOf::Key));

    settle(&state, &rights, &call, spent(10));
    let refused = take(&state, &rights, 9, 1).unwrap_err();
    let minute_us = 60_000_000;
    let by = |kind| Denial::RateLimited { of: BoundOf::Key, kind, retry_after_us: minute_us };
    assert_eq!(refused, by(LimitKind::Requests));

    rights.limits.requests_per_minute = None;
    assert_eq!(take(&state, &rights, 9, 1).unwrap_err(), by(LimitKind::Tokens));

    assert_eq!(
        denied(take_at(&state, &rights, minute_us, (9, 1))),
        Denial::BudgetSpent(BoundOf::Key)
    );
}

#[test]
fn a_refused_call_takes_nothing() {
    let limits = Limits { requests_per_minute: limit(5), ..Limits::NONE };
    let rights = limited(limits, &[total_tokens(1_000)]);
    let state = state();
    let call = take(&state, &rights, 800, 0).unwrap();
    for _ in 0..10 {
        let refused = take_at(&state, &rights, 0, (800, 0));
        assert_eq!(quotas(&refused).requests.map(|quota| quota.remaining), Some(4));
        assert_eq!(denied(refused), Denial::BudgetHeld(BoundOf::Key));
    }
    settle(&state, &rights, &call, spent(100));
    take(&state, &rights, 900, 0).unwrap();
}

#[test]
fn a_call_that_never_left_gives_everything_back() {
    let limits = Limits {
        requests_per_minute: limit(1),
        tokens_per_minute: limit(100),
        concurrency: limit(1),
        ..Limits::NONE
    };
    let rights = limited(limits, &[total_tokens(100)]);
    let state = state();
    let call = take(&state, &rights, 100, 0).unwrap();
    give_back(&state, &rights, &call);
    take(&state, &rights, 100, 0).unwrap();
}

#[test]
fn an_estimate_is_corrected_by_what_was_used() {
    let rights = limited(Limits { tokens_per_minute: limit(1_000), ..Limits::NONE }, &[]);
    let state = state();
    let call = take(&state, &rights, 100, 700).unwrap();
    settle(&state, &rights, &call, spent(150));
    let (_, _, quotas) = take_at(&state, &rights, 1, (100, 700)).unwrap();
    assert_eq!(quotas.tokens.map(|quota| quota.remaining), Some(50));
}

/// Else such a call could never be made.
#[test]
fn a_worst_case_above_a_token_limit_takes_all_of_it() {
    let rights = limited(Limits { tokens_per_minute: limit(1_000), ..Limits::NONE }, &[]);
    let state = state();
    let (call, granted, quotas) = take_at(&state, &rights, 0, (100, 8_192)).unwrap();
    assert_eq!((granted, quotas.tokens.map(|quota| quota.remaining)), (8_192, Some(0)));
    assert!(take(&state, &rights, 1, 1).is_err());
    settle(&state, &rights, &call, spent(400));
    take(&state, &rights, 300, 300).unwrap();
}

/// The limit may be another one when the real figure is known: what is corrected is what was taken.
#[test]
fn a_limit_that_changes_under_a_call_is_corrected_by_what_the_call_took() {
    let of = |tokens| limited(Limits { tokens_per_minute: limit(tokens), ..Limits::NONE }, &[]);
    let (low, high) = (of(1_000), of(4_000));
    let left = |state: &Tally, rights| {
        quotas(&take_at(state, rights, 0, (0, 0))).tokens.unwrap().remaining
    };
    for (end, expected) in [(Some(400), 3_100), (None, 3_500)] {
        let state = state();
        let call = take(&state, &low, 100, 8_192).unwrap();
        take(&state, &high, 500, 0).unwrap();
        match end {
            Some(tokens) => settle(&state, &low, &call, spent(tokens)),
            None => give_back(&state, &low, &call),
        }
        assert_eq!(left(&state, &high), expected);
    }
    let state = state();
    let call = take(&state, &high, 100, 8_192).unwrap();
    assert!(take(&state, &low, 1, 0).is_err(), "all of the 4000 is taken");
    settle(&state, &low, &call, spent(400));
    assert_eq!(left(&state, &low), 600);
}

#[test]
fn an_edit_resets_no_limit() {
    let mut rights = limited(Limits { requests_per_minute: limit(3), ..Limits::NONE }, &[]);
    let state = state();
    take(&state, &rights, 1, 1).unwrap();
    take(&state, &rights, 1, 1).unwrap();
    rights.limits.requests_per_minute = limit(2);
    assert!(take(&state, &rights, 1, 1).is_err());
}

#[test]
fn the_tightest_limit_is_shown() {
    let limits =
        Limits { requests_per_minute: limit(10), requests_per_hour: limit(5), ..Limits::NONE };
    let rights = limited(limits, &[]);
    let quotas = quotas(&take_at(&state(), &rights, 0, (1, 1)));
    let hour = Quota { limit: 5, remaining: 4, reset_us: 3_600_000_000, window_seconds: 3_600 };
    assert_eq!((quotas.requests, quotas.tokens), (Some(hour), None));
}

#[test]
fn counters_are_idle_only_when_their_windows_are_empty() {
    let rights = limited(Limits { requests_per_minute: limit(3), ..Limits::NONE }, &[]);
    let state = state();
    assert!(state.is_idle(0));
    let call = take(&state, &rights, 1, 1).unwrap();
    assert!(!state.is_idle(60_000_000));
    settle(&state, &rights, &call, spent(2));
    state.written(1);
    assert!(!state.is_idle(59_999_999));
    assert!(state.is_idle(60_000_000));
}

#[test]
fn of_many_at_once_exactly_as_many_get_through_as_the_budget_pays() {
    let rights = rights(&[total_tokens(1_000)]);
    let state = state();
    let admitted = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..64).map(|_| scope.spawn(|| take(&state, &rights, 100, 0).is_ok())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(admitted, 10);
}

#[derive(Debug, Clone)]
enum Step {
    Take(u64, u64),
    Settle(prop::sample::Index, u64),
    GiveBack(prop::sample::Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..400, 0_u64..800).prop_map(|(input, output)| Step::Take(input, output)),
        (any::<prop::sample::Index>(), 0_u64..=100).prop_map(|(i, share)| Step::Settle(i, share)),
        any::<prop::sample::Index>().prop_map(Step::GiveBack),
    ]
}

proptest! {
    /// Whatever comes in whatever order: spent and held never exceed the budget, and what is left
    /// in the end is exactly the budget without what was spent.
    #[test]
    fn a_budget_is_never_overspent_and_nothing_of_it_is_lost(
        budget in 0_u64..5_000,
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let rights = rights(&[total_tokens(budget)]);
        let state = state();
        let (mut open, mut used): (Vec<Taken>, u64) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Take(input, output) => open.extend(take(&state, &rights, input, output)),
                Step::Settle(at, share) if !open.is_empty() => {
                    let call = open.swap_remove(at.index(open.len()));
                    let real = call.held().worst.tokens * share / 100;
                    settle(&state, &rights, &call, spent(real));
                    used += real;
                }
                Step::GiveBack(at) if !open.is_empty() => {
                    give_back(&state, &rights, &open.swap_remove(at.index(open.len())));
                }
                Step::Settle(..) | Step::GiveBack(_) => {}
            }
            let held: u64 = open.iter().map(|call| call.held().worst.tokens).sum();
            prop_assert!(used + held <= budget);
        }
        for call in &open {
            give_back(&state, &rights, call);
        }
        prop_assert!(take(&state, &rights, budget - used + 1, 0).is_err());
        prop_assert!(take(&state, &rights, budget - used, 0).is_ok());
    }
}

/// A use elsewhere at the start of the clock.
fn spend(state: &Tally, rights: &Rights, requests: u32, tokens: u64) -> Result<Admitted, Denial> {
    let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
    let cost = Cost { requests, tokens };
    alone(state, rights).spend(cost, moment, &TimeZone::UTC).map_err(|(denial, _)| denial)
}

fn remaining(admitted: &Admitted) -> [Option<u32>; 2] {
    [&admitted.requests, &admitted.tokens].map(|quota| quota.as_ref().map(|quota| quota.remaining))
}

#[test]
fn a_use_elsewhere_takes_from_the_limits_of_calls() {
    let limits =
        Limits { requests_per_minute: limit(10), tokens_per_minute: limit(100), ..Limits::NONE };
    let (rights, state) = (limited(limits, &[]), state());
    let one = spend(&state, &rights, 1, 0).unwrap();
    assert_eq!(remaining(&one), [Some(9), Some(100)]);
    let more = spend(&state, &rights, 4, 60).unwrap();
    assert_eq!(remaining(&more), [Some(5), Some(40)]);
    let call = take_at(&state, &rights, 0, (30, 0));
    assert_eq!(remaining(&quotas(&call)), [Some(4), Some(10)]);
    let by = |kind| Denial::RateLimited { of: BoundOf::Key, kind, retry_after_us: 60_000_000 };
    assert_eq!(spend(&state, &rights, 5, 0).unwrap_err(), by(LimitKind::Requests));
    assert_eq!(spend(&state, &rights, 1, 11).unwrap_err(), by(LimitKind::Tokens));
    // What was refused took nothing, and what is only looked at neither.
    for _ in 0..3 {
        assert_eq!(remaining(&spend(&state, &rights, 0, 0).unwrap()), [Some(4), Some(10)]);
    }
    spend(&state, &rights, 4, 10).unwrap();
    assert_eq!(spend(&state, &rights, 1, 0).unwrap_err(), by(LimitKind::Requests));
    assert_eq!(remaining(&spend(&state, &rights, 0, 0).unwrap()), [Some(0), Some(0)]);
}

#[test]
fn a_use_elsewhere_holds_no_place_among_the_calls_in_flight() {
    let limits = Limits { concurrency: limit(1), ..Limits::NONE };
    let (rights, state) = (limited(limits, &[]), state());
    for _ in 0..5 {
        spend(&state, &rights, 1, 0).unwrap();
    }
    let call = take(&state, &rights, 1, 1).unwrap();
    assert_eq!(spend(&state, &rights, 1, 0).unwrap_err(), Denial::TooManyConcurrent(BoundOf::Key));
    spend(&state, &rights, 0, 0).unwrap();
    settle(&state, &rights, &call, spent(2));
    spend(&state, &rights, 1, 0).unwrap();
}

#[test]
fn a_budget_of_which_nothing_is_left_refuses_uses_elsewhere() {
    let (rights, state) = (rights(&[total_tokens(10)]), state());
    spend(&state, &rights, 1, 0).unwrap();
    assert_eq!(spend(&state, &rights, 1, 11).unwrap_err(), Denial::BudgetSpent(BoundOf::Key));
    let call = take(&state, &rights, 10, 0).unwrap();
    assert_eq!(spend(&state, &rights, 1, 0).unwrap_err(), Denial::BudgetHeld(BoundOf::Key));
    assert_eq!(spend(&state, &rights, 0, 0).unwrap_err(), Denial::BudgetHeld(BoundOf::Key));
    settle(&state, &rights, &call, spent(10));
    assert_eq!(spend(&state, &rights, 1, 0).unwrap_err(), Denial::BudgetSpent(BoundOf::Key));
}

#[test]
fn a_budget_that_may_be_overrun_refuses_uses_elsewhere_once_calls_in_flight_take_it_to_its_line() {
    let budget = Budget { overrun: Overrun::Allow, ..total_tokens(10) };
    let house = House {
        keys: [0, 1].map(|_| (state(), rights(&[budget]))),
        links: [link(BoundOf::Project, Bounds::NONE, &Arc::new(state()))],
    };
    let (state, rights) = &house.keys[0];
    let used = || spend(state, rights, 1, 0).map(|_| ());
    let call = house.take_expecting(0, (100, 0), Some(9)).unwrap();
    assert_eq!(used(), Ok(()));
    let more = house.take_expecting(0, (100, 0), Some(9)).unwrap();
    assert_eq!(used(), Err(Denial::BudgetHeld(BoundOf::Key)));
    house.of(0).settle(&call, spent(1));
    assert_eq!(used(), Err(Denial::BudgetHeld(BoundOf::Key)));
    house.of(0).settle(&more, spent(1));
    assert_eq!(used(), Ok(()));
}

fn link(of: BoundOf, bounds: Bounds, tally: &Arc<Tally>) -> Link {
    Link { of, models: None, bounds, raised: None, tally: Arc::clone(tally) }
}

fn budget_of(tokens: u64) -> Bounds {
    Bounds { limits: Limits::NONE, budgets: vec![total_tokens(tokens)] }
}

/// Two keys of one project; what each has by itself, and what they share.
struct House {
    keys: [(Tally, Rights); 2],
    links: [Link; 1],
}

impl House {
    fn new(own: [u64; 2], project: u64) -> Self {
        Self {
            keys: own.map(|tokens| (state(), rights(&[total_tokens(tokens)]))),
            links: [link(BoundOf::Project, budget_of(project), &Arc::new(state()))],
        }
    }

    fn of(&self, key: usize) -> Bounded<'_> {
        let (tally, rights) = &self.keys[key];
        Bounded { own: (tally, rights), links: &self.links, model: None }
    }

    fn take(&self, key: usize, input_tokens: u64, output_tokens: u64) -> Result<Taken, Denial> {
        self.take_expecting(key, (input_tokens, output_tokens), None)
    }

    /// The same where calls are known to come to so many tokens on average.
    fn take_expecting(
        &self,
        key: usize,
        (input_tokens, output_tokens): (u64, u64),
        average: Option<u64>,
    ) -> Result<Taken, Denial> {
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(input_tokens, output_tokens),
            fixed_output_tokens: 0,
            average: average.map(spent),
        };
        let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
        let answer = self.of(key).admit(&quote, moment, &TimeZone::UTC);
        answer.map(|(taken, _, _)| taken).map_err(|(denial, _)| denial)
    }
}

#[test]
fn what_a_holder_can_mend_is_told_before_what_is_shared_and_spent_before_held() {
    let house = House::new([10, 100], 50);
    let held = house.take(1, 40, 0).unwrap();
    assert_eq!(house.take(0, 11, 0).unwrap_err(), Denial::BudgetSpent(BoundOf::Key));
    assert_eq!(house.take(1, 11, 0).unwrap_err(), Denial::BudgetHeld(BoundOf::Project));
    assert_eq!(house.take(1, 60, 0).unwrap_err(), Denial::BudgetSpent(BoundOf::Project));
    house.of(1).settle(&held, spent(50));
    assert_eq!(house.take(0, 1, 0).unwrap_err(), Denial::BudgetSpent(BoundOf::Project));
}

#[test]
fn a_call_is_noted_as_shared_with_whom_it_took_from() {
    let tally = Arc::new(state());
    let links = [
        link(BoundOf::Organization, budget_of(9), &tally),
        link(BoundOf::User, budget_of(9), &Arc::new(state())),
        Link {
            models: Some("gpt-*".parse().unwrap()),
            ..link(BoundOf::Model, budget_of(9), &Arc::new(state()))
        },
    ];
    let (own, rights) = (state(), rights(&[]));
    for (model, parts) in [(Some("gpt-5"), 3), (Some("gemma"), 2), (None, 2)] {
        let bounded = Bounded { own: (&own, &rights), links: &links, model };
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(1, 0),
            fixed_output_tokens: 0,
            average: None,
        };
        let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
        let (taken, _, _) = bounded.admit(&quote, moment, &TimeZone::UTC).unwrap();
        assert_eq!(taken.others.len(), parts, "{model:?}");
        let shared = SharedWith::NONE.and(BoundOf::Organization).and(BoundOf::User);
        assert_eq!(bounded.shared_with(&taken), shared);
        bounded.give_back(&taken);
    }
    assert!(tally.is_idle(0));
}

#[test]
fn of_many_keys_at_once_exactly_as_many_calls_get_through_as_they_share_the_money_for() {
    let house = House::new([5_000, 5_000], 1_000);
    let admitted = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..64)
            .map(|n| {
                scope.spawn({
                    let house = &house;
                    move || house.take(n % 2, 100, 0).is_ok()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(admitted, 10);
}

proptest! {
    /// Whatever two keys do in whatever order: neither their own budgets nor the one that they share is
    /// overspent, and what is left in the end is exactly what was not spent.
    #[test]
    fn no_budget_of_several_keys_is_overspent_and_nothing_of_any_is_lost(
        own in any::<[u16; 2]>(),
        project in 0_u64..5_000,
        steps in prop::collection::vec((0_usize..2, any_step()), 1..60),
    ) {
        let own = own.map(|tokens| u64::from(tokens) % 4_000);
        let house = House::new(own, project);
        let (mut open, mut used): (Vec<(usize, Taken)>, [u64; 2]) = (Vec::new(), [0; 2]);
        for (key, step) in steps {
            match step {
                Step::Take(input, output) => {
                    open.extend(house.take(key, input, output).map(|taken| (key, taken)));
                }
                Step::Settle(at, share) if !open.is_empty() => {
                    let (key, call) = open.swap_remove(at.index(open.len()));
                    let real = call.held().worst.tokens * share / 100;
                    house.of(key).settle(&call, spent(real));
                    used[key] += real;
                }
                Step::GiveBack(at) if !open.is_empty() => {
                    let (key, call) = open.swap_remove(at.index(open.len()));
                    house.of(key).give_back(&call);
                }
                Step::Settle(..) | Step::GiveBack(_) => {}
            }
            let held = |key: usize| -> u64 {
                open.iter().filter(|(of, _)| *of == key).map(|(_, call)| call.held().worst.tokens).sum()
            };
            let taken = [used[0] + held(0), used[1] + held(1)];
            prop_assert!(taken[0] <= own[0] && taken[1] <= own[1]);
            prop_assert!(taken[0] + taken[1] <= project);
        }
        for (key, call) in &open {
            house.of(*key).give_back(call);
        }
        for key in [0, 1] {
            let left = (own[key] - used[key]).min(project - used[0] - used[1]);
            prop_assert!(house.take(key, left + 1, 0).is_err());
            let call = house.take(key, left, 0);
            prop_assert!(call.is_ok());
            house.of(key).give_back(&call.unwrap());
        }
    }

    /// Whatever comes in whatever order, with whatever is known of what calls come to: what each of the
    /// counters holds is what the calls in flight took of it, and nothing else, in both ways of counting.
    #[test]
    fn what_is_expected_of_a_call_is_held_once_and_taken_back_once(
        amounts in any::<[u16; 3]>(),
        overruns in any::<[bool; 3]>(),
        steps in prop::collection::vec((0_usize..2, any_step(), prop::option::of(0_u64..600)), 1..60),
    ) {
        let [first, second, project] = [0, 1, 2].map(|n| Budget {
            overrun: if overruns[n] { Overrun::Allow } else { Overrun::Deny },
            ..total_tokens(u64::from(amounts[n]) % 4_000)
        });
        let shared = Bounds { limits: Limits::NONE, budgets: vec![project] };
        let house = House {
            keys: [first, second].map(|budget| (state(), rights(&[budget]))),
            links: [link(BoundOf::Project, shared, &Arc::new(state()))],
        };
        let held = |tally: &Tally| tally.lock().accounts().of(Period::Day).held;
        let mut open: Vec<(usize, Taken)> = Vec::new();
        for (key, step, average) in steps {
            match step {
                Step::Take(input, output) => {
                    let answer = house.take_expecting(key, (input, output), average);
                    open.extend(answer.map(|taken| (key, taken)));
                }
                Step::Settle(at, share) if !open.is_empty() => {
                    let (key, call) = open.swap_remove(at.index(open.len()));
                    house.of(key).settle(&call, spent(call.held().worst.tokens * share / 100));
                }
                Step::GiveBack(at) if !open.is_empty() => {
                    let (key, call) = open.swap_remove(at.index(open.len()));
                    house.of(key).give_back(&call);
                }
                Step::Settle(..) | Step::GiveBack(_) => {}
            }
            let of = |key: usize| {
                let mine = open.iter().filter(|(of, _)| *of == key);
                mine.fold(Held::default(), |all, (_, call)| all.plus(call.held()))
            };
            prop_assert_eq!(held(&house.keys[0].0), of(0));
            prop_assert_eq!(held(&house.keys[1].0), of(1));
            prop_assert_eq!(held(&house.links[0].tally), of(0).plus(of(1)));
        }
        for (key, call) in &open {
            house.of(*key).give_back(call);
        }
        prop_assert_eq!(held(&house.links[0].tally), Held::default());
    }
}
