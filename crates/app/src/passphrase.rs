//! Passphrases: from a file, the environment, or standard input, never an argument, which every other
//! process of the machine could read.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use doorward_sealed::age::Passphrase;
use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::PassphraseArgs;
use crate::environment::Environment;
use crate::secret_input;

const VARIABLE: &str = "DOORWARD_PASSPHRASE";
/// Far above any passphrase.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A passphrase to seal with. A person types it twice.
pub(crate) fn choose(
    args: &PassphraseArgs,
    environment: &Environment,
    purpose: &str,
) -> anyhow::Result<Passphrase> {
    let text = match kept(args, environment)? {
        Some(kept) => kept,
        None => type_twice(purpose)?,
    };
    Ok(Passphrase::new(text)?)
}

/// The passphrase of a file that is there.
pub(crate) fn recall(
    args: &PassphraseArgs,
    environment: &Environment,
    purpose: &str,
) -> anyhow::Result<Passphrase> {
    let text = match kept(args, environment)? {
        Some(kept) => kept,
        None => type_once(&format!("Passphrase of {purpose}:"))?,
    };
    Ok(Passphrase::given(text))
}

fn kept(args: &PassphraseArgs, environment: &Environment) -> anyhow::Result<Option<SecretString>> {
    match &args.passphrase_file {
        Some(path) => {
            read(path).with_context(|| format!("cannot use {}", path.display())).map(Some)
        }
        None => Ok(environment.get(VARIABLE).map(SecretString::from)),
    }
}

/// The text of the file, without the end of its line.
fn read(path: &Path) -> anyhow::Result<SecretString> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    let text = SecretString::from(text);
    let line = text.expose_secret().trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        bail!("it holds no passphrase");
    }
    Ok(SecretString::from(line))
}

/// What is piped in was not typed, and comes once.
fn type_twice(purpose: &str) -> anyhow::Result<SecretString> {
    let first = type_once(&format!("New passphrase for {purpose}:"))?;
    if std::io::stdin().is_terminal() {
        let again = type_once("The same again:")?;
        if first.expose_secret() != again.expose_secret() {
            bail!("the two passphrases differ; nothing was done");
        }
    }
    Ok(first)
}

fn type_once(prompt: &str) -> anyhow::Result<SecretString> {
    secret_input::line(prompt).with_context(|| {
        format!("no passphrase: type it, name a file with --passphrase-file, or set {VARIABLE}")
    })
}
