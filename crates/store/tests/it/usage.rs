use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::id::{CallId, DeploymentId, OrganizationId, ProviderId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::money::NanoUsd;
use doorward_domain::price::{Price, Rates};
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::{TOKENS_MAX, Usage};
use doorward_store::{
    CallRequest, GroupBy, KeyFilter, OpenCall, Store, StoreError, UsageFailure, UsageFilter,
    UsageNames, UsageRow,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, PgConnection};

use crate::harness::{Setup, TestStore, every_store, every_store_with};

/// Makes one call: 1 000 tokens in for a dollar, 500 out for nothing.
async fn call(store: &TestStore, key: &ApiKey, n: u128) {
    let price = Price {
        rates: Rates::of_tokens("1000".parse().unwrap(), NanoUsd::ZERO),
        tiers: Vec::new(),
    };
    let loaded = store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &"m".into(),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &price,
        most: Usage::of_tokens(1_000, 1_000),
        fixed_output_tokens: 0,
        average: None,
        address: [10, 0, 0, 7].into(),
    };
    let mut open = store.store.admit(&loaded, &request).unwrap().unwrap();
    let usage = Usage { input_tokens: 1_000, output_tokens: 500, ..Usage::default() };
    open.settle(&Settlement {
        call: CallId::new(1, n),
        outcome: Outcome::Done,
        status: 200,
        usage,
        spend: Spend { cost: price.cost(usage), tokens: usage.total_tokens() },
        is_estimated: false,
        duration_us: 10,
        first_byte_us: 5,
    });
}

fn everything(store: &TestStore) -> UsageFilter {
    let to = store.now() + SignedDuration::from_secs(1);
    UsageFilter::all(store.first.organization, Timestamp::UNIX_EPOCH, to)
}

#[tokio::test]
async fn a_settled_call_is_in_the_next_report() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        call(&store, &key, 1).await;
        call(&store, &key, 2).await;
        let filter = everything(&store);
        let rows = store.usage_report(&filter, &[GroupBy::Key, GroupBy::Day]).await.unwrap();
        assert_eq!(rows.len(), 1, "{}", store.engine());
        assert_eq!(rows[0].key, Some(key.id.to_string()));
        assert_eq!(rows[0].day.as_deref(), Some("2026-11-21"));
        assert_eq!((rows[0].requests, rows[0].errors), (2, 0));
        assert_eq!(rows[0].spend, Spend { cost: "2".parse().unwrap(), tokens: 3_000 });
    }
}

#[tokio::test]
async fn what_is_reported_survives_a_restart_once() {
    for mut store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        call(&store, &key, 1).await;
        store.reopen().await;
        store.reopen().await;
        let rows = store.usage_report(&everything(&store), &[GroupBy::Model]).await.unwrap();
        assert_eq!((rows.len(), rows[0].requests), (1, 1), "{}", store.engine());
        assert_eq!(rows[0].model.as_deref(), Some("m"));
    }
}

#[tokio::test]
async fn a_key_shows_its_last_call_and_what_its_budgets_spent() {
    for store in every_store().await {
        let budget = |period| Budget {
            amount: Amount::Usd("100".parse().unwrap()),
            period,
            overrun: Overrun::Deny,
        };
        let mut new = store.new_key("spender");
        new.rights.budgets = vec![budget(Period::Total), budget(Period::Day)];
        new.rights.expires_at = None;
        let (key, _) = store.create_key(&store.act(), new).await.unwrap();
        store.make_key("unused").await;
        call(&store, &key, 1).await;
        let yesterday = store.now();
        store.pass(SignedDuration::from_hours(24));
        call(&store, &key, 2).await;
        call(&store, &key, 3).await;

        let record = store.find_key(store.first.organization, &key.id).await.unwrap().unwrap();
        let spend =
            |calls: u64| Spend { cost: calls.to_string().parse().unwrap(), tokens: calls * 1_500 };
        let expected = vec![(budget(Period::Total), spend(3)), (budget(Period::Day), spend(2))];
        assert_eq!(record.spent, expected, "{}", store.engine());
        assert_eq!(record.last_used_at, Some(store.now()));
        assert_ne!(record.last_used_at, Some(yesterday));
        assert_eq!(record.last_used_address, Some([10, 0, 0, 7].into()));

        let filter = KeyFilter { search: Some("spender".to_owned()), ..KeyFilter::default() };
        let page = store.list_keys(store.first.organization, &filter, None, 10).await.unwrap();
        assert_eq!(page.rows[0].spent, expected);
    }
}

