//! Passwords, links, sessions, and what a session may do inside an act.

use doorward_domain::bounds::Bounds;
use doorward_domain::email::EmailAddress;
use doorward_domain::id::SessionId;
use doorward_domain::role::OrganizationRole;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_domain::sign_in_token::SignInToken;
use doorward_store::{
    Actor, Client, LinkPurpose, NewUser, Removed, Session, SettingsEdit, SignedIn, StoreError, User,
};
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::harness::{TestStore, every_store};

const EMAIL: &str = "ada@example.com";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

async fn invited(store: &TestStore, role: OrganizationRole) -> (User, SignInToken) {
    let email = Some(EMAIL.parse().unwrap());
    let new = NewUser { name: "ada".to_owned(), email, role, bounds: Bounds::NONE };
    let user = store.create_user(&store.act(), new).await.unwrap();
    let made = store.make_password_link(&store.act(), user.id, LinkPurpose::Invitation).await;
    (user, made.unwrap().token)
}

async fn accepted(store: &TestStore, token: &SignInToken, password: &str) -> bool {
    let Some(linked) = store.find_password_link(token).await.unwrap() else { return false };
    let hashed = store.hash_password(&secret(password)).await.unwrap();
    store.use_password_link(token, &linked, &hashed, None).await.unwrap()
}

async fn signed_in(store: &TestStore) -> (Session, SignInToken) {
    let found = store.find_sign_in("default", &EMAIL.parse().unwrap()).await.unwrap();
    let (user, stored) = found.unwrap();
    let client = Client { address: "192.0.2.7".to_owned(), user_agent: "test".to_owned() };
    match store.sign_in(&user, &stored, None, &client).await.unwrap() {
        SignedIn::Yes(session, token) => (*session, token),
        other @ (SignedIn::CodeRequired | SignedIn::CodeWrong) => panic!("{other:?}"),
    }
}

/// A user with a password who is signed in.
async fn with_session(store: &TestStore, role: OrganizationRole) -> (User, Session, SignInToken) {
    let (user, token) = invited(store, role).await;
    assert!(accepted(store, &token, "a strange engine 42").await);
    let (session, token) = signed_in(store).await;
    (user, session, token)
}

fn actor(session: &Session, role: OrganizationRole) -> Actor {
    Actor::Session { id: session.id, user: session.user, role }
}

