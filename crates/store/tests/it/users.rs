//! Users: who may change whom, and what becomes of their keys.

use doorward_domain::bounds::Bounds;
use doorward_domain::id::UserId;
use doorward_domain::key::Owner;
use doorward_domain::project_role::ProjectRole;
use doorward_domain::role::OrganizationRole::{self, Admin, Member, Viewer};
use doorward_domain::scope::Scope;
use doorward_store::{Act, Actor, NewUser, Presence, Removed, StoreError, User, UserFilter};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store, is_changed};

const OWNER: OrganizationRole = OrganizationRole::Owner;

fn new_user(name: &str, address: &str) -> NewUser {
    NewUser {
        name: name.to_owned(),
        email: Some(address.parse().unwrap()),
        role: Member,
        bounds: Bounds::NONE,
    }
}

/// What somebody with this role does.
async fn act_of(store: &TestStore, role: OrganizationRole) -> Act {
    let user = store.make_user(&format!("acting {}", role.as_str()), role).await;
    Act { actor: Actor::User(user.id), ..store.act() }
}

async fn find(store: &TestStore, id: UserId) -> User {
    store.find_user(store.first.organization, id).await.unwrap().unwrap()
}

async fn actions(store: &TestStore, limit: u32) -> Vec<String> {
    let entries = store.list_audit(store.first.organization, None, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn a_user_reads_back_as_added_and_edited() {
    for store in every_store().await {
        let new = new_user("ada", "Ada@Example.com");
        let ada = store.create_user(&store.act(), new).await.unwrap();
        assert_eq!(find(&store, ada.id).await, ada, "{}", store.engine());
        assert_eq!((ada.created_at, ada.updated_at), (store.now(), store.now()));

        store.pass(SignedDuration::from_secs(1));
        let wish = User { name: "Ada L.".to_owned(), email: None, role: Admin, ..ada.clone() };
        let edited = store.edit_user(&store.act(), &wish).await.unwrap();
        assert_eq!(edited, User { updated_at: store.now(), ..wish });
        assert_eq!(find(&store, ada.id).await, edited);
        let named = store.find_user_by_name(store.first.organization, "Ada L.").await.unwrap();
        assert_eq!(named, Some(edited.clone()));

        let again = store.edit_user(&store.act(), &edited).await.unwrap();
        assert_eq!(again, edited);
        assert_eq!(actions(&store, 2).await, ["user.edit", "user.create"]);
        let stale = store.edit_user(&store.act(), &ada).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale), "{stale:?}");
    }
}

#[tokio::test]
async fn names_and_addresses_are_unique_among_those_who_are_there() {
    for store in every_store().await {
        let ada =
            store.create_user(&store.act(), new_user("ada", "ada@example.com")).await.unwrap();
        let bob =
            store.create_user(&store.act(), new_user("bob", "bob@example.com")).await.unwrap();
        let renamed = User { name: "ada".to_owned(), ..bob.clone() };
        let moved = User { email: Some("ADA@example.com".parse().unwrap()), ..bob.clone() };
        let act = store.act();
        for (error, expected) in [
            (store.create_user(&act, new_user("ada", "a@example.com")).await.unwrap_err(), "name"),
            (store.create_user(&act, new_user("a", "aDa@Example.com")).await.unwrap_err(), "email"),
            (store.edit_user(&act, &renamed).await.unwrap_err(), "name"),
            (store.edit_user(&act, &moved).await.unwrap_err(), "email"),
        ] {
            let is_expected = matches!(error, StoreError::Taken { field } if field == expected);
            assert!(is_expected, "{error:?} on {}", store.engine());
        }
        store.remove_user(&act, ada.id).await.unwrap();
        store.create_user(&act, new_user("ada", "ada@example.com")).await.unwrap();
        // Elsewhere it is another one.
        let second = store.second_organization().await.organization;
        store.create_user(&store.act_in(second), new_user("ada", "ada@example.com")).await.unwrap();
    }
}

