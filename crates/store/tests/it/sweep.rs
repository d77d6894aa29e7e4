use doorward_domain::key::{ApiKey, KeyStatus};
use doorward_domain::rotation::Overlap;
use doorward_store::{KeyFilter, Rotation, StoreError, Swept};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store, is_changed};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A key that lives for an hour.
async fn short_lived(store: &TestStore, name: &str) -> ApiKey {
    let mut new = store.new_key(name);
    new.rights.expires_at = Some(store.now() + HOUR);
    store.create_key(&store.act(), new).await.unwrap().0
}

async fn listed(store: &TestStore, status: Option<KeyStatus>) -> Vec<String> {
    let filter = KeyFilter { status, ..KeyFilter::default() };
    let page = store.list_keys(store.first.organization, &filter, None, 100).await.unwrap();
    page.rows.into_iter().map(|record| record.key.name).collect()
}

/// How many secrets can be told still.
async fn digests(store: &TestStore) -> String {
    let sql = "SELECT CAST(COUNT(digest) AS TEXT) FROM key_secrets";
    store.read(sql, sql).await.remove(0)
}

#[tokio::test]
async fn what_is_over_leaves_the_lists_and_its_secret_the_database() {
    for store in every_store().await {
        let expired = short_lived(&store, "expired").await;
        let (revoked, _) = store.make_key("revoked").await;
        // Lists are in the order of time.
        store.pass(SignedDuration::from_secs(1));
        store.make_key("living").await;
        store.revoke_key(&store.act(), &revoked.id).await.unwrap();
        let before = store.call_key(&expired.id).await.unwrap().unwrap();
        store.pass(HOUR);
        assert_eq!(listed(&store, None).await, ["living", "expired"]);
        assert_eq!(store.sweep_keys().await.unwrap(), Swept { keys: 2, secrets: 0 });
        assert!(is_changed(&before), "memory does not know it either");
        assert!(store.call_key(&expired.id).await.unwrap().is_none());
        assert_eq!(
            (listed(&store, None).await, digests(&store).await),
            (vec!["living".into()], "1".into())
        );
        assert_eq!(listed(&store, Some(KeyStatus::Expired)).await, ["expired"]);
        assert_eq!(listed(&store, Some(KeyStatus::Revoked)).await, ["revoked"]);
        assert!(store.find_key(expired.organization, &expired.id).await.unwrap().is_some());
        assert_eq!(store.sweep_keys().await.unwrap(), Swept::default(), "{}", store.engine());
        let audit = store.list_audit(store.first.organization, None, 2).await.unwrap();
        assert!(audit.iter().all(|entry| entry.action == "key.sweep"), "{audit:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_put_away_gives_its_name_free() {
    for store in every_store().await {
        short_lived(&store, "ci").await;
        store.pass(HOUR);
        let taken = store.create_key(&store.act(), store.new_key("ci")).await;
        assert!(matches!(taken, Err(StoreError::Taken { field: "name" })));
        store.sweep_keys().await.unwrap();
        store.create_key(&store.act(), store.new_key("ci")).await.unwrap();
    }
}

#[tokio::test]
async fn a_replaced_secret_goes_when_its_overlap_is_over_and_not_before() {
    for store in every_store().await {
        let (key, old) = store.make_key("ci").await;
        let overlap = Overlap::from_seconds(3_600).unwrap();
        let rotation = Rotation { overlap, expires_at: None, if_updated_at: None };
        let (_, new) = store.rotate_key(&store.act(), &key.id, rotation).await.unwrap();
        assert_eq!(store.sweep_keys().await.unwrap(), Swept::default());
        store.pass(HOUR);
        assert_eq!(store.sweep_keys().await.unwrap(), Swept { keys: 0, secrets: 1 });
        let loaded = store.call_key(&key.id).await.unwrap().unwrap();
        assert!(loaded.secret(&old).is_none() && loaded.secret(&new).is_some());
        assert_eq!(digests(&store).await, "1", "{}", store.engine());
        let audit = store.list_audit(store.first.organization, None, 2).await.unwrap();
        let actions: Vec<_> = audit.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["key.sweep_secrets", "key.rotate"]);
    }
}

#[tokio::test]
async fn more_than_one_batch_is_put_away_at_once() {
    for store in every_store().await {
        for n in 0..130 {
            short_lived(&store, &format!("k{n}")).await;
        }
        store.pass(HOUR);
        assert_eq!(store.sweep_keys().await.unwrap().keys, 130, "{}", store.engine());
    }
}
