//! `doorward providers …`, `provider-keys …` and `models …`.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use doorward_domain::catalog::DeploymentState;
use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Kind;

use super::Named;
use super::values::{dollars, not_negative, positive, price_of_kind};

/// What can be done with a noun of the catalog; `C` and `E` are what a new one and an edit take.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb<C: Args, E: Args> {
    Create(C),
    /// List all
    List,
    /// Show one
    Show(Named),
    Edit(E),
    /// Delete one that nothing else uses
    Delete(Named),
}

pub(crate) type ProvidersCommand = Verb<CreateProvider, EditProvider>;
pub(crate) type ModelsCommand = Verb<CreateModel, EditModel>;

/// What can be done with provider keys.
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderKeysCommand {
    Create(CreateProviderKey),
    List(ListProviderKeys),
    /// Show one
    Show(Named),
    Edit(EditProviderKey),
    Test(TestProviderKey),
    Delete(DeleteProviderKey),
}

/// List all, or some
#[derive(Debug, Args)]
pub(crate) struct ListProviderKeys {
    /// Those whose name, note or id contains this
    #[arg(long, visible_alias = "q", value_name = "TEXT")]
    pub(crate) search: Option<String>,
}

/// Ask a provider for its models with one, and say what came back
#[derive(Debug, Args)]
pub(crate) struct TestProviderKey {
    #[command(flatten)]
    pub(crate) provider_key: Named,
    /// The provider to ask, where not just one uses the key
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}

/// Delete one
#[derive(Debug, Args)]
pub(crate) struct DeleteProviderKey {
    #[command(flatten)]
    pub(crate) provider_key: Named,
    /// Take it from the providers and models that use it
    #[arg(long)]
    pub(crate) force: bool,
}

/// Add a provider
#[derive(Debug, Args)]
pub(crate) struct CreateProvider {
    /// A name, unique in the organization
    pub(crate) name: String,
    /// openai, openai-compatible, azure, anthropic, google, bedrock, echo
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: String,
    /// Where it is, such as `http://127.0.0.1:8000/v1` [default: the kind's own]
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Of kind bedrock: the region, such as us-east-1, where the base URL does not say it
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// A provider key to call it with, by name or id, where a model names none; several share the calls
    #[arg(long = "provider-key", value_name = "NAME")]
    pub(crate) provider_keys: Vec<String>,
    #[command(flatten)]
    pub(crate) check: CheckArgs,
}

/// How a provider is asked whether it is there, without a client's call.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Ask it whether it is there every so many seconds, 1 to 3600
    #[arg(long, value_parser = positive::<NonZeroU32>, value_name = "SECONDS")]
    pub(crate) health_check: Option<NonZeroU32>,
    /// What its server is asked for, from its root, such as `/health` [default: the list of models]
    #[arg(long, value_name = "PATH", requires = "health_check")]
    pub(crate) health_check_path: Option<String>,
}

/// Edit a provider; its kind stays
#[derive(Debug, Args)]
pub(crate) struct EditProvider {
    #[command(flatten)]
    pub(crate) provider: Named,
    /// A new name
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// A new base URL
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// A new region
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The provider key to call it with, where a model names none; several share the calls
    #[arg(long = "provider-key", value_name = "NAME")]
    pub(crate) provider_keys: Vec<String>,
    /// Call it without a provider key, where a model names none
    #[arg(long, conflicts_with = "provider_keys")]
    pub(crate) no_provider_key: bool,
    #[command(flatten)]
    pub(crate) check: CheckArgs,
    /// Do not ask it any more whether it is there
    #[arg(long, conflicts_with = "health_check")]
    pub(crate) no_health_check: bool,
}

/// Where a secret value is read from.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ValueSource {
    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) value_file: Option<PathBuf>,
    /// Read the value from an environment variable
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) value_env: Option<String>,
}

/// Store a provider's credential in the vault; it is read from standard input, a file or a
/// variable, never from the command line
#[derive(Debug, Args)]
pub(crate) struct CreateProviderKey {
    /// A name, unique in the organization
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) value: ValueSource,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// Edit a provider key; what uses it goes on using it
#[derive(Debug, Args)]
pub(crate) struct EditProviderKey {
    #[command(flatten)]
    pub(crate) provider_key: Named,
    /// A new name
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) value: ValueSource,
    /// Read a new value from standard input
    #[arg(long, conflicts_with_all = ["value_file", "value_env"])]
    pub(crate) value_stdin: bool,
}