#[tokio::test]
async fn a_password_is_told_from_another_and_from_none() {
    for store in every_store().await {
        let (user, token) = invited(&store, OrganizationRole::Member).await;
        assert!(store.find_sign_in("default", &EMAIL.parse().unwrap()).await.unwrap().is_none());
        assert!(accepted(&store, &token, "a strange engine 42").await);
        assert!(!accepted(&store, &token, "a strange engine 43").await, "the link is used up");
        let stored = store.find_password(user.organization, user.id).await.unwrap();
        let matches = async |stored, given: &str| {
            store.password_matches(stored, &secret(given)).await.unwrap()
        };
        assert!(matches(stored.as_ref(), "a strange engine 42").await);
        assert!(!matches(stored.as_ref(), "a strange engine 43").await);
        assert!(!matches(None, "a strange engine 42").await);
        let rows = "SELECT CAST(COUNT(*) AS TEXT) FROM passwords WHERE length(salt) = 16";
        assert_eq!(store.read(rows, rows).await, ["1"], "{}", store.engine());
        assert!(store.find_sign_in("other", &EMAIL.parse().unwrap()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_link_is_used_by_one_of_two_at_once_and_ends() {
    for store in every_store().await {
        let (user, token) = invited(&store, OrganizationRole::Member).await;
        let linked = store.find_password_link(&token).await.unwrap().unwrap();
        let hashed = store.hash_password(&secret("a strange engine 42")).await.unwrap();
        let both = [
            store.use_password_link(&token, &linked, &hashed, None).await.unwrap(),
            store.use_password_link(&token, &linked, &hashed, None).await.unwrap(),
        ];
        assert_eq!(both, [true, false], "{}", store.engine());
        let made =
            store.make_password_link(&store.act(), user.id, LinkPurpose::Reset).await.unwrap();
        store.pass(SignedDuration::from_hours(24));
        assert!(store.find_password_link(&made.token).await.unwrap().is_none());
        assert_eq!(store.sweep_sign_ins().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_link_gives_an_address_to_whoever_has_none_and_to_nobody_else() {
    for store in every_store().await {
        let (_, other) = invited(&store, OrganizationRole::Member).await;
        let state = store.sign_in_state().await.unwrap();
        assert!(!state.is_set_up && !state.has_organizations, "{}", store.engine());
        let administrator = store.first.administrator;
        let made =
            store.make_password_link(&store.act(), administrator, LinkPurpose::Invitation).await;
        let token = made.unwrap().token;
        let hashed = store.hash_password(&secret("a strange engine 42")).await.unwrap();
        let email = |text: &str| Some(text.parse::<EmailAddress>().unwrap());
        let accept = async |token: &SignInToken, text: &str| {
            let linked = store.find_password_link(token).await.unwrap().unwrap();
            store.use_password_link(token, &linked, &hashed, email(text).as_ref()).await
        };
        let refused = accept(&token, "ADA@example.com").await;
        assert!(matches!(refused, Err(StoreError::Taken { field: "email" })), "{refused:?}");
        let fixed = accept(&other, "new@example.com").await;
        assert!(matches!(fixed, Err(StoreError::Stale)), "{fixed:?}");
        assert!(!store.sign_in_state().await.unwrap().is_set_up, "nothing of both was done");

        assert!(accept(&token, "Admin@example.com").await.unwrap());
        let found = store.find_sign_in("default", &email("admin@example.com").unwrap()).await;
        let (owner, _) = found.unwrap().unwrap();
        assert_eq!((owner.id, owner.email), (administrator, email("Admin@example.com")));
        store.second_organization().await;
        let state = store.sign_in_state().await.unwrap();
        assert!(state.is_set_up && state.has_organizations, "{}", store.engine());
    }
}

#[tokio::test]
async fn an_act_of_a_session_that_is_over_is_not_done() {
    let role = OrganizationRole::Admin;
    for store in every_store().await {
        let (user, first, token) = with_session(&store, role).await;
        let refused = async |session: &Session, role, why: &str| {
            let act = doorward_store::Act { actor: actor(session, role), ..store.act() };
            let done = store.record(&act, "x", "y", serde_json::json!({})).await;
            assert!(matches!(done, Err(StoreError::ActorChanged)), "{why} on {}", store.engine());
        };
        let act = doorward_store::Act { actor: actor(&first, role), ..store.act() };
        store.record(&act, "x", "y", serde_json::json!({})).await.unwrap();
        refused(&first, OrganizationRole::Owner, "another role").await;
        let other = Session { id: SessionId::new(1, 1), ..first.clone() };
        refused(&other, role, "no such session").await;
        let of_other = Session { user: store.first.administrator, ..first.clone() };
        refused(&of_other, role, "somebody else's").await;

        let lowered = User { role: OrganizationRole::Member, ..user.clone() };
        let lowered = store.edit_user(&store.act(), &lowered).await.unwrap();
        refused(&first, role, "lowered").await;
        store.edit_user(&store.act(), &User { role, ..lowered }).await.unwrap();

        store.pass(SignedDuration::from_mins(30));
        refused(&first, role, "idle").await;
        assert!(store.identify_session(&token).await.unwrap().is_none());
        let (second, token) = signed_in(&store).await;
        store.set_user_disabled(&store.act(), user.id, true).await.unwrap();
        refused(&second, role, "disabled").await;
        store.set_user_disabled(&store.act(), user.id, false).await.unwrap();
        refused(&second, role, "enabled again").await;
        assert!(store.identify_session(&token).await.unwrap().is_none());
        let (third, _) = signed_in(&store).await;
        let ended = store.end_session(&store.act(), user.id, third.id).await.unwrap();
        assert_eq!(ended, Removed::Yes);
        refused(&third, role, "ended").await;
        let again = store.end_session(&store.act(), user.id, third.id).await.unwrap();
        assert_eq!(again, Removed::NotFound);
    }
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_settings_say_at_each_instant() {
    let minutes = SignedDuration::from_mins;
    for store in every_store().await {
        let set = async |setting, value| {
            let edit = SettingsEdit {
                changes: vec![(setting, Some(SettingValue::Number(value)))],
                if_updated_at: None,
                may_forget: false,
                is_preview: false,
            };
            store.change_settings(&store.act(), &edit).await.unwrap();
        };
        let lasts = async |token| store.identify_session(token).await.unwrap().is_some();
        let used = async |session: &Session| {
            store.touch_session(session, "192.0.2.8".parse().unwrap()).await.unwrap();
        };

        let (_, session, token) = with_session(&store, OrganizationRole::Member).await;
        assert_eq!(session.ends_at, store.now() + minutes(30), "{}", store.engine());
        store.pass(minutes(29));
        used(&session).await;
        store.pass(minutes(29));
        assert!(lasts(&token).await);
        store.pass(minutes(1));
        assert!(!lasts(&token).await, "idle on {}", store.engine());
        set(Setting::SessionIdleMinutes, 120).await;
        assert!(!lasts(&token).await, "revived on {}", store.engine());

        set(Setting::SessionMaxHours, 1).await;
        let (session, token) = signed_in(&store).await;
        store.pass(minutes(59));
        used(&session).await;
        assert!(lasts(&token).await);
        store.pass(minutes(1));
        assert!(!lasts(&token).await, "old on {}", store.engine());

        let (_, token) = signed_in(&store).await;
        store.pass(minutes(10));
        assert!(lasts(&token).await);
        set(Setting::SessionIdleMinutes, 10).await;
        assert!(!lasts(&token).await, "shortened on {}", store.engine());
        let listed = store.list_sessions(session.organization, session.user).await.unwrap();
        assert!(listed.is_empty(), "{listed:?}");
        assert_eq!(store.sweep_sign_ins().await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_the_oldest_goes_first() {
    for store in every_store().await {
        let (user, first, _) = with_session(&store, OrganizationRole::Member).await;
        for _ in 0..50 {
            store.pass(SignedDuration::from_secs(1));
            signed_in(&store).await;
        }
        let sessions = store.list_sessions(user.organization, user.id).await.unwrap();
        assert_eq!(sessions.len(), 50, "{}", store.engine());
        assert!(sessions.iter().all(|session| session.id != first.id));
        let keep = sessions[0].id;
        assert_eq!(store.end_sessions(&store.act(), user.id, Some(keep)).await.unwrap(), 49);
        let left = store.list_sessions(user.organization, user.id).await.unwrap();
        assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [keep]);
        let other = store.second_organization().await.organization;
        assert!(store.list_sessions(other, user.id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_password_that_changed_meanwhile_signs_nobody_in() {
    for store in every_store().await {
        let (user, _, _) = with_session(&store, OrganizationRole::Member).await;
        let found = store.find_sign_in("default", &EMAIL.parse().unwrap()).await.unwrap();
        let (_, stale) = found.unwrap();
        let link =
            store.make_password_link(&store.act(), user.id, LinkPurpose::Reset).await.unwrap();
        assert!(accepted(&store, &link.token, "another strange engine").await);
        let client = Client { address: String::new(), user_agent: String::new() };
        let refused = store.sign_in(&user, &stale, None, &client).await;
        assert!(matches!(refused, Err(StoreError::ActorChanged)), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_code_is_taken_once_however_it_is_presented() {
    for store in every_store().await {
        let (user, session, _) = with_session(&store, OrganizationRole::Member).await;
        let act =
            doorward_store::Act { actor: actor(&session, OrganizationRole::Member), ..store.act() };
        let factor = store.begin_second_factor(&act, user.id).await.unwrap();
        let code = |at| SecretString::from(factor.code_at(at).as_str());
        let codes = store.confirm_second_factor(&act, user.id, &code(store.now())).await.unwrap();
        let codes = codes.unwrap();
        store.pass(SignedDuration::from_secs(30));
        let (user, stored) =
            store.find_sign_in("default", &EMAIL.parse().unwrap()).await.unwrap().unwrap();
        let client = Client { address: String::new(), user_agent: String::new() };
        let try_with = async |code: Option<&SecretString>| match store
            .sign_in(&user, &stored, code, &client)
            .await
            .unwrap()
        {
            SignedIn::Yes(..) => "yes",
            SignedIn::CodeRequired => "required",
            SignedIn::CodeWrong => "wrong",
        };
        let fresh = code(store.now());
        let found = [
            try_with(None).await,
            try_with(Some(&fresh)).await,
            try_with(Some(&fresh)).await,
            try_with(codes.first()).await,
            try_with(codes.first()).await,
        ];
        assert_eq!(found, ["required", "yes", "wrong", "yes", "wrong"], "{}", store.engine());
        let begun = store.begin_second_factor(&act, user.id).await;
        assert!(matches!(begun, Err(StoreError::SecondFactor)));
        let removed = store.remove_second_factor(&store.act(), user.id).await.unwrap();
        assert_eq!(removed, Removed::Yes);
        assert_eq!(try_with(None).await, "yes");
    }
}

#[tokio::test]
async fn whoever_signed_in_was_seen_also_when_the_session_is_over() {
    for store in every_store().await {
        let (user, session, _) = with_session(&store, OrganizationRole::Member).await;
        let presence = async || {
            let presences = store.presences(store.first.organization, &[user.id]).await.unwrap();
            presences.of(user.id)
        };
        assert_eq!(presence().await.last_seen_at, Some(store.now()), "{}", store.engine());
        assert!(presence().await.has_password && !presence().await.has_second_factor);
        store.pass(SignedDuration::from_secs(90));
        store.touch_session(&session, "192.0.2.8".parse().unwrap()).await.unwrap();
        let seen_at = store.now();
        store.end_sessions(&store.act(), user.id, None).await.unwrap();
        store.pass(SignedDuration::from_secs(90));
        assert_eq!(presence().await.last_seen_at, Some(seen_at));
    }
}
