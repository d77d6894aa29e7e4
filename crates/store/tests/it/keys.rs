use doorward_domain::address::AddressRules;
use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{ProjectId, UserId};
use doorward_domain::key::{ApiKey, KeyStatus, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{KeyCursor, KeyEdit, KeyFilter, KeySortBy, StoreError};
use jiff::SignedDuration;
use serde_json::json;

use crate::harness::{TestStore, every_store, is_changed};

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
        model_limits: serde_json::from_str(r#"[{"model":"gpt-4o","limits":{"concurrency":1}}]"#)
            .unwrap(),
        budgets: vec![
            Budget {
                amount: Amount::Usd("12.50".parse().unwrap()),
                period: Period::Month,
                overrun: Overrun::Deny,
            },
            Budget { amount: Amount::Tokens(1_000), period: Period::Day, overrun: Overrun::Allow },
        ],
        expires_at: Some(store.now() + SignedDuration::from_hours(24)),
        allowed_origins: serde_json::from_str(r#"["https://a.example","http://localhost:3000"]"#)
            .unwrap(),
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

        let mut of_bot = store.new_key("ci");
        of_bot.owner = Owner::ServiceAccount(store.make_service_account("bot").await);
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

        let (mut seen, mut after) = (Vec::new(), None::<KeyCursor>);
        loop {
            let filter = KeyFilter::default();
            let page = store.list_keys(store.first.organization, &filter, after.as_ref(), 10);
            let page = page.await.unwrap();
            after = page.rows.last().map(|record| KeyCursor::after(record, KeySortBy::Created));
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
        let bot = Owner::ServiceAccount(store.make_service_account("bot").await);
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

#[tokio::test]
async fn no_table_holds_the_secret() {
    for store in every_store().await {
        let (key, plain) = store.make_key("ci").await;
        let secret = plain.expose_secret_key();
        let of_key = format!("JOIN key_secrets s ON s.key_id = k.id WHERE k.id = '{}'", key.id);
        let sql = format!("SELECT CAST(k.* AS TEXT) || CAST(s.* AS TEXT) FROM api_keys k {of_key}");
        let sqlite = format!(
            "SELECT quote(s.digest) || s.tail || k.search_text || k.tail || k.metadata
             FROM api_keys k {of_key}"
        );
        let row = store.read(&sqlite, &sql).await.remove(0);
        assert!(row.contains(&key.tail) && !row.contains(&secret));
        let audit = store.list_audit(store.first.organization, None, 1).await.unwrap().remove(0);
        assert_eq!((audit.action.as_str(), audit.subject), ("key.create", key.id.to_string()));
        assert!(!audit.detail.contains(&secret[..20]), "{}", store.engine());
    }
}

#[tokio::test]
async fn the_quota_counts_active_and_disabled_keys() {
    for store in every_store().await {
        let (disabled, _) = store.make_key("disabled").await;
        let (revoked, _) = store.make_key("revoked").await;
        let mut new = store.new_key("expired");
        new.rights.expires_at = Some(store.now() + SECOND);
        store.create_key(&store.act(), new).await.unwrap();
        store.pass(SECOND);
        store.set_key_disabled(&store.act(), &disabled.id, true).await.unwrap();
        store.revoke_key(&store.act(), &revoked.id).await.unwrap();

        let within = |name: &str| {
            let mut new = store.new_key(name);
            new.quota = Some(2);
            new
        };
        store.create_key(&store.act(), within("second")).await.unwrap();
        let full = store.create_key(&store.act(), within("third")).await.unwrap_err();
        let StoreError::InUse(names) = full else { panic!("{full:?} on {}", store.engine()) };
        assert_eq!(names, ["disabled", "second"]);
        // What is told of the owner is what is counted against the quota.
        let owner = store.first.administrator;
        let told = async |organization| {
            store.presences(organization, &[owner]).await.unwrap().of(owner).keys
        };
        assert_eq!(told(store.first.organization).await, 2, "{}", store.engine());
        let second = store.second_organization().await;
        assert_eq!(told(second.organization).await, 0, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_key_needs_a_project_and_an_active_owner_of_its_organization() {
    for store in every_store().await {
        let second = store.second_organization().await;
        let cases: [(&str, ProjectId, UserId); 2] = [
            ("project", second.project, store.first.administrator),
            ("owner", store.first.project, second.administrator),
        ];
        for (missing, project, owner) in cases {
            let mut new = store.new_key("ci");
            (new.project, new.owner) = (project, Owner::User(owner));
            let error = store.create_key(&store.act(), new).await.unwrap_err();
            assert!(matches!(error, StoreError::Missing(what) if what == missing), "{error:?}");
        }
        let user = store.first.administrator;
        store.make_owner().await;
        store.set_user_disabled(&store.act(), user, true).await.unwrap();
        let error = store.create_key(&store.act(), store.new_key("ci")).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing("owner")), "{}", store.engine());
    }
}

#[tokio::test]
async fn another_organization_finds_lists_and_changes_nothing() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let other = store.second_organization().await.organization;
        assert!(store.find_key(other, &key.id).await.unwrap().is_none());
        let page = store.list_keys(other, &KeyFilter::default(), None, 10).await.unwrap();
        assert!(page.rows.is_empty());
        // The place of a key that is out of reach is a place as any other.
        let record = store.find_key(store.first.organization, &key.id).await.unwrap().unwrap();
        let place = KeyCursor::after(&record, KeySortBy::Created);
        let page = store.list_keys(other, &KeyFilter::default(), Some(&place), 10).await.unwrap();
        assert!(page.rows.is_empty() && !page.has_more);
        let act = store.act_in(other);
        let edit = KeyEdit { description: Some("mine".to_owned()), ..KeyEdit::default() };
        let errors = [
            store.edit_key(&act, &key.id, edit).await.unwrap_err(),
            store.set_key_disabled(&act, &key.id, true).await.unwrap_err(),
            store.revoke_key(&act, &key.id).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Missing("key")), "{error:?} {}", store.engine());
        }
        assert_eq!(find(&store, &key.id).await.life, key.life);
    }
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        store.pass(SECOND);
        let edit = KeyEdit { description: Some("new".to_owned()), ..KeyEdit::default() };
        let edited = store.edit_key(&store.act(), &key.id, edit).await.unwrap();
        assert_eq!(edited.description, "new");
        assert_eq!((edited.rights, edited.metadata), (key.rights, key.metadata));
        assert_eq!(edited.life.updated_at, store.now());

        let rights = every_right(&store);
        let metadata = json!({ "secret": "hunter2" }).as_object().unwrap().clone();
        let edit = KeyEdit {
            rights: Some(rights.clone()),
            metadata: Some(metadata.clone()),
            ..KeyEdit::default()
        };
        store.edit_key(&store.act(), &key.id, edit).await.unwrap();
        let found = find(&store, &key.id).await;
        assert_eq!((found.rights, found.metadata), (rights, metadata), "{}", store.engine());
        assert_eq!(found.description, "new");

        let audit = store.list_audit(store.first.organization, None, 1).await.unwrap().remove(0);
        let detail: serde_json::Value = serde_json::from_str(&audit.detail).unwrap();
        assert_eq!(audit.action, "key.edit");
        assert_eq!(detail["changed"]["ip_deny"], json!(["10.1.0.0/16"]));
        assert_eq!(detail["changed"]["metadata"], json!(true), "what it holds may be a secret");
        assert_eq!(detail["changed"].get("description"), None);
    }
}

