//! How often keys were refused, and why.

use doorward_domain::key::ApiKey;
use doorward_store::{KeyDenial, RefusedKey};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

fn refuse(store: &TestStore, key: &ApiKey, code: &'static str, model: Option<&str>) {
    let address = Some([10, 4, 1, 17].into());
    let organization = key.organization;
    store.note_refused_key(&RefusedKey { organization, key: key.id, code, model, address });
}

async fn denials(store: &TestStore, key: &ApiKey) -> Vec<KeyDenial> {
    store.key_denials(store.first.organization, &key.id).await.unwrap()
}

#[tokio::test]
async fn refusals_are_counted_by_reason_for_thirty_days_also_after_a_restart() {
    for mut store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let (other, _) = store.make_key("other").await;
        refuse(&store, &key, "ip_not_allowed", None);
        refuse(&store, &key, "model_not_found", Some("gpt-4o"));
        store.reopen().await;
        store.pass(SignedDuration::from_hours(24));
        refuse(&store, &key, "model_not_found", Some("gpt-5"));
        let expected = [("model_not_found", 2, Some("gpt-5")), ("ip_not_allowed", 1, None)];
        let found = denials(&store, &key).await;
        let told: Vec<_> =
            found.iter().map(|d| (&*d.code, d.times, d.last_model.as_deref())).collect();
        assert_eq!(told, expected, "{}", store.engine());
        assert_eq!(found[0].last_at, store.now());
        assert_eq!(found[0].last_address, Some([10, 4, 1, 17].into()));
        assert!(denials(&store, &other).await.is_empty());
        let second = store.second_organization().await.organization;
        assert!(store.key_denials(second, &key.id).await.unwrap().is_empty());

        store.pass(SignedDuration::from_hours(24 * 29 - 1));
        let told: Vec<_> =
            denials(&store, &key).await.into_iter().map(|d| (d.code, d.times)).collect();
        assert_eq!(told, [("model_not_found".to_owned(), 1)], "{}", store.engine());
        store.pass(SignedDuration::from_hours(48));
        store.sweep_old_records().await.unwrap();
        let left = store.read("SELECT code FROM key_denials", "SELECT code FROM key_denials").await;
        assert!(left.is_empty(), "{}: {left:?}", store.engine());
    }
}
