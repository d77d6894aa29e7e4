use doorward_domain::bounds::Bounds;
use doorward_domain::credential::KeyId;
use doorward_domain::id::UserId;
use doorward_domain::key::Owner;
use doorward_domain::notice::{ATTEMPTS_MAX, DeliveryFault, NoticeKind, NoticeState};
use doorward_domain::project_role::ProjectRole;
use doorward_domain::reminder::NoticeDays;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::Overlap;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_store::{
    Act, AuditVerdict, KeyEdit, NewKey, NewUser, NewWebhook, Notice, NoticeFilter, NoticeTarget,
    Outcome, Planned, Receiver, Rotation, SettingsEdit, StoreError,
};
use jiff::{SignedDuration, Timestamp};

use crate::harness::{TestStore, every_store};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn set(store: &TestStore, setting: Setting, value: SettingValue) {
    let edit = SettingsEdit {
        changes: vec![(setting, Some(value))],
        if_updated_at: None,
        may_forget: true,
        is_preview: false,
    };
    store.change_settings(&store.act(), &edit).await.unwrap();
}

/// Mail can be sent from here on.
async fn with_mail(store: &TestStore) {
    set(store, Setting::MailFrom, SettingValue::Text("doorward@example.com".to_owned())).await;
}

async fn person(store: &TestStore, name: &str, role: OrganizationRole) -> UserId {
    let email = Some(format!("{name}@example.com").parse().unwrap());
    let new = NewUser { name: name.to_owned(), email, role, bounds: Bounds::NONE };
    store.create_user(&store.act(), new).await.unwrap().id
}

/// A key that lives for so many days.
async fn key(store: &TestStore, owner: Owner, name: &str, days: i64) -> KeyId {
    let mut new = NewKey { owner, ..store.new_key(name) };
    new.rights.expires_at = Some(store.now() + DAY * i32::try_from(days).unwrap());
    store.create_key(&store.act(), new).await.unwrap().0.id
}

async fn plan(store: &TestStore) -> u64 {
    store.plan_notices(true).await.unwrap().notices
}

async fn notices(store: &TestStore) -> Vec<Notice> {
    let filter = NoticeFilter::default();
    let page = store.list_notices(store.first.organization, &filter, None, 200).await.unwrap();
    assert!(!page.has_more);
    page.rows
}

/// Who was told what: address or webhook, and how many days before the end.
async fn told(store: &TestStore) -> Vec<(String, u16)> {
    let mut told: Vec<(Timestamp, String, u16)> = notices(store)
        .await
        .into_iter()
        .map(|notice| {
            let to = match &notice.receiver {
                Receiver::Mail(address) => address.to_string(),
                Receiver::Webhook(id) => id.to_string(),
            };
            (notice.created_at, to, notice.threshold_days.unwrap())
        })
        .collect();
    told.sort();
    told.into_iter().map(|(_, to, days)| (to, days)).collect()
}

fn mail(store: &TestStore) -> NoticeTarget {
    NoticeTarget { organization: store.first.organization, webhook: None }
}

async fn take(store: &TestStore) -> Option<Notice> {
    let delivery = store.take_notice(mail(store)).await.unwrap()?;
    assert!(delivery.is_current);
    Some(delivery.notice)
}

fn ada(days: &[u16]) -> Vec<(String, u16)> {
    days.iter().map(|days| ("ada@example.com".to_owned(), *days)).collect()
}

#[tokio::test]
async fn a_key_that_ends_in_31_days_is_told_four_times_through_restarts() {
    for mut store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        key(&store, owner, "ci", 31).await;
        for run in 0..32 * 4 {
            plan(&store).await;
            if run % 16 == 9 {
                store.reopen().await;
                plan(&store).await;
            }
            store.pass(HOUR * 6);
        }
        assert_eq!(told(&store).await, ada(&[30, 14, 7, 1]), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_job_that_was_late_and_a_key_that_is_made_late_bring_no_burst() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        key(&store, owner, "old", 31).await;
        store.pass(DAY * 26);
        key(&store, owner, "new", 5).await;
        assert_eq!(plan(&store).await, 1);
        assert_eq!(plan(&store).await, 0);
        assert_eq!(told(&store).await, ada(&[7]));
        store.pass(DAY * 4);
        assert_eq!(plan(&store).await, 2);
        assert_eq!(told(&store).await, ada(&[7, 1, 1]), "{}", store.engine());
        store.pass(DAY * 2);
        assert_eq!(plan(&store).await, 0, "both are over");
    }
}

