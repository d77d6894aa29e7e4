//! A call between its admission and its settlement.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_domain::call::{Hold, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use jiff::Timestamp;

use super::CallKey;
use super::bounded::{Bounded, Taken};
use super::counters::{Admitted, Moment};
use crate::journal::Batch;
use crate::{Store, StoreError};

/// From so many calls in flight on, they wait for each other with their records.
const SHARING_MIN: usize = 8;

/// A call that was admitted and is not settled yet. Dropping it unsettled, as a panic does, settles
/// it as interrupted at its estimate.
#[derive(Debug)]
pub struct OpenCall {
    /// What the limits said.
    pub quotas: Admitted,
    /// How many output tokens the budgets leave room for; less than asked for: lower `max_tokens`.
    pub output_tokens: u64,
    store: Arc<Store>,
    key: Arc<CallKey>,
    hold: Hold,
    taken: Taken,
    batch: Arc<Batch>,
    /// Attempts that were taken down.
    attempts: u16,
    is_settled: bool,
}

impl OpenCall {
    pub(super) fn new(
        store: Arc<Store>,
        key: Arc<CallKey>,
        hold: Hold,
        taken: Taken,
        (quotas, output_tokens): (Admitted, u64),
    ) -> Self {
        let batch = store.calls.journal.add_hold(&hold);
        store.calls.open.fetch_add(1, Ordering::Relaxed);
        Self {
            quotas,
            output_tokens,
            store,
            key,
            hold,
            taken,
            batch,
            attempts: 0,
            is_settled: false,
        }
    }

    /// Returns when the hold stands in the journal: the call may leave. On an error it must not, and
    /// is to be [cancelled](Self::cancel).
    pub async fn written(&self) -> Result<(), StoreError> {
        self.give_way().await;
        self.store.calls.journal.write(&self.batch).map_err(StoreError::Journal)
    }

    /// Gives everything back: the call did not leave.
    pub fn cancel(&mut self) {
        if !self.is_settled {
            self.give_back();
        }
    }

    /// Whether it is over: settled or cancelled.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// What was set aside for it, and for whom.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The call's id.
    pub fn id(&self) -> CallId {
        self.hold.call
    }

    /// When it was admitted, by [`Clock::monotonic_us`](crate::Clock::monotonic_us).
    pub fn admitted_us(&self) -> u64 {
        self.taken.monotonic_us()
    }

    /// Names the deployment that serves the call in the end, when it is not the first.
    pub fn reroute(&mut self, provider: ProviderId, deployment: DeploymentId) {
        (self.hold.provider, self.hold.deployment) = (provider, deployment);
    }

    /// Takes down an attempt that reached the deployment which is named now, and failed; another one
    /// follows. It is no call of its own, but what it cost is gone, beside what the call holds: from here on
    /// nobody else is let in on it. False, and nothing is taken down: the budgets do not cover both.
    pub fn add_attempt(&mut self, settlement: &Settlement) -> bool {
        let (clock, hold) = (&self.store.clock, &self.hold);
        let moment = Moment { now: clock.now(), monotonic_us: clock.monotonic_us() };
        let at = (moment, &self.store.time_zone);
        let started_at = Timestamp::from_microsecond(hold.started_at_us).unwrap_or(moment.now);
        if self.is_settled || !self.bounded().try_add(settlement.spend, started_at, at) {
            return false;
        }
        self.attempts = self.attempts.saturating_add(1);
        let journal = &self.store.calls.journal;
        let served_by = (hold.provider, hold.deployment);
        journal.write_settled(&journal.add_attempt(settlement, served_by, self.attempts));
        true
    }

    /// Books what the call used: counters, journal, then, in a batch, the database. Only the first
    /// settlement counts. Never fails: a journal that cannot be written gets it later, and no call
    /// leaves until then.
    pub fn settle(&mut self, settlement: &Settlement) {
        if let Some(batch) = self.take_down(settlement) {
            self.store.calls.journal.write_settled(&batch);
        }
    }

    /// The same for a call whose answer has not gone out yet: it may wait to share a write with
    /// others.
    pub async fn settle_shared(&mut self, settlement: &Settlement) {
        if let Some(batch) = self.take_down(settlement) {
            self.give_way().await;
            self.store.calls.journal.write_settled(&batch);
        }
    }

    /// `None`: it is settled already, or the hold could never be written, so there is nothing to
    /// settle.
    fn take_down(&mut self, settlement: &Settlement) -> Option<Arc<Batch>> {
        if self.is_settled {
            return None;
        }
        let calls = &self.store.calls;
        if calls.journal.write(&self.batch).is_err() {
            self.give_back();
            return None;
        }
        self.is_settled = true;
        calls.open.fetch_sub(1, Ordering::Relaxed);
        let (provider, deployment) = (self.hold.provider, self.hold.deployment);
        let batch = calls.journal.add_settled(settlement, provider, deployment);
        calls.settled.fetch_add(1, Ordering::Relaxed);
        self.bounded().settle(&self.taken, settlement.spend);
        calls.drain.wake();
        Some(batch)
    }

    fn give_back(&mut self) {
        self.is_settled = true;
        self.store.calls.open.fetch_sub(1, Ordering::Relaxed);
        self.bounded().give_back(&self.taken);
    }

    /// What the call took from.
    fn bounded(&self) -> Bounded<'_> {
        self.key.bounded(self.store.clock.now(), Some(&self.hold.model))
    }

    /// Calls that are ready at the same moment share one write: they get the chance to add their
    /// records. Where there are few, waiting for each other would cost more than it saves.
    async fn give_way(&self) {
        if self.store.calls.open.load(Ordering::Relaxed) >= SHARING_MIN {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.is_settled {
            let settlement = self.hold.interrupted();
            self.settle(&settlement);
        }
    }
}
