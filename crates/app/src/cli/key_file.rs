//! Files with a key in them, as `--save` writes them and `keys open` reads them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where a new secret goes instead of the screen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Key file")]
pub(crate) struct SaveArgs {
    /// Write the key to a new file that only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// env: lines for a shell or `.env`; json; pak: sealed under a passphrase [default: by the
    /// name of the file, else env]
    #[arg(long, value_name = "FORMAT", requires = "save")]
    pub(crate) format: Option<KeyFileFormat>,
    /// Replace a file that is there
    #[arg(long, requires = "save")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFileFormat {
    Env,
    Json,
    Pak,
}

/// Where a passphrase comes from. It is never an argument: other processes could read it.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// A file with the passphrase; also as `DOORWARD_PASSPHRASE` [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenKeyFile {
    /// A file that `--save` wrote, of any format
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}
