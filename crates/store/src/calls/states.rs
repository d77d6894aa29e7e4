//! The counters of all keys that were used lately.

use std::collections::HashMap;
use std::sync::Arc;

use doorward_domain::credential::KeyId;
use doorward_domain::key::{ApiKey, Owner};
use parking_lot::Mutex;

use super::accounts::Accounts;
use super::key_state::KeyState;
use crate::usage::load_spent;
use crate::{Store, StoreError};

/// One state per key. It stays for as long as anything refers to it, a call in flight above all, and
/// for as long as it knows something that the database does not.
#[derive(Debug)]
pub(super) struct States {
    states: Mutex<Known>,
    prune_at_least: usize,
}

#[derive(Debug)]
struct Known {
    by_key: HashMap<KeyId, Arc<KeyState>>,
    /// At this size, idle ones are dropped.
    prune_at: usize,
}

impl States {
    pub(super) fn new(call_keys_max: usize) -> Self {
        let prune_at = call_keys_max.saturating_mul(2).max(16);
        let known = Known { by_key: HashMap::new(), prune_at };
        Self { states: Mutex::new(known), prune_at_least: prune_at }
    }

    /// The counters of a key: those in memory, or new ones with what the database knows was spent.
    /// Where there are none in memory, the database knows everything.
    pub(super) async fn of(
        &self,
        store: &Store,
        key: &ApiKey,
    ) -> Result<Arc<KeyState>, StoreError> {
        if let Some(state) = self.find(&key.id) {
            return Ok(state);
        }
        let now = store.clock.now();
        let spent = load_spent(&store.db, &key.id, now, &store.time_zone).await?;
        let state = KeyState::new(key.owner, Accounts::new(&spent, now, &store.time_zone));
        Ok(self.adopt(key.id, state, store.clock.monotonic_us()))
    }

    /// The database knows some more finished calls of this key.
    pub(super) fn written(&self, key: &KeyId, events: u64) {
        if let Some(state) = self.find(key) {
            state.written(events);
        }
    }

    /// Ends what waits for a change of this key.
    pub(super) fn signal_change(&self, id: &KeyId) {
        if let Some(state) = self.find(id) {
            state.signal_change();
        }
    }

    /// The same for every key of an owner.
    pub(super) fn signal_owner(&self, owner: Owner) {
        let known = self.states.lock();
        for state in known.by_key.values().filter(|state| state.owner() == owner) {
            state.signal_change();
        }
    }

    fn find(&self, id: &KeyId) -> Option<Arc<KeyState>> {
        self.states.lock().by_key.get(id).cloned()
    }

    fn adopt(&self, id: KeyId, state: KeyState, monotonic_us: u64) -> Arc<KeyState> {
        let mut known = self.states.lock();
        if known.by_key.len() >= known.prune_at {
            known.prune(monotonic_us);
            known.prune_at = self.prune_at_least.max(known.by_key.len() * 2);
        }
        Arc::clone(known.by_key.entry(id).or_insert_with(|| Arc::new(state)))
    }
}

impl Known {
    /// Whoever is left sets when to look again, so that looking costs little per key.
    fn prune(&mut self, monotonic_us: u64) {
        let is_needed =
            |state: &Arc<KeyState>| Arc::strong_count(state) > 1 || !state.is_idle(monotonic_us);
        self.by_key.retain(|_, state| is_needed(state));
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::budget::{Quote, Spend};
    use doorward_domain::id::UserId;
    use doorward_domain::price::Price;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::key_state::{Moment, tests::rights};
    use super::*;
    use crate::usage::PeriodSpend;

    fn id(n: usize) -> KeyId {
        format!("dw_{n:016}").parse().unwrap()
    }

    fn adopt(states: &States, n: usize, monotonic_us: u64) -> Arc<KeyState> {
        let now = Timestamp::UNIX_EPOCH;
        let accounts = Accounts::new(&PeriodSpend::default(), now, &TimeZone::UTC);
        let owner = Owner::User(UserId::new(1, 1));
        states.adopt(id(n), KeyState::new(owner, accounts), monotonic_us)
    }

    /// Brings so many others that idle ones are dropped.
    fn crowd(states: &States, monotonic_us: u64) {
        for n in 0..100 {
            adopt(states, 1_000 + n, monotonic_us);
        }
    }

    #[test]
    fn what_is_referred_to_outlives_any_crowd() {
        let states = States::new(1);
        let held = adopt(&states, 1, 0);
        adopt(&states, 2, 0);
        crowd(&states, 0);
        assert!(Arc::ptr_eq(&states.find(&id(1)).unwrap(), &held));
        assert!(states.find(&id(2)).is_none());
        assert!(states.states.lock().by_key.len() <= 32);
    }

    #[test]
    fn counters_stay_until_the_database_knows_what_they_count() {
        let states = States::new(1);
        let quote = Quote { price: &Price::FREE, input_tokens: 1, output_tokens: 1 };
        let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
        let admit =
            |state: &KeyState| state.admit(&rights(&[]), &quote, moment, &TimeZone::UTC).unwrap().0;
        let taken = admit(&adopt(&states, 1, 0));
        crowd(&states, 0);
        states.find(&id(1)).unwrap().settle(&taken, Spend::default());
        crowd(&states, 0);
        assert!(states.find(&id(1)).is_some());
        states.written(&id(1), 1);
        crowd(&states, 0);
        assert!(states.find(&id(1)).is_none());
    }

    /// The database may take a call before its settlement is counted here.
    #[test]
    fn a_database_that_is_ahead_is_caught_up_with() {
        let states = States::new(1);
        let quote = Quote { price: &Price::FREE, input_tokens: 1, output_tokens: 1 };
        let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
        let state = adopt(&states, 1, 0);
        let taken = state.admit(&rights(&[]), &quote, moment, &TimeZone::UTC).unwrap().0;
        states.written(&id(1), 1);
        assert!(!state.is_idle(0));
        state.settle(&taken, Spend::default());
        assert!(state.is_idle(0));
    }
}
