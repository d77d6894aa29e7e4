//! Nobody makes or edits a key stronger than their own current rights.

use doorward_domain::address::AddressRules;
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::key::Owner;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::money::NanoUsd;
use doorward_domain::rights::Rights;
use doorward_domain::scope::Scope;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};

/// Rights that are bounded on every axis, and a wish that stays within all of them.
fn bounded(app: &TestApp) -> (Rights, Value) {
    let scopes = only(&[Scope::InferenceWrite, Scope::KeysRead, Scope::KeysWrite]).scopes;
    let usd = Amount::Usd(NanoUsd::from_nanos(5_000_000_000));
    let rights = Rights {
        scopes,
        models: ModelRule::Only(vec!["gpt-*".parse().unwrap()]),
        addresses: AddressRules {
            allow: Some(vec!["192.0.2.0/24".parse().unwrap()]),
            deny: vec!["192.0.2.9".parse().unwrap()],
        },
        limits: Limits { requests_per_minute: 60.try_into().ok(), ..Limits::NONE },
        budgets: vec![Budget { amount: usd, period: Period::Day, overrun: Overrun::Deny }],
        expires_at: app.now().checked_add(SignedDuration::from_hours(240)).ok(),
    };
    let within = json!({
        "name": "k", "scopes": ["inference:write"], "models": ["gpt-4o"],
        "ip_allow": ["192.0.2.0/28"], "ip_deny": ["192.0.2.9"],
        "limits": {"requests_per_minute": 60}, "budgets": [{"usd": "5", "period": "day"}],
    });
    (rights, within)
}

/// One step beyond each axis, and the field that the answer must name.
fn beyond() -> Vec<(Value, &'static str)> {
    #[rustfmt::skip]
    let cases = vec![
        (json!({"scopes": ["inference:write", "analytics:read"]}),  "scopes"),
        (json!({"scopes": ["admin"]}),                              "scopes"),
        (json!({"models": ["*"]}),                                  "models"),
        (json!({"models": null}),                                   "models"),
        (json!({"ip_allow": ["192.0.2.0/23"]}),                     "ip_allow"),
        (json!({"ip_allow": null}),                                 "ip_allow"),
        (json!({"ip_deny": []}),                                    "ip_allow"),
        (json!({"limits": {"requests_per_minute": 61}}),            "limits"),
        (json!({"limits": null}),                                   "limits"),
        (json!({"budgets": [{"usd": "5.000000001", "period": "day"}]}), "budgets"),
        (json!({"budgets": [{"usd": "5", "period": "week"}]}),      "budgets"),
        (json!({"budgets": []}),                                    "budgets"),
        (json!({"budgets": [{"usd": "5", "period": "day", "overrun": "allow"}]}), "budgets"),
    ];
    cases
}

fn with(base: &Value, fields: &Value) -> Value {
    let mut all = base.clone();
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

#[tokio::test]
async fn a_new_key_cannot_exceed_its_maker_on_any_axis() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let (_, maker) = app.key(Owner::User(app.first.administrator), "maker", rights).await;
    for (fields, field) in beyond() {
        let wish = with(&within, &fields);
        let answer = app.call(&maker, "POST /v1/api-keys", Some(wish)).await;
        assert_eq!(answer.problem(403), "exceeds_own_rights", "{fields}");
        assert_eq!(answer.fields(), [field], "{fields}");
    }
    let list = app.get("/v1/api-keys").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2, "the administrator's and the maker");
    let made = app.call(&maker, "POST /v1/api-keys", Some(within)).await.expect(201);
    assert_eq!(made["expires_at"], "2026-01-11T00:00:00Z", "the end of the maker's own key");
    assert_eq!(made["expires_clamped"], true);
}

#[tokio::test]
async fn an_edit_cannot_exceed_its_editor_on_any_axis() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let (_, editor) = app.key(Owner::User(app.first.administrator), "editor", rights).await;
    let made = app.call(&editor, "POST /v1/api-keys", Some(within)).await.expect(201);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    let before = app.get(&path).await.text;
    for (fields, field) in beyond() {
        let answer = app.call(&editor, &format!("PATCH {path}"), Some(fields.clone())).await;
        assert_eq!(answer.problem(403), "exceeds_own_rights", "{fields}");
        assert_eq!(answer.fields(), [field], "{fields}");
    }
    assert_eq!(app.get(&path).await.text, before);
}

#[tokio::test]
async fn a_named_end_beyond_the_callers_own_is_clamped_and_the_answer_says_so() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let (_, caller) = app.key(Owner::User(app.first.administrator), "caller", rights).await;
    for (number, (fields, at, is_clamped)) in [
        (json!({"expires_in_days": 11}), "2026-01-11T00:00:00Z", true),
        (json!({"expires_at": "2026-01-11T00:00:01Z"}), "2026-01-11T00:00:00Z", true),
        (json!({"expires_at": "2026-01-11T00:00:00Z"}), "2026-01-11T00:00:00Z", false),
        (json!({"expires_in_days": 9}), "2026-01-10T00:00:00Z", false),
    ]
    .into_iter()
    .enumerate()
    {
        let wish = with(&with(&within, &fields), &json!({"name": format!("key {number}")}));
        let made = app.call(&caller, "POST /v1/api-keys", Some(wish)).await.expect(201);
        let call = format!("PATCH /v1/api-keys/{}", made["id"].as_str().unwrap());
        let shorter = json!({"expires_at": "2026-01-02T00:00:00Z"});
        app.call(&caller, &call, Some(shorter)).await.expect(200);
        let edited = app.call(&caller, &call, Some(fields.clone())).await.expect(200);
        for answer in [made, edited] {
            assert_eq!(answer["expires_at"], at, "{fields}");
            assert_eq!(answer["expires_clamped"], is_clamped, "{fields}");
        }
    }
}

