//! `/v1/service-accounts`.

use doorward_domain::key::Owner;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only, request, shape};

async fn create(app: &TestApp, name: &str) -> Value {
    app.post("/v1/service-accounts", json!({"name": name})).await.expect(201)
}

async fn key_of(app: &TestApp, account: &Value) -> String {
    let wish = json!({"name": "agent", "kind": "service", "owner": account["id"],
        "scopes": ["keys:read"]});
    let made = app.post("/v1/api-keys", wish).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_service_account_is_made_shown_edited_and_removed() {
    let app = TestApp::new().await;
    let project = app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let wish = json!({"name": "bot", "description": "answers mail", "project": "web"});
    let made = app.post("/v1/service-accounts", wish).await.expect(201);
    insta::assert_json_snapshot!(shape(made.clone()));
    assert_eq!(made["project"], project["id"]);
    let id = made["id"].as_str().unwrap();
    for path in [format!("/v1/service-accounts/{id}"), "/v1/service-accounts/bot".to_owned()] {
        assert_eq!(app.get(&path).await.expect(200), made);
    }
    app.pass(1);
    let edit = json!({"name": "mail bot", "description": ""});
    let edited = app.patch("/v1/service-accounts/bot", edit).await.expect(200);
    assert_eq!((&edited["name"], &edited["description"]), (&json!("mail bot"), &json!("")));
    let list = app.get("/v1/service-accounts").await.expect(200);
    assert_eq!(list["data"], json!([edited]));
    app.delete("/v1/service-accounts/mail%20bot").await.expect(204);
    let gone = format!("/v1/service-accounts/{id}");
    assert_eq!(app.get(&gone).await.problem(404), "not_found");
    assert_eq!(app.delete(&gone).await.problem(404), "not_found");
}

#[tokio::test]
async fn its_keys_stop_with_it() {
    let app = TestApp::new().await;
    let bot = create(&app, "bot").await;
    let key = key_of(&app, &bot).await;
    let ask = async || app.call(&key, "GET /v1/api-keys", None).await;
    ask().await.expect(200);
    let off = app.post("/v1/service-accounts/bot/disable", json!({})).await.expect(200);
    assert_eq!(off["status"], "disabled");
    assert_eq!(ask().await.problem(401), "owner_inactive");
    let on = app.post("/v1/service-accounts/bot/enable", json!({})).await.expect(200);
    assert_eq!(on["status"], "active");
    ask().await.expect(200);
    app.delete("/v1/service-accounts/bot").await.expect(204);
    assert_eq!(ask().await.problem(401), "key_revoked");
    create(&app, "bot").await;
    assert_eq!(ask().await.problem(401), "key_revoked");
}

#[tokio::test]
async fn a_bad_service_account_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    create(&app, "bot").await;
    let before = app.get("/v1/service-accounts").await.text;
    let long = "x".repeat(501);
    #[rustfmt::skip]
    let both = [
        (json!({"name": ""}),                    "name",        "invalid"),
        (json!({"name": "b\u{200b}"}),           "name",        "invalid"),
        (json!({"name": ["b"]}),                 "name",        "invalid"),
        (json!({"description": long}),           "description", "invalid"),
        (json!({"description": "a\u{202e}b"}),   "description", "invalid"),
        (json!({"role": "admin"}),               "role",        "unknown_field"),
    ];
    for (fields, field, code) in both {
        let mut wish = json!({"name": "new"});
        wish.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let edit = app.patch("/v1/service-accounts/bot", fields).await;
        for answer in [app.post("/v1/service-accounts", wish).await, edit] {
            assert_eq!(answer.problem(400), "invalid_request", "{}", answer.text);
            assert_eq!(answer.fields(), [field]);
            assert_eq!(answer.json()["errors"][0]["code"], code);
        }
    }
    for project in ["nope", "prj_00000000000000000000000000", ""] {
        let wish = json!({"name": "new", "project": project});
        let answer = app.post("/v1/service-accounts", wish).await;
        assert_eq!(answer.json()["errors"][0]["code"], "not_found", "{project}");
        assert_eq!(answer.fields(), ["project"]);
    }
    let moved = app.patch("/v1/service-accounts/bot", json!({"project": "default"})).await;
    assert_eq!(moved.json()["errors"][0]["code"], "immutable");
    let taken = app.post("/v1/service-accounts", json!({"name": "bot"})).await;
    assert_eq!(taken.problem(409), "name_taken");
    assert_eq!(app.get("/v1/service-accounts").await.text, before);
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    create(&app, "bot").await;
    let tag = app.get("/v1/service-accounts/bot").await.header("etag");
    app.pass(1);
    app.post("/v1/service-accounts/bot/disable", json!({})).await.expect(200);
    let edit = Some(json!({"description": "late"}));
    let mut late = request(&app.admin, "PATCH /v1/service-accounts/bot", edit);
    late.headers_mut().insert("if-match", tag.parse().unwrap());
    assert_eq!(app.send(late).await.problem(412), "edited_in_between");
}

