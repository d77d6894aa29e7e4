//! What belongs to somebody else is answered as if it did not exist, on every route that names
//! something in its path: the description is walked, so a new route without a sample fails here.

use doorward_control::{Access, Policy, openapi_json, policies};
use doorward_domain::credential::PlainKey;
use doorward_domain::id::{CallId, DeploymentId, OrganizationId, ProjectId, ProviderId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::price::Price;
use doorward_domain::prompts::PromptPolicy;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;
use doorward_store::{Bootstrap, CallRequest, NewKey, PromptRecord};
use http::HeaderMap;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::app::{Answer, TestApp, all_rights};

/// One organization, and a key of its owner.
struct Tenant {
    key: String,
    /// A session of the owner, for what only people do.
    session: String,
    /// Its name.
    name: &'static str,
    first: Bootstrap,
}

/// The owner's password.
const PASSWORD: &str = "a strange engine 42";

impl Tenant {
    /// Gives the owner an address and a password, and signs them in.
    async fn new(app: &TestApp, name: &'static str, key: String, first: Bootstrap) -> Self {
        let admin = format!("/v1/users/{}", first.administrator);
        let with_address = json!({ "email": "owner@example.com" });
        app.call(&key, &format!("PATCH {admin}"), Some(with_address)).await.expect(200);
        let link = app.call(&key, &format!("POST {admin}/invitation"), None).await.expect(201);
        let accept = json!({ "token": link["token"], "password": PASSWORD });
        app.open("POST /v1/invitations/accept", accept).await.expect(204);
        let mut tenant = Self { key, session: String::new(), name, first };
        tenant.session = tenant.sign_in(app).await["token"].as_str().unwrap().to_owned();
        tenant
    }

    async fn sign_in(&self, app: &TestApp) -> Value {
        let (email, password, organization) = ("owner@example.com", PASSWORD, self.name);
        let who = json!({ "email": email, "password": password, "organization": organization });
        app.open("POST /v1/sessions", who).await.expect(201)
    }

    /// What it shows where it asks for something.
    fn credential(&self, method: &str, path: &str) -> &str {
        let mut policies = policies();
        let is_it = |one: &Policy| one.method == method && one.path.replace("{*", "{") == path;
        match policies.find(is_it).unwrap().access {
            Access::SignedIn => &self.session,
            Access::Scope(_) | Access::Holder | Access::Public => &self.key,
        }
    }
}

/// What a route names: its id, and its name where it has one.
#[derive(Clone)]
struct Named {
    id: String,
    name: Option<String>,
}

/// Makes things of each kind, each under a name of its own.
struct Makers<'a> {
    app: &'a TestApp,
    count: u32,
}

