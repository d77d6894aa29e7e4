//! Limits and budgets that keys share: who sets them, how they are shown, what is refused.

use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};

const PATHS: [&str; 3] = ["/v1/organization", "/v1/projects/default", "/v1/users/administrator"];

fn bounds() -> Value {
    json!({
        "limits": {"requests_per_minute": 60, "concurrency": 3},
        "budgets": [{"usd": "12.50", "period": "month"}, {"tokens": 1000, "period": "day"}],
    })
}

#[tokio::test]
async fn what_keys_share_is_set_shown_and_cleared() {
    let app = TestApp::new().await;
    for path in PATHS {
        let before = app.get(path).await.expect(200);
        let none = (&json!({}), &json!([]), &json!([]));
        assert_eq!((&before["limits"], &before["budgets"], &before["spent"]), none, "{path}");
        app.pass(1);
        let set = app.patch(path, bounds()).await.expect(200);
        assert_eq!(set["limits"], bounds()["limits"], "{path}");
        assert_eq!(set["budgets"][0]["usd"], "12.50", "{path}");
        let spent = json!([
            {"period": "month", "usd": "0.00", "tokens": 0}, {"period": "day", "usd": "0.00", "tokens": 0}
        ]);
        assert_eq!(set["spent"], spent, "{path}");
        assert_eq!(app.get(path).await.expect(200), set, "{path}");
        let other = app.patch(path, json!({"limits": {"concurrency": 1}})).await.expect(200);
        assert_eq!(
            (&other["limits"], &other["budgets"]),
            (&json!({"concurrency": 1}), &set["budgets"])
        );
        let cleared = app.patch(path, json!({"limits": null, "budgets": null})).await.expect(200);
        assert_eq!((&cleared["limits"], &cleared["budgets"]), (&json!({}), &json!([])), "{path}");
    }
}

#[tokio::test]
async fn a_project_and_a_user_are_made_with_what_their_keys_share() {
    let app = TestApp::new().await;
    let with = |mut body: Value| {
        body.as_object_mut().unwrap().extend(bounds().as_object().unwrap().clone());
        body
    };
    let project = app.post("/v1/projects", with(json!({"name": "web"}))).await.expect(201);
    let user = with(json!({"name": "ada", "role": "member"}));
    let user = app.post("/v1/users", user).await.expect(201);
    for (made, path) in [(project, "/v1/projects/web"), (user, "/v1/users/ada")] {
        assert_eq!(made["limits"], bounds()["limits"], "{path}");
        assert_eq!(app.get(path).await.expect(200), made);
    }
}

#[tokio::test]
async fn bounds_that_cannot_be_are_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    let day = json!({"usd": "1", "period": "day"});
    #[rustfmt::skip]
    let cases = [
        (json!({"limits": {"requests_per_minute": 0}}),                "limits.requests_per_minute"),
        (json!({"limits": {"rpm": 5}}),                                "limits.rpm"),
        (json!({"limits": [60]}),                                      "limits"),
        (json!({"budgets": [day, day]}),                               "budgets[1]"),
        (json!({"budgets": [{"usd": "1"}]}),                           "budgets[0].period"),
        (json!({"budgets": [{"tokens": u64::MAX, "period": "day"}]}),  "budgets[0].tokens"),
        (json!({"budgets": vec![&day; 9]}),                            "budgets"),
        (json!({"budget": []}),                                        "budget"),
    ];
    for path in PATHS {
        let before = app.get(path).await.expect(200);
        for (body, field) in &cases {
            let answer = app.patch(path, body.clone()).await;
            assert_eq!(answer.problem(400), "invalid_request", "{path} {body}");
            assert!(answer.fields().contains(&(*field).to_owned()), "{path} {}", answer.text);
        }
        assert_eq!(app.get(path).await.expect(200), before, "{path}");
    }
}

#[tokio::test]
async fn only_administrators_set_what_keys_share_and_a_lost_race_is_told() {
    let app = TestApp::new().await;
    let member = app.user("member", OrganizationRole::Member).await;
    let (_, member) = app.key(member, "k", all_rights()).await;
    let scopes = [Scope::KeysWrite, Scope::KeysRead, Scope::InferenceWrite];
    let administrator = doorward_domain::key::Owner::User(app.first.administrator);
    let (_, narrow) = app.key(administrator, "narrow", only(&scopes)).await;
    for path in PATHS {
        for key in [&member, &narrow] {
            for call in [format!("PATCH {path}"), format!("GET {path}")] {
                let body = call.starts_with("PATCH").then(bounds);
                let refused = app.call(key, &call, body).await;
                assert_eq!(refused.problem(403), "insufficient_scope", "{call}");
            }
        }
        assert_eq!(app.get(path).await.expect(200)["limits"], json!({}), "{path}");
    }
}

/// A key with limits or budgets of its own may tighten what it shares with others, and not loosen it.
#[tokio::test]
async fn a_bounded_key_loosens_nothing_that_it_shares() {
    let app = TestApp::new().await;
    let budgets = serde_json::from_value(json!([{"usd": "1", "period": "day"}])).unwrap();
    let rights = doorward_domain::rights::Rights { budgets, ..all_rights() };
    let administrator = doorward_domain::key::Owner::User(app.first.administrator);
    let (_, bounded) = app.key(administrator, "bounded", rights).await;
    for path in PATHS {
        app.patch(path, bounds()).await.expect(200);
        #[rustfmt::skip]
        let cases = [
            (json!({"limits": {"requests_per_minute": 61, "concurrency": 3}}), "limits"),
            (json!({"limits": {"requests_per_minute": 60}}),                   "limits"),
            (json!({"limits": null}),                                          "limits"),
            (json!({"budgets": []}),                                           "budgets"),
            (json!({"budgets": [{"usd": "12.50", "period": "month"}]}),        "budgets"),
        ];
        for (body, field) in cases {
            let refused = app.call(&bounded, &format!("PATCH {path}"), Some(body.clone())).await;
            assert_eq!(refused.problem(403), "bounded_key", "{path} {body}");
            assert_eq!(refused.fields(), [field], "{path} {body}");
        }
        let tighter = json!({"limits": {"requests_per_minute": 6, "concurrency": 1}});
        app.call(&bounded, &format!("PATCH {path}"), Some(tighter)).await.expect(200);
        let denied = app.get("/v1/audit?limit=2").await.expect(200);
        assert_eq!(denied["data"][1]["detail"]["code"], "bounded_key", "{path}");
    }
}

