//! What projects keep of prompts and answers, and who reads it.

use doorward_domain::id::{CallId, ProjectId};
use doorward_domain::prompts::PromptPolicy;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_store::{Excerpt, PromptRecord};
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};

const DEFAULT: &str = "/v1/projects/default";

fn call_id(number: u128) -> CallId {
    CallId::new(1, number)
}

fn path(number: u128) -> String {
    format!("/v1/calls/{}/prompt", call_id(number))
}

/// A call of the first project that ended.
fn end_call(app: &TestApp, number: u128) {
    let policy = PromptPolicy { retention_days: 30.try_into().unwrap(), redact: true };
    app.store.keep_prompt(PromptRecord {
        call: call_id(number),
        organization: app.first.organization,
        project: app.first.project,
        policy,
        at: app.now(),
        request: Some(Excerpt::of(br#"{"messages":[{"content":"mail ada@example.com"}]}"#)),
        answer: None,
    });
}

async fn turn_on(app: &TestApp) -> Value {
    let wish = json!({ "prompts": { "retention_days": 30, "redact": true } });
    app.patch(DEFAULT, wish).await.expect(200)
}

#[tokio::test]
async fn a_project_keeps_nothing_until_an_administrator_says_so_and_until_when() {
    let app = TestApp::new().await;
    let shown = app.get(DEFAULT).await.expect(200);
    assert_eq!(shown["prompts"], Value::Null);
    assert_eq!(turn_on(&app).await["prompts"], json!({ "retention_days": 30, "redact": true }));
    let edited = app.patch(DEFAULT, json!({ "description": "x" })).await.expect(200);
    assert_eq!(edited["prompts"]["retention_days"], 30, "what is not named stays");
    let off = app.patch(DEFAULT, json!({ "prompts": null })).await.expect(200);
    assert_eq!(off["prompts"], Value::Null);
    let audit = app.get("/v1/audit?action=project.edit&limit=1").await.expect(200);
    let change = &audit["data"][0]["detail"]["prompts"];
    assert_eq!(change["before"]["retention_days"], 30);
    assert_eq!(change["after"], Value::Null);
}

#[tokio::test]
async fn a_choice_that_cannot_be_kept_is_refused_by_its_field() {
    let app = TestApp::new().await;
    #[rustfmt::skip]
    let cases = [
        (json!({ "retention_days": 0, "redact": true }),              "prompts.retention_days"),
        (json!({ "retention_days": 366, "redact": true }),            "prompts.retention_days"),
        (json!({ "retention_days": "30", "redact": true }),           "prompts.retention_days"),
        (json!({ "retention_days": 30, "redact": 1 }),                "prompts.redact"),
        (json!({ "retention_days": 30 }),                             "prompts.redact"),
        (json!({ "redact": true }),                                   "prompts.retention_days"),
        (json!({ "retention_days": 30, "redact": true, "x": 1 }),     "prompts.x"),
    ];
    for (wish, field) in cases {
        let refused = app.patch(DEFAULT, json!({ "prompts": wish })).await;
        assert_eq!(refused.status, 400, "{wish}: {}", refused.text);
        assert_eq!(refused.fields(), [field], "{wish}: {}", refused.text);
    }
    assert_eq!(app.get(DEFAULT).await.expect(200)["prompts"], Value::Null);
}

#[tokio::test]
async fn what_was_asked_and_answered_is_shown_and_each_reading_audited() {
    let app = TestApp::new().await;
    turn_on(&app).await;
    end_call(&app, 1);
    let shown = app.get(&path(1)).await.expect(200);
    let expected = json!({
        "object": "prompt",
        "call": call_id(1),
        "project": app.first.project,
        "redacted": true,
        "request": { "text": r#"{"messages":[{"content":"mail [email]"}]}"#, "is_cut": false },
        "answer": null,
        "created_at": app.now(),
    });
    assert_eq!(shown, expected);
    let readings = app.get("/v1/audit?action=prompt.read").await.expect(200);
    let subjects: Vec<&Value> =
        readings["data"].as_array().unwrap().iter().map(|entry| &entry["subject"]).collect();
    assert_eq!(subjects, [&json!(call_id(1))]);
}

#[tokio::test]
async fn only_administrators_read_and_nobody_learns_what_is_kept() {
    let app = TestApp::new().await;
    turn_on(&app).await;
    end_call(&app, 1);
    let admin = app.user("admin two", OrganizationRole::Admin).await;
    let member = app.user("member", OrganizationRole::Member).await;
    let viewer = app.user("viewer", OrganizationRole::Viewer).await;
    let service = app.service_account("bot").await;
    let inference = only(&[Scope::InferenceRead, Scope::InferenceWrite]);
    let audit = only(&[Scope::AuditRead, Scope::AnalyticsRead]);
    let cases = [
        (admin, all_rights(), 200),
        (admin, only(&[Scope::Admin]), 200),
        (admin, inference, 403),
        (admin, audit, 403),
        (member, all_rights(), 403),
        (viewer, all_rights(), 403),
        (service, all_rights(), 403),
    ];
    for (number, (owner, rights, status)) in cases.into_iter().enumerate() {
        let key = app.key(owner, &format!("key {number}"), rights).await.1;
        let of = async |path: String| app.call(&key, &format!("GET {path}"), None).await;
        assert_eq!(of(path(1)).await.status, status, "{number}");
        if status == 403 {
            assert_eq!(of(path(2)).await.status, 403, "{number}: unknown is no different");
        }
    }
    let foreign = app.foreign_key().await;
    for (key, path) in
        [(&foreign, path(1)), (&app.admin, path(2)), (&app.admin, "/v1/calls/x/prompt".to_owned())]
    {
        let answer = app.call(key, &format!("GET {path}"), None).await;
        assert_eq!(answer.problem(404), "not_found");
    }
}

#[tokio::test]
async fn a_prompt_of_a_project_that_never_was_is_not_kept() {
    let app = TestApp::new().await;
    turn_on(&app).await;
    let policy = PromptPolicy { retention_days: 30.try_into().unwrap(), redact: true };
    app.store.keep_prompt(PromptRecord {
        call: call_id(7),
        organization: app.first.organization,
        project: ProjectId::new(9, 9),
        policy,
        at: app.now(),
        request: None,
        answer: None,
    });
    assert_eq!(app.get(&path(7)).await.status, 404);
}
