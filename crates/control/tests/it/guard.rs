//! What stands before every route.

use axum::body::Body;
use doorward_control::{Access, policies};
use doorward_domain::address::AddressRules;
use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use http::Request;
use jiff::SignedDuration;
use serde_json::json;

use crate::app::{TestApp, all_rights, only, request};

/// A call of each route, its parameters filled in.
fn calls() -> Vec<(String, Access)> {
    let call = |policy: doorward_control::Policy| {
        let path = policy.path.replace("{id}", "dw_0000000000000000").replace("{*name}", "a/b");
        let path = path.replace("{user}", "ada");
        (format!("{} {path}", policy.method), policy.access)
    };
    policies().map(call).collect()
}

#[tokio::test]
async fn every_route_refuses_whoever_has_no_credential() {
    let app = TestApp::new().await;
    assert!(calls().len() >= 47);
    for (call, access) in calls() {
        if access == Access::Public {
            continue;
        }
        let (method, path) = call.split_once(' ').unwrap();
        let bare = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = app.send(bare).await;
        assert_eq!(answer.problem(401), "invalid_api_key", "{call}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{call}");
    }
}

#[test]
fn what_needs_no_credential_is_named_here() {
    let open: Vec<String> = calls()
        .into_iter()
        .filter(|(_, access)| *access == Access::Public)
        .map(|(call, _)| call)
        .collect();
    let expected = [
        "POST /v1/password-links/show",
        "POST /v1/invitations/accept",
        "POST /v1/password-resets",
        "POST /v1/password-resets/accept",
        "GET /v1/sign-in",
        "POST /v1/sessions",
    ];
    assert_eq!(open, expected);
}

#[tokio::test]
async fn what_people_do_is_refused_to_every_key() {
    let app = TestApp::new().await;
    let only_people: Vec<_> =
        calls().into_iter().filter(|(_, access)| *access == Access::SignedIn).collect();
    assert_eq!(only_people.len(), 8);
    for (call, _) in only_people {
        let refused = app.call(&app.admin, &call, None).await;
        assert_eq!(refused.problem(403), "session_required", "{call}");
    }
}

#[tokio::test]
async fn every_route_refuses_a_key_without_its_scope() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    for (call, access) in calls() {
        let Access::Scope(needs) = access else { continue };
        let others: Vec<Scope> =
            Scope::ALL.into_iter().filter(|s| *s != needs && *s != Scope::Admin).collect();
        let (_, weak) = app.key(owner, &format!("without {call}"), only(&others)).await;
        assert_eq!(app.call(&weak, &call, None).await.problem(403), "insufficient_scope", "{call}");
    }
}

#[tokio::test]
async fn the_role_of_the_owner_bounds_the_scopes_of_the_key() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    let (_, key) = app.key(agent, "too strong", all_rights()).await;
    assert_eq!(app.call(&key, "GET /v1/providers", None).await.problem(403), "insufficient_scope");
    app.call(&key, "GET /v1/api-keys", None).await.expect(200);
}

#[tokio::test]
async fn a_key_works_in_all_its_spellings_and_places() {
    let app = TestApp::new().await;
    let (access, secret) = app.admin.rsplit_once('_').unwrap();
    for (name, value) in [
        ("authorization", format!("Bearer {}", app.admin)),
        ("authorization", format!("bearer {access}:{secret}")),
        ("x-api-key", app.admin.clone()),
        ("api-key", app.admin.clone()),
        ("x-goog-api-key", app.admin.clone()),
    ] {
        let request = Request::get("/v1/api-keys").header(name, &value).body(Body::empty());
        app.send(request.unwrap()).await.expect(200);
    }
}

#[tokio::test]
async fn two_credentials_in_one_request_are_not_guessed_between() {
    let app = TestApp::new().await;
    let (_, other) = app.key(Owner::User(app.first.administrator), "other", all_rights()).await;
    let mut both = request(&app.admin, "GET /v1/api-keys", None);
    both.headers_mut().insert("x-api-key", other.parse().unwrap());
    assert_eq!(app.send(both).await.problem(400), "ambiguous_credential");
}

