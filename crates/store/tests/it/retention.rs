use doorward_domain::audit::BrokenChain;
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::rights::Rights;
use doorward_domain::rotation::Overlap;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::setting::{Setting, SettingValue};
use doorward_store::{
    AuditStep, AuditVerdict, Forgotten, GroupBy, IncreaseFilter, KeyEdit, Rotation, SettingsEdit,
    StoreError, UsageFilter,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::audit::{broken, drop_triggers};
use crate::harness::{TestStore, every_store};
use crate::increases::{ask, call, call_key, key};

const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn keep(store: &TestStore, setting: Setting, days: u64) {
    let changes = vec![(setting, Some(SettingValue::Number(days)))];
    let edit = SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false };
    store.change_settings(&store.act(), &edit).await.unwrap();
}

async fn write(store: &TestStore, entries: usize) {
    for n in 0..entries {
        store.record(&store.act(), "user.sign_in", &n.to_string(), json!({})).await.unwrap();
    }
}

async fn swept(store: &TestStore) -> u64 {
    store.sweep_old_records().await.unwrap().audit_entries
}

/// How many entries there are, after checking each.
async fn whole(store: &TestStore) -> i64 {
    match store.verify_audit().await.unwrap() {
        AuditVerdict::Whole(count) => {
            let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM audit_entries";
            assert_eq!(store.read(sql, sql).await, [count.to_string()], "{}", store.engine());
            count
        }
        AuditVerdict::Broken(broken) => panic!("{broken} on {}", store.engine()),
    }
}

