//! `/v1/api-keys`: the way of a key.

use doorward_domain::key::Owner;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only, request, shape};

async fn create(app: &TestApp, name: &str) -> Value {
    app.post("/v1/api-keys", json!({"name": name})).await.expect(201)
}

fn path(key: &Value) -> String {
    format!("/v1/api-keys/{}", key["id"].as_str().unwrap())
}

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_created_key_is_shown_once_with_its_secret() {
    let app = TestApp::new().await;
    let created = app.post("/v1/api-keys", json!({"name": "ci"})).await;
    assert!(created.headers.contains_key("etag"));
    let created = created.expect(201);
    insta::assert_json_snapshot!(shape(created.clone()));

    let secret = created["secret_key"].as_str().unwrap();
    for answer in [app.get(&path(&created)).await, app.get("/v1/api-keys").await] {
        assert!(!answer.text.contains(secret));
    }
    let whole = created["key"].as_str().unwrap();
    assert_eq!(whole, format!("{}_{secret}", created["access_key"].as_str().unwrap()));
}

#[tokio::test]
async fn a_key_keeps_everything_that_it_was_made_with() {
    let app = TestApp::new().await;
    let wish = json!({
        "name": "<script>alert('clé')</script>",
        "description": "nightly\nbuild",
        "scopes": ["inference:write", "analytics:read"],
        "expires_in_days": 7,
        "models": ["gpt-4o*", "doorward/echo"],
        "ip_allow": ["10.1.2.3/8", "::ffff:192.0.2.1"],
        "ip_deny": ["10.9.0.0/16"],
        "limits": {"requests_per_minute": 60, "concurrency": 4},
        "budgets": [{"usd": 12.5, "period": "month"}, {"tokens": 1_000_000, "period": "day"}],
        "metadata": {"team": "search", "nested": {"a": [1, 2]}},
    });
    let created = app.post("/v1/api-keys", wish).await.expect(201);
    let mut shown = app.get(&path(&created)).await.expect(200);
    insta::assert_json_snapshot!(shape(shown.clone()));
    for once in ["key", "access_key", "secret_key", "expires_clamped", "warnings"] {
        shown[once] = created[once].clone();
    }
    assert_eq!(shown, created);
}

#[tokio::test]
async fn a_created_key_works_until_it_is_revoked() {
    let app = TestApp::new().await;
    let wish = json!({"name": "k", "scopes": ["keys:read"]});
    let created = app.post("/v1/api-keys", wish).await.expect(201);
    let key = created["key"].as_str().unwrap();
    app.call(key, "GET /v1/api-keys", None).await.expect(200);
    for _ in 0..2 {
        let answer = app.delete(&path(&created)).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    }
    assert_eq!(app.call(key, "GET /v1/api-keys", None).await.problem(401), "key_revoked");
    assert_eq!(app.get(&path(&created)).await.expect(200)["status"], "revoked");
    let again = app.post(&format!("{}/enable", path(&created)), json!({})).await;
    assert_eq!(again.problem(409), "key_revoked");
    let edit = app.patch(&path(&created), json!({"description": "back"})).await;
    assert_eq!(edit.problem(409), "key_revoked");
}

#[tokio::test]
async fn a_disabled_key_can_be_enabled_again() {
    let app = TestApp::new().await;
    let wish = json!({"name": "k", "scopes": ["keys:read"]});
    let created = app.post("/v1/api-keys", wish).await.expect(201);
    let key = created["key"].as_str().unwrap();
    let off = app.post(&format!("{}/disable", path(&created)), json!({})).await.expect(200);
    assert_eq!(off["status"], "disabled");
    assert_eq!(app.call(key, "GET /v1/api-keys", None).await.problem(401), "key_disabled");
    let on = app.post(&format!("{}/enable", path(&created)), json!({})).await.expect(200);
    assert_eq!(on["status"], "active");
    app.call(key, "GET /v1/api-keys", None).await.expect(200);
}

