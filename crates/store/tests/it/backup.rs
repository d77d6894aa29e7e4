//! Backups on both engines, into both engines.

mod since;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_domain::catalog::ProviderKey;
use doorward_domain::credential::PlainKey;
use doorward_domain::denial::Denial;
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::Overlap;
use doorward_store::age::{self, Passphrase};
use doorward_store::{
    AuditFilter, AuditVerdict, Clock, JournalSync, KeyCaps, NewProviderKey, Options, RestoreError,
    RestoreOptions, Restored, RevocationSource, Rotation, Store, StoreError, restore,
};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::harness::{START_US, TestStore, every_store};
use crate::postgres;

const PASSPHRASE: &str = "correct horse battery staple";
const PLAIN_BYTES_MAX: usize = 64 << 20;

fn passphrase() -> Passphrase {
    Passphrase::new(SecretString::from(PASSPHRASE)).unwrap()
}

async fn backup(store: &Arc<Store>, act: &doorward_store::Act) -> Vec<u8> {
    let backup = store.backup(act, passphrase()).await.unwrap().unwrap();
    let pieces: Vec<_> = backup.pieces.try_collect().await.unwrap();
    pieces.concat()
}

/// The lines of a backup without those that each backup has for itself: the head, the end, and the
/// audit log, which the backup and the restore are written down in.
fn lines(sealed: &[u8]) -> BTreeSet<String> {
    let plain = age::open(&passphrase(), sealed, PLAIN_BYTES_MAX).unwrap();
    let text = String::from_utf8(plain.to_vec()).unwrap();
    let mut table = String::new();
    let mut kept = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with("{\"table\"") {
            line.clone_into(&mut table);
        }
        let is_own = line.starts_with("{\"doorward_backup\"") || line.starts_with("{\"rows\"");
        if !is_own && !table.contains("\"audit_") {
            kept.insert(format!("{} {line}", table.split('"').nth(3).unwrap()));
        }
    }
    kept
}

/// The names of the tables in a backup.
fn tables(sealed: &[u8]) -> Vec<String> {
    let plain = age::open(&passphrase(), sealed, PLAIN_BYTES_MAX).unwrap();
    let text = String::from_utf8(plain.to_vec()).unwrap();
    let heads = text.lines().filter(|line| line.starts_with("{\"table\""));
    heads.map(|line| line.split('"').nth(3).unwrap().to_owned()).collect()
}

/// Where something is to be restored.
struct Place {
    dir: TempDir,
    database_url: Option<String>,
    now_us: i64,
}

impl Place {
    async fn every() -> [Self; 2] {
        [Self::new(None), Self::new(Some(postgres::new_database().await))]
    }

    fn new(database_url: Option<String>) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), database_url, now_us: START_US + 1_000_000 }
    }

    /// On SQLite, at this time.
    fn at(now: Timestamp) -> Self {
        Self { now_us: now.as_microsecond(), ..Self::new(None) }
    }

    fn clock(&self) -> Clock {
        Clock::Fixed(Arc::new(self.now_us.into()))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn options(&self, archive: &Path, revocations: Vec<RevocationSource>) -> RestoreOptions {
        RestoreOptions {
            archive: archive.to_owned(),
            passphrase: passphrase(),
            data_dir: self.data(),
            database_url: self.database_url.clone().map(SecretString::from),
            master_key: None,
            clock: self.clock(),
            revocations,
        }
    }

    async fn restore(
        &self,
        sealed: &[u8],
        revocations: Vec<RevocationSource>,
    ) -> Result<Restored, RestoreError> {
        let archive = self.dir.path().join("backup");
        std::fs::write(&archive, sealed).unwrap();
        restore(&self.options(&archive, revocations), &mut |_| {}).await
    }

    async fn open(&self) -> Arc<Store> {
        let options = Options {
            data_dir: self.data(),
            database_url: self.database_url.clone().map(SecretString::from),
            master_key: None,
            clock: self.clock(),
            time_zone: TimeZone::UTC,
            journal_sync: JournalSync::Interval,
            call_keys_max: 100,
            key_caps: KeyCaps::STANDARD,
        };
        Store::open(options).await.unwrap()
    }
}

async fn add_provider_key(store: &TestStore) -> ProviderKey {
    let new = NewProviderKey {
        name: "openai".to_owned(),
        value: SecretString::from("sk-canary-of-a-backup"),
        note: String::new(),
    };
    store.create_provider_key(&store.act(), new).await.unwrap()
}

