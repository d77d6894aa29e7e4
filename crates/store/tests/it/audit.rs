use std::sync::Arc;

use doorward_domain::audit::BrokenChain;
use doorward_store::{AuditFilter, AuditStep, AuditVerdict, StoreError};
use jiff::SignedDuration;
use serde_json::json;

use crate::harness::{TestStore, every_store};

/// A store with five entries: that of its first start and four more.
async fn write_five(store: &TestStore) {
    for n in 0..4 {
        store
            .record(&store.act(), "user.sign_in", &n.to_string(), json!({ "n": n }))
            .await
            .unwrap();
    }
}

pub(crate) async fn broken(store: &TestStore) -> BrokenChain {
    match store.verify_audit().await.unwrap() {
        AuditVerdict::Broken(broken) => broken,
        AuditVerdict::Whole(count) => panic!("{count} entries fit, on {}", store.engine()),
    }
}

pub(crate) async fn drop_triggers(store: &TestStore) {
    for name in ["audit_entries_no_update", "audit_entries_no_delete"] {
        let of = if store.database_url.is_some() { " ON audit_entries" } else { "" };
        store.tamper(&format!("DROP TRIGGER {name}{of}")).await;
    }
}

#[tokio::test]
async fn entries_of_one_organization_come_newest_first_in_pages() {
    for store in every_store().await {
        write_five(&store).await;
        let second = store.second_organization().await;
        let act = store.act_in(second.organization);
        store.record(&act, "user.sign_in", "x", json!({})).await.unwrap();

        let page = store.list_audit(store.first.organization, None, 3).await.unwrap();
        let sequences: Vec<i64> = page.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, [5, 4, 3], "{}", store.engine());
        let next = store.list_audit(store.first.organization, Some(3), 3).await.unwrap();
        let sequences: Vec<i64> = next.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, [2, 1]);

        let newest = &page[0];
        assert_eq!(newest.at, store.now());
        assert_eq!(newest.actor, "system");
        assert_eq!((newest.action.as_str(), newest.subject.as_str()), ("user.sign_in", "3"));
        assert_eq!(newest.detail, r#"{"n":3}"#);
        assert_eq!(store.list_audit(second.organization, None, 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_chain_that_nobody_touched_is_whole() {
    for mut store in every_store().await {
        write_five(&store).await;
        store.reopen().await;
        let verdict = store.verify_audit().await.unwrap();
        assert!(matches!(verdict, AuditVerdict::Whole(5)), "{verdict:?} on {}", store.engine());
    }
}

#[tokio::test]
async fn a_chain_of_several_pages_is_walked_to_its_end() {
    for store in every_store().await {
        for n in 0..1_100 {
            store.record(&store.act(), "a.b", &n.to_string(), json!({})).await.unwrap();
        }
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(1_101)));
        drop_triggers(&store).await;
        store.tamper("UPDATE audit_entries SET subject = 'x' WHERE sequence = 1050").await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(1_050), "{}", store.engine());
    }
}

#[tokio::test]
async fn the_database_refuses_to_change_an_entry() {
    for store in every_store().await {
        for sql in ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"] {
            let refusal = store.refusal(sql).await;
            assert!(refusal.contains("append-only"), "{refusal} on {}", store.engine());
        }
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(1)));
    }
}

#[tokio::test]
async fn a_deleted_entry_is_missed() {
    for store in every_store().await {
        write_five(&store).await;
        drop_triggers(&store).await;
        store.tamper("DELETE FROM audit_entries WHERE sequence = 3").await;
        let gap = BrokenChain::Gap { expected: 3, found: 4 };
        assert_eq!(broken(&store).await, gap, "{}", store.engine());
        store.tamper("UPDATE audit_entries SET sequence = sequence - 1 WHERE sequence = 4").await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(3), "closing the gap");
    }
}

#[tokio::test]
async fn swapped_entries_are_found() {
    for store in every_store().await {
        write_five(&store).await;
        drop_triggers(&store).await;
        for (from, to) in [(3, 99), (4, 3), (99, 4)] {
            let sql = format!("UPDATE audit_entries SET sequence = {to} WHERE sequence = {from}");
            store.tamper(&sql).await;
        }
        assert_eq!(broken(&store).await, BrokenChain::Edited(3), "{}", store.engine());
    }
}

#[tokio::test]
async fn a_cut_end_is_missed() {
    for store in every_store().await {
        write_five(&store).await;
        drop_triggers(&store).await;
        store.tamper("DELETE FROM audit_entries WHERE sequence > 3").await;
        let cut = BrokenChain::Cut { expected: 5, found: 3 };
        assert_eq!(broken(&store).await, cut, "{}", store.engine());
        // Who also moves the head back cannot make the seal that it would need; and what is written
        // afterwards does not cover it up.
        store
            .tamper(
                "UPDATE audit_head SET sequence = 3,
                seal = (SELECT e.link FROM audit_entries e WHERE e.sequence = 3)",
            )
            .await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(3));
        store.store.record(&store.act(), "a.b", "x", json!({})).await.unwrap();
        assert_eq!(broken(&store).await, BrokenChain::Edited(4));
        store.tamper("DELETE FROM audit_head").await;
        assert_eq!(broken(&store).await, BrokenChain::HeadMissing);
    }
}

