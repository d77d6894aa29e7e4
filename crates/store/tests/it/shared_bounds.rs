use std::sync::Arc;

use doorward_domain::bounds::{BoundOf, Bounds, ModelLimits, Subject};
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::id::ProjectId;
use doorward_domain::key::Owner;
use doorward_domain::limit::{LimitKind, Limits};
use doorward_domain::role::OrganizationRole;
use doorward_store::{CallRequest, KeyEdit, NewKey, NewProject, OpenCall, StoreError};
use tokio::task::JoinSet;

use crate::calls::{admit, call_key, done, request};
use crate::harness::{TestStore, every_store};

pub(crate) const WHO: [BoundOf; 3] = [BoundOf::Organization, BoundOf::Project, BoundOf::User];

fn tokens(tokens: u64) -> Bounds {
    let (amount, period) = (Amount::Tokens(tokens), Period::Month);
    Bounds {
        budgets: vec![Budget { amount, period, overrun: Overrun::Deny }],
        limits: Limits::NONE,
    }
}

fn limits(json: &str) -> Bounds {
    Bounds { limits: serde_json::from_str(json).unwrap(), budgets: vec![] }
}

/// Sets what all keys of somebody share.
pub(crate) async fn bound(store: &TestStore, whose: BoundOf, bounds: Bounds) {
    let (act, organization) = (store.act(), store.first.organization);
    match whose {
        BoundOf::Organization => {
            let mut found = store.get_organization(organization).await.unwrap();
            found.bounds = bounds;
            store.edit_organization(&act, &found).await.unwrap();
        }
        BoundOf::Project => {
            let found = store.find_project(organization, store.first.project).await.unwrap();
            let mut found = found.unwrap();
            found.bounds = bounds;
            store.edit_project(&act, &found).await.unwrap();
        }
        BoundOf::User => {
            let id = store.first.administrator;
            let mut found = store.find_user(organization, id).await.unwrap().unwrap();
            found.bounds = bounds;
            store.edit_user(&act, &found).await.unwrap();
        }
        BoundOf::Key | BoundOf::Model => panic!("{whose:?} is not shared"),
    }
}

pub(crate) async fn keys(store: &TestStore, count: usize) -> Vec<KeyId> {
    let mut keys = Vec::new();
    for n in 0..count {
        keys.push(store.make_key(&format!("key {n}")).await.0.id);
    }
    keys
}

/// A call of so many tokens with a key as it is now.
async fn call(store: &TestStore, key: &KeyId, n: u128, tokens: u64) -> Result<OpenCall, Denial> {
    admit(&store.store, &call_key(store, key).await, &request(n, tokens, 0))
}

pub(crate) fn settle(mut call: OpenCall, tokens: u64) {
    let settlement = done(&call, tokens, 0);
    call.settle(&settlement);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_calls_at_once_by_many_keys_a_shared_budget_for_ten_lets_exactly_ten_through() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, tokens(1_000)).await;
            let keys = keys(&store, 20).await;
            let mut calls = JoinSet::new();
            for n in 0..200_usize {
                let (shared, id) = (Arc::clone(&store.store), keys[n % keys.len()]);
                drop(calls.spawn(async move {
                    let key = call_key(&shared, &id).await;
                    admit(&shared, &key, &request(n as u128, 60, 40))
                }));
            }
            let (open, refused): (Vec<_>, Vec<_>) =
                calls.join_all().await.into_iter().partition(Result::is_ok);
            assert_eq!(open.len(), 10, "{whose:?} {}", store.engine());
            let held =
                |call: &Result<_, Denial>| call.as_ref().err() == Some(&Denial::BudgetHeld(whose));
            assert!(refused.iter().all(held));
            open.into_iter().flatten().for_each(|call| settle(call, 100));
            let refused = call(&store, &keys[0], 999, 100).await;
            assert_eq!(refused.unwrap_err(), Denial::BudgetSpent(whose));
        }
    }
}

