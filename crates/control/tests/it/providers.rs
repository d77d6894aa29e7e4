//! `/v1/providers`.

use serde_json::{Value, json};

use crate::app::{TestApp, request, shape};
use crate::provider_keys::provider_once;

async fn create(app: &TestApp, name: &str) -> Value {
    let wish =
        json!({"name": name, "kind": "openai-compatible", "base_url": "http://127.0.0.1:8000/v1/"});
    app.post("/v1/providers", wish).await.expect(201)
}

#[tokio::test]
async fn a_provider_is_made_shown_edited_and_deleted() {
    let app = TestApp::new().await;
    let made = create(&app, "vllm").await;
    insta::assert_json_snapshot!(shape(made.clone()));
    let id = made["id"].as_str().unwrap();
    for path in [format!("/v1/providers/{id}"), "/v1/providers/vllm".to_owned()] {
        assert_eq!(app.get(&path).await.expect(200), made);
    }
    app.pass(1);
    let edit = json!({"name": "gpu one", "base_url": "https://gpu.example.com"});
    let edited = app.patch("/v1/providers/vllm", edit).await.expect(200);
    assert_eq!(edited["name"], "gpu one");
    assert_eq!(edited["base_url"], "https://gpu.example.com");
    assert_eq!(app.get("/v1/providers/gpu%20one").await.expect(200), edited);
    app.delete("/v1/providers/gpu%20one").await.expect(204);
    assert_eq!(app.get(&format!("/v1/providers/{id}")).await.problem(404), "not_found");
    assert_eq!(app.delete("/v1/providers/gpu%20one").await.problem(404), "not_found");
}

#[tokio::test]
async fn known_kinds_have_a_base_url_of_their_own() {
    let app = TestApp::new().await;
    for (kind, base_url) in [
        ("echo", json!(null)),
        ("openai", json!("https://api.openai.com/v1")),
        ("anthropic", json!("https://api.anthropic.com/v1")),
        ("google", json!("https://generativelanguage.googleapis.com/v1beta")),
    ] {
        let made = app.post("/v1/providers", json!({"name": kind, "kind": kind})).await.expect(201);
        assert_eq!(made["base_url"], base_url, "{kind}");
    }
}

