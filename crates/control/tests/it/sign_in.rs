//! Invitations, resets, and signing in.

use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_store::LinkPurpose;
use http::Request;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only, request};

pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "a strange engine 42";

/// Adds ada, and returns the token of the invitation.
async fn invite(app: &TestApp, role: &str) -> String {
    let wish = json!({"name": "ada", "email": EMAIL, "role": role, "invite": true});
    let made = app.post("/v1/users", wish).await.expect(201);
    made["invitation"]["token"].as_str().unwrap().to_owned()
}

async fn accept(app: &TestApp, kind: &str, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.open(&format!("POST /v1/{kind}/accept"), body).await
}

pub(crate) async fn try_sign_in(app: &TestApp, password: &str) -> Answer {
    app.open("POST /v1/sessions", json!({"email": EMAIL, "password": password})).await
}

/// The token of a new session of ada.
pub(crate) async fn sign_in(app: &TestApp) -> String {
    let session = try_sign_in(app, PASSWORD).await.expect(201);
    session["token"].as_str().unwrap().to_owned()
}

/// Adds ada with a password.
pub(crate) async fn add_ada(app: &TestApp, role: &str) {
    let token = invite(app, role).await;
    accept(app, "invitations", &token, PASSWORD).await.expect(204);
}

#[tokio::test]
async fn an_invited_user_sets_a_password_once_and_signs_in() {
    let app = TestApp::new().await;
    let token = invite(&app, "member").await;
    assert_eq!(try_sign_in(&app, PASSWORD).await.problem(401), "invalid_credentials");
    let reset = accept(&app, "password-resets", &token, PASSWORD).await;
    assert_eq!(reset.problem(400), "invalid_link", "an invitation is no reset");
    for weak in ["short", "password1234", EMAIL, "ada@example.com!"] {
        assert_eq!(
            accept(&app, "invitations", &token, weak).await.fields(),
            ["password"],
            "{weak}"
        );
    }
    accept(&app, "invitations", &token, PASSWORD).await.expect(204);
    let again = accept(&app, "invitations", &token, "another strange 42").await;
    assert_eq!(again.problem(400), "invalid_link");
    let answer =
        app.open("POST /v1/sessions", json!({"email": "ADA@example.com", "password": PASSWORD}));
    let session = answer.await.expect(201);
    let token = session["token"].as_str().unwrap();
    let me = app.call(token, "GET /v1/users/me", None).await.expect(200);
    assert_eq!((&me["name"], &me["role"]), (&json!("ada"), &json!("member")));
}

#[tokio::test]
async fn whoever_has_no_address_says_one_with_the_first_password() {
    let app = TestApp::new().await;
    let state = async || app.open("GET /v1/sign-in", json!({})).await.expect(200);
    let empty = json!({
        "object": "sign_in", "is_set_up": false, "has_organizations": false, "can_mail": false
    });
    assert_eq!(state().await, empty);
    app.store.set_public_url("https://door.example".to_owned());
    let purpose = LinkPurpose::Invitation;
    let link = app.store.make_password_link(&app.act(), app.first.administrator, purpose).await;
    let token = link.unwrap().token.expose().expose_secret().to_owned();
    let shown = app.open("POST /v1/password-links/show", json!({"token": token})).await;
    let shown = shown.expect(200);
    assert_eq!((&shown["name"], &shown["email"]), (&json!("administrator"), &Value::Null));
    assert_eq!(
        (&shown["purpose"], &shown["organization"]),
        (&json!("invitation"), &json!("default"))
    );

    let accept = async |email: Value| {
        let body = json!({"token": token, "password": PASSWORD, "email": email});
        app.open("POST /v1/invitations/accept", body).await
    };
    for wrong in [Value::Null, json!("junk")] {
        assert_eq!(accept(wrong).await.fields(), ["email"]);
    }
    let own =
        json!({"token": token, "password": "owner@example.com", "email": "owner@example.com"});
    let own = app.open("POST /v1/invitations/accept", own).await;
    assert_eq!(own.fields(), ["password"], "the address is no password");
    app.post("/v1/users", json!({"name": "ada", "email": EMAIL, "role": "member"}))
        .await
        .expect(201);
    let refused = accept(json!("ADA@example.com")).await;
    assert_eq!(
        (refused.problem(409), refused.fields()),
        ("email_taken".into(), vec!["email".into()])
    );
    accept(json!("owner@example.com")).await.expect(204);
    let body = json!({"email": "owner@example.com", "password": PASSWORD});
    app.open("POST /v1/sessions", body).await.expect(201);
    assert_eq!(state().await["is_set_up"], true);
    let over = app.open("POST /v1/password-links/show", json!({"token": token})).await;
    assert_eq!(over.problem(400), "invalid_link");

    // Who has an address keeps it.
    let made = app.post("/v1/users/ada/invitation", json!({})).await.expect(201);
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["url"], format!("https://door.example/invitation?token={token}"));
    let body = json!({"token": token, "password": PASSWORD, "email": "other@example.com"});
    assert_eq!(app.open("POST /v1/invitations/accept", body).await.fields(), ["email"]);
    let reset = app.post("/v1/users/ada/password-reset", json!({})).await.expect(201);
    let page = reset["url"].as_str().unwrap();
    assert!(page.starts_with("https://door.example/password-reset?token=dwl_"), "{page}");
}

