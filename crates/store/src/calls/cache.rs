//! Keys held in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_domain::bounds::{BoundOf, Bounds, Subject};
use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::denial::Denial;
use doorward_domain::id::{OrganizationId, ProjectId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::prompts::PromptPolicy;
use doorward_domain::rights::Rights;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::ScopeSet;
use jiff::Timestamp;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::bounded::{Bounded, Link};
use super::key_state::KeyState;
use super::states::States;
use crate::increases::{HeldIncrease, Raised, load_held};
use crate::keys::{Secrets, SharedBounds, load_call_key};
use crate::{Store, StoreError};

/// Ids that do not exist, remembered so that the same wrong key asks the database once.
const UNKNOWN_MAX: usize = 10_000;

/// A key as the data plane holds it: loaded once, dropped when anything about it changes.
#[derive(Debug)]
pub struct CallKey {
    /// The key.
    pub key: ApiKey,
    /// Its scopes and its owner's role taken together.
    pub scopes: ScopeSet,
    /// Whether its user or service account is active.
    pub owner_is_active: bool,
    /// The HTTP status of a call that a spent budget refuses, as its organization has it.
    pub spent_budget_status: u16,
    /// How its project keeps what is asked and answered. `None`: not at all.
    pub prompts: Option<PromptPolicy>,
    pub(in crate::calls) state: Arc<KeyState>,
    /// What bounds it beside its own limits and budgets.
    links: Box<[Link]>,
    pub(super) secrets: Secrets,
    /// What an increase makes of its rights, until that ends.
    raised: Option<Box<Raised<Rights>>>,
    changed: CancellationToken,
}

impl CallKey {
    /// Which of the key's secrets this is, in constant time. `None`: it is none of them.
    pub fn secret(&self, presented: &PlainKey) -> Option<SecretNumber> {
        self.secrets.find(presented)
    }

    /// Whether a secret of the key still works.
    pub fn check_secret(&self, secret: SecretNumber, now: Timestamp) -> Result<(), Denial> {
        self.secrets.check(secret, now)
    }

    /// When whoever presented this secret is let in no longer: with the key, or before. `None`: never.
    pub fn ends_at(&self, secret: SecretNumber) -> Option<Timestamp> {
        let ends = [self.key.rights.expires_at, self.secrets.ends_at(secret)];
        ends.into_iter().flatten().min()
    }

    /// What bounds the key at `now`: its own limits and budgets, or what an increase raises them to.
    pub fn rights_at(&self, now: Timestamp) -> &Rights {
        Raised::or_own(self.raised.as_deref(), &self.key.rights, now)
    }

    /// Whether any budget bounds the key, its own or one that it shares. No increase takes one away.
    pub fn has_budget(&self) -> bool {
        let has_shared = || self.links.iter().any(|link| !link.bounds.budgets.is_empty());
        !self.key.rights.budgets.is_empty() || has_shared()
    }

    /// Everything that bounds a call of this model at `now`. `None`: no model is called.
    pub(super) fn bounded<'a>(&'a self, now: Timestamp, model: Option<&'a str>) -> Bounded<'a> {
        Bounded { own: (&self.state.tally, self.rights_at(now)), links: &self.links, model }
    }

    /// Whether the key has been changed since it was loaded.
    pub fn has_changed(&self) -> bool {
        self.changed.is_cancelled()
    }

    /// Resolves when the key has been changed since it was loaded, also if that happened before this
    /// was called or the key was pushed out of the cache in between: an open stream must ask again.
    pub fn changed(&self) -> WaitForCancellationFutureOwned {
        self.changed.clone().cancelled_owned()
    }
}

/// The cache, bounded in the number of keys.
#[derive(Debug)]
pub(super) struct KeyCache {
    known: Cache<KeyId, Arc<CallKey>>,
    unknown: Cache<KeyId, ()>,
    /// One load at a time for each group of keys: a burst of calls with a cold key asks once.
    loading: Vec<tokio::sync::Mutex<()>>,
    /// Counts changes; a load that a change overtook is thrown away. Insert and removal hold it, so
    /// that a stale entry can never be put back.
    changes: Mutex<u64>,
    lookups: AtomicU64,
}

/// Memory does not know the id: the database has to be asked.
struct NotLoaded;

/// How many cold keys may be loaded at once.
const LOADERS: usize = 16;
/// The longest wait for a key, the wait for those before it included.
const WAIT: Duration = Duration::from_secs(2);

impl KeyCache {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            known: Cache::new(keys_max.max(1)),
            unknown: Cache::new(UNKNOWN_MAX),
            loading: (0..LOADERS).map(|_| tokio::sync::Mutex::default()).collect(),
            changes: Mutex::new(0),
            lookups: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<Arc<CallKey>> {
        self.known.get(id)
    }

    pub(super) fn len(&self) -> u64 {
        self.known.len() as u64
    }

    pub(super) fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    /// A key from memory or the database; waits at most [`WAIT`].
    pub(super) async fn get_or_load(
        &self,
        store: &Store,
        id: &KeyId,
    ) -> Result<Option<Arc<CallKey>>, StoreError> {
        if let Ok(found) = self.remembered(id) {
            return Ok(found);
        }
        let loading = tokio::time::timeout(WAIT, self.load_in_turn(store, id));
        loading.await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
    }

    /// What memory knows of an id: its key, or that there is none.
    fn remembered(&self, id: &KeyId) -> Result<Option<Arc<CallKey>>, NotLoaded> {
        match self.get(id) {
            Some(key) => Ok(Some(key)),
            None => self.unknown.get(id).map(|()| None).ok_or(NotLoaded),
        }
    }

    async fn load_in_turn(
        &self,
        store: &Store,
        id: &KeyId,
    ) -> Result<Option<Arc<CallKey>>, StoreError> {
        let group = id.as_str().bytes().map(usize::from).sum::<usize>() % LOADERS;
        let _one_at_a_time = match self.loading.get(group) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if let Ok(found) = self.remembered(id) {
            return Ok(found);
        }
        loop {
            let before = *self.changes.lock();
            let loaded = self.load(store, id).await?;
            let changes = self.changes.lock();
            if *changes != before {
                continue;
            }
            match &loaded {
                Some(key) => self.known.insert(*id, Arc::clone(key)),
                None => self.unknown.insert(*id, ()),
            }
            return Ok(loaded);
        }
    }

    /// The signals are given under the lock: a key that is loaded afterwards has a fresh one.
    pub(super) fn forget(&self, id: &KeyId, states: &States) {
        let mut changes = self.changes.lock();
        *changes += 1;
        self.unknown.remove(id);
        self.known.remove(id);
        states.signal_change(id);
    }

    pub(super) fn forget_owner(&self, owner: Owner, states: &States) {
        let mut changes = self.changes.lock();
        *changes += 1;
        self.known.retain(|_, key| key.key.owner != owner);
        states.signal_owner(owner);
    }

    /// Drops the keys of a project, of which only what is kept beside them has changed: no stream of
    /// theirs has to ask again.
    pub(super) fn forget_project(&self, project: ProjectId) {
        let mut changes = self.changes.lock();
        *changes += 1;
        self.known.retain(|_, key| key.key.project != project);
    }

    /// The same for an organization.
    pub(super) fn forget_organization(&self, organization: OrganizationId) {
        let mut changes = self.changes.lock();
        *changes += 1;
        self.known.retain(|_, key| key.key.organization != organization);
    }

    async fn load(&self, store: &Store, id: &KeyId) -> Result<Option<Arc<CallKey>>, StoreError> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let Some(stored) = load_call_key(&store.db, &store.keyring, id).await? else {
            return Ok(None);
        };
        let state = store.calls.states.of(store, &stored.key).await?;
        let spent_budget_status = store.spent_budget_status(stored.key.organization).await?;
        let subjects = subjects_of(&stored.key);
        let held = load_held(&store.db, stored.key.organization, &subjects, store.clock.now());
        let held = held.await?;
        let raised = Raised::of(held.get(&Subject::Key(stored.key.id)), |raise| {
            raise.applied_to(&stored.key.rights)
        });
        let links = load_links(store, &stored.key, (&stored.shared, &held), &state).await?;
        Ok(Some(Arc::new(CallKey {
            scopes: stored.key.rights.scopes.intersect(stored.role().scopes()),
            owner_is_active: stored.owner_is_active,
            spent_budget_status,
            prompts: stored.prompts,
            changed: state.changed(),
            state,
            links,
            secrets: stored.secrets,
            raised: raised.map(Box::new),
            key: stored.key,
        })))
    }
}

