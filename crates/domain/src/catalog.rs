//! What can be called: providers, their keys, models and the deployments that serve them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::aws::AwsRegion;
use crate::health_check::HealthCheck;
use crate::id::{DeploymentId, OrganizationId, ProjectId, ProviderId, ProviderKeyId};
use crate::name::Masked;
use crate::price::{Listing, Price, PriceTable};
use crate::words::words;

/// Which API an upstream speaks and how it takes its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Built in: answers with the last user message, costs nothing.
    Echo,
    /// api.openai.com.
    OpenAi,
    /// Anything with the same API: vLLM, llama.cpp, Ollama, Groq, …
    OpenAiCompatible,
    /// Azure OpenAI, by the routes of its version 1: the base URL ends in `/openai/v1`.
    Azure,
    /// api.anthropic.com, and servers with the same API.
    Anthropic,
    /// generativelanguage.googleapis.com, and servers with the same API.
    Google,
    /// Amazon Bedrock, by its Converse API.
    Bedrock,
}

/// A text that names no kind of provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no provider kind `{0}`; the kinds are echo, openai, openai-compatible, azure, anthropic, google, bedrock"
)]
pub struct UnknownKind(pub String);

impl ProviderKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Echo,
        Self::OpenAi,
        Self::OpenAiCompatible,
        Self::Azure,
        Self::Anthropic,
        Self::Google,
        Self::Bedrock,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai-compatible",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Bedrock => "bedrock",
        }
    }

    /// The base URL where the operator names none. `None`: one must be named, or none is used.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            // Bedrock has one in each region.
            Self::Echo | Self::OpenAiCompatible | Self::Azure | Self::Bedrock => None,
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com/v1"),
            Self::Google => Some("https://generativelanguage.googleapis.com/v1beta"),
        }
    }

    /// The provider's name in the price table, where it has one.
    pub const fn price_list(self) -> Option<&'static str> {
        match self {
            Self::Echo | Self::OpenAiCompatible => None,
            Self::OpenAi => Some("openai"),
            Self::Azure => Some("azure"),
            Self::Anthropic => Some("anthropic"),
            Self::Google => Some("google"),
            Self::Bedrock => Some("aws"),
        }
    }
}

impl ToSchema for ProviderKind {}

impl utoipa::PartialSchema for ProviderKind {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.map(Self::as_str))
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProviderKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownKind(text.chars().take(64).collect()))
    }
}

/// An upstream API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its id.
    pub id: ProviderId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Unique within the organization.
    pub name: String,
    /// Which API it speaks.
    pub kind: ProviderKind,
    /// Where it is, without a trailing slash; paths such as `/chat/completions` are appended.
    /// `None` only for [`ProviderKind::Echo`].
    pub base_url: Option<String>,
    /// For [`ProviderKind::Bedrock`], whose requests are signed for one region. `None`: the base URL says it.
    pub region: Option<AwsRegion>,
    /// What its deployments present that name no provider key of their own, each some of the calls; at most
    /// [`PROVIDER_KEYS_MAX`]. None: the provider wants none.
    pub provider_keys: Vec<ProviderKeyId>,
    /// How it is asked whether it is there. `None`: only calls find that out.
    pub health_check: Option<HealthCheck>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

/// Most keys that share the calls of one provider.
pub const PROVIDER_KEYS_MAX: usize = 16;

/// A credential for a provider, "General key" on screens. Its value is in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderKey {
    /// Its id.
    pub id: ProviderKeyId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Unique within the organization.
    pub name: String,
    /// First three and last three characters.
    pub masked: Masked,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it, or its value, was last edited.
    pub updated_at: Timestamp,
    /// Providers whose calls present it, the first [`KEY_USES_MAX`].
    pub providers: Vec<ProviderId>,
    /// Models of which a deployment names it as its own, the first [`KEY_USES_MAX`].
    pub models: Vec<String>,
    /// How it went when its present value was last tested.
    pub last_test: Option<KeyTest>,
}

/// Most providers, and most models, that a provider key is told to be used by.
pub const KEY_USES_MAX: usize = 20;

/// What came of presenting a provider key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTest {
    /// When.
    pub at: Timestamp,
    /// To whom, by the name of then.
    pub provider: String,
    /// What was wrong, in words. `None`: nothing.
    pub failure: Option<String>,
}

/// Where the price of a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pricing {
    /// It costs nothing: the operator runs it.
    Free,
    /// The built-in table, by the provider and the upstream's name of the model.
    Listed,
    /// The operator says.
    Set(Box<Price>),
}

