//! `/v1/api-keys/{id}/rotate`: a new secret under the same id.

use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::scope::{Scope, ScopeSet};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only, request, shape};

const DAY: i64 = 86_400;

fn path(key: &Value) -> String {
    format!("/v1/api-keys/{}", key["id"].as_str().unwrap())
}

fn secret(key: &Value) -> String {
    key["key"].as_str().unwrap().to_owned()
}

async fn create(app: &TestApp, wish: Value) -> Value {
    app.post("/v1/api-keys", wish).await.expect(201)
}

async fn reader(app: &TestApp) -> Value {
    create(app, json!({"name": "k", "scopes": ["keys:read"]})).await
}

async fn rotate(app: &TestApp, key: &Value, wish: Value) -> Answer {
    app.post(&format!("{}/rotate", path(key)), wish).await
}

async fn ask_with(app: &TestApp, secret: &str) -> Answer {
    app.call(secret, "GET /v1/api-keys", None).await
}

#[tokio::test]
async fn both_secrets_work_until_the_overlap_is_over() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    app.pass(DAY);
    let rotated = rotate(&app, &created, json!({"overlap_seconds": 3600})).await;
    assert!(rotated.headers.contains_key("etag"));
    let rotated = rotated.expect(200);
    insta::assert_json_snapshot!(shape(rotated.clone()));
    assert_eq!(rotated["id"], created["id"]);
    assert_ne!(secret(&rotated), secret(&created));
    ask_with(&app, &secret(&created)).await.expect(200);
    ask_with(&app, &secret(&rotated)).await.expect(200);
    let shown = app.get(&path(&created)).await.expect(200);
    let previous = &shown["previous_secrets"];
    assert_eq!(previous[0]["fingerprint"], created["fingerprint"]);
    assert_eq!(previous[0]["last_used_at"], "2026-01-02T00:00:00Z");
    assert_eq!(previous[0]["last_used_ip"], "192.0.2.7");
    assert_eq!(previous[1], Value::Null);
    app.pass(3_600);
    assert_eq!(ask_with(&app, &secret(&created)).await.problem(401), "key_expired");
    ask_with(&app, &secret(&rotated)).await.expect(200);
    assert_eq!(app.get(&path(&created)).await.expect(200)["previous_secrets"], json!([]));
}

#[tokio::test]
async fn a_rotation_without_a_body_overlaps_for_a_day() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let call = format!("POST {}/rotate", path(&created));
    let rotated = app.call(&app.admin, &call, None).await.expect(200);
    assert_eq!(rotated["previous_secrets"][0]["ends_at"], "2026-01-02T00:00:00Z");
}

#[tokio::test]
async fn without_an_overlap_the_old_secret_ends_at_once() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let once = rotate(&app, &created, json!({})).await.expect(200);
    let twice = rotate(&app, &created, json!({"overlap_seconds": 0})).await.expect(200);
    for old in [&created, &once] {
        assert_eq!(ask_with(&app, &secret(old)).await.problem(401), "key_expired");
    }
    ask_with(&app, &secret(&twice)).await.expect(200);
    assert_eq!(twice["previous_secrets"], json!([]));
}

#[tokio::test]
async fn an_overlap_can_be_ended_before_its_time() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let rotated = rotate(&app, &created, json!({})).await.expect(200);
    let end = format!("{}/previous-secrets", path(&created));
    app.delete(&end).await.expect(204);
    assert_eq!(ask_with(&app, &secret(&created)).await.problem(401), "key_expired");
    ask_with(&app, &secret(&rotated)).await.expect(200);
    let audit = app.get("/v1/audit").await.text;
    app.delete(&end).await.expect(204);
    assert_eq!(app.get("/v1/audit").await.text, audit, "there was nothing left to end");
    assert_eq!(audit.matches("key.end_overlap").count(), 1);
}

