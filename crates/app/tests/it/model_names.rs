//! What models are called: names with slashes, aliases, and names of one project's own.

use serde_json::{Value, json};

use crate::program::{Program, chat};
use crate::upstream::{Script, Upstream};

#[test]
fn a_model_with_a_slash_is_shown_however_the_slash_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    for name in ["doorward/echo", "doorward%2Fecho", "doorward%2fecho"] {
        let shown = program.ask("GET", &format!("/v1/models/{name}"), program.key(), None);
        assert_eq!((shown.status, &shown.json()["id"]), (200, &"doorward/echo".into()), "{name}");
    }
    for name in ["..%2fapi-keys", "%2e%2e/api-keys", "a%2f%2fb"] {
        let refused = program.ask("GET", &format!("/v1/models/{name}"), program.key(), None);
        assert_eq!(refused.status, 400, "{name}");
    }
}

const CHAT: &str = "/v1/chat/completions";

/// What each route is asked for a model of this name, and on which path.
fn asks(model: &str) -> Vec<(String, Value)> {
    let said = json!([{"role": "user", "content": "Say hello."}]);
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    vec![
        (CHAT.to_owned(), chat(model)),
        ("/v1/responses".to_owned(), json!({"model": model, "input": "Say hello."})),
        ("/v1/inference".to_owned(), json!({"model": model, "prompt": "Say hello."})),
        ("/v1/messages".to_owned(), json!({"model": model, "max_tokens": 64, "messages": said})),
        (format!("/v1beta/models/{model}:generateContent"), contents),
    ]
}

/// A program with a model `big` that is called `latest` too, and is `up` to its provider.
struct House {
    program: Program,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let upstream = Upstream::start(Script::Chat);
        program.add_provider("mock", &upstream.address.to_string());
        let house = Self { program, upstream, _dir: dir };
        house.make(
            &json!({"name": "big", "aliases": ["latest"], "price": {"input": "1", "output": "1"},
            "deployments": [{"provider": "p-mock", "upstream_model": "up"}]}),
        );
        house
    }

    /// Makes a model and returns its name.
    fn make(&self, wish: &Value) -> String {
        let made = self.program.ask("POST", "/v1/models", &self.program.admin_key(), Some(wish));
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["name"].as_str().unwrap().to_owned()
    }

    /// The names in a list, and for each what it says beside.
    fn listed(&self, path: &str, key: &str, headers: &[(&str, String)]) -> Vec<Value> {
        let bearer = [("authorization", format!("Bearer {key}"))];
        let list = self.program.send("GET", path, &[headers, &bearer].concat(), None).json();
        let entries = list.get("data").or(list.get("models")).unwrap();
        entries.as_array().unwrap().clone()
    }
}