#[tokio::test]
async fn revoking_twice_keeps_the_first_instant() {
    for store in every_store().await {
        let (key, plain) = store.make_key("ci").await;
        let first = store.now();
        store.revoke_key(&store.act(), &key.id).await.unwrap();
        store.pass(SECOND);
        let again = store.revoke_key(&store.act(), &key.id).await.unwrap();
        assert_eq!(again.life.revoked_at, Some(first), "{}", store.engine());
        let identity = store.identify(&plain).await.unwrap().unwrap();
        assert_eq!(identity.key.status(store.now()), KeyStatus::Revoked);
        assert_eq!(store.list_audit(store.first.organization, None, 10).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_revoked_key_is_not_edited_or_enabled() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        store.revoke_key(&store.act(), &key.id).await.unwrap();
        for error in [
            store.edit_key(&store.act(), &key.id, KeyEdit::default()).await.unwrap_err(),
            store.set_key_disabled(&store.act(), &key.id, false).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Missing("key")), "{}", store.engine());
        }
    }
}

#[tokio::test]
async fn a_search_takes_its_text_literally_and_ignores_case() {
    for store in every_store().await {
        for (name, description) in
            [("100% Prod", "x_y"), ("100 prod", "xzy"), ("wow!", "ÄÖÜ straße"), ("it's", "")]
        {
            let mut new = store.new_key(name);
            new.description = description.to_owned();
            store.create_key(&store.act(), new).await.unwrap();
            store.pass(SECOND);
        }
        let (by_id, _) = store.make_key("by id").await;
        #[rustfmt::skip]
        let cases = [
            ("0% p",      vec!["100% Prod"]),
            ("PROD",      vec!["100 prod", "100% Prod"]),
            ("X_Y",       vec!["100% Prod"]),
            ("w!",        vec!["wow!"]),
            ("äöü STRA",  vec!["wow!"]),
            ("it's",      vec!["it's"]),
            ("' OR 1=1",  vec![]),
            ("a\0",       vec![]),
        ];
        for (text, expected) in cases {
            let filter = KeyFilter { search: Some(text.to_owned()), ..KeyFilter::default() };
            assert_eq!(names(&store, &filter).await, expected, "{text:?} on {}", store.engine());
        }
        let access = by_id.id.access_key()[..8].to_owned();
        let filter = KeyFilter { search: Some(access), ..KeyFilter::default() };
        assert_eq!(names(&store, &filter).await, ["by id"]);

        let edit = KeyEdit { description: Some("findable".to_owned()), ..KeyEdit::default() };
        store.edit_key(&store.act(), &by_id.id, edit).await.unwrap();
        let filter = KeyFilter { search: Some("Findable".to_owned()), ..KeyFilter::default() };
        assert_eq!(names(&store, &filter).await, ["by id"], "an edit is found too");
    }
}

