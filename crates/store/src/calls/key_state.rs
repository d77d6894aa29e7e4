//! What is counted of a key, and the signal that ends its streams. It outlives the key's place in the
//! cache.

use std::sync::Arc;

use doorward_domain::bounds::ModelLimits;
use doorward_domain::key::Owner;
use doorward_domain::model_pattern::ModelPattern;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::accounts::Accounts;
use super::tally::Tally;
use crate::usage::PeriodSpend;

/// The counters of one key, and the signal that ends its streams.
#[derive(Debug)]
pub struct KeyState {
    owner: Owner,
    pub(super) tally: Tally,
    /// Those of its limits for some models.
    models: Mutex<Vec<(ModelPattern, Arc<Tally>)>>,
    /// Cancelled, and replaced, when the key changes.
    changed: Mutex<CancellationToken>,
}

impl KeyState {
    pub(super) fn new(owner: Owner, accounts: Accounts) -> Self {
        Self {
            owner,
            tally: Tally::new(accounts),
            models: Mutex::default(),
            changed: Mutex::default(),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// Cancelled when the key changes from how it is now.
    pub(super) fn changed(&self) -> CancellationToken {
        self.changed.lock().clone()
    }

    /// Wakes everything that waits for the key to change.
    pub(super) fn signal_change(&self) {
        std::mem::take(&mut *self.changed.lock()).cancel();
    }

    /// The counters for each of these limits, in their order. What was taken under a pattern stays under
    /// it, also while the pattern is gone for a moment.
    pub(super) fn of_models(
        &self,
        limits: &[ModelLimits],
        (now, monotonic_us): (Timestamp, u64),
        zone: &TimeZone,
    ) -> Vec<Arc<Tally>> {
        let mut models = self.models.lock();
        let is_named = |pattern: &ModelPattern| limits.iter().any(|limit| limit.model == *pattern);
        models.retain(|(pattern, tally)| is_named(pattern) || !tally.lock().is_quiet(monotonic_us));
        let mut of = |pattern: &ModelPattern| {
            if let Some((_, tally)) = models.iter().find(|(known, _)| known == pattern) {
                return Arc::clone(tally);
            }
            let accounts = Accounts::new(&PeriodSpend::default(), now, zone);
            let tally = Arc::new(Tally::new(accounts));
            models.push((pattern.clone(), Arc::clone(&tally)));
            tally
        };
        limits.iter().map(|limit| of(&limit.model)).collect()
    }

    /// The database knows some more finished calls of this key.
    pub(super) fn written(&self, events: u64) {
        self.tally.written(events);
    }

    /// Whether the database knows all that these counters know.
    pub(super) fn is_idle(&self, monotonic_us: u64) -> bool {
        let is_quiet = |(_, tally): &(_, Arc<Tally>)| tally.lock().is_quiet(monotonic_us);
        self.tally.is_idle(monotonic_us) && self.models.lock().iter().all(is_quiet)
    }
}