#[tokio::test]
async fn pages_hold_every_key_once_newest_first() {
    let app = TestApp::new().await;
    for name in ["a", "b", "c", "d"] {
        app.pass(1);
        create(&app, name).await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/api-keys?limit=2&after={after}")).await.expect(200);
        assert_eq!(page["object"], "list");
        seen.extend(names(&page).into_iter().map(str::to_owned));
        assert_eq!(page["has_more"].as_bool().unwrap(), page["next"].is_string());
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(seen, ["d", "c", "b", "a", "admin"]);
}

#[tokio::test]
async fn a_cursor_tells_nothing_about_the_keys_of_others() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    app.pass(1);
    let (own, key) = app.key(agent, "own", only(&[Scope::KeysRead])).await;
    app.pass(1);
    let user = Owner::User(app.first.administrator);
    let (foreign, _) = app.key(user, "other", all_rights()).await;
    let list =
        async |after: &str| app.call(&key, &format!("GET /v1/api-keys?after={after}"), None).await;
    // Ids are no cursors, whoever has them.
    let mut refused = Vec::new();
    for id in [own.id.as_str(), foreign.id.as_str(), "dw_0000000000000000", "nonsense"] {
        let answer = list(id).await;
        assert_eq!(answer.problem(400), "invalid_request", "{id}");
        assert_eq!(answer.fields(), ["after"], "{id}");
        refused.push(answer.text);
    }
    assert!(refused.iter().all(|text| text == &refused[0]), "{refused:?}");
    // A place that another's key has, and one that no key has.
    let of_other = app.get("/v1/api-keys?limit=1").await.expect(200);
    assert_eq!(names(&of_other), ["other"]);
    let known = list(of_other["next"].as_str().unwrap()).await.expect(200);
    app.delete(&format!("/v1/api-keys/{}", foreign.id)).await.expect(204);
    let revoked = list(of_other["next"].as_str().unwrap()).await.expect(200);
    assert_eq!(names(&known), ["own"]);
    assert_eq!(names(&revoked), ["own"]);
}