#[tokio::test]
async fn a_row_that_somebody_else_wrote_is_corrupt_not_believed() {
    for store in every_store().await {
        let (key, plain) = store.make_key("ci").await;
        assert!(key.rights.scopes.allows(Scope::InferenceWrite));
        let sql = format!("UPDATE api_keys SET rights = '{{}}' WHERE id = '{}'", key.id);
        store.tamper(&sql).await;
        let found = store.find_key(store.first.organization, &key.id).await.unwrap_err();
        let identified = store.identify(&plain).await.unwrap_err();
        for error in [found, identified] {
            assert!(matches!(error, StoreError::Corrupt(_)), "{error:?} on {}", store.engine());
        }
    }
}

/// The data plane holds keys in memory: each change must reach it before the change is answered.
#[tokio::test]
async fn every_change_of_a_key_reaches_the_data_plane() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let load = async || store.call_key(&key.id).await.unwrap().unwrap();
        let mut held = load().await;

        let edit = KeyEdit { rights: Some(every_right(&store)), ..KeyEdit::default() };
        store.edit_key(&store.act(), &key.id, edit).await.unwrap();
        assert!(is_changed(&held), "edit on {}", store.engine());
        held = load().await;
        assert_eq!(held.key.rights, every_right(&store));

        store.set_key_disabled(&store.act(), &key.id, true).await.unwrap();
        assert!(is_changed(&held), "disable on {}", store.engine());
        held = load().await;
        assert_eq!(held.key.status(store.now()), KeyStatus::Disabled);
        store.set_key_disabled(&store.act(), &key.id, false).await.unwrap();
        assert!(is_changed(&held), "enable on {}", store.engine());

        store.make_owner().await;
        held = load().await;
        store.set_user_disabled(&store.act(), store.first.administrator, true).await.unwrap();
        assert!(is_changed(&held), "owner on {}", store.engine());
        held = load().await;
        assert!(!held.owner_is_active);

        store.revoke_key(&store.act(), &key.id).await.unwrap();
        assert!(is_changed(&held), "revoke on {}", store.engine());
        assert!(store.cached_call_key(&key.id).is_none());
        assert_eq!(load().await.key.status(store.now()), KeyStatus::Revoked);
    }
}

#[tokio::test]
async fn a_nul_is_refused_by_name_and_found_nowhere() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let mut of_text = store.new_key("a\0");
        let by_name = store.create_key(&store.act(), of_text.clone()).await.unwrap_err();
        (of_text.name, of_text.description) = ("b".to_owned(), "\0".to_owned());
        let described = store.create_key(&store.act(), of_text).await.unwrap_err();
        let edit = KeyEdit { description: Some("\0".to_owned()), ..KeyEdit::default() };
        let edited = store.edit_key(&store.act(), &key.id, edit).await.unwrap_err();
        for (error, expected) in
            [(by_name, "name"), (described, "description"), (edited, "description")]
        {
            assert!(
                matches!(error, StoreError::Unstorable { field } if field == expected),
                "{error:?} on {}",
                store.engine()
            );
        }
        let filter = KeyFilter { kind: Some("user\0".to_owned()), ..KeyFilter::default() };
        assert!(names(&store, &filter).await.is_empty());
        let long = KeyFilter { search: Some("ci".repeat(50_000)), ..KeyFilter::default() };
        assert!(names(&store, &long).await.is_empty());
    }
}