#[tokio::test]
async fn tokens_of_links_are_not_guessed_through_what_shows_them() {
    let app = TestApp::new().await;
    let guess =
        async || app.open("POST /v1/password-links/show", json!({"token": "dwl_guess"})).await;
    for _ in 0..30 {
        assert_eq!(guess().await.problem(400), "invalid_link");
    }
    assert_eq!(guess().await.problem(429), "too_many_attempts");
}

#[tokio::test]
async fn an_invitation_expires_and_a_new_one_replaces_it() {
    let app = TestApp::new().await;
    let first = invite(&app, "member").await;
    let second = app.post("/v1/users/ada/invitation", json!({})).await.expect(201);
    let second = second["token"].as_str().unwrap();
    assert_eq!(accept(&app, "invitations", &first, PASSWORD).await.problem(400), "invalid_link");
    app.pass(7 * 86_400);
    assert_eq!(accept(&app, "invitations", second, PASSWORD).await.problem(400), "invalid_link");
    for junk in ["", "dwl_", "junk", app.admin.as_str()] {
        assert_eq!(accept(&app, "invitations", junk, PASSWORD).await.problem(400), "invalid_link");
    }
    let nobody = json!({"name": "bob", "role": "member", "invite": true});
    assert_eq!(app.post("/v1/users", nobody).await.fields(), ["email"]);
    let answer = app.post("/v1/users/administrator/invitation", json!({})).await;
    assert_eq!(answer.problem(409), "email_missing");
}

#[tokio::test]
async fn a_reset_ends_every_session_and_works_once() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    let link = app.post("/v1/users/ada/password-reset", json!({})).await.expect(201);
    let token = link["token"].as_str().unwrap();
    app.call(&session, "GET /v1/sessions", None).await.expect(200);
    let new = "another strange engine";
    accept(&app, "password-resets", token, new).await.expect(204);
    assert_eq!(accept(&app, "password-resets", token, new).await.problem(400), "invalid_link");
    let over = app.call(&session, "GET /v1/sessions", None).await;
    assert_eq!(over.problem(401), "invalid_session");
    assert_eq!(try_sign_in(&app, PASSWORD).await.problem(401), "invalid_credentials");
    try_sign_in(&app, new).await.expect(201);
}

#[tokio::test]
async fn whoever_asks_for_a_reset_learns_nothing_and_only_users_with_a_password_get_one() {
    let app = TestApp::mailing().await;
    let state = async || app.open("GET /v1/sign-in", json!({})).await.expect(200);
    assert_eq!(state().await["can_mail"], true);
    let wish = json!({"name": "ada", "email": EMAIL, "role": "member"});
    app.post("/v1/users", wish).await.expect(201);
    let ask =
        async |email: &str| app.open("POST /v1/password-resets", json!({"email": email})).await;
    let answers = [ask(EMAIL).await, ask("nobody@example.com").await];
    assert!(answers.iter().all(|answer| answer.status == 202 && answer.text.is_empty()));
    assert_eq!(ask("junk").await.fields(), ["email"], "nobody has such an address");
    app.control.finish().await;
    let asked = "/v1/audit?action=user.request_reset";
    assert_eq!(app.get(asked).await.expect(200)["data"], json!([]), "no password yet");
    let asks_of = async |sender: Value| {
        app.patch("/v1/settings", json!({"mail-from": sender})).await.expect(200);
        let answer = ask(EMAIL).await;
        assert!(answer.status == 202 && answer.text.is_empty());
        app.control.finish().await;
        app.get(asked).await.expect(200)["data"].as_array().unwrap().len()
    };
    assert_eq!(asks_of(Value::Null).await, 0, "no password yet");
    assert_eq!(state().await["can_mail"], false, "there is no sender");
    let token = app.post("/v1/users/ada/invitation", json!({})).await.expect(201);
    accept(&app, "invitations", token["token"].as_str().unwrap(), PASSWORD).await.expect(204);
    assert_eq!(asks_of(Value::Null).await, 0, "nobody could be given it");
    assert_eq!(asks_of(json!("doorward@example.com")).await, 1);
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_get_one_answer() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let wrong = try_sign_in(&app, "a wrong engine 4242").await;
    let body = json!({"email": "nobody@example.com", "password": PASSWORD});
    let unknown = app.open("POST /v1/sessions", body).await;
    assert_eq!(wrong.problem(401), "invalid_credentials");
    assert_eq!(wrong.text, unknown.text);
    app.post("/v1/users/ada/disable", json!({})).await.expect(200);
    assert_eq!(try_sign_in(&app, PASSWORD).await.text, unknown.text);
}

