//! What a call used, cost and took.

use doorward_domain::money::NanoUsd;
use http::StatusCode;
use serde::Deserialize;

use crate::api::Api;
use crate::money::{count, fine};
use crate::query::segment;
use crate::refusal::Refusal;
use crate::text::{text, text_of};
use crate::time::duration;

/// One thing that is known.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
}

/// A call as the API tells it.
#[derive(Debug, Deserialize)]
struct Call {
    id: String,
    duration_us: u64,
    first_byte_us: Option<u64>,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd: NanoUsd,
    is_estimated: bool,
}

/// What is known of a call of the visitor's. `None`: there is none, or it is not over yet.
pub(super) async fn facts(api: &Api, id: &str) -> Result<Option<Vec<Fact>>, Refusal> {
    match api.get::<Call>(&format!("/v1/calls/{}", segment(id))).await {
        Ok(call) => Ok(Some(call.facts())),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        // Whoever may call need not be one who may see usage.
        Err(refusal) if refusal.status == StatusCode::FORBIDDEN => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

impl Call {
    fn facts(self) -> Vec<Fact> {
        let fact = |name: &str, value: String| Fact { name: text(name), value };
        let [read, written] = [self.input_tokens, self.output_tokens].map(count);
        let tokens = text_of("usage-in-out", [("in", &read), ("out", &written)]);
        let tokens = if self.is_estimated {
            text_of("play-estimated", [("tokens", &tokens)])
        } else {
            tokens
        };
        let mut facts = vec![fact("usage-tokens", tokens), fact("usage-cost", fine(self.cost_usd))];
        facts.extend(self.first_byte_us.map(|us| fact("usage-first-byte", duration(us))));
        facts.push(fact("play-took", duration(self.duration_us)));
        facts.push(fact("play-call", self.id));
        facts
    }
}