/// Not even for somebody who has the database in hand.
#[tokio::test]
async fn no_row_points_across_the_border_of_an_organization() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let (first, second) = (&store.first, store.second_organization().await);
        let (home, away) = (first.organization, second.organization);
        let setup = format!(
            "INSERT INTO service_accounts
                (id, organization_id, project_id, name, description, search_text, created_at_us,
                 updated_at_us)
                VALUES ('sva_there', '{away}', '{}', 'bot', '', '', 1, 1);
            INSERT INTO providers
                (id, organization_id, name, search_text, kind, created_at_us, updated_at_us)
                VALUES ('prv_here', '{home}', 'p', '', 'echo', 1, 1),
                    ('prv_there', '{away}', 'p', '', 'echo', 1, 1);
            INSERT INTO provider_keys
                (id, organization_id, name, search_text, masked, ciphertext, note, created_at_us,
                 updated_at_us)
                SELECT 'pvk_there', '{away}', 'k', '', '', digest, '', 1, 1 FROM key_secrets;
            INSERT INTO models
                (organization_id, name, pricing, routing, created_at_us, updated_at_us)
                VALUES ('{home}', 'm', 'free', 'weighted', 1, 1);
            INSERT INTO deployments
                (id, organization_id, model, position, provider_id, upstream_model, weight, priority, state)
                VALUES ('dep_here', '{home}', 'm', 0, 'prv_here', 'm', 1, 0, 'active');",
            second.project
        );
        store.tamper(&setup).await;
        let of_key = |set: &str| format!("UPDATE api_keys SET {set} WHERE id = '{}'", key.id);
        let crossings = [
            of_key(&format!("project_id = '{}'", second.project)),
            format!("UPDATE key_secrets SET organization_id = '{away}'"),
            of_key(&format!("owner_id = '{}'", second.administrator)),
            of_key("owner_kind = 'service', owner_id = 'sva_there'"),
            of_key("owner_kind = 'service'"),
            of_key(&format!("created_by = '{}'", second.administrator)),
            of_key(&format!("organization_id = '{away}'")),
            format!("UPDATE service_accounts SET project_id = '{}'", first.project),
            format!("UPDATE service_accounts SET organization_id = '{home}'"),
            "UPDATE deployments SET provider_id = 'prv_there'".to_owned(),
            "UPDATE deployments SET provider_key_id = 'pvk_there'".to_owned(),
            format!("UPDATE deployments SET organization_id = '{away}'"),
            format!("UPDATE models SET organization_id = '{away}'"),
            format!(
                "UPDATE providers SET organization_id = '{away}', name = 'q' WHERE id = 'prv_here'"
            ),
        ];
        for sql in crossings {
            let refusal = store.refusal(&sql).await.to_lowercase();
            assert!(refusal.contains("foreign key"), "{sql}: {refusal}, {}", store.engine());
        }
    }
}

#[tokio::test]
async fn what_changes_nothing_is_no_change() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let same = KeyEdit {
            description: Some(key.description.clone()),
            rights: Some(key.rights.clone()),
            metadata: Some(key.metadata.clone()),
            if_updated_at: Some(key.life.updated_at),
        };
        let actions = async || {
            let entries = store.list_audit(key.organization, None, 100).await.unwrap();
            entries.len()
        };
        let before = actions().await;
        store.pass(SignedDuration::from_secs(1));
        for edit in [KeyEdit::default(), same] {
            let edited = store.edit_key(&store.act(), &key.id, edit).await.unwrap();
            assert_eq!(edited.life.updated_at, key.life.updated_at, "{}", store.engine());
        }
        let stale = KeyEdit { if_updated_at: Some(store.now()), ..KeyEdit::default() };
        let refused = store.edit_key(&store.act(), &key.id, stale).await;
        assert!(matches!(refused, Err(StoreError::Stale)));
        assert_eq!(actions().await, before, "{}", store.engine());
    }
}
