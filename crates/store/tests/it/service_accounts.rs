//! Service accounts and what becomes of their keys.

use doorward_domain::key::Owner;
use doorward_store::{KeyFilter, NewKey, NewServiceAccount, Removed, ServiceAccount, StoreError};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store, is_changed};

fn new(store: &TestStore, name: &str) -> NewServiceAccount {
    let description = "answers mail".to_owned();
    NewServiceAccount { project: store.first.project, name: name.to_owned(), description }
}

async fn actions(store: &TestStore, limit: u32) -> Vec<String> {
    let entries = store.list_audit(store.first.organization, None, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn a_service_account_reads_back_as_made_and_edited() {
    for store in every_store().await {
        let organization = store.first.organization;
        let bot = store.create_service_account(&store.act(), new(&store, "bot")).await.unwrap();
        let found = store.find_service_account(organization, bot.id).await.unwrap();
        assert_eq!(found, Some(bot.clone()), "{}", store.engine());
        store.pass(SignedDuration::from_secs(1));
        let wish = ServiceAccount {
            name: "mail bot".to_owned(),
            description: String::new(),
            ..bot.clone()
        };
        let edited = store.edit_service_account(&store.act(), &wish).await.unwrap();
        assert_eq!(edited, ServiceAccount { updated_at: store.now(), ..wish });
        let found = store.find_service_account_by_name(organization, "mail bot").await.unwrap();
        assert_eq!(found, Some(edited.clone()));
        store.edit_service_account(&store.act(), &edited).await.unwrap();
        let expected = ["service_account.edit", "service_account.create"];
        assert_eq!(actions(&store, 2).await, expected, "an empty edit leaves no trace");
        let stale = store.edit_service_account(&store.act(), &bot).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale));
    }
}

#[tokio::test]
async fn its_name_is_unique_and_its_project_there() {
    for store in every_store().await {
        let act = store.act();
        let bot = store.create_service_account(&act, new(&store, "bot")).await.unwrap();
        let other = store.create_service_account(&act, new(&store, "other")).await.unwrap();
        let renamed = ServiceAccount { name: "bot".to_owned(), ..other };
        for error in [
            store.create_service_account(&act, new(&store, "bot")).await.unwrap_err(),
            store.edit_service_account(&act, &renamed).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Taken { field: "name" }), "{}", store.engine());
        }
        store.remove_service_account(&act, bot.id).await.unwrap();
        store.create_service_account(&act, new(&store, "bot")).await.unwrap();

        let abroad = store.act_in(store.second_organization().await.organization);
        let missing = store.create_service_account(&abroad, new(&store, "bot")).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("project")), "{missing:?}");
    }
}

/// A key of an account that is only drafted.
fn key_of(store: &TestStore, account: &ServiceAccount, name: &str) -> NewKey {
    let (owner, project) = (Owner::ServiceAccount(account.id), account.project);
    NewKey { owner, project, ..store.new_key(name) }
}

#[tokio::test]
async fn an_account_and_its_first_key_are_made_together_or_not_at_all() {
    for store in every_store().await {
        let (act, organization) = (store.act(), store.first.organization);
        let bot = store.draft_service_account(&act, new(&store, "bot"));
        assert_eq!(store.find_service_account(organization, bot.id).await.unwrap(), None);
        // The key is refused last, when both are written already.
        let full = NewKey { quota: Some(0), ..key_of(&store, &bot, "agent") };
        let refused = store.create_key_and_account(&act, &bot, full).await.map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::InUse(_)), "{refused:?}");
        assert_eq!(store.find_service_account(organization, bot.id).await.unwrap(), None);
        assert!(!actions(&store, 1).await.contains(&"key.create".to_owned()), "{}", store.engine());

        let wish = key_of(&store, &bot, "agent");
        let (key, plain) = store.create_key_and_account(&act, &bot, wish).await.unwrap();
        assert_eq!(store.find_service_account(organization, bot.id).await.unwrap(), Some(bot));
        assert!(store.identify(&plain).await.unwrap().unwrap().owner_is_active);
        assert_eq!(actions(&store, 2).await, ["key.create", "service_account.create"]);

        let twin = store.draft_service_account(&act, new(&store, "bot"));
        let wish = key_of(&store, &twin, "agent");
        let refused = store.create_key_and_account(&act, &twin, wish).await.map(drop).unwrap_err();
        let field = "new_service_account.name";
        assert!(matches!(refused, StoreError::Taken { field: f } if f == field), "{refused:?}");
        let keys_of = async |owner| {
            let filter = KeyFilter { owner: Some(owner), ..KeyFilter::default() };
            store.list_keys(organization, &filter, None, 9).await.unwrap().rows.len()
        };
        assert_eq!(keys_of(Owner::ServiceAccount(twin.id)).await, 0);
        assert_eq!(keys_of(key.owner).await, 1);
    }
}

#[tokio::test]
async fn service_accounts_are_listed_by_name() {
    for store in every_store().await {
        let organization = store.first.organization;
        for name in ["b", "a", "c"] {
            store.make_service_account(name).await;
        }
        let rows = store.list_service_accounts(organization, Some("a"), 1).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["b"], "{}", store.engine());
        store.remove_service_account(&store.act(), rows[0].id).await.unwrap();
        let rows = store.list_service_accounts(organization, None, 9).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }
}

