//! `POST /v1/api-keys/{id}/explain`.

use doorward_domain::address::AddressRules;
use std::sync::Arc;

use doorward_domain::bounds::BoundOf;
use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::Owner;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::money::NanoUsd;
use doorward_domain::price::Price;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_domain::usage::Usage;
use doorward_store::CallRequest;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};

fn narrow(app: &TestApp) -> Rights {
    Rights {
        models: ModelRule::Only(vec!["gpt-*".parse().unwrap(), "echo".parse().unwrap()]),
        addresses: AddressRules {
            allow: Some(vec!["10.0.0.0/8".parse().unwrap(), "192.0.2.7".parse().unwrap()]),
            deny: vec!["10.9.0.0/16".parse().unwrap()],
        },
        limits: Limits { requests_per_minute: 60.try_into().ok(), ..Limits::NONE },
        budgets: vec![Budget {
            amount: Amount::Tokens(1_000),
            period: Period::Day,
            overrun: Overrun::Deny,
        }],
        expires_at: Some(app.now() + SignedDuration::from_hours(24)),
        ..only(&[Scope::InferenceWrite])
    }
}

async fn with_models(app: &TestApp) {
    app.post("/v1/providers", json!({"name": "p", "kind": "echo"})).await.expect(201);
    for name in ["echo", "gpt-4o"] {
        let model = json!({"name": name, "price": "free", "deployments": [{"provider": "p"}]});
        app.post("/v1/models", model).await.expect(201);
    }
}

#[tokio::test]
async fn each_question_is_answered_by_the_rule_that_decides() {
    let app = TestApp::new().await;
    with_models(&app).await;
    let owner = Owner::User(app.first.administrator);
    let (key, _) = app.key(owner, "narrow", narrow(&app)).await;
    let path = format!("/v1/api-keys/{}/explain", key.id);
    #[rustfmt::skip]
    let cases = [
        // asked                                          code                     rule
        (json!({}),                                       Value::Null,             "every check passed"),
        (json!({"model": "gpt-4o"}),                      Value::Null,             "every check passed"),
        (json!({"model": "gpt-4o", "ip": "10.1.2.3"}),    Value::Null,             "every check passed"),
        (json!({"model": "claude-3"}),                    json!("model_not_found"), "model: no pattern of the key means it"),
        (json!({"model": "gpt-5"}),                       json!("model_not_found"), "model: there is no such model"),
        (json!({"ip": "10.9.1.1"}),                       json!("ip_not_allowed"), "ip: ip_deny: 10.9.0.0/16"),
        (json!({"ip": "::ffff:10.9.1.1"}),                json!("ip_not_allowed"), "ip: ip_deny: 10.9.0.0/16"),
        (json!({"ip": "198.51.100.1"}),                   json!("ip_not_allowed"), "ip: nothing in ip_allow holds it"),
        (json!({"scope": "keys:read"}),                   json!("insufficient_scope"), "scope: the key has no scope keys:read"),
        (json!({"at": "2026-01-03T00:00:00Z"}),           json!("key_expired"),    "status: the key ended at 2026-01-02T00:00:00Z"),
        // The first check that fails is what a call would be told.
        (json!({"model": "x", "ip": "10.9.1.1"}),         json!("ip_not_allowed"), "ip: ip_deny: 10.9.0.0/16"),
    ];
    for (asked, code, rule) in cases {
        let told = app.post(&path, asked.clone()).await.expect(200);
        assert_eq!((&told["code"], &told["rule"]), (&code, &json!(rule)), "{asked}");
        let decision = if code.is_null() { "allowed" } else { "denied" };
        assert_eq!(told["decision"], decision, "{asked}");
    }
    let told = app.post(&path, json!({"model": "gpt-4o"})).await.expect(200);
    let checks = told["checks"].as_array().unwrap();
    let rule =
        |name: &str| checks.iter().find(|check| check["check"] == name).unwrap()["rule"].clone();
    assert_eq!(rule("model"), "the pattern gpt-*");
    assert_eq!(rule("scope"), "the scope inference:write");
    let limit = json!({"of": "key", "counts": "requests", "window_seconds": 60, "limit": 60, "remaining": 60});
    assert_eq!(told["limits"], json!([limit]), "nothing was taken by asking");
    assert_eq!(told["budgets"][0]["spent_tokens"], 0);
}

