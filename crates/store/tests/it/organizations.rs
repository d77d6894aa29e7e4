use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_store::{Organization, StoreError};
use jiff::SignedDuration;
use serde_json::Value;

use crate::harness::every_store;

#[tokio::test]
async fn the_first_start_makes_an_organization_and_later_ones_find_it() {
    for mut store in every_store().await {
        let (again, is_new) = store.bootstrap().await.unwrap();
        assert!(!is_new);
        assert_eq!(again.organization, store.first.organization);
        assert_eq!(again.project, store.first.project);
        assert_eq!(again.administrator, store.first.administrator);

        store.reopen().await;
        let (reopened, is_new) = store.bootstrap().await.unwrap();
        assert!(!is_new);
        assert_eq!(reopened.organization, store.first.organization);
        let actions: Vec<String> = store
            .list_audit(store.first.organization, None, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|entry| format!("{} {}", entry.actor, entry.action))
            .collect();
        assert_eq!(actions, ["system organization.create"], "{}", store.engine());
    }
}

#[tokio::test]
async fn another_organizations_people_and_projects_are_not_found() {
    for store in every_store().await {
        let (first, second) = (&store.first, store.second_organization().await);
        let owner = Owner::User(first.administrator);
        assert!(store.find_user(second.organization, first.administrator).await.unwrap().is_none());
        assert!(store.find_project(second.organization, first.project).await.unwrap().is_none());
        assert!(!store.is_owner_active(second.organization, owner).await.unwrap());
        let nowhere = doorward_domain::id::OrganizationId::new(9, 9);
        let missing = store.default_project(nowhere).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("project")));
        let act = store.act_in(second.organization);
        let missing = store.set_user_disabled(&act, first.administrator, true).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("user")), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_key_is_identified_by_its_whole_secret_only() {
    for store in every_store().await {
        let (key, plain) = store.make_key("ci").await;
        let (_, other) = store.make_key("other").await;

        let identity = store.identify(&plain).await.unwrap().unwrap();
        assert_eq!(identity.key.id, key.id);
        assert_eq!(identity.role(), OrganizationRole::Owner);
        assert!(identity.owner_is_active);
        assert!(identity.key.rights.scopes.allows(Scope::InferenceWrite));

        // The other key's digest under this id: the id is part of what was digested.
        let swap = format!(
            "UPDATE key_secrets SET digest = (SELECT digest FROM key_secrets WHERE key_id = '{}') WHERE key_id = '{}'",
            key.id,
            other.id(),
        );
        store.tamper(&swap).await;
        assert!(store.identify(&other).await.unwrap().is_none(), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_key_that_nobody_made_is_nobody() {
    let [sqlite, postgres] = every_store().await;
    let (_, of_sqlite) = sqlite.make_key("ci").await;
    let (_, of_postgres) = postgres.make_key("ci").await;
    assert!(sqlite.identify(&of_postgres).await.unwrap().is_none());
    assert!(postgres.identify(&of_sqlite).await.unwrap().is_none());
}

#[tokio::test]
async fn a_disabled_user_is_not_active_until_enabled_again() {
    for store in every_store().await {
        let (_, plain) = store.make_key("ci").await;
        let (organization, user) = (store.first.organization, store.first.administrator);
        let since = store.now();
        store.make_owner().await;
        store.set_user_disabled(&store.act(), user, true).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        store.set_user_disabled(&store.act(), user, true).await.unwrap();

        assert!(!store.identify(&plain).await.unwrap().unwrap().owner_is_active);
        assert!(!store.is_owner_active(organization, Owner::User(user)).await.unwrap());
        let found = store.find_user(organization, user).await.unwrap().unwrap();
        assert_eq!(found.disabled_at, Some(since), "the first instant stays, {}", store.engine());

        store.set_user_disabled(&store.act(), user, false).await.unwrap();
        assert!(store.identify(&plain).await.unwrap().unwrap().owner_is_active);
        let actions = store.list_audit(organization, None, 2).await.unwrap();
        let actions: Vec<&str> = actions.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["user.enable", "user.disable"]);
    }
}

#[tokio::test]
async fn the_administrator_is_an_owner_in_the_default_project() {
    for store in every_store().await {
        let first = &store.first;
        let user = store.find_user(first.organization, first.administrator).await.unwrap().unwrap();
        assert_eq!(user.role, OrganizationRole::Owner);
        assert_eq!(user.name, "administrator");
        assert_eq!(user.disabled_at, None);
        assert_eq!(store.default_project(first.organization).await.unwrap(), first.project);
        assert!(store.find_project(first.organization, first.project).await.unwrap().is_some());
        let owner = Owner::User(first.administrator);
        assert!(store.is_owner_active(first.organization, owner).await.unwrap());
    }
}

#[tokio::test]
async fn a_service_account_owns_keys_that_act_as_a_member() {
    for store in every_store().await {
        let owner = Owner::ServiceAccount(store.make_service_account("bot").await);
        let (key, plain) = store.make_key_of(owner, "agent").await;
        assert_eq!(key.owner, owner);

        let identity = store.identify(&plain).await.unwrap().unwrap();
        assert!(identity.owner_is_active);
        assert_eq!(identity.role(), OrganizationRole::Member);
        assert_eq!(identity.key.owner, owner);
    }
}

#[tokio::test]
async fn a_use_on_the_management_api_is_noted_at_most_once_a_minute() {
    for store in every_store().await {
        let (key, plain) = store.make_key("ci").await;
        let start = store.now();
        let touched = async |address: [u8; 4]| {
            let identity = store.identify(&plain).await.unwrap().unwrap();
            store.touch_key(&identity, address.into()).await.unwrap();
            let record = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
            (record.last_used_at, record.last_used_address)
        };
        let first = (Some(start), Some([10, 0, 0, 1].into()));
        assert_eq!(touched([10, 0, 0, 1]).await, first, "{}", store.engine());
        store.pass(SignedDuration::from_secs(59));
        assert_eq!(touched([10, 0, 0, 2]).await, first, "{}", store.engine());
        store.pass(SignedDuration::from_secs(1));
        let second = (Some(store.now()), Some([10, 0, 0, 2].into()));
        assert_eq!(touched([10, 0, 0, 2]).await, second, "{}", store.engine());
        let unchanged = store.identify(&plain).await.unwrap().unwrap().key;
        assert_eq!(unchanged.life.updated_at, key.life.updated_at);
    }
}

#[tokio::test]
async fn an_organization_is_renamed_once_for_all_and_to_no_name_that_is_taken() {
    for store in every_store().await {
        let found = store.get_organization(store.first.organization).await.unwrap();
        let renamed = |name: &str| Organization { name: name.to_owned(), ..found.clone() };
        let edited = store.edit_organization(&store.act(), &renamed("acme")).await.unwrap();
        assert_eq!((edited.name.as_str(), &edited.bounds), ("acme", &found.bounds));
        assert_eq!(store.get_organization(found.id).await.unwrap(), edited);
        let entry = store.list_audit(found.id, None, 1).await.unwrap().remove(0);
        let detail: Value = serde_json::from_str(&entry.detail).unwrap();
        assert_eq!([&detail["name"], &detail["name_before"]], ["acme", "default"]);
        let lost = store.edit_organization(&store.act(), &renamed("late")).await;
        assert!(matches!(lost, Err(StoreError::Stale)), "{}", store.engine());
        // The next start finds it by no name.
        assert_eq!(store.bootstrap().await.unwrap().0.organization, found.id);

        let other = store.second_organization().await.organization;
        let wish = Organization { name: "other".to_owned(), ..edited };
        let taken = store.edit_organization(&store.act(), &wish).await;
        assert!(matches!(taken, Err(StoreError::Taken { field: "name" })), "{}", store.engine());
        assert_eq!(store.get_organization(other).await.unwrap().name, "other");
    }
}
