//! `/v1/models` as administrators see them.

use std::collections::HashMap;

use doorward_domain::health::Reason;
use doorward_store::Boards;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, shape};

async fn app_with_providers() -> TestApp {
    let app = TestApp::new().await;
    for kind in ["openai", "echo"] {
        app.post("/v1/providers", json!({"name": kind, "kind": kind})).await.expect(201);
    }
    let key = json!({"name": "main", "value": "sk-0123456789abcdef"});
    app.post("/v1/provider-keys", key).await.expect(201);
    app
}

async fn create(app: &TestApp, name: &str, price: Value) -> Answer {
    let wish = json!({"name": name, "price": price, "deployments": [{"provider": "openai"}]});
    app.post("/v1/models", wish).await
}

#[tokio::test]
async fn a_model_has_its_defaults_filled_in() {
    let app = app_with_providers().await;
    let wish = json!({
        "name": "gpt-4o-mini",
        "output_tokens_max": 16_384,
        "deployments": [
            {"provider": "openai", "provider_key": "main"},
            {"provider": "openai", "upstream_model": "gpt-4o", "weight": 3, "priority": 1},
        ],
    });
    let made = app.post("/v1/models", wish).await.expect(201);
    insta::assert_json_snapshot!(shape(made.clone()));
    assert_eq!(app.get("/v1/models/gpt-4o-mini?view=routes").await.expect(200), made);
    let list = app.get("/v1/models?view=routes").await.expect(200);
    assert_eq!(list["data"], json!([made]));
}

#[tokio::test]
async fn names_with_slashes_work_plain_and_encoded() {
    let app = app_with_providers().await;
    let wish =
        json!({"name": "doorward/echo", "price": "free", "deployments": [{"provider": "echo"}]});
    let mut model = app.post("/v1/models", wish).await.expect(201);
    for path in ["/v1/models/doorward/echo", "/v1/models/doorward%2Fecho"] {
        assert_eq!(app.get(&format!("{path}?view=routes")).await.expect(200), model);
        model = app.patch(path, json!({"output_tokens_max": 100})).await.expect(200);
    }
    app.delete("/v1/models/doorward%2Fecho").await.expect(204);
    assert_eq!(app.delete("/v1/models/doorward/echo").await.problem(404), "not_found");
}