#[tokio::test]
async fn a_key_cannot_lift_its_own_bounds() {
    let app = TestApp::new().await;
    let (rights, _) = bounded(&app);
    let (own, key) = app.key(Owner::User(app.first.administrator), "own", rights).await;
    let call = format!("PATCH /v1/api-keys/{}", own.id);
    for fields in [json!({"budgets": null}), json!({"limits": null}), json!({"scopes": ["admin"]})]
    {
        let answer = app.call(&key, &call, Some(fields)).await;
        assert_eq!(answer.problem(403), "exceeds_own_rights");
    }
    app.call(&key, &call, Some(json!({"limits": {"requests_per_minute": 1}}))).await.expect(200);
}

#[tokio::test]
async fn what_an_edit_leaves_alone_is_not_its_doing() {
    let app = TestApp::new().await;
    let (rights, _) = bounded(&app);
    let owner = Owner::User(app.first.administrator);
    let (strong, _) = app.key(owner, "strong", all_rights()).await;
    let (_, weak) = app.key(owner, "weak", rights).await;
    let call = format!("PATCH /v1/api-keys/{}", strong.id);
    app.call(&weak, &call, Some(json!({"description": "noted"}))).await.expect(200);
    let tightened = json!({"limits": {"requests_per_minute": 5}});
    assert_eq!(
        app.call(&weak, &call, Some(tightened)).await.expect(200)["limits"]["requests_per_minute"],
        5
    );
}

#[tokio::test]
async fn the_rule_follows_the_rights_of_the_role_too() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await;
    let (_, key) = app.key(agent, "agent's", all_rights()).await;
    let wish = json!({"name": "k", "scopes": ["admin"]});
    let answer = app.call(&key, "POST /v1/api-keys", Some(wish)).await;
    assert_eq!(answer.problem(403), "exceeds_own_rights");
    let made = app.call(&key, "POST /v1/api-keys", Some(json!({"name": "k"}))).await.expect(201);
    assert_eq!((&made["kind"], &made["owner"]), (&json!("service"), &json!(agent.to_string())));
}

#[tokio::test]
async fn only_administrators_make_keys_for_others() {
    let app = TestApp::new().await;
    let (agent, other) = (app.service_account("agent").await, app.service_account("other").await);
    let (_, key) = app.key(agent, "agent's", all_rights()).await;
    let wish = |owner: Owner| json!({"name": "k", "owner": owner.to_string()});
    let unknown = json!({"name": "k", "owner": "sva_00000000000000000000000000"});
    let refused = app.call(&key, "POST /v1/api-keys", Some(wish(other))).await;
    assert_eq!(refused.problem(400), "invalid_request");
    let none = app.call(&key, "POST /v1/api-keys", Some(unknown)).await;
    assert_eq!(refused.text, none.text, "others cannot be told from none");
    app.post("/v1/api-keys", wish(other)).await.expect(201);
}

#[tokio::test]
async fn a_refused_grant_is_audited() {
    let app = TestApp::new().await;
    let (rights, _) = bounded(&app);
    let (maker, key) = app.key(Owner::User(app.first.administrator), "maker", rights).await;
    let wish = json!({"name": "too strong", "scopes": ["admin"]});
    app.call(&key, "POST /v1/api-keys", Some(wish)).await.problem(403);
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!(entry["action"], "key.create");
    assert_eq!(entry["actor"], maker.id.as_str());
    assert_eq!(entry["detail"]["outcome"], "denied");
    assert_eq!(entry["detail"]["name"], "too strong");
    let fields = entry["detail"]["fields"].as_array().unwrap();
    assert!(fields.contains(&json!("scopes")), "{fields:?}");
}

#[tokio::test]
async fn a_lifetime_is_clamped_to_the_cap_and_the_answer_says_so() {
    let app = TestApp::new().await;
    let cap = "2026-04-01T00:00:00Z";
    for (number, (fields, at, is_clamped)) in [
        (json!({}), cap, false),
        (json!({"never_expires": true}), cap, true),
        (json!({"never_expires": false}), cap, false),
        (json!({"expires_at": null}), cap, true),
        (json!({"expires_in_days": null}), cap, true),
        (json!({"expires_in_days": 0}), cap, true),
        (json!({"expires_in_days": -7}), cap, true),
        (json!({"expires_in_days": 1e30}), cap, true),
        (json!({"expires_in_days": 91}), cap, true),
        (json!({"expires_in_days": 90}), cap, false),
        (json!({"expires_at": "9999-12-01T00:00:00Z"}), cap, true),
        (
            json!({"expires_at": "2026-01-02T03:04:05.123456789Z"}),
            "2026-01-02T03:04:05.123456Z",
            false,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let wish = with(&json!({"name": format!("key {number}")}), &fields);
        let made = app.post("/v1/api-keys", wish).await.expect(201);
        assert_eq!(made["expires_at"], at, "{fields}");
        assert_eq!(made["expires_clamped"], is_clamped, "{fields}");
    }
}
