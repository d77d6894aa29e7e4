//! The end of a call: exactly one settlement, however it comes.

use std::sync::Arc;

use doorward_dialect::Dialect;
use doorward_domain::budget::Spend;
use doorward_domain::call::{Hold, Outcome, Settlement};
use doorward_domain::id::CallId;
use doorward_domain::usage::Usage;
use doorward_store::{Clock, OpenCall, StoreError};
use http::StatusCode;

use crate::catalog::Target;
use crate::metrics::Metrics;
use crate::trace::OpenSpan;

/// Settles a call once. Dropped before that, as when the client goes away while the upstream still
/// thinks, it settles what the provider has seen: the input.
#[derive(Debug)]
pub(crate) struct CallEnd {
    open: OpenCall,
    target: Arc<Target>,
    metrics: Arc<Metrics>,
    clock: Clock,
    started_us: u64,
    first_byte_us: u64,
    status: u16,
    question: Question,
    /// Something of the request has gone out: what happens from now on costs.
    is_sent: bool,
}

/// What is asked, as far as the end of the call needs it.
#[derive(Debug)]
pub(crate) struct Question {
    /// How the client speaks.
    pub(crate) client: Dialect,
    /// Whether the answer comes while it is made.
    pub(crate) is_stream: bool,
    /// By estimate.
    pub(crate) input_tokens: u64,
    /// What is recorded of the call, where it is.
    pub(crate) span: Option<OpenSpan>,
}

impl CallEnd {
    pub(crate) fn new(
        open: OpenCall,
        target: Arc<Target>,
        metrics: Arc<Metrics>,
        clock: Clock,
        question: Question,
    ) -> Self {
        metrics.begin();
        let started_us = open.admitted_us();
        Self {
            open,
            target,
            metrics,
            clock,
            started_us,
            first_byte_us: 0,
            status: 0,
            question,
            is_sent: false,
        }
    }

    /// Returns when the call may leave. On an error it is over, and cost nothing.
    pub(crate) async fn written(&mut self) -> Result<(), StoreError> {
        let written = self.open.written().await;
        if written.is_err() {
            self.metrics.cancel();
            self.open.cancel();
        }
        written
    }

    /// The request is about to go to this deployment. Whatever went to another one before cost
    /// nothing, else it would not be tried.
    pub(crate) fn sending_to(&mut self, target: &Arc<Target>) {
        self.is_sent = false;
        if !Arc::ptr_eq(&self.target, target) {
            self.target = Arc::clone(target);
            self.open.reroute(target.provider, target.deployment);
        }
    }

    /// Where to note that the first byte of the request is written.
    pub(crate) fn is_sent(&mut self) -> &mut bool {
        &mut self.is_sent
    }

    /// How the client speaks.
    pub(crate) const fn client(&self) -> Dialect {
        self.question.client
    }

    /// The call.
    pub(crate) fn id(&self) -> CallId {
        self.open.id()
    }

    /// Which deployment serves the call.
    pub(crate) fn target(&self) -> Arc<Target> {
        Arc::clone(&self.target)
    }

    /// The public name of the model that was called.
    pub(crate) fn model(&self) -> Arc<str> {
        Arc::clone(&self.open.hold().model)
    }

    /// The answer's head is there.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.first_byte_us = self.elapsed_us();
    }

    /// Nothing was produced, so nothing is owed.
    pub(crate) fn fail(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.settle(Outcome::Failed, Some(Usage::default()), 0);
    }

    /// It went wrong after the provider began: what it has seen is owed, and the client gets `status`.
    pub(crate) fn interrupt(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.settle(Outcome::Interrupted, None, 0);
    }

    /// Settles with what the provider reported, else with what was counted here. Only the first
    /// settlement counts.
    pub(crate) fn settle(
        &mut self,
        outcome: Outcome,
        reported: Option<Usage>,
        counted_output: u64,
    ) {
        if let Some(settlement) = self.end(outcome, reported, counted_output) {
            self.open.settle(&settlement);
        }
    }

    /// The same for an answer that has not gone out yet: the calls that end at the same moment are
    /// written down together.
    pub(crate) async fn settle_shared(
        &mut self,
        outcome: Outcome,
        reported: Option<Usage>,
        counted_output: u64,
    ) {
        if let Some(settlement) = self.end(outcome, reported, counted_output) {
            self.open.settle_shared(&settlement).await;
        }
    }

    /// `None`: it is settled already.
    fn end(
        &mut self,
        outcome: Outcome,
        reported: Option<Usage>,
        counted_output: u64,
    ) -> Option<Settlement> {
        if self.open.is_settled() {
            return None;
        }
        let input_tokens = if self.is_sent { self.question.input_tokens } else { 0 };
        let counted = Usage { input_tokens, output_tokens: counted_output, ..Usage::default() };
        let usage = reported.unwrap_or(counted);
        let settlement = Settlement {
            call: self.open.id(),
            outcome,
            status: self.status,
            usage,
            spend: Spend::of(&self.target.price, usage),
            is_estimated: reported.is_none(),
            duration_us: self.elapsed_us(),
            first_byte_us: self.first_byte_us,
        };
        self.metrics.end(&self.target.series, &settlement, self.question.is_stream);
        log(self.open.hold(), &self.target, &settlement);
        if let Some(span) = self.question.span.take() {
            let ended = (&settlement, self.question.is_stream);
            span.end(self.open.hold(), &self.target.header, ended);
        }
        Some(settlement)
    }

    fn elapsed_us(&self) -> u64 {
        self.clock.monotonic_us().saturating_sub(self.started_us)
    }
}

impl Drop for CallEnd {
    fn drop(&mut self) {
        self.settle(Outcome::Disconnected, None, 0);
    }
}

/// The one line that each call leaves in the log.
fn log(hold: &Hold, target: &Target, settlement: &Settlement) {
    tracing::info!(
        call = %settlement.call,
        key = %hold.key,
        address = %hold.address,
        model = &*hold.model,
        deployment = %target.deployment,
        outcome = settlement.outcome.as_str(),
        status = settlement.status,
        input_tokens = settlement.usage.input_tokens,
        output_tokens = settlement.usage.output_tokens,
        cost_nanousd = settlement.spend.cost.nanos(),
        estimated = settlement.is_estimated,
        duration_us = settlement.duration_us,
        first_byte_us = settlement.first_byte_us,
        "call"
    );
}