#[tokio::test]
async fn unknown_wrong_and_malformed_keys_get_one_answer() {
    let app = TestApp::new().await;
    let (_, other) = app.key(Owner::User(app.first.administrator), "other", all_rights()).await;
    let (_, foreign_secret) = other.rsplit_once('_').unwrap();
    let (access, _) = app.admin.rsplit_once('_').unwrap();
    let mut bodies = Vec::new();
    for key in ["nonsense".to_owned(), format!("{access}_{foreign_secret}")] {
        let answer = app.call(&key, "GET /v1/api-keys", None).await;
        assert_eq!(answer.problem(401), "invalid_api_key");
        bodies.push(answer.text);
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_key_that_ended_says_so_to_whoever_has_its_secret() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let soon = app.now().checked_add(SignedDuration::from_secs(10)).unwrap();
    let (disabled, disabled_key) = app.key(owner, "disabled", all_rights()).await;
    let (revoked, revoked_key) = app.key(owner, "revoked", all_rights()).await;
    let rights = Rights { expires_at: Some(soon), ..all_rights() };
    let (_, expired_key) = app.key(owner, "expired", rights).await;
    let addresses = AddressRules { allow: Some(vec!["10.0.0.0/8".parse().unwrap()]), deny: vec![] };
    let (_, elsewhere) = app.key(owner, "elsewhere", Rights { addresses, ..all_rights() }).await;
    app.store.set_key_disabled(&app.act(), &disabled.id, true).await.unwrap();
    app.store.revoke_key(&app.act(), &revoked.id).await.unwrap();
    app.call(&expired_key, "GET /v1/api-keys", None).await.expect(200);
    app.pass(10);
    for (key, status, code) in [
        (&disabled_key, 401, "key_disabled"),
        (&revoked_key, 401, "key_revoked"),
        (&expired_key, 401, "key_expired"),
        (&elsewhere, 403, "ip_not_allowed"),
    ] {
        assert_eq!(app.call(key, "GET /v1/api-keys", None).await.problem(status), code);
    }
}

#[tokio::test]
async fn a_disabled_owner_stops_every_key() {
    let app = TestApp::new().await;
    app.user("second owner", OrganizationRole::Owner).await;
    app.store.set_user_disabled(&app.act(), app.first.administrator, true).await.unwrap();
    assert_eq!(app.get("/v1/api-keys").await.problem(401), "owner_inactive");
}

#[tokio::test]
async fn a_request_without_a_client_address_is_never_let_in() {
    let app = TestApp::new().await;
    let answer = app.send_as_is(request(&app.admin, "GET /v1/api-keys", None)).await;
    assert_eq!(answer.problem(500), "internal");
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems_too() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/v1/api-keys/a/b").await.problem(404), "not_found");
    let answer = app.call(&app.admin, "PUT /v1/api-keys", None).await;
    assert_eq!(answer.problem(405), "method_not_allowed");
    let allow = answer.header("allow");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test]
async fn a_path_that_is_not_of_this_api_is_answered_in_the_dialect_of_client_libraries() {
    let app = TestApp::new().await;
    for path in ["/chat/completions", "/v1/nothing", "/"] {
        let answer = app.post(path, json!({})).await;
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        let error = json!({
            "message": "There is no such path. The base URL of client libraries ends with /v1.",
            "type": "invalid_request_error", "param": null, "code": "not_found",
        });
        assert_eq!(answer.expect(404), json!({"error": error}), "{path}");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let app = TestApp::new().await;
    let cases = [
        (vec![b' '; (1 << 20) + 1], "application/json", 413, "request_too_large"),
        (b"{}".to_vec(), "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{\"name\":".to_vec(), "application/json", 400, "invalid_json"),
        (b"[]".to_vec(), "application/json", 400, "invalid_json"),
        (vec![b'['; 1 << 20], "application/json; charset=utf-8", 400, "invalid_json"),
        (b"{\"name\": \"\xff\"}".to_vec(), "application/json", 400, "invalid_json"),
    ];
    for (body, media_type, status, code) in cases {
        let mut request = request(&app.admin, "POST /v1/api-keys", None);
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        *request.body_mut() = Body::from(body);
        assert_eq!(app.send(request).await.problem(status), code);
    }
}