#[tokio::test]
async fn pages_hold_every_service_account_once() {
    let app = TestApp::new().await;
    for name in ["b", "c", "a"] {
        create(&app, name).await;
    }
    let first = app.get("/v1/service-accounts?limit=2").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = app.get(&format!("/v1/service-accounts?limit=2&after={next}")).await.expect(200);
    let names: Vec<&Value> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn its_keys_belong_to_its_project() {
    let app = TestApp::new().await;
    let web = app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let wish = json!({"name": "bot", "project": "web"});
    let bot = app.post("/v1/service-accounts", wish).await.expect(201);
    let key = app.post("/v1/api-keys", json!({"name": "k", "owner": bot["id"]})).await.expect(201);
    assert_eq!(key["project"], web["id"]);
    let elsewhere = json!({"name": "l", "owner": bot["id"], "project": app.first.project});
    assert_eq!(app.post("/v1/api-keys", elsewhere).await.fields(), ["project"]);
}

#[tokio::test]
async fn lists_are_searched() {
    let app = TestApp::new().await;
    for name in ["mail bot", "crawler"] {
        app.post("/v1/service-accounts", json!({"name": name})).await.expect(201);
    }
    app.post("/v1/projects", json!({"name": "Website", "description": "the shop"}))
        .await
        .expect(201);
    app.post("/v1/providers", json!({"name": "Local", "kind": "echo"})).await.expect(201);
    for (path, names) in [
        ("/v1/service-accounts?q=MAIL", vec!["mail bot"]),
        ("/v1/service-accounts?q=a&after=crawler", vec!["mail bot"]),
        ("/v1/service-accounts?q=", vec!["crawler", "mail bot"]),
        ("/v1/projects?q=shop", vec!["Website"]),
        ("/v1/projects?q=%25", vec![]),
        ("/v1/providers?q=echo", vec!["Local"]),
        ("/v1/providers?q=remote", vec![]),
    ] {
        let list = app.get(path).await.expect(200);
        let found: Vec<_> =
            list["data"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(found, names, "{path}");
    }
    for list in ["service-accounts", "projects", "providers"] {
        let refused = app.get(&format!("/v1/{list}?q={}", "a".repeat(201))).await;
        assert_eq!(
            (refused.problem(400), refused.fields()),
            ("invalid_request".to_owned(), vec!["q".to_owned()])
        );
    }
}

/// The names of all service accounts and keys.
async fn there(app: &TestApp) -> Vec<String> {
    let mut names = Vec::new();
    for path in ["/v1/service-accounts", "/v1/api-keys"] {
        let list = app.get(path).await.expect(200);
        let rows = list["data"].as_array().unwrap();
        names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
    }
    names
}

#[tokio::test]
async fn it_is_made_along_with_its_first_key_in_one_act() {
    let app = TestApp::new().await;
    let web = app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let account = json!({"name": "bot", "description": "answers mail"});
    let wish = json!({"name": "agent", "new_service_account": account, "project": "web"});
    let made = app.post("/v1/api-keys", wish.clone()).await.expect(201);
    assert_eq!((&made["kind"], &made["project"]), (&json!("service"), &web["id"]));
    assert_eq!(made["expires_at"], "2026-04-01T00:00:00Z", "90 days, as service keys have");
    let bot = app.get("/v1/service-accounts/bot").await.expect(200);
    assert_eq!((&bot["id"], &bot["project"]), (&made["owner"], &web["id"]));
    assert_eq!(bot["description"], "answers mail");
    let audit = app.get("/v1/audit?limit=2").await.expect(200);
    let acts: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| (&act["action"], &act["subject"]))
        .collect();
    let expected =
        [(&json!("key.create"), &made["id"]), (&json!("service_account.create"), &bot["id"])];
    assert_eq!(acts, expected);
    let again = app.post("/v1/api-keys", wish).await;
    assert_eq!(
        (again.problem(409), again.fields()),
        ("name_taken".to_owned(), vec!["new_service_account.name".to_owned()])
    );
}

#[tokio::test]
async fn neither_is_made_where_one_of_them_is_refused() {
    let app = TestApp::new().await;
    create(&app, "taken").await;
    let before = there(&app).await;
    let long = "x".repeat(501);
    #[rustfmt::skip]
    let cases = [
        // in the body                                                    status  fields
        (json!({"name": ""}),                                               400, &["name"][..]),
        (json!({"ip_allow": ["nowhere"]}),                                  400, &["ip_allow[0]"]),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}),                     400, &["expires_at"]),
        (json!({"project": "nope"}),                                        400, &["project"]),
        (json!({"new_service_account": {"name": "taken"}}),                 409, &["new_service_account.name"]),
        (json!({"new_service_account": {"name": "b\u{202e}c"}}),            400, &["new_service_account.name"]),
        (json!({"new_service_account": {"name": "", "description": long}, "name": ""}), 400,
            &["new_service_account.name", "new_service_account.description", "name"]),
        (json!({"new_service_account": {"name": "a", "role": "admin"}}),    400, &["new_service_account.role"]),
        (json!({"new_service_account": {}}),                                400, &["new_service_account.name"]),
        (json!({"owner": "taken"}),                                         400, &["owner"]),
        (json!({"kind": "user"}),                                           400, &["kind"]),
    ];
    for (fields, status, expected) in cases {
        let mut wish = json!({"name": "agent", "new_service_account": {"name": "bot"}});
        wish.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = app.post("/v1/api-keys", wish).await;
        answer.problem(status);
        assert_eq!(answer.fields(), expected, "{fields}");
        assert_eq!(there(&app).await, before, "{fields}");
    }
}

#[tokio::test]
async fn it_takes_the_right_to_make_both() {
    let app = TestApp::new().await;
    let administrator = Owner::User(app.first.administrator);
    let member = app.user("ada", OrganizationRole::Member).await;
    let limits = Limits { concurrency: 1.try_into().ok(), ..Limits::NONE };
    let models = ModelRule::Only(Vec::new());
    let callers = [
        (member, all_rights(), "insufficient_scope"),
        (administrator, only(&[Scope::KeysWrite, Scope::InferenceWrite]), "insufficient_scope"),
        (administrator, Rights { limits, ..all_rights() }, "bounded_key"),
        (administrator, Rights { models, ..all_rights() }, "exceeds_own_rights"),
    ];
    for (at, (owner, rights, code)) in callers.into_iter().enumerate() {
        let (_, caller) = app.key(owner, &format!("caller-{at}"), rights).await;
        let before = there(&app).await;
        let wish = json!({"name": "agent", "new_service_account": {"name": "bot"}});
        let answer = app.call(&caller, "POST /v1/api-keys", Some(wish)).await;
        assert_eq!(answer.problem(403), code, "{at}");
        assert_eq!(there(&app).await, before, "{at}");
    }
}
