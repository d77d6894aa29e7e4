//! What models are called besides their names, and models that belong to a project.

use doorward_domain::key::Owner;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, only};

async fn app_with_echo() -> TestApp {
    let app = TestApp::new().await;
    app.post("/v1/providers", json!({"name": "echo", "kind": "echo"})).await.expect(201);
    app
}

fn wish(name: &str, aliases: &Value) -> Value {
    let on = [json!({"provider": "echo"})];
    json!({"name": name, "aliases": aliases, "price": "free", "deployments": on})
}

#[tokio::test]
async fn aliases_are_given_kept_replaced_and_taken_away_and_each_change_is_audited() {
    let app = app_with_echo().await;
    let made = app.post("/v1/models", wish("m", &json!(["z", "a/b"]))).await.expect(201);
    assert_eq!((&made["aliases"], &made["project"]), (&json!(["z", "a/b"]), &json!(null)));
    #[rustfmt::skip]
    let cases = [
        // edit                                        found
        (json!({"output_tokens_max": 9}),              json!(["z", "a/b"])),
        (json!({"aliases": ["a/b", "new"]}),           json!(["a/b", "new"])),
        (json!({"aliases": []}),                       json!([])),
    ];
    for (edit, found) in cases {
        let edited = app.patch("/v1/models/m", edit.clone()).await.expect(200);
        assert_eq!(edited["aliases"], found, "{edit}");
        assert_eq!(app.get("/v1/models/m?view=routes").await.expect(200), edited);
        let entry = app.get("/v1/audit?limit=1").await.expect(200)["data"][0].clone();
        assert_eq!((&entry["action"], &entry["detail"]["aliases"]), (&json!("model.edit"), &found));
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_by_its_field_whoever_has_it() {
    let app = app_with_echo().await;
    app.post("/v1/models", wish("m", &json!(["alias"]))).await.expect(201);
    app.post("/v1/models", wish("other", &json!([]))).await.expect(201);
    for (name, aliases, field) in [
        ("alias", json!([]), "name"),
        ("n", json!(["m"]), "aliases"),
        ("n", json!(["alias"]), "aliases"),
    ] {
        let refused = app.post("/v1/models", wish(name, &aliases)).await;
        assert_eq!(refused.problem(409), "name_taken", "{name} {aliases}");
        assert_eq!(refused.fields(), [field], "{name} {aliases}");
    }
    for aliases in [json!(["m"]), json!(["alias"])] {
        let refused = app.patch("/v1/models/other", json!({"aliases": aliases})).await;
        assert_eq!(
            (refused.problem(409), refused.fields()),
            ("name_taken".into(), vec!["aliases".into()])
        );
    }
    let many: Vec<String> = (0..17).map(|n| format!("alias-{n}")).collect();
    #[rustfmt::skip]
    let cases = [
        (json!(["n"]),              "aliases[0]", "duplicate"),
        (json!(["a", "b", "a"]),    "aliases[2]", "duplicate"),
        (json!(["a", "gpt-*"]),     "aliases[1]", "invalid"),
        (json!([""]),               "aliases[0]", "invalid"),
        (json!(["a b"]),            "aliases[0]", "invalid"),
        (json!(["a//b"]),           "aliases[0]", "invalid"),
        (json!(["x".repeat(201)]),  "aliases[0]", "invalid"),
        (json!(many),               "aliases",    "too_long"),
    ];
    for (aliases, field, code) in cases {
        let refused = app.post("/v1/models", wish("n", &aliases)).await;
        assert_eq!(refused.problem(400), "invalid_request", "{aliases}");
        assert_eq!(refused.fields(), [field], "{aliases}");
        assert_eq!(refused.json()["errors"][0]["code"], code, "{aliases}");
    }
}

#[tokio::test]
async fn a_projects_model_has_its_prefix_and_keeps_its_project() {
    let app = app_with_echo().await;
    let web = app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let prefix = web["model_prefix"].as_str().unwrap();
    let in_project = |name: &str, project: &Value| {
        let mut wish = wish(name, &json!(["latest"]));
        wish["project"] = project.clone();
        wish
    };
    let made = app.post("/v1/models", in_project("test", &json!("web"))).await.expect(201);
    let name = format!("{prefix}test");
    assert!(name.len() == 19 && name.starts_with("u-"), "{name}");
    assert_eq!(
        (&made["name"], &made["project"], &made["aliases"]),
        (&json!(name), &web["id"], &json!([format!("{prefix}latest")]))
    );
    assert_eq!(app.get(&format!("/v1/models/{name}?view=routes")).await.expect(200), made);
    assert_eq!(app.get("/v1/models?view=routes").await.expect(200)["data"], json!([made]));
    let again = app.post("/v1/models", in_project(&name, &web["id"])).await;
    assert_eq!((again.problem(409), again.fields()), ("name_taken".into(), vec!["name".into()]));

    let edited = app.patch(&format!("/v1/models/{name}"), json!({"aliases": ["next"]})).await;
    assert_eq!(edited.expect(200)["aliases"], json!([format!("{prefix}next")]));
    let moved = app.patch(&format!("/v1/models/{name}"), json!({"project": "default"})).await;
    assert_eq!(
        (moved.fields(), &moved.json()["errors"][0]["code"]),
        (vec!["project".into()], &json!("immutable"))
    );
    let nowhere = app.post("/v1/models", in_project("n", &json!("nowhere"))).await;
    assert_eq!(
        (nowhere.problem(400), nowhere.fields()),
        ("invalid_request".into(), vec!["project".into()])
    );
    let long = app.post("/v1/models", in_project(&"x".repeat(186), &json!("web"))).await;
    assert_eq!((long.problem(400), long.fields()), ("invalid_request".into(), vec!["name".into()]));

    let kept = app.delete("/v1/projects/web").await;
    assert_eq!(kept.problem(409), "in_use");
    assert!(
        kept.json()["detail"].as_str().unwrap().contains(&format!("the model {name}")),
        "{}",
        kept.text
    );
    app.delete(&format!("/v1/models/{name}")).await.expect(204);
    app.delete("/v1/projects/web").await.expect(204);
}

#[tokio::test]
async fn an_explanation_goes_by_the_models_own_name_and_by_the_keys_project() {
    let app = app_with_echo().await;
    for (name, alias) in [("gpt-4o", "latest"), ("claude", "gpt-claude")] {
        app.post("/v1/models", wish(name, &json!([alias]))).await.expect(201);
    }
    let web = app.post("/v1/projects", json!({"name": "web"})).await.expect(201);
    let mut of_web = wish("own", &json!([]));
    of_web["project"] = "web".into();
    let own = app.post("/v1/models", of_web).await.expect(201)["name"].clone();
    let patterns = vec!["gpt-*".parse().unwrap(), "u-*".parse().unwrap()];
    let rights = Rights { models: ModelRule::Only(patterns), ..only(&[Scope::InferenceWrite]) };
    let (key, _) = app.key(Owner::User(app.first.administrator), "narrow", rights).await;
    let of_web = json!({"name": "w", "project": web["id"], "models": ["u-*"]});
    let of_web = app.post("/v1/api-keys", of_web).await.expect(201)["id"].clone();
    let (narrow, of_web) = (key.id.to_string(), of_web.as_str().unwrap().to_owned());
    #[rustfmt::skip]
    let cases = [
        // key     asked                  allowed  rule
        (&narrow,  json!("gpt-4o"),       true,    "the pattern gpt-*".to_owned()),
        (&narrow,  json!("latest"),       true,    "the pattern gpt-*; latest is an alias of gpt-4o".to_owned()),
        (&narrow,  json!("gpt-claude"),   false,   "no pattern of the key means it".to_owned()),
        (&narrow,  own.clone(),           false,   "there is no such model".to_owned()),
        (&of_web,  own,                   true,    "the pattern u-*".to_owned()),
    ];
    for (key, asked, is_allowed, rule) in cases {
        let path = format!("/v1/api-keys/{key}/explain");
        let told = app.post(&path, json!({"model": asked})).await.expect(200);
        let checks = told["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["check"] == "model").unwrap();
        assert_eq!(
            (&check["passed"], &check["rule"]),
            (&json!(is_allowed), &json!(rule)),
            "{asked}"
        );
    }
}