#[tokio::test]
async fn four_secrets_work_at_once_and_no_more() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    for _ in 0..3 {
        rotate(&app, &created, json!({})).await.expect(200);
    }
    assert_eq!(rotate(&app, &created, json!({})).await.problem(409), "too_many_secrets");
    ask_with(&app, &secret(&created)).await.expect(200);
    app.pass(DAY);
    rotate(&app, &created, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_later_rotation_never_lets_an_old_secret_live_longer() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    rotate(&app, &created, json!({"overlap_seconds": 7_200})).await.expect(200);
    let shorter = rotate(&app, &created, json!({"overlap_seconds": 3_600})).await.expect(200);
    let ends = |key: &Value| {
        let previous = key["previous_secrets"].as_array().unwrap();
        previous.iter().map(|old| old["ends_at"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ends(&shorter), ["2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z"]);
    let longer = rotate(&app, &created, json!({"overlap_seconds": 86_400})).await.expect(200);
    let expected = ["2026-01-02T00:00:00Z", "2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z"];
    assert_eq!(ends(&longer), expected);
}

#[tokio::test]
async fn a_rotated_key_lives_as_long_again() {
    let app = TestApp::new().await;
    let created = create(&app, json!({"name": "k", "expires_in_days": 30})).await;
    app.pass(29 * DAY);
    let rotated = rotate(&app, &created, json!({})).await.expect(200);
    assert_eq!(rotated["expires_at"], "2026-03-01T00:00:00Z");
    app.pass(29 * DAY);
    let rotated = rotate(&app, &created, json!({})).await.expect(200);
    assert_eq!(rotated["expires_at"], "2026-03-30T00:00:00Z");
    let wish = json!({"expires_in_days": 400});
    let rotated = rotate(&app, &created, wish).await.expect(200);
    assert_eq!(rotated["expires_at"], "2026-05-29T00:00:00Z", "the cap counts from the new secret");
    assert_eq!(rotated["expires_clamped"], json!(true));
}

#[tokio::test]
async fn a_wrong_wish_is_named_and_changes_nothing() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    #[rustfmt::skip]
    let cases = [
        (json!({"overlap_seconds": -1}),                                "overlap_seconds"),
        (json!({"overlap_seconds": 604_801}),                           "overlap_seconds"),
        (json!({"overlap_seconds": "1h"}),                              "overlap_seconds"),
        (json!({"overlap": 5}),                                         "overlap"),
        (json!({"expires_at": "2025-01-01T00:00:00Z"}),                 "expires_at"),
        (json!({"expires_in_days": 1, "never_expires": true}),          "never_expires"),
        (json!({"name": "new"}),                                        "name"),
    ];
    for (wish, field) in cases {
        let answer = rotate(&app, &created, wish.clone()).await;
        assert!((400..=422).contains(&answer.status.as_u16()), "{wish}: {}", answer.text);
        assert_eq!(answer.fields(), [field], "{wish}");
    }
    assert_eq!(app.get(&path(&created)).await.expect(200)["rotated_at"], Value::Null);
    ask_with(&app, &secret(&created)).await.expect(200);
}

#[tokio::test]
async fn what_is_final_is_not_rotated() {
    let app = TestApp::new().await;
    let revoked = reader(&app).await;
    app.delete(&path(&revoked)).await.expect(204);
    assert_eq!(rotate(&app, &revoked, json!({})).await.problem(409), "key_revoked");
    let expired = create(&app, json!({"name": "short", "expires_in_days": 1})).await;
    app.pass(DAY);
    assert_eq!(rotate(&app, &expired, json!({})).await.problem(409), "key_expired");
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let tag = app.get(&path(&created)).await.header("etag");
    app.pass(1);
    app.patch(&path(&created), json!({"description": "new"})).await.expect(200);
    let call = format!("POST {}/rotate", path(&created));
    let mut late = request(&app.admin, &call, Some(json!({})));
    late.headers_mut().insert("if-match", tag.parse().unwrap());
    assert_eq!(app.send(late).await.status, 412);
}

/// Who holds the secret of a key can do what it can: nobody gets one that is stronger than they are.
#[tokio::test]
async fn nobody_rotates_their_way_to_more_rights() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let strong = create(&app, json!({"name": "strong", "scopes": ["inference:write"]})).await;
    let manager = app.key(owner, "manager", only(&[Scope::Admin, Scope::KeysWrite])).await.1;
    let call = format!("POST {}/rotate", path(&strong));
    let refused = app.call(&manager, &call, Some(json!({}))).await;
    assert_eq!(
        (refused.problem(403), refused.fields()),
        ("exceeds_own_rights".into(), vec!["scopes".into()])
    );

    let limits = serde_json::from_value(json!({"requests_per_minute": 5})).unwrap();
    let bounded = app.key(owner, "bounded", Rights { limits, ..all_rights() }).await.1;
    assert_eq!(app.call(&bounded, &call, Some(json!({}))).await.problem(403), "bounded_key");

    let service = app.service_account("app").await;
    let other = app.key(service, "other", only(&[Scope::KeysRead, Scope::KeysWrite])).await.1;
    assert_eq!(app.call(&other, &call, Some(json!({}))).await.status, 404);
    assert_eq!(app.get(&path(&strong)).await.expect(200)["rotated_at"], Value::Null);
}

