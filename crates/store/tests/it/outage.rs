//! What the store does while PostgreSQL stands still, is slow, or gives the lock to somebody else.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use doorward_domain::credential::KeyId;
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::price::Price;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;
use doorward_store::{CallKey, CallRequest, OpenError, Store, StoreError};
use sqlx::{Connection, PgConnection};

use crate::harness::TestStore;
use crate::opening::options;
use crate::postgres::{self, OwnServer};

/// No wait of the store is longer; tests that fail wait for ever.
const LONG: Duration = Duration::from_secs(30);
const LOCK: &str = "SELECT pg_advisory_lock(7237125581402956132)";
const HOLDER: &str = "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND granted AND datname = current_database()";

async fn on_postgres() -> TestStore {
    TestStore::on(postgres::new_database().await).await
}

async fn connect(store: &TestStore) -> PgConnection {
    PgConnection::connect(store.database_url.as_ref().unwrap()).await.unwrap()
}

async fn find(store: &Arc<Store>, id: &KeyId) -> Result<Option<Arc<CallKey>>, StoreError> {
    tokio::time::timeout(LONG, store.call_key(id)).await.expect("a wait that ends")
}

/// Waits for what is to come in a moment.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("what was to come");
}

fn admit(store: &Arc<Store>, key: &Arc<CallKey>, n: u128) -> Result<(), StoreError> {
    static MODEL: LazyLock<Arc<str>> = LazyLock::new(|| "m".into());
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &MODEL,
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        most: Usage::of_tokens(1, 1),
        fixed_output_tokens: 0,
        average: None,
        address: [127, 0, 0, 1].into(),
    };
    store.admit(key, &request).map(|admitted| admitted.unwrap().cancel())
}

#[tokio::test]
async fn a_server_that_stands_still_makes_nobody_wait_for_long() {
    let server = OwnServer::start().await;
    let store = TestStore::on(server.new_database().await).await;
    let (known, cold) = (store.make_key("known").await.0.id, store.make_key("cold").await.0.id);
    let key = find(&store.store, &known).await.unwrap().unwrap();
    // A transaction is under way when the server stops: it waits for a lock.
    let mut locked = connect(&store).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE api_keys").execute(&mut locked).await.unwrap();
    let (act, new) = (store.act(), store.new_key("under way"));
    let mut under_way = tokio::task::JoinSet::new();
    let making = Arc::clone(&store.store);
    under_way.spawn(async move { making.create_key(&act, new).await });
    let is_waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)";
    until(async || sqlx::query_scalar(is_waiting).fetch_one(&mut locked).await.unwrap()).await;

    let stopped = server.stop();
    assert!(matches!(find(&store.store, &cold).await, Err(StoreError::Database(_))));
    let is_ready = tokio::time::timeout(LONG, store.is_ready()).await;
    assert!(!is_ready.expect("an answer"));
    let made = tokio::time::timeout(LONG, under_way.join_next()).await.expect("an end");
    assert!(matches!(made, Some(Ok(Err(StoreError::Database(_))))), "{made:?}");
    drop(stopped);
    drop(locked);

    until(async || store.is_ready().await).await;
    until(async || find(&store.store, &cold).await.is_ok()).await;
    until(async || admit(&store.store, &key, 1).is_ok()).await;
    store.make_key("afterwards").await;
    tokio::time::timeout(LONG, store.close()).await.expect("an end");
}

#[tokio::test]
async fn a_lock_on_a_row_or_table_is_not_waited_for_for_ever() {
    let store = on_postgres().await;
    let cold = store.make_key("cold").await.0.id;
    let mut locked = connect(&store).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE api_keys").execute(&mut locked).await.unwrap();
    assert!(matches!(find(&store.store, &cold).await, Err(StoreError::Database(_))));
    let (act, new) = (store.act(), store.new_key("second"));
    let refused =
        tokio::time::timeout(LONG, store.create_key(&act, new)).await.expect("an end").unwrap_err();
    assert_eq!(code(&refused).as_deref(), Some("55P03"), "{refused:?}");
    drop(locked);
    until(async || find(&store.store, &cold).await.is_ok()).await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let store = on_postgres().await;
    store
        .tamper(
            "ALTER TABLE audit_entries RENAME TO kept;
            CREATE VIEW audit_entries AS SELECT kept.* FROM kept CROSS JOIN pg_sleep(3600)",
        )
        .await;
    let verified = tokio::time::timeout(LONG, store.verify_audit()).await.expect("an end");
    let refused = verified.unwrap_err();
    assert_eq!(code(&refused).as_deref(), Some("57014"), "{refused:?}");
}

