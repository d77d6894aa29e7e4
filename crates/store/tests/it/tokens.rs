use std::sync::Arc;

use doorward_domain::id::TokenId;
use doorward_domain::key::ApiKey;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::narrowing::Narrowing;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::{Overlap, SecretNumber};
use doorward_domain::scope::ScopeSet;
use doorward_domain::token::{BearerToken, Claims};
use doorward_store::{Act, Actor, Rotation, StoreError};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store, is_changed};

const URL: &str = "https://models.example";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

async fn stores() -> [TestStore; 2] {
    let stores = every_store().await;
    for store in &stores {
        store.set_public_url(URL.to_owned());
    }
    stores
}

/// A token of a key for an hour and for everything.
fn claims(store: &TestStore, key: &ApiKey, n: u128) -> Claims {
    Claims {
        issuer: URL.to_owned(),
        audience: URL.to_owned(),
        owner: key.owner,
        key: key.id,
        secret: SecretNumber::FIRST,
        id: TokenId::new(1, n),
        issued_at: store.now(),
        expires_at: store.now() + HOUR,
        narrowing: Narrowing { scopes: ScopeSet::ALL, models: ModelRule::All },
        salt: 1,
    }
}

fn sign(store: &TestStore, claims: &Claims) -> BearerToken {
    store.sign_token(claims).unwrap()
}

#[tokio::test]
async fn a_token_is_good_until_it_ends_also_from_memory() {
    for store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let claims = claims(&store, &key, 1);
        let token = sign(&store, &claims);
        for _ in 0..2 {
            assert_eq!(store.check_token(&token).as_deref(), Some(&claims), "{}", store.engine());
        }
        let (one, other) = (store.check_token(&token).unwrap(), store.check_token(&token).unwrap());
        assert!(Arc::ptr_eq(&one, &other), "what was checked is remembered");
        store.pass(HOUR - SECOND);
        assert!(store.check_token(&token).is_some());
        store.pass(SECOND);
        assert!(store.check_token(&token).is_none());
    }
}

#[tokio::test]
async fn a_token_for_somebody_else_is_read_and_not_good_here() {
    for store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let audience = "https://files.example".to_owned();
        let token = sign(&store, &Claims { audience, ..claims(&store, &key, 1) });
        for _ in 0..2 {
            assert!(store.read_token(&token).is_some(), "{}", store.engine());
            assert!(store.check_token(&token).is_none(), "{}", store.engine());
        }
    }
}

#[tokio::test]
async fn what_is_not_right_on_every_point_is_no_token() {
    let [store, other] = stores().await;
    let (key, _) = store.make_key("ci").await;
    let good = claims(&store, &key, 1);
    let now = store.now();
    let cases = [
        ("another issuer", Claims { issuer: "https://a.example".to_owned(), ..good.clone() }),
        ("a slash too many", Claims { issuer: format!("{URL}/"), ..good.clone() }),
        ("no issuer", Claims { issuer: String::new(), ..good.clone() }),
        ("its end", Claims { expires_at: now, ..good.clone() }),
        ("long over", Claims { issued_at: now - HOUR, expires_at: now - SECOND, ..good.clone() }),
        ("too long a life", Claims { expires_at: now + HOUR + SECOND, ..good.clone() }),
        ("not begun", Claims { issued_at: now + SignedDuration::from_secs(61), ..good.clone() }),
    ];
    for (name, claims) in cases {
        assert!(store.read_token(&sign(&store, &claims)).is_none(), "{name}");
    }
    let token = sign(&store, &good);
    assert!(store.read_token(&token).is_some());
    assert!(other.read_token(&token).is_none(), "the key of another installation");
}

#[tokio::test]
async fn without_a_public_url_no_token_is_good() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        for issuer in [String::new(), URL.to_owned()] {
            let token = sign(&store, &Claims { issuer, ..claims(&store, &key, 1) });
            assert!(store.read_token(&token).is_none(), "{}", store.engine());
        }
        store.set_public_url(URL.to_owned());
        store.set_public_url("https://second.example".to_owned());
        assert_eq!(store.public_url(), Some(URL));
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_after_a_restart() {
    for mut store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let (first, second) = (claims(&store, &key, 1), claims(&store, &key, 2));
        let tokens = [&first, &second].map(|claims| sign(&store, claims));
        assert!(store.check_token(&tokens[0]).is_some());
        let loaded = store.call_key(&key.id).await.unwrap().unwrap();
        assert!(store.revoke_token(&store.act(), &first).await.unwrap());
        assert!(is_changed(&loaded), "streams ask again, on {}", store.engine());
        let good = |store: &TestStore| tokens.each_ref().map(|t| store.check_token(t).is_some());
        assert_eq!(good(&store), [false, true], "{}", store.engine());
        assert!(store.is_token_revoked(first.id) && !store.is_token_revoked(second.id));

        store.reopen().await;
        store.set_public_url(URL.to_owned());
        assert_eq!(good(&store), [false, true], "{}", store.engine());
    }
}