/// An administrator cannot act as an owner by taking over one of their keys.
#[tokio::test]
async fn nobody_gets_a_secret_of_somebody_above_them() {
    let app = TestApp::new().await;
    let owners = create(&app, json!({"name": "owners", "scopes": ["admin"]})).await;
    let wish = json!({"name": "ada", "role": "admin"});
    let ada = app.post("/v1/users", wish).await.expect(201);
    let ada = Owner::User(ada["id"].as_str().unwrap().parse().unwrap());
    let admin = app.key(ada, "adas", all_rights()).await.1;
    let call = format!("POST {}/rotate", path(&owners));
    let refused = app.call(&admin, &call, Some(json!({}))).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(app.get(&path(&owners)).await.expect(200)["rotated_at"], Value::Null);
    assert!(app.get("/v1/audit?action=key.rotate").await.text.contains("exceeds_own_rights"));
    for (call, body) in [
        (format!("PATCH {}", path(&owners)), json!({"models": ["m"]})),
        (format!("POST {}/enable", path(&owners)), json!({})),
    ] {
        assert_eq!(app.call(&admin, &call, Some(body)).await.status, 403, "{call}");
    }
    let own = create(&app, json!({"name": "k", "owner": ada.to_string()})).await;
    rotate(&app, &own, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_key_rotates_itself_but_lives_no_longer() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let limits = serde_json::from_value(json!({"requests_per_minute": 5})).unwrap();
    let expires_at = Some("2026-01-11T00:00:00Z".parse().unwrap());
    let scopes: ScopeSet = [Scope::KeysRead, Scope::KeysWrite].into_iter().collect();
    let rights = Rights { limits, scopes, expires_at, ..all_rights() };
    let (key, secret) = app.key(owner, "self", rights).await;
    app.pass(DAY);
    let call = format!("POST /v1/api-keys/{}/rotate", key.id);
    let rotated = app.call(&secret, &call, Some(json!({}))).await.expect(200);
    assert_eq!(rotated["expires_at"], "2026-01-11T00:00:00Z");
    assert_eq!(rotated["expires_clamped"], json!(true));
    ask_with(&app, rotated["key"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_rotation_that_is_sent_twice_is_done_once() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let send = || {
        let call = format!("POST {}/rotate", path(&created));
        let mut request = request(&app.admin, &call, Some(json!({})));
        request.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        app.send(request)
    };
    let (first, second) = (send().await.expect(200), send().await.expect(200));
    assert_eq!(first, second);
    assert_eq!(app.get("/v1/audit").await.text.matches("key.rotate").count(), 1);
}

#[tokio::test]
async fn each_secret_is_noted_by_itself_on_the_management_api() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let rotated = rotate(&app, &created, json!({})).await.expect(200);
    for second in 1..=3 {
        app.pass(30);
        ask_with(&app, &secret(&rotated)).await.expect(200);
        if second == 3 {
            ask_with(&app, &secret(&created)).await.expect(200);
        }
    }
    let shown = app.get(&path(&created)).await.expect(200);
    assert_eq!(shown["previous_secrets"][0]["last_used_at"], "2026-01-01T00:01:30Z");
}

#[tokio::test]
async fn whoever_rotates_all_the_time_leaves_but_a_few_secrets_that_are_told() {
    let app = TestApp::new().await;
    let created = reader(&app).await;
    let mut last = secret(&created);
    for _ in 0..12 {
        let rotated = rotate(&app, &created, json!({"overlap_seconds": 0})).await.expect(200);
        assert_eq!(ask_with(&app, &last).await.problem(401), "key_expired");
        last = secret(&rotated);
    }
    assert_eq!(ask_with(&app, &secret(&created)).await.problem(401), "invalid_api_key");
    ask_with(&app, &last).await.expect(200);
}
