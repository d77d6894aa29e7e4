//! The end of a call: exactly one settlement, however it comes.

use std::sync::Arc;

use doorward_dialect::Dialect;
use doorward_domain::budget::Spend;
use doorward_domain::call::{Hold, Outcome, Settlement};
use doorward_domain::id::CallId;
use doorward_domain::usage::Usage;
use doorward_store::{Clock, OpenCall, StoreError};
use http::StatusCode;

use crate::asking::Asking;
use crate::catalog::Target;
use crate::health::{Fault, Pass};
use crate::meter::{Metered, Searches};
use crate::metrics::Metrics;
use crate::reckon::Reckoning;
use crate::route::Call;
use crate::trace::OpenSpan;
use crate::translate::Between;

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
    /// What its deployment was asked.
    asked: Asking,
    /// Something of the request has gone out: what happens from now on costs.
    is_sent: bool,
    /// The leave to call the deployment, until its end is known.
    pass: Option<Pass>,
    attempt_began_us: u64,
    /// The last attempt failed after its request had gone out, and what is known of that. It is written
    /// down when another one follows; else the call's own settlement tells it.
    failed: Option<FailedAttempt>,
}

#[derive(Debug, Clone, Copy)]
struct FailedAttempt {
    status: StatusCode,
    /// The provider may have worked.
    is_owing: bool,
    ended_us: u64,
}

/// What is asked, as far as the end of the call needs it.
#[derive(Debug)]
pub(crate) struct Question {
    /// What the client called.
    pub(crate) call: Call,
    /// Whether the answer comes while it is made.
    pub(crate) is_stream: bool,
    /// What it uses as far as that is known before its answer.
    pub(crate) reckoning: Reckoning,
    /// The provider searches the web once for it, and does not tell.
    pub(crate) searches_always: bool,
    /// What was set aside of searches: billed where nobody can count them.
    pub(crate) searches_max: Searches,
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
            asked: Asking::Call(question.call),
            question,
            is_sent: false,
            pass: None,
            attempt_began_us: started_us,
            failed: None,
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

    /// The request is about to go to this deployment, which gave leave for it; the attempt before, if there
    /// was one, is taken down. False: it may not, for the budgets do not cover both.
    pub(crate) fn sending_to(&mut self, target: &Arc<Target>, pass: Pass) -> bool {
        if let Some(failed) = self.failed
            && !self.book_attempt(failed)
        {
            return false;
        }
        self.failed = None;
        self.is_sent = false;
        self.first_byte_us = 0;
        self.attempt_began_us = self.clock.monotonic_us();
        self.pass = Some(pass);
        if !Arc::ptr_eq(&self.target, target) {
            self.target = Arc::clone(target);
            self.open.reroute(target.provider, target.deployment);
        }
        true
    }

    /// Where to note that the first byte of the request is written.
    pub(crate) fn is_sent(&mut self) -> &mut bool {
        &mut self.is_sent
    }

    /// The attempt failed before anything went to the client. `status` is what the provider answered, or
    /// what the client would be told. What comes now costs nothing unless the provider may have worked.
    pub(crate) fn attempt_failed(
        &mut self,
        status: StatusCode,
        fault: Option<Fault>,
        is_owing: bool,
    ) {
        self.blame(fault);
        if self.is_sent {
            self.is_sent = is_owing;
            let ended_us = self.clock.monotonic_us();
            self.failed = Some(FailedAttempt { status, is_owing, ended_us });
        }
    }

    /// The answer broke off or fell silent.
    pub(crate) fn broke_off(&mut self) {
        self.blame(Some(Fault::Deployment(None)));
    }

    fn blame(&mut self, fault: Option<Fault>) {
        if let (Some(pass), Some(fault)) = (self.pass.take(), fault) {
            pass.failed(self.clock.monotonic_us(), fault);
        }
    }

    /// Whether the budgets cover what it may have cost beside what the call holds.
    fn book_attempt(&mut self, failed: FailedAttempt) -> bool {
        let FailedAttempt { status, is_owing, ended_us } = failed;
        let usage = if is_owing { self.sent() } else { Usage::default() };
        let settlement = Settlement {
            call: self.open.id(),
            outcome: if is_owing { Outcome::Interrupted } else { Outcome::Failed },
            status: status.as_u16(),
            usage,
            spend: Spend::of(&self.target.price, usage),
            is_estimated: is_owing,
            duration_us: ended_us.saturating_sub(self.attempt_began_us),
            first_byte_us: self
                .first_byte_us
                .saturating_sub(self.attempt_began_us - self.started_us),
        };
        let is_covered = self.open.add_attempt(&settlement);
        if is_covered {
            Metrics::count_attempt(&self.target.series, &settlement);
        }
        is_covered
    }

