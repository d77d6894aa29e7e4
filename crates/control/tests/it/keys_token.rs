//! `POST /v1/api-keys/{id}/token`.

use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_domain::token::BearerToken;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};
use crate::sign_in::{add_ada, sign_in};

const CALLS: [Scope; 2] = [Scope::InferenceRead, Scope::InferenceWrite];

/// A session of ada's, and what she is as the owner of keys.
async fn ada(app: &TestApp, role: &str) -> (String, Owner) {
    add_ada(app, role).await;
    app.store.set_public_url("https://door.example".to_owned());
    let session = sign_in(app).await;
    let me = app.call(&session, "GET /v1/users/me", None).await.expect(200);
    (session, Owner::User(me["id"].as_str().unwrap().parse().unwrap()))
}

fn path(key: &ApiKey) -> String {
    format!("POST /v1/api-keys/{}/token", key.id)
}

#[tokio::test]
async fn a_session_gets_a_token_for_its_own_key_that_does_no_more_than_call() {
    let app = TestApp::new().await;
    let (session, owner) = ada(&app, "member").await;
    let rights = Rights {
        models: ModelRule::Only(vec!["gpt-*".parse().unwrap()]),
        expires_at: Some(app.now() + SignedDuration::from_secs(3_600)),
        ..all_rights()
    };
    let (key, _) = app.key(owner, "ci", rights).await;
    let made = app.call(&session, &path(&key), None).await.expect(201);
    assert_eq!((&made["key"], &made["scopes"]), (&json!(key.id), &json!(CALLS.map(Scope::as_str))));
    let at = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let life = at(&made["expires_at"]).duration_since(app.now());
    assert!((299..=300).contains(&life.as_secs()), "{life:?}");

    let token = made["token"].as_str().unwrap();
    let claims = app.store.check_token(&BearerToken::parse(token.as_bytes()).unwrap()).unwrap();
    assert_eq!((claims.key, claims.owner, claims.secret), (key.id, owner, SecretNumber::FIRST));
    assert_eq!(claims.narrowing.models, key.rights.models);
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!((&entry["action"], &entry["subject"]), (&json!("token.create"), &made["id"]));
    assert_eq!(entry["detail"]["key"], json!(key.id));
    assert!(!entry.to_string().contains(token), "{entry}");

    // The key may see itself, the token may not.
    assert_eq!(app.call(token, "GET /v1/users/me", None).await.problem(403), "insufficient_scope");
}

#[tokio::test]
async fn a_token_ends_with_its_key() {
    let app = TestApp::new().await;
    let (session, owner) = ada(&app, "member").await;
    let soon =
        Rights { expires_at: Some(app.now() + SignedDuration::from_secs(60)), ..only(&CALLS) };
    let (key, _) = app.key(owner, "soon", soon).await;
    let made = app.call(&session, &path(&key), None).await.expect(201);
    assert_eq!(made["expires_at"], json!(key.rights.expires_at.unwrap()));

    let (key, _) = app.key(owner, "ci", only(&CALLS)).await;
    let made = app.call(&session, &path(&key), None).await.expect(201);
    let token = made["token"].as_str().unwrap();
    let ask = || app.call(token, "GET /v1/usage", None);
    assert_eq!(ask().await.problem(403), "insufficient_scope", "it is known");
    let revoke = format!("DELETE /v1/api-keys/{}", key.id);
    app.call(&session, &revoke, None).await.expect(204);
    assert_eq!(ask().await.problem(401), "key_revoked");
}

#[tokio::test]
async fn no_token_is_given_for_a_key_that_could_not_be_used_or_is_not_ones_own() {
    let app = TestApp::new().await;
    let (session, owner) = ada(&app, "admin").await;
    let (key, plain) = app.key(owner, "ci", only(&CALLS)).await;
    let (blind, _) = app.key(owner, "blind", only(&[Scope::InferenceRead])).await;
    let (admins, _) = app.key(Owner::User(app.first.administrator), "a", only(&CALLS)).await;
    let (agents, _) = app.key(app.service_account("bot").await, "b", only(&CALLS)).await;
    for (key, status, code) in [
        (&blind, 409, "insufficient_scope"),
        (&admins, 404, "not_found"),
        (&agents, 404, "not_found"),
    ] {
        assert_eq!(app.call(&session, &path(key), None).await.problem(status), code);
    }
    assert_eq!(app.call(&plain, &path(&key), None).await.problem(403), "session_required");

    let switch = |verb: &str| format!("POST /v1/api-keys/{}/{verb}", key.id);
    app.call(&session, &switch("disable"), None).await.expect(200);
    assert_eq!(app.call(&session, &path(&key), None).await.problem(409), "key_disabled");
    app.call(&session, &switch("enable"), None).await.expect(200);
    let block = json!({ "ip_allow": ["203.0.113.0/24"] });
    let edit = format!("PATCH /v1/api-keys/{}", key.id);
    app.call(&session, &edit, Some(block)).await.expect(200);
    assert_eq!(app.call(&session, &path(&key), None).await.problem(409), "ip_not_allowed");
}