/// Ends a call of the key that begins now, settled as `change` says: by default one dollar, ten
/// tokens in and five out.
async fn book(store: &TestStore, key: &ApiKey, n: u128, change: impl FnOnce(&mut Settlement)) {
    book_as(store, key, n, ("m", [127, 0, 0, 1].into()), change).await;
}

async fn book_as(
    store: &TestStore,
    key: &ApiKey,
    n: u128,
    (model, address): (&str, IpAddr),
    change: impl FnOnce(&mut Settlement),
) {
    let mut open = begin(store, key, n, (model, address)).await;
    let mut settlement = one_dollar(n);
    change(&mut settlement);
    open.settle(&settlement);
}

async fn begin(
    store: &TestStore,
    key: &ApiKey,
    n: u128,
    (model, address): (&str, IpAddr),
) -> OpenCall {
    let loaded = store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &model.into(),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        most: Usage::of_tokens(10, 5),
        fixed_output_tokens: 0,
        average: None,
        address,
    };
    store.store.admit(&loaded, &request).unwrap().unwrap()
}

fn one_dollar(n: u128) -> Settlement {
    Settlement {
        call: CallId::new(1, n),
        outcome: Outcome::Done,
        status: 200,
        usage: Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() },
        spend: Spend { cost: "1".parse().unwrap(), tokens: 15 },
        is_estimated: false,
        duration_us: 2_000,
        first_byte_us: 1_000,
    }
}

/// A key with a wide budget for every period, so that its spend is shown.
async fn key_with_budgets(store: &TestStore, name: &str) -> ApiKey {
    let mut new = store.new_key(name);
    new.rights.expires_at = None;
    new.rights.budgets = Period::ALL
        .map(|period| Budget { amount: Amount::Usd(NanoUsd::MAX), period, overrun: Overrun::Allow })
        .to_vec();
    store.create_key(&store.act(), new).await.unwrap().0
}

/// In the present day, week and month, and altogether.
async fn tokens_spent(store: &TestStore, key: &ApiKey) -> [u64; 4] {
    report(store, &[]).await;
    let record = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
    let tokens: Vec<u64> = record.spent.iter().map(|(_, spent)| spent.tokens).collect();
    tokens.try_into().unwrap()
}

async fn report(store: &TestStore, group_by: &[GroupBy]) -> Vec<UsageRow> {
    store.usage_report(&everything(store), group_by).await.unwrap()
}

/// What the hourly sums hold: a report of whole hours reads nothing else.
async fn in_hours(store: &TestStore, organization: OrganizationId) -> u64 {
    let filter = UsageFilter::all(organization, Timestamp::UNIX_EPOCH, whole_hour(store.now()));
    store.usage_report(&filter, &[]).await.unwrap().iter().map(|row| row.requests).sum()
}

/// The end of the hour that holds an instant.
fn whole_hour(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(3_600) + 3_600).unwrap()
}

/// A start that was killed after it had written the journal to the database, and before it had
/// deleted it, is followed by one that does it again.
#[tokio::test]
async fn a_journal_that_is_replayed_again_adds_nothing() {
    for mut store in every_store().await {
        let key = key_with_budgets(&store, "ci").await;
        for n in 0..60 {
            book(&store, &key, n, |_| {}).await;
        }
        let journal = store.data.path().join("journal");
        let kept = tempfile::tempdir().unwrap();
        let copy = |from: &Path, to: &Path| {
            for entry in std::fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        };
        copy(&journal, kept.path());
        store.close().await;
        copy(kept.path(), &journal);
        // Not `reopen`: it closes the old one again, which would delete the journal unread.
        store.store = Store::open(store.options_in(store.data.path())).await.unwrap();
        let rows = report(&store, &[]).await;
        assert_eq!((rows.len(), rows[0].requests), (1, 60), "{}", store.engine());
        assert_eq!(in_hours(&store, key.organization).await, 60);
        assert_eq!(tokens_spent(&store, &key).await, [900; 4]);
    }
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    for store in every_store().await {
        let key = key_with_budgets(&store, "ci").await;
        store.tamper("ALTER TABLE spend RENAME TO spend_gone").await;
        let loaded = store.call_key(&key.id).await;
        assert!(loaded.is_err(), "what was spent cannot be read");
        store.tamper("ALTER TABLE spend_gone RENAME TO spend").await;
        let mut open = begin(&store, &key, 1, ("m", [127, 0, 0, 1].into())).await;
        store.tamper("ALTER TABLE spend RENAME TO spend_gone").await;
        open.settle(&one_dollar(1));
        let failed = store.usage_report(&everything(&store), &[]).await;
        assert!(matches!(failed, Err(StoreError::Database(_))), "{}", store.engine());
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM usage_events";
        assert_eq!(store.read(count, count).await, ["0"]);

        store.tamper("ALTER TABLE spend_gone RENAME TO spend").await;
        assert_eq!(report(&store, &[]).await[0].requests, 1);
        assert_eq!(tokens_spent(&store, &key).await, [15; 4]);
    }
}

