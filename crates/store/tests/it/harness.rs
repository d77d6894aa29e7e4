//! One store per engine, each with its own data and a clock that tests move.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Waker};

use doorward_domain::address::AddressRules;
use doorward_domain::bounds::Bounds;
use doorward_domain::credential::PlainKey;
use doorward_domain::id::{OrganizationId, ServiceAccountId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_store::{
    Act, Actor, Bootstrap, CallKey, Clock, JournalSync, KeyCaps, MasterKey, NewKey,
    NewServiceAccount, NewUser, Options, Store, User,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::postgres;

/// 2026-11-21T12:00:00Z, a Saturday.
pub(crate) const START_US: i64 = 1_795_262_400_000_000;

/// A store with its first organization, on one engine.
#[derive(Debug)]
pub(crate) struct TestStore {
    pub(crate) store: Arc<Store>,
    pub(crate) first: Bootstrap,
    pub(crate) data: TempDir,
    /// `None`: SQLite.
    pub(crate) database_url: Option<String>,
    now_us: Arc<AtomicI64>,
    setup: Setup,
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// The contract holds on each of these.
pub(crate) async fn every_store() -> [TestStore; 2] {
    every_store_with(Setup::default()).await
}

/// What a test may want otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) call_keys_max: usize,
    pub(crate) time_zone: TimeZone,
    pub(crate) key_caps: KeyCaps,
}

impl Default for Setup {
    fn default() -> Self {
        Self { call_keys_max: 100, time_zone: TimeZone::UTC, key_caps: KeyCaps::STANDARD }
    }
}

pub(crate) async fn every_store_with(setup: Setup) -> [TestStore; 2] {
    let database = postgres::new_database().await;
    [TestStore::open(None, setup.clone()).await, TestStore::open(Some(database), setup).await]
}

/// Whether a key was changed since it was loaded, so that its streams end.
pub(crate) fn is_changed(key: &CallKey) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    std::pin::pin!(key.changed()).poll(&mut context).is_ready()
}

impl TestStore {
    /// On a database of the caller's.
    pub(crate) async fn on(database_url: String) -> Self {
        Self::open(Some(database_url), Setup::default()).await
    }

    async fn open(database_url: Option<String>, setup: Setup) -> Self {
        let data = tempfile::tempdir().unwrap();
        let now_us = Arc::new(AtomicI64::new(START_US));
        let store = open(&data, database_url.as_deref(), &now_us, &setup).await;
        let (first, is_new) = store.bootstrap().await.unwrap();
        assert!(is_new);
        Self { store, first, data, database_url, now_us, setup }
    }

    /// Closes the store and opens it again on the same data.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        let url = self.database_url.as_deref();
        self.store = open(&self.data, url, &self.now_us, &self.setup).await;
    }

    /// How a second process on the same database would open it, with a folder of its own.
    pub(crate) fn options_in(&self, data: &Path) -> Options {
        options(data, self.database_url.as_deref(), &self.now_us, &self.setup)
    }

    pub(crate) fn engine(&self) -> &'static str {
        if self.database_url.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, time: SignedDuration) {
        let us = i64::try_from(time.as_micros()).unwrap();
        self.now_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The administrator does something now.
    pub(crate) fn act(&self) -> Act {
        self.act_in(self.first.organization)
    }

    pub(crate) fn act_in(&self, organization: OrganizationId) -> Act {
        Act { organization, actor: Actor::System, at: self.now() }
    }

    /// A key of the administrator to be made: no limits, 30 days.
    pub(crate) fn new_key(&self, name: &str) -> NewKey {
        NewKey {
            name: name.to_owned(),
            description: String::new(),
            owner: Owner::User(self.first.administrator),
            project: self.first.project,
            created_by: self.first.administrator,
            rights: Rights {
                scopes: [Scope::InferenceRead, Scope::InferenceWrite].into_iter().collect(),
                models: ModelRule::All,
                addresses: AddressRules::ANY,
                limits: Limits::NONE,
                model_limits: Vec::new(),
                budgets: Vec::new(),
                expires_at: Some(self.now() + SignedDuration::from_hours(720)),
                allowed_origins: None,
            },
            metadata: serde_json::Map::new(),
            quota: None,
        }
    }

    pub(crate) async fn make_key(&self, name: &str) -> (ApiKey, PlainKey) {
        self.create_key(&self.act(), self.new_key(name)).await.unwrap()
    }

    /// A user of the first organization.
    pub(crate) async fn make_user(&self, name: &str, role: OrganizationRole) -> User {
        self.make_user_in(self.first.organization, name, role).await
    }

    pub(crate) async fn make_user_in(
        &self,
        organization: OrganizationId,
        name: &str,
        role: OrganizationRole,
    ) -> User {
        let new = NewUser { name: name.to_owned(), email: None, role, bounds: Bounds::NONE };
        self.create_user(&self.act_in(organization), new).await.unwrap()
    }

    /// A second owner, so that the first may go.
    pub(crate) async fn make_owner(&self) -> UserId {
        self.make_user("second owner", OrganizationRole::Owner).await.id
    }

    /// A service account in the first project.
    pub(crate) async fn make_service_account(&self, name: &str) -> ServiceAccountId {
        let (project, name) = (self.first.project, name.to_owned());
        let new = NewServiceAccount { project, name, description: String::new() };
        self.create_service_account(&self.act(), new).await.unwrap().id
    }

    /// A key that such an owner has, in the first project.
    pub(crate) async fn make_key_of(&self, owner: Owner, name: &str) -> (ApiKey, PlainKey) {
        let new = NewKey { owner, ..self.new_key(name) };
        self.create_key(&self.act(), new).await.unwrap()
    }

    /// Runs SQL as somebody does who has the database in hand.
    pub(crate) async fn tamper(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.database_url {
            None => {
                let mut conn = self.sqlite().await;
                sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            }
        }
    }

    /// The same, for what the database must refuse: its words.
    pub(crate) async fn refusal(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match &self.database_url {
            None => sqlx::raw_sql(sql).execute(&mut self.sqlite().await).await.map(|_| ()),
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut conn).await.map(|_| ())
            }
        };
        done.unwrap_err().to_string()
    }

    /// Reads lines of one text column.
    pub(crate) async fn read(&self, sqlite: &str, postgres: &str) -> Vec<String> {
        match &self.database_url {
            None => {
                let query = sqlx::query_scalar(AssertSqlSafe(sqlite.to_owned()));
                query.fetch_all(&mut self.sqlite().await).await.unwrap()
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                let query = sqlx::query_scalar(AssertSqlSafe(postgres.to_owned()));
                query.fetch_all(&mut conn).await.unwrap()
            }
        }
    }

    /// The steps of a plan: the last column of each row of the last statement.
    pub(crate) async fn explain(&self, sqlite: &str, postgres: &str) -> Vec<String> {
        match &self.database_url {
            None => {
                let sql = AssertSqlSafe(sqlite.to_owned());
                let rows = sqlx::raw_sql(sql).fetch_all(&mut self.sqlite().await).await.unwrap();
                rows.iter().map(|row| row.get("detail")).collect()
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                let sql = AssertSqlSafe(postgres.to_owned());
                let rows = sqlx::raw_sql(sql).fetch_all(&mut conn).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// A connection that keeps everybody else from writing until it rolls back.
    pub(crate) async fn begin_exclusive(&self) -> SqliteConnection {
        let mut conn = self.sqlite().await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut conn).await.unwrap();
        conn
    }

    async fn sqlite(&self) -> SqliteConnection {
        let path = self.data.path().join("doorward.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// A second organization with its project, user and nothing else.
    pub(crate) async fn second_organization(&self) -> Bootstrap {
        let second = Bootstrap {
            organization: OrganizationId::new(1, 2),
            project: doorward_domain::id::ProjectId::new(1, 2),
            administrator: UserId::new(1, 2),
        };
        let (organization, project, user) =
            (second.organization, second.project, second.administrator);
        self.tamper(&format!(
            "INSERT INTO organizations (id, name, bounds, created_at_us, updated_at_us)
            VALUES ('{organization}', 'other', '{{}}', 1, 1);
            INSERT INTO projects
                (id, organization_id, name, description, search_text, bounds, created_at_us, updated_at_us)
                VALUES ('{project}', '{organization}', 'default', '', 'default', '{{}}', 1, 1);
            INSERT INTO users
                (id, organization_id, name, search_text, role, bounds, created_at_us, updated_at_us)
                VALUES ('{user}', '{organization}', 'admin', 'admin', 'owner', '{{}}', 1, 1);"
        ))
        .await;
        second
    }
}

async fn open(
    data: &TempDir,
    url: Option<&str>,
    now_us: &Arc<AtomicI64>,
    setup: &Setup,
) -> Arc<Store> {
    Store::open(options(data.path(), url, now_us, setup)).await.unwrap()
}

fn options(data: &Path, url: Option<&str>, now_us: &Arc<AtomicI64>, setup: &Setup) -> Options {
    Options {
        data_dir: data.to_owned(),
        database_url: url.map(Into::into),
        master_key: Some(MasterKey::parse(MASTER_KEY, "the test").unwrap()),
        clock: Clock::Fixed(Arc::clone(now_us)),
        time_zone: setup.time_zone.clone(),
        journal_sync: JournalSync::Interval,
        call_keys_max: setup.call_keys_max,
        key_caps: setup.key_caps,
    }
}

const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