#[tokio::test]
async fn users_are_listed_by_name_without_those_who_were_removed() {
    for store in every_store().await {
        let organization = store.first.organization;
        for name in ["b", "C", "a"] {
            store.make_user(name, Member).await;
        }
        let gone = store.make_user("gone", Member).await;
        store.remove_user(&store.act(), gone.id).await.unwrap();
        let names = async |after: Option<&str>, limit| {
            let users = store
                .search_users(organization, &UserFilter::default(), after, limit)
                .await
                .unwrap();
            users.into_iter().map(|user| user.name).collect::<Vec<_>>()
        };
        assert_eq!(names(None, 10).await, ["C", "a", "administrator", "b"], "{}", store.engine());
        assert_eq!(names(Some("C"), 2).await, ["a", "administrator"]);
        assert!(store.find_user(organization, gone.id).await.unwrap().is_none());
        assert!(store.find_user_by_name(organization, "gone").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn nobody_gives_takes_or_changes_a_role_above_their_own() {
    #[rustfmt::skip]
    let cases = [
        // who acts  from    to      allowed
        (OWNER,      Member, OWNER,  true),
        (OWNER,      OWNER,  Viewer, true),
        (Admin,      Member, Admin,  true),
        (Admin,      Admin,  Viewer, true),
        (Admin,      Member, OWNER,  false),
        (Admin,      OWNER,  Admin,  false),
        (Admin,      OWNER,  OWNER,  false), // only the name is another
        (Member,     Viewer, Member, true),
        (Member,     Viewer, Admin,  false),
        (Member,     Admin,  Viewer, false),
        (Viewer,     Viewer, Member, false),
    ];
    for store in every_store().await {
        for (index, (who, from, to, is_allowed)) in cases.into_iter().enumerate() {
            let acting = store.make_user(&format!("who {index}"), who).await;
            let act = Act { actor: Actor::User(acting.id), ..store.act() };
            let user = store.make_user(&format!("from {index}"), from).await;
            let wish = User { name: format!("to {index}"), role: to, ..user.clone() };
            let done = store.edit_user(&act, &wish).await;
            if is_allowed {
                assert_eq!(done.unwrap().role, to, "{who:?} {from:?} {to:?}");
            } else {
                assert!(matches!(done, Err(StoreError::AboveOwnRole)), "{who:?} {from:?} {to:?}");
                assert_eq!(find(&store, user.id).await, user, "{}", store.engine());
            }
        }
    }
}

#[tokio::test]
async fn nobody_adds_switches_or_removes_somebody_above_them() {
    for store in every_store().await {
        let act = act_of(&store, Admin).await;
        let owner = store.first.administrator;
        let new =
            NewUser { name: "boss".to_owned(), email: None, role: OWNER, bounds: Bounds::NONE };
        let errors = [
            store.create_user(&act, new).await.unwrap_err(),
            store.set_user_disabled(&act, owner, true).await.unwrap_err(),
            store.remove_user(&act, owner).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::AboveOwnRole), "{error:?} {}", store.engine());
        }
        let peer = store.make_user("peer", Admin).await;
        store.set_user_disabled(&act, peer.id, true).await.unwrap();
        store.set_user_disabled(&act, peer.id, false).await.unwrap();
        store.remove_user(&act, peer.id).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_was_demoted_acts_with_the_role_of_now() {
    for store in every_store().await {
        let act = act_of(&store, OWNER).await;
        let Actor::User(acting) = act.actor else { panic!("a user acts") };
        let wish = User { role: Admin, ..find(&store, acting).await };
        // They may do it to themselves, too.
        store.edit_user(&act, &wish).await.unwrap();
        let refused = store.remove_user(&act, store.first.administrator).await.unwrap_err();
        assert!(matches!(refused, StoreError::AboveOwnRole), "{}", store.engine());
        store.set_user_disabled(&act, acting, true).await.unwrap();
        let refused = store.set_user_disabled(&act, acting, false).await.unwrap_err();
        assert!(matches!(refused, StoreError::ActorChanged), "{refused:?}");
    }
}

#[tokio::test]
async fn the_last_active_owner_stays() {
    for store in every_store().await {
        let (act, last) = (store.act(), store.first.administrator);
        let other = store.make_owner().await;
        store.set_user_disabled(&act, other, true).await.unwrap();
        // An owner of another organization is none here.
        store.second_organization().await;
        let before = find(&store, last).await;
        let demoted = User { role: Admin, ..before.clone() };
        let errors = [
            store.set_user_disabled(&act, last, true).await.unwrap_err(),
            store.remove_user(&act, last).await.unwrap_err(),
            store.edit_user(&act, &demoted).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::LastOwner), "{error:?} on {}", store.engine());
        }
        assert_eq!(find(&store, last).await, before);
        assert_eq!(actions(&store, 1).await, ["user.disable"], "of the other one");

        store.set_user_disabled(&act, other, false).await.unwrap();
        store.edit_user(&act, &demoted).await.unwrap();
        assert!(matches!(store.remove_user(&act, other).await, Err(StoreError::LastOwner)));
    }
}

#[tokio::test]
async fn two_owners_who_go_at_once_do_not_leave_the_organization_without_one() {
    for store in every_store().await {
        let (act, first, second) =
            (store.act(), store.first.administrator, store.make_owner().await);
        let (one, other) = tokio::join!(
            store.set_user_disabled(&act, first, true),
            store.remove_user(&act, second)
        );
        let results = [one.map(drop), other.map(drop)];
        let refused = results.iter().filter(|r| matches!(r, Err(StoreError::LastOwner))).count();
        assert_eq!(refused, 1, "{results:?} on {}", store.engine());
    }
}

#[tokio::test]
async fn switching_twice_keeps_the_first_instant_and_is_audited_once() {
    for store in every_store().await {
        let user = store.make_user("ada", Member).await;
        let since = store.now();
        let off = store.set_user_disabled(&store.act(), user.id, true).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let again = store.set_user_disabled(&store.act(), user.id, true).await.unwrap();
        assert_eq!(again, off, "{}", store.engine());
        assert_eq!(off.disabled_at, Some(since));
        assert!(off.updated_at > user.updated_at, "another version");
        let on = store.set_user_disabled(&store.act(), user.id, false).await.unwrap();
        assert_eq!(on.disabled_at, None);
        store.set_user_disabled(&store.act(), user.id, false).await.unwrap();
        let expected = ["user.enable", "user.disable", "user.create"];
        assert_eq!(actions(&store, 3).await, expected);
    }
}

#[tokio::test]
async fn a_removed_users_keys_are_revoked_and_never_work_again() {
    for store in every_store().await {
        let organization = store.first.organization;
        let user = store.make_user("ada", Member).await;
        let owner = Owner::User(user.id);
        let (one, plain) = store.make_key_of(owner, "one").await;
        let (two, _) = store.make_key_of(owner, "two").await;
        let (early, _) = store.make_key_of(owner, "early").await;
        store.revoke_key(&store.act(), &early.id).await.unwrap();
        let (mine, _) = store.make_key("mine").await;
        let (held, others) = (
            store.call_key(&one.id).await.unwrap().unwrap(),
            store.call_key(&mine.id).await.unwrap().unwrap(),
        );
        store
            .set_project_member(&store.act(), store.first.project, user.id, ProjectRole::Member)
            .await
            .unwrap();

        store.pass(SignedDuration::from_secs(1));
        let removed = store.remove_user(&store.act(), user.id).await.unwrap();
        assert_eq!(removed, Removed::Yes);
        assert!(is_changed(&held) && !is_changed(&others), "{}", store.engine());
        let revoked_at =
            async |id| store.find_key(organization, id).await.unwrap().unwrap().key.life.revoked_at;
        assert_eq!(revoked_at(&one.id).await, Some(store.now()));
        assert_eq!(revoked_at(&two.id).await, Some(store.now()));
        assert!(revoked_at(&early.id).await < Some(store.now()), "the first instant stays");
        assert_eq!(revoked_at(&mine.id).await, None);
        assert!(!store.identify(&plain).await.unwrap().unwrap().owner_is_active);
        assert!(!store.is_owner_active(organization, owner).await.unwrap());
        let members =
            store.list_project_members(organization, store.first.project, None, 9).await.unwrap();
        assert_eq!(members, []);
        assert_eq!(actions(&store, 3).await, ["key.revoke", "key.revoke", "user.remove"]);

        assert_eq!(store.remove_user(&store.act(), user.id).await.unwrap(), Removed::NotFound);
        let gone = store.set_user_disabled(&store.act(), user.id, false).await.unwrap_err();
        assert!(matches!(gone, StoreError::Missing("user")));
        let gone = store.edit_user(&store.act(), &user).await.unwrap_err();
        assert!(matches!(gone, StoreError::Missing("user")));
    }
}

/// The owner's end counts by itself, not only through the revocation of each key.
#[tokio::test]
async fn a_key_of_a_removed_owner_is_not_let_in_even_where_it_was_not_revoked() {
    for store in every_store().await {
        let (user, bot) =
            (store.make_user("ada", Member).await.id, store.make_service_account("bot").await);
        for (owner, table) in
            [(Owner::User(user), "users"), (Owner::ServiceAccount(bot), "service_accounts")]
        {
            let (key, plain) = store.make_key_of(owner, "ci").await;
            let sql = format!("UPDATE {table} SET removed_at_us = 1 WHERE id = '{owner}'");
            store.tamper(&sql).await;
            assert!(!store.identify(&plain).await.unwrap().unwrap().owner_is_active, "{table}");
            let called = store.call_key(&key.id).await.unwrap().unwrap();
            assert!(!called.owner_is_active, "{table} on {}", store.engine());
            let actor = Actor::Key {
                id: key.id,
                updated_at: key.life.updated_at,
                secret_ends_at: None,
                token: None,
                owner,
                user_role: Member,
                role_max: None,
            };
            let act = Act { actor, ..store.act() };
            let refused = store.create_key(&act, store.new_key("more")).await.unwrap_err();
            assert!(matches!(refused, StoreError::ActorChanged), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn whoever_removes_themselves_ends_the_key_that_they_ask_with() {
    for store in every_store().await {
        let user = store.make_user("ada", OWNER).await;
        let (key, _) = store.make_key_of(Owner::User(user.id), "mine").await;
        let (other, _) = store.make_key_of(Owner::User(user.id), "other").await;
        let actor = Actor::Key {
            id: key.id,
            updated_at: key.life.updated_at,
            secret_ends_at: None,
            token: None,
            owner: Owner::User(user.id),
            user_role: OWNER,
            role_max: None,
        };
        let act = Act { actor, ..store.act() };
        assert_eq!(store.remove_user(&act, user.id).await.unwrap(), Removed::Yes);
        let entries = store.list_audit(store.first.organization, None, 3).await.unwrap();
        assert!(entries.iter().all(|entry| entry.actor == key.id.to_string()), "{entries:?}");
        let mut ended: Vec<_> = entries.iter().take(2).map(|e| e.subject.clone()).collect();
        ended.sort();
        let mut expected = [key.id.to_string(), other.id.to_string()];
        expected.sort();
        assert_eq!(ended, expected, "{}", store.engine());
        let refused = store.remove_user(&act, store.first.administrator).await.unwrap_err();
        assert!(matches!(refused, StoreError::ActorChanged), "{refused:?}");
    }
}

#[tokio::test]
async fn a_new_role_counts_with_the_next_call() {
    for store in every_store().await {
        let user = store.make_user("ada", Member).await;
        let (key, _) = store.make_key_of(Owner::User(user.id), "ci").await;
        let held = store.call_key(&key.id).await.unwrap().unwrap();
        let scope = Scope::InferenceWrite;
        assert!(held.scopes.allows(scope));
        store.edit_user(&store.act(), &User { role: Viewer, ..user }).await.unwrap();
        assert!(is_changed(&held), "{}", store.engine());
        assert!(!store.call_key(&key.id).await.unwrap().unwrap().scopes.allows(scope));
    }
}

#[tokio::test]
async fn another_organization_changes_nobody() {
    for store in every_store().await {
        let user = store.make_user("ada", Member).await;
        let act = store.act_in(store.second_organization().await.organization);
        let missing = [
            store.edit_user(&act, &user).await.map(drop),
            store.set_user_disabled(&act, user.id, true).await.map(drop),
        ];
        for done in missing {
            assert!(matches!(done, Err(StoreError::Missing("user"))), "{}", store.engine());
        }
        assert_eq!(store.remove_user(&act, user.id).await.unwrap(), Removed::NotFound);
        assert_eq!(find(&store, user.id).await, user);
    }
}

#[tokio::test]
async fn a_start_finds_an_owner_who_can_act() {
    for mut store in every_store().await {
        let next = store.make_owner().await;
        store.remove_user(&store.act(), store.first.administrator).await.unwrap();
        store.reopen().await;
        let (found, is_new) = store.bootstrap().await.unwrap();
        assert!(!is_new);
        assert_eq!(found.administrator, next, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_search_finds_a_part_of_a_name_or_an_address_in_whatever_case() {
    for store in every_store().await {
        let organization = store.first.organization;
        let ada = store.create_user(&store.act(), new_user("Ada", "lovelace@example.com")).await;
        let ada = ada.unwrap();
        store.create_user(&store.act(), new_user("bob", "bob@example.com")).await.unwrap();
        let found = async |text: &str| -> Vec<String> {
            let rows = store.search_users(organization, &holding(text), None, 10).await.unwrap();
            rows.into_iter().map(|user| user.name).collect()
        };
        for text in ["ada", "LOVE", "lace@ex", &ada.id.to_string()] {
            assert_eq!(found(text).await, ["Ada"], "{text} {}", store.engine());
        }
        assert_eq!(found("example.com").await, ["Ada", "bob"]);
        assert_eq!(found("%").await, [""; 0]);
        let wish = User { name: "Countess".to_owned(), email: None, ..ada };
        store.edit_user(&store.act(), &wish).await.unwrap();
        assert_eq!((found("lovelace").await.len(), found("count").await.len()), (0, 1));
        let rest =
            store.search_users(organization, &holding("o"), Some("Countess"), 10).await.unwrap();
        assert!(rest.iter().all(|user| user.name.as_str() > "Countess") && !rest.is_empty());
        let second = store.second_organization().await;
        let other = store.search_users(second.organization, &holding("bob"), None, 9).await;
        assert!(other.unwrap().is_empty());
    }
}

fn holding(text: &str) -> UserFilter {
    UserFilter { search: Some(text.to_owned()), ..UserFilter::default() }
}

#[tokio::test]
async fn users_are_found_by_their_role_and_by_whether_they_are_switched_off() {
    for store in every_store().await {
        let organization = store.first.organization;
        let viewer =
            |name: &str| NewUser { role: Viewer, ..new_user(name, &format!("{name}@example.com")) };
        let bob = store.create_user(&store.act(), viewer("bob")).await.unwrap();
        store.create_user(&store.act(), viewer("cy")).await.unwrap();
        store.set_user_disabled(&store.act(), bob.id, true).await.unwrap();
        let found = async |role: Option<OrganizationRole>, is_disabled: Option<bool>| {
            let filter = UserFilter { role, is_disabled, ..UserFilter::default() };
            let rows = store.search_users(organization, &filter, None, 10).await.unwrap();
            rows.into_iter().map(|user| user.name).collect::<Vec<_>>().join(" ")
        };
        let viewers = Some(Viewer);
        assert_eq!(found(viewers, None).await, "bob cy", "{}", store.engine());
        assert_eq!(found(viewers, Some(false)).await, "cy");
        assert_eq!(found(None, Some(true)).await, "bob");
        assert_eq!(found(Some(Member), None).await, "");
    }
}

#[tokio::test]
async fn whoever_was_never_here_is_told_from_the_others() {
    for store in every_store().await {
        let organization = store.first.organization;
        let add = async |name: &str| {
            let new = new_user(name, &format!("{name}@example.com"));
            store.create_user(&store.act(), new).await.unwrap().id
        };
        store.make_key("for its digest").await;
        add("fresh").await;
        for (name, sql) in [
            ("seen", "UPDATE users SET seen_at_us = 1 WHERE id = '{}'"),
            (
                "password",
                "INSERT INTO passwords (user_id, organization_id, hash, salt, memory_kib, passes,
                    pepper_version, set_at_us)
                SELECT '{}', organization_id, digest, substr(digest, 1, 16), 1, 1, 1, 1
                FROM key_secrets",
            ),
        ] {
            let id = add(name).await;
            store.tamper(&sql.replace("{}", &id.to_string())).await;
        }
        let owner = Owner::User(add("caller").await);
        store.make_key_of(owner, "unused").await;
        let found = async |is_new| {
            let filter = UserFilter { is_new, ..holding("@example.com") };
            let rows = store.search_users(organization, &filter, None, 10).await.unwrap();
            rows.into_iter().map(|user| user.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(Some(true)).await, "caller fresh", "{}", store.engine());
        store
            .tamper(&format!("UPDATE api_keys SET last_used_at_us = 1 WHERE owner_id = '{owner}'"))
            .await;
        assert_eq!(found(Some(true)).await, "fresh");
        assert_eq!(found(Some(false)).await, "caller password seen");
        assert_eq!(found(None).await, "caller fresh password seen");
    }
}

#[tokio::test]
async fn the_presence_of_a_user_counts_keys_that_could_be_used() {
    for store in every_store().await {
        let organization = store.first.organization;
        let ada = store.make_user("ada", Member).await;
        // Whose keys are another's is not mixed up.
        let bob = store.make_user("bob", Member).await;
        store.make_key_of(Owner::User(bob.id), "his").await;
        let both = [ada.id, bob.id];
        let presence = async || store.presences(organization, &both).await.unwrap().of(ada.id);
        assert_eq!(presence().await, Presence::default(), "{}", store.engine());
        let (kept, _) = store.make_key_of(Owner::User(ada.id), "kept").await;
        let (gone, _) = store.make_key_of(Owner::User(ada.id), "gone").await;
        store.revoke_key(&store.act(), &gone.id).await.unwrap();
        assert_eq!(presence().await.keys, 1);
        store
            .tamper(&format!(
                "UPDATE api_keys SET last_used_at_us = 7000000 WHERE id = '{}';
                UPDATE users SET seen_at_us = 5000000 WHERE id = '{}'",
                kept.id, ada.id
            ))
            .await;
        assert_eq!(presence().await.last_seen_at.unwrap().as_second(), 7);
        store
            .tamper(&format!("UPDATE users SET seen_at_us = 9000000 WHERE id = '{}'", ada.id))
            .await;
        assert_eq!(presence().await.last_seen_at.unwrap().as_second(), 9);
        store
            .tamper(&format!("UPDATE api_keys SET expires_at_us = 1 WHERE id = '{}'", kept.id))
            .await;
        assert_eq!(presence().await.keys, 0);
    }
}