#[tokio::test]
async fn a_full_batch_of_many_keys_is_booked_to_each() {
    for store in every_store().await {
        let mut keys = Vec::new();
        for n in 0..30 {
            keys.push(key_with_budgets(&store, &n.to_string()).await);
        }
        for (n, key) in (0..500).zip(keys.iter().cycle()) {
            book(&store, key, n, |_| {}).await;
        }
        for (key, calls) in [(&keys[0], 17), (&keys[19], 17), (&keys[20], 16), (&keys[29], 16)] {
            assert_eq!(tokens_spent(&store, key).await, [calls * 15; 4], "{}", store.engine());
        }
        assert_eq!(report(&store, &[GroupBy::Key]).await.len(), 30);
    }
}

/// In New York. The store's clock stands at Saturday the 21st, noon in UTC.
#[tokio::test]
async fn spend_counts_in_the_calendar_of_the_zone() {
    let time_zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
    for store in every_store_with(Setup { call_keys_max: 10, time_zone, ..Setup::default() }).await
    {
        let key = key_with_budgets(&store, "ci").await;
        // Monday the 30th, 23:30 there; in UTC it is December already.
        store
            .pass("2026-12-01T04:30:00Z".parse::<Timestamp>().unwrap().duration_since(store.now()));
        book(&store, &key, 1, |_| {}).await;
        store.pass(SignedDuration::from_hours(1));
        book(&store, &key, 2, |_| {}).await;
        book(&store, &key, 3, |_| {}).await;
        assert_eq!(tokens_spent(&store, &key).await, [30, 45, 30, 45], "{}", store.engine());
        store.pass(SignedDuration::from_hours(24 * 45));
        assert_eq!(tokens_spent(&store, &key).await, [0, 0, 0, 45]);
    }
}

#[tokio::test]
async fn absurd_figures_saturate_and_stop_no_batch() {
    for store in every_store().await {
        let key = key_with_budgets(&store, "ci").await;
        let mut calls = Vec::new();
        for n in 0..3 {
            calls.push((n, begin(&store, &key, n, ("m", [127, 0, 0, 1].into())).await));
        }
        for (n, mut call) in calls {
            let mut absurd = one_dollar(n);
            absurd.spend = Spend { cost: NanoUsd::MAX, tokens: u64::MAX };
            absurd.usage.input_tokens = u64::MAX;
            call.settle(&absurd);
            report(&store, &[]).await;
        }
        let record = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
        for (budget, spent) in record.spent {
            let all = Spend { cost: NanoUsd::MAX, tokens: i64::MAX.unsigned_abs() };
            assert_eq!(spent, all, "{budget:?} on {}", store.engine());
        }
        assert_eq!(in_hours(&store, key.organization).await, 3);
        let row = report(&store, &[]).await.remove(0);
        assert_eq!(row.spend.cost, NanoUsd::MAX);
        assert_eq!(row.usage.input_tokens, 3 * TOKENS_MAX);
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_never_goes_back() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let mut early = begin(&store, &key, 1, ("m", [10, 0, 0, 1].into())).await;
        store.pass(SignedDuration::from_secs(1));
        let address: IpAddr = "2001:db8::7".parse().unwrap();
        book_as(&store, &key, 2, ("m", address), |_| {}).await;
        report(&store, &[]).await;
        early.settle(&one_dollar(1));
        report(&store, &[]).await;
        let record = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
        assert_eq!(record.last_used_at, Some(store.now()), "{}", store.engine());
        assert_eq!(record.last_used_address, Some(address));
    }
}

