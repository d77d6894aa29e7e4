use doorward_domain::address::AddressRules;
use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::id::ProjectId;
use doorward_domain::key::{ApiKey, KeyStatus, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::ScopeSet;
use doorward_store::{KeyEdit, KeyFilter, StoreError};
use jiff::SignedDuration;
use serde_json::json;

use crate::harness::{TestStore, every_store};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

async fn names(store: &TestStore, filter: &KeyFilter) -> Vec<String> {
    let page = store.list_keys(store.first.organization, filter, None, 100).await.unwrap();
    assert!(!page.has_more);
    page.rows.into_iter().map(|record| record.key.name).collect()
}

async fn find(store: &TestStore, id: &KeyId) -> ApiKey {
    store.find_key(store.first.organization, id).await.unwrap().unwrap().key
}

/// Rights with something on every axis.
fn every_right(store: &TestStore) -> Rights {
    Rights {
        scopes: ScopeSet::ALL,
        models: ModelRule::Only(vec!["gpt-4o*".parse().unwrap(), "*".parse().unwrap()]),
        addresses: AddressRules {
            allow: Some(vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::1".parse().unwrap()]),
            deny: vec!["10.1.0.0/16".parse().unwrap()],
        },
        limits: Limits {
            requests_per_minute: 60.try_into().ok(),
            concurrency: 3.try_into().ok(),
            ..Limits::NONE
        },
        budgets: vec![
            Budget {
                amount: Amount::Usd("12.50".parse().unwrap()),
                period: Period::Month,
                overrun: Overrun::Deny,
            },
            Budget { amount: Amount::Tokens(1_000), period: Period::Day, overrun: Overrun::Allow },
        ],
        expires_at: Some(store.now() + SignedDuration::from_hours(24)),
    }
}

#[tokio::test]
async fn what_was_created_is_found_as_it_was() {
    for store in every_store().await {
        let mut new = store.new_key("ci \"%_' <script>");
        new.description = "Zeile 1\nline 2 — ☃".to_owned();
        new.rights = every_right(&store);
        new.metadata = json!({ "team": "a\u{0}b", "n": [1, null] }).as_object().unwrap().clone();
        let (created, plain) = store.create_key(&store.act(), new.clone()).await.unwrap();

        let record = store.find_key(store.first.organization, &created.id).await.unwrap().unwrap();
        assert_eq!(record.last_used_at, None);
        assert_eq!(record.last_used_address, None);
        let none = |budget: &Budget| (*budget, Spend::default());
        assert_eq!(record.spent, new.rights.budgets.iter().map(none).collect::<Vec<_>>());

        for key in [&created, &record.key] {
            assert_eq!(key.id, plain.id());
            assert_eq!(key.id.fingerprint(&key.tail), key.id.fingerprint(&plain.tail()));
            assert_eq!((key.organization, key.project), (store.first.organization, new.project));
            assert_eq!((key.owner, key.created_by), (new.owner, new.created_by));
            assert_eq!((&key.name, &key.description), (&new.name, &new.description));
            assert_eq!(key.rights, new.rights, "{}", store.engine());
            assert_eq!(key.metadata, new.metadata);
            assert_eq!(key.life.created_at, store.now());
            assert_eq!(key.status(store.now()), KeyStatus::Active);
        }
        assert_eq!(created.life, record.key.life);
    }
}

#[tokio::test]
async fn a_name_is_unique_within_its_owner_until_revoked() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let taken = store.create_key(&store.act(), store.new_key("ci")).await.unwrap_err();
        assert!(matches!(taken, StoreError::Taken { field: "name" }), "{}", store.engine());

        let bot = store.create_service_account(&store.act(), store.first.project, "bot").await;
        let mut of_bot = store.new_key("ci");
        of_bot.owner = Owner::ServiceAccount(bot.unwrap());
        store.create_key(&store.act(), of_bot).await.unwrap();

        store.revoke_key(&store.act(), &key.id).await.unwrap();
        store.create_key(&store.act(), store.new_key("ci")).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_key_leaves_no_audit_entry() {
    for store in every_store().await {
        store.make_key("ci").await;
        store.create_key(&store.act(), store.new_key("ci")).await.unwrap_err();
        let entries = store.list_audit(store.first.organization, None, 10).await.unwrap();
        assert_eq!(entries.len(), 2, "the first start and one key, {}", store.engine());
    }
}

#[tokio::test]
async fn a_quota_is_kept_by_many_at_once() {
    for store in every_store().await {
        let mut set = tokio::task::JoinSet::new();
        for n in 0..10 {
            let (shared, act) = (std::sync::Arc::clone(&store.store), store.act());
            let mut new = store.new_key(&n.to_string());
            new.quota = Some(3);
            drop(set.spawn(async move { shared.create_key(&act, new).await.is_ok() }));
        }
        let made = set.join_all().await.into_iter().filter(|is_made| *is_made).count();
        assert_eq!(made, 3, "{}", store.engine());
    }
}

#[tokio::test]
async fn an_edit_of_an_older_version_is_stale() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let edit = |text: &str, of| KeyEdit {
            description: Some(text.to_owned()),
            if_updated_at: Some(of),
            ..KeyEdit::default()
        };
        // In the same microsecond: the version must rise all the same.
        let first = edit("first", key.life.updated_at);
        let edited = store.edit_key(&store.act(), &key.id, first).await.unwrap();
        let late = edit("late", key.life.updated_at);
        let stale = store.edit_key(&store.act(), &key.id, late).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale), "{}", store.engine());
        let next = edit("next", edited.life.updated_at);
        assert_eq!(store.edit_key(&store.act(), &key.id, next).await.unwrap().description, "next");
    }
}