#[tokio::test]
async fn two_that_plan_at_once_put_each_notice_once() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        for name in ["a", "b", "c"] {
            key(&store, owner, name, 31).await;
        }
        store.pass(DAY);
        let (one, other) = tokio::join!(store.plan_notices(true), store.plan_notices(true));
        assert_eq!(one.unwrap().notices + other.unwrap().notices, 3, "{}", store.engine());
        assert_eq!(notices(&store).await.len(), 3);
    }
}

#[tokio::test]
async fn another_end_is_told_again_but_not_what_it_has_passed() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let id = key(&store, owner, "ci", 31).await;
        store.pass(DAY);
        assert_eq!(plan(&store).await, 1);
        let end_in = async |days: i32| {
            let found = store.find_key(store.first.organization, &id).await.unwrap().unwrap();
            let mut rights = found.key.rights;
            rights.expires_at = Some(store.now() + DAY * days);
            let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
            store.edit_key(&store.act(), &id, edit).await.unwrap();
        };
        end_in(60).await;
        assert_eq!(plan(&store).await, 0);
        store.pass(DAY * 30);
        assert_eq!(plan(&store).await, 1, "30 days before the new end");
        end_in(5).await;
        assert_eq!(plan(&store).await, 0, "14 and 7 days were passed when it was set");
        let other = KeyEdit { description: Some("edited".to_owned()), ..KeyEdit::default() };
        store.edit_key(&store.act(), &id, other).await.unwrap();
        store.pass(DAY * 4);
        assert_eq!(plan(&store).await, 1);
        assert_eq!(told(&store).await, ada(&[30, 30, 1]), "{}", store.engine());
    }
}

#[tokio::test]
async fn an_edit_of_something_else_loses_no_notice() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let id = key(&store, owner, "ci", 31).await;
        store.pass(DAY * 2);
        let edit = KeyEdit { description: Some("edited".to_owned()), ..KeyEdit::default() };
        store.edit_key(&store.act(), &id, edit).await.unwrap();
        let version = store.find_key(store.first.organization, &id).await.unwrap().unwrap();
        assert_eq!(plan(&store).await, 1, "{}", store.engine());
        let after = store.find_key(store.first.organization, &id).await.unwrap().unwrap();
        assert_eq!(version.key.life.updated_at, after.key.life.updated_at, "its version stays");
    }
}