#[tokio::test]
async fn a_bad_provider_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    let at = |url: &str| json!({"name": "p", "kind": "openai-compatible", "base_url": url});
    let check = |check: Value| json!({"name": "p", "kind": "openai", "health_check": check});
    #[rustfmt::skip]
    let cases = [
        (json!({"kind": "openai"}),                                       "name"),
        (json!({"name": "p"}),                                            "kind"),
        (json!({"name": "p\u{202e}", "kind": "openai"}),                  "name"),
        (json!({"name": "p", "kind": "watson"}),                          "kind"),
        (json!({"name": "p", "kind": "bedrock"}),                         "base_url"),
        (json!({"name": "p", "kind": "bedrock", "base_url": "https://x.y"}), "region"),
        (json!({"name": "p", "kind": "azure"}),                           "base_url"),
        (json!({"name": "p", "kind": "openai-compatible"}),               "base_url"),
        (json!({"name": "p", "kind": "echo", "base_url": "http://x.y"}),  "base_url"),
        (json!({"name": "p", "kind": "openai", "key": "sk-1"}),           "key"),
        (at("file:///etc/passwd"),                                        "base_url"),
        (at("https://user:pw@example.com"),                               "base_url"),
        (at("https://example.com/?a=b"),                                  "base_url"),
        (at("https://example.com/#a"),                                    "base_url"),
        (at("example.com"),                                               "base_url"),
        (check(json!({})),                                                "health_check.interval_seconds"),
        (check(json!({"interval_seconds": 0})),                           "health_check.interval_seconds"),
        (check(json!({"interval_seconds": 3601})),                        "health_check.interval_seconds"),
        (check(json!({"interval_seconds": "5"})),                         "health_check.interval_seconds"),
        (check(json!({"interval_seconds": 5, "path": "health"})),         "health_check.path"),
        (check(json!({"interval_seconds": 5, "path": "/a\r\nx: y"})),     "health_check.path"),
        (check(json!({"interval_seconds": 5, "url": "http://x.y"})),      "health_check.url"),
        (json!({"name": "p", "kind": "echo", "health_check": {"interval_seconds": 5}}), "health_check"),
    ];
    for (wish, field) in cases {
        let answer = app.post("/v1/providers", wish.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{wish}");
        assert_eq!(answer.fields(), [field], "{wish}");
    }
    assert_eq!(app.get("/v1/providers").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_health_check_is_begun_kept_changed_and_ended_and_each_change_is_audited() {
    let app = TestApp::new().await;
    let made = create(&app, "p").await;
    assert_eq!(made["health_check"], json!(null), "off by default");
    let (listed, at_path) = (
        json!({"interval_seconds": 30, "path": null}),
        json!({"interval_seconds": 5, "path": "/health"}),
    );
    #[rustfmt::skip]
    let cases = [
        // edit                                               found
        (json!({"health_check": {"interval_seconds": 30}}),   listed.clone()),
        (json!({"name": "q"}),                                listed),
        (json!({"name": "p", "health_check": at_path}),       at_path),
        (json!({"health_check": null}),                       json!(null)),
    ];
    let path = format!("/v1/providers/{}", made["id"].as_str().unwrap());
    for (edit, found) in cases {
        let edited = app.patch(&path, edit.clone()).await.expect(200);
        assert_eq!(edited["health_check"], found, "{edit}");
        assert_eq!(app.get(&path).await.expect(200)["health_check"], found);
        let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
        assert_eq!(
            (&entry["action"], &entry["detail"]["health_check"]),
            (&json!("provider.edit"), &found)
        );
    }
    let with = json!({"name": "r", "kind": "openai", "health_check": {"interval_seconds": 1}});
    let made = app.post("/v1/providers", with).await.expect(201);
    assert_eq!(made["health_check"], json!({"interval_seconds": 1, "path": null}));
}

#[tokio::test]
async fn the_kind_of_a_provider_is_fixed() {
    let app = TestApp::new().await;
    create(&app, "p").await;
    let answer = app.patch("/v1/providers/p", json!({"kind": "openai"})).await;
    assert_eq!(answer.json()["errors"][0]["code"], "immutable");
}

#[tokio::test]
async fn a_name_is_taken_once_also_by_an_edit() {
    let app = TestApp::new().await;
    create(&app, "a").await;
    create(&app, "b").await;
    let wish = json!({"name": "a", "kind": "openai"});
    assert_eq!(app.post("/v1/providers", wish).await.problem(409), "name_taken");
    let edit = app.patch("/v1/providers/b", json!({"name": "a"})).await;
    assert_eq!(edit.problem(409), "name_taken");
}

#[tokio::test]
async fn pages_hold_every_provider_once_by_name() {
    let app = TestApp::new().await;
    for name in ["b", "C", "a"] {
        create(&app, name).await;
    }
    let first = app.get("/v1/providers?limit=2").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = app.get(&format!("/v1/providers?limit=2&after={next}")).await.expect(200);
    let names: Vec<&Value> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["C", "a", "b"]);
    assert_eq!((&second["has_more"], &second["next"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn a_lost_race_is_told() {
    let app = TestApp::new().await;
    create(&app, "p").await;
    let tag = app.get("/v1/providers/p").await.header("etag");
    app.pass(1);
    app.patch("/v1/providers/p", json!({"base_url": "http://won.example"})).await.expect(200);
    let edit = json!({"base_url": "http://lost.example"});
    let mut late = request(&app.admin, "PATCH /v1/providers/p", Some(edit));
    late.headers_mut().insert("if-match", tag.parse().unwrap());
    assert_eq!(app.send(late).await.problem(412), "edited_in_between");
    assert_eq!(app.get("/v1/providers/p").await.expect(200)["base_url"], "http://won.example");
}

#[tokio::test]
async fn a_provider_takes_and_lets_go_of_a_provider_key() {
    let app = TestApp::new().await;
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let wish = json!({"name": name, "value": "v"});
        ids.push(app.post("/v1/provider-keys", wish).await.expect(201)["id"].clone());
    }
    let made = app
        .post(
            "/v1/providers",
            json!({"name": "p", "kind": "openai", "provider_keys": ["two", ids[0]]}),
        )
        .await
        .expect(201);
    assert_eq!(made["provider_keys"], json!([ids[1], ids[0]]), "in the order that was given");
    let renamed = app.patch("/v1/providers/p", json!({"name": "q"})).await.expect(200);
    assert_eq!(renamed["provider_keys"], made["provider_keys"], "what an edit does not name stays");
    for (wish, expected) in [(json!([]), json!([])), (json!(["one"]), json!([ids[0]]))] {
        let edited = app.patch("/v1/providers/q", json!({"provider_keys": wish})).await.expect(200);
        assert_eq!(edited["provider_keys"], expected);
        let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
        assert_eq!(entry["action"], "provider.edit");
        assert_eq!(entry["detail"]["provider_keys"], expected);
    }
    let many = vec!["one"; 17];
    #[rustfmt::skip]
    let cases = [
        (json!(["one", "no"]),        "provider_keys[1]"),
        (json!(["one", ids[0]]),      "provider_keys[1]"),
        (json!("one"),                "provider_keys"),
        (json!(null),                 "provider_keys"),
    ];
    for (wish, field) in cases {
        let made = json!({"name": "r", "kind": "openai", "provider_keys": wish});
        let refused = app.post("/v1/providers", made).await;
        assert_eq!(refused.fields(), [field], "{}", refused.text);
    }
    let refused = app.patch("/v1/providers/q", json!({"provider_keys": many})).await;
    assert!(refused.fields().contains(&"provider_keys".to_owned()), "{}", refused.text);
}

#[tokio::test]
async fn a_provider_says_which_models_it_has_and_the_table_what_they_cost() {
    let app = TestApp::new().await;
    let secret = "sk-canary-0a1b2c3d4e5f";
    for name in ["first", "second"] {
        let key = json!({"name": name, "value": format!("{secret}-{name}")});
        app.post("/v1/provider-keys", key).await.expect(201);
    }
    let listed = r#"{"data":[{"id":"gpt-4o"},{"id":"house"}]}"#;
    let (base_url, asked) = provider_once("200 OK", listed);
    let wish = json!({
        "name": "p", "kind": "openai", "base_url": base_url, "provider_keys": ["first", "second"],
    });
    app.post("/v1/providers", wish).await.expect(201);
    let answer = app.post("/v1/providers/p/test", json!({})).await;
    assert!(!answer.text.contains(secret), "{}", answer.text);
    insta::assert_json_snapshot!(shape(answer.expect(200)));
    let asked = asked.join().unwrap();
    assert!(asked.contains(&format!("authorization: Bearer {secret}-first\r\n")), "{asked}");
    let last = &app.get("/v1/audit").await.expect(200)["data"][0];
    assert_eq!(last["action"], "provider.test");
    assert_eq!(last["detail"], json!({"name": "p", "provider_key": "first"}));

    let (base_url, asked) = provider_once("401 Nope", "{}");
    app.patch("/v1/providers/p", json!({"base_url": base_url})).await.expect(200);
    let wish = json!({"provider_key": "second"});
    let told = app.post("/v1/providers/p/test", wish).await.expect(200);
    assert_eq!((&told["works"], &told["models"]), (&json!(false), &json!([])));
    assert!(asked.join().unwrap().contains("-second\r\n"));
    let works = async |name: &str| {
        let key = app.get(&format!("/v1/provider-keys/{name}")).await.expect(200);
        key["last_test"]["works"].as_bool()
    };
    assert_eq!((works("first").await, works("second").await), (Some(true), Some(false)));
}

#[tokio::test]
async fn a_provider_without_a_key_is_asked_without_one() {
    let app = TestApp::new().await;
    let (base_url, asked) =
        provider_once("200 OK", r#"{"data":[{"id":"llama"},{"id":"gpt-5.1"}]}"#);
    let wish = json!({"name": "vllm", "kind": "openai-compatible", "base_url": base_url});
    app.post("/v1/providers", wish).await.expect(201);
    let told = app.post("/v1/providers/vllm/test", json!({})).await.expect(200);
    assert_eq!((&told["works"], &told["provider_key"]), (&json!(true), &json!(null)));
    let llama = json!({"name": "llama", "listed_price": null, "usual_price": null});
    assert_eq!((&told["models"][0], &told["models"][1]["listed_price"]), (&llama, &json!(null)));
    assert_eq!(told["models"][1]["usual_price"]["rates"]["input"], "1.25");
    assert!(!asked.join().unwrap().contains("authorization"));

    app.post("/v1/providers", json!({"name": "echo", "kind": "echo"})).await.expect(201);
    for (path, wish, field) in [
        ("/v1/providers/echo/test", json!({}), "provider"),
        ("/v1/providers/vllm/test", json!({"provider_key": "none"}), "provider_key"),
    ] {
        let answer = app.post(path, wish).await;
        assert_eq!(
            (answer.problem(400), answer.fields()),
            ("invalid_request".into(), vec![field.into()])
        );
    }
    assert_eq!(app.post("/v1/providers/x/test", json!({})).await.problem(404), "not_found");
}
