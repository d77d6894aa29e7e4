use std::sync::{Arc, LazyLock};

use doorward_domain::bounds::Bounds;
use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::call::{Outcome as CallOutcome, Settlement};
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, IncreaseId, ProviderId};
use doorward_domain::increase::{IncreaseState, Raise};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::money::NanoUsd;
use doorward_domain::notice::NoticeKind;
use doorward_domain::price::Price;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_domain::usage::Usage;
use doorward_store::{
    ASKED_PER_DAY_MAX, CallKey, CallRequest, Grant, Increase, IncreaseFilter, KeyEdit, NewIncrease,
    NewKey, NewUser, NoticeFilter, Receiver, SettingsEdit, Store, StoreError,
};
use jiff::{SignedDuration, Timestamp};

use crate::harness::{TestStore, every_store};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn limits(requests_per_minute: u32) -> Limits {
    Limits { requests_per_minute: requests_per_minute.try_into().ok(), ..Limits::NONE }
}

fn tokens(most: u64) -> Budget {
    Budget { amount: Amount::Tokens(most), period: Period::Month, overrun: Overrun::Deny }
}

/// A key with two requests a minute and a budget of 1000 tokens.
pub(crate) async fn key(store: &TestStore, name: &str) -> ApiKey {
    key_of(store, Owner::User(store.first.administrator), name).await
}

async fn key_of(store: &TestStore, owner: Owner, name: &str) -> ApiKey {
    let new = store.new_key(name);
    let rights = Rights { limits: limits(2), budgets: vec![tokens(1_000)], ..new.rights };
    store.create_key(&store.act(), NewKey { owner, rights, ..new }).await.unwrap().0
}

fn four() -> Raise {
    Raise { limits: limits(4), budgets: vec![tokens(2_000)] }
}

pub(crate) async fn ask(store: &TestStore, key: &ApiKey) -> Result<Increase, StoreError> {
    let new = NewIncrease { key: key.id, asked: four(), reason: "the launch".to_owned() };
    store.ask_increase(&store.act(), new, true).await
}

pub(crate) async fn grant(
    store: &TestStore,
    found: &Increase,
    ends_at: Option<Timestamp>,
) -> Result<Increase, StoreError> {
    let id = found.subject.key().unwrap();
    let key = store.find_key(found.organization, &id).await.unwrap().unwrap().key;
    let grant = Grant {
        raise: found.asked.clone(),
        ends_at,
        note: "have fun".to_owned(),
        updated_at: key.life.updated_at,
    };
    store.grant_increase(&store.act(), found, grant, true).await
}

pub(crate) async fn call_key(store: &Store, id: &KeyId) -> Arc<CallKey> {
    store.call_key(id).await.unwrap().unwrap()
}

/// Makes a call of so many tokens, and ends it.
pub(crate) fn call(
    store: &TestStore,
    key: &Arc<CallKey>,
    n: u128,
    tokens: u64,
) -> Result<(), Denial> {
    static FREE: Price = Price::FREE;
    static MODEL: LazyLock<Arc<str>> = LazyLock::new(|| "m".into());
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &MODEL,
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &FREE,
        most: Usage::of_tokens(tokens, 0),
        fixed_output_tokens: 0,
        average: None,
        address: "127.0.0.1".parse().unwrap(),
    };
    let mut open = store.store.admit(key, &request).unwrap().map_err(|(denial, _)| denial)?;
    let usage = Usage { input_tokens: tokens, ..Usage::default() };
    open.settle(&Settlement {
        call: open.id(),
        outcome: CallOutcome::Done,
        status: 200,
        usage,
        spend: Spend { cost: NanoUsd::ZERO, tokens },
        is_estimated: false,
        duration_us: 1,
        first_byte_us: 1,
    });
    Ok(())
}

fn is_limited(answer: Result<(), Denial>) -> bool {
    matches!(answer, Err(Denial::RateLimited { .. }))
}