#[tokio::test]
async fn disabling_twice_keeps_the_first_instant_and_enabling_ends_it() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let since = store.now();
        store.set_key_disabled(&store.act(), &key.id, true).await.unwrap();
        store.pass(SECOND);
        let again = store.set_key_disabled(&store.act(), &key.id, true).await.unwrap();
        assert_eq!(again.life.disabled_at, Some(since));
        assert_eq!(find(&store, &key.id).await.status(store.now()), KeyStatus::Disabled);

        let enabled = store.set_key_disabled(&store.act(), &key.id, false).await.unwrap();
        assert_eq!(enabled.status(store.now()), KeyStatus::Active);
        let entries = store.list_audit(store.first.organization, None, 2).await.unwrap();
        let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["key.enable", "key.disable"], "{}", store.engine());
    }
}

#[tokio::test]
async fn pages_follow_each_other_newest_first_without_gaps() {
    for store in every_store().await {
        let mut expected = Vec::new();
        for n in 0..25 {
            expected.push(store.make_key(&n.to_string()).await.0);
            // Some are made in the same microsecond: their ids decide.
            if n % 3 == 0 {
                store.pass(SECOND);
            }
        }
        expected.sort_by_key(|key| std::cmp::Reverse((key.life.created_at, key.id)));

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let filter = KeyFilter::default();
            let page = store.list_keys(store.first.organization, &filter, after, 10).await.unwrap();
            after = page.rows.last().map(|record| record.key.id);
            seen.extend(page.rows.into_iter().map(|record| record.key.id));
            if !page.has_more {
                break;
            }
        }
        let expected: Vec<KeyId> = expected.into_iter().map(|key| key.id).collect();
        assert_eq!(seen, expected, "{}", store.engine());
    }
}

#[tokio::test]
async fn the_last_full_page_has_no_more() {
    for store in every_store().await {
        store.make_key("a").await;
        store.make_key("b").await;
        let list = async |limit| {
            let filter = KeyFilter::default();
            store.list_keys(store.first.organization, &filter, None, limit).await.unwrap()
        };
        assert!(!list(2).await.has_more);
        let one = list(1).await;
        assert!(one.has_more && one.rows.len() == 1, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_status_lists_what_has_it_now() {
    for store in every_store().await {
        let (disabled, _) = store.make_key("disabled").await;
        let (revoked, _) = store.make_key("revoked").await;
        let mut new = store.new_key("expired");
        new.rights.expires_at = Some(store.now() + SECOND);
        let (expired, _) = store.create_key(&store.act(), new).await.unwrap();
        let mut new = store.new_key("eternal");
        new.rights.expires_at = None;
        store.create_key(&store.act(), new).await.unwrap();
        store.set_key_disabled(&store.act(), &disabled.id, true).await.unwrap();
        store.set_key_disabled(&store.act(), &expired.id, true).await.unwrap();
        store.revoke_key(&store.act(), &revoked.id).await.unwrap();
        store.pass(SECOND);

        let all = [KeyStatus::Active, KeyStatus::Disabled, KeyStatus::Expired, KeyStatus::Revoked];
        for (status, expected) in all.into_iter().zip(["eternal", "disabled", "expired", "revoked"])
        {
            let filter = KeyFilter { status: Some(status), ..KeyFilter::default() };
            assert_eq!(names(&store, &filter).await, [expected], "{status:?} {}", store.engine());
            let page = store.list_keys(store.first.organization, &filter, None, 9).await.unwrap();
            assert!(page.rows.iter().all(|record| record.key.status(store.now()) == status));
        }
        let mut rest = names(&store, &KeyFilter::default()).await;
        rest.sort();
        assert_eq!(rest, ["disabled", "eternal", "expired"], "all but revoked");
    }
}

#[tokio::test]
async fn filters_keep_to_owner_project_kind_and_end() {
    for store in every_store().await {
        store.make_key("mine").await;
        let bot = store.create_service_account(&store.act(), store.first.project, "bot").await;
        let bot = Owner::ServiceAccount(bot.unwrap());
        let mut new = store.new_key("of the bot");
        new.owner = bot;
        new.rights.expires_at = Some(store.now() + SECOND);
        store.create_key(&store.act(), new).await.unwrap();

        let all = KeyFilter::default;
        let service = Some("service".to_owned());
        let (project, soon) = (store.first.project, store.now() + SECOND + SECOND);
        #[rustfmt::skip]
        let cases = [
            (KeyFilter { owner: Some(bot), ..all() },                  vec!["of the bot"]),
            (KeyFilter { kind: service.clone(), ..all() },             vec!["of the bot"]),
            (KeyFilter { expires_before: Some(soon), ..all() },        vec!["of the bot"]),
            (KeyFilter { expires_before: Some(store.now()), ..all() }, vec![]),
            (KeyFilter { project: Some(ProjectId::new(8, 8)), ..all() }, vec![]),
            (KeyFilter { kind: Some("user".to_owned()), ..all() },     vec!["mine"]),
            (KeyFilter { owner: Some(bot), kind: service, project: Some(project), ..all() },
                                                                       vec!["of the bot"]),
            (KeyFilter { owner: Some(bot), search: Some("mine".to_owned()), ..all() }, vec![]),
        ];
        for (filter, expected) in cases {
            assert_eq!(names(&store, &filter).await, expected, "{filter:?} {}", store.engine());
        }
        let filter = KeyFilter { project: Some(project), ..all() };
        assert_eq!(names(&store, &filter).await.len(), 2);
    }
}
