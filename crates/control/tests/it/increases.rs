//! `/v1/limit-increases`.

use doorward_domain::budget::{Amount, Budget, Overrun, Period};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::origin::Origins;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights, only};
use crate::tokens;

fn bounded(scopes: &[Scope]) -> Rights {
    Rights {
        limits: Limits { requests_per_minute: 60.try_into().ok(), ..Limits::NONE },
        budgets: vec![Budget {
            amount: Amount::Tokens(1_000),
            period: Period::Day,
            overrun: Overrun::Deny,
        }],
        ..only(scopes)
    }
}

/// A member's key that calls models and nothing else.
async fn calling(app: &TestApp) -> (ApiKey, String) {
    let ada = app.user("ada", OrganizationRole::Member).await;
    app.key(ada, "ci", bounded(&[Scope::InferenceWrite])).await
}

fn wish() -> Value {
    json!({"limits": {"requests_per_minute": 90}, "reason": "the launch"})
}

const PATH: &str = "/v1/limit-increases";

async fn ask(app: &TestApp, key: &str, body: Value) -> Value {
    app.call(key, &format!("POST {PATH}"), Some(body)).await.expect(201)
}

fn of(increase: &Value, verb: &str) -> String {
    format!("{PATH}/{}{verb}", increase["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_asks_for_itself_and_an_administrator_grants_it_for_a_while() {
    let app = TestApp::new().await;
    let (key, plain) = calling(&app).await;
    let asked = ask(&app, &plain, wish()).await;
    assert_eq!((&asked["state"], &asked["subject"]), (&json!("open"), &json!(key.id)));
    assert_eq!((&asked["subject_name"], &asked["asked_by"]), (&json!("ci"), &json!(key.id)));
    assert_eq!(asked["asked"], json!({"limits": {"requests_per_minute": 90}, "budgets": []}));
    // Whoever decides sees what it is now, without asking for each key.
    let now = app.get(&format!("{PATH}?state=open")).await.expect(200)["data"][0]["now"].clone();
    let own = app.get(&format!("/v1/api-keys/{}", key.id)).await.expect(200);
    assert_eq!(now, json!({"limits": {"requests_per_minute": 60}, "budgets": own["budgets"]}));

    let before = app.get(&format!("/v1/api-keys/{}", key.id)).await;
    assert_eq!(before.json()["increase"], Value::Null);
    let body = json!({"ends_in_days": 7, "note": "until the launch"});
    let granted = app.post(&of(&asked, "/grant"), body).await.expect(200);
    assert_eq!(
        (&granted["state"], &granted["ends_at"]),
        (&json!("granted"), &json!("2026-01-08T00:00:00Z"))
    );
    assert_eq!((&granted["granted"], &granted["now"]), (&asked["asked"], &Value::Null));
    assert_eq!(
        (&granted["note"], &granted["decided_at"]),
        (&json!("until the launch"), &json!("2026-01-01T00:00:00Z"))
    );

    let path = format!("/v1/api-keys/{}", key.id);
    let after = app.get(&path).await;
    assert_ne!(after.header("etag"), before.header("etag"), "whoever edits it has to look again");
    let shown = after.json();
    assert_eq!(shown["limits"], json!({"requests_per_minute": 60}), "its own");
    let held = json!({
        "id": asked["id"], "limits": {"requests_per_minute": 90}, "budgets": [],
        "ends_at": "2026-01-08T00:00:00Z",
    });
    assert_eq!(shown["increase"], held);
    let explained = app.post(&format!("{path}/explain"), json!({})).await.expect(200);
    assert_eq!((&explained["increase"], &explained["limits"][0]["limit"]), (&held, &json!(90)));
    let list = app.get("/v1/api-keys").await.expect(200);
    let rows = list["data"].as_array().unwrap();
    let listed = rows.iter().find(|row| row["id"] == json!(key.id)).unwrap();
    assert_eq!(listed["increase"], held);

    app.pass(7 * 86_400);
    assert_eq!(app.get(&path).await.expect(200)["increase"], Value::Null);
    let explained = app.post(&format!("{path}/explain"), json!({})).await.expect(200);
    assert_eq!(
        (&explained["increase"], &explained["limits"][0]["limit"]),
        (&Value::Null, &json!(60))
    );
}

#[tokio::test]
async fn something_else_is_granted_than_was_asked_for_and_for_good() {
    let app = TestApp::new().await;
    let (key, plain) = calling(&app).await;
    let asked = ask(&app, &plain, wish()).await;
    let other = json!({"budgets": [{"tokens": 5000, "period": "day"}]});
    let granted = app.post(&of(&asked, "/grant"), other).await.expect(200);
    assert_eq!(granted["granted"]["limits"], json!({}), "what is named is given, and nothing else");
    assert_eq!(granted["ends_at"], Value::Null);
    let shown = app.get(&format!("/v1/api-keys/{}", key.id)).await.expect(200);
    assert_eq!(shown["limits"], json!({"requests_per_minute": 60}));
    let budget = json!({"tokens": 5000, "period": "day", "overrun": "deny"});
    assert_eq!((&shown["budgets"], &shown["increase"]), (&json!([budget]), &Value::Null));
}

#[tokio::test]
async fn what_holds_ends_before_its_time_by_whoever_has_the_key_or_its_administrators() {
    let app = TestApp::new().await;
    let (key, plain) = calling(&app).await;
    for ender in [&plain, &app.admin] {
        let asked = ask(&app, &plain, wish()).await;
        app.post(&of(&asked, "/grant"), json!({"ends_in_days": 7})).await.expect(200);
        app.pass(10);
        let call = format!("POST {}", of(&asked, "/withdraw"));
        let ended = app.call(ender, &call, None).await.expect(200);
        assert_eq!(ended["state"], "granted");
        assert_eq!(ended["ends_at"], json!(app.now()));
        let shown = app.get(&format!("/v1/api-keys/{}", key.id)).await.expect(200);
        assert_eq!(shown["increase"], Value::Null);
        assert_eq!(app.call(ender, &call, None).await.problem(409), "increase_decided");
    }
    let entry = app.get("/v1/audit?action=limit_increase.end&limit=1").await.expect(200);
    assert_eq!(entry["data"][0]["detail"]["name"], "ci");
}

#[tokio::test]
async fn who_may_see_ask_and_decide() {
    let app = TestApp::new().await;
    let (key, plain) = calling(&app).await;
    let asked = ask(&app, &plain, wish()).await;
    let bob = app.user("bob", OrganizationRole::Member).await;
    let (_, bobs) = app.key(bob, "bobs", only(&[Scope::KeysRead, Scope::KeysWrite])).await;
    let (_, deaf) = app.key(key.owner, "deaf", only(&[Scope::InferenceWrite])).await;
    let (_, reader) = app.key(key.owner, "reader", only(&[Scope::KeysRead])).await;
    let foreign = app.foreign_key().await;
    let unknown = json!({"id": "inc_01K36M4YZX0123456789ABCDEF"});
    let malformed = json!({"id": "nothing"});

    // Another member, another organization, and a key of the same user that may not look at keys: to
    // all of them it is not there.
    for stranger in [&bobs, &foreign, &deaf] {
        let mut answers = Vec::new();
        for one in [&asked, &unknown, &malformed] {
            for call in ["GET", "POST withdraw"] {
                let (method, verb) = call
                    .split_once(' ')
                    .map_or((call, String::new()), |(m, v)| (m, format!("/{v}")));
                let answer =
                    app.call(stranger, &format!("{method} {}", of(one, &verb)), None).await;
                assert_eq!(answer.problem(404), "not_found", "{call}");
                answers.push(answer.text);
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let list = app.call(stranger, &format!("GET {PATH}"), None).await.expect(200);
        assert_eq!(list["data"], json!([]));
        let mut wishes = Vec::new();
        for id in [key.id.as_str(), "dw_0000000000000000", "x"] {
            let body = json!({"api_key": id, "limits": {"requests_per_minute": 90}, "reason": "x"});
            let answer = app.call(stranger, &format!("POST {PATH}"), Some(body)).await;
            assert_eq!(answer.problem(404), "not_found", "{id}");
            wishes.push(answer.text);
        }
        assert!(wishes.iter().all(|answer| *answer == wishes[0]), "{wishes:?}");
    }
    for stranger in [&bobs, &foreign] {
        for verb in ["/grant", "/decline"] {
            let answer = app.call(stranger, &format!("POST {}", of(&asked, verb)), None).await;
            assert_eq!(answer.problem(404), "not_found", "{verb}");
        }
    }
    // Its holder sees it, and does not decide.
    for holder in [&plain, &reader] {
        let list =
            app.call(holder, &format!("GET {PATH}?state=open&api_key={}", key.id), None).await;
        assert_eq!(list.expect(200)["data"][0]["id"], asked["id"]);
        for verb in ["/grant", "/decline"] {
            let answer = app.call(holder, &format!("POST {}", of(&asked, verb)), None).await;
            assert_eq!(answer.problem(403), "insufficient_scope", "{verb}");
        }
    }
    // A key that may look at its user's keys changes nothing of them; one that manages them asks.
    let (second, _) = app.key(key.owner, "second", bounded(&[])).await;
    let body = json!({"api_key": second.id, "limits": {"requests_per_minute": 61}, "reason": "x"});
    let withdraw = format!("POST {}", of(&asked, "/withdraw"));
    for (call, body) in [(format!("POST {PATH}"), Some(body.clone())), (withdraw, None)] {
        let refused = app.call(&reader, &call, body).await;
        assert_eq!(refused.problem(403), "insufficient_scope", "{call}");
    }
    let (_, manager) =
        app.key(key.owner, "manager", only(&[Scope::KeysRead, Scope::KeysWrite])).await;
    ask(&app, &manager, body).await;
    let withdrawn =
        app.call(&plain, &format!("POST {}", of(&asked, "/withdraw")), None).await.expect(200);
    assert_eq!(withdrawn["state"], "withdrawn");
    let list = app.get(&format!("{PATH}?state=open")).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "an administrator sees those of all");
}

/// Like an edit: whoever has limits or budgets loosens none, their own least of all.
#[tokio::test]
async fn nobody_grants_what_they_could_not_give_by_an_edit() {
    let app = TestApp::new().await;
    let admin = Owner::User(app.first.administrator);
    let (own, plain) = app.key(admin, "bounded", bounded(&Scope::ALL)).await;
    let asked = ask(&app, &plain, wish()).await;
    let refused = app.call(&plain, &format!("POST {}", of(&asked, "/grant")), None).await;
    assert_eq!(
        (refused.problem(403).as_str(), refused.fields()),
        ("exceeds_own_rights", vec!["limits".to_owned()])
    );
    let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
    assert_eq!(entry["action"], "limit_increase.grant");
    assert_eq!(entry["detail"]["outcome"], "denied");

    // A loose limit of its own is none the less one.
    let (_, loose) = app
        .key(
            admin,
            "loose",
            Rights {
                limits: Limits { requests_per_minute: 1_000.try_into().ok(), ..Limits::NONE },
                ..all_rights()
            },
        )
        .await;
    let refused = app.call(&loose, &format!("POST {}", of(&asked, "/grant")), None).await;
    assert_eq!(refused.problem(403), "bounded_key");

    // Nor for somebody above them.
    let grace = app.user("grace", OrganizationRole::Admin).await;
    let (_, below) = app.key(grace, "grace's", all_rights()).await;
    let refused = app.call(&below, &format!("POST {}", of(&asked, "/grant")), None).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");

    let shown = app.get(&format!("/v1/api-keys/{}", own.id)).await.expect(200);
    assert_eq!(
        (&shown["limits"]["requests_per_minute"], &shown["increase"]),
        (&json!(60), &Value::Null)
    );
    app.post(&of(&asked, "/grant"), json!({})).await.expect(200);
}

#[tokio::test]
async fn a_key_that_is_raised_is_enabled_only_by_whoever_could_raise_it() {
    let app = TestApp::new().await;
    let (key, plain) = calling(&app).await;
    let asked = ask(&app, &plain, wish()).await;
    let as_tight = Rights { budgets: vec![], ..bounded(&Scope::ALL) };
    let (_, editor) = app.key(Owner::User(app.first.administrator), "editor", as_tight).await;
    let path = format!("/v1/api-keys/{}", key.id);
    app.post(&format!("{path}/disable"), json!({})).await.expect(200);
    app.call(&editor, &format!("POST {path}/enable"), None).await.expect(200);
    app.post(&of(&asked, "/grant"), json!({"ends_in_days": 1})).await.expect(200);
    app.post(&format!("{path}/disable"), json!({})).await.expect(200);
    let refused = app.call(&editor, &format!("POST {path}/enable"), None).await;
    assert_eq!(refused.problem(403), "exceeds_own_rights");
    app.pass(86_400);
    app.call(&editor, &format!("POST {path}/enable"), None).await.expect(200);
}

#[tokio::test]
async fn a_token_asks_for_its_key_and_a_page_does_not() {
    let app = TestApp::new().await;
    app.store.set_public_url("https://models.example.com".to_owned());
    let (key, plain) = calling(&app).await;
    let token = tokens::token(&app, &plain, &[]).await;
    let asked = ask(&app, &token, wish()).await;
    assert_eq!((&asked["of"], &asked["subject"]), (&json!("key"), &json!(key.id)));
    app.call(&token, &format!("POST {}", of(&asked, "/withdraw")), None).await.expect(200);
    // One that was given away with less than the key may is no holder of it.
    let narrow = tokens::token(&app, &plain, &[("models", "gpt-*")]).await;
    let refused = app.call(&narrow, &format!("POST {PATH}"), Some(wish())).await;
    assert_eq!(refused.problem(404), "not_found");

    let origins: Origins = serde_json::from_str(r#"["https://a.example"]"#).unwrap();
    let in_page = Rights { allowed_origins: Some(origins), ..bounded(&[Scope::InferenceWrite]) };
    let (page, plain) = app.key(key.owner, "page", in_page).await;
    for call in ["GET", "POST"] {
        let refused = app.call(&plain, &format!("{call} {PATH}"), Some(wish())).await;
        assert_eq!(refused.problem(403), "insufficient_scope", "{call}");
    }
    let body = json!({"api_key": page.id, "limits": {"requests_per_minute": 61}, "reason": "x"});
    app.post(PATH, body).await.expect(201);
}

#[tokio::test]
async fn each_state_says_no_in_its_own_words() {
    let app = TestApp::new().await;
    let (key, plain) = calling(&app).await;
    let asked = ask(&app, &plain, wish()).await;
    let again = app.call(&plain, &format!("POST {PATH}"), Some(wish())).await;
    assert_eq!(again.problem(409), "increase_open");
    let declined = app.post(&of(&asked, "/decline"), json!({"note": "not now"})).await.expect(200);
    assert_eq!((&declined["state"], &declined["note"]), (&json!("declined"), &json!("not now")));
    for verb in ["/grant", "/decline", "/withdraw"] {
        let over = app.post(&of(&asked, verb), json!({})).await;
        assert_eq!(over.problem(409), "increase_decided", "{verb}");
        assert!(over.text.contains("declined already"), "{}", over.text);
    }
    for _ in 0..4 {
        let next = ask(&app, &plain, wish()).await;
        app.post(&of(&next, "/decline"), json!({})).await.expect(200);
    }
    let often = app.call(&plain, &format!("POST {PATH}"), Some(wish())).await;
    assert_eq!(often.problem(409), "too_many_increases");
    app.pass(86_401);
    let last = ask(&app, &plain, wish()).await;
    app.delete(&format!("/v1/api-keys/{}", key.id)).await.expect(204);
    let over = app.post(&of(&last, "/grant"), json!({})).await;
    assert_eq!(over.problem(409), "key_revoked");
    let body = json!({"api_key": key.id, "limits": {"requests_per_minute": 90}, "reason": "x"});
    assert_eq!(app.post(PATH, body).await.problem(409), "key_revoked");
    let soon = app.now() + SignedDuration::from_secs(5);
    let rights = Rights { expires_at: Some(soon), ..bounded(&[]) };
    let (ending, _) = app.key(key.owner, "ending", rights).await;
    app.pass(5);
    let body = json!({"api_key": ending.id, "limits": {"requests_per_minute": 90}, "reason": "x"});
    assert_eq!(app.post(PATH, body).await.problem(409), "key_expired");
}

#[tokio::test]
async fn bad_input_is_named_by_its_field_and_leaves_nothing() {
    let app = TestApp::new().await;
    let (_, plain) = calling(&app).await;
    let long = "x".repeat(501);
    #[rustfmt::skip]
    let cases = [
        // asked for                                                                     field
        (json!({"reason": "x"}),                                                         "limits"),
        (json!({"limits": {}, "reason": "x"}),                                           "limits"),
        (json!({"limits": {"requests_per_minute": 60}, "reason": "x"}),                  "limits.requests_per_minute"),
        (json!({"limits": {"requests_per_minute": 0}, "reason": "x"}),                   "limits.requests_per_minute"),
        (json!({"limits": {"concurrency": 5}, "reason": "x"}),                           "limits.concurrency"),
        (json!({"limits": {"requests": 5}, "reason": "x"}),                              "limits.requests"),
        (json!({"budgets": [{"usd": "5", "period": "day"}], "reason": "x"}),             "budgets[0]"),
        (json!({"budgets": [{"tokens": 1000, "period": "day"}], "reason": "x"}),         "budgets[0]"),
        (json!({"budgets": [{"tokens": 1001, "period": "year"}], "reason": "x"}),        "budgets[0].period"),
        (json!({"limits": {"requests_per_minute": 90}}),                                 "reason"),
        (json!({"limits": {"requests_per_minute": 90}, "reason": " "}),                  "reason"),
        (json!({"limits": {"requests_per_minute": 90}, "reason": long}),                 "reason"),
        (json!({"limits": {"requests_per_minute": 90}, "reason": "a\u{202e}b"}),         "reason"),
        (json!({"limits": {"requests_per_minute": 90}, "reason": "x", "scopes": []}),    "scopes"),
    ];
    for (body, field) in cases {
        let refused = app.call(&plain, &format!("POST {PATH}"), Some(body.clone())).await;
        assert_eq!(refused.problem(400), "invalid_request", "{body}");
        let fields = refused.fields();
        assert!(
            fields.first().is_some_and(|named| named.starts_with(field.split('.').next().unwrap())),
            "{body}: {fields:?}"
        );
    }
    assert_eq!(app.get(PATH).await.expect(200)["data"], json!([]));
    let asked = ask(&app, &plain, wish()).await;
    #[rustfmt::skip]
    let cases = [
        (json!({"ends_in_days": 0}),                                         "ends_in_days"),
        (json!({"ends_in_days": 366}),                                       "ends_in_days"),
        (json!({"ends_in_days": -9_223_372_036_854_775_808_i64}),            "ends_in_days"),
        (json!({"ends_at": "2026-01-01T00:00:00Z"}),                         "ends_at"),
        (json!({"ends_at": "2028-01-01T00:00:00Z"}),                         "ends_at"),
        (json!({"ends_at": "soon"}),                                         "ends_at"),
        (json!({"ends_at": "2026-02-01T00:00:00Z", "ends_in_days": 3}),      "ends_in_days"),
        (json!({"limits": {"requests_per_minute": 10}}),                     "limits.requests_per_minute"),
        (json!({"limits": {}}),                                              "limits"),
        (json!({"note": long}),                                              "note"),
        (json!({"reason": "x"}),                                             "reason"),
    ];
    for (body, field) in cases {
        let refused = app.post(&of(&asked, "/grant"), body.clone()).await;
        assert_eq!(refused.problem(400), "invalid_request", "{body}");
        assert_eq!(refused.fields(), [field], "{body}");
    }
    for (query, field) in
        [("state=x", "state"), ("api_key=x", "api_key"), ("after=x", "after"), ("owner=x", "owner")]
    {
        let refused = app.get(&format!("{PATH}?{query}")).await;
        assert_eq!(
            (refused.problem(400).as_str(), refused.fields()),
            ("invalid_request", vec![field.to_owned()])
        );
    }
    assert_eq!(app.get(&of(&asked, "")).await.expect(200)["state"], "open");
}
