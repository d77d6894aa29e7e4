use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use doorward_domain::address::AddressRules;
use doorward_domain::key::Owner;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::ScopeSet;
use doorward_store::{
    Act, Actor, Bootstrap, Clock, JournalSync, KeyCaps, MasterKey, NewKey, OpenError, Options,
    Store,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::harness::every_store;
use crate::postgres;

/// A store in `dir` that makes its own master key.
pub(crate) fn options(dir: &Path) -> Options {
    Options {
        data_dir: dir.to_owned(),
        database_url: None,
        master_key: None,
        clock: Clock::system(),
        time_zone: TimeZone::UTC,
        journal_sync: JournalSync::Always,
        call_keys_max: 100,
        key_caps: KeyCaps::STANDARD,
    }
}

pub(crate) fn act(first: &Bootstrap) -> Act {
    Act { organization: first.organization, actor: Actor::System, at: Timestamp::UNIX_EPOCH }
}

pub(crate) fn new_key(first: &Bootstrap) -> NewKey {
    NewKey {
        name: "ci".to_owned(),
        description: String::new(),
        owner: Owner::User(first.administrator),
        project: first.project,
        created_by: first.administrator,
        rights: Rights {
            scopes: ScopeSet::ALL,
            models: ModelRule::All,
            addresses: AddressRules::ANY,
            limits: Limits::NONE,
            model_limits: Vec::new(),
            budgets: Vec::new(),
            expires_at: None,
            allowed_origins: None,
        },
        metadata: serde_json::Map::new(),
        quota: None,
    }
}

fn other_master_key() -> MasterKey {
    MasterKey::parse("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "the test").unwrap()
}

/// Every file of a folder with its content.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            all.insert(path, content);
        }
    }
    all
}

/// A folder with data of a store that was closed.
async fn closed_store() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(options(data.path())).await.unwrap();
    store.bootstrap().await.unwrap();
    store.close().await;
    data
}

#[tokio::test]
async fn a_wrong_master_key_changes_no_byte() {
    let data = closed_store().await;
    let before = files(data.path());
    let wrong = Options { master_key: Some(other_master_key()), ..options(data.path()) };
    assert!(matches!(Store::open(wrong).await, Err(OpenError::MasterKeyWrong)));
    assert_eq!(files(data.path()), before);
    Store::open(options(data.path())).await.unwrap();
}

#[tokio::test]
async fn a_missing_master_key_is_never_made_anew_over_data() {
    let data = closed_store().await;
    let path = data.path().join("master.key");
    let key = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let before = files(data.path());
    match Store::open(options(data.path())).await {
        Err(OpenError::MasterKeyMissing { path: named }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
    assert_eq!(files(data.path()), before);
    std::fs::write(&path, key).unwrap();
    Store::open(options(data.path())).await.unwrap();
}

#[tokio::test]
async fn a_malformed_master_key_is_named() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("master.key"), "c2hvcnQ=\n").unwrap();
    let refused = Store::open(options(data.path())).await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::MasterKeyMalformed(place) if place.ends_with("master.key"))
    );
}

#[tokio::test]
async fn a_wrong_master_key_is_refused_by_postgres_data_too() {
    let (data, url) = (tempfile::tempdir().unwrap(), postgres::new_database().await);
    let with = |master_key| Options {
        database_url: Some(url.clone().into()),
        master_key,
        ..options(data.path())
    };
    let store = Store::open(with(None)).await.unwrap();
    store.close().await;
    let refused = Store::open(with(Some(other_master_key()))).await;
    assert!(matches!(refused, Err(OpenError::MasterKeyWrong)));
    Store::open(with(None)).await.unwrap();
}

