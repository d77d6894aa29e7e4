//! A provider, as pages show it.

use doorward_domain::catalog::ProviderKind;
use jiff::Timestamp;
use serde::Deserialize;
use url::{Host, Url};

use crate::api::List;
use crate::refusal::Refusal;
use crate::text::text;
use crate::visitor::Visitor;

/// What the API says of a provider.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Provider {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) base_url: Option<String>,
    pub(crate) region: Option<String>,
    /// Ids of general keys.
    #[serde(rename = "provider_keys")]
    pub(crate) general_keys: Vec<String>,
    pub(crate) health_check: Option<HealthCheck>,
    pub(crate) created_at: Timestamp,
}

/// How it is asked whether it is there.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) interval_seconds: u32,
    /// `None`: for its list of models.
    #[serde(default)]
    pub(crate) path: Option<String>,
}

impl Provider {
    pub(crate) fn kind(&self) -> Option<ProviderKind> {
        self.kind.parse().ok()
    }

    /// What its kind is called.
    pub(crate) fn kind_name(&self) -> String {
        text(&format!("kind-{}", self.kind))
    }

    /// Whether it can be asked which models it has.
    pub(crate) fn has_list(&self) -> bool {
        !matches!(self.kind(), Some(ProviderKind::Echo | ProviderKind::Bedrock))
    }

    /// Whether somebody here runs it, so that its models cost nothing by the token.
    pub(crate) fn is_own(&self) -> bool {
        self.base_url.as_deref().is_none_or(is_own)
    }
}

/// Whether a base URL is of this machine or a private network.
pub(super) fn is_own(base_url: &str) -> bool {
    let url = Url::parse(base_url).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unique_local(),
        // A name without a dot is one of this network.
        Some(Host::Domain(name)) => !name.contains('.') || name.ends_with(".internal"),
        None => false,
    }
}

/// The first providers, for what names them by their ids.
pub(crate) async fn all(visitor: &Visitor) -> Result<Vec<Provider>, Refusal> {
    let List { data, .. } = visitor.api.get("/v1/providers?limit=200").await?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_here_is_told_from_what_is_paid_for() {
        for (url, expected) in [
            ("http://127.0.0.1:8000/v1", true),
            ("http://[::1]:8000/v1", true),
            ("http://10.0.3.4/v1", true),
            ("http://localhost:11434/v1", true),
            ("http://vllm:8000/v1", true),
            ("https://gpu.internal/v1", true),
            ("https://api.openai.com/v1", false),
            ("https://8.8.8.8/v1", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_own(url), expected, "{url}");
        }
    }
}
