//! `POST` and `PATCH /v1/api-keys` with what must be refused: each fault is named by its field, and
//! nothing is stored.

use serde_json::{Value, json};

use crate::app::TestApp;

fn long(count: usize) -> String {
    "x".repeat(count)
}

/// Fields of a key with a fault, the field at fault, and its code.
fn bad_fields() -> Vec<(Value, &'static str, &'static str)> {
    #[rustfmt::skip]
    let cases = vec![
        (json!({"description": long(501)}),                                  "description",                "invalid"),
        (json!({"description": "a\u{202e}b"}),                               "description",                "invalid"),
        (json!({"description": 5}),                                          "description",                "invalid"),
        (json!({"scopes": ["inference:write", "root"]}),                     "scopes",                     "invalid"),
        (json!({"scopes": "admin"}),                                         "scopes",                     "invalid"),
        (json!({"expires_in_days": "30"}),                                   "expires_in_days",            "invalid"),
        (json!({"expires_in_days": 1.5}),                                    "expires_in_days",            "invalid"),
        (json!({"expires_at": "2025-12-31T23:59:59Z"}),                      "expires_at",                 "in_the_past"),
        (json!({"expires_at": "2026-01-01T00:00:00Z"}),                      "expires_at",                 "in_the_past"),
        (json!({"expires_at": "tomorrow"}),                                  "expires_at",                 "invalid"),
        (json!({"expires_at": 1_900_000_000}),                               "expires_at",                 "invalid"),
        (json!({"never_expires": "yes"}),                                    "never_expires",              "invalid"),
        (json!({"expires_in_days": 5, "expires_at": "2026-02-01T00:00:00Z"}), "expires_at",                "conflict"),
        (json!({"expires_in_days": 5, "never_expires": true}),               "never_expires",              "conflict"),
        (json!({"models": "gpt-4o"}),                                        "models",                     "invalid"),
        (json!({"models": ["gpt 4o"]}),                                      "models[0]",                  "invalid"),
        (json!({"models": vec!["m"; 201]}),                                  "models",                     "too_long"),
        (json!({"ip_allow": ["10.0.0.0/33"]}),                               "ip_allow[0]",                "invalid"),
        (json!({"ip_allow": ["10.0.0.1", "10.0.0"]}),                        "ip_allow[1]",                "invalid"),
        (json!({"ip_allow": vec!["10.0.0.1"; 201]}),                         "ip_allow",                   "too_long"),
        (json!({"ip_deny": ["localhost"]}),                                  "ip_deny[0]",                 "invalid"),
        (json!({"limits": {"requests_per_minute": "60"}}),                   "limits.requests_per_minute", "invalid"),
        (json!({"limits": {"requests_per_minute": 0}}),                      "limits.requests_per_minute", "invalid"),
        (json!({"limits": {"requests_per_minute": -1}}),                     "limits.requests_per_minute", "invalid"),
        (json!({"limits": {"tokens_per_day": 1e30}}),                        "limits.tokens_per_day",      "invalid"),
        (json!({"limits": {"concurrency": 1.5}}),                            "limits.concurrency",         "invalid"),
        (json!({"limits": {"requests_per_second": 1}}),                      "limits.requests_per_second", "unknown_field"),
        (json!({"budgets": [{"usd": "-1", "period": "day"}]}),               "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"usd": 1e30, "period": "day"}]}),               "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"usd": "0.0000000001", "period": "day"}]}),     "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"period": "day"}]}),                            "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"usd": 1, "tokens": 1, "period": "day"}]}),     "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"tokens": "5", "period": "day"}]}),             "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"tokens": u64::MAX, "period": "day"}]}),        "budgets[0].tokens",          "invalid"),
        (json!({"budgets": [{"usd": 1, "period": "year"}]}),                 "budgets[0]",                 "invalid"),
        (json!({"budgets": [{"usd": 1, "period": "day"}, {"usd": 2, "period": "day"}]}), "budgets[1]",     "duplicate"),
        (json!({"metadata": {"note": long(10_000)}}),                        "metadata",                   "too_long"),
        (json!({"metadata": ["a"]}),                                         "metadata",                   "invalid"),
        (json!({"colour": "red"}),                                           "colour",                     "unknown_field"),
        (json!({"__proto__": {}}),                                           "__proto__",                  "unknown_field"),
    ];
    cases
}

