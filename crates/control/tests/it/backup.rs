//! Who may ask for a backup: it is everything, so only who may do everything.

use doorward_domain::address::AddressRules;
use doorward_domain::key::Owner;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only};
use crate::sign_in::{add_ada, sign_in};
use crate::tokens;

/// What cannot make a backup even for who may: the answer tells whether they may.
async fn ask(app: &TestApp, key: &str) -> Answer {
    app.call(key, "POST /v1/backup", Some(json!({"passphrase": "eleven char"}))).await
}

async fn refused(app: &TestApp, key: &str, who: &str) {
    let answer = ask(app, key).await;
    assert_eq!(answer.problem(403), "exceeds_own_rights", "{who}");
}

#[tokio::test]
async fn only_who_may_do_all_that_an_owner_may_gets_a_backup() {
    let app = tokens::app().await;
    let owner = Owner::User(app.first.administrator);
    assert_eq!(ask(&app, &app.admin).await.fields(), ["passphrase"], "the owner's own key");
    let ends = app.now().checked_add(jiff::SignedDuration::from_hours(1)).ok();
    let (_, ending) = app.key(owner, "ending", Rights { expires_at: ends, ..all_rights() }).await;
    assert_eq!(ask(&app, &ending).await.fields(), ["passphrase"], "every key ends");

    let whole = tokens::token(&app, &app.admin, &[]).await;
    refused(&app, &whole, "a token, however wide").await;
    let narrow = tokens::token(&app, &app.admin, &[("scope", "admin")]).await;
    refused(&app, &narrow, "a narrowed token").await;

    let addresses =
        AddressRules { allow: Some(vec!["192.0.2.0/24".parse().unwrap()]), deny: vec![] };
    let limits = serde_json::from_value(json!({"requests_per_minute": 60})).unwrap();
    let budgets = serde_json::from_value(json!([{"usd": "5", "period": "day"}])).unwrap();
    let models = ModelRule::Only(vec!["*".parse().unwrap()]);
    let bound = [
        ("scopes", only(&[Scope::Admin])),
        ("models", Rights { models, ..all_rights() }),
        ("addresses", Rights { addresses, ..all_rights() }),
        ("limits", Rights { limits, ..all_rights() }),
        ("budgets", Rights { budgets, ..all_rights() }),
    ];
    for (by, rights) in bound {
        let (_, key) = app.key(owner, by, rights).await;
        refused(&app, &key, by).await;
    }
    let admin = app.user("grace", OrganizationRole::Admin).await;
    let (_, key) = app.key(admin, "of an admin", all_rights()).await;
    refused(&app, &key, "an admin").await;
}

#[tokio::test]
async fn a_key_that_an_admin_made_for_an_owner_to_be_gets_no_backup() {
    let app = TestApp::new().await;
    let Owner::User(bob) = app.user("bob", OrganizationRole::Admin).await else { panic!() };
    let all: Vec<&str> = Scope::ALL.into_iter().map(Scope::as_str).collect();
    let wish = json!({"name": "kept", "owner": bob, "scopes": all});
    let kept = app.post("/v1/api-keys", wish).await.expect(201);
    app.pass(1);
    app.patch("/v1/users/bob", json!({"role": "owner"})).await.expect(200);
    refused(&app, kept["key"].as_str().unwrap(), "bound by its role").await;
}

#[tokio::test]
async fn of_those_who_are_signed_in_an_owner_alone_gets_a_backup_and_no_page_does() {
    let app = TestApp::new().await;
    let wish = json!({
        "name": "page", "allowed_origins": ["https://app.example.com"],
        "limits": {"requests_per_minute": 60}, "budgets": [{"usd": "5", "period": "day"}],
    });
    let page = app.post("/v1/api-keys", wish).await.expect(201);
    let refused_page = ask(&app, page["key"].as_str().unwrap()).await;
    assert_eq!(refused_page.problem(403), "insufficient_scope");
    add_ada(&app, "member").await;
    assert_eq!(ask(&app, &sign_in(&app).await).await.problem(403), "insufficient_scope");
    app.pass(1);
    app.patch("/v1/users/ada", json!({"role": "admin"})).await.expect(200);
    refused(&app, &sign_in(&app).await, "an admin who is signed in").await;
    app.pass(1);
    app.patch("/v1/users/ada", json!({"role": "owner"})).await.expect(200);
    assert_eq!(ask(&app, &sign_in(&app).await).await.fields(), ["passphrase"]);
}

#[tokio::test]
async fn who_was_refused_a_backup_stands_in_the_audit_log_and_the_passphrase_nowhere() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (key, weak) = app.key(owner, "weak", only(&[Scope::Admin])).await;
    let body = json!({"passphrase": "canary recovery phrase"});
    let answer = app.call(&weak, "POST /v1/backup", Some(body)).await;
    assert_eq!(answer.problem(403), "exceeds_own_rights");
    assert!(!answer.text.contains("canary"));
    let log = app.get("/v1/audit?action=installation.backup").await.expect(200);
    let entry = &log["data"][0];
    let found = (&entry["actor"], &entry["detail"]["outcome"]);
    assert_eq!(found, (&json!(key.id), &json!("denied")));
    let whole = app.get("/v1/audit").await.text;
    assert!(!whole.contains("canary"));
}

/// It would hold what all the others have.
#[tokio::test]
async fn an_owner_of_another_than_the_first_organization_is_refused_and_that_is_noted() {
    let app = TestApp::new().await;
    // It is older than the one that asks.
    app.foreign_key().await;
    let answer = app.post("/v1/backup", json!({"passphrase": "canary recovery phrase"})).await;
    assert_eq!(answer.problem(403), "exceeds_own_rights");
    let log = app.get("/v1/audit?action=installation.backup").await.expect(200);
    assert_eq!(log["data"][0]["detail"]["outcome"], "denied");
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "none was begun");
}

#[tokio::test]
async fn a_passphrase_that_does_not_do_is_refused_by_the_field() {
    let app = TestApp::new().await;
    for (body, code) in [
        (json!({"passphrase": "eleven char"}), "invalid"),
        (json!({"passphrase": "x".repeat(1_025)}), "invalid"),
        (json!({}), "missing"),
        (json!({"passphrase": 5}), "invalid"),
    ] {
        let answer = app.post("/v1/backup", body.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{body}");
        let error: &Value = &answer.json()["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!("passphrase"), &json!(code)));
    }
}
