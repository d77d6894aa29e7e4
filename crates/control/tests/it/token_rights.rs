//! What a token may do on the management API: never more than its key, and never more than was left.

use axum::body::Body;
use doorward_domain::address::AddressRules;
use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_domain::token::BearerToken;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only, request};
use crate::tokens::{app, token};

const LIST: &str = "GET /v1/api-keys";

fn id(key: &str) -> &str {
    key.rsplit_once('_').unwrap().0
}

async fn key(app: &TestApp, name: &str, rights: Rights) -> String {
    app.key(Owner::User(app.first.administrator), name, rights).await.1
}

#[tokio::test]
async fn a_token_works_in_every_place_but_as_a_password() {
    let app = app().await;
    let token = token(&app, &app.admin, &[]).await;
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("x-api-key", token.clone()),
        ("api-key", token.clone()),
        ("x-goog-api-key", token.clone()),
    ] {
        let request = Request::get("/v1/api-keys").header(name, &value).body(Body::empty());
        app.send(request.unwrap()).await.expect(200);
    }
    let mut both = request(&app.admin, LIST, None);
    both.headers_mut().insert("x-api-key", token.parse().unwrap());
    assert_eq!(app.send(both).await.problem(400), "ambiguous_credential");
}

#[tokio::test]
async fn what_is_no_good_token_gets_the_answer_of_an_unknown_key() {
    let (app, other) = (app().await, app().await);
    let good = token(&app, &app.admin, &[]).await;
    let elsewhere = token(&app, &app.admin, &[("resource", "https://a.example")]).await;
    let short = token(&app, &app.admin, &[("expires_in", "1")]).await;
    let foreign = token(&other, &other.admin, &[]).await;
    let signature = good.rsplit_once('.').unwrap().1;
    let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let swapped = format!("{}.{signature}", short.rsplit_once('.').unwrap().0);
    app.pass(1);
    let unknown = app.call("dw_0000000000000000_x", LIST, None).await.text;
    for (name, bad) in [
        ("for another resource", elsewhere.as_str()),
        ("ended", &short),
        ("of another installation", &foreign),
        ("another's signature", &swapped),
        ("unsigned", &none),
        ("cut", &good[..good.len() - 4]),
        ("shaped only", "eyJ.eyJ.eyJ"),
    ] {
        let answer = app.call(bad, LIST, None).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
        assert_eq!(answer.text, unknown, "{name}");
        assert_eq!(answer.problem(401), "invalid_api_key", "{name}");
    }
    app.call(&good, LIST, None).await.expect(200);
}

#[tokio::test]
async fn all_that_ends_a_key_ends_its_tokens_at_once() {
    let app = app().await;
    let member = app.user("ada", OrganizationRole::Admin).await;
    let soon = app.now().checked_add(SignedDuration::from_secs(10)).unwrap();
    let ends = Rights { expires_at: Some(soon), ..all_rights() };
    let mut tokens = Vec::new();
    for (name, owner, rights) in [
        ("revoked", Owner::User(app.first.administrator), all_rights()),
        ("disabled", Owner::User(app.first.administrator), all_rights()),
        ("expired", Owner::User(app.first.administrator), ends),
        ("rotated", Owner::User(app.first.administrator), all_rights()),
        ("moved", Owner::User(app.first.administrator), all_rights()),
        ("orphaned", member, all_rights()),
    ] {
        let (record, plain) = app.key(owner, name, rights).await;
        let token = token(&app, &plain, &[]).await;
        app.call(&token, LIST, None).await.expect(200);
        tokens.push((record.id, token));
    }
    let path = |n: usize| format!("/v1/api-keys/{}", tokens[n].0);
    app.delete(&path(0)).await.expect(204);
    app.post(&format!("{}/disable", path(1)), json!({})).await.expect(200);
    app.post(&format!("{}/rotate", path(3)), json!({"overlap_seconds": 0})).await.expect(200);
    app.patch(&path(4), json!({"ip_allow": ["10.0.0.0/8"]})).await.expect(200);
    let Owner::User(user) = member else { panic!("a user") };
    app.store.set_user_disabled(&app.act(), user, true).await.unwrap();
    app.pass(10);
    #[rustfmt::skip]
    let expected = [
        (401, "key_revoked"), (401, "key_disabled"), (401, "invalid_api_key"), (401, "key_expired"),
        (403, "ip_not_allowed"), (401, "owner_inactive"),
    ];
    for ((key, token), (status, code)) in tokens.iter().zip(expected) {
        assert_eq!(app.call(token, LIST, None).await.problem(status), code, "{key}");
    }
}

#[tokio::test]
async fn a_key_that_is_narrowed_narrows_its_tokens() {
    let app = app().await;
    let key = key(&app, "k", only(&[Scope::KeysRead, Scope::AuditRead])).await;
    let token = token(&app, &key, &[("scope", "keys:read audit:read")]).await;
    app.call(&token, LIST, None).await.expect(200);
    app.patch(&format!("/v1/api-keys/{}", id(&key)), json!({"scopes": ["audit:read"]}))
        .await
        .expect(200);
    assert_eq!(app.call(&token, LIST, None).await.problem(403), "insufficient_scope");
    app.call(&token, "GET /v1/audit", None).await.expect(200);
}