    /// Whether providers take nothing for it, so that it uses nothing.
    const fn is_free(&self) -> bool {
        self.question.call.work().is_free()
    }

    /// What the deployment bills for a request of which nothing more is known, by estimate.
    fn sent(&self) -> Usage {
        if self.is_free() {
            return Usage::default();
        }
        self.question.reckoning.untold(&self.target.price)
    }

    /// What is billed, and whether it is estimated. What failed has used nothing.
    fn used(&self, outcome: Outcome, metered: Metered) -> (Usage, bool) {
        if self.is_free() || outcome == Outcome::Failed {
            (Usage::default(), false)
        } else if self.is_sent || metered.told.is_some() {
            self.question.reckoning.settled(metered, &self.target.price)
        } else {
            metered.usage(0)
        }
    }

    /// What the deployment is asked.
    pub(crate) const fn asking(&mut self, asking: Asking) {
        self.asked = asking;
    }

    /// How the client is told what went wrong.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.question.call.dialect()
    }

    /// Between whom the answer must be translated. `None`: the client gets the deployment's own words.
    pub(crate) fn between(&self) -> Option<Between> {
        (self.asked != Asking::Call(self.question.call)).then(|| Between {
            client: self.question.call.client(),
            provider: self.asked.provider(),
        })
    }

    /// Whether its end is written down.
    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_settled()
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
        if let Some(pass) = &mut self.pass {
            let now_us = self.started_us + self.first_byte_us;
            pass.answered(now_us, now_us.saturating_sub(self.attempt_began_us));
        }
    }

    /// What the client is told instead of what the provider answered.
    pub(crate) const fn tell(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    /// Nothing was produced, so nothing is owed.
    pub(crate) fn fail(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.settle(Outcome::Failed, Metered::default());
    }

    /// It went wrong after the provider began: what it has seen is owed, and the client gets `status`.
    pub(crate) fn interrupt(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.settle(Outcome::Interrupted, Metered::default());
    }

    /// Settles with what the meter knows. Only the first settlement counts.
    pub(crate) fn settle(&mut self, outcome: Outcome, metered: Metered) {
        if let Some(settlement) = self.end(outcome, metered) {
            self.open.settle(&settlement);
        }
    }

    /// The same for an answer that has not gone out yet: the calls that end at the same moment are
    /// written down together.
    pub(crate) async fn settle_shared(&mut self, outcome: Outcome, metered: Metered) {
        if let Some(settlement) = self.end(outcome, metered) {
            self.open.settle_shared(&settlement).await;
        }
    }

    /// `None`: it is settled already.
    fn end(&mut self, outcome: Outcome, metered: Metered) -> Option<Settlement> {
        if self.open.is_settled() {
            return None;
        }
        let (usage, is_estimated) = self.used(outcome, metered);
        let usage = self.with_searches(usage, metered.searches);
        let settlement = Settlement {
            call: self.open.id(),
            outcome,
            status: self.status,
            usage,
            spend: Spend::of(&self.target.price, usage),
            is_estimated: is_estimated || metered.searches.is_lost,
            duration_us: self.elapsed_us(),
            first_byte_us: self.first_byte_us,
        };
        self.metrics.end(&self.target.series, &settlement, self.question.is_stream);
        self.target.average.note(settlement.spend);
        log(self.open.hold(), &self.target, &settlement);
        if let Some(span) = self.question.span.take() {
            let ended = (&settlement, self.question.is_stream);
            span.end(self.open.hold(), &self.target.header, ended);
        }
        Some(settlement)
    }

    /// The searches as they are sold.
    fn with_searches(&self, mut usage: Usage, counted: Searches) -> Usage {
        let Question { call, searches_always, searches_max, .. } = &self.question;
        let is_always = *searches_always || self.target.searches_itself(call.work());
        if is_always && usage.output_tokens > 0 {
            usage.web_searches = usage.web_searches.max(1);
        }
        if counted.is_lost {
            usage.web_searches = usage.web_searches.max(searches_max.web);
            usage.file_searches = usage.file_searches.max(searches_max.files);
        }
        self.target.sold(usage)
    }

    fn elapsed_us(&self) -> u64 {
        self.clock.monotonic_us().saturating_sub(self.started_us)
    }
}

impl Drop for CallEnd {
    fn drop(&mut self) {
        self.settle(Outcome::Disconnected, Metered::default());
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
