use doorward_domain::credential::KeyId;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_store::{
    AuditVerdict, KeyCaps, NewKey, Outliving, SettingsEdit, SettingsList, StoreError,
};
use jiff::{SignedDuration, Timestamp};

use crate::harness::{Setup, TestStore, every_store, every_store_with};

fn number(setting: Setting, value: u64) -> SettingsEdit {
    let changes = vec![(setting, Some(SettingValue::Number(value)))];
    SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false }
}

fn value(list: &SettingsList, setting: Setting) -> (String, bool) {
    let row = list.rows.iter().find(|row| row.setting == setting).unwrap();
    (row.value.to_string(), row.is_default)
}

#[tokio::test]
async fn what_is_not_set_has_its_default() {
    for store in every_store().await {
        let settings = store.settings(store.first.organization).await.unwrap();
        assert_eq!(settings.ttl_minutes_max, 129_600);
        assert_eq!(settings.keys_per_user_max, 20);
        assert_eq!(settings.key_prefix.as_str(), "dw");
    }
}

#[tokio::test]
async fn what_is_not_set_is_as_the_program_was_started() {
    let key_caps = KeyCaps { ttl_minutes_max: 60, per_user_max: 2 };
    for store in every_store_with(Setup { key_caps, ..Setup::default() }).await {
        let organization = store.first.organization;
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.ttl_minutes_max, settings.keys_per_user_max), (60, 2));
        store
            .tamper(&format!(
                "INSERT INTO settings (organization_id, name, value, updated_at_us)
                VALUES ('{organization}', 'keys-per-user-max', '3', 1)"
            ))
            .await;
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.ttl_minutes_max, settings.keys_per_user_max), (60, 3));
    }
}

#[tokio::test]
async fn settings_belong_to_one_organization() {
    for store in every_store().await {
        let organization = store.first.organization;
        store
            .tamper(&format!(
                "INSERT INTO settings (organization_id, name, value, updated_at_us) VALUES
                ('{organization}', 'auth-token-max-ttl-minutes', '0', 1),
                ('{organization}', 'keys-per-user-max', '3', 1),
                ('{organization}', 'key-prefix', 'sk-acme', 1),
                ('{organization}', 'of-a-later-version', 'x', 1)"
            ))
            .await;
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.ttl_minutes_max, settings.keys_per_user_max), (0, 3));
        assert_eq!(settings.key_prefix.as_str(), "sk-acme");
        let (key, _) = store.make_key("branded").await;
        assert!(key.id.as_str().starts_with("sk-acme_"), "{}", store.engine());

        let second = store.second_organization().await;
        assert_eq!(store.settings(second.organization).await.unwrap().keys_per_user_max, 20);
    }
}

#[tokio::test]
async fn a_setting_that_does_not_read_is_no_setting() {
    for store in every_store().await {
        let organization = store.first.organization;
        store
            .tamper(&format!(
                "INSERT INTO settings (organization_id, name, value, updated_at_us)
                VALUES ('{organization}', 'keys-per-user-max', '-1', 1)"
            ))
            .await;
        let error = store.settings(organization).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{}", store.engine());
    }
}

#[tokio::test]
async fn several_settings_are_changed_at_once_and_reset_one_by_one() {
    for store in every_store().await {
        let organization = store.first.organization;
        let first = store.settings_list(organization).await.unwrap();
        assert_eq!(first.updated_at, Timestamp::UNIX_EPOCH);
        assert!(first.rows.iter().all(|row| row.is_default && row.value == row.default));

        let prefix = SettingValue::Text("sk-acme".to_owned());
        let quota = SettingValue::Number(3);
        let changes =
            vec![(Setting::KeyPrefix, Some(prefix)), (Setting::KeysPerUserMax, Some(quota))];
        let edit = SettingsEdit {
            changes,
            if_updated_at: Some(first.updated_at),
            may_forget: true,
            is_preview: false,
        };
        let list = store.change_settings(&store.act(), &edit).await.unwrap().list;
        assert_eq!(list, store.settings_list(organization).await.unwrap());
        assert_eq!(list.updated_at, store.now());
        assert_eq!(value(&list, Setting::KeyPrefix), ("sk-acme".to_owned(), false));
        let settings = store.settings(organization).await.unwrap();
        assert_eq!((settings.key_prefix.as_str(), settings.keys_per_user_max), ("sk-acme", 3));

        let back = SettingsEdit { changes: vec![(Setting::KeyPrefix, None)], ..edit };
        let stale = store.change_settings(&store.act(), &back).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale), "{}", store.engine());
        let back = SettingsEdit { if_updated_at: Some(list.updated_at), ..back };
        let reset = store.change_settings(&store.act(), &back).await.unwrap().list;
        assert_eq!(value(&reset, Setting::KeyPrefix), ("dw".to_owned(), true));
        assert_eq!(value(&reset, Setting::KeysPerUserMax), ("3".to_owned(), false));
        assert!(reset.updated_at > list.updated_at, "the clock stood still");
        assert_eq!(store.settings(organization).await.unwrap().key_prefix.as_str(), "dw");
    }
}

#[tokio::test]
async fn a_change_reaches_no_other_organization() {
    for store in every_store().await {
        let second = store.second_organization().await.organization;
        let edit = number(Setting::KeysPerUserMax, 3);
        store.change_settings(&store.act(), &edit).await.unwrap();
        assert_eq!(store.settings(second).await.unwrap().keys_per_user_max, 20);
        let list = store.settings_list(second).await.unwrap();
        assert_eq!(list.updated_at, Timestamp::UNIX_EPOCH);
    }
}