#[tokio::test]
async fn a_search_finds_a_part_of_a_name_a_description_or_an_id_in_whatever_case() {
    for store in every_store().await {
        let organization = store.first.organization;
        let bot = store.create_service_account(&store.act(), new(&store, "Öl-Bot")).await.unwrap();
        let idle = NewServiceAccount { description: String::new(), ..new(&store, "idle") };
        store.create_service_account(&store.act(), idle).await.unwrap();
        let found = async |text: &str, after: Option<&str>| -> Vec<String> {
            let found = store.search_service_accounts(organization, text, after, 9).await.unwrap();
            found.into_iter().map(|account| account.name).collect()
        };
        for text in ["öL", "ANSWERS", &bot.id.to_string()] {
            assert_eq!(found(text, None).await, ["Öl-Bot"], "{text} {}", store.engine());
        }
        assert_eq!(found("", Some("idl")).await, ["idle", "Öl-Bot"]);
        assert_eq!(found("%", None).await, [""; 0]);
        let wish = ServiceAccount { description: "reads".to_owned(), ..bot };
        store.edit_service_account(&store.act(), &wish).await.unwrap();
        assert_eq!((found("answers", None).await.len(), found("reads", None).await.len()), (0, 1));
        let other = store.second_organization().await.organization;
        let elsewhere = store.search_service_accounts(other, "", None, 9).await.unwrap();
        assert!(elsewhere.is_empty());
    }
}

#[tokio::test]
async fn a_service_account_that_is_off_stops_its_keys_until_it_is_on() {
    for store in every_store().await {
        let bot = store.make_service_account("bot").await;
        let (key, plain) = store.make_key_of(Owner::ServiceAccount(bot), "agent").await;
        let held = store.call_key(&key.id).await.unwrap().unwrap();
        let since = store.now();
        let off = store.set_service_account_disabled(&store.act(), bot, true).await.unwrap();
        assert_eq!(off.disabled_at, Some(since));
        assert!(is_changed(&held), "{}", store.engine());
        assert!(!store.call_key(&key.id).await.unwrap().unwrap().owner_is_active);
        assert!(!store.identify(&plain).await.unwrap().unwrap().owner_is_active);
        store.pass(SignedDuration::from_secs(1));
        let again = store.set_service_account_disabled(&store.act(), bot, true).await.unwrap();
        assert_eq!(again, off);
        store.set_service_account_disabled(&store.act(), bot, false).await.unwrap();
        assert!(store.call_key(&key.id).await.unwrap().unwrap().owner_is_active);
        let expected = ["service_account.enable", "service_account.disable", "key.create"];
        assert_eq!(actions(&store, 3).await, expected);
    }
}

#[tokio::test]
async fn enabling_again_does_not_revive_a_revoked_key() {
    for store in every_store().await {
        let bot = store.make_service_account("bot").await;
        let (key, _) = store.make_key_of(Owner::ServiceAccount(bot), "agent").await;
        store.set_service_account_disabled(&store.act(), bot, true).await.unwrap();
        store.revoke_key(&store.act(), &key.id).await.unwrap();
        store.set_service_account_disabled(&store.act(), bot, false).await.unwrap();
        let called = store.call_key(&key.id).await.unwrap().unwrap();
        assert!(called.key.life.revoked_at.is_some(), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_removed_service_accounts_keys_are_revoked() {
    for store in every_store().await {
        let bot = store.make_service_account("bot").await;
        let (key, plain) = store.make_key_of(Owner::ServiceAccount(bot), "agent").await;
        let held = store.call_key(&key.id).await.unwrap().unwrap();
        let act = store.act();
        assert_eq!(store.remove_service_account(&act, bot).await.unwrap(), Removed::Yes);
        assert!(is_changed(&held), "{}", store.engine());
        let identity = store.identify(&plain).await.unwrap().unwrap();
        assert_eq!(identity.key.life.revoked_at, Some(store.now()));
        assert!(!identity.owner_is_active);
        assert_eq!(actions(&store, 2).await, ["key.revoke", "service_account.remove"]);
        assert_eq!(store.remove_service_account(&act, bot).await.unwrap(), Removed::NotFound);
        let gone = store.set_service_account_disabled(&act, bot, false).await.unwrap_err();
        assert!(matches!(gone, StoreError::Missing("service account")));
    }
}

#[tokio::test]
async fn another_organization_changes_no_service_account() {
    for store in every_store().await {
        let bot = store.create_service_account(&store.act(), new(&store, "bot")).await.unwrap();
        let abroad = store.act_in(store.second_organization().await.organization);
        let missing = [
            store.edit_service_account(&abroad, &bot).await.map(drop),
            store.set_service_account_disabled(&abroad, bot.id, true).await.map(drop),
        ];
        for done in missing {
            assert!(matches!(done, Err(StoreError::Missing("service account"))));
        }
        let removed = store.remove_service_account(&abroad, bot.id).await.unwrap();
        assert_eq!(removed, Removed::NotFound, "{}", store.engine());
        let found = store.find_service_account(store.first.organization, bot.id).await.unwrap();
        assert_eq!(found, Some(bot));
    }
}