async fn works(store: &Store, plain: &PlainKey) -> Result<(), Denial> {
    let Some(identity) = store.identify(plain).await.unwrap() else {
        return Err(Denial::InvalidKey);
    };
    if identity.secret_ends_at.is_some_and(|at| at <= store.clock().now()) {
        return Err(Denial::SecretReplaced);
    }
    if !identity.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    identity.key.check(store.clock().now(), "127.0.0.1".parse().unwrap())
}

async fn spend(store: &TestStore, key: &ApiKey, cost: i64) {
    let organization = store.first.organization;
    store
        .tamper(&format!(
            "DELETE FROM spend WHERE subject = 'key:{0}';
            INSERT INTO spend (subject, period, period_start_us, organization_id, cost_nanousd, tokens)
            VALUES ('key:{0}', 'total', 0, '{organization}', {cost}, 5)",
            key.id
        ))
        .await;
}

async fn spent(store: &TestStore) -> Vec<String> {
    let sql = "SELECT CAST(cost_nanousd AS TEXT) FROM spend";
    store.read(sql, sql).await
}

#[tokio::test]
async fn a_backup_of_either_engine_restores_into_either_whole() {
    for store in every_store().await {
        let (key, plain) = store.make_key("ci").await;
        store.make_user("Ada \"<b>ü", OrganizationRole::Member).await;
        store.make_service_account("bot").await;
        let provider_key = add_provider_key(&store).await;
        spend(&store, &key, 7).await;
        let sealed = backup(&store.store, &store.act()).await;
        let before = lines(&sealed);
        for name in ["api_keys", "key_secrets", "users", "service_accounts", "spend", "keyring"] {
            let rows = before.iter().filter(|line| line.starts_with(&format!("{name} ["))).count();
            assert!(rows > 0, "{name}");
        }
        for place in Place::every().await {
            let restored = place.restore(&sealed, Vec::new()).await.unwrap();
            let to = place.open().await;
            let rows = before.iter().filter(|line| line.contains(" [")).count() as u64;
            assert!(restored.rows >= rows, "{restored:?}");
            assert!(matches!(to.verify_audit().await.unwrap(), AuditVerdict::Whole(_)));
            assert_eq!(works(&to, &plain).await, Ok(()), "{}", store.engine());
            let (_, is_new) = to.bootstrap().await.unwrap();
            assert!(!is_new);
            let value = to.reveal_provider_key(store.first.organization, provider_key.id).await;
            assert_eq!(value.unwrap().expose_secret(), "sk-canary-of-a-backup");
            let act = doorward_store::Act { at: to.clock().now(), ..store.act() };
            let after = lines(&backup(&to, &act).await);
            let other: Vec<_> = before.symmetric_difference(&after).collect();
            assert!(other.is_empty(), "{other:?}");
            let noted = AuditFilter {
                action: Some("installation.restore".into()),
                ..AuditFilter::default()
            };
            let noted = to.search_audit(store.first.organization, &noted, None, 9).await.unwrap();
            assert_eq!(noted.len(), 1);
            to.close().await;
        }
    }
}