impl Pricing {
    /// The price of calls that `kind` serves under the name `upstream_model`. `None`: unpriced, so
    /// the call must be refused.
    pub fn resolve(
        &self,
        table: &PriceTable,
        kind: ProviderKind,
        upstream_model: &str,
    ) -> Option<Price> {
        match self {
            Self::Free => Some(Price::FREE),
            Self::Set(price) => Some(Price::clone(price)),
            Self::Listed => listing(table, kind, upstream_model).map(|l| l.price.clone()),
        }
    }
}

/// What the built-in table knows about a provider's model.
pub fn listing<'a>(
    table: &'a PriceTable,
    kind: ProviderKind,
    upstream_model: &str,
) -> Option<&'a Listing> {
    table.find(kind.price_list()?, upstream_model)
}

/// Services that speak as OpenAI does, by their hosts, and their names in the price table.
const SERVICES: [(&str, &str); 6] = [
    ("api.mistral.ai", "mistral"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("openrouter.ai", "openrouter"),
    ("api.together.xyz", "together"),
    ("api.x.ai", "x-ai"),
];

/// Those who alone serve what they made: whoever else has a model of theirs resells it.
const MAKERS: [&str; 3] = ["openai", "anthropic", "google"];

/// What a model of this name costs elsewhere, where the kind of its provider has no list: at the service of
/// this base URL; where that is none that is known, at its maker. Somewhere for a person to begin, and
/// nothing that calls are counted with.
pub fn usual_listing<'a>(
    table: &'a PriceTable,
    base_url: Option<&str>,
    upstream_model: &str,
) -> Option<&'a Listing> {
    let host = base_url.and_then(|url| url.split_once("://")?.1.split(['/', ':']).next());
    let service = SERVICES.into_iter().find(|(known, _)| Some(*known) == host);
    match service {
        Some((_, list)) => table.find(list, upstream_model),
        None => MAKERS.into_iter().find_map(|list| table.find(list, upstream_model)),
    }
}

/// Most further names of one model.
pub const ALIASES_MAX: usize = 16;

/// A public model name and the deployments that serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Whose it is.
    pub organization: OrganizationId,
    /// What clients send, and what the rules of keys, limits, prices and usage go by. Unique among the names
    /// and aliases of the organization.
    pub name: String,
    /// What clients may send instead; at most [`ALIASES_MAX`], unique as the name is.
    pub aliases: Vec<String>,
    /// Whose keys alone see and call it. `None`: those of every project.
    pub project: Option<ProjectId>,
    /// What it costs.
    pub pricing: Pricing,
    /// The most output tokens of one call, where known; the worst case of calls that name none.
    pub output_tokens_max: Option<u64>,
    /// How calls are shared out among deployments of equal priority.
    pub routing: Routing,
    /// Who serves it.
    pub deployments: Vec<Deployment>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

impl Model {
    /// Whether keys of this project may know of it.
    pub fn is_for(&self, project: ProjectId) -> bool {
        self.project.is_none_or(|own| own == project)
    }
}

/// One provider, one upstream model name and one provider key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Who serves it.
    pub provider: ProviderId,
    /// The name that the provider knows.
    pub upstream_model: String,
    /// With which credential. `None`: with those of the provider.
    pub provider_key: Option<ProviderKeyId>,
    /// Its share among deployments of equal priority, at least 1.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    /// Whether it takes calls.
    pub state: DeploymentState,
}

/// Whether a deployment takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// It does.
    Active,
    /// It takes no new ones; those that run may end.
    Draining,
    /// It takes none, and those that run are ended.
    Disabled,
}

/// How the calls of a model are shared out among its deployments of equal priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// By their weights.
    Weighted,
    /// To the one of two drawn by chance that answers sooner.
    LeastLatency,
}

/// A text that names none of the words it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of the catalog")]
pub struct UnknownWord;

impl DeploymentState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Active, Self::Draining, Self::Disabled];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for DeploymentState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownWord)
    }
}

impl Routing {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Weighted, Self::LeastLatency];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::LeastLatency => "least_latency",
        }
    }
}