#[tokio::test]
async fn an_increase_holds_until_its_end_and_not_longer() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let loaded = call_key(&store, &made.id).await;
        call(&store, &loaded, 1, 1).unwrap();
        call(&store, &loaded, 2, 1).unwrap();
        assert!(is_limited(call(&store, &loaded, 3, 1)), "{}", store.engine());

        let asked = ask(&store, &made).await.unwrap();
        let end = store.now() + SignedDuration::from_secs(30);
        let granted = grant(&store, &asked, Some(end)).await.unwrap();
        assert_eq!((granted.state, granted.ends_at), (IncreaseState::Granted, Some(end)));
        assert_eq!(granted.granted, Some(four()));
        assert!(store.cached_call_key(&made.id).is_none(), "the data plane is told");

        // What was taken before counts: two of four are left.
        let raised = call_key(&store, &made.id).await;
        call(&store, &raised, 4, 1).unwrap();
        call(&store, &raised, 5, 1).unwrap();
        assert!(is_limited(call(&store, &raised, 6, 1)));
        assert_eq!(raised.rights_at(store.now()).limits, limits(4));
        assert_eq!(raised.key.rights.limits, limits(2), "the row is as it was");

        let record = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
        let held = record.increase.as_ref().unwrap();
        assert_eq!((held.id, &held.raise, held.ends_at), (asked.id, &four(), end));
        assert_eq!(record.rights_now().limits, limits(4));
        assert_eq!(record.spent[0].1.tokens, 4, "what was spent stays spent");

        // The last microsecond before the end, and the end.
        store.pass(SignedDuration::from_secs(30) - SignedDuration::from_micros(1));
        assert_eq!(raised.rights_at(store.now()).limits, limits(4));
        store.pass(SignedDuration::from_micros(1));
        assert_eq!(raised.rights_at(store.now()).limits, limits(2), "the same key in memory");
        assert!(is_limited(call(&store, &raised, 7, 1)), "four of two are taken");
        let record = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
        assert!(record.increase.is_none());
        assert_eq!(store.standing(&raised, None).limits[0].quota.limit, 2);
    }
}

#[tokio::test]
async fn an_increase_and_its_end_outlive_a_restart() {
    for mut store in every_store().await {
        let made = key(&store, "ci").await;
        let asked = ask(&store, &made).await.unwrap();
        grant(&store, &asked, Some(store.now() + DAY)).await.unwrap();
        store.reopen().await;
        let raised = call_key(&store, &made.id).await;
        assert_eq!(raised.rights_at(store.now()).budgets, vec![tokens(2_000)]);
        call(&store, &raised, 1, 1_500).unwrap();
        store.pass(DAY);
        store.reopen().await;
        let after = call_key(&store, &made.id).await;
        assert_eq!(after.rights_at(store.now()).limits, limits(2), "{}", store.engine());
        assert!(matches!(call(&store, &after, 2, 1), Err(Denial::BudgetSpent(_))));
    }
}

#[tokio::test]
async fn a_grant_without_an_end_is_an_edit_of_the_key() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let loaded = call_key(&store, &made.id).await;
        call(&store, &loaded, 1, 900).unwrap();
        let asked = ask(&store, &made).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let granted = grant(&store, &asked, None).await.unwrap();
        assert_eq!((granted.state, granted.ends_at), (IncreaseState::Granted, None));
        let record = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
        assert_eq!(record.key.rights.limits, limits(4), "{}", store.engine());
        assert!(record.increase.is_none() && record.key.life.updated_at > made.life.updated_at);
        let raised = call_key(&store, &made.id).await;
        call(&store, &raised, 2, 1_000).unwrap();
        assert!(
            matches!(call(&store, &raised, 3, 200), Err(Denial::BudgetSpent(_))),
            "1900 of 2000"
        );
        let audit = store.list_audit(made.organization, None, 3).await.unwrap();
        let actions: Vec<&str> = audit.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["limit_increase.grant", "key.edit", "limit_increase.ask"]);
        assert_eq!(audit[0].subject, asked.id.to_string());
    }
}

