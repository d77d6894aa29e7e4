//! Where people, keys and tokens meet: nobody turns one into more of another.

use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};
use crate::sign_in::{EMAIL, PASSWORD, add_ada, sign_in};
use crate::tokens;

const NEW: &str = "another strange 42";

async fn link(app: &TestApp) -> String {
    let made = app.post("/v1/users/ada/password-reset", json!({})).await.expect(201);
    made["token"].as_str().unwrap().to_owned()
}

async fn accept(app: &TestApp, token: &str) -> u16 {
    let body = json!({"token": token, "password": NEW});
    app.open("POST /v1/password-resets/accept", body).await.status.as_u16()
}

#[tokio::test]
async fn whoever_a_user_was_is_not_who_they_become() {
    for change in [json!({"role": "admin"}), json!({"email": "ada@b.example"})] {
        let app = TestApp::new().await;
        add_ada(&app, "member").await;
        let (session, kept) = (sign_in(&app).await, link(&app).await);
        app.pass(1);
        app.patch("/v1/users/ada", json!({"name": "ada l"})).await.expect(200);
        app.call(&session, "GET /v1/users/me", None).await.expect(200);
        app.pass(1);
        app.patch("/v1/users/ada%20l", change.clone()).await.expect(200);
        let over = app.call(&session, "GET /v1/users/me", None).await;
        assert_eq!(over.status, 401, "{change}");
        assert_eq!(accept(&app, &kept).await, 400, "{change}");
    }
}

/// A key of an administrator that may administer, and call no model.
async fn weak_admin(app: &TestApp) -> String {
    let owner = app.user("grace", OrganizationRole::Admin).await;
    app.key(owner, "weak", only(&[Scope::Admin])).await.1
}

#[tokio::test]
async fn a_key_makes_nobody_who_may_do_more_than_it() {
    let app = TestApp::new().await;
    add_ada(&app, "admin").await;
    let weak = weak_admin(&app).await;
    let both = json!({"email": "me@b.example", "role": "viewer"});
    let refused = app.call(&weak, "PATCH /v1/users/ada", Some(both)).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
    let bob = json!({"name": "bob", "role": "viewer"});
    app.call(&weak, "POST /v1/users", Some(bob)).await.expect(201);
    let raised = app.call(&weak, "PATCH /v1/users/bob", Some(json!({"role": "admin"}))).await;
    assert_eq!(raised.problem(403), "exceeds_own_rights");
    assert_eq!(app.get("/v1/users/ada").await.expect(200)["email"], EMAIL);
    assert_eq!(app.get("/v1/users/bob").await.expect(200)["role"], "viewer");
}

#[tokio::test]
async fn an_invitation_that_is_refused_leaves_no_user_behind() {
    let app = TestApp::new().await;
    let weak = weak_admin(&app).await;
    let wish = json!({"name": "ada", "email": EMAIL, "role": "admin", "invite": true});
    let refused = app.call(&weak, "POST /v1/users", Some(wish)).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
    assert_eq!(app.get("/v1/users/ada").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_token_does_not_turn_into_a_password() {
    let app = tokens::app().await;
    add_ada(&app, "member").await;
    let token = tokens::token(&app, &app.admin, &[]).await;
    for (call, body) in [
        ("POST /v1/users/ada/password-reset", json!({})),
        ("PATCH /v1/users/ada", json!({"email": "me@b.example"})),
    ] {
        let refused = app.call(&token, call, Some(body)).await;
        assert_eq!(refused.problem(403), "session_required", "{call}");
    }
    let removal = app.call(&token, "DELETE /v1/users/ada/second-factor", None).await;
    assert_eq!(removal.problem(403), "session_required");
    assert_eq!(app.get("/v1/users/ada").await.expect(200)["email"], EMAIL);
}

#[tokio::test]
async fn a_key_that_lies_in_a_page_gets_no_token() {
    let app = tokens::app().await;
    let wish = json!({
        "name": "page", "allowed_origins": ["https://app.example.com"],
        "limits": {"requests_per_minute": 60}, "budgets": [{"usd": "5", "period": "day"}],
    });
    let made = app.post("/v1/api-keys", wish).await.expect(201);
    let key = made["key"].as_str().unwrap();
    let fields = [("grant_type", "client_credentials")];
    let refused = tokens::form(&app, "/oauth/token", tokens::bearer(key), &fields).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.json()["error"], "unauthorized_client");
}

#[tokio::test]
async fn an_organization_that_cannot_be_one_is_refused_by_its_field() {
    let app = TestApp::new().await;
    let long = "o".repeat(100_000);
    for (call, body) in [
        (
            "POST /v1/sessions",
            json!({"email": EMAIL, "password": PASSWORD, "organization": long.as_str()}),
        ),
        ("POST /v1/password-resets", json!({"email": EMAIL, "organization": long.as_str()})),
    ] {
        let refused = app.open(call, body).await;
        assert_eq!(refused.problem(400), "invalid_request", "{call}");
        assert_eq!(refused.fields(), ["organization"], "{call}");
    }
}

async fn explained(app: &TestApp, id: &str, asked: Value) -> (Value, Value) {
    let told = app.post(&format!("/v1/api-keys/{id}/explain"), asked).await.expect(200);
    (told["code"].clone(), told["rule"].clone())
}

#[tokio::test]
async fn an_explanation_knows_web_pages_and_the_role_that_a_key_acts_with() {
    let app = TestApp::new().await;
    let wish = json!({
        "name": "page", "allowed_origins": ["https://app.example.com"],
        "limits": {"requests_per_minute": 60}, "budgets": [{"usd": "5", "period": "day"}],
    });
    let made = app.post("/v1/api-keys", wish).await.expect(201);
    let id = made["id"].as_str().unwrap();
    #[rustfmt::skip]
    let cases = [
        (json!({"origin": "https://app.example.com"}), Value::Null),
        (json!({"origin": "https://b.example.com"}),   json!("origin_not_allowed")),
        (json!({}),                                    json!("origin_not_allowed")),
    ];
    for (asked, code) in cases {
        assert_eq!(explained(&app, id, asked.clone()).await.0, code, "{asked}");
    }

    // A key that an administrator made for a member stays a member's.
    let Owner::User(user) = app.user("bob", OrganizationRole::Member).await else { panic!() };
    let wish = json!({"name": "kept", "owner": user, "scopes": ["inference:write", "keys:read"]});
    let kept = app.post("/v1/api-keys", wish).await.expect(201);
    let id = kept["id"].as_str().unwrap();
    let before = explained(&app, id, json!({"scope": "audit:read"})).await;
    app.pass(1);
    app.patch("/v1/users/bob", json!({"role": "admin"})).await.expect(200);
    assert_eq!(explained(&app, id, json!({"scope": "audit:read"})).await, before);
    assert_eq!(before.0, "insufficient_scope");
    let rights = Rights { expires_at: None, ..all_rights() };
    let (strong, _) = app.key(Owner::User(user), "strong", rights).await;
    assert_eq!(
        explained(&app, strong.id.as_str(), json!({"scope": "audit:read"})).await.0,
        Value::Null
    );
}