#[tokio::test]
async fn a_change_of_what_keys_share_is_in_the_audit_log_with_both_sides() {
    let app = TestApp::new().await;
    for (path, action) in
        [(PATHS[0], "organization.edit"), (PATHS[1], "project.edit"), (PATHS[2], "user.edit")]
    {
        app.patch(path, bounds()).await.expect(200);
        let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
        assert_eq!(entry["action"], action);
        let after = match action {
            "user.edit" => &entry["detail"]["after"]["bounds"],
            _ => &entry["detail"]["bounds"]["after"],
        };
        assert_eq!(after["limits"], bounds()["limits"], "{entry}");
        assert_eq!(after["budgets"].as_array().unwrap().len(), 2, "{entry}");
    }
}

#[tokio::test]
async fn limits_for_models_belong_to_a_key_and_are_checked() {
    let app = TestApp::new().await;
    let list = json!([{"model": "gpt-4o*", "limits": {"requests_per_minute": 5}}]);
    let made =
        app.post("/v1/api-keys", json!({"name": "k", "model_limits": list})).await.expect(201);
    assert_eq!(made["model_limits"], list);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(200)["model_limits"], list);
    let entry = |model: &str, limits: Value| json!({"model": model, "limits": limits});
    let one = || entry("m", json!({"concurrency": 1}));
    #[rustfmt::skip]
    let cases = [
        (json!([entry("m", json!({}))]),       "model_limits[0].limits"),
        (json!([one(), one()]),                "model_limits[1].model"),
        (json!([entry("a b", json!({"concurrency": 1}))]), "model_limits[0].model"),
        (json!([{"model": "m"}]),              "model_limits[0].limits"),
        (Value::Array((0..21).map(|n| entry(&format!("m{n}"), json!({"concurrency": 1}))).collect()), "model_limits"),
    ];
    for (list, field) in cases {
        let answer = app.patch(&path, json!({"model_limits": list})).await;
        assert_eq!(answer.problem(400), "invalid_request", "{list}");
        assert!(answer.fields().contains(&field.to_owned()), "{}", answer.text);
    }
    let cleared = app.patch(&path, json!({"model_limits": null})).await.expect(200);
    assert_eq!(cleared["model_limits"], json!([]));
}

/// Whoever has limits for some models hands out none that are looser: they make no keys at all, for each
/// would count by itself.
#[tokio::test]
async fn a_key_with_limits_for_models_makes_no_keys() {
    let app = TestApp::new().await;
    let limits = json!([{"model": "*", "limits": {"requests_per_minute": 5}}]);
    let rights = doorward_domain::rights::Rights {
        model_limits: serde_json::from_value(limits).unwrap(),
        ..all_rights()
    };
    let administrator = doorward_domain::key::Owner::User(app.first.administrator);
    let (_, bounded) = app.key(administrator, "bounded", rights).await;
    let refused = app.call(&bounded, "POST /v1/api-keys", Some(json!({"name": "k"}))).await;
    assert_eq!(refused.problem(403), "bounded_key");
}

#[tokio::test]
async fn a_member_is_told_whether_a_shared_budget_has_room_and_not_what_others_spend() {
    let app = TestApp::new().await;
    let member = app.user("member", OrganizationRole::Member).await;
    let (own, secret) = app.key(member, "k", all_rights()).await;
    let budget = json!({"budgets": [{"usd": "500", "period": "month"}]});
    app.patch("/v1/organization", budget).await.expect(200);
    let call = format!("POST /v1/api-keys/{}/explain", own.id);
    let seen = app.call(&secret, &call, Some(json!({}))).await.expect(200);
    assert_eq!(seen["budgets"], json!([]), "{seen}");
    assert!(!seen.to_string().contains("500"), "{seen}");
    let path = format!("/v1/api-keys/{}/explain", own.id);
    let all = app.post(&path, json!({})).await.expect(200);
    assert_eq!(all["budgets"][0]["of"], "organization", "{all}");
}

#[tokio::test]
async fn the_organization_is_renamed_and_keeps_what_bounds_it() {
    let app = TestApp::new().await;
    app.patch(PATHS[0], bounds()).await.expect(200);
    app.pass(1);
    let renamed = app.patch(PATHS[0], json!({"name": "Acme Ltd"})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["limits"]), (&json!("Acme Ltd"), &bounds()["limits"]));
    assert_eq!(app.get(PATHS[0]).await.expect(200), renamed);
    for name in [json!(""), json!(" x"), json!("x".repeat(81)), json!(5)] {
        let refused = app.patch(PATHS[0], json!({"name": name})).await;
        assert_eq!(
            (refused.problem(400).as_str(), refused.fields()),
            ("invalid_request", vec!["name".to_owned()])
        );
    }
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!(
        (&entry["action"], &entry["detail"]["name"]),
        (&json!("organization.edit"), &json!("Acme Ltd"))
    );
}
