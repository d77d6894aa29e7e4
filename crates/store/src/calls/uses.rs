//! Uses of scopes that the database does not know yet.

use std::collections::HashMap;
use std::sync::Arc;

use doorward_domain::credential::KeyId;
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::db::on;
use crate::keys::{Use, insert_uses};
use crate::{Store, StoreError};

/// Most uses that wait. What comes while so many do is noted with a later request.
const WAITING_MAX: usize = 10_000;
/// Most uses that are remembered as noted.
const NOTED_MAX: usize = 10_000;
/// A key that uses a scope all the time is noted once in this time.
const NOTED_US: i64 = 60_000_000;

/// What was used, until the drain takes it along.
#[derive(Debug)]
pub(super) struct WaitingUses {
    waiting: Mutex<HashMap<Noted, Use>>,
    noted: Cache<Noted, i64>,
}

type Noted = (KeyId, Arc<str>);

impl WaitingUses {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::default(), noted: Cache::new(NOTED_MAX) }
    }

    /// Whether there is something new for the database.
    pub(super) fn note(&self, used: Use) -> bool {
        let noted: Noted = (used.key, Arc::from(used.what.as_str()));
        let is_fresh = |at_us: i64| (0..NOTED_US).contains(&(used.at_us - at_us));
        if self.noted.get(&noted).is_some_and(is_fresh) {
            return false;
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX {
            return false;
        }
        self.noted.insert(noted.clone(), used.at_us);
        waiting.insert(noted, used);
        true
    }

    fn take(&self) -> HashMap<Noted, Use> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// Takes back what could not be written; what was noted since then is newer.
    fn put_back(&self, uses: HashMap<Noted, Use>) {
        let mut waiting = self.waiting.lock();
        for (noted, used) in uses {
            waiting.entry(noted).or_insert(used);
        }
    }
}

impl Store {
    /// Writes the uses of scopes that wait.
    pub(super) async fn write_waiting_uses(&self) -> Result<(), StoreError> {
        let uses = self.calls.uses.take();
        if uses.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<Use> = uses.values().cloned().collect();
        // Always in one order, so that two writers never wait for each other.
        rows.sort_unstable_by(|a, b| (a.key.as_str(), &a.what).cmp(&(b.key.as_str(), &b.what)));
        let written = self.write_uses(&rows).await;
        if written.is_err() {
            self.calls.uses.put_back(uses);
        }
        written
    }

    async fn write_uses(&self, rows: &[Use]) -> Result<(), StoreError> {
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            insert_uses!(tx, rows);
            tx.commit().await?;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::id::OrganizationId;

    use super::*;

    fn used(key: usize, at_us: i64) -> Use {
        Use {
            organization: OrganizationId::new(1, 1),
            key: format!("dw_{key:016}").parse().unwrap(),
            what: "scope:keys:read".to_owned(),
            at_us,
        }
    }

    #[test]
    fn a_scope_that_is_used_all_the_time_is_noted_once_a_minute() {
        let uses = WaitingUses::new();
        assert!(uses.note(used(1, 0)));
        assert!(!uses.note(used(1, NOTED_US - 1)));
        assert!(uses.note(used(2, 1)));
        assert!(uses.note(used(1, NOTED_US)));
        assert!(uses.note(used(1, 5)), "a clock that was set back keeps nothing from being noted");
        assert_eq!(uses.take().len(), 2);
    }

    #[test]
    fn what_waits_is_bounded() {
        let uses = WaitingUses::new();
        assert!((0..WAITING_MAX).all(|n| uses.note(used(n, 0))));
        assert!(!uses.note(used(WAITING_MAX, 0)));
        assert_eq!(uses.take().len(), WAITING_MAX);
    }

    #[test]
    fn what_could_not_be_written_waits_on_behind_what_is_newer() {
        let uses = WaitingUses::new();
        uses.note(used(1, 0));
        let taken = uses.take();
        uses.note(used(1, NOTED_US));
        uses.put_back(taken);
        assert_eq!(uses.take().values().map(|used| used.at_us).collect::<Vec<_>>(), [NOTED_US]);
    }
}
