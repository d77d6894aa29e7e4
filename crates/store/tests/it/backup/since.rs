//! What became of things after the backup: nothing that ended comes back.

use doorward_domain::bounds::Bounds;
use doorward_domain::id::TokenId;
use doorward_domain::increase::IncreaseState;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::narrowing::Narrowing;
use doorward_domain::rights::Rights;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::setting::{Setting, SettingValue};
use doorward_domain::sign_in_token::SignInToken;
use doorward_domain::token::Claims;
use doorward_store::{
    Client, KeyEdit, LinkPurpose, NewKey, NewUser, NewWebhook, Outcome, SettingsEdit, SignedIn,
    User, WebhookEdit,
};
use jiff::SignedDuration;

use super::*;
use crate::{increases, mailed_links};

const EMAIL: &str = "ada@example.com";
const URL: &str = "https://models.example";

/// Where a restore learns what ended: the old data, and the exported list.
async fn sources(store: &TestStore) -> [(RevocationSource, &'static str); 2] {
    let list = store.data.path().join("list");
    std::fs::write(&list, exported(store).await).unwrap();
    let live = match &store.database_url {
        None => RevocationSource::DataDir(store.data.path().to_owned()),
        Some(url) => RevocationSource::Database(SecretString::from(url.clone())),
    };
    [(live, "the old data"), (RevocationSource::List(list), "the list")]
}

/// Everything that ends a credential happens after the backup; then by each of the two ways none of
/// it comes back.
#[tokio::test]
async fn what_ended_after_the_backup_stays_ended() {
    for store in every_store().await {
        let act = store.act();
        let (revoked, revoked_plain) = store.make_key("revoked").await;
        let (disabled, disabled_plain) = store.make_key("disabled").await;
        let (again, again_plain) = store.make_key("disabled and enabled").await;
        let (rotated, rotated_plain) = store.make_key("rotated").await;
        let (_, untouched_plain) = store.make_key("untouched").await;
        let ada = store.make_user("Ada", OrganizationRole::Member).await.id;
        let (_, of_ada) = store.make_key_of(Owner::User(ada), "of ada").await;
        let bot = store.make_service_account("bot").await;
        let (_, of_bot) = store.make_key_of(Owner::ServiceAccount(bot), "of bot").await;
        spend(&store, &revoked, 7).await;
        let sealed = backup(&store.store, &act).await;

        store.revoke_key(&act, &revoked.id).await.unwrap();
        store.set_key_disabled(&act, &disabled.id, true).await.unwrap();
        store.set_key_disabled(&act, &again.id, true).await.unwrap();
        store.set_key_disabled(&act, &again.id, false).await.unwrap();
        let at_once = Rotation {
            overlap: Overlap::from_seconds(0).unwrap(),
            expires_at: None,
            if_updated_at: None,
        };
        store.rotate_key(&act, &rotated.id, at_once).await.unwrap();
        store.remove_user(&act, ada).await.unwrap();
        store.set_service_account_disabled(&act, bot, true).await.unwrap();
        spend(&store, &revoked, 9).await;

        for (source, from) in sources(&store).await {
            let place = Place::new(None);
            let is_live = from == "the old data";
            let restored = place.restore(&sealed, vec![source]).await.unwrap();
            let said = format!("{} {from} {restored:?}", store.engine());
            let to = place.open().await;
            assert_eq!(works(&to, &revoked_plain).await, Err(Denial::Revoked), "{said}");
            assert_eq!(works(&to, &disabled_plain).await, Err(Denial::Disabled), "{said}");
            assert_eq!(works(&to, &rotated_plain).await, Err(Denial::SecretReplaced), "{said}");
            assert!(works(&to, &of_ada).await.is_err(), "{said}");
            assert_eq!(works(&to, &of_bot).await, Err(Denial::OwnerInactive), "{said}");
            assert_eq!(works(&to, &untouched_plain).await, Ok(()), "{said}");
            assert_eq!(works(&to, &again_plain).await, Ok(()), "{said}");
            // The removed user's key was revoked with them.
            assert_eq!((restored.keys_revoked, restored.keys_disabled), (2, 1), "{said}");
            assert_eq!((restored.secrets_ended, restored.owners_ended), (1, 2), "{said}");
            assert_eq!(restored.spend_raised, u64::from(is_live), "{said}");
            assert!(matches!(to.verify_audit().await.unwrap(), AuditVerdict::Whole(_)), "{said}");
            to.close().await;
        }
        assert_eq!(spent(&store).await, ["9"], "the old data are only read");
    }
}

/// As `doorward audit export` writes it.
async fn exported(store: &TestStore) -> String {
    let organization = store.first.organization;
    let entries =
        store.search_audit(organization, &AuditFilter::default(), None, 500).await.unwrap();
    let line = |entry: &doorward_domain::audit::AuditEntry| {
        let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
        serde_json::json!({
            "object": "audit_entry", "sequence": entry.sequence, "at": entry.at,
            "actor": entry.actor, "action": entry.action, "subject": entry.subject, "detail": detail,
        })
    };
    entries.iter().map(|entry| format!("{}\n", line(entry))).collect::<Vec<_>>().concat()
}

/// As `audit export --action key.` would, it tells of some ends only.
#[tokio::test]
async fn a_list_with_a_gap_writes_nothing() {
    for store in every_store().await {
        let [(first, _), (second, _), (third, _)] =
            [store.make_key("a").await, store.make_key("b").await, store.make_key("c").await];
        let sealed = backup(&store.store, &store.act()).await;
        for key in [&first, &second, &third] {
            store.revoke_key(&store.act(), &key.id).await.unwrap();
        }
        let [_, (list, _)] = sources(&store).await;
        let path = store.data.path().join("list");
        let whole = std::fs::read_to_string(&path).unwrap();
        let is_gone =
            |line: &&str| line.contains("key.revoke") && line.contains(&second.id.to_string());
        let kept: Vec<&str> = whole.split_inclusive('\n').filter(|line| !is_gone(line)).collect();
        assert_eq!(kept.len() + 1, whole.lines().count());
        std::fs::write(&path, kept.concat()).unwrap();
        let place = Place::new(None);
        let refused = place.restore(&sealed, vec![list]).await;
        assert!(matches!(refused, Err(RestoreError::ListLacks { .. })), "{refused:?}");
        assert!(!place.data().exists(), "{}", store.engine());
    }
}

#[tokio::test]
async fn old_data_of_another_installation_end_nothing_and_nothing_is_written() {
    for [store, other] in [every_store().await, every_store().await] {
        store.make_key("ci").await;
        let sealed = backup(&store.store, &store.act()).await;
        let [(live, _), _] = sources(&other).await;
        let place = Place::new(None);
        let refused = place.restore(&sealed, vec![live]).await;
        assert!(matches!(refused, Err(RestoreError::OtherData)), "{refused:?}");
        assert!(!place.data().exists(), "{}", store.engine());
    }
}

/// What ended so long ago that nothing tells of it any more.
#[tokio::test]
async fn a_key_that_was_deleted_after_the_backup_stays_ended() {
    for store in every_store().await {
        let act = store.act();
        let (over, plain) = store.make_key("over").await;
        let sealed = backup(&store.store, &act).await;
        store.revoke_key(&act, &over.id).await.unwrap();
        store.sweep_keys().await.unwrap();
        let days = vec![(Setting::AuditRetentionDays, Some(SettingValue::Number(30)))];
        let edit = SettingsEdit {
            changes: days,
            if_updated_at: None,
            may_forget: true,
            is_preview: false,
        };
        store.change_settings(&act, &edit).await.unwrap();
        store.pass(SignedDuration::from_hours(24 * 40));
        store.sweep_old_records().await.unwrap();
        assert!(store.find_key(over.organization, &over.id).await.unwrap().is_none());

        let [(live, _), (list, _)] = sources(&store).await;
        let place = Place::new(None);
        let restored = place.restore(&sealed, vec![live]).await.unwrap();
        assert_eq!(restored.keys_revoked, 1, "{restored:?} on {}", store.engine());
        let to = place.open().await;
        assert_eq!(works(&to, &plain).await, Err(Denial::Revoked), "{}", store.engine());
        to.close().await;
        let refused = Place::new(None).restore(&sealed, vec![list]).await;
        assert!(matches!(refused, Err(RestoreError::ListLacks { .. })), "{refused:?}");
    }
}

/// Rights that were taken from a key or a user since are not given back.
#[tokio::test]
async fn what_was_narrowed_after_the_backup_stays_narrow() {
    for store in every_store().await {
        let act = store.act();
        let (key, _) = store.make_key("ci").await;
        let (in_page, _) = store
            .create_key(
                &act,
                NewKey {
                    rights: Rights {
                        allowed_origins: serde_json::from_str(r#"["https://a.example"]"#).unwrap(),
                        ..store.new_key("").rights
                    },
                    ..store.new_key("page")
                },
            )
            .await
            .unwrap();
        let ada = add_ada(&store, OrganizationRole::Owner).await;
        let sealed = backup(&store.store, &act).await;

        let narrow = Rights {
            scopes: [Scope::InferenceRead].into_iter().collect(),
            expires_at: Some(store.now() + SignedDuration::from_hours(1)),
            ..key.rights.clone()
        };
        let edit = KeyEdit { rights: Some(narrow.clone()), ..KeyEdit::default() };
        store.edit_key(&act, &key.id, edit).await.unwrap();
        let pages = serde_json::from_str(r#"["https://b.example"]"#).unwrap();
        let elsewhere = Rights { allowed_origins: pages, ..in_page.rights.clone() };
        let edit = KeyEdit { rights: Some(elsewhere), ..KeyEdit::default() };
        store.edit_key(&act, &in_page.id, edit).await.unwrap();
        let edited = User {
            role: OrganizationRole::Viewer,
            email: Some("ada@new.example".parse().unwrap()),
            ..ada.clone()
        };
        store.edit_user(&act, &edited).await.unwrap();

        for (source, from) in sources(&store).await {
            let place = Place::new(None);
            let restored = place.restore(&sealed, vec![source]).await.unwrap();
            let said = format!("{} {from} {restored:?}", store.engine());
            let to = place.open().await;
            let organization = store.first.organization;
            let found = to.find_key(organization, &key.id).await.unwrap().unwrap();
            assert_eq!(found.key.rights, narrow, "{said}");
            let allows = async |page: &str| to.is_origin_allowed(&page.parse().unwrap()).await;
            let pages = [allows("https://a.example").await, allows("https://b.example").await];
            assert_eq!(pages.map(Result::unwrap), [false, true], "{said}");
            let found = to.find_user(organization, ada.id).await.unwrap().unwrap();
            assert_eq!((found.role, found.email), (OrganizationRole::Viewer, None), "{said}");
            assert_eq!((restored.keys_edited, restored.users_edited), (2, 1), "{said}");
            assert!(matches!(to.verify_audit().await.unwrap(), AuditVerdict::Whole(_)), "{said}");
            to.close().await;
        }
    }
}

async fn add_ada(store: &TestStore, role: OrganizationRole) -> User {
    let new = NewUser {
        name: "ada".to_owned(),
        email: Some(EMAIL.parse().unwrap()),
        role,
        bounds: Bounds::NONE,
    };
    store.create_user(&store.act(), new).await.unwrap()
}

/// Sets a password as whoever has a link does.
async fn set_password(store: &TestStore, user: &User, password: &str) {
    let link = store.make_password_link(&store.act(), user.id, LinkPurpose::Reset).await.unwrap();
    let linked = store.find_password_link(&link.token).await.unwrap().unwrap();
    let hashed = store.hash_password(&SecretString::from(password)).await.unwrap();
    assert!(store.use_password_link(&link.token, &linked, &hashed, None).await.unwrap());
}

/// Signs ada in; why not, where it does not go.
async fn try_sign_in(
    store: &Store,
    password: &str,
    code: Option<&SecretString>,
) -> Result<SignInToken, &'static str> {
    let found = store.find_sign_in("default", &EMAIL.parse().unwrap()).await.unwrap();
    let (user, stored) = found.ok_or("no password")?;
    if !store.password_matches(Some(&stored), &SecretString::from(password)).await.unwrap() {
        return Err("another password");
    }
    let client = Client { address: "192.0.2.7".to_owned(), user_agent: "test".to_owned() };
    match store.sign_in(&user, &stored, code, &client).await.unwrap() {
        SignedIn::Yes(_, token) => Ok(token),
        SignedIn::CodeRequired => Err("a code is required"),
        SignedIn::CodeWrong => Err("another code"),
    }
}

/// Gives ada a second factor; its recovery codes.
async fn add_factor(store: &TestStore, user: &User) -> Vec<SecretString> {
    let factor = store.begin_second_factor(&store.act(), user.id).await.unwrap();
    let code = SecretString::from(factor.code_at(store.now()).as_str());
    let codes = store.confirm_second_factor(&store.act(), user.id, &code).await.unwrap();
    codes.unwrap()
}

const PASSWORD: &str = "a strange engine 42";

#[tokio::test]
async fn a_password_or_second_factor_of_the_backup_that_was_changed_since_signs_nobody_in() {
    for change in ["nothing", "the password", "a second factor was set up", "it was removed"] {
        let [sqlite, postgres] = every_store().await;
        let store = if change == "the password" { postgres } else { sqlite };
        let ada = add_ada(&store, OrganizationRole::Member).await;
        set_password(&store, &ada, PASSWORD).await;
        if change == "it was removed" {
            add_factor(&store, &ada).await;
        }
        let sealed = backup(&store.store, &store.act()).await;
        match change {
            "the password" => set_password(&store, &ada, "another strange 42").await,
            "a second factor was set up" => drop(add_factor(&store, &ada).await),
            "it was removed" => {
                store.remove_second_factor(&store.act(), ada.id).await.unwrap();
            }
            _ => {}
        }
        for (source, from) in sources(&store).await {
            let place = Place::new(None);
            let restored = place.restore(&sealed, vec![source]).await.unwrap();
            let to = place.open().await;
            let signed_in = try_sign_in(&to, PASSWORD, None).await.map(drop);
            let (expected, ended) =
                if change == "nothing" { (Ok(()), 0) } else { (Err("no password"), 1) };
            assert_eq!(signed_in, expected, "{change}, {from}: {restored:?}");
            assert_eq!(restored.sign_ins_ended, ended, "{change}, {from}: {restored:?}");
            assert!(!to.has_second_factor(ada.organization, ada.id).await.unwrap());
            to.close().await;
        }
    }
}

#[tokio::test]
async fn a_recovery_code_that_was_used_after_the_backup_is_used_up() {
    for store in every_store().await {
        let ada = add_ada(&store, OrganizationRole::Member).await;
        set_password(&store, &ada, PASSWORD).await;
        let codes = add_factor(&store, &ada).await;
        let sealed = backup(&store.store, &store.act()).await;
        let untouched = sources(&store).await;
        for (source, _) in untouched {
            let restored = Place::new(None).restore(&sealed, vec![source]).await.unwrap();
            assert_eq!(restored.sign_ins_ended, 0, "{}", store.engine());
        }
        try_sign_in(&store, PASSWORD, codes.first()).await.unwrap();
        for (source, from) in sources(&store).await {
            let place = Place::new(None);
            let restored = place.restore(&sealed, vec![source]).await.unwrap();
            assert_eq!(restored.sign_ins_ended, 1, "{} {from}", store.engine());
            let to = place.open().await;
            for code in codes.iter().take(2) {
                let refused = try_sign_in(&to, PASSWORD, Some(code)).await.map(drop);
                assert_eq!(refused, Err("another code"), "{} {from}", store.engine());
            }
            to.close().await;
        }
    }
}

#[tokio::test]
async fn nobody_is_signed_in_after_a_restore_and_no_link_works() {
    for store in every_store().await {
        let ada = add_ada(&store, OrganizationRole::Member).await;
        set_password(&store, &ada, PASSWORD).await;
        let session = try_sign_in(&store, PASSWORD, None).await.unwrap();
        let link = store.make_password_link(&store.act(), ada.id, LinkPurpose::Reset).await;
        let link = link.unwrap().token;
        let sealed = backup(&store.store, &store.act()).await;
        let place = Place::new(None);
        place.restore(&sealed, Vec::new()).await.unwrap();
        let to = place.open().await;
        assert!(store.identify_session(&session).await.unwrap().is_some(), "it is good here");
        assert!(to.identify_session(&session).await.unwrap().is_none(), "{}", store.engine());
        assert!(to.find_password_link(&link).await.unwrap().is_none(), "{}", store.engine());
        assert!(try_sign_in(&to, PASSWORD, None).await.is_ok(), "the password is as it was");
        to.close().await;
    }
}

#[tokio::test]
async fn what_was_granted_for_a_while_and_letters_with_links_end_with_a_restore() {
    for store in every_store().await {
        store.set_public_url(URL.to_owned());
        let key = increases::key(&store, "ci").await;
        let asked = increases::ask(&store, &key).await.unwrap();
        let ends_at = Some(store.now() + SignedDuration::from_hours(24));
        increases::grant(&store, &asked, ends_at).await.unwrap();
        let open = increases::key(&store, "open").await;
        let open = increases::ask(&store, &open).await.unwrap();
        let ada = add_ada(&store, OrganizationRole::Member).await;
        mailed_links::mail(&store, &ada, LinkPurpose::Reset).await;
        assert_eq!(store.due_targets().await.unwrap().len(), 1, "the letter waits");
        let sealed = backup(&store.store, &store.act()).await;
        for place in Place::every().await {
            let restored = place.restore(&sealed, Vec::new()).await.unwrap();
            assert_eq!(restored.increases_ended, 2, "one that held, one that was open");
            let to = place.open().await;
            let record = to.find_key(key.organization, &key.id).await.unwrap().unwrap();
            assert_eq!(record.increase, None, "{}", store.engine());
            assert_eq!(record.key.rights.limits, key.rights.limits);
            let open = to.find_increase(key.organization, open.id).await.unwrap().unwrap();
            assert_eq!(open.state, IncreaseState::Lapsed);
            assert!(to.due_targets().await.unwrap().is_empty(), "{}", store.engine());
            to.close().await;
        }
    }
}

#[tokio::test]
async fn an_audit_log_that_was_cut_is_whole_after_a_restore_and_goes_on() {
    for store in every_store().await {
        let detail = serde_json::json!({});
        store.record(&store.act(), "user.sign_in", "old", detail.clone()).await.unwrap();
        store.pass(SignedDuration::from_hours(24 * 40));
        let changes = vec![(Setting::AuditRetentionDays, Some(SettingValue::Number(30)))];
        let edit =
            SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false };
        store.change_settings(&store.act(), &edit).await.unwrap();
        assert!(store.sweep_old_records().await.unwrap().audit_entries > 0);
        let sealed = backup(&store.store, &store.act()).await;
        for mut place in Place::every().await {
            place.now_us = store.now().as_microsecond();
            place.restore(&sealed, Vec::new()).await.unwrap();
            let to = place.open().await;
            to.record(&store.act(), "user.sign_in", "new", detail.clone()).await.unwrap();
            let verdict = to.verify_audit().await.unwrap();
            assert!(matches!(verdict, AuditVerdict::Whole(_)), "{verdict:?} {}", store.engine());
            to.close().await;
        }
    }
}

/// A revocation may be lost with the old data, so it must not be needed.
#[tokio::test]
async fn no_token_from_before_is_good_after_a_restore() {
    for store in every_store().await {
        store.set_public_url(URL.to_owned());
        let (key, _) = store.make_key("ci").await;
        let claims = Claims {
            issuer: URL.to_owned(),
            audience: URL.to_owned(),
            owner: key.owner,
            key: key.id,
            secret: SecretNumber::FIRST,
            id: TokenId::new(1, 1),
            issued_at: store.now(),
            expires_at: store.now() + SignedDuration::from_hours(1),
            narrowing: Narrowing { scopes: ScopeSet::ALL, models: ModelRule::All },
            salt: 1,
        };
        let token = store.sign_token(&claims).unwrap();
        let sealed = backup(&store.store, &store.act()).await;
        let lines = lines(&sealed);
        assert!(!lines.iter().any(|line| line.contains("[\"token\"")), "no signing key leaves");
        assert!(lines.iter().any(|line| line.contains("[\"vault\"")), "{}", store.engine());
        assert!(store.revoke_token(&store.act(), &claims).await.unwrap());

        let place = Place::new(None);
        place.restore(&sealed, Vec::new()).await.unwrap();
        let to = place.open().await;
        to.set_public_url(URL.to_owned());
        assert!(to.check_token(&token).is_none(), "{}", store.engine());
        assert_ne!(to.token_public_keys(), store.token_public_keys());
        let claims = Claims { issued_at: to.clock().now(), ..claims };
        let token = to.sign_token(&claims).unwrap();
        assert!(to.check_token(&token).is_some(), "{}", store.engine());
        to.close().await;
    }
}

#[tokio::test]
async fn a_webhook_that_was_changed_after_the_backup_signs_nothing_with_its_old_secret() {
    for store in every_store().await {
        let make = async |name: &str| {
            let new = NewWebhook { name: name.to_owned(), url: "https://hooks.example/a".into() };
            store.create_webhook(&store.act(), new).await.unwrap().0.id
        };
        let kept = make("kept").await;
        let (rotated, edited, deleted) = (make("a").await, make("b").await, make("c").await);
        let sealed = backup(&store.store, &store.act()).await;
        store.rotate_webhook(&store.act(), rotated).await.unwrap();
        let url = Some("https://hooks.example/b".to_owned());
        let edit = WebhookEdit { url, ..WebhookEdit::default() };
        store.edit_webhook(&store.act(), edited, edit).await.unwrap();
        store.delete_webhook(&store.act(), deleted).await.unwrap();
        for (source, from) in sources(&store).await {
            let place = Place::new(None);
            let restored = place.restore(&sealed, vec![source]).await.unwrap();
            let to = place.open().await;
            let left = to.list_webhooks(store.first.organization, None, 9).await.unwrap();
            let left: Vec<_> = left.iter().map(|webhook| webhook.id).collect();
            assert_eq!(left, [kept], "{} {from}", store.engine());
            assert_eq!(restored.webhooks_removed, 3, "{} {from}", store.engine());
            assert!(to.webhook_secrets(store.first.organization, kept).await.unwrap().is_some());
            to.close().await;
        }
    }
}

/// An attempt that was refused is in the log under the name of the act.
#[tokio::test]
async fn what_somebody_was_refused_to_end_goes_on() {
    for store in every_store().await {
        let ada = add_ada(&store, OrganizationRole::Member).await;
        let (_, plain) = store.make_key_of(Owner::User(ada.id), "of ada").await;
        let sealed = backup(&store.store, &store.act()).await;
        let denied = serde_json::json!({"outcome": "denied", "code": "exceeds_own_rights"});
        store.record(&store.act(), "user.remove", &ada.id.to_string(), denied).await.unwrap();
        for (source, from) in sources(&store).await {
            let place = Place::new(None);
            place.restore(&sealed, vec![source]).await.unwrap();
            let to = place.open().await;
            assert_eq!(works(&to, &plain).await, Ok(()), "{} {from}", store.engine());
            to.close().await;
        }
    }
}

/// What was sent before the backup is remembered there.
#[tokio::test]
async fn what_was_told_before_the_backup_is_not_told_again() {
    for store in every_store().await {
        let new = NewWebhook { name: "ops".to_owned(), url: "https://hooks.example/a".into() };
        store.create_webhook(&store.act(), new).await.unwrap();
        let soon = Some(store.now() + SignedDuration::from_hours(24 * 6));
        let soon = Rights { expires_at: soon, ..store.new_key("").rights };
        let (key, _) = store
            .create_key(&store.act(), NewKey { rights: soon, ..store.new_key("ci") })
            .await
            .unwrap();
        store.pass(SignedDuration::from_hours(24 * 5 + 1));
        assert_eq!(store.plan_notices(true).await.unwrap().notices, 1, "{}", store.engine());
        let target = store.due_targets().await.unwrap().remove(0);
        let told = store.take_notice(target).await.unwrap().unwrap().notice;
        assert_eq!(told.subject, key.id.to_string());
        store.finish_notice(&told, Outcome::Sent).await.unwrap();
        let sealed = backup(&store.store, &store.act()).await;
        let place = Place::at(store.now());
        place.restore(&sealed, Vec::new()).await.unwrap();
        let to = place.open().await;
        assert_eq!(to.plan_notices(true).await.unwrap().notices, 0, "{}", store.engine());
        assert!(to.due_targets().await.unwrap().is_empty());
        to.close().await;
    }
}