#[tokio::test]
async fn entries_are_put_away_when_they_are_old_and_the_chain_goes_on() {
    for mut store in every_store().await {
        write(&store, 1_100).await;
        assert_eq!(swept(&store).await, 0, "without a setting all are kept");
        store.pass(DAY * 31);
        keep(&store, Setting::AuditRetentionDays, 30).await;
        write(&store, 5).await;
        assert_eq!(swept(&store).await, 1_101, "that of the start too, on {}", store.engine());
        // The setting, five entries, and two that say that a page was put away.
        assert_eq!(whole(&store).await, 8);
        let organization = store.first.organization;
        let newest = store.list_audit(organization, None, 10).await.unwrap();
        assert_eq!((newest[0].action.as_str(), newest[0].subject.as_str()), ("audit.cut", "1101"));
        assert_eq!(newest.len(), 8);
        assert_eq!(newest[7].sequence, 1_102, "numbers go on");

        assert_eq!(swept(&store).await, 0);
        store.reopen().await;
        write(&store, 2).await;
        assert_eq!(whole(&store).await, 10);
        // A walk that was begun before goes on behind what was put away meanwhile.
        let step = store.verify_audit_after(1_000, 2).await.unwrap();
        assert!(matches!(step, AuditStep::Ended(AuditVerdict::Whole(10))), "{step:?}");
        store.pass(DAY * 31);
        assert_eq!(swept(&store).await, 10);
        assert_eq!(whole(&store).await, 1, "what says so is always there");
        let refused = store.refusal("DELETE FROM audit_entries").await;
        assert!(refused.contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn what_one_organization_keeps_keeps_all_that_came_after_it() {
    for store in every_store().await {
        let second = store.second_organization().await;
        write(&store, 3).await;
        let act = store.act_in(second.organization);
        store.record(&act, "user.sign_in", "x", json!({})).await.unwrap();
        write(&store, 3).await;
        store.pass(DAY * 40);
        keep(&store, Setting::AuditRetentionDays, 30).await;
        assert_eq!(swept(&store).await, 4, "{}", store.engine());
        assert_eq!(whole(&store).await, 6);
        assert_eq!(store.list_audit(second.organization, None, 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_chain_that_is_broken_is_not_put_away_with_its_proof() {
    for store in every_store().await {
        write(&store, 5).await;
        store.pass(DAY * 40);
        keep(&store, Setting::AuditRetentionDays, 30).await;
        drop_triggers(&store).await;
        store.tamper("UPDATE audit_entries SET subject = 'x' WHERE sequence = 3").await;
        assert_eq!(swept(&store).await, 0, "{}", store.engine());
        assert_eq!(broken(&store).await, BrokenChain::Edited(3));
    }
}

#[tokio::test]
async fn nobody_moves_the_beginning_who_has_not_the_key() {
    for store in every_store().await {
        write(&store, 5).await;
        drop_triggers(&store).await;
        store
            .tamper(
                "UPDATE audit_base SET sequence = 3,
                     link = (SELECT link FROM audit_entries WHERE sequence = 3);
                 DELETE FROM audit_entries WHERE sequence <= 3",
            )
            .await;
        assert_eq!(broken(&store).await, BrokenChain::BaseForged, "{}", store.engine());
        store.pass(DAY * 40);
        keep(&store, Setting::AuditRetentionDays, 30).await;
        assert_eq!(swept(&store).await, 0);
        store.tamper("DELETE FROM audit_base").await;
        assert_eq!(broken(&store).await, BrokenChain::BaseForged);
    }
}

async fn left(store: &TestStore) -> String {
    store.sweep_old_records().await.unwrap();
    let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM api_keys WHERE name <> 'admin'";
    store.read(sql, sql).await.remove(0)
}

#[tokio::test]
async fn keys_that_are_over_are_kept_as_long_as_the_audit_log() {
    for store in every_store().await {
        let organization = store.first.organization;
        for n in 0..101 {
            let (over, _) = store.make_key(&format!("over {n}")).await;
            store.revoke_key(&store.act(), &over.id).await.unwrap();
        }
        let in_page = page_key(&store).await;
        ask(&store, &in_page).await.unwrap();
        store.revoke_key(&store.act(), &in_page.id).await.unwrap();
        let used = key(&store, "used").await;
        call(&store, &call_key(&store, &used.id).await, 1, 400).unwrap();
        assert_eq!(calls(&store).await, 1, "it is in the database");
        store.revoke_key(&store.act(), &used.id).await.unwrap();
        let (living, _) = store.make_key("living").await;
        store.sweep_increases().await.unwrap();
        assert_eq!(store.sweep_keys().await.unwrap().keys, 104);
        store.pass(DAY * 40);
        let (newer, _) = store.make_key("newer").await;
        store.revoke_key(&store.act(), &newer.id).await.unwrap();
        store.sweep_keys().await.unwrap();
        assert_eq!(left(&store).await, "106", "all are kept, on {}", store.engine());
        keep(&store, Setting::AuditRetentionDays, 30).await;
        assert_eq!(left(&store).await, "3", "{}", store.engine());
        for kept in [&used, &living, &newer] {
            assert!(store.find_key(organization, &kept.id).await.unwrap().is_some());
        }
        let newest = store.list_audit(organization, None, 4).await.unwrap();
        let forgotten = newest.iter().filter(|entry| entry.action == "key.forget");
        let told: Vec<usize> = forgotten
            .map(|entry| serde_json::from_str::<serde_json::Value>(&entry.detail).unwrap())
            .map(|detail| detail["keys"].as_array().unwrap().len())
            .collect();
        assert_eq!(told, [3, 100], "{newest:?}");
        keep(&store, Setting::UsageRetentionDays, 30).await;
        keep(&store, Setting::UsageSumsRetentionDays, 30).await;
        assert_eq!(left(&store).await, "2", "its calls are forgotten, on {}", store.engine());
        whole(&store).await;
    }
}

/// A key that a web page uses, with limits and an increase that may be asked for.
async fn page_key(store: &TestStore) -> ApiKey {
    let like = key(store, "in a page").await;
    let mut new = store.new_key("in another page");
    new.rights = Rights {
        scopes: ScopeSet::from_iter([Scope::InferenceWrite]),
        allowed_origins: Some(vec!["https://app.example".parse().unwrap()].into()),
        ..like.rights.clone()
    };
    store.revoke_key(&store.act(), &like.id).await.unwrap();
    store.create_key(&store.act(), new).await.unwrap().0
}

#[tokio::test]
async fn a_key_stays_while_its_calls_do_and_another_organizations_are_not_touched() {
    for store in every_store().await {
        let second = store.second_organization().await;
        let there = store.act_in(second.organization);
        let mut new = store.new_key("there");
        (new.project, new.owner) = (second.project, Owner::User(second.administrator));
        new.created_by = second.administrator;
        let (theirs, _) = store.create_key(&there, new).await.unwrap();
        store.revoke_key(&there, &theirs.id).await.unwrap();
        let used = key(&store, "used").await;
        let loaded = call_key(&store, &used.id).await;
        call(&store, &loaded, 1, 400).unwrap();
        store.revoke_key(&store.act(), &used.id).await.unwrap();
        store.sweep_keys().await.unwrap();
        store.pass(DAY * 40);
        keep(&store, Setting::AuditRetentionDays, 30).await;
        assert_eq!(left(&store).await, "2", "its calls are kept, on {}", store.engine());
        keep(&store, Setting::UsageRetentionDays, 30).await;
        assert_eq!(
            left(&store).await,
            "2",
            "the sums of its calls are kept, on {}",
            store.engine()
        );
        keep(&store, Setting::UsageSumsRetentionDays, 30).await;
        // The other organization keeps its entries, and with them all that came after them.
        assert_eq!(left(&store).await, "2", "{}", store.engine());
        let edit = SettingsEdit {
            changes: vec![(Setting::AuditRetentionDays, Some(SettingValue::Number(60)))],
            if_updated_at: None,
            may_forget: true,
            is_preview: false,
        };
        let there = store.act_in(second.organization);
        store.change_settings(&there, &edit).await.unwrap();
        store.pass(DAY * 25);
        assert_eq!(left(&store).await, "0", "{}", store.engine());
    }
}

#[tokio::test]
async fn a_key_that_was_put_away_is_not_brought_back() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        store
            .tamper(&format!("UPDATE api_keys SET swept_at_us = 1 WHERE id = '{}'", made.id))
            .await;
        let rotation = Rotation {
            overlap: Overlap::from_seconds(0).unwrap(),
            expires_at: None,
            if_updated_at: None,
        };
        let rotated = store.rotate_key(&store.act(), &made.id, rotation).await;
        assert!(rotated.is_err(), "{rotated:?} on {}", store.engine());
        let edit = KeyEdit { description: Some("x".to_owned()), ..KeyEdit::default() };
        let edited = store.edit_key(&store.act(), &made.id, edit).await;
        assert!(edited.is_err(), "{edited:?} on {}", store.engine());
    }
}

/// Calls in the reports, however old.
async fn calls(store: &TestStore) -> u64 {
    let filter = UsageFilter::all(store.first.organization, Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let rows = store.usage_report(&filter, &[GroupBy::Key]).await.unwrap();
    rows.iter().map(|row| row.requests).sum()
}

/// Single calls that are there.
async fn events(store: &TestStore) -> String {
    let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM usage_events";
    store.read(sql, sql).await.remove(0)
}

#[tokio::test]
async fn old_calls_are_forgotten_and_what_they_cost_is_not() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let loaded = call_key(&store, &made.id).await;
        call(&store, &loaded, 1, 400).unwrap();
        store.pass(DAY * 8);
        call(&store, &loaded, 2, 500).unwrap();
        assert_eq!(calls(&store).await, 2);
        assert_eq!(store.sweep_old_records().await.unwrap(), Forgotten::default());
        keep(&store, Setting::UsageRetentionDays, 7).await;
        assert_eq!(store.sweep_old_records().await.unwrap().calls, 1, "{}", store.engine());
        assert_eq!(events(&store).await, "1");
        assert_eq!(calls(&store).await, 2, "reports of whole hours know of it");
        let record = store.find_key(made.organization, &made.id).await.unwrap().unwrap();
        assert_eq!(record.spent[0].1.tokens, 900, "of the budget of the month");
        assert_eq!(record.spent_this_month.tokens, 900);
        let newest = store.list_audit(made.organization, None, 1).await.unwrap().remove(0);
        assert_eq!((newest.action.as_str(), newest.actor.as_str()), ("usage.sweep", "system"));
        assert_eq!(store.sweep_old_records().await.unwrap(), Forgotten::default());
    }
}

#[tokio::test]
async fn sums_are_forgotten_when_they_are_old_but_not_before_the_calls() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let loaded = call_key(&store, &made.id).await;
        call(&store, &loaded, 1, 400).unwrap();
        store.pass(DAY * 20);
        call(&store, &loaded, 2, 500).unwrap();
        assert_eq!(calls(&store).await, 2);
        keep(&store, Setting::UsageSumsRetentionDays, 7).await;
        assert_eq!(store.sweep_old_records().await.unwrap(), Forgotten::default(), "calls stay");
        keep(&store, Setting::UsageRetentionDays, 30).await;
        assert_eq!(store.sweep_old_records().await.unwrap(), Forgotten::default(), "30 days");
        keep(&store, Setting::UsageRetentionDays, 10).await;
        let forgotten = store.sweep_old_records().await.unwrap();
        assert_eq!((forgotten.calls, forgotten.hours), (1, 1), "{}", store.engine());
        assert_eq!(calls(&store).await, 1);
        let newest = store.list_audit(made.organization, None, 2).await.unwrap();
        let told = newest.iter().map(|entry| entry.detail.contains("\"sums\":1"));
        assert_eq!(told.collect::<Vec<_>>(), [true, false]);
    }
}

/// A report that begins within an hour of which calls are missing would be short.
#[tokio::test]
async fn a_part_of_an_hour_whose_calls_are_forgotten_is_refused() {
    for store in every_store().await {
        let made = key(&store, "ci").await;
        let loaded = call_key(&store, &made.id).await;
        let hour = store.now();
        call(&store, &loaded, 1, 400).unwrap();
        store.pass(DAY * 8);
        call(&store, &loaded, 2, 500).unwrap();
        let all = UsageFilter::all(made.organization, hour, store.now());
        let later = |minutes| hour + SignedDuration::from_mins(minutes);
        let requests = async |from, to| {
            let filter = UsageFilter { from, to, ..all.clone() };
            let rows = store.usage_report(&filter, &[]).await?;
            Ok::<_, StoreError>(rows.iter().map(|row| row.requests).sum::<u64>())
        };
        assert_eq!(requests(hour, later(1)).await.unwrap(), 1, "{}", store.engine());
        keep(&store, Setting::UsageRetentionDays, 7).await;
        store.sweep_old_records().await.unwrap();
        for (from, to, wrong) in
            [(hour, later(1), "to"), (later(1), store.now(), "from"), (later(-60), later(59), "to")]
        {
            match requests(from, to).await {
                Err(StoreError::CallsForgotten { field, hour: of }) => {
                    assert_eq!((field, of), (wrong, hour), "{}", store.engine());
                }
                other => panic!("{other:?} of {from} to {to} on {}", store.engine()),
            }
        }
        assert_eq!(requests(hour, later(60)).await.unwrap(), 1);
        assert_eq!(requests(later(61), store.now()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn what_is_decided_is_not_kept_longer_than_the_audit_log() {
    for store in every_store().await {
        let asked = ask(&store, &key(&store, "ci").await).await.unwrap();
        store.withdraw_increase(&store.act(), &asked).await.unwrap();
        store.pass(DAY * 40);
        let left = async || {
            store.sweep_old_records().await.unwrap();
            let (organization, any) = (store.first.organization, IncreaseFilter::default());
            store.list_increases(organization, &any, None, 9).await.unwrap().rows.len()
        };
        assert_eq!(left().await, 1, "{}", store.engine());
        keep(&store, Setting::AuditRetentionDays, 30).await;
        assert_eq!(left().await, 0, "{}", store.engine());
    }
}
