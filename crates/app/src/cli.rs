//! The command line: what can be typed, and nothing of what it does.

mod audit;
mod backup;
mod bounds;
mod calls;
mod catalog;
mod increases;
mod key_file;
mod keys;
mod notices;
mod people;
mod settings;
mod sign_in;
mod tokens;
mod usage;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use audit::{AuditCommand, AuditFilterArgs, ExportAudit, ListAudit};
pub(crate) use backup::{BackupArgs, RestoreArgs};
pub(crate) use bounds::{
    BoundField, BoundsArgs, EditBoundsArgs, ModelLimitArg, OrganizationCommand,
};
pub(crate) use calls::CallsCommand;
pub(crate) use catalog::{
    CheckArgs, CreateModel, CreateProvider, CreateProviderKey, DeleteProviderKey, DeploymentArgs,
    EditModel, EditProvider, EditProviderKey, ModelsCommand, PriceArgs, ProviderKeysCommand,
    ProvidersCommand, TestProviderKey, ValueSource, Verb,
};
pub(crate) use increases::{
    AskIncrease, DeclineIncrease, EndArgs, GrantIncrease, IncreasesCommand, ListIncreases,
    RaiseArgs, RaiseShared,
};
pub(crate) use key_file::{KeyFileFormat, OpenKeyFile, PassphraseArgs, SaveArgs};
pub(crate) use keys::{
    BudgetArg, CreateKey, EditKey, ExplainKey, Field, KeysCommand, ListKeys, RightsArgs, RotateKey,
    UnusedKeys,
};
pub(crate) use notices::{
    CreateWebhook, EditWebhook, ListNotices, NoticesCommand, WebhooksCommand,
};
pub(crate) use people::{
    CreateProject, CreateServiceAccount, CreateUser, EditProject, EditServiceAccount, EditUser,
    InviteUser, KeptDays, MembersCommand, OwnerVerb, ProjectsCommand, PromptArgs,
    ServiceAccountsCommand, UsersCommand,
};
pub(crate) use settings::SettingsCommand;
pub(crate) use sign_in::{SessionsCommand, SignIn, SignOut};
pub(crate) use tokens::{CreateToken, TokensCommand};
pub(crate) use usage::{UsageArgs, UsageColumn};

/// API keys and one gateway for every language model.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find models, make a first key, and serve: from nothing to a working call in one command
    Quickstart(QuickstartArgs),
    /// Serve, as the configuration says
    Serve(ServeArgs),
    /// API keys: create, list, show, edit, disable, enable, revoke
    Keys(Remotely<KeysCommand>),
    /// Higher limits for a key: ask, list, show, grant, decline, withdraw
    Increases(Remotely<IncreasesCommand>),
    /// Short-lived tokens in a key's place: create, revoke, introspect
    Tokens(Remotely<TokensCommand>),
    /// Upstream APIs that models are called at
    Providers(Remotely<ProvidersCommand>),
    /// Credentials for providers, kept in the vault
    ProviderKeys(Remotely<ProviderKeysCommand>),
    /// Models: their public names, prices, and the providers that serve them
    Models(Remotely<ModelsCommand>),
    /// People: add, list, show, edit, disable, enable, remove
    Users(Remotely<UsersCommand>),
    /// Sign in as a user; the commands that follow act as that user
    SignIn(SignIn),
    /// End the session of `sign-in`
    SignOut(SignOut),
    /// Where you are signed in: list, end
    Sessions(Remotely<SessionsCommand>),
    /// Identities for apps and agents
    ServiceAccounts(Remotely<ServiceAccountsCommand>),
    /// Groups of keys, and who belongs to them
    Projects(Remotely<ProjectsCommand>),
    /// What bounds all keys of the organization together: show, edit
    Organization(Remotely<OrganizationCommand>),
    /// What was asked and answered in a call, where its project keeps that
    Calls(Remotely<CallsCommand>),
    /// What calls consumed and cost
    Usage(UsageArgs),
    /// What administrators change while the server runs: lifetimes, quotas, the key prefix
    Settings(Remotely<SettingsCommand>),
    /// Where notices go over HTTP
    Webhooks(Remotely<WebhooksCommand>),
    /// What was told by mail and webhook, or could not be told: list, send again
    Notices(Remotely<NoticesCommand>),
    /// What was done, by whom and when: list, check, export
    Audit(Remotely<AuditCommand>),
    /// Save everything into one sealed file, while the server goes on serving
    Backup(BackupArgs),
    /// Make an installation of a backup, in an empty place
    Restore(RestoreArgs),
    /// Check the configuration, or print the manual of all settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print completions for a shell
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A configuration file [default: ./doorward.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on, with or without a port
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Serve plain HTTP even on an address that others can reach
    #[arg(long)]
    pub(crate) insecure_http: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QuickstartArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// A model server's base URL, such as `http://127.0.0.1:8000/v1`; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Vec<String>,
    /// Make another API key and show it
    #[arg(long)]
    pub(crate) new_key: bool,
    /// Print one line of JSON when ready
    #[arg(long)]
    pub(crate) json: bool,
}

/// A command that asks a running server.
#[derive(Debug, Args)]
pub(crate) struct Remotely<C: Subcommand> {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(subcommand)]
    pub(crate) command: C,
}

/// Which server is asked, and how its answer is printed. Who asks is the key in `DOORWARD_API_KEY`, else
/// whoever has signed in, else the key in the file `admin.key` of the data directory.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Remote {
    /// The server; also as `DOORWARD_URL` [default: what runs on the data directory; with
    /// `DOORWARD_API_KEY` set, else `http://127.0.0.1:8440`]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The data directory, where admin.key is unless `DOORWARD_API_KEY` is set
    #[arg(long, global = true, default_value = "./doorward-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// A PEM file with the certificate that the server's is signed by; also as `DOORWARD_CA`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print the server's JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read all sources and name everything that is wrong
    Check {
        /// A configuration file [default: ./doorward.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print every setting with its default and what it means
    Default,
}

/// One thing of a kind that has names.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its id or its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[cfg(test)]
mod tests;
