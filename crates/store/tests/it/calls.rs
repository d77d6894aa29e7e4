use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use doorward_domain::bounds::BoundOf;
use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::money::NanoUsd;
use doorward_domain::price::Price;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;
use doorward_store::{
    CallKey, CallRequest, Clock, GroupBy, KeyEdit, OpenCall, OpenError, Options, Store, StoreError,
    UsageFilter, UsageRow,
};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::harness::{Setup, TestStore, every_store, every_store_with, is_changed};
use crate::opening::{act, new_key, options};

pub(crate) fn request(call: u128, input_tokens: u64, output_tokens: u64) -> CallRequest<'static> {
    static FREE: Price = Price::FREE;
    static MODEL: LazyLock<Arc<str>> = LazyLock::new(|| "gemma-3-270m".into());
    CallRequest {
        call: CallId::new(1, call),
        secret: SecretNumber::FIRST,
        model: &MODEL,
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &FREE,
        most: Usage::of_tokens(input_tokens, output_tokens),
        fixed_output_tokens: 0,
        average: None,
        address: "127.0.0.1".parse().unwrap(),
    }
}

pub(crate) fn admit(
    store: &Arc<Store>,
    key: &Arc<CallKey>,
    request: &CallRequest<'_>,
) -> Result<OpenCall, Denial> {
    store.admit(key, request).unwrap().map_err(|(denial, _)| denial)
}

pub(crate) fn done(call: &OpenCall, input_tokens: u64, output_tokens: u64) -> Settlement {
    let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
    Settlement {
        call: call.id(),
        outcome: Outcome::Done,
        status: 200,
        usage,
        spend: Spend { cost: NanoUsd::from_nanos(7), tokens: input_tokens + output_tokens },
        is_estimated: false,
        duration_us: 1_000,
        first_byte_us: 100,
    }
}

async fn budgeted_key(store: &TestStore, tokens: u64) -> KeyId {
    let mut new = store.new_key("budgeted");
    let amount = Amount::Tokens(tokens);
    new.rights.budgets = vec![Budget { amount, period: Period::Month, overrun: Overrun::Deny }];
    store.create_key(&store.act(), new).await.unwrap().0.id
}

pub(crate) async fn call_key(store: &Store, id: &KeyId) -> Arc<CallKey> {
    store.call_key(id).await.unwrap().unwrap()
}

