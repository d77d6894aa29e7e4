//! Keys that live in web pages: what they are made with, and who may let in another page.

use doorward_domain::key::Owner;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};

/// A key that may live in a page.
fn in_page() -> Value {
    json!({
        "name": "page", "allowed_origins": ["https://app.example.com"],
        "limits": {"requests_per_minute": 60}, "budgets": [{"usd": "5", "period": "day"}],
    })
}

fn with(mut base: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

async fn make(app: &TestApp) -> String {
    let made = app.post("/v1/api-keys", in_page()).await.expect(201);
    format!("/v1/api-keys/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_pages_of_a_key_are_shown_as_browsers_write_them() {
    let app = TestApp::new().await;
    let origins =
        json!(["HTTPS://App.example.com:443", "http://localhost:3000", "https://app.example.com"]);
    let made = app.post("/v1/api-keys", with(in_page(), &json!({"allowed_origins": origins})));
    let made = made.await.expect(201);
    let shown = json!(["https://app.example.com", "http://localhost:3000"]);
    assert_eq!(made["allowed_origins"], shown);
    assert_eq!(made["scopes"], json!(["inference:read", "inference:write"]));
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(200)["allowed_origins"], shown);
    let list = app.get("/v1/api-keys?q=page").await.expect(200);
    assert_eq!(list["data"][0]["allowed_origins"], shown);
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!(
        (&entry["action"], &entry["detail"]["allowed_origins"]),
        (&json!("key.create"), &shown)
    );
    let other = app.post("/v1/api-keys", json!({"name": "other"})).await.expect(201);
    assert_eq!(other["allowed_origins"], Value::Null);
}

#[tokio::test]
async fn a_key_for_a_page_without_what_bounds_it_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    let path = make(&app).await;
    let before = app.get(&path).await.text;
    let many: Vec<String> = (0..21).map(|n| format!("https://{n}.example")).collect();
    #[rustfmt::skip]
    let cases = [
        (json!({"allowed_origins": "https://a.example"}),            vec![("allowed_origins", "invalid")]),
        (json!({"allowed_origins": ["*"]}),                          vec![("allowed_origins[0]", "invalid")]),
        (json!({"allowed_origins": ["https://a.example", "https://a.example/x"]}), vec![("allowed_origins[1]", "invalid")]),
        (json!({"allowed_origins": ["null"]}),                       vec![("allowed_origins[0]", "invalid")]),
        (json!({"allowed_origins": [5]}),                            vec![("allowed_origins[0]", "invalid")]),
        (json!({"allowed_origins": many}),                           vec![("allowed_origins", "too_long")]),
        (json!({"limits": {}}),                                      vec![("limits", "missing")]),
        (json!({"limits": null}),                                    vec![("limits", "missing")]),
        (json!({"limits": {"concurrency": 1}}),                      vec![("limits", "missing")]),
        (json!({"budgets": []}),                                     vec![("budgets", "missing")]),
        (json!({"budgets": null}),                                   vec![("budgets", "missing")]),
        (json!({"scopes": ["inference:write", "keys:read", "admin"]}), vec![("scopes", "unfit_for_pages")]),
        (json!({"scopes": ["keys:verify"], "limits": {}, "budgets": [], "allowed_origins": []}),
            vec![("scopes", "unfit_for_pages"), ("limits", "missing"), ("budgets", "missing")]),
    ];
    for (fields, expected) in cases {
        let new = app.post("/v1/api-keys", with(in_page(), &fields)).await;
        let edited = app.patch(&path, fields.clone()).await;
        for answer in [new, edited] {
            assert_eq!(answer.problem(400), "invalid_request", "{fields}");
            let errors = answer.json()["errors"].as_array().unwrap().clone();
            let found: Vec<_> = errors
                .iter()
                .map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
                .collect();
            assert_eq!(found, expected, "{fields}: {}", answer.text);
        }
    }
    assert_eq!(app.get(&path).await.text, before);
    let named = app.patch(&path, json!({"scopes": ["keys:read", "admin"]})).await.text;
    assert!(named.contains("not for keys:read, admin"), "{named}");
}

