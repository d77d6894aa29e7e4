//! The program `doorward`: configuration, wiring, shutdown, and the command line.

mod admin_key;
mod base_url;
mod cli;
mod client;
mod commands;
mod config;
mod environment;
mod faces;
mod kept_session;
mod logging;
mod output;
mod passphrase;
mod private_file;
mod provider_agent;
mod quickstart;
mod secret_input;
mod serve;
mod telemetry;
mod tls;
mod welcome;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use doorward_store::OpenError;

use cli::{Cli, Command, ConfigCommand, RestoreArgs, ServeArgs};
use config::{Config, Override, Problems, Sources};
use environment::Environment;

/// It failed.
const FAILED: u8 = 1;
/// What was asked for, or the configuration, makes no sense.
const MISUSED: u8 = 2;
/// The data cannot be unlocked: the master key is missing or wrong.
const SEALED: u8 = 3;
/// Another process has the data directory.
const RUNNING: u8 = 4;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command, &Environment::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            exit_code(&error).into()
        }
    }
}

fn run(command: Command, environment: &Environment) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => {
            let config = start(&args, Vec::new(), environment)?;
            runtime()?.block_on(serve::run(config))
        }
        Command::Quickstart(args) => {
            // The screen is for people: what is normal is not told twice.
            let quiet =
                vec![Override::new("log.level", "warn"), Override::new("log.format", "text")];
            let config = start(&args.serve, quiet, environment)?;
            runtime()?.block_on(quickstart::run(config, &args, environment))
        }
        Command::Config { command } => configuration(command, environment),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "doorward", &mut script);
            Ok(output::line(String::from_utf8(script)?.trim_end())?)
        }
        Command::Keys(args) => commands::keys::run(&args, environment),
        Command::Increases(args) => commands::increases::run(&args, environment),
        Command::Tokens(args) => commands::tokens::run(&args, environment),
        Command::Providers(args) => commands::providers::run(&args, environment),
        Command::ProviderKeys(args) => commands::provider_keys::run(&args, environment),
        Command::Models(args) => commands::models::run(&args, environment),
        Command::Settings(args) => commands::settings::run(&args, environment),
        Command::Webhooks(args) => commands::webhooks::run(&args, environment),
        Command::Notices(args) => commands::notices::run(&args, environment),
        Command::Audit(args) => commands::audit::run(&args, environment),
        Command::Backup(args) => commands::backup::run(&args, environment),
        Command::Restore(args) => restore(&args, environment),
        Command::Users(args) => commands::users::run(&args, environment),
        Command::ServiceAccounts(args) => commands::service_accounts::run(&args, environment),
        Command::Projects(args) => commands::projects::run(&args, environment),
        Command::Organization(args) => commands::organization::run(&args, environment),
        Command::SignIn(args) => commands::sign_in::sign_in(&args, environment),
        Command::SignOut(args) => commands::sign_in::sign_out(&args, environment),
        Command::Sessions(args) => commands::sessions::run(&args, environment),
        Command::Calls(args) => commands::calls::run(&args, environment),
        Command::Usage(args) => commands::usage::run(&args, environment),
    }
}

/// Reads the configuration and starts the log.
fn start(
    args: &ServeArgs,
    preferences: Vec<Override>,
    environment: &Environment,
) -> anyhow::Result<Config> {
    let overrides = overrides(args);
    let file = args.config.as_deref();
    let config = config::load(&Sources { file, environment, preferences, overrides })?;
    logging::start(&config.log)?;
    Ok(config)
}

fn overrides(args: &ServeArgs) -> Vec<Override> {
    let data = args.data.as_ref().map(|dir| Override::new("data.dir", &*dir.to_string_lossy()));
    let listen = args.listen.as_ref().map(|text| Override::new("server.listen", &**text));
    let insecure = args.insecure_http.then(|| Override::new("server.insecure_http", true));
    [data, listen, insecure].into_iter().flatten().collect()
}

/// The configuration says where the new installation is; of the log there is nothing to tell.
fn restore(args: &RestoreArgs, environment: &Environment) -> anyhow::Result<()> {
    let data = args.data.as_ref().map(|dir| Override::new("data.dir", &*dir.to_string_lossy()));
    let (file, preferences) = (args.config.as_deref(), Vec::new());
    let overrides = data.into_iter().collect();
    let config = config::load(&Sources { file, environment, preferences, overrides })?;
    runtime()?.block_on(Box::pin(commands::restore::run(args, config.data, environment)))
}

fn configuration(command: ConfigCommand, environment: &Environment) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { config } => {
            let (preferences, overrides) = (Vec::new(), Vec::new());
            let file = config.as_deref();
            config::load(&Sources { file, environment, preferences, overrides })?;
            Ok(output::line("ok")?)
        }
        ConfigCommand::Default => Ok(output::line(config::DEFAULT_TOML.trim_end())?),
    }
}

/// One worker per core that we may use; on a single core, without the machinery for sharing work.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = match std::thread::available_parallelism()?.get() {
        1 => tokio::runtime::Builder::new_current_thread(),
        workers => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    Ok(builder.enable_all().build()?)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Problems>() {
        return MISUSED;
    }
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::AlreadyRunning(_)) => RUNNING,
        Some(
            OpenError::MasterKeyMissing { .. }
            | OpenError::MasterKeyWrong
            | OpenError::KeyringLost { .. }
            | OpenError::MasterKeyMalformed(_),
        ) => SEALED,
        Some(
            OpenError::SchemaNewer
            | OpenError::JournalNewer { .. }
            | OpenError::JournalDamaged { .. }
            | OpenError::Io { .. }
            | OpenError::Database(_)
            | OpenError::Store(_),
        )
        | None => FAILED,
    }
}
