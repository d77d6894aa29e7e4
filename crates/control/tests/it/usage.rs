//! `/v1/usage`.

use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::price::Price;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_store::CallRequest;
use serde_json::json;

use crate::app::{TestApp, only};

#[tokio::test]
async fn a_report_of_nothing_has_no_rows() {
    let app = TestApp::new().await;
    let report = app.get("/v1/usage?group_by=key,model,day").await.expect(200);
    assert_eq!(report, json!({"object": "list", "data": [], "has_more": false, "next": null}));
}

#[tokio::test]
async fn a_wrong_report_is_refused_by_name() {
    let app = TestApp::new().await;
    for (query, field) in [
        ("group_by=user", "group_by"),
        ("group_by=key,colour", "group_by"),
        ("group_by=key,", "group_by"),
        ("from=yesterday", "from"),
        ("to=", "to"), // left out, it would widen the report
        ("from=2026-01-02&to=2026-01-02", "from"),
        ("from=2026-01-02&to=2026-01-01T00:00:00Z", "from"),
        ("to=2026-01-01T00:00:00", "to"), // without a zone it could be any instant of 26 hours
        ("limit=5", "limit"),
    ] {
        let answer = app.get(&format!("/v1/usage?{query}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
        assert_eq!(answer.fields(), [field], "{query}");
    }
}

/// One call with a key: 10 tokens in.
async fn call(app: &TestApp, key: &ApiKey, n: u128) {
    call_model(app, key, n, "m").await;
}

async fn call_model(app: &TestApp, key: &ApiKey, n: u128, model: &str) {
    let loaded = app.store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &model.into(),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        input_tokens: 10,
        output_tokens: 0,
        address: [192, 0, 2, 7].into(),
    };
    // Dropped unsettled, a call is booked at its estimate.
    drop(app.store.admit(&loaded, &request).unwrap().unwrap());
}

#[tokio::test]
async fn a_key_without_an_administrator_behind_it_sees_the_usage_of_its_owner_only() {
    let app = TestApp::new().await;
    let (agent, other) = (app.service_account("agent").await, app.service_account("other").await);
    let administrator = Owner::User(app.first.administrator);
    let rights = || only(&[Scope::AnalyticsRead, Scope::InferenceWrite]);
    let (first, first_key) = app.key(agent, "first", rights()).await;
    let (second, _) = app.key(agent, "second", rights()).await;
    let (foreign, _) = app.key(other, "foreign", rights()).await;
    let (admins, _) = app.key(administrator, "admin's", rights()).await;
    let (idle, idle_key) = app.key(app.service_account("idle").await, "idle", rights()).await;
    for (n, key) in [&first, &second, &second, &foreign, &admins].into_iter().enumerate() {
        call(&app, key, n as u128).await;
    }
    app.pass(1);

    let report = app.call(&first_key, "GET /v1/usage?group_by=key", None).await.expect(200);
    let rows = report["data"].as_array().unwrap();
    let requests = |key: &ApiKey| {
        let row = rows.iter().find(|row| row["key"] == key.id.as_str());
        row.map_or(0, |row| row["requests"].as_u64().unwrap())
    };
    assert_eq!((rows.len(), requests(&first), requests(&second)), (2, 1, 2));

    let report = app.call(&idle_key, "GET /v1/usage", None).await.expect(200);
    assert_eq!(report["data"], json!([]), "{}", idle.id);
    let report = app.get("/v1/usage").await.expect(200);
    assert_eq!(report["data"][0]["requests"], 5);
}

#[tokio::test]
async fn a_report_that_would_be_cut_short_is_refused_with_what_to_do() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (key, _) = app.key(owner, "busy", only(&[Scope::InferenceWrite])).await;
    for n in 0..10_000 {
        call_model(&app, &key, n, &format!("model-{n}")).await;
        // A report waits for some thousand calls to be written, not for all of these at once.
        if n % 2_000 == 0 {
            app.get("/v1/usage").await.expect(200);
        }
    }
    app.pass(1);
    let report = app.get("/v1/usage?group_by=model").await.expect(200);
    assert_eq!(report["data"].as_array().unwrap().len(), 10_000);
    assert_eq!(report["has_more"], false);

    call_model(&app, &key, 10_000, "one-more").await;
    app.pass(1);
    let refused = app.get("/v1/usage?group_by=model").await;
    assert_eq!(refused.problem(400), "invalid_request");
    assert_eq!(refused.json()["errors"][0]["code"], "too_many_rows");
    assert!(refused.json()["detail"].as_str().unwrap().contains("narrow the time"));
    assert_eq!(app.get("/v1/usage").await.expect(200)["data"][0]["requests"], 10_001);
}
