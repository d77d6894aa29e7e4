//! The counters of what keys share: the limits and budgets of users, projects and organizations. There
//! are some only where something is bounded; all other calls cost nothing here.

use std::sync::Arc;

use doorward_domain::bounds::Subject;
use doorward_domain::call::UsageEvent;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::accounts::Accounts;
use super::known::Known;
use super::tally::Tally;
use crate::usage::load_spent;
use crate::{Store, StoreError};

/// From so many on, idle ones are dropped.
const PRUNE_AT: usize = 10_000;

/// One tally per subject.
#[derive(Debug)]
pub(super) struct SharedTallies {
    known: Mutex<Known<Subject, Tally>>,
}

impl SharedTallies {
    pub(super) fn new() -> Self {
        Self { known: Mutex::new(Known::new(PRUNE_AT)) }
    }

    /// The counters of a subject: those in memory, or new ones with what the database knows was spent.
    /// What it does not know yet is either in the counters already or comes by
    /// [`written`](Self::written): the drain stands still meanwhile, so that nothing is missed and
    /// nothing counted twice.
    pub(super) async fn of(
        &self,
        store: &Store,
        subject: Subject,
    ) -> Result<Arc<Tally>, StoreError> {
        if let Some(tally) = self.find(&subject) {
            return Ok(tally);
        }
        let _still = store.calls.drain.hold_still().await;
        if let Some(tally) = self.find(&subject) {
            return Ok(tally);
        }
        let now = store.clock.now();
        let spent = load_spent(&store.db, &subject, now, &store.time_zone).await?;
        let tally = Tally::new(Accounts::new(&spent, now, &store.time_zone));
        let monotonic_us = store.clock.monotonic_us();
        Ok(self.known.lock().adopt(subject, tally, |tally| tally.is_idle(monotonic_us)))
    }

    /// The database knows these calls. Those that began before anything was bounded are counted now.
    pub(super) fn written(&self, events: &[UsageEvent], zone: &jiff::tz::TimeZone) {
        let known = self.known.lock();
        if known.is_empty() {
            return;
        }
        for event in events {
            let UsageEvent { hold, settlement, .. } = event;
            for subject in hold.subjects() {
                let Some(tally) = known.find(&subject) else { continue };
                if hold.shared.has(subject.bound_of()) {
                    // What attempts cost was counted with their call.
                    tally.written(u64::from(event.is_call()));
                } else if let Ok(started_at) = Timestamp::from_microsecond(hold.started_at_us) {
                    tally.add(settlement.spend, started_at, zone);
                }
            }
        }
    }

    fn find(&self, subject: &Subject) -> Option<Arc<Tally>> {
        self.known.lock().find(subject)
    }
}