#[tokio::test]
async fn a_token_has_no_scope_that_was_not_asked_for() {
    let app = app().await;
    let reader = token(&app, &app.admin, &[("scope", "keys:read")]).await;
    app.call(&reader, LIST, None).await.expect(200);
    for call in ["POST /v1/api-keys", "GET /v1/providers", "GET /v1/audit"] {
        let answer = app.call(&reader, call, Some(json!({"name": "n"}))).await;
        assert_eq!(answer.problem(403), "insufficient_scope", "{call}");
    }
    let (own, id) = (app.admin.clone(), id(&app.admin));
    for call in [format!("DELETE /v1/api-keys/{id}"), format!("POST /v1/api-keys/{id}/rotate")] {
        assert_eq!(
            app.call(&reader, &call, None).await.problem(403),
            "insufficient_scope",
            "{call}"
        );
    }
    app.call(&own, LIST, None).await.expect(200);
}

/// The new secret of its key would give a token all that it was not given.
#[tokio::test]
async fn a_narrowed_token_gets_no_secret_of_its_key_and_a_whole_one_does() {
    let app = app().await;
    let key = key(&app, "k", all_rights()).await;
    let call = format!("POST /v1/api-keys/{}/rotate", id(&key));
    for narrowed in [[("scope", "keys:write")], [("models", "gpt-*")]] {
        let token = token(&app, &key, &narrowed).await;
        let answer = app.call(&token, &call, None).await;
        assert_eq!(answer.problem(403), "exceeds_own_rights", "{narrowed:?}");
        let enable = call.replace("rotate", "enable");
        assert_eq!(app.call(&token, &enable, None).await.problem(403), "exceeds_own_rights");
    }
    let whole = token(&app, &key, &[]).await;
    let rotated = app.call(&whole, &call, None).await.expect(200);
    assert!(rotated["key"].as_str().unwrap().starts_with(id(&key)));
    let revoke = token(&app, &key, &[("scope", "keys:write")]).await;
    app.call(&revoke, &format!("DELETE /v1/api-keys/{}", id(&key)), None).await.expect(204);
    assert_eq!(app.call(&whole, LIST, None).await.problem(401), "key_revoked");
}

#[tokio::test]
async fn what_a_token_makes_is_no_stronger_than_the_token_and_ends_with_its_key() {
    let app = app().await;
    let end = app.now().checked_add(SignedDuration::from_hours(48)).unwrap();
    let maker = key(&app, "maker", Rights { expires_at: Some(end), ..all_rights() }).await;
    let token =
        token(&app, &maker, &[("scope", "keys:write inference:write"), ("models", "gpt-*")]).await;
    let make = |name: &str, wish: Value| {
        let mut wish = wish;
        wish["name"] = name.into();
        app.call(&token, "POST /v1/api-keys", Some(wish))
    };
    for (field, wish) in [
        ("scopes", json!({"scopes": ["admin"], "models": ["gpt-4o"]})),
        ("scopes", json!({"scopes": ["keys:read"], "models": ["gpt-4o"]})),
        ("models", json!({"scopes": ["inference:write"]})),
        ("models", json!({"scopes": ["inference:write"], "models": ["*"]})),
    ] {
        let answer = make("too strong", wish).await;
        assert_eq!(
            (answer.problem(403), answer.fields()),
            ("exceeds_own_rights".into(), vec![field.into()])
        );
    }
    let wish = json!({"models": ["gpt-4o"], "never_expires": true});
    let child = make("child", wish).await.expect(201);
    assert_eq!(child["scopes"], json!(["inference:write"]));
    assert_eq!((&child["expires_at"], &child["expires_clamped"]), (&json!(end), &json!(true)));
    // Nor may a key be made stronger than the token.
    let path = format!("PATCH /v1/api-keys/{}", child["id"].as_str().unwrap());
    let edit = json!({"models": ["claude-*"]});
    assert_eq!(app.call(&token, &path, Some(edit)).await.problem(403), "exceeds_own_rights");
    app.call(&token, &path, Some(json!({"description": "d"}))).await.expect(200);
}

#[tokio::test]
async fn a_request_of_a_token_is_done_once() {
    let app = app().await;
    let token = token(&app, &app.admin, &[]).await;
    let send = async || {
        let mut request = request(&token, "POST /v1/api-keys", Some(json!({"name": "once"})));
        request.headers_mut().insert("idempotency-key", "a".parse().unwrap());
        app.send(request).await
    };
    let first = send().await.expect(201);
    let again = send().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.expect(201), first);
}

#[tokio::test]
async fn an_address_list_holds_for_tokens_too() {
    let app = app().await;
    let addresses =
        AddressRules { allow: Some(vec!["192.0.2.0/24".parse().unwrap()]), deny: vec![] };
    let key = key(&app, "here", Rights { addresses, ..all_rights() }).await;
    let token = token(&app, &key, &[]).await;
    app.call(&token, LIST, None).await.expect(200);
    let mut elsewhere = request(&token, LIST, None);
    let address = doorward_domain::address::ClientAddress("198.51.100.1".parse().unwrap());
    elsewhere.extensions_mut().insert(address);
    assert_eq!(app.send_as_is(elsewhere).await.problem(403), "ip_not_allowed");
}

#[tokio::test]
async fn a_token_of_a_key_that_is_gone_is_nobodys() {
    let app = app().await;
    let key = key(&app, "gone", all_rights()).await;
    let token = token(&app, &key, &[]).await;
    app.delete(&format!("/v1/api-keys/{}", id(&key))).await.expect(204);
    app.store.sweep_keys().await.unwrap();
    assert_eq!(app.call(&token, LIST, None).await.problem(401), "invalid_api_key");
    assert!(BearerToken::parse(token.as_bytes()).is_ok());
}
