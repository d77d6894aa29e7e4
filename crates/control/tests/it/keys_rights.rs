//! Nobody makes or edits a key stronger than their own current rights.

use doorward_domain::address::AddressRules;
use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::key::{ApiKey, Owner};
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
        model_limits: Vec::new(),
        budgets: vec![Budget { amount: usd, period: Period::Day, overrun: Overrun::Deny }],
        expires_at: app.now().checked_add(SignedDuration::from_hours(240)).ok(),
        allowed_origins: None,
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

/// The same rights without the two axes on which keys are counted each by itself.
fn uncounted(rights: Rights) -> Rights {
    Rights { limits: Limits::NONE, budgets: Vec::new(), ..rights }
}

#[tokio::test]
async fn a_new_key_cannot_exceed_its_maker_on_any_axis() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let rights = uncounted(rights);
    let (_, maker) = app.key(Owner::User(app.first.administrator), "maker", rights).await;
    let is_counted = |field: &str| matches!(field, "limits" | "budgets");
    for (fields, field) in beyond().into_iter().filter(|(_, field)| !is_counted(field)) {
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

/// The bounds of such a key would multiply with the keys that it makes.
#[tokio::test]
async fn a_key_with_limits_or_budgets_makes_no_keys() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let owner = Owner::User(app.first.administrator);
    let limited = Rights { limits: rights.limits, ..all_rights() };
    let budgeted = Rights { budgets: rights.budgets.clone(), ..all_rights() };
    for (name, rights) in [("both", rights), ("limited", limited), ("budgeted", budgeted)] {
        let (_, maker) = app.key(owner, name, rights).await;
        let before = app.get("/v1/api-keys").await.expect(200)["data"].as_array().unwrap().len();
        let answer = app.call(&maker, "POST /v1/api-keys", Some(within.clone())).await;
        assert_eq!(answer.problem(403), "bounded_key", "{name}");
        let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
        assert_eq!(entry["detail"]["code"], "bounded_key", "{name}");
        let after = app.get("/v1/api-keys").await.expect(200)["data"].as_array().unwrap().len();
        assert_eq!(after, before, "{name}");
    }
}

#[tokio::test]
async fn a_key_with_limits_or_budgets_loosens_none() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let owner = Owner::User(app.first.administrator);
    let (_, editor) = app.key(owner, "editor", rights.clone()).await;
    let (_, unbounded) = app.key(owner, "unbounded", uncounted(rights)).await;
    let tight = json!({
        "limits": {"requests_per_minute": 6, "concurrency": 1},
        "budgets": [{"usd": "1", "period": "day"}, {"usd": "2", "period": "week"}],
    });
    let made = app.post("/v1/api-keys", with(&within, &tight)).await.expect(201);
    let call = format!("PATCH /v1/api-keys/{}", made["id"].as_str().unwrap());
    for (fields, field) in [
        (json!({"limits": {"requests_per_minute": 7, "concurrency": 1}}), "limits"),
        (json!({"limits": {"requests_per_minute": 6}}), "limits"),
        (
            json!({"budgets": [{"usd": "2", "period": "day"}, {"usd": "2", "period": "week"}]}),
            "budgets",
        ),
        (json!({"budgets": [{"usd": "1", "period": "day"}]}), "budgets"),
    ] {
        let answer = app.call(&editor, &call, Some(fields.clone())).await;
        assert_eq!(answer.problem(403), "bounded_key", "{fields}");
        assert_eq!(answer.fields(), [field], "{fields}");
        // All of it is within the editor's own rights: without bounds there is nothing to multiply.
        app.call(&unbounded, &call, Some(fields)).await.expect(200);
        app.call(&unbounded, &call, Some(tight.clone())).await.expect(200);
    }
    let tighter =
        json!({"limits": {"requests_per_minute": 5, "concurrency": 1}, "description": "x"});
    app.call(&editor, &call, Some(tighter)).await.expect(200);
}

