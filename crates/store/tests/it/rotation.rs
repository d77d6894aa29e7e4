use std::net::IpAddr;

use doorward_domain::credential::PlainKey;
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::ApiKey;
use doorward_domain::price::Price;
use doorward_domain::rotation::{Overlap, SecretNumber};
use doorward_domain::usage::Usage;
use doorward_store::{CallRequest, Rotation, StoreError};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store, is_changed};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const SECOND: SecretNumber = SecretNumber(2);

fn overlap(seconds: i64) -> Rotation {
    let overlap = Overlap::from_seconds(seconds).unwrap();
    Rotation { overlap, expires_at: None, if_updated_at: None }
}

async fn rotate(store: &TestStore, key: &ApiKey, seconds: i64) -> PlainKey {
    store.rotate_key(&store.act(), &key.id, overlap(seconds)).await.unwrap().1
}

/// One call with one of the key's secrets.
async fn call(store: &TestStore, key: &ApiKey, secret: SecretNumber, n: u128, address: IpAddr) {
    let loaded = store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        secret,
        model: &"m".into(),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        most: Usage::of_tokens(1, 1),
        fixed_output_tokens: 0,
        average: None,
        address,
    };
    drop(store.store.admit(&loaded, &request).unwrap().unwrap());
}

#[tokio::test]
async fn the_data_plane_takes_both_secrets_until_the_overlap_is_over() {
    for store in every_store().await {
        let (key, old) = store.make_key("ci").await;
        let before = store.call_key(&key.id).await.unwrap().unwrap();
        let new = rotate(&store, &key, 3_600).await;
        assert!(is_changed(&before), "{}", store.engine());
        assert_eq!(new.id(), key.id);
        let loaded = store.call_key(&key.id).await.unwrap().unwrap();
        assert_eq!(loaded.secret(&old), Some(SecretNumber::FIRST));
        assert_eq!(loaded.secret(&new), Some(SECOND));
        let end = store.now() + HOUR;
        assert_eq!(
            (loaded.ends_at(SecretNumber::FIRST), loaded.ends_at(SECOND)),
            (Some(end), None)
        );
        let just_before = end - SignedDuration::from_micros(1);
        assert_eq!(loaded.check_secret(SecretNumber::FIRST, just_before), Ok(()));
        let refused = Err(Denial::SecretReplaced);
        assert_eq!(loaded.check_secret(SecretNumber::FIRST, end), refused);
        assert_eq!(loaded.check_secret(SECOND, end), Ok(()));
        assert_eq!(loaded.check_secret(SecretNumber(3), end), refused);
    }
}

#[tokio::test]
async fn an_overlap_that_is_cut_short_tells_whoever_waits() {
    for store in every_store().await {
        let (key, old) = store.make_key("ci").await;
        rotate(&store, &key, 3_600).await;
        let before = store.call_key(&key.id).await.unwrap().unwrap();
        store.end_previous_secrets(&store.act(), &key.id).await.unwrap();
        assert!(is_changed(&before));
        let loaded = store.call_key(&key.id).await.unwrap().unwrap();
        let secret = loaded.secret(&old).unwrap();
        assert_eq!(loaded.check_secret(secret, store.now()), Err(Denial::SecretReplaced));
        let record = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
        assert!(record.previous_secrets.is_empty());
        assert!(record.key.life.updated_at > before.key.life.updated_at);
    }
}

#[tokio::test]
async fn each_secret_shows_its_own_last_use() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let (home, away): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        call(&store, &key, SecretNumber::FIRST, 1, home).await;
        rotate(&store, &key, 86_400).await;
        let used_at = store.now();
        store.pass(HOUR);
        call(&store, &key, SECOND, 2, away).await;
        let record = store.find_key(key.organization, &key.id).await.unwrap().unwrap();
        let [old] = record.previous_secrets.as_slice() else { panic!("{record:?}") };
        assert_eq!((old.last_used_at, old.last_used_address), (Some(used_at), Some(home)));
        assert_eq!(record.last_used_at, Some(store.now()), "{}", store.engine());
        assert_eq!(record.last_used_address, Some(away));
    }
}

#[tokio::test]
async fn what_changed_in_between_is_not_rotated() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let stale = Rotation { if_updated_at: Some(store.now() - HOUR), ..overlap(0) };
        let refused = store.rotate_key(&store.act(), &key.id, stale).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{refused:?}");
        let second = store.second_organization().await;
        let act = doorward_store::Act { organization: second.organization, ..store.act() };
        let refused = store.rotate_key(&act, &key.id, overlap(0)).await;
        assert!(matches!(refused, Err(StoreError::Missing("key"))), "{refused:?}");
        store.revoke_key(&store.act(), &key.id).await.unwrap();
        let refused = store.rotate_key(&store.act(), &key.id, overlap(0)).await;
        assert!(matches!(refused, Err(StoreError::Missing("key"))), "{refused:?}");
        let rows = "SELECT CAST(COUNT(*) AS TEXT) FROM key_secrets";
        assert_eq!(store.read(rows, rows).await, ["1"]);
    }
}

#[tokio::test]
async fn two_rotations_at_once_are_one_after_the_other_or_one_of_them_fails() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let act = store.act();
        let both = tokio::join!(
            store.rotate_key(&act, &key.id, overlap(60)),
            store.rotate_key(&act, &key.id, overlap(60)),
        );
        let made = [both.0, both.1].into_iter().filter_map(|done| match done {
            Ok((_, plain)) => Some(plain),
            Err(StoreError::Stale) => None,
            Err(error) => panic!("{error:?}"),
        });
        let loaded = store.call_key(&key.id).await.unwrap().unwrap();
        let made: Vec<PlainKey> = made.collect();
        assert!(!made.is_empty() && made.iter().all(|plain| loaded.secret(plain).is_some()));
        let rows = "SELECT CAST(COUNT(*) AS TEXT) FROM key_secrets WHERE ends_at_us IS NULL";
        assert_eq!(store.read(rows, rows).await, ["1"], "{}", store.engine());
    }
}