#[tokio::test]
async fn guessing_gets_slower_and_is_noted_now_and_then() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    for _ in 0..5 {
        try_sign_in(&app, "a wrong engine 4242").await.problem(401);
    }
    let refused = try_sign_in(&app, PASSWORD).await;
    assert_eq!(refused.problem(429), "too_many_attempts", "the right one waits too");
    assert_eq!(refused.header("retry-after"), "1");
    app.pass(1);
    sign_in(&app).await;
    app.control.finish().await;
    let noted = app.get("/v1/audit?action=session.refuse").await.expect(200);
    let failures: Vec<&Value> =
        noted["data"].as_array().unwrap().iter().map(|row| &row["detail"]["failures"]).collect();
    assert_eq!(failures, [&json!(4), &json!(2), &json!(1)]);
    assert!(!noted.to_string().contains("wrong engine"));
}

#[tokio::test]
async fn nobody_becomes_somebody_who_may_do_more_than_they() {
    let app = TestApp::new().await;
    add_ada(&app, "owner").await;
    let admin = app.user("an admin", OrganizationRole::Admin).await;
    let (_, of_admin) = app.key(admin, "k", all_rights()).await;
    let owner = Owner::User(app.first.administrator);
    let (_, narrow) = app.key(owner, "narrow", only(&[Scope::Admin])).await;
    let limits = serde_json::from_value(json!({"requests_per_minute": 1_000})).unwrap();
    let (_, limited) = app.key(owner, "limited", Rights { limits, ..all_rights() }).await;
    for (key, code) in [
        (&of_admin, "exceeds_own_rights"),
        (&narrow, "exceeds_own_rights"),
        (&limited, "bounded_key"),
    ] {
        for (call, body) in [
            ("POST /v1/users/ada/invitation", json!({})),
            ("POST /v1/users/ada/password-reset", json!({})),
            ("DELETE /v1/users/ada/second-factor", json!({})),
            ("PATCH /v1/users/ada", json!({"email": "mine@example.com"})),
        ] {
            let refused = app.call(key, call, Some(body)).await;
            // An administrator below an owner is refused by the role.
            assert_eq!(refused.problem(403), code, "{call}");
        }
    }
    let refused = app.call(&of_admin, "DELETE /v1/users/ada/sessions", None).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
}

#[tokio::test]
async fn a_link_is_in_one_answer_and_not_in_the_one_that_is_repeated_later() {
    let app = TestApp::new().await;
    let ask = || {
        let wish = json!({"name": "ada", "email": EMAIL, "role": "member", "invite": true});
        let mut asked = request(&app.admin, "POST /v1/users", Some(wish));
        asked.headers_mut().insert("idempotency-key", "one".parse().unwrap());
        app.send(asked)
    };
    let first = ask().await.expect(201);
    assert_eq!(ask().await.expect(201), first);
    app.pass(601);
    let later = ask().await.expect(201);
    assert_eq!((&later["invitation"]["token"], &later["id"]), (&Value::Null, &first["id"]));
    let audit = app.get("/v1/audit").await.text;
    assert!(!audit.contains(first["invitation"]["token"].as_str().unwrap()));
}

#[tokio::test]
async fn a_public_body_is_bounded_and_named_when_wrong() {
    let app = TestApp::new().await;
    let missing = app.open("POST /v1/sessions", json!({"email": EMAIL})).await;
    assert_eq!(missing.fields(), ["password"]);
    let huge = "x".repeat(2 << 20);
    let huge = app.open("POST /v1/sessions", json!({"email": EMAIL, "password": huge})).await;
    assert_eq!(huge.problem(413), "request_too_large");
    let long = try_sign_in(&app, &"x".repeat(5_000)).await;
    assert_eq!(long.problem(401), "invalid_credentials");
    let bare = Request::post("/v1/sessions").body("{}".into()).unwrap();
    assert_eq!(app.send(bare).await.problem(415), "unsupported_media_type");
}