#[tokio::test]
async fn nothing_is_told_of_keys_that_do_not_work_or_never_end() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let gone = person(&store, "gone", OrganizationRole::Member).await;
        let revoked = key(&store, owner, "revoked", 31).await;
        store.revoke_key(&store.act(), &revoked).await.unwrap();
        let disabled = key(&store, owner, "disabled", 31).await;
        store.set_key_disabled(&store.act(), &disabled, true).await.unwrap();
        key(&store, Owner::User(gone), "owner gone", 31).await;
        store.set_user_disabled(&store.act(), gone, true).await.unwrap();
        let mut never = NewKey { owner, ..store.new_key("never") };
        never.rights.expires_at = None;
        store.create_key(&store.act(), never).await.unwrap();
        store.pass(DAY * 20);
        assert_eq!(store.plan_notices(true).await.unwrap(), Planned::default());
        store.set_key_disabled(&store.act(), &disabled, false).await.unwrap();
        assert_eq!(plan(&store).await, 1, "it works again, and its 14 days have come");
        assert_eq!(told(&store).await, ada(&[14]), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_notice_that_waits_is_not_delivered_after_a_rotation() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let id = key(&store, owner, "ci", 31).await;
        store.pass(DAY);
        assert_eq!(plan(&store).await, 1);
        let expires_at = Some(store.now() + DAY * 31);
        let rotation = Rotation { overlap: Overlap::default(), expires_at, if_updated_at: None };
        store.rotate_key(&store.act(), &id, rotation).await.unwrap();
        let taken = store.take_notice(mail(&store)).await.unwrap().unwrap();
        assert!(!taken.is_current, "{}", store.engine());
        store.finish_notice(&taken.notice, Outcome::Obsolete).await.unwrap();
        assert_eq!(notices(&store).await[0].state, NoticeState::Obsolete);
        assert_eq!(plan(&store).await, 0);
        assert!(store.due_targets().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_administrators_of_its_project_are_told_of_a_service_key() {
    for store in every_store().await {
        with_mail(&store).await;
        for (name, role) in [
            ("owner", OrganizationRole::Owner),
            ("admin", OrganizationRole::Admin),
            ("ada", OrganizationRole::Member),
        ] {
            person(&store, name, role).await;
        }
        let account = store.make_service_account("bot").await;
        key(&store, Owner::ServiceAccount(account), "bot", 31).await;
        store.pass(DAY);
        assert_eq!(plan(&store).await, 2);
        let all: Vec<String> = told(&store).await.into_iter().map(|(to, _)| to).collect();
        assert_eq!(all, ["admin@example.com", "owner@example.com"], "{}", store.engine());

        let (organization, project) = (store.first.organization, store.first.project);
        let ada_id = store.find_user_by_name(organization, "ada").await.unwrap().unwrap().id;
        let done =
            store.set_project_member(&store.act(), project, ada_id, ProjectRole::Admin).await;
        done.unwrap();
        store.pass(DAY * 16);
        assert_eq!(plan(&store).await, 1);
        assert_eq!(told(&store).await[2], ("ada@example.com".to_owned(), 14));
    }
}

#[tokio::test]
async fn every_webhook_is_told_and_without_mail_nobody_else() {
    for store in every_store().await {
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        key(&store, owner, "ci", 31).await;
        let mut ids = Vec::new();
        for name in ["one", "two"] {
            let new = NewWebhook { name: name.to_owned(), url: "https://a.example/".to_owned() };
            let made = store.create_webhook(&store.act(), new).await.unwrap().0;
            ids.push((made.id.to_string(), 30));
        }
        store.pass(DAY);
        assert_eq!(store.plan_notices(false).await.unwrap().notices, 2);
        let mut told = told(&store).await;
        told.sort();
        ids.sort();
        assert_eq!(told, ids, "{}", store.engine());
        assert_eq!(store.due_targets().await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_key_of_which_nobody_can_be_told_is_counted_once() {
    for store in every_store().await {
        key(&store, Owner::User(store.first.administrator), "ci", 31).await;
        store.pass(DAY);
        let planned = store.plan_notices(true).await.unwrap();
        assert_eq!(planned, Planned { notices: 0, untold_keys: 1 }, "{}", store.engine());
        assert_eq!(store.plan_notices(true).await.unwrap(), Planned::default());
    }
}

#[tokio::test]
async fn the_days_are_a_setting() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let days: NoticeDays = "60,2".parse().unwrap();
        set(&store, Setting::NoticeDays, SettingValue::Days(days)).await;
        key(&store, owner, "ci", 61).await;
        for _ in 0..62 {
            plan(&store).await;
            store.pass(DAY);
        }
        assert_eq!(told(&store).await, ada(&[60, 2]));
        set(&store, Setting::NoticeDays, SettingValue::Days("none".parse().unwrap())).await;
        key(&store, owner, "next", 31).await;
        store.pass(DAY * 3);
        assert_eq!(plan(&store).await, 0, "{}", store.engine());
    }
}

#[tokio::test]
async fn an_old_secret_is_told_once_and_a_new_one_again() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let mut new = NewKey { owner, ..store.new_key("ci") };
        new.rights.expires_at = None;
        let id = store.create_key(&store.act(), new).await.unwrap().0.id;
        store.pass(DAY * 20);
        assert_eq!(plan(&store).await, 0, "it is off by itself");
        set(&store, Setting::RotationReminderDays, SettingValue::Number(30)).await;
        assert_eq!(plan(&store).await, 0);
        store.pass(DAY * 10);
        assert_eq!((plan(&store).await, plan(&store).await), (1, 0));
        let notice = take(&store).await.unwrap();
        assert_eq!((notice.kind, notice.threshold_days), (NoticeKind::KeyRotationDue, Some(30)));
        store.finish_notice(&notice, Outcome::Sent).await.unwrap();
        let rotation =
            Rotation { overlap: Overlap::default(), expires_at: None, if_updated_at: None };
        store.rotate_key(&store.act(), &id, rotation).await.unwrap();
        store.pass(DAY * 29);
        assert_eq!(plan(&store).await, 0);
        store.pass(DAY);
        assert_eq!((plan(&store).await, plan(&store).await), (1, 0), "{}", store.engine());
        store.rotate_key(&store.act(), &id, rotation).await.unwrap();
        assert!(!store.take_notice(mail(&store)).await.unwrap().unwrap().is_current);
    }
}

/// One key of Ada's, and the notice of its end.
async fn one_notice(store: &TestStore) -> Notice {
    with_mail(store).await;
    let owner = Owner::User(person(store, "ada", OrganizationRole::Member).await);
    key(store, owner, "ci", 400).await;
    store.pass(DAY * 370);
    assert_eq!(plan(store).await, 1);
    take(store).await.unwrap()
}

#[tokio::test]
async fn what_was_taken_out_is_taken_by_nobody_else_until_its_time_is_over() {
    for mut store in every_store().await {
        let first = one_notice(&store).await;
        assert_eq!(first.attempts, 1);
        assert!(take(&store).await.is_none());
        store.reopen().await;
        assert!(take(&store).await.is_none());
        store.pass(SignedDuration::from_mins(2));
        let again = take(&store).await.unwrap();
        assert_eq!((again.id, again.attempts), (first.id, 2), "{}", store.engine());
        store.finish_notice(&again, Outcome::Sent).await.unwrap();
        store.pass(DAY);
        assert!(take(&store).await.is_none());
        let sent = &notices(&store).await[0];
        assert_eq!(sent.state, NoticeState::Sent);
        assert_eq!(sent.sent_at, Some(store.now() - DAY));
    }
}

#[tokio::test]
async fn a_notice_is_tried_ever_later_until_it_is_dead_and_again_when_asked_for() {
    for store in every_store().await {
        let mut notice = one_notice(&store).await;
        let id = notice.id;
        for attempt in 1..ATTEMPTS_MAX {
            assert_eq!(notice.attempts, attempt);
            let failed = Outcome::Failed(DeliveryFault::BadStatus);
            store.finish_notice(&notice, failed).await.unwrap();
            let waiting = store.find_notice(notice.organization, id).await.unwrap().unwrap();
            assert_eq!(waiting.state, NoticeState::Waiting);
            assert_eq!(waiting.last_error, Some(DeliveryFault::BadStatus));
            assert!(take(&store).await.is_none(), "not before its time");
            store.pass(waiting.next_attempt_at.unwrap().duration_since(store.now()));
            notice = take(&store).await.unwrap();
        }
        store.finish_notice(&notice, Outcome::Failed(DeliveryFault::TimedOut)).await.unwrap();
        let dead = &notices(&store).await[0];
        assert_eq!((dead.state, dead.next_attempt_at), (NoticeState::Dead, None));
        store.pass(DAY);
        assert!(take(&store).await.is_none());

        let retried = store.retry_notice(&store.act(), id).await.unwrap();
        assert_eq!((retried.state, retried.attempts), (NoticeState::Waiting, 0));
        let notice = take(&store).await.unwrap();
        assert_eq!((notice.id, notice.attempts), (id, 1));
        store.finish_notice(&notice, Outcome::Sent).await.unwrap();
        let refused = store.retry_notice(&store.act(), id).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{}: {refused:?}", store.engine());
        let entries = store.list_audit(notice.organization, None, 1).await.unwrap();
        assert_eq!(
            (entries[0].action.as_str(), &entries[0].subject),
            ("notice.retry", &id.to_string())
        );
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(_)));
    }
}