#[tokio::test]
async fn data_is_opened_by_one_process_at_a_time() {
    for store in every_store().await {
        let elsewhere = tempfile::tempdir().unwrap();
        let dir = if store.database_url.is_some() { &elsewhere } else { &store.data };
        let second = || Options {
            database_url: store.database_url.clone().map(Into::into),
            master_key: Some(other_master_key()),
            ..options(dir.path())
        };
        let refused = Store::open(second()).await;
        assert!(matches!(refused, Err(OpenError::AlreadyRunning(_))), "{}", store.engine());
        assert!(store.is_ready().await);
        store.close().await;
        Store::open(second()).await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let data = closed_store().await;
    let path = data.path().join("doorward.db");
    let link = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut conn = SqliteConnection::connect_with(&link).await.unwrap();
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (999999, 'later', 1, x'00', 1)";
    sqlx::query(newer).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();

    let before = files(data.path());
    let refused = Store::open(options(data.path())).await;
    assert!(matches!(refused, Err(OpenError::SchemaNewer)));
    assert_eq!(files(data.path()), before);
}

#[tokio::test]
async fn a_wrong_master_key_changes_no_data_of_a_killed_process_either() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(options(data.path())).await.unwrap();
    store.bootstrap().await.unwrap();
    let killed = tempfile::tempdir().unwrap();
    for (path, content) in files(data.path()) {
        let name = path.strip_prefix(data.path()).unwrap();
        std::fs::create_dir_all(killed.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(killed.path().join(name), content).unwrap();
    }
    let mut before = files(killed.path());
    assert!(before.keys().any(|path| path.ends_with("doorward.db-wal")));

    let wrong = Options { master_key: Some(other_master_key()), ..options(killed.path()) };
    assert!(matches!(Store::open(wrong).await, Err(OpenError::MasterKeyWrong)));
    let mut after = files(killed.path());
    // SQLite's index of its log holds no data, only locks and what it found in the log.
    let index = killed.path().join("doorward.db-shm");
    before.remove(&index);
    after.remove(&index);
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_damaged_journal_is_named_and_left_alone() {
    let data = closed_store().await;
    let path = data.path().join("journal").join("0000000007.log");
    std::fs::write(&path, b"somebody else's file").unwrap();
    let before = files(data.path());
    match Store::open(options(data.path())).await {
        Err(OpenError::JournalDamaged { path: named, offset: 0 }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
    assert_eq!(files(data.path()), before);
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_named_as_such_and_left_alone() {
    let data = closed_store().await;
    let path = data.path().join("journal").join("0000000007.log");
    std::fs::write(&path, b"DWJRNL\x00\x09 of another time").unwrap();
    let before = files(data.path());
    let refused = Store::open(options(data.path())).await.unwrap_err();
    assert!(refused.to_string().contains("written by a newer doorward"), "{refused}");
    assert!(matches!(refused, OpenError::JournalNewer { path: named } if named == path));
    assert_eq!(files(data.path()), before);
}

#[tokio::test]
async fn an_empty_end_of_a_journal_is_no_obstacle() {
    let data = closed_store().await;
    std::fs::write(data.path().join("journal").join("0000000007.log"), b"DWJRN").unwrap();
    let store = Store::open(options(data.path())).await.unwrap();
    store.close().await;
    assert_eq!(std::fs::read_dir(data.path().join("journal")).unwrap().count(), 0);
}

#[tokio::test]
async fn everything_that_is_made_belongs_to_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let _store = Store::open(options(&dir)).await.unwrap();
    for path in files(&dir).keys().chain([&dir, &dir.join("journal")]) {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

/// The connection of a process that ended must not keep the next one out.
#[tokio::test]
async fn a_closed_store_is_opened_again_at_once() {
    let (data, url) = (tempfile::tempdir().unwrap(), postgres::new_database().await);
    for _ in 0..20 {
        let again = Options { database_url: Some(url.clone().into()), ..options(data.path()) };
        Store::open(again).await.unwrap().close().await;
    }
}

/// The session of a killed process ends when PostgreSQL notices, which may be after the next start.
#[tokio::test]
async fn a_lock_that_a_killed_process_still_holds_is_waited_for() {
    let (data, url) = (tempfile::tempdir().unwrap(), postgres::new_database().await);
    let mut killed = PgConnection::connect(&url).await.unwrap();
    let lock = "SELECT pg_advisory_lock(7237125581402956132)";
    sqlx::query(lock).execute(&mut killed).await.unwrap();
    let again = Options { database_url: Some(url.clone().into()), ..options(data.path()) };
    let mut opening = tokio::task::JoinSet::new();
    opening.spawn(Store::open(again));

    let mut watcher = PgConnection::connect(&url).await.unwrap();
    let is_waited_for = "SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d
        ON d.oid = l.database AND d.datname = current_database()
        WHERE l.locktype = 'advisory' AND NOT l.granted)";
    while !sqlx::query_scalar::<_, bool>(is_waited_for).fetch_one(&mut watcher).await.unwrap() {
        tokio::task::yield_now().await;
    }
    killed.close().await.unwrap();
    opening.join_next().await.unwrap().unwrap().unwrap();
}

/// Each key is wrapped for its purpose and version: swapped, they do not open.
#[tokio::test]
async fn a_keyring_that_somebody_mixed_up_is_not_believed() {
    for store in every_store().await {
        store
            .tamper(
                "UPDATE keyring SET wrapped = (SELECT v.wrapped FROM keyring v
                WHERE v.purpose = 'vault') WHERE purpose = 'audit'",
            )
            .await;
        store.close().await;
        let again = Options {
            database_url: store.database_url.clone().map(Into::into),
            master_key: Some(other_master_key()),
            ..options(store.data.path())
        };
        let refused = Store::open(again).await;
        assert!(matches!(refused, Err(OpenError::MasterKeyWrong)), "{}", store.engine());
    }
}

/// New keys in the place of lost ones would make all that was made under those unreadable for ever.
#[tokio::test]
async fn a_keyring_that_lost_keys_is_not_made_anew_over_data() {
    let losses = [
        ("DELETE FROM keyring", "key_digest, vault, audit, session, webhook, token, password"),
        ("DELETE FROM keyring WHERE purpose = 'vault'", "vault"),
    ];
    for (loss, lost) in losses {
        for store in every_store().await {
            let again = |master_key| Options {
                database_url: store.database_url.clone().map(Into::into),
                master_key,
                ..options(store.data.path())
            };
            store.tamper(loss).await;
            store.close().await;
            let before = files(store.data.path());
            for master_key in [Some(other_master_key()), None] {
                match Store::open(again(master_key)).await {
                    Err(OpenError::KeyringLost { missing }) => assert_eq!(missing, lost),
                    other => panic!("{other:?}, {}", store.engine()),
                }
            }
            assert_eq!(files(store.data.path()), before, "{}", store.engine());
            let count = "SELECT CAST(COUNT(*) AS TEXT) FROM keyring";
            let left = if lost == "vault" { "7" } else { "0" };
            assert_eq!(store.read(count, count).await, [left], "{}", store.engine());
        }
    }
}
