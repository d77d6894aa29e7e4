//! What keys were granted and do not use.

use std::sync::Arc;

use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::price::Price;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_domain::usage::Usage;
use doorward_store::CallRequest;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};

const DAY: i64 = 86_400;

/// A call of a model, from its admission to its end.
async fn call(app: &TestApp, key: &ApiKey, model: &str) {
    let loaded = app.store.call_key(&key.id).await.unwrap().unwrap();
    let call =
        CallId::new(app.now().as_second().unsigned_abs(), u128::from(app.store.random_u64()));
    let request = CallRequest {
        call,
        secret: SecretNumber::FIRST,
        model: &Arc::from(model),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        most: Usage::of_tokens(1, 1),
        fixed_output_tokens: 0,
        average: None,
        address: [192, 0, 2, 7].into(),
    };
    let mut open = app.store.admit(&loaded, &request).unwrap().unwrap();
    open.settle(&Settlement {
        call,
        outcome: Outcome::Done,
        status: 200,
        usage: Usage::default(),
        spend: doorward_domain::budget::Spend::default(),
        is_estimated: false,
        duration_us: 1,
        first_byte_us: 1,
    });
}

fn granted(scopes: &[Scope], patterns: &[&str]) -> Rights {
    let patterns = patterns.iter().map(|text| text.parse().unwrap()).collect();
    Rights { models: ModelRule::Only(patterns), ..only(scopes) }
}

async fn unused(app: &TestApp, key: &ApiKey) -> Value {
    app.get(&format!("/v1/api-keys/{}/unused-rights", key.id)).await.expect(200)
}

#[tokio::test]
async fn what_was_not_used_for_thirty_days_is_named_with_the_edit_that_takes_it_away() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let scopes = [Scope::InferenceWrite, Scope::KeysRead, Scope::KeysWrite];
    let (key, secret) = app.key(owner, "ci", granted(&scopes, &["gpt-*", "claude-*"])).await;
    call(&app, &key, "claude-3").await;
    let begun = app.now();
    app.pass(20 * DAY);
    call(&app, &key, "gpt-4o").await;
    app.call(&secret, "GET /v1/api-keys", None).await.expect(200);
    app.pass(9 * DAY);

    let young = unused(&app, &key).await;
    assert_eq!((&young["is_too_young"], &young["suggestion"]), (&json!(true), &Value::Null));
    app.pass(2 * DAY);
    let told = unused(&app, &key).await;
    assert_eq!(told["scopes"], json!([{"scope": "keys:write", "last_used_at": null}]));
    let claude = json!({"pattern": "claude-*", "last_used_at": begun.to_string()});
    assert_eq!(told["models"], json!([claude]));
    let suggestion = &told["suggestion"];
    assert_eq!(suggestion["method"], "PATCH");
    let less = json!({"scopes": ["inference:write", "keys:read"], "models": ["gpt-*"]});
    assert_eq!(suggestion["body"], less);

    // The advice is one that can be followed, and then there is nothing more to say.
    let path = suggestion["path"].as_str().unwrap();
    app.patch(path, suggestion["body"].clone()).await.expect(200);
    let after = unused(&app, &key).await;
    assert_eq!((&after["scopes"], &after["models"]), (&json!([]), &json!([])));
    assert_eq!(after["is_too_young"], false, "to take rights away grants none");
    // What is granted now is not yet called unused.
    app.patch(path, json!({"scopes": ["inference:write", "keys:read", "audit:read"]})).await;
    assert_eq!(unused(&app, &key).await["is_too_young"], true);
}

#[tokio::test]
async fn an_administrative_scope_is_used_where_no_other_one_would_do() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (key, secret) = app.key(owner, "both", only(&[Scope::KeysRead, Scope::Admin])).await;
    app.pass(31 * DAY);
    app.call(&secret, "GET /v1/api-keys", None).await.expect(200);
    let unused_now = unused(&app, &key).await;
    assert_eq!(unused_now["scopes"], json!([{"scope": "admin", "last_used_at": null}]));
    app.call(&secret, "GET /v1/users", None).await.expect(200);
    assert_eq!(unused(&app, &key).await["scopes"], json!([]));
}

#[tokio::test]
async fn the_list_names_active_keys_that_are_old_enough_and_in_reach() {
    let app = TestApp::new().await;
    let admin = Owner::User(app.first.administrator);
    let member = app.user("member", OrganizationRole::Member).await;
    let names = async |secret: &str, query: &str| {
        let mut names = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("GET /v1/unused-rights?limit=2{query}{after}");
            let page = app.call(secret, &path, None).await.expect(200);
            let rows = page["data"].as_array().unwrap().clone();
            names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        names.sort_unstable();
        names
    };
    let (_, own) = app.key(member, "member's", all_rights()).await;
    app.key(admin, "unused", all_rights()).await;
    let (off, _) = app.key(admin, "off", all_rights()).await;
    app.store.set_key_disabled(&app.act(), &off.id, true).await.unwrap();
    let (used, _) = app.key(admin, "used", granted(&[Scope::InferenceWrite], &["gpt-*"])).await;
    app.pass(40 * DAY);
    call(&app, &used, "gpt-4o").await;
    app.key(admin, "young", all_rights()).await;

    assert_eq!(names(&app.admin, "").await, ["admin", "member's", "unused"]);
    assert_eq!(names(&app.admin, "&days=41").await, Vec::<String>::new());
    assert_eq!(names(&own, "").await, ["member's"]);
    let bad = app.get("/v1/unused-rights?days=0").await;
    assert_eq!(
        (bad.problem(400).as_str(), bad.fields()),
        ("invalid_request", vec!["days".to_owned()])
    );
}