#[test]
fn an_alias_is_the_model_on_every_route_and_the_rules_go_by_its_own_name() {
    let House { program, upstream, _dir } = House::start();
    let key = program.make_key(&json!({"name": "narrow", "models": ["big"]}));
    for (path, body) in asks("latest") {
        let answer = program.ask("POST", &path, &key, Some(&body));
        let told = (answer.status, answer.header("x-doorward-model"));
        assert_eq!(told, (200, "big"), "{path}: {}", answer.body);
    }
    let seen = upstream.seen();
    assert!(seen.iter().all(|seen| seen.body.contains(r#""model":"up""#)), "{seen:?}");
    assert!(!seen.iter().any(|seen| seen.body.contains("latest")), "{seen:?}");
    assert_eq!(program.usage("big")["requests"], 5);
    assert_eq!(program.usage("latest"), Value::Null);

    // No alias opens a model that the key has not, and what is allowed is the model, not the alias.
    let before = upstream.seen().len();
    for models in [json!(["latest"]), json!(["lat*"]), json!([])] {
        let other = program.make_key(&json!({"name": models.to_string(), "models": models}));
        for name in ["latest", "big"] {
            let refused = program.chat(&other, name);
            assert_eq!(
                (refused.status, &refused.json()["error"]["code"]),
                (404, &json!("model_not_found"))
            );
        }
    }
    assert_eq!(upstream.seen().len(), before);

    // A limit of the model counts its calls whatever they call it.
    let limits = json!([{"model": "big", "limits": {"requests_per_hour": 2}}]);
    let limited = program.make_key(&json!({"name": "limited", "model_limits": limits}));
    let statuses =
        ["latest", "big", "latest", "big"].map(|name| program.chat(&limited, name).status);
    assert_eq!(statuses, [200, 200, 429, 429]);
    let limited = program.make_key(&json!({"name": "verified", "model_limits": limits}));
    let ask = json!({"key": limited, "model": "latest", "cost": {"requests": 1}});
    let codes: Vec<Value> = (0..3)
        .map(|_| program.ask("POST", "/v1/auth/verify", &program.admin_key(), Some(&ask)))
        .map(|told| told.json()["code"].clone())
        .collect();
    assert_eq!(codes, ["valid", "valid", "rate_limit_exceeded"]);
}

#[test]
fn a_name_that_is_the_providers_own_goes_on_untouched_and_another_one_does_not() {
    let House { program, upstream, _dir } = House::start();
    let edit = json!({"aliases": ["up", "latest"]});
    let edited = program.ask("PATCH", "/v1/models/big", &program.admin_key(), Some(&edit));
    assert_eq!(edited.status, 200, "{}", edited.body);
    for name in ["up", "big", "latest"] {
        assert_eq!(program.chat(program.key(), name).status, 200);
    }
    let sent: Vec<_> = upstream.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(sent, vec![chat("up").to_string(); 3]);
    // What is no alias any more is no model.
    let edit = json!({"aliases": []});
    program.ask("PATCH", "/v1/models/big", &program.admin_key(), Some(&edit));
    assert_eq!(program.chat(program.key(), "latest").status, 404);
}

#[test]
fn a_list_tells_aliases_where_it_has_room_to_say_what_they_are() {
    let house = House::start();
    let program = &house.program;
    let key = program.make_key(&json!({"name": "narrow", "models": ["big"]}));
    let openai = house.listed("/v1/models", &key, &[]);
    let told: Vec<_> = openai.iter().map(|entry| (&entry["id"], entry.get("alias_of"))).collect();
    assert_eq!(told, [(&json!("big"), None), (&json!("latest"), Some(&json!("big")))]);
    let version = [("anthropic-version", "2023-06-01".to_owned())];
    let anthropic = house.listed("/v1/models", &key, &version);
    assert_eq!(anthropic.iter().map(|entry| &entry["id"]).collect::<Vec<_>>(), ["big"]);
    let google = house.listed("/v1beta/models", &key, &[]);
    assert_eq!(google.iter().map(|entry| &entry["name"]).collect::<Vec<_>>(), ["models/big"]);

    let bearer = [("authorization", format!("Bearer {key}"))];
    let show = |path: &str, headers: &[(&str, String)]| {
        program.send("GET", path, &[headers, &bearer].concat(), None).json()
    };
    let shown = show("/v1/models/latest", &[]);
    assert_eq!((&shown["id"], &shown["alias_of"]), (&json!("latest"), &json!("big")));
    assert_eq!(show("/v1/models/latest", &version)["id"], "big", "as Anthropic itself has it");
    assert_eq!(show("/v1beta/models/latest", &[])["name"], "models/big");

    let other = program.make_key(&json!({"name": "other", "models": ["latest"]}));
    assert_eq!(house.listed("/v1/models", &other, &[]), [] as [Value; 0]);
    assert_eq!(program.ask("GET", "/v1/models/latest", &other, None).status, 404);
}

#[test]
fn a_projects_model_is_asked_for_and_priced_by_the_name_without_the_prefix() {
    let house = House::start();
    let House { program, upstream, .. } = &house;
    let admin = program.admin_key();
    program.add_provider_of("openai", "listed", &upstream.address.to_string(), Some("sk-listed"));
    let made = program.ask("POST", "/v1/projects", &admin, Some(&json!({"name": "web"})));
    let project = made.json()["id"].clone();
    let key = program.make_key(&json!({"name": "web", "project": project}));
    let called = |name: &str| {
        let answer = program.chat(&key, name);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body: Value = serde_json::from_str(&upstream.seen().last().unwrap().body).unwrap();
        body["model"].clone()
    };
    let mini = "gpt-4o-mini";
    // Without a price of its own: the listed one is found.
    let on = json!([{"provider": "p-listed"}]);
    let name = house.make(&json!({"name": mini, "project": project, "deployments": on}));
    assert!(name.starts_with("u-") && name.ends_with("/gpt-4o-mini"), "{name}");
    assert_eq!(called(&name), mini);
    let edit = json!({"deployments": [{"provider": "p-listed", "weight": 2}]});
    let edited = program.ask("PATCH", &format!("/v1/models/{name}"), &admin, Some(&edit));
    assert_eq!(edited.status, 200, "{}", edited.body);
    assert_eq!(edited.json()["deployments"][0]["upstream_model"], mini);
    assert_eq!(called(&name), mini);
    let full = name.replace(mini, "gpt-4o");
    let same = house.make(&json!({"name": full, "project": project, "deployments": on}));
    assert_eq!((&same, called(&full)), (&full, json!("gpt-4o")));
}

#[test]
fn a_projects_model_is_there_for_its_keys_and_for_others_as_if_it_were_not() {
    let house = House::start();
    let House { program, upstream, .. } = &house;
    let admin = program.admin_key();
    let project = |name: &str| {
        program.ask("POST", "/v1/projects", &admin, Some(&json!({"name": name}))).json()
    };
    let (web, app) = (project("web"), project("app"));
    let model = |project: &Value| {
        house.make(&json!({"name": "test", "aliases": ["newest"], "project": project["id"], "price": "free",
            "deployments": [{"provider": "p-mock", "upstream_model": "up"}]}))
    };
    let (of_web, of_app) = (model(&web), model(&app));
    assert_ne!(of_web, of_app, "each project has its own `test`");
    let key_in = |project: &Value| {
        program.make_key(&json!({"name": project["name"], "project": project["id"]}))
    };
    let (in_web, in_app) = (key_in(&web), key_in(&app));
    let newest = of_web.replace("test", "newest");

    for (path, body) in asks(&of_web).into_iter().chain(asks(&newest)) {
        let answer = program.ask("POST", &path, &in_web, Some(&body));
        let told = (answer.status, answer.header("x-doorward-model"));
        assert_eq!(told, (200, &*of_web), "{path}: {}", answer.body);
    }
    let before = upstream.seen().len();
    let nobodys = of_web.replace("test", "nobodys");
    for name in [&of_web, &newest] {
        for ((path, body), (no_path, no_body)) in asks(name).into_iter().zip(asks(&nobodys)) {
            for other in [&in_app, &program.key().to_owned()] {
                let refused = program.ask("POST", &path, other, Some(&body));
                let unknown = program.ask("POST", &no_path, other, Some(&no_body));
                assert_eq!(
                    (refused.status, unknown.status),
                    (404, 404),
                    "{path}: {}",
                    refused.body
                );
                let mut bodies = [refused, unknown].map(|answer| {
                    let id = answer.header("x-request-id").to_owned();
                    answer.body.replace(&id, "ID")
                });
                bodies[0] = bodies[0].replace(name.as_str(), &nobodys);
                assert_eq!(bodies[0], bodies[1], "{path}");
            }
        }
        let shown = |key: &str| program.ask("GET", &format!("/v1/models/{name}"), key, None).status;
        assert_eq!((shown(&in_web), shown(&in_app)), (200, 404), "{name}");
        let ask = |key: &str| {
            let ask = json!({"key": key, "model": name});
            program.ask("POST", "/v1/auth/verify", &admin, Some(&ask)).json()["code"].clone()
        };
        assert_eq!((ask(&in_web), ask(&in_app)), (json!("valid"), json!("model_not_found")));
    }
    assert_eq!(upstream.seen().len(), before, "nothing of it reaches the provider");

    let has = |key: &str, path: &str| {
        let list = house.listed(path, key, &[]);
        list.iter().any(|entry| entry.to_string().contains(&of_web))
    };
    for path in ["/v1/models", "/v1beta/models"] {
        assert_eq!((has(&in_web, path), has(&in_app, path)), (true, false), "{path}");
    }
}