/// What a call is told and what is explained: the same, for both ways in which a budget holds.
#[tokio::test]
async fn what_calls_in_flight_hold_of_a_budget_is_explained_as_it_decides() {
    let app = TestApp::new().await;
    with_models(&app).await;
    let owner = Owner::User(app.first.administrator);
    let words = "budgets: of 1000 tokens, 0 are spent and";
    #[rustfmt::skip]
    let cases = [
        // overrun        calls that come to 400 on average: the most of each, and what is held from then on
        (Overrun::Allow,  vec![(900, 400), (900, 800), (900, 1_200)]),
        (Overrun::Deny,   vec![(900, 900), (100, 1_000)]),
    ];
    for (overrun, calls) in cases {
        let budgets =
            vec![Budget { amount: Amount::Tokens(1_000), period: Period::Total, overrun }];
        let rights = Rights { budgets, ..only(&[Scope::InferenceWrite]) };
        let (key, _) = app.key(owner, &format!("{overrun:?}"), rights).await;
        let loaded = app.store.call_key(&key.id).await.unwrap().unwrap();
        let admit = |n, most| {
            let request = CallRequest {
                call: CallId::new(1, n),
                secret: SecretNumber::FIRST,
                model: &Arc::from("gpt-4o"),
                provider: ProviderId::new(1, 1),
                deployment: DeploymentId::new(1, 1),
                price: &Price::FREE,
                most: Usage::of_tokens(most, 0),
                fixed_output_tokens: 0,
                average: Some(Spend { cost: NanoUsd::ZERO, tokens: 400 }),
                address: [192, 0, 2, 7].into(),
            };
            app.store.admit(&loaded, &request).unwrap().map_err(|(denial, _)| denial)
        };
        let path = format!("/v1/api-keys/{}/explain", key.id);
        let mut open = Vec::new();
        for (n, (most, held)) in (1..).zip(&calls) {
            let told = app.post(&path, json!({"model": "gpt-4o"})).await.expect(200);
            assert_eq!((&told["decision"], &told["code"]), (&json!("allowed"), &Value::Null));
            open.push(admit(n, *most).unwrap());
            let told = app.post(&path, json!({})).await.expect(200);
            assert_eq!(told["budgets"][0]["held_tokens"], *held, "{overrun:?}");
        }
        let told = app.post(&path, json!({"model": "gpt-4o"})).await.expect(200);
        assert_eq!(told["code"], "budget_held", "{overrun:?}");
        let (_, held) = calls.last().unwrap();
        let rule = format!("{words} {held} held by calls in flight");
        assert_eq!(told["rule"], rule, "{overrun:?}");
        assert_eq!(admit(9, 1).unwrap_err(), Denial::BudgetHeld(BoundOf::Key), "{overrun:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_off_and_an_owner_who_is_gone_are_told() {
    let app = TestApp::new().await;
    let member = app.user("member", OrganizationRole::Member).await;
    let (key, _) = app.key(member, "k", all_rights()).await;
    let path = format!("/v1/api-keys/{}/explain", key.id);
    let code =
        async || app.post(&path, json!({"scope": "admin"})).await.expect(200)["code"].clone();
    assert_eq!(code().await, "insufficient_scope", "the role of the owner has less than the key");
    let Owner::User(user) = member else { unreachable!() };
    app.store.set_user_disabled(&app.act(), user, true).await.unwrap();
    assert_eq!(code().await, "owner_inactive");
    app.store.set_key_disabled(&app.act(), &key.id, true).await.unwrap();
    assert_eq!(code().await, "key_disabled");
    app.store.revoke_key(&app.act(), &key.id).await.unwrap();
    assert_eq!(code().await, "key_revoked");
}

#[tokio::test]
async fn only_whoever_may_see_a_key_may_ask_about_it() {
    let app = TestApp::new().await;
    let member = app.user("member", OrganizationRole::Member).await;
    let (_, own) = app.key(member, "own", all_rights()).await;
    let (other, _) = app.key(Owner::User(app.first.administrator), "other", all_rights()).await;
    for id in [other.id.as_str(), "dw_0000000000000000", "x"] {
        let call = format!("POST /v1/api-keys/{id}/explain");
        assert_eq!(app.call(&own, &call, Some(json!({}))).await.problem(404), "not_found", "{id}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_refused_by_its_field() {
    let app = TestApp::new().await;
    let (key, _) = app.key(Owner::User(app.first.administrator), "k", all_rights()).await;
    let path = format!("/v1/api-keys/{}/explain", key.id);
    for (asked, field) in [
        (json!({"ip": "10.0.0.0/8"}), "ip"),
        (json!({"scope": "root"}), "scope"),
        (json!({"at": "tomorrow"}), "at"),
        (json!({"model": 5}), "model"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let answer = app.post(&path, asked.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{asked}");
        assert_eq!(answer.fields(), [field], "{asked}");
    }
}