#[tokio::test]
async fn lists_are_narrowed_by_every_filter() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    app.key(agent, "of the agent", only(&[Scope::InferenceWrite])).await;
    let disabled = create(&app, "off").await;
    app.post(&format!("{}/disable", path(&disabled)), json!({})).await.expect(200);
    let revoked = create(&app, "gone").await;
    app.delete(&path(&revoked)).await.expect(204);
    let soon = json!({"name": "soon", "expires_in_days": 1, "description": "50% off"});
    app.post("/v1/api-keys", soon).await.expect(201);
    let user = app.first.administrator;
    let project = app.first.project;
    for (query, mut expected) in [
        (String::new(), vec!["admin", "of the agent", "off", "soon"]),
        ("status=active".to_owned(), vec!["admin", "of the agent", "soon"]),
        ("status=disabled".to_owned(), vec!["off"]),
        ("status=revoked".to_owned(), vec!["gone"]),
        ("status=expired".to_owned(), vec![]),
        ("kind=service".to_owned(), vec!["of the agent"]),
        (format!("owner={agent}"), vec!["of the agent"]),
        (format!("owner={user}&kind=user&status=active"), vec!["admin", "soon"]),
        (format!("project={project}&kind=service"), vec!["of the agent"]),
        ("expires_before=2026-01-10T00:00:00Z".to_owned(), vec!["soon"]),
        ("q=agent".to_owned(), vec!["of the agent"]),
        ("q=%25".to_owned(), vec!["soon"]), // as text, not as a pattern
    ] {
        let list = app.get(&format!("/v1/api-keys?{query}")).await.expect(200);
        let mut found = names(&list);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_wrong_filter_is_named() {
    let app = TestApp::new().await;
    for (query, field) in [
        ("status=dead", "status"),
        ("kind=agent", "kind"),
        ("owner=bob", "owner"),
        ("project=nowhere", "project"),
        ("expires_before=soon", "expires_before"),
        ("after=x", "after"),
        ("limit=1000", "limit"),
        ("owner=", "owner"),
        ("project=", "project"),
        ("kind=", "kind"),
        ("status=", "status"),
        ("expires_before=", "expires_before"),
        ("nmae=x", "nmae"),
    ] {
        let answer = app.get(&format!("/v1/api-keys?{query}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
        assert_eq!(answer.fields(), [field], "{query}");
    }
}

fn with_name(wish: &Value, name: &str) -> Value {
    let mut wish = wish.clone();
    wish["name"] = json!(name);
    wish
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let app = TestApp::new().await;
    let wish = json!({
        "name": "k", "description": "old", "models": ["a"], "ip_allow": ["10.0.0.1"],
        "limits": {"concurrency": 2}, "budgets": [{"usd": "1", "period": "day"}],
        "metadata": {"a": 1},
    });
    let created = app.post("/v1/api-keys", wish.clone()).await.expect(201);
    let before = app.get(&path(&created)).await.expect(200);
    for (edit, field, after) in [
        (json!({"description": "new"}), "description", json!("new")),
        (json!({"description": null}), "description", json!("")),
        (json!({"scopes": ["inference:read"]}), "scopes", json!(["inference:read"])),
        (json!({"models": []}), "models", json!([])),
        (json!({"models": null}), "models", json!(null)),
        (json!({"ip_allow": []}), "ip_allow", json!([])),
        (json!({"ip_allow": null}), "ip_allow", json!(null)),
        (json!({"ip_deny": ["10.0.0.2"]}), "ip_deny", json!(["10.0.0.2"])),
        (json!({"limits": {"tokens_per_day": 5}}), "limits", json!({"tokens_per_day": 5})),
        (json!({"limits": null}), "limits", json!({})),
        (json!({"metadata": {"b": 2}}), "metadata", json!({"b": 2})),
        (json!({"expires_in_days": 1}), "expires_at", json!("2026-01-02T00:00:00Z")),
    ] {
        let fresh = app.post("/v1/api-keys", with_name(&wish, &edit.to_string())).await.expect(201);
        let edited = app.patch(&path(&fresh), edit.clone()).await.expect(200);
        let mut expected = before.clone();
        expected[field] = after;
        expected["expires_clamped"] = json!(false);
        for own in ["id", "name", "fingerprint"] {
            expected[own] = fresh[own].clone();
        }
        assert_eq!(edited, expected, "{edit}");
    }
}

#[tokio::test]
async fn a_fixed_field_is_refused_as_such() {
    let app = TestApp::new().await;
    let created = create(&app, "k").await;
    for field in ["name", "kind", "owner", "project", "id"] {
        let answer = app.patch(&path(&created), json!({field: "x"})).await;
        assert_eq!(answer.problem(400), "invalid_request");
        assert_eq!(answer.json()["errors"][0]["code"], "immutable", "{field}");
        assert_eq!(answer.fields(), [field]);
    }
    let answer = app.patch(&path(&created), json!({"colour": "x"})).await;
    assert_eq!(answer.json()["errors"][0]["code"], "unknown_field");
}

async fn patch_if_match(app: &TestApp, path: &str, tag: &str, body: Value) -> Answer {
    let mut edit = request(&app.admin, &format!("PATCH {path}"), Some(body));
    edit.headers_mut().insert("if-match", tag.parse().unwrap());
    app.send(edit).await
}

#[tokio::test]
async fn a_lost_race_is_told_and_changes_nothing() {
    let app = TestApp::new().await;
    let created = create(&app, "k").await;
    let first = app.get(&path(&created)).await.header("etag");
    app.pass(1);
    let won = patch_if_match(&app, &path(&created), &first, json!({"description": "won"})).await;
    assert_ne!(won.header("etag"), first);
    let second = won.header("etag");
    won.expect(200);
    let lost = patch_if_match(&app, &path(&created), &first, json!({"description": "lost"})).await;
    assert_eq!(lost.problem(412), "edited_in_between");
    let shown = app.get(&path(&created)).await;
    assert_eq!(shown.header("etag"), second);
    assert_eq!(shown.json()["description"], "won");
}

#[tokio::test]
async fn a_request_that_changes_nothing_leaves_no_trace() {
    let app = TestApp::new().await;
    let created = create(&app, "k").await;
    let at = |action: &str| format!("{}/{action}", path(&created));
    for change in ["", "disable", "enable"] {
        if !change.is_empty() {
            app.post(&at(change), json!({})).await.expect(200);
        }
        let shown = app.get(&path(&created)).await;
        let audit = app.get("/v1/audit").await.text;
        app.pass(1);
        let mut again = vec![app.patch(&path(&created), json!({})).await];
        again.push(app.patch(&path(&created), json!({"description": null})).await);
        if !change.is_empty() {
            again.push(app.post(&at(change), json!({})).await);
        }
        for answer in again {
            assert_eq!(answer.header("etag"), shown.header("etag"), "{change}");
            let mut object = answer.expect(200);
            object.as_object_mut().unwrap().remove("expires_clamped");
            assert_eq!(object, shown.json(), "{change}");
        }
        assert_eq!(app.get("/v1/audit").await.text, audit, "{change}");
    }
}

#[tokio::test]
async fn a_use_of_the_management_api_is_a_use_of_the_key() {
    let app = TestApp::new().await;
    let wish = json!({"name": "k", "scopes": ["keys:read"]});
    let created = app.post("/v1/api-keys", wish).await.expect(201);
    assert_eq!(created["last_used_at"], json!(null));
    app.pass(5);
    let key = created["key"].as_str().unwrap();
    app.call(key, "GET /v1/api-keys", None).await.expect(200);
    let shown = app.get(&path(&created)).await.expect(200);
    assert_eq!(shown["last_used_at"], "2026-01-01T00:00:05Z");
    assert_eq!(shown["last_used_ip"], "192.0.2.7");
}

#[tokio::test]
async fn a_name_is_unique_within_its_owner() {
    let app = TestApp::new().await;
    create(&app, "ci").await;
    let answer = app.post("/v1/api-keys", json!({"name": "ci"})).await;
    assert_eq!(answer.problem(409), "name_taken");
    assert_eq!(answer.fields(), ["name"]);
    let agent = app.service_account("agent").await;
    let wish = json!({"name": "ci", "owner": agent.to_string()});
    assert_eq!(app.post("/v1/api-keys", wish).await.expect(201)["kind"], "service");
}

#[tokio::test]
async fn a_user_has_at_most_so_many_keys() {
    let app = TestApp::new().await;
    for number in 1..20 {
        create(&app, &format!("key {number}")).await; // and the administrator's own: twenty
    }
    let full = app.post("/v1/api-keys", json!({"name": "one more"})).await;
    assert_eq!(full.problem(409), "key_quota_reached");
    let list = app.get("/v1/api-keys?q=key&limit=1").await.expect(200);
    app.delete(&path(&list["data"][0])).await.expect(204);
    create(&app, "one more").await;
}

#[tokio::test]
async fn a_service_account_has_no_more_keys_than_a_user() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    let (_, key) = app.key(agent, "key 0", all_rights()).await;
    for number in 1..20 {
        let wish = json!({"name": format!("key {number}")});
        app.call(&key, "POST /v1/api-keys", Some(wish)).await.expect(201);
    }
    let wish = json!({"name": "one more", "owner": agent.to_string()});
    for caller in [&key, &app.admin] {
        let full = app.call(caller, "POST /v1/api-keys", Some(wish.clone())).await;
        assert_eq!(full.problem(409), "key_quota_reached");
    }
}

#[tokio::test]
async fn whoever_manages_only_their_own_cannot_tell_anothers_key_from_none() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    let scopes = only(&[Scope::KeysRead, Scope::KeysWrite]);
    let (own, key) = app.key(agent, "own", scopes).await;
    let (foreign, _) = app.key(Owner::User(app.first.administrator), "other", all_rights()).await;
    for call in ["GET {}", "PATCH {}", "DELETE {}", "POST {}/disable", "POST {}/enable"] {
        let at = |id: &str| call.replace("{}", &format!("/v1/api-keys/{id}"));
        let mut bodies = Vec::new();
        for id in [foreign.id.as_str(), "dw_0000000000000000", "nonsense"] {
            let answer = app.call(&key, &at(id), Some(json!({}))).await;
            assert_eq!(answer.problem(404), "not_found", "{call}");
            bodies.push(answer.text);
        }
        assert!(bodies.iter().all(|body| body == &bodies[0]), "{call}: {bodies:?}");
    }
    let list = app.call(&key, "GET /v1/api-keys", None).await.expect(200);
    assert_eq!(names(&list), ["own"]);
    let user = app.first.administrator;
    let none = app.call(&key, &format!("GET /v1/api-keys?owner={user}"), None).await.expect(200);
    assert_eq!(names(&none), Vec::<&str>::new());
    app.call(&key, &format!("GET /v1/api-keys/{}", own.id), None).await.expect(200);
}