#[tokio::test]
async fn an_edit_cannot_exceed_its_editor_on_any_axis() {
    let app = TestApp::new().await;
    let (rights, within) = bounded(&app);
    let (_, editor) = app.key(Owner::User(app.first.administrator), "editor", rights).await;
    let made = app.post("/v1/api-keys", within).await.expect(201);
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
    let rights = uncounted(rights);
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
async fn nobody_enables_a_key_that_is_stronger_than_their_own() {
    let app = TestApp::new().await;
    let (rights, _) = bounded(&app);
    let owner = Owner::User(app.first.administrator);
    let (_, weak) = app.key(owner, "weak", rights.clone()).await;
    let (strong, _) = app.key(owner, "strong", all_rights()).await;
    let (equal, _) = app.key(owner, "equal", rights).await;
    let call = |verb: &str, key: &ApiKey| format!("POST /v1/api-keys/{}/{verb}", key.id);
    for key in [&strong, &equal] {
        let off = app.call(&weak, &call("disable", key), Some(json!({}))).await.expect(200);
        assert_eq!(off["status"], "disabled", "to disable is always allowed");
    }
    let refused = app.call(&weak, &call("enable", &strong), Some(json!({}))).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
    assert!(refused.fields().contains(&"scopes".to_owned()), "{}", refused.text);
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!(
        (&entry["action"], &entry["detail"]["outcome"]),
        (&json!("key.enable"), &json!("denied"))
    );
    let shown = app.get(&format!("/v1/api-keys/{}", strong.id)).await.expect(200);
    assert_eq!(shown["status"], "disabled");
    app.call(&weak, &call("enable", &equal), Some(json!({}))).await.expect(200);
    app.call(&app.admin, &call("enable", &strong), Some(json!({}))).await.expect(200);
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
async fn scopes_that_are_not_named_are_the_usual_ones_that_the_maker_has() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let none = json!(null);
    for (name, own, given) in [
        ("all", only(&Scope::ALL), json!(["inference:read", "inference:write"])),
        ("half", only(&[Scope::KeysWrite, Scope::InferenceWrite]), json!(["inference:write"])),
        ("manager", only(&[Scope::Admin]), none.clone()),
        ("keys", only(&[Scope::KeysWrite, Scope::KeysRead]), none.clone()),
    ] {
        let (_, maker) = app.key(owner, name, own).await;
        let wish = json!({"name": format!("made by {name}")});
        let answer = app.call(&maker, "POST /v1/api-keys", Some(wish)).await;
        if given == none {
            assert_eq!(answer.problem(400), "invalid_request", "{name}");
            assert_eq!(answer.fields(), ["scopes"], "{name}");
        } else {
            assert_eq!(answer.expect(201)["scopes"], given, "{name}");
        }
    }
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
    let rights = uncounted(bounded(&app).0);
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

/// The cap is on the life of a secret: an edit cannot put it off.
#[tokio::test]
async fn an_edit_cannot_carry_a_key_beyond_the_cap() {
    let app = TestApp::new().await;
    let wish = json!({"name": "k", "expires_in_days": 80});
    let made = app.post("/v1/api-keys", wish).await.expect(201);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    app.pass(60 * 86_400);
    for (fields, at, is_clamped) in [
        (json!({"expires_in_days": 30}), "2026-04-01T00:00:00Z", false),
        (json!({"expires_in_days": 31}), "2026-04-01T00:00:00Z", true),
        (json!({"expires_in_days": 90}), "2026-04-01T00:00:00Z", true),
        (json!({"never_expires": true}), "2026-04-01T00:00:00Z", true),
        (json!({"expires_at": "2026-04-01T00:00:01Z"}), "2026-04-01T00:00:00Z", true),
        (json!({"expires_in_days": 1}), "2026-03-03T00:00:00Z", false),
    ] {
        let edited = app.patch(&path, fields.clone()).await.expect(200);
        assert_eq!(edited["expires_at"], at, "{fields}");
        assert_eq!(edited["expires_clamped"], is_clamped, "{fields}");
    }
}

#[tokio::test]
async fn a_key_from_before_the_cap_was_lowered_keeps_its_end() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (old, _) = app.key(owner, "old", all_rights()).await;
    let path = format!("/v1/api-keys/{}", old.id);
    app.pass(90 * 86_400);
    let answer = app.patch(&path, json!({"expires_in_days": 1})).await;
    assert_eq!(answer.problem(400), "invalid_request");
    assert_eq!(answer.json()["errors"][0]["code"], "lifetime_over");
    assert_eq!(
        app.patch(&path, json!({"description": "x"})).await.expect(200)["expires_at"],
        json!(null)
    );
}

#[tokio::test]
async fn an_expired_key_stays_expired() {
    let app = TestApp::new().await;
    let wish = json!({"name": "k", "expires_in_days": 1});
    let made = app.post("/v1/api-keys", wish.clone()).await.expect(201);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    app.pass(86_400);
    for fields in [
        json!({"expires_in_days": 5}),
        json!({"expires_at": "2026-02-01T00:00:00Z"}),
        json!({"never_expires": true}),
        json!({"expires_at": null}),
    ] {
        let answer = app.patch(&path, fields.clone()).await;
        assert_eq!(answer.problem(409), "key_expired", "{fields}");
    }
    let noted = app.patch(&path, json!({"description": "was for the fair"})).await.expect(200);
    assert_eq!((&noted["status"], &noted["expires_at"]), (&json!("expired"), &made["expires_at"]));
    // As the answer says: its name is free once it is revoked.
    assert_eq!(app.post("/v1/api-keys", wish.clone()).await.problem(409), "name_taken");
    app.delete(&path).await.expect(204);
    app.post("/v1/api-keys", wish).await.expect(201);
}