/// A revocation looks its key up: it must not stand in line behind usage that is not written yet.
#[tokio::test]
async fn a_key_to_be_changed_is_found_while_usage_waits_for_the_database() {
    let [store, _] = every_store().await;
    let key = key_with_budgets(&store, "ci").await;
    let mut call = begin(&store, &key, 1, ("m", [127, 0, 0, 1].into())).await;
    let mut blocker = store.begin_exclusive().await;
    call.settle(&one_dollar(1));
    let found = tokio::select! {
        biased;
        _ = store.find_key(key.organization, &key.id) => panic!("it did not wait"),
        found = store.find_stored_key(key.organization, &key.id) => found.unwrap().unwrap(),
    };
    assert_eq!((found.key.id, found.last_used_at), (key.id, None));
    assert_eq!(store.stats().events_waiting, 1);
    sqlx::query("ROLLBACK").execute(&mut blocker).await.unwrap();
    let latest = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
    assert_eq!(latest.last_used_at, Some(store.now()));
}

#[tokio::test]
async fn a_report_sums_every_figure() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        assert_eq!(report(&store, &[]).await, [], "nothing yet, {}", store.engine());
        // Each figure another one.
        let figures =
            [1_000, 220, 130, 41, 110, 120, 13, 51, 62, 500, 71, 82, 93, 14, 5, 6, 7, 8, 9, 10];
        for (n, outcome) in (1..).zip(Outcome::ALL) {
            let change = |settlement: &mut Settlement| {
                settlement.outcome = outcome;
                settlement.usage = Usage::from_figures(figures);
                settlement.spend.cost = "0.999999999".parse().unwrap();
            };
            book(&store, &key, n, change).await;
        }
        let usage = Usage::from_figures(figures.map(|figure| 4 * figure));
        let row = UsageRow {
            requests: 4,
            errors: 2,
            attempts: 4,
            // Of the two that were answered.
            duration_us: 4_000,
            first_byte_us: 2_000,
            usage,
            spend: Spend { cost: "3.999999996".parse().unwrap(), tokens: 6_000 },
            ..UsageRow::default()
        };
        assert_eq!(report(&store, &[]).await, [row], "{}", store.engine());
    }
}

#[tokio::test]
async fn a_report_groups_by_what_is_asked_newest_day_first_then_by_cost() {
    for store in every_store().await {
        let (one, two) = (store.make_key("one").await.0, store.make_key("two").await.0);
        store.pass(SignedDuration::from_secs(43_199));
        book(&store, &one, 1, |_| {}).await;
        store.pass(SignedDuration::from_secs(1));
        book(&store, &one, 2, |_| {}).await;
        book(&store, &two, 3, |settlement| settlement.spend.cost = "1.5".parse().unwrap()).await;
        let local = [127, 0, 0, 1].into();
        let dear = |settlement: &mut Settlement| settlement.spend.cost = "9".parse().unwrap();
        book_as(&store, &two, 4, ("dear", local), dear).await;

        let texts = |rows: Vec<UsageRow>| -> Vec<String> {
            let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let name = |row: &UsageRow| match &row.key {
                Some(id) if *id == one.id.to_string() => "one".to_owned(),
                Some(id) if *id == two.id.to_string() => "two".to_owned(),
                other => of(other),
            };
            let line = |row: &UsageRow| {
                format!("{} {} {} {}", name(row), of(&row.model), of(&row.day), row.spend.cost)
            };
            rows.iter().map(line).collect()
        };
        assert_eq!(
            texts(report(&store, &[GroupBy::Key]).await),
            ["two - - 10.50", "one - - 2.00"],
            "{}",
            store.engine()
        );
        let by_model = report(&store, &[GroupBy::Model]).await;
        assert_eq!(texts(by_model), ["- dear - 9.00", "- m - 3.50"]);
        assert_eq!(
            texts(report(&store, &[GroupBy::Day, GroupBy::Model, GroupBy::Key]).await),
            [
                "two dear 2026-11-22 9.00",
                "two m 2026-11-22 1.50",
                "one m 2026-11-22 1.00",
                "one m 2026-11-21 1.00",
            ]
        );
    }
}

