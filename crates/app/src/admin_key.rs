//! The administrator's key in the data directory, where the command line finds it.

pub(crate) mod renewal;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward_domain::address::AddressRules;
use doorward_domain::credential::PlainKey;
use doorward_domain::key::{ApiKey, KeyStatus, Owner};
use doorward_domain::lifetime::{Requested, resolve};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{Act, Actor, Bootstrap, NewKey, Store, StoreError};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::private_file;

/// Its name in the data directory.
pub(crate) const FILE: &str = "admin.key";
const NAME: &str = "administrator";
/// More keys of one name than anybody makes.
const NAMES_MAX: u32 = 10_000;

/// The administrator's key, and what had to be done for it.
#[derive(Debug)]
pub(crate) struct AdminKey {
    pub(crate) key: SecretString,
    pub(crate) path: PathBuf,
    pub(crate) state: AdminKeyState,
}

/// What became of the administrator's key at this start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminKeyState {
    /// The stored one works.
    Kept,
    /// The first one was made.
    Made,
    /// The stored one was gone or no longer worked: another one was made.
    Replaced,
    /// The stored one ends before long, and with it every key that it makes: another one was made.
    /// The old one works until its end.
    Renewed,
}

/// Finds the administrator's key in the data directory; makes one where none works.
pub(crate) async fn ensure(
    store: &Store,
    made: &Bootstrap,
    is_first_run: bool,
    data_dir: &Path,
) -> anyhow::Result<AdminKey> {
    let path = data_dir.join(FILE);
    let state = match find_working(store, made, &path).await? {
        Some((key, found)) if has_half_left(&found, store.clock().now()) => {
            return Ok(AdminKey { key, path, state: AdminKeyState::Kept });
        }
        Some((_, found)) => {
            let key = renew(store, made, &path, found).await?;
            return Ok(AdminKey { key, path, state: AdminKeyState::Renewed });
        }
        None if is_first_run => AdminKeyState::Made,
        None => AdminKeyState::Replaced,
    };
    // Every scope: nobody hands out more than they have, and this key makes all the others.
    let key = make(store, made, &path, all_rights(ScopeSet::ALL)).await?;
    Ok(AdminKey { key, path, state })
}

/// Makes the successor of a key that ends: with its rights, which somebody may have narrowed, and a
/// life of its own.
async fn renew(
    store: &Store,
    made: &Bootstrap,
    path: &Path,
    ending: ApiKey,
) -> anyhow::Result<SecretString> {
    make(store, made, path, ending.rights).await
}

