//! One application per test: a store of its own, a clock that stands still, an administrator.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use doorward_control::{Control, router};
use doorward_domain::address::AddressRules;
use doorward_domain::address::ClientAddress;
use doorward_domain::bounds::Bounds;
use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{
    Act, Actor, Bootstrap, Clock, JournalSync, KeyCaps, NewKey, NewServiceAccount, NewUser,
    Options, Store,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;
use tower::ServiceExt;

/// 2026-01-01T00:00:00Z.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;

pub(crate) struct TestApp {
    pub(crate) store: Arc<Store>,
    pub(crate) first: Bootstrap,
    /// A key of the administrator with every scope and no limit.
    pub(crate) admin: String,
    pub(crate) control: Control,
    router: Router,
    clock: Arc<AtomicI64>,
    dir: TempDir,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of a problem, after checking that it is one.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem["code"].as_str().expect("a code").to_owned()
    }

    /// The fields that a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().expect("a field").to_owned()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}"));
        value.to_str().expect("text").to_owned()
    }
}

pub(crate) fn all_rights() -> Rights {
    Rights {
        scopes: ScopeSet::ALL,
        models: ModelRule::All,
        addresses: AddressRules::ANY,
        limits: Limits::NONE,
        model_limits: Vec::new(),
        budgets: Vec::new(),
        expires_at: None,
        allowed_origins: None,
    }
}

pub(crate) fn only(scopes: &[Scope]) -> Rights {
    Rights { scopes: scopes.iter().copied().collect(), ..all_rights() }
}

