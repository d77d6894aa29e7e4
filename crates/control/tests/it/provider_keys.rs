//! `/v1/provider-keys`.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::app::{TestApp, shape};

const CANARY: &str = "sk-canary-8c1f02d7a9";

async fn create(app: &TestApp, name: &str) -> Value {
    app.post("/v1/provider-keys", json!({"name": name, "value": CANARY})).await.expect(201)
}

#[tokio::test]
async fn no_answer_ever_holds_the_value() {
    let app = TestApp::new().await;
    let wish = json!({"name": "openai", "value": CANARY, "note": "paid by search"});
    let made = app.post("/v1/provider-keys", wish.clone()).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    insta::assert_json_snapshot!(shape(made.json()));
    let path = format!("/v1/provider-keys/{id}");
    for answer in [
        made,
        app.get(&path).await,
        app.get("/v1/provider-keys/openai").await,
        app.get("/v1/provider-keys").await,
        app.patch(&path, json!({"value": CANARY})).await,
        app.post("/v1/provider-keys", wish).await,
        app.post("/v1/provider-keys", json!({"name": "x", "value": format!("{CANARY} ")})).await,
        app.post("/v1/provider-keys", json!({"name": "x", "value": [CANARY]})).await,
        app.post("/v1/provider-keys", json!({"name": CANARY, "valeu": CANARY})).await,
        app.get("/v1/audit").await,
        app.delete(&path).await,
    ] {
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_edit_replaces_the_value_and_its_mask() {
    let app = TestApp::new().await;
    let made = create(&app, "openai").await;
    app.pass(1);
    let edit = json!({"value": "sk-another-value-xyz", "note": "new"});
    let edited = app.patch("/v1/provider-keys/openai", edit).await.expect(200);
    assert_eq!(edited["masked"], "sk-…xyz");
    assert_eq!(edited["note"], "new");
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let stored = app.store.reveal_provider_key(app.first.organization, id).await.unwrap();
    assert_eq!(stored.expose_secret(), "sk-another-value-xyz");
}

#[tokio::test]
async fn a_bad_provider_key_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    #[rustfmt::skip]
    let cases = [
        (json!({"value": "v"}),                               "name"),
        (json!({"name": "n"}),                                "value"),
        (json!({"name": "n", "value": ""}),                   "value"),
        (json!({"name": "n", "value": "a b"}),                "value"),
        (json!({"name": "n", "value": "a\r\nx: y"}),          "value"),
        (json!({"name": "n", "value": "x".repeat(4097)}),     "value"),
        (json!({"name": "n", "value": 5}),                    "value"),
        (json!({"name": "n\n", "value": "v"}),                "name"),
        (json!({"name": "n", "value": "v", "note": 5}),       "note"),
        (json!({"name": "n", "value": "v", "org": "x"}),      "org"),
    ];
    for (wish, field) in cases {
        let answer = app.post("/v1/provider-keys", wish.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{wish}");
        assert_eq!(answer.fields(), [field], "{wish}");
    }
    assert_eq!(app.get("/v1/provider-keys").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let app = TestApp::new().await;
    create(&app, "a").await;
    let again = app.post("/v1/provider-keys", json!({"name": "a", "value": "v"})).await;
    assert_eq!(again.problem(409), "name_taken");
}

#[tokio::test]
async fn pages_hold_every_provider_key_once_by_name() {
    let app = TestApp::new().await;
    for name in ["b", "C", "a"] {
        create(&app, name).await;
    }
    let first = app.get("/v1/provider-keys?limit=2").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = app.get(&format!("/v1/provider-keys?limit=2&after={next}")).await.expect(200);
    let names: Vec<&Value> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["C", "a", "b"]);
    assert_eq!((&second["has_more"], &second["next"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn a_deleted_provider_key_is_gone() {
    let app = TestApp::new().await;
    create(&app, "a").await;
    app.delete("/v1/provider-keys/a").await.expect(204);
    assert_eq!(app.get("/v1/provider-keys/a").await.problem(404), "not_found");
    assert_eq!(app.delete("/v1/provider-keys/a").await.problem(404), "not_found");
}
