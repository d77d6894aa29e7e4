//! `Idempotency-Key`.

use doorward_domain::key::Owner;
use doorward_domain::scope::Scope;
use http::HeaderValue;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only, request};

const MINUTE: i64 = 60;

async fn post_as(app: &TestApp, key: &str, name: &str, path: &str, body: Value) -> Answer {
    let mut request = request(key, &format!("POST {path}"), Some(body));
    request.headers_mut().insert("idempotency-key", name.parse().unwrap());
    app.send(request).await
}

async fn post(app: &TestApp, name: &str, path: &str, body: Value) -> Answer {
    post_as(app, &app.admin, name, path, body).await
}

async fn keys(app: &TestApp) -> usize {
    app.get("/v1/api-keys").await.expect(200)["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_key_that_is_asked_for_twice_is_made_once_and_shown_for_ten_minutes() {
    let app = TestApp::new().await;
    let before = keys(&app).await;
    let first = post(&app, "one", "/v1/api-keys", json!({"name": "ci"})).await;
    assert_eq!(first.status, 201);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    app.pass(9 * MINUTE);
    let again = post(&app, "one", "/v1/api-keys", json!({"name": "ci"})).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(again.header("content-type"), "application/json");
    let key = first.json()["key"].as_str().unwrap().to_owned();
    app.call(&key, "GET /v1/api-keys", None).await.problem(403);

    app.pass(MINUTE);
    let late = post(&app, "one", "/v1/api-keys", json!({"name": "ci"})).await;
    assert_eq!(late.status, 201);
    let mut expected = first.json();
    (expected["key"], expected["secret_key"]) = (Value::Null, Value::Null);
    assert_eq!(late.json(), expected);
    assert_eq!(keys(&app).await, before + 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let app = TestApp::new().await;
    let provider = json!({"name": "local", "kind": "openai"});
    let first = post(&app, "one", "/v1/providers", provider.clone()).await.expect(201);
    app.pass(24 * 60 * MINUTE - 1);
    let again = post(&app, "one", "/v1/providers", provider.clone()).await.expect(201);
    assert_eq!(again, first);
    app.pass(1);
    let late = post(&app, "one", "/v1/providers", provider).await;
    assert_eq!(late.problem(409), "name_taken");
}

#[tokio::test]
async fn every_post_is_done_once() {
    let app = TestApp::new().await;
    let (key, _) = app.key(Owner::User(app.first.administrator), "ci", all_rights()).await;
    let path = format!("/v1/api-keys/{}/disable", key.id);
    let first = post(&app, "one", &path, json!({})).await;
    app.post(&format!("/v1/api-keys/{}/enable", key.id), json!({})).await.expect(200);
    let again = post(&app, "one", &path, json!({})).await;
    assert_eq!((again.status.as_u16(), again.text), (200, first.text));
    let shown = app.get(&format!("/v1/api-keys/{}", key.id)).await.expect(200);
    assert_eq!(shown["status"], "active");
}

#[tokio::test]
async fn what_was_refused_is_tried_again() {
    let app = TestApp::new().await;
    let other = json!({"name": "other", "kind": "openai"});
    let id = app.post("/v1/providers", other).await.expect(201)["id"].clone();
    let wish = json!({"name": "other", "kind": "anthropic"});
    assert_eq!(post(&app, "one", "/v1/providers", wish.clone()).await.problem(409), "name_taken");
    app.delete(&format!("/v1/providers/{}", id.as_str().unwrap())).await.expect(204);
    post(&app, "one", "/v1/providers", wish).await.expect(201);
}

#[tokio::test]
async fn a_name_belongs_to_one_request_of_one_caller() {
    let app = TestApp::new().await;
    let rights = only(&[Scope::KeysWrite, Scope::InferenceRead, Scope::InferenceWrite]);
    let (_, other) = app.key(app.service_account("agent").await, "agent", rights).await;
    let wish = || json!({"name": "ci"});
    let first = post(&app, "one", "/v1/api-keys", wish()).await.expect(201);
    for (path, body) in [("/v1/api-keys", json!({"name": "cd"})), ("/v1/providers", wish())] {
        let answer = post(&app, "one", path, body).await;
        assert_eq!(answer.problem(409), "idempotency_key_reused", "{path}");
    }
    let theirs = post_as(&app, &other, "one", "/v1/api-keys", wish()).await.expect(201);
    assert_ne!(theirs["id"], first["id"]);
    assert_ne!(theirs["owner"], first["owner"]);
}

#[tokio::test]
async fn an_answer_is_for_whoever_still_may_ask() {
    let app = TestApp::new().await;
    let (caller, key) = app.key(Owner::User(app.first.administrator), "ci", all_rights()).await;
    post_as(&app, &key, "one", "/v1/api-keys", json!({"name": "cd"})).await.expect(201);
    app.store.revoke_key(&app.act(), &caller.id).await.unwrap();
    let again = post_as(&app, &key, "one", "/v1/api-keys", json!({"name": "cd"})).await;
    assert_eq!(again.problem(401), "key_revoked");
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let app = TestApp::new().await;
    let ask = || post(&app, "one", "/v1/api-keys", json!({"name": "ci"}));
    let answers = tokio::join!(ask(), ask(), ask(), ask());
    let answers: [Answer; 4] = answers.into();
    let done = answers.iter().filter(|answer| answer.status == 201);
    let ids: Vec<Value> = done.map(|answer| answer.json()["id"].clone()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.problem(409), "idempotency_key_in_use");
    }
    ask().await.expect(201);
    assert_eq!(keys(&app).await, 2);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let app = TestApp::new().await;
    let long = "x".repeat(256);
    for name in ["", "two words", "\u{e9}", long.as_str()] {
        let mut request = request(&app.admin, "POST /v1/api-keys", Some(json!({"name": "ci"})));
        let value = HeaderValue::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert("idempotency-key", value);
        let answer = app.send(request).await;
        assert_eq!(answer.problem(400), "invalid_request", "{name}");
        assert_eq!(answer.fields(), ["idempotency-key"], "{name}");
    }
    let mut twice = request(&app.admin, "POST /v1/api-keys", Some(json!({"name": "ci"})));
    for name in ["one", "two"] {
        twice.headers_mut().append("idempotency-key", HeaderValue::from_static(name));
    }
    assert_eq!(app.send(twice).await.problem(400), "invalid_request");
    assert_eq!(keys(&app).await, 1);
}

#[tokio::test]
async fn other_methods_ignore_the_name() {
    let app = TestApp::new().await;
    for call in ["GET /v1/api-keys", "GET /v1/providers"] {
        let mut get = request(&app.admin, call, None);
        get.headers_mut().insert("idempotency-key", HeaderValue::from_static("one"));
        app.send(get).await.expect(200);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_under_a_name_too() {
    let app = TestApp::new().await;
    let wish = json!({"name": "ci", "description": "x".repeat(2 << 20)});
    let plain = app.post("/v1/api-keys", wish.clone()).await.problem(413);
    assert_eq!(post(&app, "one", "/v1/api-keys", wish).await.problem(413), plain);
}