impl Makers<'_> {
    async fn post(&self, tenant: &Tenant, path: &str, body: Value) -> Value {
        self.app.call(&tenant.key, &format!("POST {path}"), Some(body)).await.expect(201)
    }

    /// A notice comes of something else: here, of a webhook that is tested.
    async fn notice(&self, tenant: &Tenant) -> Named {
        let name = format!("hook-{}", self.count);
        let hook = json!({ "name": name, "url": "https://hooks.example.com/" });
        self.post(tenant, "/v1/webhooks", hook).await;
        let test = format!("POST /v1/webhooks/{name}/test");
        let notice = self.app.call(&tenant.key, &test, None).await.expect(202);
        Named { id: notice["id"].as_str().unwrap().to_owned(), name: None }
    }

    /// A limit increase is of a key.
    async fn increase(&self, tenant: &Tenant) -> Named {
        let name = format!("limited-{}", self.count);
        let limit = |most: u32| json!({ "concurrency": most });
        let key = json!({ "name": name, "limits": limit(1) });
        let key = self.post(tenant, "/v1/api-keys", key).await;
        let wish = json!({ "api_key": key["id"], "limits": limit(2), "reason": "more to do" });
        let made = self.post(tenant, "/v1/limit-increases", wish).await;
        Named { id: made["id"].as_str().unwrap().to_owned(), name: None }
    }

    /// A call whose project keeps what was asked and answered.
    async fn call(&self, tenant: &Tenant) -> Named {
        let policy = PromptPolicy { retention_days: 30.try_into().unwrap(), redact: true };
        let patch = "PATCH /v1/projects/default";
        let wish = json!({ "prompts": policy });
        self.app.call(&tenant.key, patch, Some(wish)).await.expect(200);
        let call = CallId::new(u64::from(self.count), 1);
        self.app.store.keep_prompt(PromptRecord {
            call,
            organization: tenant.first.organization,
            project: tenant.first.project,
            policy,
            at: self.app.now(),
            request: None,
            answer: None,
        });
        self.book(tenant, call).await;
        Named { id: call.to_string(), name: None }
    }

    /// The call itself, with the tenant's own key.
    async fn book(&self, tenant: &Tenant, call: CallId) {
        let key = PlainKey::parse(tenant.key.as_bytes()).unwrap();
        let loaded = self.app.store.call_key(&key.id()).await.unwrap().unwrap();
        let request = CallRequest {
            call,
            secret: SecretNumber::FIRST,
            model: &"m".into(),
            provider: ProviderId::new(1, 1),
            deployment: DeploymentId::new(1, 1),
            price: &Price::FREE,
            most: Usage::of_tokens(1, 1),
            fixed_output_tokens: 0,
            average: None,
            address: [192, 0, 2, 7].into(),
        };
        drop(self.app.store.admit(&loaded, &request).unwrap().unwrap());
    }

    /// Something of the kind that lies under this segment of the path.
    async fn make(&mut self, tenant: &Tenant, noun: &str) -> Named {
        self.count += 1;
        let name = format!("thing-{}", self.count);
        let path = format!("/v1/{noun}");
        let body = match noun {
            "api-keys" | "service-accounts" => json!({ "name": name }),
            "projects" => json!({ "name": name, "limits": { "concurrency": 1 } }),
            "providers" => {
                json!({ "name": name, "kind": "openai", "base_url": "http://127.0.0.1:1/v1" })
            }
            "provider-keys" => json!({ "name": name, "value": "sk-0123456789abcdef" }),
            "users" => {
                let email = format!("{name}@example.com");
                let limits = json!({ "concurrency": 1 });
                json!({ "name": name, "role": "member", "email": email, "limits": limits })
            }
            "webhooks" => json!({ "name": name, "url": "https://hooks.example.com/" }),
            "notices" => return self.notice(tenant).await,
            "calls" => return self.call(tenant).await,
            "limit-increases" => return self.increase(tenant).await,
            "sessions" => {
                let session = tenant.sign_in(self.app).await;
                return Named { id: session["id"].as_str().unwrap().to_owned(), name: None };
            }
            "models" => {
                let provider = format!("p-{name}");
                let echo = json!({ "name": provider, "kind": "echo" });
                self.post(tenant, "/v1/providers", echo).await;
                json!({ "name": name, "price": "free", "deployments": [{ "provider": provider }] })
            }
            other => panic!("no sample of /v1/{other}: add one to this test"),
        };
        let made = self.post(tenant, &path, body).await;
        match (noun, made["id"].as_str()) {
            ("models", _) => Named { id: name, name: None },
            ("api-keys", Some(id)) => Named { id: id.to_owned(), name: None },
            (_, id) => Named { id: id.unwrap().to_owned(), name: Some(name) },
        }
    }
}

/// A well-formed id of the same kind that nothing has.
fn random_like(id: &str) -> String {
    let kept = id.len() - 8;
    assert!(id.is_char_boundary(kept));
    if id.contains('_') { format!("{}00000000", &id[..kept]) } else { format!("{id}-not") }
}

