//! Asking one deployment.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::{Gateway, Way};
use crate::ask::Ask;
use crate::asking::Asking;
use crate::catalog::{Endpoint, HttpTarget, Target};
use crate::echo::{self, Echo};
use crate::error::{ProxyError, UpstreamFault};
use crate::health::Pass;
use crate::relay::CallEnd;
use crate::rewrite::{Change, rewrite};
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
    /// The model's own name, whatever it was called.
    pub(super) model: &'a str,
    pub(super) body: &'a Bytes,
    pub(super) headers: &'a HeaderMap,
    /// What one answer must be bound to, where a budget relies on it.
    pub(super) bound: Option<u64>,
    pub(super) output_tokens: u64,
    /// What an answer is bound to where nobody asks for a bound, and the provider wants one.
    pub(super) output_tokens_unasked: u64,
}

/// What one deployment is asked.
struct Asked {
    asking: Asking,
    body: Bytes,
    /// What was left out because the client allows it.
    left: Vec<String>,
}

impl Sending<'_> {
    /// The client's own bytes where the deployment has the very route, else the same said in another way.
    fn request_for(&self, target: &Target) -> Result<Asked, ProxyError> {
        let (ask, speech) = (self.ask, target.speech());
        if target.has(ask.call) {
            let body = self.own_words(target);
            return Ok(Asked { asking: Asking::Call(ask.call), body, left: Vec::new() });
        }
        let asking = Asking::the_same(ask.call, speech, ask.is_stream);
        let asking = asking.ok_or(ProxyError::NoSuchRoute)?;
        let to = doorward_dialect::Target {
            model: target.upstream_model().unwrap_or(&ask.model),
            from: ask.call.client(),
            output_tokens_default: self.output_tokens.min(self.output_tokens_unasked),
            knows: target.knows(),
        };
        let Translated { body, left } = translate::request(ask, (speech, &to), self.bound)?;
        Ok(Asked { asking, body, left })
    }

    fn own_words(&self, target: &Target) -> Bytes {
        match &target.endpoint {
            Endpoint::Echo => self.body.clone(),
            Endpoint::Http(http) => {
                let change = Change {
                    model: http.renamed(self.ask.call, &self.ask.model),
                    output_tokens: self.bound,
                    output_field: http.output_field(self.ask.call),
                };
                rewrite(self.body, self.ask, &change)
            }
        }
    }
}

impl Gateway {
    /// Asks one deployment. `end` is told what it is asked, and when the request has gone out. Where it cannot
    /// be said to that one, nobody is asked, and nothing is noted.
    pub(super) async fn attempt(
        &self,
        (target, pass): (&Arc<Target>, Pass),
        sending: &Sending<'_>,
        way: &mut Way<'_>,
        end: &mut CallEnd,
    ) -> Result<Answered, upstream::Failure> {
        let mut pass = Some(pass);
        loop {
            // Another deployment may speak a dialect that can say it.
            let request =
                sending.request_for(target).map_err(|error| unasked(error, Again::WithAnother))?;
            if let Some(pass) = pass.take() {
                if !end.sending_to(target, pass) {
                    let error = ProxyError::UpstreamUnavailable(UpstreamFault::NoDeployment);
                    return Err(unasked(error, Again::Nowhere));
                }
                way.facts.attempts += 1;
                way.facts.provider = Some(target.header.clone());
            }
            way.facts.dropped = request.left;
            end.asking(request.asking);
            let http = match &target.endpoint {
                Endpoint::Echo => {
                    *end.is_sent() = true;
                    return self.ask_echo((request.asking, &request.body), sending, way);
                }
                Endpoint::Http(http) => http,
            };
            let asked = (request.asking, &request.body);
            let waiting = way.facts.waiting();
            let answer = tokio::select! {
                biased;
                () = target.health.ended().cancelled() => return Err(upstream::Failure::ended()),
                answer = self.ask_http(http, asked, sending, end.is_sent()) => answer?,
            };
            drop(waiting);
            if !http.lacks(request.asking, answer.status) {
                return Ok(Answered::Http(answer));
            }
        }
    }

    fn ask_echo(
        &self,
        (asking, body): (Asking, &Bytes),
        sending: &Sending<'_>,
        way: &Way<'_>,
    ) -> Result<Answered, upstream::Failure> {
        let Asking::Call(call) = asking else {
            return Err(unasked(ProxyError::NoSuchRoute, Again::WithAnother));
        };
        let created_at_s = self.store.clock().now().as_second();
        let facts = (way.id.to_string(), created_at_s, sending.output_tokens);
        let answered = if call == sending.ask.call {
            echo::answer(body, sending.ask, facts)
        } else {
            Ask::parse(call, None, body).and_then(|ask| echo::answer(body, &ask, facts))
        };
        answered.map(Answered::Echo).map_err(|error| unasked(error, Again::Nowhere))
    }

    async fn ask_http(
        &self,
        http: &HttpTarget,
        (asking, body): (Asking, &Bytes),
        sending: &Sending<'_>,
        is_sent: &mut bool,
    ) -> Result<Box<upstream::Answer>, upstream::Failure> {
        let way = http.way(asking).ok_or(ProxyError::NoSuchRoute);
        let way = way.map_err(|error| unasked(error, Again::WithAnother))?;
        let signature = http.sign(way, body, self.store.clock().now());
        let signature = signature.map_err(|error| unasked(error, Again::WithAnother))?;
        let request = Outgoing {
            http,
            way,
            begins_at_once: sending.ask.begins_at_once(),
            client_headers: sending.headers,
            is_translated: asking != Asking::Call(sending.ask.call),
            signature,
            body,
        };
        upstream::send(&request, &self.options.timeouts, is_sent).await
    }
}

/// Nobody is to be blamed for what was not asked.
fn unasked(error: ProxyError, again: Again) -> upstream::Failure {
    upstream::Failure { error, again, fault: None }
}
