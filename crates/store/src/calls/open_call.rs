//! A call between its admission and its settlement.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_domain::call::{Hold, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};

use super::CallKey;
use super::key_state::{Admitted, Taken};
use crate::Store;

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
        Self { quotas, output_tokens, store, key, hold, taken, is_settled: false }
    }

    /// The call's id.
    pub fn id(&self) -> CallId {
        self.hold.call
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
        let (provider, deployment) = (self.hold.provider, self.hold.deployment);
        calls.journal.append_settled(settlement, provider, deployment);
        calls.settled.fetch_add(1, Ordering::Relaxed);
        self.key.state.settle(&self.taken, settlement.spend);
        calls.drain.wake();
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
