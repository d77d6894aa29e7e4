//! The counters of all keys that were used lately.

use std::sync::Arc;

use doorward_domain::bounds::Subject;
use doorward_domain::credential::KeyId;
use doorward_domain::key::{ApiKey, Owner};
use parking_lot::Mutex;

use super::accounts::Accounts;
use super::key_state::KeyState;
use super::known::Known;
use crate::usage::load_spent;
use crate::{Store, StoreError};

/// One state per key. It stays for as long as anything refers to it, a call in flight above all, and
/// for as long as it knows something that the database does not.
#[derive(Debug)]
pub(super) struct States {
    known: Mutex<Known<KeyId, KeyState>>,
}

impl States {
    pub(super) fn new(call_keys_max: usize) -> Self {
        Self { known: Mutex::new(Known::new(call_keys_max.saturating_mul(2).max(16))) }
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
        let spent = load_spent(&store.db, &Subject::Key(key.id), now, &store.time_zone).await?;
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
        let known = self.known.lock();
        for state in known.all().filter(|state| state.owner() == owner) {
            state.signal_change();
        }
    }

    fn find(&self, id: &KeyId) -> Option<Arc<KeyState>> {
        self.known.lock().find(id)
    }

    fn adopt(&self, id: KeyId, state: KeyState, monotonic_us: u64) -> Arc<KeyState> {
        self.known.lock().adopt(id, state, |state| state.is_idle(monotonic_us))
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::budget::{Quote, Spend};
    use doorward_domain::id::UserId;
    use doorward_domain::price::Price;
    use doorward_domain::usage::Usage;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::bounded::tests::{admit, rights, settle};
    use super::super::counters::Moment;
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
        assert!(states.known.lock().all().count() <= 32);
    }

    #[test]
    fn counters_stay_until_the_database_knows_what_they_count() {
        let states = States::new(1);
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(1, 1),
            fixed_output_tokens: 0,
            average: None,
        };
        let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
        let rights = rights(&[]);
        let taken = admit(&adopt(&states, 1, 0).tally, &rights, &quote, moment).unwrap().0;
        crowd(&states, 0);
        settle(&states.find(&id(1)).unwrap().tally, &rights, &taken, Spend::default());
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
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(1, 1),
            fixed_output_tokens: 0,
            average: None,
        };
        let moment = Moment { now: Timestamp::UNIX_EPOCH, monotonic_us: 0 };
        let state = adopt(&states, 1, 0);
        let rights = rights(&[]);
        let taken = admit(&state.tally, &rights, &quote, moment).unwrap().0;
        states.written(&id(1), 1);
        assert!(!state.is_idle(0));
        settle(&state.tally, &rights, &taken, Spend::default());
        assert!(state.is_idle(0));
    }
}
