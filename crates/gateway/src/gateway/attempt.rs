//! Asking one deployment after the other.

use std::sync::Arc;

use bytes::Bytes;
use doorward_domain::id::CallId;
use http::HeaderMap;

use super::{Gateway, Way};
use crate::ask::Ask;
use crate::catalog::{Endpoint, RoutedModel, Target};
use crate::echo::{self, Echo};
use crate::error::{ProxyError, UpstreamFault};
use crate::relay::CallEnd;
use crate::rewrite::{Change, rewrite};
use crate::upstream::{self, Outgoing};

/// What a deployment answers with.
pub(super) enum Answered {
    Http(Box<upstream::Answer>),
    Echo(Echo),
}

/// What every attempt sends.
pub(super) struct Sending<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) body: &'a Bytes,
    pub(super) headers: &'a HeaderMap,
    /// What one answer must be bound to, where a budget relies on it.
    pub(super) bound: Option<u64>,
    pub(super) output_tokens: u64,
}

/// Deployments in the order to try them; nearly always one or two.
pub(super) type Order = smallvec::SmallVec<[Arc<Target>; 2]>;

impl Gateway {
    /// Deployments in the order to try them: by priority; among equals, one is drawn by weight to
    /// go first.
    pub(super) fn order(&self, model: &RoutedModel) -> Order {
        let mut order: Order = model.targets.iter().cloned().collect();
        let best = order.first().map(|target| target.priority);
        let equals = order.iter().take_while(|target| Some(target.priority) == best).count();
        if equals > 1 {
            let weights = order.iter().take(equals).map(|target| u64::from(target.weight));
            let winner = draw_by_weight(weights, self.ids.draw());
            order.swap(0, winner);
        }
        order
    }

    /// Tries the deployments in their order until one answers. Another one is tried only where the
    /// last cannot have begun.
    pub(super) async fn send(
        &self,
        order: &[Arc<Target>],
        sending: &Sending<'_>,
        end: &mut CallEnd,
        way: &mut Way<'_>,
    ) -> Result<Answered, ProxyError> {
        let mut last = ProxyError::UpstreamUnavailable(UpstreamFault::NoDeployment);
        for (position, target) in order.iter().enumerate() {
            way.facts.attempts += 1;
            way.facts.provider = Some(target.header.clone());
            end.sending_to(target);
            let is_last = position + 1 == order.len();
            let failure = match self.attempt(target, sending, way.id, end.is_sent()).await {
                Ok(Answered::Http(answer)) if !is_last && upstream::is_refusal(answer.status) => {
                    continue;
                }
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            self.metrics.count_upstream_failure();
            if !failure.is_retryable {
                end.interrupt(failure.error.status());
                return Err(failure.error);
            }
            if !is_last {
                tracing::warn!(call = %way.id, deployment = %target.deployment, error = &failure.error as &dyn std::error::Error, "a deployment failed, another is tried");
            }
            last = failure.error;
        }
        end.fail(last.status());
        Err(last)
    }

    async fn attempt(
        &self,
        target: &Target,
        sending: &Sending<'_>,
        id: CallId,
        is_sent: &mut bool,
    ) -> Result<Answered, upstream::Failure> {
        let call = sending.ask.call;
        match &target.endpoint {
            Endpoint::Echo => {
                *is_sent = true;
                let created_at_s = self.store.clock().now().as_second();
                let facts = (id.to_string(), created_at_s, sending.output_tokens);
                echo::answer(sending.body, sending.ask, facts)
                    .map(Answered::Echo)
                    .map_err(|error| upstream::Failure { error, is_retryable: false })
            }
            Endpoint::Http(http) => {
                let change = Change {
                    model: http.model_json.as_deref(),
                    output_tokens: sending.bound,
                    output_field: http.output_field(call),
                };
                let body = rewrite(sending.body, sending.ask, &change);
                let request = Outgoing {
                    http,
                    call,
                    is_stream: sending.ask.is_stream,
                    client_headers: sending.headers,
                    body: &body,
                };
                upstream::send(&request, &self.options.timeouts, is_sent).await.map(Answered::Http)
            }
        }
    }
}

/// Which of these weights a random number falls on.
fn draw_by_weight(weights: impl Iterator<Item = u64> + Clone, random: u64) -> usize {
    let mut left = random % weights.clone().sum::<u64>().max(1);
    let winner = weights.enumerate().find(|(_, weight)| {
        let is_winner = left < *weight;
        left = left.saturating_sub(*weight);
        is_winner
    });
    winner.map_or(0, |(position, _)| position)
}
