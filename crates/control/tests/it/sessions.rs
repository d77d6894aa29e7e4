//! What a signed-in user may do, from where, and until when.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::app::TestApp;
use crate::sign_in::{EMAIL, PASSWORD, add_ada, sign_in, try_sign_in};

#[tokio::test]
async fn a_user_makes_keys_as_strong_as_the_role_and_no_stronger() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    let wish =
        json!({"name": "app", "scopes": ["inference:read", "inference:write", "keys:write"]});
    let made = app.call(&session, "POST /v1/api-keys", Some(wish)).await.expect(201);
    let me = app.call(&session, "GET /v1/users/me", None).await.expect(200);
    assert_eq!((&made["owner"], &made["created_by"]), (&me["id"], &me["id"]));
    for scope in ["admin", "audit:read", "keys:verify"] {
        let wish = json!({"name": scope, "scopes": [scope]});
        let refused = app.call(&session, "POST /v1/api-keys", Some(wish)).await;
        assert_eq!(refused.problem(403), "exceeds_own_rights", "{scope}");
    }
    let refused = app.call(&session, "GET /v1/providers", None).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
    let listed = app.call(&session, "GET /v1/api-keys", None).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "not the administrator's");
}

#[tokio::test]
async fn a_disabled_or_lowered_user_is_signed_in_no_more() {
    let app = TestApp::new().await;
    add_ada(&app, "admin").await;
    let session = sign_in(&app).await;
    app.call(&session, "GET /v1/users", None).await.expect(200);
    app.patch("/v1/users/ada", json!({"role": "member"})).await.expect(200);
    let over = app.call(&session, "GET /v1/users", None).await;
    assert_eq!(over.problem(401), "invalid_session");
    let session = sign_in(&app).await;
    let refused = app.call(&session, "GET /v1/users", None).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
    app.post("/v1/users/ada/disable", json!({})).await.expect(200);
    app.post("/v1/users/ada/enable", json!({})).await.expect(200);
    let over = app.call(&session, "GET /v1/users/me", None).await;
    assert_eq!(over.problem(401), "invalid_session", "enabling revives nothing");
    sign_in(&app).await;
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    for _ in 0..24 {
        app.pass(29 * 60);
        app.call(&session, "GET /v1/users/me", None).await.expect(200);
    }
    app.pass(29 * 60);
    let over = app.call(&session, "GET /v1/users/me", None).await;
    assert_eq!(over.problem(401), "invalid_session");
    let idle = sign_in(&app).await;
    app.pass(30 * 60);
    assert_eq!(app.call(&idle, "GET /v1/users/me", None).await.problem(401), "invalid_session");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let (one, two, three) = (sign_in(&app).await, sign_in(&app).await, sign_in(&app).await);
    let list = app.call(&one, "GET /v1/sessions", None).await.expect(200);
    let rows = list["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["address"], "192.0.2.7");
    assert!(!list.to_string().contains("dws_"));
    let current: Vec<_> = rows.iter().filter(|row| row["is_current"] == true).collect();
    assert_eq!(current.len(), 1);
    app.call(&two, "DELETE /v1/sessions/current", None).await.expect(204);
    assert_eq!(app.call(&two, "GET /v1/sessions", None).await.problem(401), "invalid_session");
    app.call(&one, "DELETE /v1/sessions", None).await.expect(204);
    assert_eq!(app.call(&three, "GET /v1/sessions", None).await.problem(401), "invalid_session");
    app.call(&one, "GET /v1/sessions", None).await.expect(200);
    let unknown = app.call(&one, "DELETE /v1/sessions/ses_00000000000000000000000000", None).await;
    assert_eq!(unknown.problem(404), "not_found");
    assert_eq!(
        app.get("/v1/users/ada/sessions").await.expect(200)["data"].as_array().unwrap().len(),
        1
    );
    app.delete("/v1/users/ada/sessions").await.expect(204);
    assert_eq!(app.call(&one, "GET /v1/sessions", None).await.problem(401), "invalid_session");
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let (own, other) = (sign_in(&app).await, sign_in(&app).await);
    let change = |current: &str| {
        let body = json!({"current_password": current, "password": "another strange engine"});
        app.call(&own, "POST /v1/users/me/password", Some(body))
    };
    assert_eq!(change("not the engine 42").await.problem(403), "wrong_password");
    change(PASSWORD).await.expect(204);
    app.call(&own, "GET /v1/sessions", None).await.expect(200);
    assert_eq!(app.call(&other, "GET /v1/sessions", None).await.problem(401), "invalid_session");
    assert_eq!(try_sign_in(&app, PASSWORD).await.problem(401), "invalid_credentials");
}

#[tokio::test]
async fn a_session_in_a_cookie_is_no_credential() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    for name in ["__Host-doorward", "doorward"] {
        for method in ["GET", "DELETE"] {
            let asked = Request::builder()
                .method(method)
                .uri("/v1/sessions")
                .header("host", "localhost")
                .header("origin", "http://localhost")
                .header("sec-fetch-site", "same-origin")
                .header("cookie", format!("{name}={session}"))
                .body(Body::empty());
            let refused = app.send(asked.unwrap()).await;
            assert_eq!(refused.problem(401), "invalid_api_key", "{name} {method}");
        }
    }
    app.call(&session, "GET /v1/sessions", None).await.expect(200);
    let body = json!({"email": EMAIL, "password": PASSWORD, "cookie": true});
    assert_eq!(app.open("POST /v1/sessions", body).await.fields(), ["cookie"]);
}

#[tokio::test]
async fn whoever_asks_learns_of_themselves_and_of_nobody_else() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    for name in ["one", "two"] {
        let wish = json!({"name": name, "scopes": ["keys:read"]});
        app.call(&session, "POST /v1/api-keys", Some(wish)).await.expect(201);
    }
    let me = async || app.call(&session, "GET /v1/users/me", None).await.expect(200);
    let found = me().await;
    assert_eq!(found["organization"]["name"], "default");
    assert_eq!(found["organization"]["id"], app.first.organization.to_string());
    assert_eq!(found["has_second_factor"], false);
    let keys = json!({"count": 2, "max": 20, "max_lifetime_minutes": 129_600});
    assert_eq!(found["key_quota"], keys, "the administrator's are not among them");
    let scopes: Vec<&str> =
        found["scopes"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
    assert!(scopes.contains(&"keys:write") && !scopes.contains(&"admin"), "{scopes:?}");

    let uncapped = json!({"auth-token-max-ttl-minutes": 0, "keys-per-user-max": 7});
    app.patch("/v1/settings", uncapped).await.expect(200);
    let key = app.call(&session, "GET /v1/api-keys", None).await.expect(200)["data"][0].clone();
    let path = format!("DELETE /v1/api-keys/{}", key["id"].as_str().unwrap());
    app.call(&session, &path, None).await;
    let keys = json!({"count": 1, "max": 7, "max_lifetime_minutes": null});
    assert_eq!(me().await["key_quota"], keys);
}

#[tokio::test]
async fn a_session_beside_a_key_is_ambiguous() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    let both = Request::get("/v1/sessions")
        .header("authorization", format!("Bearer {session}"))
        .header("x-api-key", &app.admin)
        .body(Body::empty());
    assert_eq!(app.send(both.unwrap()).await.problem(400), "ambiguous_credential");
    let other = format!("{}x", &session[..session.len() - 1]);
    let wrong = app.call(&other, "GET /v1/sessions", None).await;
    assert_eq!(wrong.problem(401), "invalid_session");
}
