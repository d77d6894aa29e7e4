//! The data plane's side of the store: keys held in memory, their counters, holds and settlements.
//!
//! The way of a call: [`Store::call_key`] → [`CallKey::matches`] → [`Store::admit`] → (the call) →
//! [`OpenCall::settle`]. Admission takes from every limit and budget of the key in one step, under
//! one short lock, and writes the hold to the journal before it returns.

use std::sync::Arc;

use doorward_domain::call::{Hold, Outcome, Settlement};
use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::ApiKey;
use doorward_domain::price::Price;
use doorward_domain::scope::ScopeSet;
use doorward_domain::usage::Usage;

use crate::{Store, StoreError};

/// A key as the data plane holds it: loaded once, dropped when anything about it changes.
#[derive(Debug)]
pub struct CallKey {
    /// The key.
    pub key: ApiKey,
    /// Its scopes and its owner's role taken together.
    pub scopes: ScopeSet,
    /// Whether its user or service account is active.
    pub owner_is_active: bool,
    // + digest, digest version, counters, end signal
}

/// The counters of a key: they outlive the [`CallKey`], so that an edit resets no limit.
#[derive(Debug)]
pub struct KeyState {}

impl CallKey {
    /// Whether this is the key's secret, in constant time.
    pub fn matches(&self, presented: &PlainKey) -> bool {
        todo!()
    }

    /// Whether any budget bounds the key.
    pub fn has_budget(&self) -> bool {
        !self.key.rights.budgets.is_empty()
    }

    /// Whether the key was changed since it was loaded: an open stream must ask again.
    pub fn is_stale(&self) -> bool {
        todo!()
    }

    /// Resolves when the key has been changed, also if that happened before the call.
    pub fn changed(&self) -> tokio_util::sync::WaitForCancellationFutureOwned {
        todo!()
    }
}

/// What is asked of [`Store::admit`].
#[derive(Debug)]
pub struct CallRequest<'a> {
    /// The call.
    pub call: CallId,
    /// The model's public name.
    pub model: &'a str,
    /// Where it goes first.
    pub provider: ProviderId,
    /// Where it goes first.
    pub deployment: DeploymentId,
    /// The dearest price among the deployments that may serve it.
    pub price: &'a Price,
    /// Estimated tokens of input.
    pub input_tokens: u64,
    /// The most output tokens that it may produce.
    pub output_tokens: u64,
    /// From where.
    pub address: std::net::IpAddr,
}

/// The state of the tightest limit of one kind, for headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The limit.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
    /// Microseconds until all of it is back.
    pub reset_us: u64,
    /// The window in seconds.
    pub window_seconds: u64,
}

/// What the limits said, for the answer's headers, whether the call was admitted or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Admitted {
    /// Of the requests limits, the one with the least left.
    pub requests: Option<Quota>,
    /// Of the tokens limits, the one with the least left.
    pub tokens: Option<Quota>,
}

/// A call that was admitted and is not settled yet. Dropping it unsettled, as a panic does, settles
/// it as interrupted at its estimate.
#[derive(Debug)]
pub struct OpenCall {
    /// What the limits said.
    pub quotas: Admitted,
    /// How many output tokens the budgets leave room for; less than asked for: lower `max_tokens`.
    pub output_tokens: u64,
}

impl OpenCall {
    /// The call's id.
    pub fn id(&self) -> CallId {
        todo!()
    }

    /// Names the deployment that serves the call in the end, when it is not the first.
    pub fn reroute(&mut self, provider: ProviderId, deployment: DeploymentId) {
        todo!()
    }

    /// Books what the call used: journal, counters, then, in a batch, the database. Never fails: a
    /// journal that cannot be written is logged, and admission stops until it can.
    pub fn settle(self, settlement: Settlement) {
        todo!()
    }
}

impl Store {
    /// A key for the data plane, from memory or the database. `None`: there is none with this id.
    /// Ids that do not exist are remembered too, in a bounded cache, until a key is made.
    pub async fn call_key(&self, id: &KeyId) -> Result<Option<Arc<CallKey>>, StoreError> {
        todo!()
    }

    /// The same from memory only: no wait on the hit path. `None`: ask [`call_key`](Self::call_key).
    pub fn cached_call_key(&self, id: &KeyId) -> Option<Arc<CallKey>> {
        todo!()
    }

    /// Takes from every limit and budget of the key in one step, or from none, and writes the hold
    /// to the journal. The caller has checked status, scope and model.
    ///
    /// The outer error is ours: the journal cannot be written, or the database is too far behind.
    /// The inner one is the key's.
    pub fn admit(
        self: &Arc<Self>,
        key: &Arc<CallKey>,
        request: &CallRequest<'_>,
    ) -> Result<Result<OpenCall, (Denial, Admitted)>, StoreError> {
        todo!()
    }
}
