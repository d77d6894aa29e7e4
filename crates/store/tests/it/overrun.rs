//! Budgets that may be overrun: what they hold for calls in flight.

use std::sync::Arc;

use doorward_domain::bounds::{BoundOf, Bounds};
use doorward_domain::budget::{Amount, Budget, NoRoom, Overrun, Period, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::limit::Limits;
use doorward_domain::money::NanoUsd;
use doorward_store::{CallRequest, OpenCall};
use tokio::task::JoinSet;

use crate::calls::{admit, call_key, done, request};
use crate::harness::{TestStore, every_store};
use crate::shared_bounds::{WHO, bound, keys, settle};

/// What a call comes to on average here, and the most that it may.
const AVERAGE: u64 = 100;
const WORST: u64 = 50_000;
/// So many calls a budget is for.
const PAID: usize = 10;

fn budget(tokens: u64) -> Budget {
    Budget { amount: Amount::Tokens(tokens), period: Period::Month, overrun: Overrun::Allow }
}

async fn shared(store: &TestStore, whose: BoundOf, tokens: u64) {
    bound(store, whose, Bounds { limits: Limits::NONE, budgets: vec![budget(tokens)] }).await;
}

/// A call of a model of which so much is known.
fn known(n: u128, average: Option<u64>) -> CallRequest<'static> {
    let spend = |tokens| Spend { cost: NanoUsd::ZERO, tokens };
    CallRequest { average: average.map(spend), ..request(n, 0, WORST) }
}

async fn call(
    store: &TestStore,
    key: &KeyId,
    n: u128,
    average: Option<u64>,
) -> Result<OpenCall, Denial> {
    admit(&store.store, &call_key(store, key).await, &known(n, average))
}

/// What is spent of the one budget, what it holds, and whether anything is left.
async fn standing(store: &TestStore, key: &KeyId) -> (u64, u64, Result<(), NoRoom>) {
    let standing = store.standing(&*call_key(store, key).await, None);
    let [budget] = standing.budgets[..] else { panic!("{standing:?}") };
    (budget.spent.tokens, budget.held.tokens, budget.left)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_calls_at_once_as_many_get_through_as_the_budget_pays_on_average() {
    for whose in WHO {
        for store in every_store().await {
            shared(&store, whose, AVERAGE * PAID as u64).await;
            let keys = keys(&store, 20).await;
            let mut calls = JoinSet::new();
            for n in 0..200_usize {
                let (shared, id) = (Arc::clone(&store.store), keys[n % keys.len()]);
                drop(calls.spawn(async move {
                    let key = call_key(&shared, &id).await;
                    admit(&shared, &key, &known(n as u128, Some(AVERAGE)))
                }));
            }
            let (open, refused): (Vec<_>, Vec<_>) =
                calls.join_all().await.into_iter().partition(Result::is_ok);
            assert_eq!(open.len(), PAID, "{whose:?} {}", store.engine());
            let is_held =
                |call: &Result<_, Denial>| call.as_ref().err() == Some(&Denial::BudgetHeld(whose));
            assert!(refused.iter().all(is_held));
            for call in open.into_iter().flatten() {
                assert_eq!(call.output_tokens, WORST, "none is cut short");
                settle(call, AVERAGE);
            }
            let refused = call(&store, &keys[0], 999, Some(AVERAGE)).await;
            assert_eq!(refused.unwrap_err(), Denial::BudgetSpent(whose));
        }
    }
}

#[tokio::test]
async fn where_nothing_is_known_of_a_model_its_worst_case_is_held_until_the_call_is_over() {
    for store in every_store().await {
        shared(&store, BoundOf::Project, 1_000).await;
        let keys = keys(&store, 2).await;
        let first = call(&store, &keys[0], 1, None).await.unwrap();
        assert_eq!(standing(&store, &keys[1]).await, (0, WORST, Err(NoRoom::Held)));
        let refused = call(&store, &keys[1], 2, Some(AVERAGE)).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetHeld(BoundOf::Project), "{}", store.engine());
        settle(first, 40);
        assert_eq!(standing(&store, &keys[1]).await, (40, 0, Ok(())));
        settle(call(&store, &keys[1], 3, Some(AVERAGE)).await.unwrap(), 10);
    }
}

