//! Why a key was refused, the orders of the list of keys, and the models that keys may call.

use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, only};

fn names(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_key_that_is_refused_here_is_counted_with_the_reason() {
    let app = TestApp::new().await;
    let made = app.post("/v1/api-keys", json!({"name": "reader", "scopes": ["keys:read"]})).await;
    let made = made.expect(201);
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let path = format!("/v1/api-keys/{id}/denials");
    assert_eq!(app.get(&path).await.expect(200)["data"], json!([]));
    for _ in 0..3 {
        app.call(key, "GET /v1/users", None).await.expect(403);
    }
    let told = app.get(&path).await.expect(200);
    let denial = &told["data"][0];
    assert_eq!((&denial["code"], &denial["times"]), (&json!("insufficient_scope"), &json!(3)));
    assert_eq!(told["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn keys_are_listed_in_the_order_that_is_asked_for() {
    let app = TestApp::new().await;
    for (name, days) in [("Beta", 5), ("alpha", 9), ("gamma", 1)] {
        app.post("/v1/api-keys", json!({"name": name, "expires_in_days": days})).await.expect(201);
        app.pass(1);
    }
    #[rustfmt::skip]
    let cases = [
        ("name",     ["alpha", "Beta", "gamma"]),
        ("-name",    ["gamma", "Beta", "alpha"]),
        ("created",  ["Beta", "alpha", "gamma"]),
        ("-created", ["gamma", "alpha", "Beta"]),
        ("expires",  ["gamma", "Beta", "alpha"]),
    ];
    for (sort, expected) in cases {
        let path = format!("/v1/api-keys?q=a&limit=1&sort={sort}");
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}{after}")).await.expect(200);
            seen.extend(names(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        seen.retain(|name| expected.contains(&name.as_str()));
        assert_eq!(seen, expected, "{sort}");
    }
    let page = app.get("/v1/api-keys?limit=1&sort=name").await.expect(200);
    let after = page["next"].as_str().unwrap();
    for (query, field) in
        [("sort=colour".to_owned(), "sort"), (format!("sort=expires&after={after}"), "after")]
    {
        let refused = app.get(&format!("/v1/api-keys?{query}")).await.expect(400);
        assert_eq!(refused["errors"][0]["field"], field, "{query}");
    }
}

#[tokio::test]
async fn the_models_of_a_key_are_those_of_its_patterns_and_project() {
    let app = TestApp::new().await;
    app.post("/v1/providers", json!({"name": "echo", "kind": "echo"})).await.expect(201);
    let project = app.post("/v1/projects", json!({"name": "search"})).await.expect(201);
    for (name, of) in [("gpt-a", None), ("gpt-b", None), ("own", Some(&project["id"]))] {
        let on = [json!({"provider": "echo"})];
        let wish = json!({"name": name, "price": "free", "deployments": on, "project": of});
        app.post("/v1/models", wish).await.expect(201);
    }
    let wish = json!({"name": "a", "models": ["gpt-a"]});
    let narrow = app.post("/v1/api-keys", wish).await.expect(201);
    let wish = json!({"name": "b", "project": "search"});
    let of_project = app.post("/v1/api-keys", wish).await.expect(201);
    let of = async |query: &str| {
        let page = app.get(&format!("/v1/allowed-models?{query}")).await.expect(200);
        let names = names(&page);
        let own = names.iter().filter(|name| name.starts_with("u-")).count();
        (names.len() - own, own)
    };
    assert_eq!(of("").await, (2, 1), "an administrator sees all");
    assert_eq!(of(&format!("project={}", project["id"].as_str().unwrap())).await, (2, 1));
    assert_eq!(of(&format!("project={}", app.first.project)).await, (2, 0));
    assert_eq!(of(&format!("api_key={}", narrow["id"].as_str().unwrap())).await, (1, 0));
    assert_eq!(of(&format!("api_key={}", of_project["id"].as_str().unwrap())).await, (2, 1));
    app.get("/v1/allowed-models?api_key=dw_0000000000000000").await.expect(404);
    let found = app.get("/v1/allowed-models?q=pt-b").await.expect(200);
    assert_eq!((names(&found), &found["data"][0]["price"]), (vec!["gpt-b"], &json!("free")));

    let rights = Rights {
        models: ModelRule::Only(vec!["gpt-b".parse().unwrap()]),
        ..only(&[Scope::KeysRead])
    };
    let member = app.user("member", OrganizationRole::Member).await;
    let (_, reader) = app.key(member, "reader", rights).await;
    let page = app.call(&reader, "GET /v1/allowed-models", None).await.expect(200);
    assert_eq!(names(&page), ["gpt-b"], "of the key that asks, and no project of others");
}