fn code(error: &StoreError) -> Option<String> {
    let StoreError::Database(error) = error else { return None };
    error.as_database_error()?.code().map(|code| code.to_string())
}

/// Bringing a large table to a new version may take long, and may wait for others.
#[tokio::test]
async fn a_migration_takes_as_long_as_it_takes() {
    let (data, url) = (tempfile::tempdir().unwrap(), postgres::new_database().await);
    let mut locked = PgConnection::connect(&url).await.unwrap();
    let begun = "BEGIN; CREATE TABLE organizations (id TEXT)";
    sqlx::raw_sql(begun).execute(&mut locked).await.unwrap();
    let new =
        doorward_store::Options { database_url: Some(url.clone().into()), ..options(data.path()) };
    let mut opening = tokio::task::JoinSet::new();
    opening.spawn(Store::open(new));
    let mut watcher = PgConnection::connect(&url).await.unwrap();
    let waits_long = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
          AND clock_timestamp() - query_start > interval '6 seconds')";
    until(async || sqlx::query_scalar(waits_long).fetch_one(&mut watcher).await.unwrap()).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut locked).await.unwrap();
    opening.join_next().await.unwrap().unwrap().unwrap().close().await;
}

/// Ends the session that holds the lock, as an administrator, a failover or a proxy does.
async fn end_session_of_lock(admin: &mut PgConnection) {
    let pid: i32 = sqlx::query_scalar(HOLDER).fetch_one(&mut *admin).await.unwrap();
    let end = "SELECT pg_terminate_backend($1)";
    sqlx::query(end).bind(pid).execute(&mut *admin).await.unwrap();
}

#[tokio::test]
async fn a_lost_lock_lets_no_call_leave_until_it_is_held_again() {
    let store = on_postgres().await;
    let id = store.make_key("ci").await.0.id;
    let key = find(&store.store, &id).await.unwrap().unwrap();
    let (mut admin, mut other) = (connect(&store).await, connect(&store).await);
    admit(&store.store, &key, 1).unwrap();
    // Somebody waits for the lock, and so has it as soon as it is lost.
    let taking = sqlx::query(LOCK).execute(&mut other);
    let ending = async {
        let is_waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted
            AND locktype = 'advisory')";
        until(async || sqlx::query_scalar(is_waiting).fetch_one(&mut admin).await.unwrap()).await;
        end_session_of_lock(&mut admin).await;
    };
    tokio::join!(taking, ending).0.unwrap();
    until(async || matches!(admit(&store.store, &key, 2), Err(StoreError::NotOurs))).await;
    assert!(!store.is_ready().await);

    other.close().await.unwrap();
    until(async || store.is_ready().await).await;
    admit(&store.store, &key, 3).unwrap();
    let holders = sqlx::query_scalar::<_, i32>(HOLDER).fetch_all(&mut admin).await.unwrap();
    assert_eq!(holders.len(), 1);
    store.close().await;
}

/// What is in memory is not true any more: the other one spent, and may have revoked keys.
#[tokio::test]
async fn a_lock_that_another_doorward_had_is_not_taken_again() {
    let store = on_postgres().await;
    let id = store.make_key("ci").await.0.id;
    let key = find(&store.store, &id).await.unwrap().unwrap();
    let mut admin = connect(&store).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let second = loop {
        end_session_of_lock(&mut admin).await;
        match Store::open(store.options_in(elsewhere.path())).await {
            Ok(second) => break second,
            // The first one was quicker.
            Err(OpenError::AlreadyRunning(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    until(async || matches!(admit(&store.store, &key, 1), Err(StoreError::NotOurs))).await;
    assert!(second.is_ready().await);
    second.close().await;
    // It looks again, and again, and leaves it: nothing happens that could be waited for.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(matches!(admit(&store.store, &key, 2), Err(StoreError::NotOurs)));
    assert!(!store.is_ready().await);
    store.close().await;
    Store::open(store.options_in(elsewhere.path())).await.unwrap().close().await;
}