impl FromStr for Routing {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|routing| routing.as_str() == text).ok_or(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NanoUsd;
    use crate::price::Rates;

    fn table() -> PriceTable {
        PriceTable::parse(
            r#"{"models": [{
                "provider": "openai",
                "match": [["equals", "gpt-4o"]],
                "prices": {"input_mtok": 2.5, "output_mtok": 10},
                "context_window": 128000
            }]}"#,
        )
        .unwrap()
    }

    #[test]
    fn kinds_are_read_by_their_exact_names() {
        for kind in ProviderKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for bad in ["", "OpenAI", "openai ", "azure "] {
            assert_eq!(bad.parse::<ProviderKind>(), Err(UnknownKind(bad.to_owned())));
        }
    }

    #[test]
    fn what_a_model_costs_elsewhere_is_that_of_its_service_or_maker() {
        let table = PriceTable::built_in().unwrap();
        for (url, model, is_known) in [
            (Some("http://127.0.0.1:4000/v1"), "gpt-5.1", true),
            (Some("https://proxy.example.com/v1"), "claude-sonnet-4-5", true),
            (None, "gpt-5.1", true),
            (Some("https://api.groq.com/openai/v1"), "llama-3.3-70b-versatile", true),
            (Some("https://api.groq.com/openai/v1"), "gpt-5.1", false),
            (Some("https://proxy.example.com/v1"), "llama-3.3-70b-versatile", false),
            (Some("nonsense"), "house-model", false),
        ] {
            let found = usual_listing(&table, url, model);
            assert_eq!(found.is_some(), is_known, "{url:?} {model}");
        }
        let all = SERVICES.map(|(_, list)| list).into_iter().chain(MAKERS);
        let known = ["mistral-large-latest", "llama-3.3-70b-versatile", "deepseek-chat", "gpt-5.1"];
        assert_eq!(all.count(), 9);
        assert!(known.into_iter().all(|model| {
            SERVICES
                .into_iter()
                .chain(MAKERS.map(|list| ("", list)))
                .any(|(_, list)| table.find(list, model).is_some())
        }));
    }

    #[test]
    fn states_and_routings_are_spelled_alike_everywhere() {
        for state in DeploymentState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for routing in Routing::ALL {
            assert_eq!(routing.as_str().parse(), Ok(routing));
            assert_eq!(serde_json::to_value(routing).unwrap(), routing.as_str());
        }
        assert_eq!("Active".parse::<DeploymentState>(), Err(UnknownWord));
        assert_eq!("".parse::<Routing>(), Err(UnknownWord));
    }

    #[test]
    fn an_error_quotes_no_more_than_the_start_of_a_text() {
        let error = "x".repeat(10_000).parse::<ProviderKind>().unwrap_err();
        assert_eq!(error, UnknownKind("x".repeat(64)));
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_list_of_kinds() {
        let message = UnknownKind("azure".to_owned()).to_string();
        assert!(ProviderKind::ALL.iter().all(|kind| message.contains(kind.as_str())), "{message}");
    }

    #[test]
    fn default_urls_are_https_without_a_trailing_slash() {
        for url in ProviderKind::ALL.into_iter().filter_map(ProviderKind::default_base_url) {
            assert!(url.starts_with("https://") && !url.ends_with('/'), "{url}");
        }
    }

    #[test]
    fn a_model_is_free_only_where_the_operator_says_so() {
        let rates = Rates::of_tokens(NanoUsd::ZERO, NanoUsd::from_nanos(5));
        let set = Price { rates, tiers: vec![] };
        let own = || Pricing::Set(Box::new(set.clone()));
        let listed = table().find("openai", "gpt-4o").unwrap().price.clone();
        let (openai, compatible) = (ProviderKind::OpenAi, ProviderKind::OpenAiCompatible);
        #[rustfmt::skip]
        let cases = [
            // pricing                   kind                  upstream   price
            (Pricing::Free,              compatible,           "llama-3", Some(Price::FREE)),
            (Pricing::Free,              openai,               "gpt-4o",  Some(Price::FREE)),
            (own(),                      openai,               "gpt-4o",  Some(set.clone())),
            (own(),                      compatible,           "llama-3", Some(set.clone())),
            (Pricing::Listed,            openai,               "gpt-4o",  Some(listed)),
            (Pricing::Listed,            openai,               "gpt-9",   None),
            (Pricing::Listed,            compatible,           "gpt-4o",  None),
            (Pricing::Listed,            ProviderKind::Google, "gpt-4o",  None),
            (Pricing::Listed,            ProviderKind::Echo,   "echo",    None),
        ];
        for (pricing, kind, upstream, expected) in cases {
            let price = pricing.resolve(&table(), kind, upstream);
            assert_eq!(price, expected, "{pricing:?} {kind} {upstream}");
        }
    }

    #[test]
    fn a_listing_knows_the_context_window() {
        let table = table();
        let listed = listing(&table, ProviderKind::OpenAi, "gpt-4o");
        assert_eq!(listed.and_then(|l| l.context_window), Some(128_000));
    }
}