/// What routes take: a change that does nothing, where it is one.
fn body(method: &str, path: &str) -> Option<Value> {
    match (method, path.rsplit('/').next().unwrap()) {
        ("PUT", "{user}") => Some(json!({ "role": "viewer" })),
        ("POST", "increase") => Some(json!({ "limits": { "concurrency": 2 }, "ends_in_days": 1 })),
        ("PATCH", _) => Some(json!({})),
        ("PUT", other) => panic!("no sample of a body for PUT …/{other}: add one to this test"),
        _ => None,
    }
}

/// The operations whose path has parameters.
fn operations() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if path.contains('{') {
            let methods = item.as_object().unwrap().keys();
            found.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
        }
    }
    found
}

fn noun(path: &str) -> &str {
    path.split('/').nth(2).unwrap()
}

/// Whether what was asked for is there: done, or refused for what it lacks.
fn is_found(path: &str, status: u16, text: &str) -> bool {
    match path {
        "/v1/users/{id}/second-factor" => text.contains("There is no such second factor."),
        "/v1/provider-keys/{id}/test" => text.contains("nothing uses this key yet"),
        _ => (200..300).contains(&status),
    }
}

fn call(method: &str, path: &str, id: &str, user: &str) -> String {
    let view = if method == "GET" && noun(path) == "models" { "?view=routes" } else { "" };
    let path = path.replace("{id}", id).replace("{name}", id).replace("{user}", user);
    assert!(!path.contains('{'), "{path}: a parameter that this test does not know");
    format!("{method} {path}{view}")
}

/// What a caller can tell answers apart by; the id that was asked for is no difference.
fn told(answer: &Answer, id: &str) -> (u16, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    for own in ["x-request-id", "date"] {
        headers.remove(own);
    }
    (answer.status.as_u16(), headers, answer.text.replace(id, "ID"))
}

