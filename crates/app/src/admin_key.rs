//! The administrator's key in the data directory, where the command line finds it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward_domain::address::AddressRules;
use doorward_domain::credential::PlainKey;
use doorward_domain::key::{KeyStatus, Owner};
use doorward_domain::lifetime::{Requested, resolve};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{Act, Bootstrap, NewKey, Store, StoreError};
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
}

/// Finds the administrator's key in the data directory; makes one where none works.
pub(crate) async fn ensure(
    store: &Store,
    made: &Bootstrap,
    is_first_run: bool,
    data_dir: &Path,
) -> anyhow::Result<AdminKey> {
    let path = data_dir.join(FILE);
    if let Some(key) = find_working(store, made, &path).await? {
        return Ok(AdminKey { key, path, state: AdminKeyState::Kept });
    }
    // Nobody hands out more than they have: whoever makes keys that call models needs that right.
    let scopes = ScopeSet::ALL;
    // No quota: whoever can write to the data directory must never be locked out by one.
    let (plain, _) = create(store, made, &Wish { name: NAME, scopes, quota: None }).await?;
    let key = SecretString::from(plain.expose());
    private_file::write(&path, format!("{}\n", key.expose_secret()).as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    let state = if is_first_run { AdminKeyState::Made } else { AdminKeyState::Replaced };
    Ok(AdminKey { key, path, state })
}

async fn find_working(
    store: &Store,
    made: &Bootstrap,
    path: &Path,
) -> anyhow::Result<Option<SecretString>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => SecretString::from(text.trim()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let Ok(plain) = PlainKey::parse(text.expose_secret().as_bytes()) else { return Ok(None) };
    let Some(identity) = store.identify(&plain).await? else { return Ok(None) };
    let works = identity.owner_is_active
        && identity.key.organization == made.organization
        && identity.key.status(store.clock().now()) == KeyStatus::Active
        && identity.key.rights.scopes.allows(Scope::Admin);
    Ok(works.then_some(text))
}

/// A key that the program makes for the administrator.
pub(crate) struct Wish<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: ScopeSet,
    pub(crate) quota: Option<u32>,
}

/// Makes a key of the administrator, as long-lived as the organization allows, under the first free
/// name of `name`, `name-2`, `name-3`, …
pub(crate) async fn create(
    store: &Store,
    made: &Bootstrap,
    wish: &Wish<'_>,
) -> anyhow::Result<(PlainKey, String)> {
    let now = store.clock().now();
    let cap = store.settings(made.organization).await?.ttl_minutes_max;
    let rights = Rights {
        scopes: wish.scopes,
        models: ModelRule::All,
        addresses: AddressRules::ANY,
        limits: Limits::NONE,
        budgets: Vec::new(),
        expires_at: resolve(Requested::Never, cap, now)?.at,
    };
    let act = Act { organization: made.organization, actor: "system".to_owned(), at: now };
    for number in 1..=NAMES_MAX {
        let name = numbered(wish.name, number);
        let new = NewKey {
            name: name.clone(),
            description: String::new(),
            owner: Owner::User(made.administrator),
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

fn numbered(name: &str, number: u32) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}-{number}") }
}