#[tokio::test]
async fn an_edit_of_the_limits_ends_what_raises_them_and_another_edit_does_not() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let asked = ask(&store, &made).await.unwrap();
        grant(&store, &asked, Some(store.now() + DAY)).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let held = async || {
            let record = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
            record.increase.is_some()
        };
        let words = KeyEdit { description: Some("x".to_owned()), ..KeyEdit::default() };
        store.edit_key(&store.act(), &made.id, words).await.unwrap();
        assert!(held().await, "{}", store.engine());
        let rights = Some(Rights { limits: limits(3), ..made.rights.clone() });
        let edit = KeyEdit { rights, ..KeyEdit::default() };
        store.edit_key(&store.act(), &made.id, edit).await.unwrap();
        assert!(!held().await, "{}", store.engine());
        let loaded = call_key(&store, &made.id).await;
        assert_eq!(loaded.rights_at(store.now()).limits, limits(3));
        let ended = store.find_increase(made.organization, asked.id).await.unwrap().unwrap();
        assert_eq!((ended.state, ended.ends_at), (IncreaseState::Granted, Some(store.now())));
        let newest = store.list_audit(made.organization, None, 1).await.unwrap().remove(0);
        assert_eq!(newest.action, "limit_increase.end");
    }
}

#[tokio::test]
async fn a_second_grant_takes_the_place_of_the_first() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let first = ask(&store, &made).await.unwrap();
        grant(&store, &first, Some(store.now() + DAY)).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let second = ask(&store, &made).await.unwrap();
        let end = store.now() + DAY * 2;
        grant(&store, &second, Some(end)).await.unwrap();
        let record = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
        assert_eq!(record.increase.unwrap().id, second.id, "{}", store.engine());
        let first = store.find_increase(made.organization, first.id).await.unwrap().unwrap();
        assert_eq!(first.ends_at, Some(store.now()));
    }
}

#[tokio::test]
async fn what_holds_ends_before_its_time() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let asked = ask(&store, &made).await.unwrap();
        let granted = grant(&store, &asked, Some(store.now() + DAY)).await.unwrap();
        assert!(granted.holds(store.now()) && !granted.holds(store.now() + DAY));
        let raised = call_key(&store, &made.id).await;
        assert_eq!(raised.rights_at(store.now()).limits, limits(4));
        store.pass(SignedDuration::from_secs(1));
        let ended = store.end_increase(&store.act(), &granted, true).await.unwrap();
        assert_eq!(ended.ends_at, Some(store.now()), "{}", store.engine());
        let loaded = call_key(&store, &made.id).await;
        assert_eq!(loaded.rights_at(store.now()).limits, limits(2), "the data plane is told");
        let again = store.end_increase(&store.act(), &granted, true).await;
        assert!(matches!(again, Err(StoreError::Stale)), "{again:?}");
    }
}

#[tokio::test]
async fn what_is_decided_is_decided_once() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let asked = ask(&store, &made).await.unwrap();
        let before = store.find_key(made.organization, &made.id).await.unwrap().unwrap().key;
        let declined =
            store.decline_increase(&store.act(), &asked, "no".to_owned(), true).await.unwrap();
        assert_eq!((declined.state, declined.note.as_str()), (IncreaseState::Declined, "no"));
        assert_eq!(declined.decided_by.as_deref(), Some("system"));
        for ends_at in [None, Some(store.now() + DAY)] {
            let again = grant(&store, &asked, ends_at).await;
            assert!(matches!(again, Err(StoreError::Stale)), "{again:?} on {}", store.engine());
        }
        let withdrawn = store.withdraw_increase(&store.act(), &asked).await;
        assert!(matches!(withdrawn, Err(StoreError::Stale)));
        let after = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
        assert_eq!(after.key.life.updated_at, before.life.updated_at, "nothing is left of it");
        assert_eq!(after.key.rights, before.rights);

        // And a key that was edited since it was looked at.
        store.pass(SignedDuration::from_secs(1));
        let asked = ask(&store, &made).await.unwrap();
        let edit = KeyEdit { description: Some("x".to_owned()), ..KeyEdit::default() };
        store.edit_key(&store.act(), &made.id, edit).await.unwrap();
        let wish = Grant {
            raise: four(),
            ends_at: Some(store.now() + DAY),
            note: String::new(),
            updated_at: before.life.updated_at,
        };
        let stale = store.grant_increase(&store.act(), &asked, wish, true).await;
        assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    }
}