#[tokio::test]
async fn a_key_becomes_one_for_pages_only_with_bounds_and_stops_to_be_one_on_purpose() {
    let app = TestApp::new().await;
    let made = app.post("/v1/api-keys", json!({"name": "k"})).await.expect(201);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    let origins = json!({"allowed_origins": ["https://app.example.com"]});
    let refused = app.patch(&path, origins.clone()).await;
    assert_eq!(refused.problem(400), "invalid_request");
    assert_eq!(refused.fields(), ["limits", "budgets"]);
    let bounds =
        json!({"limits": {"tokens_per_day": 5}, "budgets": [{"tokens": 5, "period": "day"}]});
    let edited = app.patch(&path, with(bounds, &origins)).await.expect(200);
    assert_eq!(edited["allowed_origins"], origins["allowed_origins"]);
    // What is emptied is for no page until it is cleared on purpose.
    let emptied = app.patch(&path, json!({"allowed_origins": []})).await.expect(200);
    assert_eq!(emptied["allowed_origins"], json!([]));
    assert_eq!(app.patch(&path, json!({"limits": {}})).await.fields(), ["limits"]);
    let cleared = json!({"allowed_origins": null, "limits": {}, "budgets": []});
    let cleared = app.patch(&path, cleared).await.expect(200);
    assert_eq!(cleared["allowed_origins"], Value::Null);
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    let changed = entry["detail"]["changed"].as_object().unwrap();
    assert!(changed.contains_key("allowed_origins"), "{changed:?}");
}

/// The secret is in the pages of the key, for everybody to read: whoever lets in another page has it.
#[tokio::test]
async fn only_whoever_could_make_the_key_lets_in_another_page() {
    let app = TestApp::new().await;
    let path = make(&app).await;
    let owner = Owner::User(app.first.administrator);
    let scopes =
        only(&[Scope::InferenceRead, Scope::InferenceWrite, Scope::KeysRead, Scope::KeysWrite]);
    let models = ModelRule::Only(vec!["small-*".parse().unwrap()]);
    let weaker = app.key(owner, "weaker", Rights { models, ..scopes.clone() }).await.1;
    let own = app.key(owner, "own", scopes).await.1;
    let edit = format!("PATCH {path}");
    let more = [
        json!({"allowed_origins": ["https://app.example.com", "https://evil.example"]}),
        json!({"allowed_origins": ["https://evil.example"]}),
        json!({"allowed_origins": null}),
    ];
    for fields in &more {
        let answer = app.call(&weaker, &edit, Some(fields.clone())).await;
        assert_eq!(answer.problem(403), "exceeds_own_rights", "{fields}");
        assert_eq!(answer.fields(), ["models"], "{fields}");
    }
    let shown = app.get(&path).await.expect(200);
    assert_eq!(shown["allowed_origins"], json!(["https://app.example.com"]));
    // To let in fewer takes nothing, and whoever could make the key may let in more.
    let fewer = json!({"allowed_origins": []});
    app.call(&weaker, &edit, Some(fewer)).await.expect(200);
    for fields in more {
        app.call(&own, &edit, Some(fields)).await.expect(200);
    }
}

#[tokio::test]
async fn a_key_with_limits_of_its_own_lets_in_no_other_page() {
    let app = TestApp::new().await;
    let path = make(&app).await;
    let limits = Limits { requests_per_day: 1_000_000.try_into().ok(), ..Limits::NONE };
    let owner = Owner::User(app.first.administrator);
    let bounded = app.key(owner, "bounded", Rights { limits, ..all_rights() }).await.1;
    let fields =
        json!({"allowed_origins": ["https://evil.example"], "limits": {"requests_per_day": 1}});
    let answer = app.call(&bounded, &format!("PATCH {path}"), Some(fields)).await;
    assert_eq!(answer.problem(403), "bounded_key");
    assert!(answer.fields().contains(&"allowed_origins".to_owned()), "{}", answer.text);
}

#[tokio::test]
async fn a_key_for_pages_reaches_no_part_of_the_management() {
    let app = TestApp::new().await;
    let made = app.post("/v1/api-keys", in_page()).await.expect(201);
    let key = made["key"].as_str().unwrap();
    for call in ["GET /v1/api-keys", "POST /v1/api-keys", "GET /v1/usage", "GET /v1/users/me"] {
        let body = call.starts_with("POST").then(|| json!({"name": "child"}));
        let refused = app.call(key, call, body).await;
        assert_eq!(refused.problem(403), "insufficient_scope", "{call}");
    }
}
