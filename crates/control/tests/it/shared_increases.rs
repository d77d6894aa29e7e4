//! What keys share, raised for a while: who may, how it is shown, what is refused.

use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only, request};

/// Whose, where it stands, and what the audit log and the increase call it.
const SHARED: [(&str, &str); 3] = [
    ("organization", "/v1/organization"),
    ("project", "/v1/projects/default"),
    ("user", "/v1/users/administrator"),
];
const PATH: &str = "/v1/limit-increases";

fn own() -> Value {
    json!({
        "limits": {"requests_per_minute": 60},
        "budgets": [{"tokens": 1000, "period": "day"}],
    })
}

fn wish() -> Value {
    json!({
        "limits": {"requests_per_minute": 90},
        "budgets": [{"tokens": 2000, "period": "day"}],
        "ends_in_days": 7,
        "note": "the launch",
    })
}

fn increase(path: &str) -> String {
    format!("{path}/increase")
}

#[tokio::test]
async fn what_keys_share_is_raised_for_a_while_and_shown_with_its_end() {
    let app = TestApp::new().await;
    for (of, path) in SHARED {
        let before = app.patch(path, own()).await.expect(200);
        assert_eq!(before["increase"], Value::Null, "{path}");
        let version = app.get(path).await.header("etag");
        app.pass(1);
        let raised = app.post(&increase(path), wish()).await.expect(201);
        assert_eq!(
            (&raised["of"], &raised["subject"], &raised["subject_name"], &raised["state"]),
            (&json!(of), &before["id"], &before["name"], &json!("granted")),
        );
        assert_eq!((&raised["granted"], &raised["note"]), (&raised["asked"], &wish()["note"]));
        assert_eq!(raised["decided_by"], raised["asked_by"]);

        let after = app.get(path).await;
        assert_ne!(after.header("etag"), version, "whoever edits it has to look again");
        let shown = after.json();
        let budget = json!({"tokens": 2000, "period": "day", "overrun": "deny"});
        let held = json!({
            "id": raised["id"], "limits": {"requests_per_minute": 90}, "budgets": [budget],
            "ends_at": raised["ends_at"],
        });
        assert_eq!(shown["increase"], held, "{path}");
        assert_eq!(shown["limits"], own()["limits"], "its own");
        assert_eq!(shown["budgets"][0]["tokens"], 1000);
        if let Some((list, _)) = path.rsplit_once('/').filter(|_| of != "organization") {
            let list = app.get(list).await.expect(200);
            let rows = list["data"].as_array().unwrap();
            let listed = rows.iter().find(|row| row["id"] == shown["id"]).unwrap();
            assert_eq!(listed["increase"], held);
        }
        let entry = app.get("/v1/audit?action=limit_increase.grant&limit=1").await.expect(200);
        let entry = &entry["data"][0];
        assert_eq!((&entry["subject"], &entry["detail"][of]), (&raised["id"], &before["id"]));
        assert_eq!(app.get(&format!("{PATH}?limit=1")).await.expect(200)["data"][0], raised);
    }
    let me = app.get("/v1/users/me").await.expect(200);
    assert_eq!(me["increase"]["limits"]["requests_per_minute"], 90);
    app.pass(7 * 86_400);
    for (_, path) in SHARED {
        assert_eq!(app.get(path).await.expect(200)["increase"], Value::Null, "{path}");
    }
}