impl TestApp {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(AtomicI64::new(START_US));
        let options = Options {
            data_dir: dir.path().to_owned(),
            database_url: None,
            master_key: None,
            clock: Clock::Fixed(Arc::clone(&clock)),
            time_zone: TimeZone::UTC,
            journal_sync: JournalSync::Interval,
            call_keys_max: 100,
            key_caps: KeyCaps::STANDARD,
        };
        let store = Store::open(options).await.expect("a store");
        let (first, _) = store.bootstrap().await.expect("the first organization");
        let control = Control::new(Arc::clone(&store), agent());
        let router = router(control.clone());
        let admin = String::new();
        let mut app = Self { store, first, admin, control, router, clock, dir };
        let owner = Owner::User(app.first.administrator);
        app.admin = app.key(owner, "admin", all_rights()).await.1;
        app
    }

    /// The same with a mail server, and a sender that is set.
    pub(crate) async fn mailing() -> Self {
        let mut app = Self::new().await;
        app.control = app.control.with_mail(true).with_links_to(Some("https://models.example"));
        app.router = router(app.control.clone());
        app.patch("/v1/settings", json!({"mail-from": "doorward@example.com"})).await.expect(200);
        app
    }

    /// Where its data is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn act(&self) -> Act {
        Act { organization: self.first.organization, actor: Actor::System, at: self.now() }
    }

    /// Makes a key in the store itself: what no caller may make is needed too.
    pub(crate) async fn key(&self, owner: Owner, name: &str, rights: Rights) -> (ApiKey, String) {
        let new = NewKey {
            name: name.to_owned(),
            description: String::new(),
            owner,
            project: self.first.project,
            created_by: self.first.administrator,
            rights,
            metadata: serde_json::Map::new(),
            quota: None,
        };
        let (key, plain) = self.store.create_key(&self.act(), new).await.expect("a key");
        (key, plain.expose())
    }

    /// A service account, whose keys manage nothing but themselves.
    pub(crate) async fn service_account(&self, name: &str) -> Owner {
        let (project, name) = (self.first.project, name.to_owned());
        let new = NewServiceAccount { project, name, description: String::new() };
        let made = self.store.create_service_account(&self.act(), new).await;
        Owner::ServiceAccount(made.expect("a service account").id)
    }

    /// A user of the first organization.
    pub(crate) async fn user(&self, name: &str, role: OrganizationRole) -> Owner {
        let new = NewUser { name: name.to_owned(), email: None, role, bounds: Bounds::NONE };
        let made = self.store.create_user(&self.act(), new).await;
        Owner::User(made.expect("a user").id)
    }

    /// A key with all rights of the administrator of another organization.
    pub(crate) async fn foreign_key(&self) -> String {
        let (organization, project) = (OrganizationId::new(1, 2), ProjectId::new(1, 2));
        let user = UserId::new(1, 2);
        let sql = format!(
            "INSERT INTO organizations (id, name, bounds, created_at_us, updated_at_us)
                VALUES ('{organization}', 'o', '{{}}', 1, 1);
            INSERT INTO projects
                (id, organization_id, name, description, search_text, bounds, created_at_us, updated_at_us)
                VALUES ('{project}', '{organization}', 'default', '', 'default', '{{}}', 1, 1);
            INSERT INTO users
                (id, organization_id, name, search_text, role, bounds, created_at_us, updated_at_us)
                VALUES ('{user}', '{organization}', 'admin', 'admin', 'owner', '{{}}', 1, 1);"
        );
        let file = SqliteConnectOptions::new().filename(self.dir.path().join("doorward.db"));
        let mut database = SqliteConnection::connect_with(&file).await.expect("the database");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.expect("rows");
        let act = Act { organization, ..self.act() };
        let new = NewKey {
            name: "foreign".to_owned(),
            description: String::new(),
            owner: Owner::User(user),
            project,
            created_by: user,
            rights: all_rights(),
            metadata: serde_json::Map::new(),
            quota: None,
        };
        self.store.create_key(&act, new).await.expect("a key").1.expose()
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let address: IpAddr = "192.0.2.7".parse().expect("an address");
        request.extensions_mut().insert(ClientAddress(address));
        self.send_as_is(request).await
    }

    pub(crate) async fn send_as_is(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let answer = Answer { status: parts.status, headers: parts.headers, text };
        assert!(answer.headers.contains_key("x-request-id"), "every answer has an id");
        assert_eq!(answer.headers["cache-control"], "no-store");
        answer
    }

    pub(crate) async fn call(&self, key: &str, call: &str, body: Option<Value>) -> Answer {
        self.send(request(key, call, body)).await
    }

    /// A request without a credential.
    pub(crate) async fn open(&self, call: &str, body: Value) -> Answer {
        let mut request = request("", call, Some(body));
        request.headers_mut().remove("authorization");
        self.send(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&self.admin, &format!("GET {path}"), None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(&self.admin, &format!("DELETE {path}"), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.admin, &format!("POST {path}"), Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(&self.admin, &format!("PATCH {path}"), Some(body)).await
    }
}

/// Gives up soon; follows no redirect.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(10)));
    config.build().new_agent()
}

/// A request such as `GET /v1/usage` with a key.
pub(crate) fn request(key: &str, call: &str, body: Option<Value>) -> Request<Body> {
    let (method, path) = call.split_once(' ').expect("a method and a path");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    request.body(body).expect("a request")
}

/// The same JSON with everything random replaced by its shape, for snapshots.
pub(crate) fn shape(mut value: Value) -> Value {
    mask(&mut value);
    value
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = shape_of(text),
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Object(fields) => fields.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shape_of(text: &str) -> String {
    let parts: Vec<&str> = text.split('_').collect();
    match parts.as_slice() {
        ["dw", access] if access.len() == 16 => "dw_[access]".to_owned(),
        ["dw", access, secret] if access.len() == 16 && secret.len() == 49 => {
            "dw_[access]_[secret]".to_owned()
        }
        ["dw", shown] if shown.contains('…') => "dw_[access]…[tail]".to_owned(),
        [prefix] if prefix.len() == 15 && prefix.starts_with("u-") => "u-[digits]/".to_owned(),
        [secret] if secret.len() == 49 => "[secret]".to_owned(),
        [prefix, ulid] if prefix.len() == 3 && ulid.len() == 26 => format!("{prefix}_[ulid]"),
        _ => text.to_owned(),
    }
}