#[tokio::test]
async fn what_can_never_succeed_is_dead_at_once() {
    for store in every_store().await {
        let notice = one_notice(&store).await;
        let failed = Outcome::Failed(DeliveryFault::MailRefused);
        store.finish_notice(&notice, failed).await.unwrap();
        assert_eq!(notices(&store).await[0].state, NoticeState::Dead, "{}", store.engine());
    }
}

#[tokio::test]
async fn notices_belong_to_one_organization() {
    for store in every_store().await {
        let notice = one_notice(&store).await;
        let second = store.second_organization().await.organization;
        let filter = NoticeFilter::default();
        assert!(store.list_notices(second, &filter, None, 10).await.unwrap().rows.is_empty());
        assert!(store.find_notice(second, notice.id).await.unwrap().is_none());
        let act = Act { organization: second, ..store.act() };
        let refused = store.retry_notice(&act, notice.id).await;
        assert!(matches!(refused, Err(StoreError::Missing("notice"))), "{}", store.engine());
        let target = NoticeTarget { organization: second, webhook: None };
        store.pass(HOUR);
        assert!(store.take_notice(target).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn notices_are_listed_newest_first_page_by_page_and_filtered() {
    for store in every_store().await {
        with_mail(&store).await;
        let owner = Owner::User(person(&store, "ada", OrganizationRole::Member).await);
        let mut keys = Vec::new();
        for name in ["a", "b", "c"] {
            keys.push(key(&store, owner, name, 31).await);
            store.pass(HOUR);
        }
        for _ in 0..3 {
            store.pass(HOUR * 8);
            plan(&store).await;
        }
        let organization = store.first.organization;
        let all: Vec<_> = notices(&store).await.into_iter().map(|notice| notice.id).collect();
        assert_eq!(all.len(), 3);
        let filter = NoticeFilter::default();
        let first = store.list_notices(organization, &filter, None, 2).await.unwrap();
        assert!(first.has_more);
        let after = first.rows[1].id;
        let rest = store.list_notices(organization, &filter, Some(after), 2).await.unwrap();
        let ids = first.rows.iter().chain(&rest.rows).map(|notice| notice.id);
        assert_eq!(ids.collect::<Vec<_>>(), all, "{}", store.engine());
        let found = async |filter: NoticeFilter| {
            store.list_notices(organization, &filter, None, 10).await.unwrap().rows.len()
        };
        let of = |subject: &str| Some(subject.to_owned());
        let one = NoticeFilter { subject: of(keys[1].as_str()), ..NoticeFilter::default() };
        assert_eq!(found(one).await, 1);
        let none = NoticeFilter { subject: of("a\0b"), ..NoticeFilter::default() };
        assert_eq!(found(none).await, 0);
        let taken = take(&store).await.unwrap();
        store.finish_notice(&taken, Outcome::Sent).await.unwrap();
        let sent = NoticeFilter { state: Some(NoticeState::Sent), ..NoticeFilter::default() };
        assert_eq!(found(sent).await, 1);
        let kind = Some(NoticeKind::KeyRotationDue);
        assert_eq!(found(NoticeFilter { kind, ..NoticeFilter::default() }).await, 0);
    }
}

#[tokio::test]
async fn notices_that_are_over_are_kept_for_90_days_and_those_that_wait_until_they_are_over() {
    for store in every_store().await {
        let notice = one_notice(&store).await;
        store.pass(DAY * 91);
        store.sweep_old_records().await.unwrap();
        assert_eq!(notices(&store).await.len(), 1, "it waits");
        store.finish_notice(&notice, Outcome::Sent).await.unwrap();
        store.sweep_old_records().await.unwrap();
        assert!(notices(&store).await.is_empty(), "{}", store.engine());
    }
}