/// What ends by being deleted, and what another program keeps beside it, is in no backup.
#[tokio::test]
async fn every_table_is_in_a_backup_but_those_that_are_left_out_by_name() {
    const LEFT_OUT: [&str; 4] = ["sessions", "password_links", "revoked_tokens", "prompts"];
    for store in every_store().await {
        store.tamper("CREATE TABLE of_others (id TEXT NOT NULL PRIMARY KEY)").await;
        let sealed = backup(&store.store, &store.act()).await;
        let found = store
            .read(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
            )
            .await;
        let not_ours = ["_sqlx_migrations", "of_others"];
        let ours = found.into_iter().filter(|name| !not_ours.contains(&name.as_str()));
        let ours: BTreeSet<String> = ours.collect();
        let carried: BTreeSet<String> = tables(&sealed).into_iter().collect();
        let missing: BTreeSet<&str> = ours.difference(&carried).map(String::as_str).collect();
        assert_eq!(missing, LEFT_OUT.into_iter().collect(), "{}", store.engine());
        assert!(carried.is_subset(&ours), "{} {carried:?}", store.engine());
        let restored = Place::new(None).restore(&sealed, Vec::new()).await;
        assert!(restored.is_ok(), "{restored:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_whole_writes_nothing() {
    let [store, _] = every_store().await;
    for number in 0..300 {
        store
            .record(&store.act(), "test.filling", &format!("{number:0500}"), serde_json::json!({}))
            .await
            .unwrap();
    }
    let sealed = backup(&store.store, &store.act()).await;
    let place = Place::new(None);
    let flipped = |at: usize| {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        changed
    };
    let middle = 70_000;
    assert!(sealed.len() > 2 * middle);
    let broken = [
        ("empty", Vec::new()),
        ("cut in the header", sealed[..60].to_vec()),
        ("cut in the middle", sealed[..middle].to_vec()),
        ("cut before the last byte", sealed[..sealed.len() - 1].to_vec()),
        ("changed in the header", flipped(60)),
        ("changed in the middle", flipped(middle)),
        ("changed at the end", flipped(sealed.len() - 1)),
        ("longer", [&sealed[..], b"x"].concat()),
        ("something else, sealed", age::seal(&passphrase(), b"{\"a\": 1}\n").unwrap()),
    ];
    for (name, bytes) in broken {
        let refused = place.restore(&bytes, Vec::new()).await;
        assert!(matches!(refused, Err(RestoreError::Archive(_))), "{name}: {refused:?}");
        assert!(!place.data().exists(), "{name}");
    }
    // Whole as a sealed file, and a line of it is missing.
    let plain = age::open(&passphrase(), &sealed, PLAIN_BYTES_MAX).unwrap();
    let text = String::from_utf8(plain.to_vec()).unwrap();
    let without = |gone: &dyn Fn(&str) -> bool| {
        let kept: Vec<&str> = text.split_inclusive('\n').filter(|line| !gone(line)).collect();
        age::seal(&passphrase(), kept.concat().as_bytes()).unwrap()
    };
    for sealed in [
        without(&|line| line.starts_with("{\"rows\"")),
        without(&|line| line.contains("organization.create")),
    ] {
        let refused = place.restore(&sealed, Vec::new()).await;
        assert!(matches!(refused, Err(RestoreError::Archive(_))), "{refused:?}");
        assert!(!place.data().exists());
    }
    let archive = place.dir.path().join("backup");
    std::fs::write(&archive, &sealed).unwrap();
    let wrong = RestoreOptions {
        passphrase: Passphrase::given("correct horse battery stable".into()),
        ..place.options(&archive, Vec::new())
    };
    let refused = restore(&wrong, &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("the passphrase is wrong") && !place.data().exists(), "{refused}");
}

#[tokio::test]
async fn a_place_that_is_not_empty_is_left_as_it_is() {
    let [_, postgres] = every_store().await;
    let sealed = backup(&postgres.store, &postgres.act()).await;
    let place = Place::new(None);
    std::fs::create_dir(place.data()).unwrap();
    std::fs::write(place.data().join("mine"), "x").unwrap();
    let refused = place.restore(&sealed, Vec::new()).await;
    assert!(matches!(refused, Err(RestoreError::NotEmpty(_))), "{refused:?}");
    assert_eq!(std::fs::read_dir(place.data()).unwrap().count(), 1);

    let url = postgres.database_url.clone();
    postgres.store.close().await;
    let taken = Place::new(url);
    let refused = taken.restore(&sealed, Vec::new()).await;
    assert!(matches!(refused, Err(RestoreError::NotEmpty(_))), "{refused:?}");
    assert!(!taken.data().exists(), "what was made of it is taken away");
}

/// It holds what every organization has, so the one that is there by right is the first.
#[tokio::test]
async fn one_backup_is_made_at_a_time_and_only_for_the_first_organization() {
    for store in every_store().await {
        let older = store.second_organization().await;
        let refused = store.store.backup(&store.act(), passphrase()).await;
        assert!(matches!(refused, Err(StoreError::AboveOwnRole)), "{refused:?}");
        let act = store.act_in(older.organization);
        let running = store.store.backup(&act, passphrase()).await.unwrap().unwrap();
        let another = store.store.backup(&act, passphrase()).await.unwrap();
        assert!(another.is_none(), "{}", store.engine());
        drop(running);
        assert!(store.store.backup(&act, passphrase()).await.unwrap().is_some());
    }
}
