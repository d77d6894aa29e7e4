use doorward_domain::limit::Limits;
use doorward_domain::rotation::SecretNumber;
use doorward_store::{Cost, KeyRecord};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

#[tokio::test]
async fn a_use_elsewhere_is_counted_across_an_edit_of_its_key() {
    for store in every_store().await {
        let mut new = store.new_key("k");
        new.rights.limits = Limits { requests_per_day: 3.try_into().ok(), ..Limits::NONE };
        let (key, _) = store.create_key(&store.act(), new).await.unwrap();
        let mut left = Vec::new();
        for _ in 0..4 {
            let call = store.call_key(&key.id).await.unwrap().unwrap();
            let taken = store.spend(&call, None, Cost::ONE_REQUEST).unwrap();
            left.push(taken.ok().and_then(|quotas| quotas.requests).map(|quota| quota.remaining));
            let is_disabled = left.len() % 2 == 1;
            store.set_key_disabled(&store.act(), &key.id, is_disabled).await.unwrap();
        }
        assert_eq!(left, [Some(2), Some(1), Some(0), None], "{}", store.engine());
    }
}

async fn record(store: &TestStore, id: &doorward_domain::credential::KeyId) -> KeyRecord {
    store.find_key(store.first.organization, id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_use_elsewhere_is_noted_once_a_minute_for_each_secret() {
    for store in every_store().await {
        let (key, _) = store.make_key("k").await;
        let call = store.call_key(&key.id).await.unwrap().unwrap();
        let first = SecretNumber::FIRST;
        assert!(store.is_use_notable(&call, first), "{}", store.engine());
        assert!(!store.is_use_notable(&call, first));
        assert!(!store.is_use_notable(&call, first.next()), "there is no such secret");
        let address = "192.0.2.7".parse().unwrap();
        store.note_use(&call, first, address).await.unwrap();
        let noted = record(&store, &key.id).await;
        assert_eq!(
            (noted.last_used_at, noted.last_used_address),
            (Some(store.now()), Some(address))
        );

        store.pass(SignedDuration::from_secs(59));
        assert!(!store.is_use_notable(&call, first));
        // Neither is it where the key was loaded anew.
        store.set_key_disabled(&store.act(), &key.id, true).await.unwrap();
        let call = store.call_key(&key.id).await.unwrap().unwrap();
        assert!(!store.is_use_notable(&call, first), "{}", store.engine());
        store.pass(SignedDuration::from_secs(1));
        assert!(store.is_use_notable(&call, first), "{}", store.engine());
    }
}