/// Whose limits and budgets bound a key: its organization's, its project's, its user's and its own, in the
/// order in which the counters are locked.
fn subjects_of(key: &ApiKey) -> Vec<Subject> {
    let user = match key.owner {
        Owner::User(user) => Some(Subject::User(user)),
        Owner::ServiceAccount(_) => None,
    };
    let wider = [Subject::Organization(key.organization), Subject::Project(key.project)];
    wider.into_iter().chain(user).chain([Subject::Key(key.id)]).collect()
}

/// What bounds a key beside its own limits and budgets, in the order in which the counters are locked.
async fn load_links(
    store: &Store,
    key: &ApiKey,
    (shared, held): (&SharedBounds, &HashMap<Subject, HeldIncrease>),
    state: &KeyState,
) -> Result<Box<[Link]>, StoreError> {
    let mut links = Vec::new();
    for subject in subjects_of(key) {
        let Some(bounds) = shared.of(&subject).filter(|bounds| !bounds.is_none()) else { continue };
        let tally = store.calls.shared.of(store, subject).await?;
        let raised = Raised::of(held.get(&subject), |raise| raise.raised(bounds));
        let of = subject.bound_of();
        links.push(Link { of, models: None, bounds: bounds.clone(), raised, tally });
    }
    // Locked one after the other, so always in one order, whatever that of the key's list.
    let mut limits = key.rights.model_limits.clone();
    limits.sort_by(|a, b| a.model.as_str().cmp(b.model.as_str()));
    let limits = &limits;
    let moment = (store.clock.now(), store.clock.monotonic_us());
    let tallies = state.of_models(limits, moment, &store.time_zone);
    links.extend(limits.iter().zip(tallies).map(|(of, tally)| Link {
        of: BoundOf::Model,
        models: Some(of.model.clone()),
        bounds: Bounds { limits: of.limits, budgets: Vec::new() },
        raised: None,
        tally,
    }));
    Ok(links.into())
}