/// Everything that an organization has, as its owner sees it.
async fn all_of(app: &TestApp, tenant: &Tenant) -> Vec<String> {
    let mut seen = Vec::new();
    for path in [
        "/v1/api-keys",
        "/v1/providers",
        "/v1/provider-keys",
        "/v1/models?view=routes",
        "/v1/users",
        "/v1/service-accounts",
        "/v1/projects",
        "/v1/webhooks",
        "/v1/notices",
        "/v1/unused-rights",
        "/v1/allowed-models",
        "/v1/limit-increases",
        "/v1/settings",
        "/v1/audit",
    ] {
        let answer = app.call(&tenant.key, &format!("GET {path}"), None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        seen.push(answer.text);
    }
    seen
}

/// The organization that the program makes, and another one, made behind its back: there is no way
/// through the API yet.
async fn two_tenants(app: &TestApp) -> (Tenant, Tenant) {
    // Tokens say who gave them.
    app.store.set_public_url("https://door.example".to_owned());
    let second = Bootstrap {
        organization: OrganizationId::new(1, 2),
        project: ProjectId::new(1, 2),
        administrator: UserId::new(1, 2),
    };
    let Bootstrap { organization, project, administrator } = second;
    let sql = format!(
        "INSERT INTO organizations (id, name, bounds, created_at_us, updated_at_us)
            VALUES ('{organization}', 'other', '{{}}', 1, 1);
        INSERT INTO projects
                (id, organization_id, name, description, search_text, bounds, created_at_us, updated_at_us)
            VALUES ('{project}', '{organization}', 'default', '', 'default', '{{}}', 1, 1);
        INSERT INTO users
                (id, organization_id, name, search_text, role, bounds, created_at_us, updated_at_us)
            VALUES ('{administrator}', '{organization}', 'admin', 'admin', 'owner', '{{}}', 1, 1);"
    );
    let url = format!("sqlite://{}", app.dir().join("doorward.db").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let key = owner_key(app, &second).await;
    // Samples are many: both may have more keys than usual.
    for key in [&app.admin, &key] {
        let more = json!({ "keys-per-user-max": 1000 });
        app.call(key, "PATCH /v1/settings", Some(more)).await.expect(200);
    }
    let Bootstrap { organization, project, administrator } = app.first;
    let first = Bootstrap { organization, project, administrator };
    let first = Tenant::new(app, "default", app.admin.clone(), first).await;
    (first, Tenant::new(app, "other", key, second).await)
}

async fn owner_key(app: &TestApp, of: &Bootstrap) -> String {
    let mut act = app.act();
    act.organization = of.organization;
    let new = NewKey {
        name: "owner".to_owned(),
        description: String::new(),
        owner: Owner::User(of.administrator),
        project: of.project,
        created_by: of.administrator,
        rights: all_rights(),
        metadata: serde_json::Map::new(),
        quota: None,
    };
    app.store.create_key(&act, new).await.unwrap().1.expose()
}

#[tokio::test]
async fn what_another_organization_has_is_answered_as_what_nobody_has() {
    let app = TestApp::new().await;
    let (own, other) = two_tenants(&app).await;
    let mut makers = Makers { app: &app, count: 0 };
    let operations = operations();
    assert!(operations.len() >= 32, "{operations:?}");
    for (method, path) in operations {
        let mine = makers.make(&own, noun(&path)).await;
        let theirs = makers.make(&other, noun(&path)).await;
        let user = makers.make(&own, "users").await.id;
        let member = json!({ "role": "viewer" });
        if path.contains("{user}") {
            let put = call("PUT", &path, &mine.id, &user);
            app.call(&own.key, &put, Some(member)).await.expect(200);
        }
        let before = all_of(&app, &other).await;
        let ask = |id: String| {
            let call = call(&method, &path, &id, &user);
            let (app, body) = (&app, body(&method, &path));
            let key = own.credential(&method, &path);
            async move { told(&app.call(key, &call, body).await, &id) }
        };
        let nobodys = ask(random_like(&theirs.id)).await;
        assert_eq!(nobodys.0, 404, "{method} {path}: {nobodys:?}");
        assert_eq!(ask(theirs.id.clone()).await, nobodys, "{method} {path}, by id");
        if let Some(name) = &theirs.name {
            let nobodys = ask(format!("{name}-not")).await;
            assert_eq!(ask(name.clone()).await, nobodys, "{method} {path}, by name");
        }
        assert_eq!(all_of(&app, &other).await, before, "{method} {path}: they are as they were");
        let (status, _, text) = ask(mine.id).await;
        assert!(is_found(&path, status, &text), "{method} {path}, one's own: {status} {text}");
    }
}

#[tokio::test]
async fn another_organizations_user_cannot_be_named_in_a_project_of_ones_own() {
    let app = TestApp::new().await;
    let (own, other) = two_tenants(&app).await;
    let mut makers = Makers { app: &app, count: 0 };
    for (method, path) in operations().into_iter().filter(|(_, path)| path.contains("{user}")) {
        let project = makers.make(&own, noun(&path)).await.id;
        let theirs = makers.make(&other, "users").await;
        let before = all_of(&app, &other).await;
        let ask = async |user: &str| {
            let call = call(&method, &path, &project, user);
            told(&app.call(&own.key, &call, body(&method, &path)).await, user)
        };
        let nobodys = ask(&random_like(&theirs.id)).await;
        assert_eq!(nobodys.0, 404, "{method} {path}");
        assert_eq!(ask(&theirs.id).await, nobodys, "{method} {path}, by id");
        assert_eq!(ask(&theirs.name.unwrap()).await, nobodys, "{method} {path}, by name");
        assert_eq!(all_of(&app, &other).await, before, "{method} {path}");
    }
}

#[tokio::test]
async fn what_another_organization_has_cannot_be_named_in_a_body() {
    let app = TestApp::new().await;
    let (own, other) = two_tenants(&app).await;
    let mut makers = Makers { app: &app, count: 0 };
    let provider = makers.make(&own, "providers").await.id;
    let on = |provider: &str, key: Option<&str>| {
        let deployment = json!({ "provider": provider, "provider_key": key });
        json!({ "name": "m", "price": "free", "deployments": [deployment] })
    };
    for (noun, path) in [
        ("users", "/v1/api-keys"),
        ("service-accounts", "/v1/api-keys"),
        ("projects", "/v1/api-keys"),
        ("projects", "/v1/service-accounts"),
        ("providers", "/v1/models"),
        ("provider-keys", "/v1/models"),
        ("projects", "/v1/models"),
    ] {
        let theirs = makers.make(&other, noun).await.id;
        let before = all_of(&app, &other).await;
        let ask = async |id: &str| {
            let body = match noun {
                "users" | "service-accounts" => json!({ "name": "k", "owner": id }),
                "projects" if path == "/v1/models" => {
                    let mut model = on(&provider, None);
                    model["project"] = id.into();
                    model
                }
                "projects" => json!({ "name": "k", "project": id }),
                "providers" => on(id, None),
                _ => on(&provider, Some(id)),
            };
            told(&app.call(&own.key, &format!("POST {path}"), Some(body)).await, id)
        };
        let nobodys = ask(&random_like(&theirs)).await;
        assert_eq!(nobodys.0, 400, "{noun} in {path}: {nobodys:?}");
        assert_eq!(ask(&theirs).await, nobodys, "{noun} in {path}");
        assert_eq!(all_of(&app, &other).await, before, "{noun} in {path}");
    }
}

#[tokio::test]
async fn keys_of_others_are_answered_to_a_member_as_keys_of_nobody() {
    let app = TestApp::new().await;
    let (own, other) = two_tenants(&app).await;
    let mut makers = Makers { app: &app, count: 0 };
    let member = app.user("member", OrganizationRole::Member).await;
    let (_, key) = app.key(member, "member", all_rights()).await;
    // A token for a key is for whoever is signed in: a key that asks is told so, whichever it names.
    let of_keys = operations().into_iter().filter(|(_, path)| noun(path) == "api-keys");
    for (method, path) in of_keys.filter(|(_, path)| !path.ends_with("/token")) {
        let colleagues = makers.make(&own, "api-keys").await.id;
        let strangers = makers.make(&other, "api-keys").await.id;
        let show = format!("/v1/api-keys/{colleagues}");
        let before = (app.get(&show).await.text, all_of(&app, &other).await);
        let ask = async |id: &str| {
            let call = call(&method, &path, id, "");
            told(&app.call(&key, &call, body(&method, &path)).await, id)
        };
        let nobodys = ask(&random_like(&colleagues)).await;
        assert_eq!(nobodys.0, 404, "{method} {path}");
        assert_eq!(ask(&colleagues).await, nobodys, "{method} {path}, a colleague's");
        assert_eq!(ask(&strangers).await, nobodys, "{method} {path}, a stranger's");
        let after = (app.get(&show).await.text, all_of(&app, &other).await);
        assert_eq!(after, before, "{method} {path}");
    }
}

#[tokio::test]
async fn lists_and_filters_show_nothing_of_another_organization() {
    let app = TestApp::new().await;
    let (own, other) = two_tenants(&app).await;
    let mut makers = Makers { app: &app, count: 0 };
    let mut theirs = Vec::new();
    for noun in [
        "api-keys",
        "providers",
        "provider-keys",
        "models",
        "users",
        "service-accounts",
        "projects",
        "webhooks",
        "notices",
        "limit-increases",
    ] {
        theirs.push(makers.make(&other, noun).await);
    }
    for seen in all_of(&app, &own).await {
        for Named { id, name } in &theirs {
            assert!(!seen.contains(id.as_str()), "{id}");
            assert!(name.as_ref().is_none_or(|name| !seen.contains(name.as_str())), "{name:?}");
        }
    }
    for filter in
        [format!("owner={}", other.first.administrator), format!("project={}", other.first.project)]
    {
        let list = app.get(&format!("/v1/api-keys?{filter}")).await.expect(200);
        assert_eq!(list["data"], json!([]), "{filter}");
    }
}
