//! Secrets that are typed or piped in: never on the command line, where others of the machine read them.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use crate::output;

/// Far above any secret.
const BYTES_MAX: u64 = 4096;

/// Reads one line of standard input; a terminal shows the prompt, and nothing of what is typed.
pub(crate) fn line(prompt: &str) -> anyhow::Result<SecretString> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    let silence = stdin.is_terminal().then(|| {
        output::note(prompt);
        Silence::start()
    });
    let _silent = silence.transpose()?;
    stdin.lock().take(BYTES_MAX).read_line(&mut text).context("standard input cannot be read")?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => bail!("nothing was typed"),
        line => Ok(SecretString::from(line)),
    }
}

/// A terminal that does not show what is typed, until dropped.
pub(crate) struct Silence(Termios);

impl Silence {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _is_back = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0).is_ok();
    }
}