#[tokio::test]
async fn revoking_twice_is_noted_once() {
    for store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let claims = claims(&store, &key, 1);
        for _ in 0..2 {
            assert!(store.revoke_token(&store.act(), &claims).await.unwrap());
        }
        let entries = store.list_audit(store.first.organization, None, 9).await.unwrap();
        let noted: Vec<_> = entries.iter().filter(|e| e.action == "token.revoke").collect();
        assert_eq!(noted.len(), 1, "{}", store.engine());
        assert_eq!(noted[0].subject, claims.id.to_string());
        assert_eq!(noted[0].detail, format!(r#"{{"key":"{}"}}"#, key.id));
    }
}

#[tokio::test]
async fn what_was_revoked_is_forgotten_when_it_would_have_ended() {
    const COUNT: &str = "SELECT id FROM revoked_tokens ORDER BY id";
    for mut store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let (first, second) = (claims(&store, &key, 1), claims(&store, &key, 2));
        store.revoke_token(&store.act(), &first).await.unwrap();
        store.pass(HOUR);
        store.reopen().await;
        assert!(!store.is_token_revoked(first.id), "{}", store.engine());
        store.revoke_token(&store.act(), &second).await.unwrap();
        assert_eq!(store.read(COUNT, COUNT).await, [second.id.to_string()]);
    }
}

#[tokio::test]
async fn a_token_ends_with_the_secret_that_asked_for_it() {
    for store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let old = claims(&store, &key, 1);
        let new = Claims { secret: SecretNumber(2), ..claims(&store, &key, 2) };
        assert!(store.identify_token(&new).await.unwrap().is_none(), "{}", store.engine());
        let identity = store.identify_token(&old).await.unwrap().unwrap();
        assert_eq!((identity.key.id, identity.secret), (key.id, SecretNumber::FIRST));
        assert_eq!(identity.secret_ends_at, None);

        let overlap = Overlap::from_seconds(600).unwrap();
        let rotation = Rotation { overlap, expires_at: None, if_updated_at: None };
        store.rotate_key(&store.act(), &key.id, rotation).await.unwrap();
        let identity = store.identify_token(&old).await.unwrap().unwrap();
        assert_eq!(identity.secret_ends_at, Some(store.now() + SignedDuration::from_mins(10)));
        let identity = store.identify_token(&new).await.unwrap().unwrap();
        assert_eq!((identity.secret, identity.secret_ends_at), (SecretNumber(2), None));

        store.pass(SignedDuration::from_mins(10));
        store.sweep_keys().await.unwrap();
        assert!(store.identify_token(&old).await.unwrap().is_none(), "{}", store.engine());
        assert!(store.identify_token(&new).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_token_that_was_revoked_meanwhile() {
    for store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let claims = claims(&store, &key, 1);
        let actor = Actor::Key {
            id: key.id,
            updated_at: key.life.updated_at,
            secret_ends_at: Some(claims.expires_at),
            token: Some(claims.id),
            owner: key.owner,
            user_role: OrganizationRole::Owner,
            role_max: None,
        };
        let act = Act { actor, ..store.act() };
        store.create_key(&act, store.new_key("before")).await.unwrap();
        store.revoke_token(&store.act(), &claims).await.unwrap();
        let refused = store.create_key(&act, store.new_key("after")).await.unwrap_err();
        assert!(matches!(refused, StoreError::ActorChanged), "{refused:?} on {}", store.engine());
    }
}

#[tokio::test]
async fn a_start_after_a_month_signs_with_a_new_key_and_still_knows_the_old_one() {
    for mut store in stores().await {
        let (key, _) = store.make_key("ci").await;
        let first = store.token_public_keys();
        assert_eq!(first.len(), 1);
        store.pass(SignedDuration::from_hours(30 * 24) - SECOND);
        store.reopen().await;
        assert_eq!(store.token_public_keys(), first, "{}", store.engine());
        let old = claims(&store, &key, 1);
        let token = sign(&store, &old);
        store.pass(SECOND);
        store.reopen().await;
        store.set_public_url(URL.to_owned());
        let both = store.token_public_keys();
        assert_eq!((both.len(), &both[1]), (2, &first[0]), "{}", store.engine());
        assert_eq!(store.read_token(&token).as_deref(), Some(&old));
        let new = sign(&store, &claims(&store, &key, 2));
        assert_ne!(new.parts().unwrap().header, token.parts().unwrap().header);
        assert!(store.read_token(&new).is_some());

        store.pass(HOUR + SignedDuration::from_mins(1));
        assert_eq!(store.token_public_keys(), both[..1], "{}", store.engine());
        store.reopen().await;
        assert_eq!(store.token_public_keys(), both[..1], "{}", store.engine());
    }
}
