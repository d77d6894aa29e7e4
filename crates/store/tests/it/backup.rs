//! Backups on both engines, into both engines.

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

/// Where something is to be restored.
struct Place {
    dir: TempDir,
    database_url: Option<String>,
}

impl Place {
    async fn every() -> [Self; 2] {
        [Self::new(None), Self::new(Some(postgres::new_database().await))]
    }

    fn new(database_url: Option<String>) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), database_url }
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
            clock: clock(),
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
            clock: clock(),
            time_zone: TimeZone::UTC,
            journal_sync: JournalSync::Interval,
            call_keys_max: 100,
            key_caps: KeyCaps::STANDARD,
        };
        Store::open(options).await.unwrap()
    }
}

fn clock() -> Clock {
    Clock::Fixed(Arc::new((START_US + 1_000_000).into()))
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

/// A table that a migration adds is in the next backup without anybody thinking of it.
#[tokio::test]
async fn a_table_cannot_be_forgotten() {
    for store in every_store().await {
        store
            .tamper(
                "CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY); INSERT INTO later VALUES ('x')",
            )
            .await;
        let lines = lines(&backup(&store.store, &store.act()).await);
        assert!(lines.contains("later [\"x\"]"), "{}", store.engine());
        let names = store
            .read(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
            )
            .await;
        for name in names.iter().filter(|name| {
            !["_sqlx_migrations", "audit_entries", "audit_head"].contains(&name.as_str())
        }) {
            assert!(
                lines.iter().any(|line| line.starts_with(&format!("{name} {{\"table\""))),
                "{name}"
            );
        }
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

/// Everything that ends a credential happens after the backup; then by each of the two ways none of
/// it comes back.
#[tokio::test]
async fn what_ended_after_the_backup_stays_ended() {
    for store in every_store().await {
        let act = store.act();
        let (revoked, revoked_plain) = store.make_key("revoked").await;
        let (disabled, disabled_plain) = store.make_key("disabled").await;
        let (again, again_plain) = store.make_key("disabled and enabled").await;
        let (rotated, rotated_plain) = store.make_key("rotated").await;
        let (_, untouched_plain) = store.make_key("untouched").await;
        let ada = store.make_user("Ada", OrganizationRole::Member).await.id;
        let (_, of_ada) = store.make_key_of(Owner::User(ada), "of ada").await;
        let bot = store.make_service_account("bot").await;
        let (_, of_bot) = store.make_key_of(Owner::ServiceAccount(bot), "of bot").await;
        spend(&store, &revoked, 7).await;
        let sealed = backup(&store.store, &act).await;

        store.revoke_key(&act, &revoked.id).await.unwrap();
        store.set_key_disabled(&act, &disabled.id, true).await.unwrap();
        store.set_key_disabled(&act, &again.id, true).await.unwrap();
        store.set_key_disabled(&act, &again.id, false).await.unwrap();
        let at_once = Rotation {
            overlap: Overlap::from_seconds(0).unwrap(),
            expires_at: None,
            if_updated_at: None,
        };
        store.rotate_key(&act, &rotated.id, at_once).await.unwrap();
        store.remove_user(&act, ada).await.unwrap();
        store.set_service_account_disabled(&act, bot, true).await.unwrap();
        spend(&store, &revoked, 9).await;

        let list = store.data.path().join("list");
        std::fs::write(&list, exported(&store).await).unwrap();
        let live = match &store.database_url {
            None => RevocationSource::DataDir(store.data.path().to_owned()),
            Some(url) => RevocationSource::Database(SecretString::from(url.clone())),
        };
        for (source, is_live) in [(live, true), (RevocationSource::List(list), false)] {
            let place = Place::new(None);
            let restored = place.restore(&sealed, vec![source]).await.unwrap();
            let said = format!("{} {is_live} {restored:?}", store.engine());
            let to = place.open().await;
            assert_eq!(works(&to, &revoked_plain).await, Err(Denial::Revoked), "{said}");
            assert_eq!(works(&to, &disabled_plain).await, Err(Denial::Disabled), "{said}");
            assert_eq!(works(&to, &rotated_plain).await, Err(Denial::SecretReplaced), "{said}");
            assert!(works(&to, &of_ada).await.is_err(), "{said}");
            assert_eq!(works(&to, &of_bot).await, Err(Denial::OwnerInactive), "{said}");
            assert_eq!(works(&to, &untouched_plain).await, Ok(()), "{said}");
            assert_eq!(works(&to, &again_plain).await, Ok(()), "{said}");
            // The removed user's key was revoked with them.
            assert_eq!((restored.keys_revoked, restored.keys_disabled), (2, 1), "{said}");
            assert_eq!((restored.secrets_ended, restored.owners_ended), (1, 2), "{said}");
            assert_eq!(restored.spend_raised, u64::from(is_live), "{said}");
            assert!(matches!(to.verify_audit().await.unwrap(), AuditVerdict::Whole(_)), "{said}");
            to.close().await;
        }
        assert_eq!(spent(&store).await, ["9"], "the old data are only read");
    }
}

/// As `doorward audit export` writes it.
async fn exported(store: &TestStore) -> String {
    let organization = store.first.organization;
    let entries =
        store.search_audit(organization, &AuditFilter::default(), None, 500).await.unwrap();
    let line = |entry: &doorward_domain::audit::AuditEntry| {
        let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
        serde_json::json!({
            "object": "audit_entry", "sequence": entry.sequence, "at": entry.at,
            "actor": entry.actor, "action": entry.action, "subject": entry.subject, "detail": detail,
        })
    };
    entries.iter().map(|entry| format!("{}\n", line(entry))).collect::<Vec<_>>().concat()
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