/// Add a model
#[derive(Debug, Args)]
pub(crate) struct CreateModel {
    /// The name that clients send
    pub(crate) name: String,
    /// A further name that clients may send
    #[arg(long = "alias", value_name = "NAME")]
    pub(crate) aliases: Vec<String>,
    /// The project whose keys alone may call it, by name or id; its name and aliases then begin with the
    /// project's prefix, `u-` and 12 digits
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// The provider that serves it, by name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
    #[command(flatten)]
    pub(crate) price: PriceArgs,
    /// The most output tokens of one call
    #[arg(long, value_parser = positive::<NonZeroU64>, value_name = "N")]
    pub(crate) output_tokens_max: Option<NonZeroU64>,
    /// How calls are shared out among deployments of equal priority: weighted, `least_latency`
    /// [default: weighted]
    #[arg(long, value_name = "HOW")]
    pub(crate) routing: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeploymentArgs {
    /// The name that the provider knows it by [default: the same]
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream_model: Option<String>,
    /// The provider key to call it with, by name or id [default: the provider's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider_key: Option<String>,
    /// Its share among deployments of equal priority [default: 1]
    #[arg(long, value_parser = positive::<NonZeroU32>, value_name = "N")]
    pub(crate) weight: Option<NonZeroU32>,
    /// Lower is tried first [default: 0]
    #[arg(long, value_parser = not_negative, value_name = "N")]
    pub(crate) priority: Option<u32>,
}

impl DeploymentArgs {
    /// One that was given, if any was.
    pub(crate) fn first_flag(&self) -> Option<&'static str> {
        let given = [
            ("--upstream-model", self.upstream_model.is_some()),
            ("--provider-key", self.provider_key.is_some()),
            ("--weight", self.weight.is_some()),
            ("--priority", self.priority.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

/// What it costs, in dollars. Without any: as the built-in table says.
#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// It costs nothing
    #[arg(long, conflicts_with_all = ["price_input", "price_output", "prices"])]
    pub(crate) free: bool,
    /// Dollars per million tokens of input
    #[arg(long, value_parser = dollars, value_name = "USD", requires = "price_output")]
    pub(crate) price_input: Option<NanoUsd>,
    /// Dollars per million tokens of output
    #[arg(long, value_parser = dollars, value_name = "USD", requires = "price_input")]
    pub(crate) price_output: Option<NanoUsd>,
    /// Dollars per million tokens of input read from the provider's cache
    #[arg(long, value_parser = dollars, value_name = "USD", requires = "price_input")]
    pub(crate) price_cached_input: Option<NanoUsd>,
    /// Dollars per million tokens of reasoning
    #[arg(long, value_parser = dollars, value_name = "USD", requires = "price_input")]
    pub(crate) price_reasoning: Option<NanoUsd>,
    /// Dollars for what else it is sold by, for as many as the name says (a million tokens, where it says
    /// nothing): `output_image=30`, `web_searches_1k=10`, `characters_1m=15`, `audio_hour=0.36`,
    /// `image=0.04`; repeatable
    #[arg(long = "price", value_parser = price_of_kind, value_name = "KIND=USD")]
    pub(crate) prices: Vec<(Kind, NanoUsd)>,
}

/// Edit a model; its name stays
#[derive(Debug, Args)]
pub(crate) struct EditModel {
    #[command(flatten)]
    pub(crate) model: Named,
    /// A further name that clients may send, in place of those that there are
    #[arg(long = "alias", value_name = "NAME")]
    pub(crate) aliases: Vec<String>,
    /// Call it by its own name only
    #[arg(long, conflicts_with = "aliases")]
    pub(crate) no_alias: bool,
    #[command(flatten)]
    pub(crate) price: PriceArgs,
    /// Take the price from the built-in table
    #[arg(long, conflicts_with_all = ["free", "price_input", "prices"])]
    pub(crate) listed: bool,
    /// The most output tokens of one call
    #[arg(long, value_parser = positive::<NonZeroU64>, value_name = "N")]
    pub(crate) output_tokens_max: Option<NonZeroU64>,
    /// How calls are shared out among deployments of equal priority: weighted, `least_latency`
    #[arg(long, value_name = "HOW")]
    pub(crate) routing: Option<String>,
    #[command(flatten)]
    pub(crate) states: StateArgs,
    /// Let this provider serve it too
    #[arg(long, value_name = "NAME")]
    pub(crate) add_provider: Option<String>,
    /// Settings of the provider that is added
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
    /// No longer let this provider serve it
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_provider: Option<String>,
}

/// What becomes of the calls to a provider that serves the model.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct StateArgs {
    /// A provider that gets no new calls of this model; those that run may end
    #[arg(long = "drain-provider", value_name = "NAME")]
    pub(crate) drain: Option<String>,
    /// A provider that gets no calls of this model, and whose running ones are ended
    #[arg(long = "disable-provider", value_name = "NAME")]
    pub(crate) disable: Option<String>,
    /// A provider that gets calls of this model again
    #[arg(long = "enable-provider", value_name = "NAME")]
    pub(crate) enable: Option<String>,
}

impl StateArgs {
    /// Whose state is changed, and to which.
    pub(crate) fn change(&self) -> Option<(&str, DeploymentState)> {
        let changes = [
            (&self.drain, DeploymentState::Draining),
            (&self.disable, DeploymentState::Disabled),
            (&self.enable, DeploymentState::Active),
        ];
        changes.into_iter().find_map(|(name, state)| Some((name.as_deref()?, state)))
    }
}