#[tokio::test]
async fn a_change_is_audited_with_what_was_and_one_that_changes_nothing_is_not() {
    for store in every_store().await {
        let organization = store.first.organization;
        let edit = number(Setting::KeysPerUserMax, 3);
        let first = store.change_settings(&store.act(), &edit).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let again = store.change_settings(&store.act(), &edit).await.unwrap();
        assert_eq!(again.list, first.list);
        let entries = store.list_audit(organization, None, 10).await.unwrap();
        let edits: Vec<_> = entries.iter().filter(|e| e.action == "settings.edit").collect();
        assert_eq!(edits.len(), 1, "{}", store.engine());
        assert_eq!(edits[0].subject, organization.to_string());
        let detail: serde_json::Value = serde_json::from_str(&edits[0].detail).unwrap();
        let told = serde_json::json!({"before": 20, "after": 3, "is_default": false});
        assert_eq!(detail["keys-per-user-max"], told);
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(_)));
    }
}

#[tokio::test]
async fn changes_at_the_same_time_wait_for_each_other() {
    for store in every_store().await {
        let version = store.settings_list(store.first.organization).await.unwrap().updated_at;
        let of = |value| SettingsEdit {
            if_updated_at: Some(version),
            ..number(Setting::KeysPerUserMax, value)
        };
        let (act, edits) = (store.act(), [of(1), of(2), of(3), of(4)]);
        let [a, b, c, d] = edits.each_ref().map(|edit| store.change_settings(&act, edit));
        let done = tokio::join!(a, b, c, d);
        let stale = [done.0, done.1, done.2, done.3]
            .into_iter()
            .filter(|done| matches!(done, Err(StoreError::Stale)))
            .count();
        assert_eq!(stale, 3, "{}: only one of them saw the version that it names", store.engine());
    }
}

/// A key that ends after so many days, or never.
async fn make(store: &TestStore, name: &str, days: Option<i64>) -> KeyId {
    let mut new: NewKey = store.new_key(name);
    new.rights.expires_at = days.map(|days| store.now() + SignedDuration::from_hours(days * 24));
    store.create_key(&store.act(), new).await.unwrap().0.id
}

#[tokio::test]
async fn a_changed_cap_names_the_living_keys_that_outlive_it() {
    for store in every_store().await {
        let day = SignedDuration::from_hours(24);
        let ended = make(&store, "ended", Some(3)).await;
        let forever = make(&store, "forever", None).await;
        let sixty = make(&store, "sixty", Some(60)).await;
        make(&store, "exactly", Some(30)).await;
        let revoked = make(&store, "revoked", Some(60)).await;
        store.revoke_key(&store.act(), &revoked).await.unwrap();
        let disabled = make(&store, "disabled", Some(59)).await;
        store.set_key_disabled(&store.act(), &disabled, true).await.unwrap();
        store.pass(day * 5);

        let cap = |days: u64| number(Setting::AuthTokenMaxTtlMinutes, days * 1_440);
        let lowered = store.change_settings(&store.act(), &cap(30)).await.unwrap().outliving;
        let first = vec![forever, sixty, disabled];
        assert_eq!(lowered, Some(Outliving { count: 3, first }), "{}", store.engine());
        let lower = store.change_settings(&store.act(), &cap(2)).await.unwrap().outliving.unwrap();
        assert_eq!(lower.count, 4);
        assert!(!lower.first.contains(&ended), "{}: it has ended already", store.engine());
        let raised = store.change_settings(&store.act(), &cap(60)).await.unwrap().outliving;
        assert_eq!(raised, Some(Outliving { count: 1, first: vec![forever] }));
        let none = store.change_settings(&store.act(), &cap(0)).await.unwrap().outliving;
        assert_eq!(none, Some(Outliving { count: 0, first: Vec::new() }));

        for n in 0..25 {
            make(&store, &format!("k{n}"), Some(90)).await;
        }
        let many = store.change_settings(&store.act(), &cap(80)).await.unwrap().outliving.unwrap();
        assert_eq!((many.count, many.first.len()), (26, 20), "{}", store.engine());
    }
}

#[tokio::test]
async fn keys_in_memory_are_told_of_the_status_of_a_spent_budget() {
    for store in every_store().await {
        let id = make(&store, "k", None).await;
        let status = async || store.call_key(&id).await.unwrap().unwrap().spent_budget_status;
        assert_eq!(status().await, 429);
        let edit = number(Setting::SpentBudgetStatus, 402);
        store.change_settings(&store.act(), &edit).await.unwrap();
        assert!(store.cached_call_key(&id).is_none());
        assert_eq!(status().await, 402, "{}", store.engine());
        let reset = SettingsEdit { changes: vec![(Setting::SpentBudgetStatus, None)], ..edit };
        store.change_settings(&store.act(), &reset).await.unwrap();
        assert_eq!(status().await, 429);
    }
}

#[tokio::test]
async fn a_preview_tells_what_outlives_a_cap_and_changes_nothing() {
    for store in every_store().await {
        let (key, _) = store.make_key("long").await;
        let before = store.settings_list(store.first.organization).await.unwrap();
        let edit = SettingsEdit { is_preview: true, ..number(Setting::AuthTokenMaxTtlMinutes, 60) };
        let tried = store.change_settings(&store.act(), &edit).await.unwrap();
        assert_eq!(tried.outliving, Some(Outliving { count: 1, first: vec![key.id] }));
        assert_eq!(value(&tried.list, Setting::AuthTokenMaxTtlMinutes).0, "60");
        let after = store.settings_list(store.first.organization).await.unwrap();
        assert_eq!(after, before, "{}", store.engine());
        let entries = store.list_audit(store.first.organization, None, 1).await.unwrap();
        assert_eq!(entries[0].action, "key.create");
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(_)));
    }
}