#[tokio::test]
async fn what_raises_ends_before_its_time_and_by_an_edit() {
    let app = TestApp::new().await;
    for (of, path) in SHARED {
        app.patch(path, own()).await.expect(200);
        let raised = app.post(&increase(path), wish()).await.expect(201);
        app.pass(10);
        let end = format!("{PATH}/{}/withdraw", raised["id"].as_str().unwrap());
        let ended = app.post(&end, json!({})).await.expect(200);
        assert_eq!((&ended["state"], &ended["ends_at"]), (&json!("granted"), &json!(app.now())));
        assert_eq!(app.get(path).await.expect(200)["increase"], Value::Null, "{path}");
        assert_eq!(app.post(&end, json!({})).await.problem(409), "increase_decided");
        for verb in ["grant", "decline"] {
            let over = app.post(&end.replace("withdraw", verb), json!({})).await;
            assert_eq!(over.problem(409), "increase_decided", "{verb}");
        }
        let entry = app.get("/v1/audit?action=limit_increase.end&limit=1").await.expect(200);
        assert_eq!(entry["data"][0]["detail"][of], raised["subject"]);

        app.post(&increase(path), wish()).await.expect(201);
        app.pass(1);
        app.patch(path, json!({"budgets": null})).await.expect(200);
        assert_eq!(app.get(path).await.expect(200)["increase"], Value::Null, "{path}");
    }
}

#[tokio::test]
async fn only_those_raise_and_see_it_who_may_edit_what_keys_share() {
    let app = TestApp::new().await;
    let member = app.user("member", OrganizationRole::Member).await;
    let (_, member) = app.key(member, "k", all_rights()).await;
    let administrator = Owner::User(app.first.administrator);
    let scopes = [Scope::KeysRead, Scope::KeysWrite];
    let (_, narrow) = app.key(administrator, "narrow", only(&scopes)).await;
    let foreign = app.foreign_key().await;
    for (_, path) in SHARED {
        app.patch(path, own()).await.expect(200);
        for key in [&member, &narrow] {
            let call = format!("POST {}", increase(path));
            let refused = app.call(key, &call, Some(wish())).await;
            assert_eq!(refused.problem(403), "insufficient_scope", "{path}");
        }
        assert_eq!(app.get(path).await.expect(200)["increase"], Value::Null);
        let raised = app.post(&increase(path), wish()).await.expect(201);
        let one = format!("{PATH}/{}", raised["id"].as_str().unwrap());
        for key in [&member, &narrow, &foreign] {
            for call in [format!("GET {one}"), format!("POST {one}/withdraw")] {
                let refused = app.call(key, &call, None).await;
                assert_eq!(refused.problem(404), "not_found", "{call}");
            }
            let list = app.call(key, &format!("GET {PATH}"), None).await.expect(200);
            assert_eq!(list["data"], json!([]), "{path}");
        }
        assert!(app.get(path).await.expect(200)["increase"].is_object());
    }
}

/// Like an edit: no administrator raises an owner, or ends what raises one.
#[tokio::test]
async fn nobody_raises_a_user_above_them() {
    let app = TestApp::new().await;
    let path = "/v1/users/administrator";
    app.patch(path, own()).await.expect(200);
    let grace = app.user("grace", OrganizationRole::Admin).await;
    let (_, grace) = app.key(grace, "grace's", all_rights()).await;
    let call = format!("POST {}", increase(path));
    let refused = app.call(&grace, &call, Some(wish())).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
    let denied = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!(denied["action"], "limit_increase.grant");
    assert_eq!(denied["detail"]["outcome"], "denied");
    let raised = app.post(&increase(path), wish()).await.expect(201);
    let end = format!("POST {PATH}/{}/withdraw", raised["id"].as_str().unwrap());
    assert_eq!(app.call(&grace, &end, None).await.problem(403), "exceeds_own_rights");
    assert!(app.get(path).await.expect(200)["increase"].is_object());
    app.patch("/v1/projects/default", own()).await.expect(200);
    let call = format!("POST {}", increase("/v1/projects/default"));
    app.call(&grace, &call, Some(wish())).await.expect(201);
}

