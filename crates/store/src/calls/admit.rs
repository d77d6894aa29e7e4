//! Admission: one step over every limit and budget, then the journal.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_domain::budget::{Quote, Spend};
use doorward_domain::call::Hold;
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::price::Price;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;

use super::counters::{Admitted, Moment};
use super::{CallKey, OpenCall};
use crate::{Store, StoreError};

/// Finished calls that may wait in the journal. Beyond, no call may leave: some four gigabytes are
/// written and the database has not kept up for a long time.
const WAITING_MAX: u64 = 16_000_000;

/// What is asked of [`Store::admit`].
#[derive(Debug)]
pub struct CallRequest<'a> {
    /// The call.
    pub call: CallId,
    /// Which secret of the key was presented.
    pub secret: SecretNumber,
    /// The model's public name.
    pub model: &'a Arc<str>,
    /// Where it goes first.
    pub provider: ProviderId,
    /// Where it goes first.
    pub deployment: DeploymentId,
    /// The dearest price among the deployments that may serve it.
    pub price: &'a Price,
    /// Estimated tokens of input, the most output tokens that it may produce, and the most of what is no
    /// tokens.
    pub most: Usage,
    /// Of the output tokens, those that no bound makes fewer.
    pub fixed_output_tokens: u64,
    /// What calls of the model spent lately, on average: held where a budget may be overrun. `None`: nothing is
    /// known of that, and the worst case is held there too.
    pub average: Option<Spend>,
    /// From where.
    pub address: IpAddr,
}

impl Store {
    /// Takes from every limit and budget that bounds the call in one step, or from none: the key's own,
    /// and those of its user, project and organization. The caller has checked status, scope and model. The call may leave once its hold stands in the journal:
    /// [`OpenCall::written`].
    ///
    /// The outer error is ours: the database is too far behind, or may be in use by another process,
    /// which would spend the same budgets. The inner one is the key's.
    pub fn admit(
        self: &Arc<Self>,
        key: &Arc<CallKey>,
        request: &CallRequest<'_>,
    ) -> Result<Result<OpenCall, (Denial, Admitted)>, StoreError> {
        if !self.db.is_ours() {
            return Err(StoreError::NotOurs);
        }
        let settled = self.calls.settled.load(Ordering::Relaxed);
        if settled.saturating_sub(self.calls.drain.written()) > WAITING_MAX {
            return Err(StoreError::Behind);
        }
        let moment = Moment { now: self.clock.now(), monotonic_us: self.clock.monotonic_us() };
        let quote = Quote {
            price: request.price,
            most: request.most,
            fixed_output_tokens: request.fixed_output_tokens,
            average: request.average,
        };
        let bounded = key.bounded(moment.now, Some(request.model));
        let (taken, granted, quotas) = match bounded.admit(&quote, moment, &self.time_zone) {
            Ok(admitted) => admitted,
            Err(denied) => return Ok(Err(denied)),
        };
        let hold = Hold {
            call: request.call,
            organization: key.key.organization,
            project: key.key.project,
            key: key.key.id,
            owner: key.key.owner,
            shared: bounded.shared_with(&taken),
            secret: request.secret,
            provider: request.provider,
            deployment: request.deployment,
            model: Arc::clone(request.model),
            started_at_us: moment.now.as_microsecond(),
            address: request.address,
            estimate: Usage { output_tokens: granted, ..request.most },
            held: taken.held().worst,
        };
        Ok(Ok(OpenCall::new(Arc::clone(self), Arc::clone(key), hold, taken, (quotas, granted))))
    }
}