#[tokio::test]
async fn a_report_keeps_to_its_organization_time_and_user() {
    for store in every_store().await {
        let second = store.second_organization().await;
        let (mine, _) = store.make_key("mine").await;
        let bot = Owner::ServiceAccount(store.make_service_account("bot").await);
        let (of_bot, _) = store.make_key_of(bot, "of the bot").await;
        let mut new = store.new_key("theirs");
        new.owner = Owner::User(second.administrator);
        (new.project, new.created_by) = (second.project, second.administrator);
        let theirs = store.create_key(&store.act_in(second.organization), new).await.unwrap().0;

        let from = store.now() + SignedDuration::from_micros(1);
        let to = from + SignedDuration::from_hours(1);
        book(&store, &mine, 1, |_| {}).await;
        store.pass(SignedDuration::from_micros(1));
        for (n, key) in (2..).zip([&mine, &of_bot, &theirs]) {
            book(&store, key, n, |_| {}).await;
        }
        store.pass(SignedDuration::from_hours(1));
        book(&store, &mine, 5, |_| {}).await;

        let requests = async |organization, user: Option<UserId>| -> u64 {
            let owner = user.map(Owner::User);
            let filter = UsageFilter { owner, ..UsageFilter::all(organization, from, to) };
            let rows = store.usage_report(&filter, &[]).await.unwrap();
            rows.iter().map(|row| row.requests).sum()
        };
        let (home, away) = (store.first.organization, second.organization);
        assert_eq!(requests(home, None).await, 2, "{}", store.engine());
        assert_eq!(requests(home, Some(store.first.administrator)).await, 1);
        assert_eq!(requests(home, Some(second.administrator)).await, 0);
        assert_eq!(requests(away, None).await, 1);
        assert_eq!(requests(away, Some(store.first.administrator)).await, 0);
    }
}

/// A report waits for some work, not for all that a day without the database has left.
#[tokio::test]
async fn a_report_does_not_wait_for_a_large_backlog() {
    const CALLS: u64 = 36_000;
    let [store, _] = every_store().await;
    let key = key_with_budgets(&store, "ci").await;
    store.call_key(&key.id).await.unwrap().unwrap();
    let mut blocker = store.begin_exclusive().await;
    for n in 0..CALLS {
        book(&store, &key, n.into(), |_| {}).await;
    }
    sqlx::query("ROLLBACK").execute(&mut blocker).await.unwrap();
    let refused = store.usage_report(&everything(&store), &[]).await;
    assert!(matches!(refused, Err(StoreError::Behind)), "{refused:?}");
    assert!(store.stats().events_written > 0);
    // What is asked again is answered, and then it is whole.
    let rows = report(&store, &[]).await;
    assert_eq!(rows[0].requests, CALLS);
    // The end of the process writes everything, however much it is.
    let mut blocker = store.begin_exclusive().await;
    for n in CALLS..2 * CALLS {
        book(&store, &key, n.into(), |_| {}).await;
    }
    sqlx::query("ROLLBACK").execute(&mut blocker).await.unwrap();
    store.close().await;
    assert_eq!(std::fs::read_dir(store.data.path().join("journal")).unwrap().count(), 0);
}

/// However many reports are asked for, and however long each takes, keys are found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reports_keep_no_key_from_being_found() {
    for store in every_store().await {
        let key = key_with_budgets(&store, "ci").await;
        book(&store, &key, 1, |_| {}).await;
        report(&store, &[]).await;
        let locked = make_reports_slow(&store).await;
        let mut reports = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (store, filter) = (Arc::clone(&store.store), everything(&store));
            reports.spawn(async move { store.usage_report(&filter, &[GroupBy::Key]).await });
        }
        for n in 0..20 {
            let cold = store.make_key(&format!("cold {n}")).await.0.id;
            assert!(store.call_key(&cold).await.unwrap().is_some(), "{}", store.engine());
            assert!(store.is_ready().await, "{}", store.engine());
        }
        while reports.try_join_next().is_some() {}
        assert!(!reports.is_empty(), "{}: no report was slow", store.engine());
        drop(locked);
    }
}

/// Makes every report take longer than a look-up waits: by a lock, and where there is none that
/// keeps readers waiting, by work.
async fn make_reports_slow(store: &TestStore) -> Option<PgConnection> {
    let Some(url) = &store.database_url else {
        store
            .tamper(
                "ALTER TABLE usage_events RENAME TO kept;
                CREATE VIEW usage_events AS
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)
                    SELECT kept.* FROM n CROSS JOIN kept",
            )
            .await;
        return None;
    };
    let mut locked = PgConnection::connect(url).await.unwrap();
    let lock = "BEGIN; LOCK TABLE usage_events IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut locked).await.unwrap();
    Some(locked)
}

