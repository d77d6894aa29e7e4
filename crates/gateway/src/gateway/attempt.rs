//! Asking one deployment.

use bytes::Bytes;
use http::HeaderMap;

use super::{Gateway, Way};
use crate::ask::Ask;
use crate::catalog::{Endpoint, Target};
use crate::echo::{self, Echo};
use crate::error::ProxyError;
use crate::rewrite::{Change, rewrite};
use crate::route::Call;
use crate::translate::{self, Translated};
use crate::upstream::{self, Again, Outgoing};

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
            from: ask.call.dialect(),
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

impl Gateway {
    /// Asks one deployment. `is_sent` is set when the first byte of the request has gone out.
    pub(super) async fn attempt(
        &self,
        target: &Target,
        sending: &Sending<'_>,
        way: &mut Way<'_>,
        is_sent: &mut bool,
    ) -> Result<Answered, upstream::Failure> {
        // Another deployment may speak a dialect that can say it.
        let request =
            sending.request_for(target).map_err(|error| unasked(error, Again::WithAnother))?;
        way.facts.dropped = request.left;
        match &target.endpoint {
            Endpoint::Echo => {
                *is_sent = true;
                let created_at_s = self.store.clock().now().as_second();
                let facts = (way.id.to_string(), created_at_s, sending.output_tokens);
                let ask = Ask::parse(request.call, &request.body);
                ask.and_then(|ask| echo::answer(&request.body, &ask, facts))
                    .map(Answered::Echo)
                    .map_err(|error| unasked(error, Again::Nowhere))
            }
            Endpoint::Http(http) => {
                let request = Outgoing {
                    http,
                    call: request.call,
                    is_stream: sending.ask.is_stream,
                    client_headers: sending.headers,
                    body: &request.body,
                };
                let sending = upstream::send(&request, &self.options.timeouts, is_sent);
                tokio::select! {
                    biased;
                    answer = sending => answer.map(Answered::Http),
                    () = target.health.ended().cancelled() => Err(upstream::Failure::ended()),
                }
            }
        }
    }
}

/// Nobody is to be blamed for what was not asked.
fn unasked(error: ProxyError, again: Again) -> upstream::Failure {
    upstream::Failure { error, again, fault: None }
}
