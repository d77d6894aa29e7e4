//! `/v1/settings`.

use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::{TestApp, only, request};

const PATH: &str = "/v1/settings";

/// The row of one setting.
fn row(list: &Value, name: &str) -> Value {
    let rows = list["data"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
}

async fn value(app: &TestApp, name: &str) -> Value {
    row(&app.get(PATH).await.expect(200), name)["value"].clone()
}

#[tokio::test]
async fn settings_are_shown_with_their_bounds_and_what_they_do() {
    let app = TestApp::new().await;
    insta::assert_json_snapshot!(app.get(PATH).await.expect(200));
}

#[tokio::test]
async fn a_change_is_stored_shown_and_audited_and_null_takes_it_back() {
    let app = TestApp::new().await;
    let before = app.get(PATH).await;
    app.pass(1);
    let change = json!({"keys-per-user-max": 3, "key-prefix": "sk-acme"});
    let changed = app.patch(PATH, change).await;
    assert_ne!(changed.header("etag"), before.header("etag"));
    let changed = changed.expect(200);
    assert_eq!(changed, app.get(PATH).await.expect(200));
    let quota = row(&changed, "keys-per-user-max");
    assert_eq!((&quota["value"], &quota["default"]), (&json!(3), &json!(20)));
    assert_eq!(quota["is_default"], false);

    let reset = app.patch(PATH, json!({"keys-per-user-max": null})).await.expect(200);
    let quota = row(&reset, "keys-per-user-max");
    assert_eq!((&quota["value"], &quota["is_default"]), (&json!(20), &json!(true)));
    assert_eq!(row(&reset, "key-prefix")["value"], "sk-acme");

    let audit = app.get("/v1/audit?limit=2").await.expect(200);
    let (back, set) = (&audit["data"][0], &audit["data"][1]);
    assert_eq!((&back["action"], &set["action"]), (&json!("settings.edit"), &back["action"]));
    assert_eq!(
        set["detail"],
        json!({
            "keys-per-user-max": {"before": 20, "after": 3, "is_default": false},
            "key-prefix": {"before": "dw", "after": "sk-acme", "is_default": false},
        })
    );
    assert_eq!(
        back["detail"],
        json!({"keys-per-user-max": {"before": 3, "after": 20, "is_default": true}})
    );
}

#[tokio::test]
async fn a_bad_change_names_the_setting_and_its_bounds_and_nothing_is_stored() {
    let app = TestApp::new().await;
    let before = app.get(PATH).await.text;
    let audit = app.get("/v1/audit").await.text;
    let quota = "must be a whole number from 1 to 10000";
    let prefix = "must be a text of 2 to 12 lowercase letters";
    #[rustfmt::skip]
    let cases = [
        // the change                                      the field                      why
        (r#"{"keys-per-user-max": 0}"#,                    "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": 10001}"#,                "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": -1}"#,                   "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": 1.5}"#,                  "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": 1e5}"#,                  "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": "20"}"#,                 "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": true}"#,                 "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": [20]}"#,                 "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": {}}"#,                   "keys-per-user-max",           quota),
        (r#"{"keys-per-user-max": 18446744073709551616}"#, "keys-per-user-max",           quota),
        (r#"{"auth-token-max-ttl-minutes": 52560001}"#,    "auth-token-max-ttl-minutes",  "must be a whole number from 0 to 52560000"),
        (r#"{"user-key-default-ttl-days": 0}"#,            "user-key-default-ttl-days",   "must be a whole number from 1 to 3650"),
        (r#"{"service-key-default-ttl-days": 3651}"#,      "service-key-default-ttl-days", "must be a whole number from 1 to 3650"),
        (r#"{"spent-budget-status": 403}"#,                "spent-budget-status",         "must be 429 or 402"),
        (r#"{"key-prefix": "S"}"#,                         "key-prefix",                  prefix),
        (r#"{"key-prefix": ""}"#,                          "key-prefix",                  prefix),
        (r#"{"key-prefix": "a\u0000b"}"#,                  "key-prefix",                  prefix),
        (r#"{"key-prefix": 12}"#,                          "key-prefix",                  prefix),
        (r#"{"no-such-setting": 1}"#,                      "no-such-setting",             "there is no such setting"),
        (r#"{"key_prefix": "sk"}"#,                        "key_prefix",                  "there is no such setting"),
        (r#"{"key-prefix": "sk", "key-prefix": "sk"}"#,    "key-prefix",                  "is given twice"),
        (r#"{"key-prefix": "sk", "keys-per-user-max": 0}"#, "keys-per-user-max",          quota),
    ];
    for (change, field, why) in cases {
        let mut call = request(&app.admin, &format!("PATCH {PATH}"), None);
        *call.body_mut() = change.to_owned().into();
        let answer = app.send(call).await;
        assert_eq!(answer.problem(400), "invalid_request", "{change}");
        assert_eq!(answer.fields(), [field], "{change}");
        let detail = answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{change}: {detail}");
    }
    for (change, code) in [("[]", "invalid_json"), ("null", "invalid_json"), ("{", "invalid_json")]
    {
        let mut call = request(&app.admin, &format!("PATCH {PATH}"), None);
        *call.body_mut() = change.to_owned().into();
        assert_eq!(app.send(call).await.problem(400), code, "{change}");
    }
    assert_eq!(app.get(PATH).await.text, before);
    assert_eq!(app.get("/v1/audit").await.text, audit);
}

#[tokio::test]
async fn a_whole_number_is_one_however_it_is_written() {
    let app = TestApp::new().await;
    for (written, value) in [("30.0", 30), ("1e3", 1_000)] {
        let mut call = request(&app.admin, &format!("PATCH {PATH}"), None);
        *call.body_mut() = format!("{{\"keys-per-user-max\": {written}}}").into();
        let list = app.send(call).await.expect(200);
        assert_eq!(row(&list, "keys-per-user-max")["value"], value, "{written}");
    }
}

#[tokio::test]
async fn every_fault_of_a_change_is_named_at_once() {
    let app = TestApp::new().await;
    let change = json!({"a": 1, "key-prefix": "S", "keys-per-user-max": 0});
    let mut fields = app.patch(PATH, change).await.fields();
    fields.sort();
    assert_eq!(fields, ["a", "key-prefix", "keys-per-user-max"]);
    let many: serde_json::Map<_, _> = (0..101).map(|n| (n.to_string(), json!(1))).collect();
    assert_eq!(app.patch(PATH, many.into()).await.status, StatusCode::BAD_REQUEST);
    let long = json!({"x".repeat(100_000): 1});
    assert!(app.patch(PATH, long).await.text.len() < 2_000);
}

#[tokio::test]
async fn only_administrators_see_and_change_settings() {
    let app = TestApp::new().await;
    let administrator = Owner::User(app.first.administrator);
    let all_but: Vec<Scope> = Scope::ALL.into_iter().filter(|s| *s != Scope::Admin).collect();
    let (_, narrow) = app.key(administrator, "narrow", only(&all_but)).await;
    // A service account acts as a member, whatever the scopes of its key.
    let agent = app.service_account("agent").await;
    let (_, member) = app.key(agent, "member", only(&Scope::ALL)).await;
    for key in [narrow, member] {
        let seen = app.call(&key, &format!("GET {PATH}"), None).await;
        assert_eq!(seen.problem(403), "insufficient_scope");
        let change = json!({"auth-token-max-ttl-minutes": 0});
        let changed = app.call(&key, &format!("PATCH {PATH}"), Some(change)).await;
        assert_eq!(changed.problem(403), "insufficient_scope");
    }
    assert_eq!(value(&app, "auth-token-max-ttl-minutes").await, 129_600);
}

/// The audit log tells of administrators, too.
#[tokio::test]
async fn only_an_owner_has_the_audit_log_forget_sooner() {
    let app = TestApp::new().await;
    let deputy = app.user("Deputy", OrganizationRole::Admin).await;
    let (_, admin) = app.key(deputy, "deputy", only(&Scope::ALL)).await;
    let keep = async |key: &str, days: Value| {
        let change = json!({"audit-retention-days": days, "keys-per-user-max": 7});
        app.call(key, &format!("PATCH {PATH}"), Some(change)).await
    };
    let refused = keep(&admin, json!(30)).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
    assert_eq!(refused.json()["errors"][0]["field"], "audit-retention-days");
    assert_eq!(value(&app, "keys-per-user-max").await, 20, "all or nothing");
    let denied = app.get("/v1/audit?action=settings.edit&limit=1").await.expect(200);
    assert_eq!(denied["data"][0]["detail"]["outcome"], "denied", "{denied}");

    keep(&app.admin, json!(90)).await.expect(200);
    assert_eq!(keep(&admin, json!(60)).await.problem(403), "exceeds_own_rights");
    for longer in [json!(90), json!(180), json!(null)] {
        keep(&admin, longer).await.expect(200);
    }
    assert_eq!(value(&app, "audit-retention-days").await, 0);
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    let tag = app.get(PATH).await.header("etag");
    let with_tag = |change: Value| {
        let mut call = request(&app.admin, &format!("PATCH {PATH}"), Some(change));
        call.headers_mut().insert("if-match", tag.parse().unwrap());
        call
    };
    app.send(with_tag(json!({"keys-per-user-max": 5}))).await.expect(200);
    let late = app.send(with_tag(json!({"keys-per-user-max": 6}))).await;
    assert_eq!(late.problem(412), "edited_in_between");
    assert_eq!(value(&app, "keys-per-user-max").await, 5);
    // A reset goes on from there, and not back to the version of nothing.
    app.patch(PATH, json!({"keys-per-user-max": null})).await.expect(200);
    let late = app.send(with_tag(json!({"keys-per-user-max": 6}))).await;
    assert_eq!(late.problem(412), "edited_in_between");
    // Who names no version sets what they name.
    app.patch(PATH, json!({"keys-per-user-max": 7})).await.expect(200);
    assert_eq!(value(&app, "keys-per-user-max").await, 7);
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_entry_and_no_version() {
    let app = TestApp::new().await;
    app.patch(PATH, json!({"keys-per-user-max": 5})).await.expect(200);
    let (before, audit) = (app.get(PATH).await, app.get("/v1/audit").await.text);
    app.pass(1);
    for change in [
        json!({}),
        json!({"keys-per-user-max": 5}),
        json!({"key-prefix": null, "keys-per-user-max": 5}),
    ] {
        let same = app.patch(PATH, change.clone()).await;
        assert_eq!(same.header("etag"), before.header("etag"), "{change}");
        assert_eq!(same.text, before.text, "{change}");
    }
    assert_eq!(app.get("/v1/audit").await.text, audit);
}

#[tokio::test]
async fn a_lowered_cap_holds_for_the_next_key_and_names_those_that_outlive_it() {
    let app = TestApp::new().await;
    let wish = |name: &str, days: u32| json!({"name": name, "expires_in_days": days});
    let made = app.post("/v1/api-keys", wish("long", 60)).await.expect(201);
    app.post("/v1/api-keys", wish("short", 20)).await.expect(201);
    let gone = app.post("/v1/api-keys", wish("gone", 60)).await.expect(201);
    app.delete(&format!("/v1/api-keys/{}", gone["id"].as_str().unwrap())).await.expect(204);

    let month = json!({"auth-token-max-ttl-minutes": 30 * 1_440});
    let lowered = app.patch(PATH, month).await.expect(200);
    // The administrator's own key never ends.
    let admin = app.admin.rsplit_once('_').unwrap().0;
    let told = json!({"count": 2, "first": [admin, made["id"]]});
    assert_eq!(lowered["keys_outliving_cap"], told);

    let clamped = app.post("/v1/api-keys", wish("next", 60)).await.expect(201);
    assert_eq!(clamped["expires_clamped"], true);
    assert_eq!(clamped["expires_at"], "2026-01-31T00:00:00Z");
    let unsaid = app.post("/v1/api-keys", json!({"name": "unsaid"})).await.expect(201);
    assert_eq!(unsaid["expires_at"], "2026-01-31T00:00:00Z");

    let none = app.patch(PATH, json!({"auth-token-max-ttl-minutes": 0})).await.expect(200);
    assert_eq!(none["keys_outliving_cap"], json!({"count": 0, "first": []}));
    let other = app.patch(PATH, json!({"keys-per-user-max": 50})).await.expect(200);
    assert_eq!(other.get("keys_outliving_cap"), None);
}

#[tokio::test]
async fn a_key_of_which_nothing_is_said_lives_as_long_as_its_kind_does() {
    let app = TestApp::new().await;
    let agent = app.service_account("agent").await.to_string();
    let days = json!({"user-key-default-ttl-days": 10, "service-key-default-ttl-days": 5});
    app.patch(PATH, days).await.expect(200);
    let own = app.post("/v1/api-keys", json!({"name": "own"})).await.expect(201);
    assert_eq!(own["expires_at"], "2026-01-11T00:00:00Z");
    let wish = json!({"name": "agent's", "owner": agent});
    let agents = app.post("/v1/api-keys", wish).await.expect(201);
    assert_eq!(agents["expires_at"], "2026-01-06T00:00:00Z");
    let said = json!({"name": "said", "expires_in_days": 90});
    let said = app.post("/v1/api-keys", said).await.expect(201);
    assert_eq!(said["expires_at"], "2026-04-01T00:00:00Z");
}

#[tokio::test]
async fn a_lowered_quota_and_a_new_prefix_hold_for_the_next_key() {
    let app = TestApp::new().await;
    // The administrator has one key already.
    app.patch(PATH, json!({"keys-per-user-max": 2, "key-prefix": "sk-acme"})).await.expect(200);
    let made = app.post("/v1/api-keys", json!({"name": "a"})).await.expect(201);
    assert!(made["key"].as_str().unwrap().starts_with("sk-acme_"));
    let full = app.post("/v1/api-keys", json!({"name": "b"})).await;
    assert_eq!(full.problem(409), "key_quota_reached");
}

#[tokio::test]
async fn a_preview_names_the_keys_that_would_outlive_a_cap_and_sets_nothing() {
    let app = TestApp::new().await;
    let before = app.get(PATH).await.expect(200);
    let month = json!({"auth-token-max-ttl-minutes": 30 * 1_440});
    let tried = app.patch(&format!("{PATH}?preview=true"), month.clone()).await.expect(200);
    let admin = app.admin.rsplit_once('_').unwrap().0;
    assert_eq!(tried["keys_outliving_cap"], json!({"count": 1, "first": [admin]}));
    assert_eq!(app.get(PATH).await.expect(200), before);
    let wrong = app.patch(&format!("{PATH}?preview=true"), json!({"key-prefix": "X"})).await;
    assert_eq!(
        (wrong.problem(400), wrong.fields()),
        ("invalid_request".into(), vec!["key-prefix".into()])
    );
    let unread = app.patch(&format!("{PATH}?preview=perhaps"), month).await;
    assert_eq!(unread.fields(), ["preview"]);
}

#[tokio::test]
async fn it_is_told_who_may_lower_a_setting() {
    let list = TestApp::new().await.get(PATH).await.expect(200);
    for row in list["data"].as_array().unwrap() {
        let who = if row["name"] == "audit-retention-days" { "owner" } else { "admin" };
        assert_eq!(row["lowered_by"], who, "{}", row["name"]);
    }
}
