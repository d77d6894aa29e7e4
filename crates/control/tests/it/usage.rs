//! `/v1/usage`.

use doorward_domain::scope::Scope;
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

#[tokio::test]
async fn a_service_account_sees_no_usage_of_others() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    let (_, key) = app.key(agent, "agent's", only(&[Scope::AnalyticsRead])).await;
    assert_eq!(app.call(&key, "GET /v1/usage", None).await.problem(403), "insufficient_scope");
}