#[tokio::test]
async fn acts_at_the_same_time_make_one_chain() {
    for store in every_store().await {
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let (shared, act) = (Arc::clone(&store.store), store.act());
                async move { shared.record(&act, "a.b", &n.to_string(), json!({})).await.unwrap() }
            })
            .collect();
        let mut set = tokio::task::JoinSet::new();
        for task in tasks {
            set.spawn(task);
        }
        set.join_all().await;
        let verdict = store.verify_audit().await.unwrap();
        assert!(matches!(verdict, AuditVerdict::Whole(21)), "{verdict:?} on {}", store.engine());
    }
}

#[tokio::test]
async fn any_edit_is_found() {
    let edits = [
        "at_us = at_us + 1",
        "organization_id = 'org_other'",
        "actor = 'other'",
        "action = 'user.sign_out'",
        "subject = 'other'",
        "detail = '{}'",
        "link = (SELECT link FROM audit_entries WHERE sequence = 1)",
        "at_us = 9223372036854775807",
    ];
    for store in every_store().await {
        write_five(&store).await;
        drop_triggers(&store).await;
        store.tamper("CREATE TABLE kept AS SELECT * FROM audit_entries").await;
        for edit in edits {
            store.tamper(&format!("UPDATE audit_entries SET {edit} WHERE sequence = 3")).await;
            assert_eq!(broken(&store).await, BrokenChain::Edited(3), "{edit}, {}", store.engine());
            store
                .tamper(
                    "DELETE FROM audit_entries WHERE sequence = 3;
                    INSERT INTO audit_entries SELECT * FROM kept WHERE sequence = 3",
                )
                .await;
        }
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(5)));
    }
}

#[tokio::test]
async fn a_head_that_was_put_back_is_found() {
    for store in every_store().await {
        write_five(&store).await;
        store.tamper("CREATE TABLE kept AS SELECT * FROM audit_head").await;
        store.store.record(&store.act(), "a.b", "x", json!({})).await.unwrap();
        let kept = "UPDATE audit_head SET sequence = kept.sequence, seal = kept.seal FROM kept";
        store.tamper(kept).await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(6), "{}", store.engine());
        let zeros = if store.database_url.is_some() {
            "decode(repeat('00', 32), 'hex')"
        } else {
            "zeroblob(32)"
        };
        store.tamper(&format!("UPDATE audit_head SET sequence = 0, seal = {zeros}")).await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(1), "{}", store.engine());
        let of_third = "(SELECT e.link FROM audit_entries e WHERE e.sequence = 3)";
        store.tamper(&format!("UPDATE audit_head SET sequence = 3, seal = {of_third}")).await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(3));
        store
            .tamper("UPDATE audit_head SET sequence = 5, seal = keyring.wrapped FROM keyring")
            .await;
        assert_eq!(broken(&store).await, BrokenChain::Edited(5), "a seal of another length");
    }
}

#[tokio::test]
async fn a_nul_is_refused_before_the_database_does() {
    for store in every_store().await {
        let refused = store.record(&store.act(), "a.b", "x\0", json!({ "n": "\0" })).await;
        assert!(
            matches!(refused, Err(StoreError::Unstorable { field: "subject" })),
            "{refused:?} on {}",
            store.engine()
        );
        store.record(&store.act(), "a.b", "x", json!({ "n": "\0" })).await.unwrap();
        assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole(2)));
    }
}

