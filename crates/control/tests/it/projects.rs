//! `/v1/projects` and `/v1/projects/{id}/members`.

use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, only, request, shape};

async fn create(app: &TestApp, name: &str) -> Value {
    app.post("/v1/projects", json!({"name": name})).await.expect(201)
}

async fn put(app: &TestApp, path: &str, body: Value) -> crate::app::Answer {
    app.call(&app.admin, &format!("PUT {path}"), Some(body)).await
}

#[tokio::test]
async fn a_project_is_made_shown_edited_and_removed() {
    let app = TestApp::new().await;
    let wish = json!({"name": "web", "description": "the shop"});
    let made = app.post("/v1/projects", wish).await.expect(201);
    insta::assert_json_snapshot!(shape(made.clone()));
    let id = made["id"].as_str().unwrap();
    for path in [format!("/v1/projects/{id}"), "/v1/projects/web".to_owned()] {
        assert_eq!(app.get(&path).await.expect(200), made);
    }
    app.pass(1);
    let edit = json!({"name": "www", "description": ""});
    let edited = app.patch("/v1/projects/web", edit).await.expect(200);
    assert_eq!((&edited["name"], &edited["description"]), (&json!("www"), &json!("")));
    let list = app.get("/v1/projects?after=default").await.expect(200);
    assert_eq!(list["data"], json!([edited]));
    app.delete("/v1/projects/www").await.expect(204);
    assert_eq!(app.get(&format!("/v1/projects/{id}")).await.problem(404), "not_found");
    assert_eq!(app.delete("/v1/projects/www").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_bad_project_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    create(&app, "web").await;
    #[rustfmt::skip]
    let cases = [
        (json!({"name": " web"}),                "name",        "invalid"),
        (json!({"name": "x".repeat(81)}),        "name",        "invalid"),
        (json!({"description": 5}),              "description", "invalid"),
        (json!({"description": "x".repeat(501)}), "description", "invalid"),
        (json!({"members": []}),                 "members",     "unknown_field"),
    ];
    for (fields, field, code) in cases {
        let mut wish = json!({"name": "new"});
        wish.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let edit = app.patch("/v1/projects/web", fields).await;
        for answer in [app.post("/v1/projects", wish).await, edit] {
            assert_eq!(answer.problem(400), "invalid_request", "{}", answer.text);
            assert_eq!(answer.fields(), [field]);
            assert_eq!(answer.json()["errors"][0]["code"], code);
        }
    }
    let taken = app.post("/v1/projects", json!({"name": "web"})).await;
    assert_eq!(taken.problem(409), "name_taken");
    let taken = app.patch("/v1/projects/web", json!({"name": "default"})).await;
    assert_eq!(taken.problem(409), "name_taken");
}

#[tokio::test]
async fn a_project_with_keys_and_the_default_one_stay() {
    let app = TestApp::new().await;
    let project = create(&app, "web").await;
    let key = json!({"name": "ci", "project": project["id"]});
    let key = app.post("/v1/api-keys", key).await.expect(201);
    let refused = app.delete("/v1/projects/web").await;
    assert_eq!(refused.problem(409), "in_use");
    assert!(refused.text.contains("the key ci"), "{}", refused.text);
    app.delete(&format!("/v1/api-keys/{}", key["id"].as_str().unwrap())).await.expect(204);
    app.delete("/v1/projects/web").await.expect(204);

    let gone = json!({"name": "late", "project": project["id"]});
    assert_eq!(app.post("/v1/api-keys", gone).await.fields(), ["project"]);
    assert_eq!(app.delete("/v1/projects/default").await.problem(409), "default_project");
    let renamed = app.patch("/v1/projects/default", json!({"name": "first"})).await;
    assert_eq!(renamed.problem(409), "default_project");
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    create(&app, "web").await;
    let tag = app.get("/v1/projects/web").await.header("etag");
    app.pass(1);
    app.patch("/v1/projects/web", json!({"description": "won"})).await.expect(200);
    let edit = Some(json!({"description": "lost"}));
    let mut late = request(&app.admin, "PATCH /v1/projects/web", edit);
    late.headers_mut().insert("if-match", tag.parse().unwrap());
    assert_eq!(app.send(late).await.problem(412), "edited_in_between");
    assert_eq!(app.get("/v1/projects/web").await.expect(200)["description"], "won");
}

#[tokio::test]
async fn members_come_change_and_go() {
    let app = TestApp::new().await;
    create(&app, "web").await;
    for name in ["bob", "ada"] {
        app.user(name, OrganizationRole::Member).await;
    }
    let members = "/v1/projects/web/members";
    let set = put(&app, &format!("{members}/bob"), json!({"role": "viewer"})).await.expect(200);
    assert_eq!((&set["name"], &set["role"]), (&json!("bob"), &json!("viewer")));
    put(&app, &format!("{members}/bob"), json!({"role": "admin"})).await.expect(200);
    put(&app, &format!("{members}/ada"), json!({"role": "member"})).await.expect(200);
    let list = app.get(members).await.expect(200);
    let rows: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|row| (&row["name"], &row["role"])).collect();
    assert_eq!(rows, [(&json!("ada"), &json!("member")), (&json!("bob"), &json!("admin"))]);
    let page = app.get(&format!("{members}?limit=1")).await.expect(200);
    assert_eq!((&page["next"], &page["has_more"]), (&json!("ada"), &json!(true)));
    app.delete(&format!("{members}/ada")).await.expect(204);
    assert_eq!(app.delete(&format!("{members}/ada")).await.problem(404), "not_found");
    app.delete("/v1/users/bob").await.expect(204);
    assert_eq!(app.get(members).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_bad_member_is_refused() {
    let app = TestApp::new().await;
    create(&app, "web").await;
    app.user("ada", OrganizationRole::Member).await;
    let path = "/v1/projects/web/members/ada";
    #[rustfmt::skip]
    let cases = [
        (json!({"role": "owner"}),                  "role",  "invalid"),
        (json!({"role": null}),                     "role",  "invalid"),
        (json!({}),                                 "role",  "missing"),
        (json!({"role": "admin", "user": "eve"}),   "user",  "unknown_field"),
    ];
    for (body, field, code) in cases {
        let answer = put(&app, path, body).await;
        assert_eq!(answer.fields(), [field], "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["code"], code);
    }
    for path in ["/v1/projects/web/members/eve", "/v1/projects/nope/members/ada"] {
        let answer = put(&app, path, json!({"role": "member"})).await;
        assert_eq!(answer.problem(404), "not_found", "{path}");
    }
    assert_eq!(app.get("/v1/projects/web/members").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_member_makes_keys_in_their_projects_and_in_no_other() {
    let app = TestApp::new().await;
    let ada = app.user("ada", OrganizationRole::Member).await;
    let scopes = [Scope::InferenceRead, Scope::InferenceWrite, Scope::KeysRead, Scope::KeysWrite];
    let (_, key) = app.key(ada, "of ada", only(&scopes)).await;
    for (name, role, is_allowed) in [
        ("as admin", Some("admin"), true),
        ("as member", Some("member"), true),
        ("as viewer", Some("viewer"), false),
        ("as nobody", None, false),
    ] {
        let project = create(&app, name).await;
        let id = project["id"].as_str().unwrap();
        if let Some(role) = role {
            let path = format!("/v1/projects/{id}/members/ada");
            put(&app, &path, json!({"role": role})).await.expect(200);
        }
        let wish = json!({"name": format!("key {name}"), "project": id});
        let answer = app.call(&key, "POST /v1/api-keys", Some(wish.clone())).await;
        if !is_allowed {
            assert_eq!(answer.fields(), ["project"], "{name}");
            continue;
        }
        let made = answer.expect(201);
        assert_eq!(made["project"], id, "{name}");
        let path = format!("/v1/projects/{id}/members/ada");
        app.delete(&path).await.expect(204);
        let again = json!({"name": format!("late {name}"), "project": id});
        let answer = app.call(&key, "POST /v1/api-keys", Some(again)).await;
        assert_eq!(answer.fields(), ["project"], "{name}, no member any more");
    }
}

/// A key that stands in a project does not stand in for its membership.
#[tokio::test]
async fn who_is_no_member_any_more_makes_keys_in_the_default_project_only() {
    let app = TestApp::new().await;
    let ada = app.user("ada", OrganizationRole::Member).await;
    let scopes = [Scope::InferenceRead, Scope::InferenceWrite, Scope::KeysRead, Scope::KeysWrite];
    let (_, first) = app.key(ada, "of ada", only(&scopes)).await;
    let project = create(&app, "web").await;
    let id = project["id"].as_str().unwrap();
    let member = format!("/v1/projects/{id}/members/ada");
    put(&app, &member, json!({"role": "member"})).await.expect(200);
    let scopes = ["inference:write", "keys:read", "keys:write"];
    let wish = json!({"name": "in web", "project": id, "scopes": scopes});
    let inside = app.call(&first, "POST /v1/api-keys", Some(wish)).await.expect(201);
    let inside = inside["key"].as_str().unwrap();
    let make = async |name: &str, wish: Value| {
        let mut wish = wish;
        wish["name"] = json!(name);
        app.call(inside, "POST /v1/api-keys", Some(wish)).await
    };
    assert_eq!(make("one", json!({})).await.expect(201)["project"], id);
    app.delete(&member).await.expect(204);
    assert_eq!(make("two", json!({})).await.expect(201)["project"], json!(app.first.project));
    assert_eq!(make("three", json!({"project": id})).await.fields(), ["project"]);
}

#[tokio::test]
async fn the_keys_and_members_of_each_project_are_told_where_that_is_asked() {
    let app = TestApp::new().await;
    create(&app, "web").await;
    app.post("/v1/users", json!({"name": "ada", "role": "member"})).await.expect(201);
    put(&app, "/v1/projects/web/members/ada", json!({"role": "member"})).await.expect(200);
    let key =
        json!({"name": "ci", "project": "web", "owner": "ada", "scopes": ["inference:write"]});
    app.post("/v1/api-keys", key).await.expect(201);
    let list = app.get("/v1/projects?counts=true").await.expect(200);
    let counted = list["data"].as_array().unwrap().iter();
    let counted: Vec<_> = counted
        .filter(|one| one["name"] == "web")
        .map(|one| (one["keys"].clone(), one["members"].clone()))
        .collect();
    assert_eq!(counted, [(json!(1), json!(1))]);
    let uncounted = app.get("/v1/projects").await.expect(200);
    assert!(uncounted["data"][0].get("keys").is_none(), "{uncounted}");
}