#[tokio::test]
async fn a_bounded_key_raises_nothing_that_it_shares() {
    let app = TestApp::new().await;
    let budgets = serde_json::from_value(json!([{"usd": "1", "period": "day"}])).unwrap();
    let rights = Rights { budgets, ..all_rights() };
    let (_, bounded) = app.key(Owner::User(app.first.administrator), "bounded", rights).await;
    for (_, path) in SHARED {
        app.patch(path, own()).await.expect(200);
        let call = format!("POST {}", increase(path));
        let refused = app.call(&bounded, &call, Some(wish())).await;
        assert_eq!(refused.problem(403), "bounded_key", "{path}");
        let denied = app.get("/v1/audit?limit=1").await.expect(200);
        assert_eq!(denied["data"][0]["detail"]["code"], "bounded_key", "{path}");
        assert_eq!(app.get(path).await.expect(200)["increase"], Value::Null);
    }
}

#[tokio::test]
async fn bad_input_is_named_by_its_field_and_leaves_nothing() {
    let app = TestApp::new().await;
    let limit = |most: u32| json!({"requests_per_minute": most});
    let long = "x".repeat(501);
    #[rustfmt::skip]
    let cases = [
        // asked for                                                                    field
        (json!({"ends_in_days": 7}),                                                    "limits"),
        (json!({"limits": {}, "ends_in_days": 7}),                                      "limits"),
        (json!({"limits": limit(60), "ends_in_days": 7}),                               "limits.requests_per_minute"),
        (json!({"limits": limit(0), "ends_in_days": 7}),                                "limits.requests_per_minute"),
        (json!({"limits": {"concurrency": 5}, "ends_in_days": 7}),                      "limits.concurrency"),
        (json!({"budgets": [{"usd": "5", "period": "day"}], "ends_in_days": 7}),        "budgets[0]"),
        (json!({"budgets": [{"tokens": 1000, "period": "day"}], "ends_in_days": 7}),    "budgets[0]"),
        (json!({"budgets": vec![json!({"tokens": 5, "period": "day"}); 9], "ends_in_days": 7}), "budgets"),
        (json!({"limits": limit(90)}),                                                  "ends_at"),
        (json!({"limits": limit(90), "ends_in_days": 0}),                               "ends_in_days"),
        (json!({"limits": limit(90), "ends_in_days": 366}),                             "ends_in_days"),
        (json!({"limits": limit(90), "ends_at": "2025-01-01T00:00:00Z"}),               "ends_at"),
        (json!({"limits": limit(90), "ends_at": "2028-01-01T00:00:00Z"}),               "ends_at"),
        (json!({"limits": limit(90), "ends_at": "2026-02-01T00:00:00Z", "ends_in_days": 3}), "ends_in_days"),
        (json!({"limits": limit(90), "ends_in_days": 7, "note": long}),                 "note"),
        (json!({"limits": limit(90), "ends_in_days": 7, "reason": "x"}),                "reason"),
    ];
    for (_, path) in SHARED {
        app.patch(path, own()).await.expect(200);
        for (body, field) in &cases {
            let refused = app.post(&increase(path), body.clone()).await;
            assert_eq!(refused.problem(400), "invalid_request", "{path} {body}");
            assert_eq!(refused.fields(), [*field], "{path} {body}");
        }
        assert_eq!(app.get(path).await.expect(200)["increase"], Value::Null, "{path}");
    }
    for path in ["/v1/users/nobody", "/v1/projects/nothing"] {
        assert_eq!(app.post(&increase(path), wish()).await.problem(404), "not_found", "{path}");
    }
    assert_eq!(app.get(PATH).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    for (_, path) in SHARED {
        app.patch(path, own()).await.expect(200);
        let old = app.get(path).await.header("etag");
        app.pass(1);
        app.patch(path, json!({"limits": {"requests_per_minute": 50}})).await.expect(200);
        let mut late = request(&app.admin, &format!("POST {}", increase(path)), Some(wish()));
        late.headers_mut().insert("if-match", old.parse().unwrap());
        assert_eq!(app.send(late).await.problem(412), "edited_in_between", "{path}");
    }
}