#[tokio::test]
async fn a_report_says_what_things_are_called_where_that_is_wished() {
    for store in every_store().await {
        let bot = store.make_service_account("bot").await;
        let (one, two) = (
            store.make_key("one").await.0,
            store.make_key_of(Owner::ServiceAccount(bot), "two").await.0,
        );
        call(&store, &one, 1).await;
        call(&store, &one, 2).await;
        call(&store, &two, 3).await;
        let columns = [GroupBy::Key, GroupBy::ServiceAccount, GroupBy::Project, GroupBy::Provider];
        let filter = UsageFilter { with_names: true, ..everything(&store) };
        let rows = store.usage_report(&filter, &columns).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| columns.map(|column| row.name(column))).collect();
        let expected = [
            [Some("one"), None, Some("default"), None],
            [Some("two"), Some("bot"), Some("default"), None],
        ];
        assert_eq!(names, expected, "{}: no provider of this id is there", store.engine());

        let plain = store.usage_report(&everything(&store), &columns).await.unwrap();
        assert!(plain.iter().all(|row| row.names == UsageNames::default()), "{}", store.engine());
        let first = store.usage_first(&filter, &columns, 1).await.unwrap();
        assert_eq!(first, rows, "so many, and one more, {}", store.engine());
        assert_eq!(store.usage_first(&filter, &[GroupBy::Key], 0).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_is_over_is_found_by_its_owner_and_nobody_else() {
    for store in every_store().await {
        let bot = Owner::ServiceAccount(store.make_service_account("bot").await);
        let (key, _) = store.make_key_of(bot, "one").await;
        call(&store, &key, 1).await;
        let (organization, id) = (store.first.organization, CallId::new(1, 1));
        let found = store.find_call(organization, Some(bot), id).await.unwrap().unwrap();
        assert_eq!((found.key.as_str(), found.model.as_str()), (key.id.as_str(), "m"));
        assert_eq!((found.duration_us, found.first_byte_us), (10, Some(5)), "{}", store.engine());
        assert_eq!((found.usage.output_tokens, found.cost), (500, "1".parse().unwrap()));
        assert_eq!((found.outcome.as_str(), found.status, found.attempts), ("done", Some(200), 1));

        let other = Owner::User(store.first.administrator);
        assert_eq!(store.find_call(organization, Some(other), id).await.unwrap(), None);
        assert!(store.find_call(organization, None, id).await.unwrap().is_some());
        let elsewhere = OrganizationId::new(9, 9);
        assert_eq!(store.find_call(elsewhere, None, id).await.unwrap(), None);
        assert_eq!(store.find_call(organization, None, CallId::new(1, 2)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn failures_are_told_by_how_they_ended_and_with_which_status() {
    for store in every_store().await {
        let (mine, _) = store.make_key("mine").await;
        let bot = Owner::ServiceAccount(store.make_service_account("bot").await);
        let (of_bot, _) = store.make_key_of(bot, "of the bot").await;
        let from = store.now();
        let ended = [
            (Outcome::Failed, 503, &mine),
            (Outcome::Failed, 503, &of_bot),
            (Outcome::Failed, 0, &mine),
            (Outcome::Interrupted, 200, &mine),
            (Outcome::Done, 200, &mine),
            (Outcome::Disconnected, 200, &mine),
        ];
        for (n, (outcome, status, key)) in (1..).zip(ended) {
            let end = |made: &mut Settlement| (made.outcome, made.status) = (outcome, status);
            book(&store, key, n, end).await;
        }
        let told = async |filter: UsageFilter| -> Vec<(String, Option<u16>, u64)> {
            let failures = store.usage_failures(&filter).await.unwrap();
            let told = |one: UsageFailure| (one.outcome, one.status, one.requests);
            failures.into_iter().map(told).collect()
        };
        let kind = |outcome: &str, status, requests| (outcome.to_owned(), status, requests);
        let all = everything(&store);
        let expected = [
            kind("failed", Some(503), 2),
            kind("failed", None, 1),
            kind("interrupted", Some(200), 1),
        ];
        assert_eq!(told(all.clone()).await, expected, "{}", store.engine());
        let errors = store.usage_report(&all, &[]).await.unwrap()[0].errors;
        assert_eq!(errors, 4, "the same calls");
        let of_bot = UsageFilter { owner: Some(bot), ..all.clone() };
        assert_eq!(told(of_bot).await, [kind("failed", Some(503), 1)]);
        let of_model = UsageFilter { model: Some("other".to_owned()), ..all.clone() };
        assert_eq!(told(of_model).await, []);
        let before = UsageFilter { to: from, ..all.clone() };
        assert_eq!(told(before).await, []);
        let elsewhere = UsageFilter { organization: OrganizationId::new(9, 9), ..all };
        assert_eq!(told(elsewhere).await, []);
    }
}