/// However a call ends, what was expected of it is gone, and what it spent has come, once.
#[tokio::test]
async fn what_is_expected_of_a_call_goes_with_it_however_it_ends() {
    for mut store in every_store().await {
        shared(&store, BoundOf::Organization, 60_000).await;
        let key = keys(&store, 1).await[0];
        let mut retried = call(&store, &key, 2, Some(AVERAGE)).await.unwrap();
        let broken = call(&store, &key, 3, Some(AVERAGE)).await.unwrap();
        assert_eq!(standing(&store, &key).await, (0, 200, Ok(())), "{}", store.engine());
        // What an attempt cost comes on top: the next one is expected to come to as much as any call.
        let attempt = done(&retried, 30, 0);
        assert!(retried.add_attempt(&attempt));
        assert_eq!(standing(&store, &key).await, (30, 200, Ok(())));
        let settlement = done(&retried, 70, 0);
        retried.settle(&settlement);
        retried.settle(&settlement);
        assert_eq!(standing(&store, &key).await, (100, 100, Ok(())));
        // Of one that nobody settles the worst is booked.
        drop((retried, broken));
        assert_eq!(standing(&store, &key).await, (100 + WORST, 0, Ok(())));

        store.reopen().await;
        assert_eq!(standing(&store, &key).await, (100 + WORST, 0, Ok(())), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_call_that_does_not_leave_takes_what_was_expected_of_it_along() {
    for store in every_store().await {
        shared(&store, BoundOf::Organization, 150).await;
        let key = keys(&store, 1).await[0];
        let mut first = call(&store, &key, 1, Some(AVERAGE)).await.unwrap();
        let second = call(&store, &key, 2, Some(AVERAGE)).await.unwrap();
        assert_eq!(standing(&store, &key).await, (0, 200, Err(NoRoom::Held)));
        for _ in 0..2 {
            first.cancel();
            assert_eq!(standing(&store, &key).await, (0, 100, Ok(())), "{}", store.engine());
        }
        settle(second, 20);
        assert_eq!(standing(&store, &key).await, (20, 0, Ok(())));
    }
}

#[tokio::test]
async fn an_attempt_that_carries_the_budget_over_its_line_stops_others_and_not_its_own_call() {
    for store in every_store().await {
        shared(&store, BoundOf::User, 1_000).await;
        let keys = keys(&store, 2).await;
        let mut first = call(&store, &keys[0], 1, Some(AVERAGE)).await.unwrap();
        let attempt = done(&first, 950, 0);
        assert!(first.add_attempt(&attempt));
        let refused = call(&store, &keys[1], 2, Some(AVERAGE)).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetHeld(BoundOf::User), "{}", store.engine());
        let attempt = done(&first, 950, 0);
        assert!(first.add_attempt(&attempt));
        let refused = call(&store, &keys[1], 3, Some(AVERAGE)).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetSpent(BoundOf::User), "{}", store.engine());
        settle(first, 40);
        assert_eq!(standing(&store, &keys[1]).await, (1_940, 0, Err(NoRoom::Spent)));
    }
}

/// A budget beside it whose line is never crossed holds the worst case of the same calls, and cuts them.
#[tokio::test]
async fn a_budget_that_may_not_be_overrun_holds_the_worst_case_beside_one_that_may() {
    for store in every_store().await {
        shared(&store, BoundOf::Project, 1_000).await;
        let strict = Budget { overrun: Overrun::Deny, ..budget(60_000) };
        let strict = Bounds { limits: Limits::NONE, budgets: vec![strict] };
        bound(&store, BoundOf::Organization, strict).await;
        let key = keys(&store, 1).await[0];
        let first = call(&store, &key, 1, Some(AVERAGE)).await.unwrap();
        let second = call(&store, &key, 2, Some(AVERAGE)).await.unwrap();
        assert_eq!((first.output_tokens, second.output_tokens), (WORST, 10_000));
        let refused = call(&store, &key, 3, Some(AVERAGE)).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetHeld(BoundOf::Organization), "{}", store.engine());
        let standing = store.standing(&*call_key(&store, &key).await, None);
        let held = standing.budgets.iter().map(|budget| (budget.of, budget.held.tokens));
        let held: Vec<_> = held.collect();
        assert_eq!(held, [(BoundOf::Project, 200), (BoundOf::Organization, 60_000)]);
        settle(first, 1);
        settle(second, 1);
    }
}