async fn usage(store: &Store, key: &ApiKey) -> UsageRow {
    let filter = UsageFilter::all(key.organization, Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let mut rows = store.usage_report(&filter, &[GroupBy::Key]).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

/// What a killed process leaves behind: the files as they are at this moment.
fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_is_looked_up_once_and_checked_in_memory() {
    for store in every_store().await {
        let (made, plain) = store.make_key("ci").await;
        let (_, other) = store.make_key("other").await;
        assert!(store.cached_call_key(&made.id).is_none());

        let mut loads = JoinSet::new();
        for _ in 0..50 {
            let (shared, id) = (Arc::clone(&store.store), made.id);
            drop(loads.spawn(async move { shared.call_key(&id).await.unwrap().is_some() }));
        }
        assert!(loads.join_all().await.into_iter().all(|is_there| is_there));
        let key = store.cached_call_key(&made.id).unwrap();
        assert_eq!(key.secret(&plain), Some(SecretNumber::FIRST));
        assert!(key.secret(&other).is_none() && key.owner_is_active);
        assert_eq!(key.scopes, made.rights.scopes);
        let stats = store.stats();
        assert_eq!((stats.key_lookups, stats.call_keys), (1, 1), "{}", store.engine());
    }
}

#[tokio::test]
async fn an_id_without_a_key_reaches_the_database_once() {
    for store in every_store().await {
        let id: KeyId = "dw_0123456789abcdef".parse().unwrap();
        for _ in 0..3 {
            assert!(store.call_key(&id).await.unwrap().is_none());
        }
        assert_eq!(store.stats().key_lookups, 1, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_revoked_key_ends_at_once_also_where_it_is_in_use() {
    for store in every_store().await {
        let (made, _) = store.make_key("ci").await;
        let key = call_key(&store, &made.id).await;
        let (changed, stays) = (key.changed(), store.make_key("other").await.0);
        let stays = call_key(&store, &stays.id).await;
        assert!(!is_changed(&key));

        store.revoke_key(&store.act(), &made.id).await.unwrap();
        tokio::time::timeout(Duration::from_secs(10), changed).await.unwrap();
        assert!(is_changed(&key) && !is_changed(&stays));
        assert!(store.cached_call_key(&made.id).is_none());
        let now = call_key(&store, &made.id).await;
        assert!(!is_changed(&now));
        let refused = now.key.check(store.now(), "127.0.0.1".parse().unwrap());
        assert_eq!(refused, Err(Denial::Revoked), "{}", store.engine());
    }
}

/// Room for two keys.
fn small() -> Setup {
    Setup { call_keys_max: 2, ..Setup::default() }
}

/// A key with a call in flight that others have pushed out of a small cache.
async fn pushed_out(store: &TestStore) -> (Arc<CallKey>, OpenCall) {
    let mut streaming = Vec::new();
    for n in 0..40 {
        let (made, _) = store.make_key(&n.to_string()).await;
        let key = call_key(store, &made.id).await;
        let call = admit(&store.store, &key, &request(n, 10, 10)).unwrap();
        streaming.push((key, call));
    }
    let is_out = |key: &CallKey| store.cached_call_key(&key.key.id).is_none();
    let first = streaming.iter().position(|(key, _)| is_out(key)).unwrap();
    streaming.swap_remove(first)
}

#[tokio::test]
async fn a_stream_of_a_key_that_left_memory_still_ends_with_the_key() {
    for store in every_store_with(small()).await {
        let (key, _call) = pushed_out(&store).await;
        assert!(!is_changed(&key));
        store.revoke_key(&store.act(), &key.key.id).await.unwrap();
        assert!(is_changed(&key), "{}", store.engine());
        let now = call_key(&store, &key.key.id).await;
        assert!(!is_changed(&now), "a key that is loaded later has a signal of its own");
    }
}

#[tokio::test]
async fn a_stream_of_a_key_that_left_memory_still_ends_with_its_owner() {
    for store in every_store_with(small()).await {
        let (key, _call) = pushed_out(&store).await;
        let owner = store.first.administrator;
        store.make_owner().await;
        store.set_user_disabled(&store.act(), owner, true).await.unwrap();
        assert!(is_changed(&key), "{}", store.engine());
        store.set_user_disabled(&store.act(), owner, false).await.unwrap();
        let again = call_key(&store, &key.key.id).await;
        assert!(!is_changed(&again));
        store.set_user_disabled(&store.act(), owner, true).await.unwrap();
        assert!(is_changed(&again), "a second time, too");
    }
}

#[tokio::test]
async fn a_key_that_was_loaded_again_ends_every_stream_of_it() {
    for store in every_store_with(small()).await {
        let (early, _call) = pushed_out(&store).await;
        let late = call_key(&store, &early.key.id).await;
        store.revoke_key(&store.act(), &early.key.id).await.unwrap();
        assert!(is_changed(&early) && is_changed(&late), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_disabled_user_stops_every_key_of_theirs() {
    for store in every_store().await {
        let second = store.second_organization().await;
        let mut new = store.new_key("theirs");
        new.owner = Owner::User(second.administrator);
        (new.project, new.created_by) = (second.project, second.administrator);
        let act = store.act_in(second.organization);
        let (theirs, _) = store.create_key(&act, new).await.unwrap();
        let (mine, _) = store.make_key("mine").await;
        let (theirs_before, mine) =
            (call_key(&store, &theirs.id).await, call_key(&store, &mine.id).await);

        store.make_user_in(second.organization, "next", OrganizationRole::Owner).await;
        store.set_user_disabled(&act, second.administrator, true).await.unwrap();
        assert!(is_changed(&theirs_before) && !is_changed(&mine));
        assert!(!call_key(&store, &theirs.id).await.owner_is_active, "{}", store.engine());
    }
}

#[tokio::test]
async fn an_edit_counts_with_the_next_call_and_resets_no_limit() {
    for store in every_store().await {
        let mut new = store.new_key("ci");
        new.rights.limits.requests_per_minute = NonZeroU32::new(3);
        let mut rights = new.rights.clone();
        let id = store.create_key(&store.act(), new).await.unwrap().0.id;
        let before = call_key(&store, &id).await;
        for n in 0..2 {
            admit(&store.store, &before, &request(n, 1, 1)).unwrap();
        }
        rights.limits.requests_per_minute = NonZeroU32::new(2);
        let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
        store.edit_key(&store.act(), &id, edit).await.unwrap();
        assert!(is_changed(&before));
        let refused = admit(&store.store, &call_key(&store, &id).await, &request(2, 1, 1));
        assert!(matches!(refused, Err(Denial::RateLimited { .. })), "{}", store.engine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_an_edit_nobody_sees_the_key_as_it_was() {
    for store in every_store().await {
        let (made, _) = store.make_key("ci").await;
        let mut readers = JoinSet::new();
        for _ in 0..4 {
            let (shared, id) = (Arc::clone(&store.store), made.id);
            drop(readers.spawn(async move {
                loop {
                    call_key(&shared, &id).await;
                    tokio::task::yield_now().await;
                }
            }));
        }
        for n in 0..50 {
            let edit = KeyEdit { description: Some(n.to_string()), ..KeyEdit::default() };
            store.edit_key(&store.act(), &made.id, edit).await.unwrap();
            let key = call_key(&store, &made.id).await;
            assert_eq!(key.key.description, n.to_string(), "{}", store.engine());
            assert!(!is_changed(&key));
        }
        readers.shutdown().await;
    }
}

/// A budget of a period that no budget counted before, added while one call is in flight and another
/// is finished but not in the database.
#[tokio::test]
async fn a_budget_of_a_new_period_counts_what_is_in_flight_and_unwritten() {
    for store in every_store().await {
        for (n, period) in (0..).zip(Period::ALL) {
            let (made, _) = store.make_key(period.as_str()).await;
            let key = call_key(&store, &made.id).await;
            let mut finished = admit(&store.store, &key, &request(n * 10, 100, 100)).unwrap();
            let settlement = done(&finished, 100, 0);
            finished.settle(&settlement);
            let mut in_flight = admit(&store.store, &key, &request(n * 10 + 1, 300, 200)).unwrap();

            let mut rights = made.rights.clone();
            let amount = Amount::Tokens(1_000);
            rights.budgets = vec![
                Budget { amount, period, overrun: Overrun::Allow },
                Budget { amount, period, overrun: Overrun::Deny },
            ];
            let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
            store.edit_key(&store.act(), &made.id, edit).await.unwrap();
            let key = call_key(&store, &made.id).await;
            let mut call = admit(&store.store, &key, &request(n * 10 + 2, 0, 2_000)).unwrap();
            assert_eq!(call.output_tokens, 400, "{period:?} on {}", store.engine());

            let settlement = done(&call, 0, 0);
            call.settle(&settlement);
            let settlement = done(&in_flight, 300, 0);
            in_flight.settle(&settlement);
            let call = admit(&store.store, &key, &request(n * 10 + 3, 0, 2_000)).unwrap();
            assert_eq!(call.output_tokens, 600, "{period:?} on {}", store.engine());
        }
    }
}

#[tokio::test]
async fn each_period_of_a_key_counts_by_itself_across_a_restart() {
    for mut store in every_store().await {
        let mut new = store.new_key("ci");
        new.rights.expires_at = None;
        let (made, _) = store.create_key(&store.act(), new).await.unwrap();
        // Saturday the 21st; then Sunday, Monday, and December.
        for (n, days) in (0..).zip([1, 1, 10, 0]) {
            let key = call_key(&store, &made.id).await;
            let mut call = admit(&store.store, &key, &request(n, 100, 0)).unwrap();
            let settlement = done(&call, 100, 0);
            call.settle(&settlement);
            store.pass(SignedDuration::from_hours(24 * days));
        }
        store.reopen().await;
        let left =
            [(Period::Day, 900), (Period::Week, 900), (Period::Month, 900), (Period::Total, 600)];
        for (n, (period, left)) in (100..).step_by(2).zip(left) {
            let mut rights = made.rights.clone();
            let amount = Amount::Tokens(1_000);
            rights.budgets = vec![Budget { amount, period, overrun: Overrun::Deny }];
            let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
            store.edit_key(&store.act(), &made.id, edit).await.unwrap();
            let key = call_key(&store, &made.id).await;
            let refused = admit(&store.store, &key, &request(n, left + 1, 0));
            assert!(refused.is_err(), "{period:?} on {}", store.engine());
            let call = admit(&store.store, &key, &request(n + 1, left, 0));
            let mut call = call.unwrap_or_else(|denial| panic!("{period:?}: {denial:?}"));
            let settlement = done(&call, 0, 0);
            call.settle(&settlement);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_calls_at_once_a_budget_for_ten_lets_exactly_ten_through() {
    for store in every_store().await {
        let id = budgeted_key(&store, 1_000).await;
        let mut calls = JoinSet::new();
        for n in 0..200 {
            let shared = Arc::clone(&store.store);
            drop(calls.spawn(async move {
                let key = call_key(&shared, &id).await;
                admit(&shared, &key, &request(n, 60, 40))
            }));
        }
        let (open, refused): (Vec<_>, Vec<_>) =
            calls.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(open.len(), 10, "{}", store.engine());
        let held = |call: &Result<OpenCall, Denial>| {
            call.as_ref().err() == Some(&Denial::BudgetHeld(BoundOf::Key))
        };
        assert!(refused.iter().all(held));

        for mut call in open.into_iter().flatten() {
            let settlement = done(&call, 60, 40);
            call.settle(&settlement);
        }
        let refused = admit(&store.store, &call_key(&store, &id).await, &request(999, 60, 40));
        assert_eq!(refused.unwrap_err(), Denial::BudgetSpent(BoundOf::Key));
    }
}

#[tokio::test]
async fn a_budget_counts_on_after_a_restart() {
    for mut store in every_store().await {
        let id = budgeted_key(&store, 1_000).await;
        let key = call_key(&store, &id).await;
        let mut call = admit(&store.store, &key, &request(1, 300, 300)).unwrap();
        let settlement = done(&call, 300, 100);
        call.settle(&settlement);
        drop(key);
        store.reopen().await;

        let key = call_key(&store, &id).await;
        let row = usage(&store, &key.key).await;
        assert_eq!((row.requests, row.errors, row.spend.tokens), (1, 0, 400), "{}", store.engine());
        let call = admit(&store.store, &key, &request(2, 100, 2_000)).unwrap();
        assert_eq!(call.output_tokens, 500);
    }
}

#[tokio::test]
async fn a_report_has_the_calls_that_just_ended() {
    for store in every_store().await {
        let (made, _) = store.make_key("ci").await;
        let key = call_key(&store, &made.id).await;
        for n in 0..2_500 {
            let mut call = admit(&store.store, &key, &request(n, 10, 10)).unwrap();
            let settlement = done(&call, 10, 5);
            call.settle(&settlement);
        }
        let row = usage(&store, &made).await;
        assert_eq!((row.requests, row.spend.tokens), (2_500, 37_500), "{}", store.engine());
        assert_eq!(row.spend.cost, NanoUsd::from_nanos(17_500));
        let stats = store.stats();
        assert_eq!((stats.events_waiting, stats.events_written), (0, 2_500));
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_counts_as_interrupted_at_its_estimate() {
    for store in every_store().await {
        let id = budgeted_key(&store, 1_000).await;
        let key = call_key(&store, &id).await;
        drop(admit(&store.store, &key, &request(1, 60, 40)).unwrap());
        let row = usage(&store, &key.key).await;
        assert_eq!((row.requests, row.errors, row.spend.tokens), (1, 1, 100), "{}", store.engine());
        let call = admit(&store.store, &key, &request(2, 100, 2_000)).unwrap();
        assert_eq!(call.output_tokens, 800);
    }
}

#[tokio::test]
async fn a_killed_process_loses_no_call_and_doubles_none() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(options(data.path())).await.unwrap();
    let (first, _) = store.bootstrap().await.unwrap();
    let (made, _) = store.create_key(&act(&first), new_key(&first)).await.unwrap();
    let key = call_key(&store, &made.id).await;
    let finish = |n| {
        let mut call = admit(&store, &key, &request(n, 10, 10)).unwrap();
        call.reroute(ProviderId::new(1, 2), DeploymentId::new(1, 2));
        let settlement = done(&call, 10, 5);
        call.settle(&settlement);
    };
    let _open = admit(&store, &key, &request(0, 60, 40)).unwrap();
    (1..=20).for_each(finish);
    usage(&store, &made).await;
    (21..=30).for_each(finish);

    let killed = tempfile::tempdir().unwrap();
    copy_dir(data.path(), killed.path());
    for _ in 0..2 {
        let store = Store::open(options(killed.path())).await.unwrap();
        let row = usage(&store, &made).await;
        assert_eq!((row.requests, row.errors), (31, 1));
        assert_eq!(row.spend.tokens, 30 * 15 + 100);
        assert_eq!(row.usage.output_tokens, 30 * 5 + 40);
        store.close().await;
        assert_eq!(std::fs::read_dir(killed.path().join("journal")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn what_the_database_does_not_take_waits_and_arrives_later() {
    let [store, _] = every_store().await;
    let (made, _) = store.make_key("ci").await;
    let key = call_key(&store, &made.id).await;
    let mut blocker = store.begin_exclusive().await;
    let mut call = admit(&store.store, &key, &request(1, 10, 10)).unwrap();
    let settlement = done(&call, 10, 5);
    call.settle(&settlement);
    let filter = UsageFilter::all(made.organization, Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let report = store.usage_report(&filter, &[GroupBy::Key]);
    let given_up = tokio::time::timeout(Duration::from_millis(20), report).await;
    assert!(given_up.is_err());
    let refused = store.usage_report(&filter, &[GroupBy::Key]).await;
    assert!(matches!(refused, Err(StoreError::Database(_))));
    assert_eq!(store.stats().events_waiting, 1);
    admit(&store.store, &key, &request(2, 10, 10)).unwrap();

    sqlx::query("ROLLBACK").execute(&mut blocker).await.unwrap();
    assert_eq!(usage(&store, &made).await.requests, 2);
}

#[tokio::test]
async fn a_store_that_was_dropped_finishes_its_calls_at_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let (made, call) = {
        let store = Store::open(options(data.path())).await.unwrap();
        let (first, _) = store.bootstrap().await.unwrap();
        let act = act(&first);
        let (made, _) = store.create_key(&act, new_key(&first)).await.unwrap();
        let key = call_key(&store, &made.id).await;
        (made, admit(&store, &key, &request(1, 60, 40)).unwrap())
    };
    drop(call);
    let store = reopen_when_free(data.path()).await;
    let row = usage(&store, &made).await;
    assert_eq!((row.requests, row.errors, row.spend.tokens), (1, 1, 100));
}

/// The tasks of a dropped store end on their own, and the lock with them.
async fn reopen_when_free(dir: &Path) -> Arc<Store> {
    loop {
        match Store::open(Options { clock: Clock::system(), ..options(dir) }).await {
            Ok(store) => return store,
            Err(OpenError::AlreadyRunning(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}
