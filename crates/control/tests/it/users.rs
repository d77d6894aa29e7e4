//! `/v1/users`.

use doorward_domain::key::Owner;
use doorward_domain::project_role::ProjectRole;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only, request, shape};
use crate::sign_in::{add_ada, sign_in};

async fn create(app: &TestApp, name: &str, role: &str) -> Value {
    app.post("/v1/users", json!({"name": name, "role": role})).await.expect(201)
}

#[tokio::test]
async fn a_user_is_added_shown_edited_and_removed() {
    let app = TestApp::new().await;
    let wish = json!({"name": "ada", "email": "Ada@Example.com", "role": "member"});
    let made = app.post("/v1/users", wish).await.expect(201);
    insta::assert_json_snapshot!(shape(made.clone()));
    let id = made["id"].as_str().unwrap();
    for path in [format!("/v1/users/{id}"), "/v1/users/ada".to_owned()] {
        assert_eq!(app.get(&path).await.expect(200), made);
    }
    app.pass(1);
    let edit = json!({"name": "Ada L.", "email": null, "role": "admin"});
    let edited = app.patch("/v1/users/ada", edit).await.expect(200);
    assert_eq!(edited["name"], "Ada L.");
    assert_eq!((&edited["email"], &edited["role"]), (&json!(null), &json!("admin")));
    assert_eq!(app.get("/v1/users/Ada%20L.").await.expect(200), edited);
    let list = app.get("/v1/users").await.expect(200);
    let mut listed = edited.clone();
    listed.as_object_mut().unwrap().remove("projects");
    assert_eq!(list["data"][0], listed);
    app.delete(&format!("/v1/users/{id}")).await.expect(204);
    assert_eq!(app.get(&format!("/v1/users/{id}")).await.problem(404), "not_found");
    assert_eq!(app.delete(&format!("/v1/users/{id}")).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_bad_user_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    create(&app, "ada", "member").await;
    let before = app.get("/v1/users").await.text;
    let long = "x".repeat(10_000);
    #[rustfmt::skip]
    let cases = [
        // fields                                  field    code
        (json!({"name": ""}),                      "name",  "invalid"),
        (json!({"name": " bob"}),                  "name",  "invalid"),
        (json!({"name": "b\u{202e}ob"}),           "name",  "invalid"),
        (json!({"name": "b\u{0}ob"}),              "name",  "invalid"),
        (json!({"name": long}),                    "name",  "invalid"),
        (json!({"name": 5}),                       "name",  "invalid"),
        (json!({"name": "me"}),                    "name",  "reserved"),
        (json!({"email": "bob"}),                  "email", "invalid"),
        (json!({"email": "bob@localhost"}),        "email", "invalid"),
        (json!({"email": "a@example.com\r\nx: y"}), "email", "invalid"),
        (json!({"email": long}),                   "email", "invalid"),
        (json!({"role": "root"}),                  "role",  "invalid"),
        (json!({"role": "Admin"}),                 "role",  "invalid"),
        (json!({"role": long}),                    "role",  "invalid"),
        (json!({"role": ["admin"]}),               "role",  "invalid"),
        (json!({"password": "canary"}),            "password", "unknown_field"),
        (json!({"disabled_at": null}),             "disabled_at", "unknown_field"),
    ];
    for (fields, field, code) in cases {
        let mut wish = json!({"name": "bob", "role": "member"});
        wish.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let edit = app.patch("/v1/users/ada", fields.clone()).await;
        for answer in [app.post("/v1/users", wish).await, edit] {
            assert_eq!(answer.problem(400), "invalid_request", "{field}: {}", answer.text);
            assert_eq!(answer.fields(), [field]);
            assert_eq!(answer.json()["errors"][0]["code"], code, "{}", answer.text);
            assert!(answer.text.len() < 2_000 && !answer.text.contains("canary"));
        }
    }
    let missing = app.post("/v1/users", json!({"name": "bob"})).await;
    assert_eq!(
        (missing.problem(400), missing.fields()),
        ("invalid_request".into(), vec!["role".into()])
    );
    let fixed = app.patch("/v1/users/ada", json!({"id": "x"})).await;
    assert_eq!(fixed.json()["errors"][0]["code"], "immutable");
    assert_eq!(app.get("/v1/users").await.text, before);
}

#[tokio::test]
async fn names_and_addresses_are_taken_once() {
    let app = TestApp::new().await;
    let wish = json!({"name": "ada", "email": "ada@example.com", "role": "member"});
    app.post("/v1/users", wish).await.expect(201);
    let wish = json!({"name": "ada", "role": "member"});
    assert_eq!(app.post("/v1/users", wish).await.problem(409), "name_taken");
    let wish = json!({"name": "eve", "email": "ADA@example.com", "role": "member"});
    let answer = app.post("/v1/users", wish).await;
    assert_eq!(
        (answer.problem(409), answer.fields()),
        ("email_taken".into(), vec!["email".into()])
    );
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    create(&app, "ada", "member").await;
    let tag = app.get("/v1/users/ada").await.header("etag");
    app.pass(1);
    app.patch("/v1/users/ada", json!({"role": "viewer"})).await.expect(200);
    let mut late = request(&app.admin, "PATCH /v1/users/ada", Some(json!({"role": "admin"})));
    late.headers_mut().insert("if-match", tag.parse().unwrap());
    assert_eq!(app.send(late).await.problem(412), "edited_in_between");
    assert_eq!(app.get("/v1/users/ada").await.expect(200)["role"], "viewer");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let app = TestApp::new().await;
    let path = "/v1/users/administrator";
    for answer in [
        app.post(&format!("{path}/disable"), json!({})).await,
        app.delete(path).await,
        app.patch(path, json!({"role": "admin"})).await,
    ] {
        assert_eq!(answer.problem(409), "last_owner");
    }
    assert_eq!(app.get(path).await.expect(200)["role"], "owner");
    create(&app, "next", "owner").await;
    app.delete(path).await.expect(204);
    assert_eq!(app.get(path).await.problem(401), "key_revoked");
}

#[tokio::test]
async fn an_administrator_reaches_nothing_above_their_own_role() {
    let app = TestApp::new().await;
    let (_, key) = {
        let admin = app.user("ada", OrganizationRole::Admin).await;
        app.key(admin, "of ada", all_rights()).await
    };
    create(&app, "bob", "member").await;
    let owner = app.first.administrator;
    // Who asks is seen, and that is told.
    app.call(&key, "GET /v1/users", None).await.expect(200);
    let before = app.get("/v1/users").await.text;
    let calls = [
        ("POST /v1/users", json!({"name": "eve", "role": "owner"}), "user.create"),
        ("PATCH /v1/users/ada", json!({"role": "owner"}), "user.edit"),
        ("PATCH /v1/users/bob", json!({"role": "owner"}), "user.edit"),
        ("PATCH /v1/users/administrator", json!({"role": "viewer"}), "user.edit"),
        ("PATCH /v1/users/administrator", json!({"email": "eve@example.com"}), "user.edit"),
        ("POST /v1/users/administrator/disable", json!({}), "user.disable"),
        ("DELETE /v1/users/administrator", json!({}), "user.remove"),
    ];
    for (call, body, action) in calls {
        let answer = app.call(&key, call, Some(body)).await;
        assert_eq!(answer.problem(403), "exceeds_own_rights", "{call}");
        let entry = &app.get("/v1/audit?limit=1").await.expect(200)["data"][0];
        assert_eq!(
            (&entry["action"], &entry["detail"]["outcome"]),
            (&json!(action), &json!("denied"))
        );
    }
    // With a key of an owner they would be one.
    let wish = json!({"name": "k", "owner": owner.to_string(), "scopes": ["admin"]});
    let answer = app.call(&key, "POST /v1/api-keys", Some(wish)).await;
    assert_eq!(answer.problem(403), "exceeds_own_rights");
    assert_eq!(app.get("/v1/users").await.text, before);
    let edit = Some(json!({"role": "admin"}));
    app.call(&key, "PATCH /v1/users/bob", edit).await.expect(200);
}

#[tokio::test]
async fn a_demoted_administrator_administers_no_more() {
    let app = TestApp::new().await;
    let ada = app.user("ada", OrganizationRole::Admin).await;
    let (_, key) = app.key(ada, "of ada", all_rights()).await;
    app.call(&key, "GET /v1/users", None).await.expect(200);
    app.patch("/v1/users/ada", json!({"role": "member"})).await.expect(200);
    assert_eq!(app.call(&key, "GET /v1/users", None).await.problem(403), "insufficient_scope");
}

#[tokio::test]
async fn a_disabled_users_keys_stop_until_they_are_enabled() {
    let app = TestApp::new().await;
    let ada = app.user("ada", OrganizationRole::Member).await;
    let (kept, key) = app.key(ada, "kept", all_rights()).await;
    let (ended, revoked) = app.key(ada, "revoked", all_rights()).await;
    let off = app.post("/v1/users/ada/disable", json!({})).await.expect(200);
    assert_eq!((&off["status"], &off["disabled_at"]), (&json!("disabled"), &json!(app.now())));
    assert_eq!(app.call(&key, "GET /v1/api-keys", None).await.problem(401), "owner_inactive");
    app.delete(&format!("/v1/api-keys/{}", ended.id)).await.expect(204);
    let on = app.post("/v1/users/ada/enable", json!({})).await.expect(200);
    assert_eq!((&on["status"], &on["disabled_at"]), (&json!("active"), &json!(null)));
    let shown = app.call(&key, &format!("GET /v1/api-keys/{}", kept.id), None).await;
    assert_eq!(shown.expect(200)["status"], "active");
    assert_eq!(app.call(&revoked, "GET /v1/api-keys", None).await.problem(401), "key_revoked");
}

#[tokio::test]
async fn a_removed_users_keys_are_revoked() {
    let app = TestApp::new().await;
    let ada = app.user("ada", OrganizationRole::Member).await;
    let (of_ada, key) = app.key(ada, "of ada", all_rights()).await;
    app.delete("/v1/users/ada").await.expect(204);
    assert_eq!(app.call(&key, "GET /v1/api-keys", None).await.problem(401), "key_revoked");
    let shown = app.get(&format!("/v1/api-keys/{}", of_ada.id)).await.expect(200);
    assert_eq!(shown["status"], "revoked");
    let wish = json!({"name": "k", "owner": ada.to_string()});
    assert_eq!(app.post("/v1/api-keys", wish).await.fields(), ["owner"]);
    // Somebody new of this name is somebody else.
    create(&app, "ada", "member").await;
    assert_eq!(app.call(&key, "GET /v1/api-keys", None).await.problem(401), "key_revoked");
}

#[tokio::test]
async fn everybody_can_look_at_themselves_and_at_nobody_else() {
    let app = TestApp::new().await;
    let ada = app.user("ada", OrganizationRole::Viewer).await;
    let Owner::User(id) = ada else { panic!("a user") };
    let project = app.first.project;
    let role = ProjectRole::Viewer;
    app.store.set_project_member(&app.act(), project, id, role).await.unwrap();
    let (_, key) = app.key(ada, "of ada", only(&[Scope::KeysRead])).await;
    let me = app.call(&key, "GET /v1/users/me", None).await.expect(200);
    assert_eq!((&me["name"], &me["role"]), (&json!("ada"), &json!("viewer")));
    assert_eq!(me["projects"], json!([{"id": project, "name": "default", "role": "viewer"}]));
    for path in ["/v1/users", "/v1/users/ada", "/v1/users/administrator"] {
        let answer = app.call(&key, &format!("GET {path}"), None).await;
        assert_eq!(answer.problem(403), "insufficient_scope", "{path}");
    }
    let agent = app.service_account("agent").await;
    let (_, key) = app.key(agent, "agent", all_rights()).await;
    assert_eq!(app.call(&key, "GET /v1/users/me", None).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_user_is_shown_with_their_keys_projects_and_what_they_sign_in_with() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let ada = app.get("/v1/users/ada").await.expect(200);
    assert_eq!((&ada["has_password"], &ada["has_second_factor"]), (&json!(true), &json!(false)));
    assert_eq!((&ada["keys"], &ada["last_seen_at"]), (&json!(0), &json!(null)));
    sign_in(&app).await;
    app.post("/v1/api-keys", json!({"name": "k", "owner": ada["id"]})).await.expect(201);
    let role = json!({"role": "viewer"});
    app.call(&app.admin, "PUT /v1/projects/default/members/ada", Some(role)).await.expect(200);
    let ada = app.get("/v1/users/ada").await.expect(200);
    assert_eq!((&ada["keys"], &ada["last_seen_at"]), (&json!(1), &json!("2026-01-01T00:00:00Z")));
    assert_eq!(ada["projects"][0]["name"], "default");
    assert_eq!(ada["projects"][0]["role"], "viewer");
    // Whoever only chooses among people need not have all their keys counted.
    let mut listed = app.get("/v1/users?q=ada").await.expect(200)["data"][0].clone();
    let brief = app.get("/v1/users?q=ada&presence=false").await.expect(200)["data"][0].clone();
    for left_out in ["keys", "has_password", "has_second_factor", "last_seen_at"] {
        assert!(listed.as_object_mut().unwrap().remove(left_out).is_some(), "{left_out}");
    }
    assert_eq!(brief, listed);
    for (q, names) in [("ADA@", vec!["ada"]), ("a", vec!["ada", "administrator"]), ("%", vec![])] {
        let list = app.get(&format!("/v1/users?q={q}")).await.expect(200);
        let found: Vec<_> = list["data"].as_array().unwrap().iter().map(|u| &u["name"]).collect();
        assert_eq!(found, names, "{q}");
    }
    for (query, count) in [
        ("role=owner", 1),
        ("role=member&status=active", 1),
        ("status=disabled", 0),
        ("new=false&role=member", 1),
        ("new=true&role=member", 0),
    ] {
        let list = app.get(&format!("/v1/users?{query}")).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, field) in [("role=king", "role"), ("status=asleep", "status"), ("new=yes", "new")] {
        let refused = app.get(&format!("/v1/users?{query}")).await.expect(400);
        assert_eq!(refused["errors"][0]["field"], field);
    }
}
