use std::collections::BTreeMap;

use doorward_domain::bounds::Bounds;
use doorward_domain::credential::KeyId;
use doorward_domain::id::UserId;
use doorward_domain::key::Owner;
use doorward_domain::notice::NoticeKind;
use doorward_domain::role::OrganizationRole;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_store::{
    NewKey, NewUser, NewWebhook, NoticeFilter, Organization, Receiver, SettingsEdit,
};
use jiff::SignedDuration;

use crate::calls::{admit, call_key, done, request};
use crate::harness::{TestStore, every_store};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn budgets(json: &str) -> Bounds {
    serde_json::from_str(&format!(r#"{{"budgets": [{json}]}}"#)).unwrap()
}

async fn with_mail(store: &TestStore) {
    let value = SettingValue::Text("doorward@example.com".to_owned());
    let changes = vec![(Setting::MailFrom, Some(value))];
    let edit = SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false };
    store.change_settings(&store.act(), &edit).await.unwrap();
}

async fn person(store: &TestStore, name: &str, role: OrganizationRole, bounds: Bounds) -> UserId {
    let email = Some(format!("{name}@example.com").parse().unwrap());
    let new = NewUser { name: name.to_owned(), email, role, bounds };
    store.create_user(&store.act(), new).await.unwrap().id
}

async fn key_of(store: &TestStore, user: UserId, bounds: Bounds) -> KeyId {
    let mut new = NewKey { owner: Owner::User(user), ..store.new_key("ci") };
    new.rights.budgets = bounds.budgets;
    store.create_key(&store.act(), new).await.unwrap().0.id
}

async fn spend(store: &TestStore, key: &KeyId, n: u128, tokens: u64) {
    let mut call =
        admit(&store.store, &call_key(store, key).await, &request(n, tokens, 0)).unwrap();
    let settlement = done(&call, tokens, 0);
    call.settle(&settlement);
    store.find_key(store.first.organization, key).await.unwrap();
    store.plan_notices(true).await.unwrap();
}

/// How often each receiver was told which share.
async fn told(store: &TestStore) -> BTreeMap<(String, i64), usize> {
    let filter = NoticeFilter::default();
    let page = store.list_notices(store.first.organization, &filter, None, 200).await.unwrap();
    let mut told = BTreeMap::new();
    for notice in page.rows.iter().filter(|notice| notice.kind == NoticeKind::BudgetThreshold) {
        let to = match &notice.receiver {
            Receiver::Mail(address) => address.to_string(),
            Receiver::Webhook(_) => "webhook".to_owned(),
        };
        *told.entry((to, notice.data["percent"].as_i64().unwrap())).or_default() += 1;
    }
    told
}

fn once(to: &[&str], shares: &[i64]) -> BTreeMap<(String, i64), usize> {
    let all = to.iter().flat_map(|to| shares.iter().map(|share| (((*to).to_owned(), *share), 1)));
    all.collect()
}

#[tokio::test]
async fn each_share_of_a_keys_budget_is_told_once_through_restarts() {
    for mut store in every_store().await {
        with_mail(&store).await;
        let webhook =
            NewWebhook { name: "ops".to_owned(), url: "https://example.com/hook".to_owned() };
        store.create_webhook(&store.act(), webhook).await.unwrap();
        let ada = person(&store, "ada", OrganizationRole::Member, Bounds::NONE).await;
        let key = key_of(&store, ada, budgets(r#"{"tokens": 1000, "period": "day"}"#)).await;
        let both = ["ada@example.com", "webhook"];
        #[rustfmt::skip]
        let steps: [(u64, &[i64]); 5] = [
            (499, &[]),
            (1,   &[50]),
            (290, &[50]),
            (10,  &[50, 80]),
            (200, &[50, 80, 100]),
        ];
        for (n, (tokens, shares)) in steps.into_iter().enumerate() {
            spend(&store, &key, n as u128, tokens).await;
            assert_eq!(told(&store).await, once(&both, shares), "{n} {}", store.engine());
            store.reopen().await;
            store.plan_notices(true).await.unwrap();
            assert_eq!(told(&store).await, once(&both, shares), "{n} {}", store.engine());
        }
        store.pass(DAY);
        spend(&store, &key, 10, 600).await;
        let mut expected = once(&both, &[50, 80, 100]);
        for to in both {
            expected.insert((to.to_owned(), 50), 2);
        }
        assert_eq!(told(&store).await, expected, "a new day, {}", store.engine());
    }
}

#[tokio::test]
async fn shares_that_are_passed_at_once_are_each_told_to_whom_the_budget_is_of() {
    for store in every_store().await {
        with_mail(&store).await;
        person(&store, "boss", OrganizationRole::Admin, Bounds::NONE).await;
        let own = budgets(r#"{"tokens": 100, "period": "month"}"#);
        let ada = person(&store, "ada", OrganizationRole::Member, own).await;
        let organization = store.get_organization(store.first.organization).await.unwrap();
        let bounds = budgets(r#"{"tokens": 200, "period": "total"}"#);
        let organization = Organization { bounds, ..organization };
        store.edit_organization(&store.act(), &organization).await.unwrap();
        let key = key_of(&store, ada, Bounds::NONE).await;
        spend(&store, &key, 1, 100).await;
        let mut expected = once(&["ada@example.com"], &[50, 80, 100]);
        expected.extend(once(&["boss@example.com"], &[50]));
        assert_eq!(told(&store).await, expected, "{}", store.engine());
    }
}

/// The journal of a process that died before the share was noted still has the call.
#[tokio::test]
async fn a_share_that_was_passed_before_a_death_is_told_after_it() {
    for mut store in every_store().await {
        with_mail(&store).await;
        let ada = person(&store, "ada", OrganizationRole::Member, Bounds::NONE).await;
        let key = key_of(&store, ada, budgets(r#"{"tokens": 100, "period": "week"}"#)).await;
        let loaded = call_key(&store, &key).await;
        drop(admit(&store.store, &loaded, &request(1, 60, 0)).unwrap());
        drop(loaded);
        store.reopen().await;
        store.plan_notices(true).await.unwrap();
        assert_eq!(told(&store).await, once(&["ada@example.com"], &[50]), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_budget_of_another_height_is_told_anew() {
    for store in every_store().await {
        with_mail(&store).await;
        person(&store, "boss", OrganizationRole::Owner, Bounds::NONE).await;
        let key = store.make_key("ci").await.0.id;
        let mut n = 0;
        for (height, expected) in [(100, vec![(50, 1)]), (150, vec![(50, 2)])] {
            let organization = store.get_organization(store.first.organization).await.unwrap();
            let bounds = budgets(&format!(r#"{{"tokens": {height}, "period": "month"}}"#));
            let organization = Organization { bounds, ..organization };
            store.edit_organization(&store.act(), &organization).await.unwrap();
            n += 1;
            spend(&store, &key, n, if n == 1 { 60 } else { 30 }).await;
            let told: Vec<(i64, usize)> =
                told(&store).await.into_iter().map(|((_, share), times)| (share, times)).collect();
            assert_eq!(told, expected, "{height} {}", store.engine());
        }
    }
}

/// Calls of two days that are written together, as after a busy midnight, count for both.
#[tokio::test]
async fn a_share_that_was_passed_just_before_midnight_is_told_after_it() {
    for mut store in every_store().await {
        with_mail(&store).await;
        let ada = person(&store, "ada", OrganizationRole::Member, Bounds::NONE).await;
        let key = key_of(&store, ada, budgets(r#"{"tokens": 100, "period": "day"}"#)).await;
        for n in [1, 2] {
            let loaded = call_key(&store, &key).await;
            drop(admit(&store.store, &loaded, &request(n, 60, 0)).unwrap());
            store.pass(DAY);
        }
        store.reopen().await;
        store.plan_notices(true).await.unwrap();
        let told = told(&store).await;
        assert_eq!(told.into_values().sum::<usize>(), 2, "one a day, {}", store.engine());
    }
}

/// What the others spent is written down all the same, and they are told of it.
#[tokio::test]
async fn a_budget_that_cannot_be_read_stops_nobody_elses() {
    for store in every_store().await {
        with_mail(&store).await;
        let ada = person(&store, "ada", OrganizationRole::Member, Bounds::NONE).await;
        let key = key_of(&store, ada, budgets(r#"{"tokens": 100, "period": "day"}"#)).await;
        let loaded = call_key(&store, &key).await;
        let bob = person(&store, "bob", OrganizationRole::Member, Bounds::NONE).await;
        let broken = key_of(&store, bob, budgets(r#"{"tokens": 9, "period": "day"}"#)).await;
        let other = call_key(&store, &broken).await;
        store.tamper(r#"UPDATE organizations SET bounds = '{"budgets": 7}'"#).await;
        store.tamper(&format!("UPDATE api_keys SET rights = '7' WHERE id = '{broken}'")).await;
        drop(admit(&store.store, &other, &request(2, 5, 0)).unwrap());
        let mut call = admit(&store.store, &loaded, &request(1, 60, 0)).unwrap();
        let settlement = done(&call, 60, 0);
        call.settle(&settlement);
        store.find_key(store.first.organization, &key).await.unwrap();
        store.plan_notices(true).await.unwrap();
        assert_eq!(told(&store).await, once(&["ada@example.com"], &[50]), "{}", store.engine());
    }
}