#[tokio::test]
async fn a_key_asks_once_at_a_time_and_some_times_a_day() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        for n in 0..ASKED_PER_DAY_MAX {
            let asked = ask(&store, &made).await.unwrap();
            let twice = ask(&store, &made).await;
            let is_full = n + 1 == ASKED_PER_DAY_MAX;
            assert!(
                matches!(twice, Err(StoreError::Taken { field: "api_key" }) if !is_full)
                    || matches!(twice, Err(StoreError::Full(_)) if is_full),
                "{twice:?} on {}",
                store.engine()
            );
            store.withdraw_increase(&store.act(), &asked).await.unwrap();
        }
        assert!(matches!(ask(&store, &made).await, Err(StoreError::Full(_))));
        assert!(ask(&store, &key(&store, "other").await).await.is_ok());
        store.pass(DAY + SignedDuration::from_secs(1));
        assert!(ask(&store, &made).await.is_ok());
        store.revoke_key(&store.act(), &made.id).await.unwrap();
        assert!(matches!(ask(&store, &made).await, Err(StoreError::Missing(_))));
    }
}

#[tokio::test]
async fn another_organization_finds_lists_and_decides_nothing() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let asked = ask(&store, &made).await.unwrap();
        let second = store.second_organization().await;
        let act = store.act_in(second.organization);
        let found = store.find_increase(second.organization, asked.id).await.unwrap();
        assert!(found.is_none(), "{}", store.engine());
        let listed = store
            .list_increases(second.organization, &IncreaseFilter::default(), None, 10)
            .await
            .unwrap();
        assert!(listed.rows.is_empty());
        let new = NewIncrease { key: made.id, asked: four(), reason: "x".to_owned() };
        let refused = store.ask_increase(&act, new, true).await;
        assert!(matches!(refused, Err(StoreError::Missing(_))), "{refused:?}");
        let declined = store.decline_increase(&act, &asked, String::new(), true).await;
        assert!(declined.is_err());
        let still = store.find_increase(made.organization, asked.id).await.unwrap().unwrap();
        assert_eq!(still.state, IncreaseState::Open);
    }
}

#[tokio::test]
async fn a_list_is_narrowed_and_paged_newest_first() {
    for store in every_store().await {
        let ada = store.make_user("ada", OrganizationRole::Member).await.id;
        let (own, other) = (key_of(&store, Owner::User(ada), "a").await, key(&store, "b").await);
        let mut ids: Vec<IncreaseId> = Vec::new();
        for key in [&own, &other] {
            store.pass(SignedDuration::from_millis(2));
            let asked = ask(&store, key).await.unwrap();
            ids.insert(0, asked.id);
            store.withdraw_increase(&store.act(), &asked).await.unwrap();
            store.pass(SignedDuration::from_millis(2));
            ids.insert(0, ask(&store, key).await.unwrap().id);
        }
        let [b2, b1, a2, a1] = ids[..] else { panic!("four") };
        let any = IncreaseFilter::default;
        #[rustfmt::skip]
        let cases = [
            (any(),                                                                   vec![b2, b1, a2, a1]),
            (IncreaseFilter { state: Some(IncreaseState::Open), ..any() },            vec![b2, a2]),
            (IncreaseFilter { key: Some(own.id), ..any() },                           vec![a2, a1]),
            (IncreaseFilter { owner: Some(Owner::User(ada)), ..any() },               vec![a2, a1]),
            (IncreaseFilter { owner: Some(Owner::User(ada)), key: Some(other.id), ..any() }, vec![]),
        ];
        for (filter, expected) in cases {
            let organization = store.first.organization;
            let page = store.list_increases(organization, &filter, None, 10).await.unwrap();
            let found: Vec<_> = page.rows.iter().map(|row| row.id).collect();
            assert_eq!(found, expected, "{filter:?} on {}", store.engine());
        }
        let organization = store.first.organization;
        let page = store.list_increases(organization, &any(), Some(b2), 2).await.unwrap();
        assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [b1, a2]);
        assert!(page.has_more);
    }
}

pub(crate) async fn person(store: &TestStore, name: &str, role: OrganizationRole) -> Owner {
    let email = Some(format!("{name}@example.com").parse().unwrap());
    let new = NewUser { name: name.to_owned(), email, role, bounds: Bounds::NONE };
    Owner::User(store.create_user(&store.act(), new).await.unwrap().id)
}