/// The same for fields that only a new key has.
fn bad_new_fields() -> Vec<(Value, &'static str, &'static str)> {
    #[rustfmt::skip]
    let cases = vec![
        (json!({"name": ""}),                                                "name",                       "invalid"),
        (json!({"name": " ci"}),                                             "name",                       "invalid"),
        (json!({"name": "c\u{0}i"}),                                         "name",                       "invalid"),
        (json!({"name": "c\u{1b}[31mi"}),                                    "name",                       "invalid"),
        (json!({"name": "c\u{202e}i"}),                                      "name",                       "invalid"),
        (json!({"name": "c\u{200b}i"}),                                      "name",                       "invalid"),
        (json!({"name": long(81)}),                                          "name",                       "invalid"),
        (json!({"name": long(10_000)}),                                      "name",                       "invalid"),
        (json!({"name": 5}),                                                 "name",                       "invalid"),
        (json!({"name": null}),                                              "name",                       "invalid"),
        (json!({"kind": "agent"}),                                           "kind",                       "invalid"),
        (json!({"kind": "service"}),                                         "owner",                      "wrong_kind"),
        (json!({"owner": "usr_00000000000000000000000000"}),                 "owner",                      "not_found"),
        (json!({"owner": "bob"}),                                            "owner",                      "not_found"),
        (json!({"project": "prj_00000000000000000000000000"}),               "project",                    "not_found"),
        (json!({"project": "nowhere"}),                                      "project",                    "not_found"),
    ];
    cases
}

fn with(mut base: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

#[tokio::test]
async fn a_bad_new_key_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    let before = app.get("/v1/api-keys").await.text;
    for (fields, field, code) in bad_fields().into_iter().chain(bad_new_fields()) {
        let answer = app.post("/v1/api-keys", with(json!({"name": "k"}), &fields)).await;
        assert_eq!(answer.problem(400), "invalid_request", "{fields}");
        assert!(answer.fields()[0].starts_with(field), "{fields}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["code"], code, "{fields}: {}", answer.text);
        assert!(answer.text.len() < 2_000, "{fields}: a long answer");
    }
    assert_eq!(app.get("/v1/api-keys").await.text, before);
    let missing = app.post("/v1/api-keys", json!({})).await;
    assert_eq!(missing.json()["errors"][0]["code"], "missing");
}

#[tokio::test]
async fn a_bad_edit_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    let created = app.post("/v1/api-keys", json!({"name": "k"})).await.expect(201);
    let path = format!("/v1/api-keys/{}", created["id"].as_str().unwrap());
    let before = app.get(&path).await.text;
    for (fields, field, code) in bad_fields() {
        let answer = app.patch(&path, fields.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{fields}");
        assert!(answer.fields()[0].starts_with(field), "{fields}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["code"], code, "{fields}: {}", answer.text);
    }
    assert_eq!(app.get(&path).await.text, before);
}

#[tokio::test]
async fn one_answer_names_every_fault() {
    let app = TestApp::new().await;
    let wish = json!({
        "name": " k", "description": long(501), "owner": "bob", "metadata": {"a": long(5000)},
        "budgets": [{"usd": 1, "period": "day"}, {"usd": 1, "period": "day"}],
    });
    let answer = app.post("/v1/api-keys", wish).await;
    let mut fields = answer.fields();
    fields.sort_unstable();
    assert_eq!(fields, ["budgets[1]", "description", "metadata", "name", "owner"]);
    insta::assert_json_snapshot!(answer.json());
}
