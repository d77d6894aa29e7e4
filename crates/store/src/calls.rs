//! The data plane's side of the store: keys held in memory, their counters, holds and settlements.
//!
//! The way of a call: [`Store::call_key`] → [`CallKey::secret`] → [`Store::admit`] →
//! [`OpenCall::written`] → (the call) → [`OpenCall::settle`]. Admission takes from every limit and
//! budget that bounds the call in one step: under one short lock of the key's, and one of its user, its
//! project and its organization where those are bounded. The call leaves when its hold stands in the
//! journal.

mod accounts;
mod admit;
mod bounded;
mod cache;
mod counters;
mod denied;
mod drain;
mod elsewhere;
mod key_state;
mod known;
mod open_call;
mod shared;
mod states;
mod tally;
mod uses;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use doorward_domain::bounds::Subject;
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, ProjectId};
use doorward_domain::key::Owner;
use jiff::tz::TimeZone;

pub use admit::CallRequest;
pub use bounded::{BudgetStanding, ConcurrencyStanding, LimitStanding, Standing};
pub use cache::CallKey;
pub use counters::{Admitted, Quota};
pub use denied::RefusedKey;
pub(crate) use drain::{Patience, check_journal};
pub use elsewhere::Cost;
pub use key_state::KeyState;
pub use open_call::OpenCall;

use crate::db::Db;
use crate::journal::Writer;
use crate::keys::Use;
use crate::{JournalSync, OpenError, Store, StoreStats};

/// Everything about calls that lives in memory.
#[derive(Debug)]
pub(crate) struct Calls {
    keys: cache::KeyCache,
    states: states::States,
    shared: shared::SharedTallies,
    journal: Writer,
    drain: drain::Drain,
    uses: uses::WaitingUses,
    denials: denied::WaitingDenials,
    /// Calls that were admitted and are not settled yet.
    open: AtomicUsize,
    /// Settlements since the start.
    settled: AtomicU64,
}

impl Calls {
    /// Replays the journal into the database and begins a new one.
    pub(crate) async fn open(
        db: &Db,
        dir: &Path,
        zone: &TimeZone,
        (sync, call_keys_max): (JournalSync, usize),
    ) -> Result<Self, OpenError> {
        let next = drain::replay(db, dir, zone).await?;
        let journal = Writer::open(dir, next, sync)
            .map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
        Ok(Self {
            keys: cache::KeyCache::new(call_keys_max),
            states: states::States::new(call_keys_max),
            shared: shared::SharedTallies::new(),
            journal,
            drain: drain::Drain::new(dir, next),
            uses: uses::WaitingUses::new(),
            denials: denied::WaitingDenials::default(),
            open: AtomicUsize::new(0),
            settled: AtomicU64::new(0),
        })
    }

    /// Drops a key from memory, so that its next call reads the database, and wakes its open
    /// streams. Call it after the change is committed and before it is answered.
    pub(crate) fn forget_key(&self, id: &KeyId) {
        self.keys.forget(id, &self.states);
    }

    /// The same for every key of an owner.
    pub(crate) fn forget_owner(&self, owner: Owner) {
        self.keys.forget_owner(owner, &self.states);
    }

    /// Drops the keys of a project from memory. Their streams go on: only what is beside them changed.
    pub(crate) fn forget_project(&self, project: ProjectId) {
        self.keys.forget_project(project);
    }

    /// The same for every key of an organization.
    pub(crate) fn forget_organization(&self, organization: OrganizationId) {
        self.keys.forget_organization(organization);
    }

    /// The same for every key that shares these limits and budgets.
    pub(crate) fn forget_bounded(&self, subject: &Subject) {
        match *subject {
            Subject::Key(id) => self.forget_key(&id),
            Subject::User(id) => self.forget_owner(Owner::User(id)),
            Subject::Project(id) => self.forget_project(id),
            Subject::Organization(id) => self.forget_organization(id),
        }
    }

    /// Notes that a key used something that no call tells of.
    pub(crate) fn note_use(&self, used: Use) {
        if self.uses.note(used) {
            self.drain.wake();
        }
    }

    /// Ends the drain's task.
    pub(crate) async fn stop(&self) {
        self.drain.stop().await;
    }

    /// Forces the journal to the disk and ends its thread.
    pub(crate) fn close_journal(&self) {
        self.journal.close();
    }

    pub(crate) fn stats(&self) -> StoreStats {
        let events_written = self.drain.written();
        StoreStats {
            key_lookups: self.keys.lookups(),
            events_waiting: self.settled.load(Ordering::Relaxed).saturating_sub(events_written),
            events_written,
            call_keys: self.keys.len(),
            ..StoreStats::default()
        }
    }
}

impl Store {
    /// A key for the data plane, from memory or the database. `None`: there is none with this id.
    /// Ids that do not exist are remembered too, in a bounded cache, until a key is made.
    pub async fn call_key(&self, id: &KeyId) -> Result<Option<Arc<CallKey>>, crate::StoreError> {
        self.calls.keys.get_or_load(self, id).await
    }

    /// The same from memory only: no wait on the hit path. `None`: ask [`call_key`](Self::call_key).
    pub fn cached_call_key(&self, id: &KeyId) -> Option<Arc<CallKey>> {
        self.calls.keys.get(id)
    }
}