#[tokio::test]
async fn without_the_view_the_path_is_not_served_here() {
    let app = app_with_providers().await;
    for path in ["/v1/models", "/v1/models/x", "/v1/models?view=calls"] {
        let answer = app.get(path).await;
        assert_eq!(answer.problem(400), "invalid_request", "{path}");
        assert_eq!(answer.fields(), ["view"], "{path}");
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_with_the_way_to_set_one() {
    let app = app_with_providers().await;
    let refused = create(&app, "house-model", json!("listed")).await;
    assert_eq!(refused.problem(400), "model_not_priced");
    insta::assert_json_snapshot!(refused.json());
    assert_eq!(app.get("/v1/models?view=routes").await.expect(200)["data"], json!([]));

    create(&app, "house-model", json!("free")).await.expect(201);
    let priced = create(&app, "priced", json!({"input": "0.15", "output": 0.6})).await.expect(201);
    assert_eq!(priced["price"], json!({"input": "0.15", "output": "0.60"}));
    let edit = app.patch("/v1/models/priced", json!({"price": "listed"})).await;
    assert_eq!(edit.problem(400), "model_not_priced");
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_keeps_known_deployments() {
    let app = app_with_providers().await;
    let made = create(&app, "gpt-4o-mini", json!("listed")).await.expect(201);
    app.pass(1);
    let path = "/v1/models/gpt-4o-mini";
    let priced = app.patch(path, json!({"price": "free"})).await.expect(200);
    assert_eq!(priced["price"], "free");
    assert_eq!(priced["deployments"], made["deployments"]);
    let deployments = json!([{"provider": "openai", "weight": 2}, {"provider": "echo"}]);
    let edited = app.patch(path, json!({"deployments": deployments})).await.expect(200);
    assert_eq!(edited["deployments"][0]["id"], made["deployments"][0]["id"]);
    assert_eq!(edited["deployments"][0]["weight"], 2);
    assert_eq!(app.get(&format!("{path}?view=routes")).await.expect(200), edited);
    let renamed = app.patch(path, json!({"name": "x"})).await;
    assert_eq!(renamed.json()["errors"][0]["code"], "immutable");
}

#[tokio::test]
async fn a_bad_model_is_refused_by_the_field_at_fault() {
    let app = app_with_providers().await;
    let by = |deployment: Value| json!({"name": "m", "price": "free", "deployments": [deployment]});
    let named =
        |name: &str| json!({"name": name, "price": "free", "deployments": [{"provider": "echo"}]});
    let max = |max: Value| {
        let mut wish = named("m");
        wish["output_tokens_max"] = max;
        wish
    };
    #[rustfmt::skip]
    let cases = [
        (named("a;b"),                                                               "name"),
        (named("a\\b"),                                                              "name"),
        (named("a//b"),                                                              "name"),
        (named("/a"),                                                                "name"),
        (named("a/../b"),                                                            "name"),
        (json!({"name": "m", "price": "free"}),                                      "deployments"),
        (json!({"name": "m", "price": "free", "deployments": []}),                   "deployments"),
        (json!({"name": "m", "price": "gratis", "deployments": []}),                 "price"),
        (json!({"name": "m", "price": {"input": "1"}, "deployments": []}),           "price.output"),
        (json!({"name": "m", "price": {"input": "-1", "output": "1"}, "deployments": []}), "price.input"),
        (json!({"name": "m", "price": {"input": 1e30, "output": "1"}, "deployments": []}), "price.input"),
        (named("a b"),                                                               "name"),
        (named("*"),                                                                 "name"),
        (named(""),                                                                  "name"),
        (named("мodel"),                                                             "name"),
        (named(&"x".repeat(201)),                                                    "name"),
        (max(json!(0)),                                                              "output_tokens_max"),
        (max(json!("100")),                                                          "output_tokens_max"),
        (max(json!(u64::MAX)),                                                       "output_tokens_max"),
        (by(json!({"provider": "nobody"})),                                          "deployments[0].provider"),
        (by(json!({"provider": "echo", "provider_key": "nothing"})),                 "deployments[0].provider_key"),
        (by(json!({"provider": "echo", "weight": 0})),                               "deployments[0].weight"),
        (by(json!({"provider": "echo", "priority": -1})),                            "deployments[0].priority"),
        (by(json!({"provider": "echo", "upstream_model": "a b"})),                   "deployments[0].upstream_model"),
        (by(json!({"provider": "echo", "region": "eu"})),                            "deployments[0].region"),
    ];
    for (wish, field) in cases {
        let answer = app.post("/v1/models", wish.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{wish}");
        assert_eq!(answer.fields(), [field], "{wish}");
    }
    assert_eq!(app.get("/v1/models?view=routes").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_deployment_is_named_once() {
    let app = app_with_providers().await;
    let id = app.get("/v1/providers/openai").await.expect(200)["id"].clone();
    let distinct = json!([
        {"provider": "openai"},
        {"provider": "openai", "provider_key": "main"},
        {"provider": "openai", "upstream_model": "other"},
        {"provider": "echo"},
    ]);
    let wish = json!({"name": "m", "price": "free", "deployments": distinct});
    app.post("/v1/models", wish).await.expect(201);
    let twice = json!([
        {"provider": "openai", "upstream_model": "m", "weight": 2},
        {"provider": "echo"},
        {"provider": id, "upstream_model": "m", "priority": 1},
    ]);
    for mut wish in [json!({"name": "n", "price": "free"}), json!({})] {
        wish["deployments"] = twice.clone();
        let answer = if wish["name"].is_null() {
            app.patch("/v1/models/m", wish).await
        } else {
            app.post("/v1/models", wish).await
        };
        assert_eq!(answer.problem(400), "invalid_request");
        assert_eq!(answer.fields(), ["deployments[2]"]);
        assert_eq!(answer.json()["errors"][0]["code"], "duplicate");
    }
}

#[tokio::test]
async fn what_a_model_uses_cannot_be_deleted() {
    let app = app_with_providers().await;
    let deployments = json!([{"provider": "openai", "provider_key": "main"}]);
    let wish = json!({"name": "m", "price": "free", "deployments": deployments});
    app.post("/v1/models", wish).await.expect(201);
    for path in ["/v1/providers/openai", "/v1/provider-keys/main"] {
        let refused = app.delete(path).await;
        assert_eq!(refused.problem(409), "in_use", "{path}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("by m"), "{}", refused.text);
    }
    app.delete("/v1/models/m").await.expect(204);
    app.delete("/v1/providers/openai").await.expect(204);
    app.delete("/v1/provider-keys/main").await.expect(204);
}

#[tokio::test]
async fn a_name_is_taken_once_and_pages_hold_every_model_once() {
    let app = app_with_providers().await;
    for name in ["c", "a", "b"] {
        create(&app, name, json!("free")).await.expect(201);
    }
    assert_eq!(create(&app, "a", json!("free")).await.problem(409), "name_taken");
    let first = app.get("/v1/models?view=routes&limit=2").await.expect(200);
    assert_eq!((&first["has_more"], &first["next"]), (&json!(true), &json!("b")));
    let second = app.get("/v1/models?view=routes&limit=2&after=b").await.expect(200);
    assert_eq!(second["data"][0]["name"], "c");
    assert_eq!(second["has_more"], false);
}

#[tokio::test]
async fn a_deployment_keeps_its_state_until_it_is_named_and_each_change_is_audited() {
    let app = app_with_providers().await;
    let on = |states: [Value; 2]| {
        let [openai, echo] = states;
        let mut wish = json!([{"provider": "openai"}, {"provider": "echo"}]);
        for (index, state) in [openai, echo].into_iter().enumerate() {
            if !state.is_null() {
                wish[index]["state"] = state;
            }
        }
        wish
    };
    let states = |model: &Value| {
        let of = |index: usize| model["deployments"][index]["state"].as_str().unwrap().to_owned();
        [of(0), of(1)]
    };
    let wish =
        json!({"name": "m", "price": "free", "deployments": on([json!(null), json!("draining")])});
    let made = app.post("/v1/models", wish).await.expect(201);
    assert_eq!(
        (states(&made), &made["routing"]),
        (["active".into(), "draining".into()], &json!("weighted"))
    );
    #[rustfmt::skip]
    let cases = [
        // wish                              found
        ([json!("disabled"), json!(null)],   ["disabled", "draining"]),
        ([json!(null), json!(null)],         ["disabled", "draining"]),
        ([json!("active"), json!("active")], ["active", "active"]),
    ];
    for (wish, expected) in cases {
        let edited = app.patch("/v1/models/m", json!({"deployments": on(wish)})).await.expect(200);
        assert_eq!(states(&edited), expected);
        assert_eq!(edited["deployments"][0]["id"], made["deployments"][0]["id"]);
        let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
        let audited = &entry["detail"]["deployments"];
        assert_eq!(entry["action"], "model.edit");
        assert_eq!([&audited[0]["state"], &audited[1]["state"]], expected);
    }
    let routed = app.patch("/v1/models/m", json!({"routing": "least_latency"})).await.expect(200);
    assert_eq!(routed["routing"], "least_latency");
    let kept = app.patch("/v1/models/m", json!({"output_tokens_max": 9})).await.expect(200);
    assert_eq!(kept["routing"], "least_latency");
    for (wish, field) in [
        (json!({"routing": "fastest"}), "routing"),
        (json!({"deployments": on([json!("off"), json!(null)])}), "deployments[0].state"),
    ] {
        let refused = app.patch("/v1/models/m", wish).await;
        assert_eq!(refused.fields(), [field], "{}", refused.text);
    }
}

#[tokio::test]
async fn models_are_found_by_a_part_of_their_names_and_by_their_provider() {
    let app = app_with_providers().await;
    create(&app, "gpt-4o-mini", json!("listed")).await.expect(201);
    let echo = json!({
        "name": "doorward/echo", "aliases": ["mini"], "price": "free",
        "deployments": [{"provider": "echo"}],
    });
    app.post("/v1/models", echo).await.expect(201);
    let id = app.get("/v1/providers/echo").await.expect(200)["id"].as_str().unwrap().to_owned();
    #[rustfmt::skip]
    let cases = [
        ("q=MINI".to_owned(),               vec!["doorward/echo", "gpt-4o-mini"]),
        ("q=gpt".to_owned(),                vec!["gpt-4o-mini"]),
        (format!("provider={id}"),          vec!["doorward/echo"]),
        (format!("provider={id}&q=gpt"),    vec![]),
    ];
    for (query, expected) in cases {
        let list = app.get(&format!("/v1/models?view=routes&{query}")).await.expect(200);
        let rows = list["data"].as_array().unwrap();
        let names: Vec<&Value> = rows.iter().map(|row| &row["name"]).collect();
        assert_eq!(names, expected, "{query}");
    }
    for query in ["provider=echo", "provider="] {
        let answer = app.get(&format!("/v1/models?view=routes&{query}")).await;
        assert_eq!(answer.fields(), ["provider"], "{query}");
    }
}

#[tokio::test]
async fn a_deployment_tells_how_it_is_as_far_as_the_gateway_calls_it() {
    let app = app_with_providers().await;
    let model = create(&app, "gpt-4o-mini", json!("listed")).await.expect(201);
    assert_eq!(model["deployments"][0]["health"], json!(null), "nobody has said anything");
    let id = model["deployments"][0]["id"].as_str().unwrap().parse().unwrap();
    let health = async || {
        let model = app.get("/v1/models/gpt-4o-mini?view=routes").await.expect(200);
        model["deployments"][0]["health"].clone()
    };
    let now_us = app.store.clock().monotonic_us();
    let boards = Boards::default();
    boards.calls.knows();
    boards.calls.rests(now_us, now_us + 30_000_000, Reason::Failures);
    app.store.tell_health(HashMap::from([(id, boards)]));
    let resting = json!([{
        "reason": "failures", "provider_key": null,
        "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:30Z",
    }]);
    assert_eq!(health().await, json!({"state": "open", "is_known": true, "resting": resting}));
    app.pass(30);
    assert_eq!(health().await, json!({"state": "half_open", "is_known": true, "resting": resting}));
    let list = app.get("/v1/models?view=routes").await.expect(200);
    assert_eq!(list["data"][0]["deployments"][0]["health"]["state"], "half_open");
    let drained = json!({"deployments": [{"provider": "openai", "state": "draining"}]});
    let edited = app.patch("/v1/models/gpt-4o-mini", drained).await.expect(200);
    assert_eq!(edited["deployments"][0]["health"], json!(null));
}
