//! From the first attempt to the answer: asking one deployment after the other, and all of them again
//! after a pause, until one answers. Nothing is asked again once a byte of an answer has gone to the
//! client.

use std::sync::Arc;
use std::time::Duration;

use doorward_domain::denial::Denial;

use super::attempt::{Answered, Sending};
use super::choice::Choice;
use super::deliver::Spoilt;
use super::{Gateway, Way};
use crate::answer::Answer;
use crate::catalog::Target;
use crate::error::{ProxyError, UpstreamFault};
use crate::health::Pass;
use crate::relay::CallEnd;
use crate::route::Call;
use crate::upstream::{self, Again, Failure, Verdict};
use crate::verify;

/// What the last attempt came to.
enum Last {
    /// The deployment said no: these are its own words.
    Answer(Box<upstream::Answer>, Verdict),
    Failure(Failure),
}

impl Gateway {
    /// Serves a call that was admitted. Where nobody answers, the client gets what the last one said.
    pub(super) async fn serve(
        &self,
        choice: &mut Choice<'_>,
        sending: &Sending<'_>,
        mut end: Box<CallEnd>,
        way: &mut Way<'_>,
    ) -> Result<Answer, ProxyError> {
        let began_us = self.store.clock().monotonic_us();
        let mut last = Last::none();
        let mut round = 0;
        loop {
            let elapsed = self.elapsed_since(began_us);
            let is_too_late = way.facts.attempts > 0 && elapsed >= self.options.timeouts.total;
            let now_us = self.store.clock().monotonic_us();
            if is_too_late {
                return self.give_up(last, sending, end, way).await;
            }
            let Some((position, target, pass)) = choice.next(now_us, self.ids.draw()) else {
                round += 1;
                let Some(pause) = self.pause(choice, round, elapsed) else {
                    return self.give_up(last, sending, end, way).await;
                };
                if let Err(error) = self.wait(pause, sending, way).await {
                    last = Last::Failure(Failure { error, again: last.again(), fault: None });
                    return self.give_up(last, sending, end, way).await;
                }
                choice.begin_again();
                continue;
            };
            if let Err(error) = self.recheck(sending, way).await {
                last = Last::Failure(Failure { error, again: last.again(), fault: None });
                return self.give_up(last, sending, end, way).await;
            }
            let before = way.facts.attempts;
            let failed;
            (failed, end) = match self.try_once((target, pass), sending, end, way).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let (again, was_asked) = (failed.again(), way.facts.attempts > before);
            if was_asked {
                self.blame(&failed, target, &mut end, way);
            }
            // Who was not asked has nothing to say beside one who was.
            if was_asked || before == 0 {
                last = failed;
            }
            match again {
                Again::Anywhere => {}
                Again::WithAnother => choice.rule_out(position),
                Again::Elsewhere | Again::ElsewhereOwing => choice.rule_out_deployment(position),
                Again::Nowhere => return self.give_up(last, sending, end, way).await,
            }
        }
    }

    /// One attempt, up to where its answer begins to go to the client.
    async fn try_once(
        &self,
        asked: (&Arc<Target>, Pass),
        sending: &Sending<'_>,
        mut end: Box<CallEnd>,
        way: &mut Way<'_>,
    ) -> Result<Answer, (Last, Box<CallEnd>)> {
        match self.attempt(asked, sending, way, &mut end).await {
            Ok(Answered::Echo(echo)) => Ok(self.deliver_echo(echo, sending.ask, end, way)),
            Ok(Answered::Http(answer)) => {
                let now = self.store.clock().now();
                if let Some(verdict) = answer.verdict(end.target().speech(), now) {
                    return Err((Last::Answer(answer, verdict), end));
                }
                if let Err(error) = self.recheck(sending, way).await {
                    return Err((Last::Failure(Failure::blameless(error)), end));
                }
                let delivered = self.deliver(answer, sending.ask, end, way).await;
                delivered.map_err(|Spoilt { failure, end }| (Last::Failure(failure), end))
            }
            Err(failure) => Err((Last::Failure(failure), end)),
        }
    }

    /// Takes down that an attempt failed, and whose fault it is.
    fn blame(&self, last: &Last, target: &Target, end: &mut CallEnd, way: &Way<'_>) {
        let is_owing = last.again() == Again::ElsewhereOwing;
        let (call, deployment) = (way.id, target.deployment);
        match last {
            Last::Answer(answer, verdict) => {
                end.attempt_failed(answer.status, Some(verdict.fault), is_owing);
                let status = answer.status.as_u16();
                tracing::info!(%call, %deployment, status, "a deployment said no");
            }
            Last::Failure(failure) => {
                self.metrics.count_upstream_failure();
                end.attempt_failed(failure.error.attempt_status(), failure.fault, is_owing);
                tracing::warn!(%call, %deployment, error = &failure.error as &dyn std::error::Error, "a deployment failed");
            }
        }
    }

    /// How long to wait before all are asked again. `None`: they are not.
    fn pause(&self, choice: &Choice<'_>, round: u32, elapsed: Duration) -> Option<Duration> {
        let ready_at_us = choice.ready_again_at_us()?;
        let ready_in_us = ready_at_us.saturating_sub(self.store.clock().monotonic_us());
        let ready_in = Duration::from_micros(ready_in_us);
        self.options.retries.pause(round, (elapsed, ready_in), self.ids.draw())
    }

    /// The client's going away ends this like everything else. Its key may have ended meanwhile.
    async fn wait(
        &self,
        pause: Duration,
        sending: &Sending<'_>,
        way: &mut Way<'_>,
    ) -> Result<(), ProxyError> {
        let waiting = way.facts.waiting();
        tokio::time::sleep(pause).await;
        drop(waiting);
        self.recheck(sending, way).await?;
        let now = self.store.clock().now();
        Ok(verify::check(&way.caller, Call::SCOPE, now, way.address)?)
    }

    /// Whoever may not call any more asks nobody else: attempts may have taken minutes.
    async fn recheck(&self, sending: &Sending<'_>, way: &mut Way<'_>) -> Result<(), ProxyError> {
        if !way.caller.key.has_changed() {
            return Ok(());
        }
        way.caller = verify::identify(&self.store, sending.headers).await?;
        let now = self.store.clock().now();
        verify::check(&way.caller, Call::SCOPE, now, way.address)?;
        if !way.caller.allows_model(sending.model) {
            return Err(Denial::ModelNotFound.into());
        }
        Ok(())
    }

    async fn give_up(
        &self,
        last: Last,
        sending: &Sending<'_>,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, ProxyError> {
        match last {
            Last::Answer(answer, _) => self
                .deliver(answer, sending.ask, end, way)
                .await
                .map_err(|spoilt| spoilt.failure.error),
            Last::Failure(Failure { error, again: Again::ElsewhereOwing, .. }) => {
                end.interrupt(error.status());
                Err(error)
            }
            Last::Failure(failure) => {
                end.fail(failure.error.status());
                Err(failure.error)
            }
        }
    }

    fn elapsed_since(&self, began_us: u64) -> Duration {
        Duration::from_micros(self.store.clock().monotonic_us().saturating_sub(began_us))
    }
}

impl Last {
    /// Nobody was asked.
    fn none() -> Self {
        let error = ProxyError::UpstreamUnavailable(UpstreamFault::NoDeployment);
        Self::Failure(Failure { error, again: Again::Nowhere, fault: None })
    }

    fn again(&self) -> Again {
        match self {
            Self::Answer(_, verdict) => verdict.again,
            Self::Failure(failure) => failure.again,
        }
    }
}
