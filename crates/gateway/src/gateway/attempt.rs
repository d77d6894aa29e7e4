//! Asking one deployment after the other.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::{Gateway, Way};
use crate::ask::Ask;
use crate::catalog::{Endpoint, RoutedModel, Target};
use crate::echo::{self, Echo};
use crate::error::{ProxyError, UpstreamFault};
use crate::relay::CallEnd;
use crate::rewrite::{Change, rewrite};
use crate::route::Call;
use crate::translate::{self, Translated};
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

/// What one deployment is asked.
struct Asked {
    call: Call,
    body: Bytes,
    /// What was left out because the client allows it.
    left: Vec<String>,
}

impl Sending<'_> {
    /// The client's own bytes where the deployment speaks its dialect, else the same in another one.
    fn request_for(&self, target: &Target) -> Result<Asked, ProxyError> {
        let (ask, dialect) = (self.ask, target.dialect());
        let call = ask.call.said_in(dialect).ok_or(ProxyError::NoSuchRoute)?;
        if dialect == ask.call.dialect() {
            return Ok(Asked { call, body: self.own_words(target), left: Vec::new() });
        }
        let to = doorward_dialect::Target {
            model: target.upstream_model().unwrap_or(&ask.model.value),
            from: ask.call.dialect().into(),
            output_tokens_default: self.output_tokens,
            knows: target.knows(),
        };
        let Translated { body, left } =
            translate::request(ask, self.body, (dialect, &to), self.bound)?;
        Ok(Asked { call, body, left })
    }

    fn own_words(&self, target: &Target) -> Bytes {
        match &target.endpoint {
            Endpoint::Echo => self.body.clone(),
            Endpoint::Http(http) => {
                let change = Change {
                    model: http.model_json.as_deref(),
                    output_tokens: self.bound,
                    output_field: http.output_field(self.ask.call),
                };
                rewrite(self.body, self.ask, &change)
            }
        }
    }
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
            let failure = match self.attempt(target, sending, way, end.is_sent()).await {
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
        way: &mut Way<'_>,
        is_sent: &mut bool,
    ) -> Result<Answered, upstream::Failure> {
        // Another deployment may be able to say it.
        let request = sending
            .request_for(target)
            .map_err(|error| upstream::Failure { error, is_retryable: true })?;
        way.facts.dropped = request.left;
        match &target.endpoint {
            Endpoint::Echo => {
                *is_sent = true;
                let created_at_s = self.store.clock().now().as_second();
                let facts = (way.id.to_string(), created_at_s, sending.output_tokens);
                let ask = Ask::parse(request.call, &request.body);
                ask.and_then(|ask| echo::answer(&request.body, &ask, facts))
                    .map(Answered::Echo)
                    .map_err(|error| upstream::Failure { error, is_retryable: false })
            }
            Endpoint::Http(http) => {
                let request = Outgoing {
                    http,
                    call: request.call,
                    is_stream: sending.ask.is_stream,
                    client_headers: sending.headers,
                    body: &request.body,
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
