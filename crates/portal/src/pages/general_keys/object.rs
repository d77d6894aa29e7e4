//! A general key, as pages show it.

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::List;
use crate::pages::providers::Provider;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// What the API says of a provider's key.
#[derive(Debug, Deserialize)]
pub(crate) struct GeneralKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) note: String,
    /// Its first and last characters.
    pub(crate) masked: String,
    pub(crate) used_by: UsedBy,
    pub(crate) last_test: Option<LastTest>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What is called with it.
#[derive(Debug, Deserialize)]
pub(crate) struct UsedBy {
    /// Ids of providers.
    pub(crate) providers: Vec<String>,
    /// Models of which a deployment has it as its own.
    pub(crate) models: Vec<String>,
}

/// How it went when it was last tested.
#[derive(Debug, Deserialize)]
pub(crate) struct LastTest {
    pub(crate) at: Timestamp,
    pub(crate) provider: String,
    /// What was wrong. `None`: nothing.
    pub(crate) failure: Option<String>,
}

impl GeneralKey {
    pub(crate) fn is_used(&self) -> bool {
        !self.used_by.providers.is_empty() || !self.used_by.models.is_empty()
    }

    /// Those of the providers that are called with it.
    pub(crate) fn providers<'a>(&self, known: &'a [Provider]) -> Vec<&'a Provider> {
        let is_used = |provider: &&Provider| self.used_by.providers.contains(&provider.id);
        known.iter().filter(is_used).collect()
    }
}

/// The first general keys, to choose among.
pub(crate) async fn all(visitor: &Visitor) -> Result<Vec<GeneralKey>, Refusal> {
    let List { data, .. } = visitor.api.get("/v1/provider-keys?limit=200").await?;
    Ok(data)
}