/// Makes a key of the administrator and writes it to the file.
async fn make(
    store: &Store,
    made: &Bootstrap,
    path: &Path,
    rights: Rights,
) -> anyhow::Result<SecretString> {
    // No quota: whoever can write to the data directory must never be locked out by one.
    let wish = Wish { name: NAME, rights, quota: None };
    let (plain, _) = create(store, made, wish).await?;
    let key = SecretString::from(plain.expose());
    private_file::write(path, format!("{}\n", key.expose_secret()).as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

/// Whether half of a key's life is left, or it never ends. No key outlives the one that makes it, so
/// with less than that new ones would be short-lived too.
fn has_half_left(key: &ApiKey, now: Timestamp) -> bool {
    key.rights.expires_at.is_none_or(|end| {
        end.duration_since(now) >= end.duration_since(key.life.secret_made_at()) / 2
    })
}

async fn find_working(
    store: &Store,
    made: &Bootstrap,
    path: &Path,
) -> anyhow::Result<Option<(SecretString, ApiKey)>> {
    let now = store.clock().now();
    let stored = find_stored(store, made, path).await?;
    Ok(stored.filter(|(_, key)| key.status(now) == KeyStatus::Active))
}

/// The administrator's key in the file, whatever its status.
async fn find_stored(
    store: &Store,
    made: &Bootstrap,
    path: &Path,
) -> anyhow::Result<Option<(SecretString, ApiKey)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => SecretString::from(text.trim()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let Ok(plain) = PlainKey::parse(text.expose_secret().as_bytes()) else { return Ok(None) };
    let Some(identity) = store.identify(&plain).await? else { return Ok(None) };
    // A newer secret has taken its place, and is not in the file.
    if identity.secret_ends_at.is_some_and(|at| at <= store.clock().now()) {
        return Ok(None);
    }
    let is_administrators = identity.owner_is_active
        && identity.key.organization == made.organization
        && identity.key.rights.scopes.allows(Scope::Admin);
    Ok(is_administrators.then_some((text, identity.key)))
}

/// A key that the program makes for the administrator.
pub(crate) struct Wish<'a> {
    pub(crate) name: &'a str,
    /// What it may do; its end is not this one.
    pub(crate) rights: Rights,
    pub(crate) quota: Option<u32>,
}

/// Makes a key of the administrator, as long-lived as the organization allows, under the first free
/// name of `name`, `name-2`, `name-3`, …
pub(crate) async fn create(
    store: &Store,
    made: &Bootstrap,
    wish: Wish<'_>,
) -> anyhow::Result<(PlainKey, String)> {
    let now = store.clock().now();
    let owner = Owner::User(made.administrator);
    let rule = store.settings(made.organization).await?.lifetime_rule(owner);
    let expires_at = resolve(Requested::Never, rule, now, now)?.at;
    let rights = Rights { expires_at, ..wish.rights };
    let act = Act { organization: made.organization, actor: Actor::System, at: now };
    for number in 1..=NAMES_MAX {
        let name = numbered(wish.name, number);
        let new = NewKey {
            name: name.clone(),
            description: String::new(),
            owner,
            project: made.project,
            created_by: made.administrator,
            rights: rights.clone(),
            metadata: serde_json::Map::new(),
            quota: wish.quota,
        };
        match store.create_key(&act, new).await {
            Ok((_, plain)) => return Ok((plain, name)),
            Err(StoreError::Taken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("every name like {} is taken", wish.name)
}

/// These scopes without any bound.
pub(crate) fn all_rights(scopes: ScopeSet) -> Rights {
    Rights {
        scopes,
        models: ModelRule::All,
        addresses: AddressRules::ANY,
        limits: Limits::NONE,
        model_limits: Vec::new(),
        budgets: Vec::new(),
        expires_at: None,
        allowed_origins: None,
    }
}

fn numbered(name: &str, number: u32) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}-{number}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use doorward_store::{Clock, JournalSync, KeyCaps, KeyEdit, Options};
    use jiff::tz::TimeZone;

    use super::*;

    const DAY_US: i64 = 86_400 * 1_000_000;

    /// A store after its first start, with a clock that a test moves.
    pub(super) struct Fixture {
        pub(super) dir: tempfile::TempDir,
        pub(super) store: Arc<Store>,
        clock: Arc<AtomicI64>,
    }

    impl Fixture {
        pub(super) fn pass_us(&self, us: i64) {
            self.clock.fetch_add(us, Ordering::Relaxed);
        }

        pub(super) fn pass_days(&self, days: i64) {
            self.pass_us(days * DAY_US);
        }

        pub(super) async fn status(&self, key: &str) -> KeyStatus {
            let plain = PlainKey::parse(key.trim().as_bytes()).unwrap();
            let identity = self.store.identify(&plain).await.unwrap().unwrap();
            identity.key.status(self.store.clock().now())
        }

        async fn ensure(&self, is_first_run: bool) -> AdminKey {
            let (made, _) = self.store.bootstrap().await.unwrap();
            ensure(&self.store, &made, is_first_run, self.dir.path()).await.unwrap()
        }
    }

    pub(super) async fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(1_767_225_600_000_000));
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
        let store = Store::open(options).await.unwrap();
        let fixture = Fixture { dir, store, clock };
        assert_eq!(fixture.ensure(true).await.state, AdminKeyState::Made);
        fixture
    }

    #[tokio::test]
    async fn a_renewed_key_may_do_no_more_than_the_old_one() {
        let fixture = fixture().await;
        let (made, _) = fixture.store.bootstrap().await.unwrap();
        let old = fixture.ensure(false).await.key;
        let plain = PlainKey::parse(old.expose_secret().as_bytes()).unwrap();
        let mut narrowed = fixture.store.identify(&plain).await.unwrap().unwrap().key.rights;
        narrowed.addresses.allow = Some(vec!["10.0.0.0/8".parse().unwrap()]);
        let act = Act {
            organization: made.organization,
            actor: Actor::System,
            at: fixture.store.clock().now(),
        };
        let edit = KeyEdit { rights: Some(narrowed.clone()), ..KeyEdit::default() };
        fixture.store.edit_key(&act, &plain.id(), edit).await.unwrap();
        fixture.pass_days(60);
        let renewed = fixture.ensure(false).await;
        assert_eq!(renewed.state, AdminKeyState::Renewed);
        let plain = PlainKey::parse(renewed.key.expose_secret().as_bytes()).unwrap();
        let rights = fixture.store.identify(&plain).await.unwrap().unwrap().key.rights;
        assert_eq!(rights.addresses, narrowed.addresses);
        fixture.store.close().await;
    }

    #[tokio::test]
    async fn the_key_is_renewed_when_less_than_half_of_its_life_is_left() {
        let fixture = fixture().await;
        let mut found = Vec::new();
        for days in [0, 45, 1, 1] {
            fixture.pass_days(days);
            found.push(fixture.ensure(false).await);
        }
        let states: Vec<_> = found.iter().map(|key| key.state).collect();
        let expected =
            [AdminKeyState::Kept, AdminKeyState::Kept, AdminKeyState::Renewed, AdminKeyState::Kept];
        assert_eq!(states, expected);
        let key = |index: usize| found[index].key.expose_secret();
        assert_eq!(key(0), key(1));
        assert_ne!(key(1), key(2));
        assert_eq!(key(2), key(3));
        for key in &found {
            assert_eq!(fixture.status(key.key.expose_secret()).await, KeyStatus::Active);
        }
        fixture.store.close().await;
    }
}
