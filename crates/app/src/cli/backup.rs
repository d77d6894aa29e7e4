//! `doorward backup`, `doorward restore`.

use std::path::PathBuf;

use clap::Args;

use super::Remote;
use super::key_file::PassphraseArgs;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// A new file, which only you can read
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A file that `doorward backup` made
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The configuration of the new installation [default: ./doorward.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Its data directory, empty or not there yet
    #[arg(long, visible_alias = "data-dir", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What tells of everything that ended since the backup, so that it stays ended: the file that
    /// `doorward audit export` wrote, the old data directory, or the old database as postgres://…,
    /// its password in PGPASSWORD; may be repeated
    #[arg(long, value_name = "SOURCE")]
    pub(crate) revocations_from: Vec<String>,
    /// Print what was done as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}