#[tokio::test]
async fn what_an_attempt_cost_is_gone_for_everybody_before_its_call_is_over() {
    for store in every_store().await {
        bound(&store, BoundOf::Project, tokens(1_000)).await;
        let keys = keys(&store, 2).await;
        let mut first = call(&store, &keys[0], 1, 400).await.unwrap();
        let attempt = done(&first, 300, 0);
        first.add_attempt(&attempt);
        let refused = call(&store, &keys[1], 2, 400).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetHeld(BoundOf::Project), "{}", store.engine());
        let second = call(&store, &keys[1], 3, 300).await.unwrap();
        settle(first, 400);
        settle(second, 300);
        let refused = call(&store, &keys[0], 4, 1).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetSpent(BoundOf::Project), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_shared_limit_counts_the_calls_of_all_keys_and_says_whose_it_is() {
    for whose in WHO {
        for store in every_store().await {
            bound(&store, whose, limits(r#"{"requests_per_minute": 2, "concurrency": 1}"#)).await;
            let keys = keys(&store, 2).await;
            let first = call(&store, &keys[0], 1, 1).await.unwrap();
            let refused = call(&store, &keys[1], 2, 1).await.unwrap_err();
            assert_eq!(refused, Denial::TooManyConcurrent(whose), "{}", store.engine());
            settle(first, 1);
            let second = call(&store, &keys[1], 3, 1).await.unwrap();
            let quota = second.quotas.requests.unwrap();
            assert_eq!((quota.limit, quota.remaining), (2, 0));
            settle(second, 1);
            let refused = call(&store, &keys[0], 4, 1).await.unwrap_err();
            let kind = LimitKind::Requests;
            assert_eq!(
                refused,
                Denial::RateLimited { of: whose, kind, retry_after_us: 60_000_000 }
            );
        }
    }
}

#[tokio::test]
async fn the_tightest_of_all_limits_is_shown_and_a_refusal_takes_from_none() {
    for store in every_store().await {
        bound(&store, BoundOf::Organization, limits(r#"{"requests_per_minute": 9}"#)).await;
        bound(&store, BoundOf::Project, limits(r#"{"requests_per_minute": 7}"#)).await;
        bound(&store, BoundOf::User, tokens(100)).await;
        let keys = keys(&store, 2).await;
        let shown = |call: &OpenCall| call.quotas.requests.map(|q| (q.limit, q.remaining));
        let first = call(&store, &keys[0], 1, 60).await.unwrap();
        assert_eq!(shown(&first), Some((7, 6)));
        for n in 2..20 {
            let refused = call(&store, &keys[1], n, 60).await.unwrap_err();
            assert_eq!(refused, Denial::BudgetHeld(BoundOf::User), "{}", store.engine());
        }
        settle(first, 20);
        let second = call(&store, &keys[1], 30, 60).await.unwrap();
        assert_eq!(shown(&second), Some((7, 5)));
    }
}

#[tokio::test]
async fn who_is_elsewhere_is_bounded_by_nothing_of_this() {
    for store in every_store().await {
        bound(&store, BoundOf::Project, tokens(100)).await;
        bound(&store, BoundOf::User, tokens(100)).await;
        let other = make_project(&store, "other").await;
        let friend = store.make_user("ada", OrganizationRole::Member).await.id;
        let account = store.make_service_account("agent").await;
        let of = |name: &str, owner, project| NewKey { owner, project, ..store.new_key(name) };
        let mine = store.make_key("mine").await.0.id;
        settle(call(&store, &mine, 1, 100).await.unwrap(), 100);
        #[rustfmt::skip]
        let cases = [
            (of("elsewhere", Owner::User(store.first.administrator), other), Some(BoundOf::User)),
            (of("hers", Owner::User(friend), store.first.project),           Some(BoundOf::Project)),
            (of("agent", Owner::ServiceAccount(account), store.first.project), Some(BoundOf::Project)),
            (of("hers elsewhere", Owner::User(friend), other),               None),
        ];
        for (n, (new, refused_by)) in cases.into_iter().enumerate() {
            let key = store.create_key(&store.act(), new).await.unwrap().0.id;
            let refused = call(&store, &key, 10 + n as u128, 1).await.err();
            assert_eq!(refused, refused_by.map(Denial::BudgetSpent), "{}", store.engine());
        }
    }
}

async fn make_project(store: &TestStore, name: &str) -> ProjectId {
    let bounds = Bounds::NONE;
    let new = NewProject { name: name.to_owned(), description: String::new(), bounds };
    store.create_project(&store.act(), new).await.unwrap().id
}

#[tokio::test]
async fn what_was_spent_stays_spent_after_a_restart_and_when_the_key_is_gone() {
    for mut store in every_store().await {
        let keys = keys(&store, 2).await;
        for (n, key) in keys.iter().enumerate() {
            settle(call(&store, key, n as u128, 300).await.unwrap(), 250);
        }
        store.revoke_key(&store.act(), &keys[0]).await.unwrap();
        store.reopen().await;
        for whose in WHO {
            bound(&store, whose, tokens(600)).await;
            let key = call_key(&store, &keys[1]).await;
            let refused = admit(&store.store, &key, &request(9, 0, 5_000)).unwrap_err();
            assert_eq!(refused, Denial::BudgetSpent(whose), "100 of 600 are left, 256 are needed");
            bound(&store, whose, tokens(800)).await;
            let key = call_key(&store, &keys[1]).await;
            let mut open = admit(&store.store, &key, &request(9, 0, 5_000)).unwrap();
            assert_eq!(open.output_tokens, 300, "{whose:?} {}", store.engine());
            open.cancel();
            bound(&store, whose, Bounds::NONE).await;
        }
    }
}

/// A budget that is set knows all that was spent before, the calls that were in flight as soon as they
/// are written, and each of them once.
#[tokio::test]
async fn a_budget_that_is_set_in_between_counts_every_call_once() {
    for whose in WHO {
        for store in every_store().await {
            let keys = keys(&store, 2).await;
            settle(call(&store, &keys[0], 1, 100).await.unwrap(), 100);
            let before = call(&store, &keys[1], 2, 100).await.unwrap();
            bound(&store, whose, tokens(1_000)).await;
            let between = call(&store, &keys[0], 3, 100).await.unwrap();
            settle(before, 70);
            settle(between, 30);
            spent(&store, whose).await;
            let last = call(&store, &keys[1], 4, 5).await.unwrap();
            let standing = store.standing(&*call_key(&store, &keys[0]).await, None);
            let budget = standing.budgets[0];
            assert_eq!(budget.of, whose);
            assert_eq!((budget.spent.tokens, budget.held.tokens), (200, 5), "{}", store.engine());
            settle(last, 5);
            assert_eq!(spent(&store, whose).await, 205);
        }
    }
}

pub(crate) fn subject(store: &TestStore, whose: BoundOf) -> Subject {
    match whose {
        BoundOf::Organization => Subject::Organization(store.first.organization),
        BoundOf::Project => Subject::Project(store.first.project),
        BoundOf::User => Subject::User(store.first.administrator),
        BoundOf::Key | BoundOf::Model => panic!("{whose:?} is not shared"),
    }
}

/// What is shown to be spent; finished calls are written first.
async fn spent(store: &TestStore, whose: BoundOf) -> u64 {
    let subject = subject(store, whose);
    let bounds = tokens(1_000);
    let bounded = [(subject, &bounds)].into_iter();
    let standing = store.shared_standing(store.first.organization, bounded).await.unwrap();
    standing.spent(&subject, &bounds.budgets[0]).tokens
}

#[tokio::test]
async fn bounds_that_are_lifted_bound_nothing_and_forget_nothing() {
    for store in every_store().await {
        let key = store.make_key("ci").await.0.id;
        bound(&store, BoundOf::Project, tokens(100)).await;
        settle(call(&store, &key, 1, 60).await.unwrap(), 60);
        bound(&store, BoundOf::Project, Bounds::NONE).await;
        settle(call(&store, &key, 2, 60).await.unwrap(), 60);
        bound(&store, BoundOf::Project, tokens(100)).await;
        let refused = call(&store, &key, 3, 1).await.unwrap_err();
        assert_eq!(refused, Denial::BudgetSpent(BoundOf::Project), "{}", store.engine());
        bound(&store, BoundOf::Project, tokens(121)).await;
        assert!(call(&store, &key, 4, 1).await.is_ok());
    }
}

#[tokio::test]
async fn limits_for_a_model_count_its_calls_alone_and_an_edit_resets_none() {
    for store in every_store().await {
        let key = store.make_key("ci").await.0.id;
        let bounded = |model: &str, most: u32| ModelLimits {
            model: model.parse().unwrap(),
            limits: serde_json::from_str(&format!(r#"{{"requests_per_minute": {most}}}"#)).unwrap(),
        };
        edit(&store, &key, vec![bounded("gpt-*", 2), bounded("gpt-4o", 1)]).await;
        let refused = Denial::RateLimited {
            of: BoundOf::Model,
            kind: LimitKind::Requests,
            retry_after_us: 60_000_000,
        };
        let names: [Arc<str>; 3] = ["gpt-4o".into(), "gpt-5".into(), "gemma".into()];
        #[rustfmt::skip]
        let cases = [
            // model     refused
            (&names[0],  false),
            (&names[0],  true),
            (&names[1],  false),
            (&names[1],  true),
            (&names[2],  false),
            (&names[2],  false),
        ];
        for (n, (model, is_refused)) in cases.into_iter().enumerate() {
            let request = CallRequest { model, ..request(n as u128, 1, 0) };
            let call = admit(&store.store, &call_key(&store, &key).await, &request);
            let expected = is_refused.then_some(refused);
            assert_eq!(call.as_ref().err(), expected.as_ref(), "{n} {}", store.engine());
            if let Ok(call) = call {
                settle(call, 1);
            }
        }
        edit(&store, &key, vec![bounded("gpt-*", 3)]).await;
        let again = |n| CallRequest { model: &names[0], ..request(n, 1, 0) };
        let loaded = call_key(&store, &key).await;
        settle(admit(&store.store, &loaded, &again(20)).unwrap(), 1);
        assert_eq!(admit(&store.store, &loaded, &again(21)).unwrap_err(), refused);
    }
}

async fn edit(store: &TestStore, key: &KeyId, model_limits: Vec<ModelLimits>) {
    let found = store.find_key(store.first.organization, key).await.unwrap().unwrap();
    let mut rights = found.key.rights;
    rights.model_limits = model_limits;
    let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
    store.edit_key(&store.act(), key, edit).await.unwrap();
}

#[tokio::test]
async fn a_change_of_bounds_is_audited_once_and_an_old_version_is_refused() {
    for store in every_store().await {
        let found = store.get_organization(store.first.organization).await.unwrap();
        let edited = doorward_store::Organization { bounds: tokens(5), ..found.clone() };
        let after = store.edit_organization(&store.act(), &edited).await.unwrap();
        assert_eq!(after.bounds, tokens(5));
        let lost = store.edit_organization(&store.act(), &edited).await;
        assert!(matches!(lost, Err(StoreError::Stale)), "{}", store.engine());
        store.edit_organization(&store.act(), &after).await.unwrap();
        let entries = store
            .read(
                "SELECT detail FROM audit_entries WHERE action = 'organization.edit'",
                "SELECT detail FROM audit_entries WHERE action = 'organization.edit'",
            )
            .await;
        assert_eq!(entries.len(), 1);
        let detail: serde_json::Value = serde_json::from_str(&entries[0]).unwrap();
        assert_eq!(detail["bounds"]["before"], serde_json::json!({}));
        assert_eq!(detail["bounds"]["after"]["budgets"][0]["tokens"], 5);
    }
}
