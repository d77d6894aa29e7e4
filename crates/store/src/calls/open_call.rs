//! A call between its admission and its settlement.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_domain::call::{Hold, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};

use super::CallKey;
use super::key_state::{Admitted, Taken};
use crate::journal::Batch;
use crate::{Store, StoreError};

/// From so many calls in flight on, they wait for each other with their holds.
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
        Self { quotas, output_tokens, store, key, hold, taken, batch, is_settled: false }
    }

    /// Returns when the hold stands in the journal: the call may leave. On an error it must not, and
    /// is to be [cancelled](Self::cancel).
    pub async fn written(&self) -> Result<(), StoreError> {
        // Calls that are ready at the same moment share one write: they get the chance to add theirs.
        // Where there are few, waiting for each other would cost more than it saves.
        if self.store.calls.open.load(Ordering::Relaxed) >= SHARING_MIN {
            tokio::task::yield_now().await;
        }
        self.store.calls.journal.write(&self.batch).map_err(StoreError::Journal)
    }

    /// Gives everything back: the call did not leave.
    pub fn cancel(mut self) {
        self.is_settled = true;
        self.store.calls.open.fetch_sub(1, Ordering::Relaxed);
        self.key.state.give_back(&self.taken);
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

    /// Books what the call used: journal, counters, then, in a batch, the database. Never fails: a
    /// journal that cannot be written gets it later, and admission stops until then.
    pub fn settle(mut self, settlement: Settlement) {
        self.book(&settlement);
    }

    fn book(&mut self, settlement: &Settlement) {
        self.is_settled = true;
        let calls = &self.store.calls;
        calls.open.fetch_sub(1, Ordering::Relaxed);
        let (provider, deployment) = (self.hold.provider, self.hold.deployment);
        calls.journal.add_settled(settlement, provider, deployment);
        calls.settled.fetch_add(1, Ordering::Relaxed);
        self.key.state.settle(&self.taken, settlement.spend);
        calls.drain.settled();
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.is_settled {
            let settlement = self.hold.interrupted();
            self.book(&settlement);
        }
    }
}