pub(crate) async fn told(store: &TestStore, kind: NoticeKind) -> Vec<String> {
    let filter = NoticeFilter { kind: Some(kind), ..NoticeFilter::default() };
    let page = store.list_notices(store.first.organization, &filter, None, 50).await.unwrap();
    let mut told: Vec<String> = page
        .rows
        .iter()
        .map(|notice| match &notice.receiver {
            Receiver::Mail(address) => address.to_string(),
            Receiver::Webhook(id) => id.to_string(),
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn administrators_are_told_when_asked_and_the_owner_when_decided() {
    for store in every_store().await {
        let from = SettingValue::Text("doorward@example.com".to_owned());
        let changes = vec![(Setting::MailFrom, Some(from))];
        let edit =
            SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false };
        store.change_settings(&store.act(), &edit).await.unwrap();
        let ada = person(&store, "ada", OrganizationRole::Member).await;
        person(&store, "grace", OrganizationRole::Admin).await;
        person(&store, "olga", OrganizationRole::Owner).await;
        person(&store, "bob", OrganizationRole::Member).await;
        let made = key_of(&store, ada, "ci").await;
        let asked = ask(&store, &made).await.unwrap();
        let admins = ["grace@example.com", "olga@example.com"];
        assert_eq!(told(&store, NoticeKind::IncreaseAsked).await, admins, "{}", store.engine());
        assert!(told(&store, NoticeKind::IncreaseGranted).await.is_empty());
        let granted = grant(&store, &asked, Some(store.now() + DAY)).await.unwrap();
        assert_eq!(told(&store, NoticeKind::IncreaseGranted).await, ["ada@example.com"]);
        store.pass(SignedDuration::from_secs(1));
        let asked = ask(&store, &made).await.unwrap();
        store.decline_increase(&store.act(), &asked, String::new(), true).await.unwrap();
        assert_eq!(told(&store, NoticeKind::IncreaseDeclined).await, ["ada@example.com"]);
        store.end_increase(&store.act(), &granted, true).await.unwrap();
        assert_eq!(told(&store, NoticeKind::IncreaseEnded).await, ["ada@example.com"]);

        // One that was decided meanwhile is no news to administrators any more.
        let targets = store.due_targets().await.unwrap();
        let mut of_asked = Vec::new();
        while let Some(delivery) = store.take_notice(targets[0]).await.unwrap() {
            if delivery.notice.kind == NoticeKind::IncreaseAsked {
                of_asked.push(delivery.is_current);
            } else {
                assert!(delivery.is_current);
            }
        }
        assert_eq!(of_asked, [false; 4]);
    }
}

#[tokio::test]
async fn without_a_mail_server_nobody_gets_mail() {
    for store in every_store().await {
        let ada = person(&store, "ada", OrganizationRole::Admin).await;
        let made = key_of(&store, ada, "ci").await;
        let new = NewIncrease { key: made.id, asked: four(), reason: "x".to_owned() };
        store.ask_increase(&store.act(), new, true).await.unwrap();
        assert!(told(&store, NoticeKind::IncreaseAsked).await.is_empty(), "no sender is set");
    }
}

#[tokio::test]
async fn what_nobody_decides_lapses_with_its_key_and_what_is_over_goes_in_time() {
    for store in every_store().await {
        let (ended, lives) = (key(&store, "ended").await, key(&store, "lives").await);
        let (lapsing, stays) =
            (ask(&store, &ended).await.unwrap(), ask(&store, &lives).await.unwrap());
        store.revoke_key(&store.act(), &ended.id).await.unwrap();
        assert_eq!(store.sweep_increases().await.unwrap(), 1, "{}", store.engine());
        assert_eq!(store.sweep_increases().await.unwrap(), 0);
        let organization = store.first.organization;
        let find = async |id| store.find_increase(organization, id).await.unwrap();
        let lapsed = find(lapsing.id).await.unwrap();
        assert_eq!(lapsed.state, IncreaseState::Lapsed);
        assert_eq!(lapsed.decided_by.as_deref(), Some("system"));

        let end = store.now() + DAY * 200;
        grant(&store, &stays, Some(end)).await.unwrap();
        store.pass(DAY * 91);
        store.sweep_old_records().await.unwrap();
        assert!(find(lapsing.id).await.is_none(), "{}", store.engine());
        assert!(find(stays.id).await.is_some(), "it holds");
        let newest = store.list_audit(organization, None, 2).await.unwrap();
        assert!(newest.iter().any(|entry| entry.action == "limit_increase.grant"));
    }
}
