use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::ApiKey;
use doorward_domain::price::{Price, Rates};
use doorward_domain::usage::Usage;
use doorward_store::{CallRequest, GroupBy, KeyFilter, UsageFilter};
use jiff::{SignedDuration, Timestamp};

use crate::harness::{TestStore, every_store};

/// Makes one call: 1 000 tokens in for a dollar, 500 out for nothing.
async fn call(store: &TestStore, key: &ApiKey, n: u128) {
    let price =
        Price { rates: Rates { input: "1000".parse().unwrap(), ..Rates::FREE }, tiers: Vec::new() };
    let loaded = store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        model: &"m".into(),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &price,
        input_tokens: 1_000,
        output_tokens: 1_000,
        address: [10, 0, 0, 7].into(),
    };
    let open = store.store.admit(&loaded, &request).unwrap().unwrap();
    let usage = Usage { input_tokens: 1_000, output_tokens: 500, ..Usage::default() };
    open.settle(Settlement {
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
    UsageFilter {
        organization: store.first.organization,
        user: None,
        from: Timestamp::UNIX_EPOCH,
        to: store.now() + SignedDuration::from_secs(1),
    }
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
        let mut new = store.new_key("ci");
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

        let filter = KeyFilter { search: Some("ci".to_owned()), ..KeyFilter::default() };
        let page = store.list_keys(store.first.organization, &filter, None, 10).await.unwrap();
        assert_eq!(page.rows[0].spent, expected);
    }
}