#[tokio::test]
async fn all_conditions_of_a_filter_hold() {
    for store in every_store().await {
        let (organization, start) = (store.first.organization, store.now());
        for (action, subject) in
            [("key.create", "a"), ("key.revoke", "a"), ("keyring.make", "a"), ("key.create", "b")]
        {
            store.pass(SignedDuration::from_secs(1));
            store.record(&store.act(), action, subject, json!({})).await.unwrap();
        }
        let second = store.second_organization().await;
        let elsewhere = store.act_in(second.organization);
        store.record(&elsewhere, "key.create", "a", json!({})).await.unwrap();

        let at = |seconds| Some(start + SignedDuration::from_secs(seconds));
        let text = |text: &str| Some(text.to_owned());
        let any = AuditFilter::default;
        #[rustfmt::skip]
        let cases = [
            (AuditFilter { subject: text("a"), ..any() },                              vec![4, 3, 2]),
            (AuditFilter { action: text("key.create"), ..any() },                      vec![5, 2]),
            (AuditFilter { action: text("key."), ..any() },                            vec![5, 3, 2]),
            (AuditFilter { action: text("key"), ..any() },                             vec![5, 4, 3, 2]),
            (AuditFilter { action: text("key%"), ..any() },                            vec![]),
            (AuditFilter { action: text("KEY."), ..any() },                            vec![]),
            (AuditFilter { action: text("key."), subject: text("b"), ..any() },        vec![5]),
            (AuditFilter { except: text("key."), ..any() },                            vec![4, 1]),
            (AuditFilter { except: text("key%"), from: at(2), ..any() },               vec![5, 4, 3]),
            (AuditFilter { except: text("key.c"), action: text("key."), ..any() },     vec![3]),
            (AuditFilter { actor: text("system"), ..any() },                           vec![5, 4, 3, 2, 1]),
            (AuditFilter { actor: text("sys"), ..any() },                              vec![]),
            (AuditFilter { subject: text("a\0"), ..any() },                            vec![]),
            (AuditFilter { except: text("a\0"), from: at(4), ..any() },                vec![5]),
            (AuditFilter { from: at(2), to: at(4), ..any() },                          vec![4, 3]),
            (AuditFilter { from: at(5), ..any() },                                     vec![]),
        ];
        for (filter, expected) in cases {
            let found = store.search_audit(organization, &filter, None, 9).await.unwrap();
            let sequences: Vec<i64> = found.iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequences, expected, "{filter:?} on {}", store.engine());
        }
        let sequences = async |subject: &str, before| -> Vec<i64> {
            let found = store.audit_of(organization, subject, before, 2).await.unwrap();
            found.iter().map(|entry| entry.sequence).collect()
        };
        assert_eq!(sequences("a", None).await, [4, 3], "{}", store.engine());
        assert_eq!(sequences("a", Some(3)).await, [2]);
        for other in ["c", "a\0", ""] {
            assert_eq!(sequences(other, None).await, [0_i64; 0], "{other:?}");
        }
        let filter = AuditFilter { action: text("key."), ..any() };
        let next = store.search_audit(organization, &filter, Some(5), 1).await.unwrap();
        assert_eq!(next[0].sequence, 3);
    }
}

#[tokio::test]
async fn a_walk_in_steps_finds_what_a_walk_at_once_finds() {
    for store in every_store().await {
        for n in 0..2_100 {
            store.record(&store.act(), "a.b", &n.to_string(), json!({})).await.unwrap();
        }
        let step = async |after| store.verify_audit_after(after, 1).await;
        assert!(matches!(step(0).await, Ok(AuditStep::Walked(1_000))), "{}", store.engine());
        assert!(matches!(step(1_000).await, Ok(AuditStep::Walked(2_000))));
        assert!(matches!(step(2_000).await, Ok(AuditStep::Walked(2_101))));
        let end = step(2_101).await;
        assert!(matches!(end, Ok(AuditStep::Ended(AuditVerdict::Whole(2_101)))), "{end:?}");
        assert!(matches!(step(2_102).await, Err(StoreError::Missing(_))));

        drop_triggers(&store).await;
        store.tamper("UPDATE audit_entries SET subject = 'x' WHERE sequence = 1500").await;
        let broken = async |after| match step(after).await.unwrap() {
            AuditStep::Ended(AuditVerdict::Broken(broken)) => broken,
            AuditStep::Walked(_) | AuditStep::Ended(AuditVerdict::Whole(_)) => {
                panic!("it fits, on {}", store.engine())
            }
        };
        assert_eq!(broken(1_000).await, BrokenChain::Edited(1_500));
        // Deleted just where a step ended.
        store.tamper("DELETE FROM audit_entries WHERE sequence = 1000").await;
        assert_eq!(broken(1_000).await, BrokenChain::Gap { expected: 1_000, found: 1_001 });
        store.tamper("DELETE FROM audit_entries WHERE sequence >= 1000").await;
        assert_eq!(broken(1_000).await, BrokenChain::Cut { expected: 2_101, found: 999 });
    }
}

#[tokio::test]
async fn what_entries_name_by_id_has_its_name_within_the_organization() {
    for store in every_store().await {
        let second = store.second_organization().await;
        let (key, _) = store.make_key("ci").await;
        let first = &store.first;
        let ids = [
            first.administrator.to_string(),
            first.project.to_string(),
            key.id.to_string(),
            second.administrator.to_string(),
            "system".to_owned(),
            "nul\0".to_owned(),
        ];
        let names =
            store.names_of(first.organization, ids.iter().cloned().collect()).await.unwrap();
        let name = |at: usize| names.get(&ids[at]).map(String::as_str);
        assert_eq!(
            (name(0), name(1), name(2)),
            (Some("administrator"), Some("default"), Some("ci")),
            "{}",
            store.engine()
        );
        assert_eq!(names.len(), 3);
    }
}
