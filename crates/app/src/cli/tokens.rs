//! `doorward tokens …`.

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::ValueSource;
use super::values::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Create a token that stands for the key for an hour at most, and print it
    Create(CreateToken),
    /// Revoke a token before its end; it is read from standard input unless said otherwise
    Revoke(ValueSource),
    /// Tell what a token may do now; it is read from standard input unless said otherwise
    Introspect(ValueSource),
}

#[derive(Debug, Args)]
pub(crate) struct CreateToken {
    /// What it may do; may be repeated [default: all that the key may]
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scope: Vec<String>,
    /// Which models it may call, with * for any text; may be repeated [default: those of the key]
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// Where it is used: the URI of another service that checks it [default: this server]
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
    /// How long it lives, as 90s or 15m [default: 1h, which is the most]
    #[arg(long, value_name = "TIME", value_parser = life)]
    pub(crate) ttl: Option<SignedDuration>,
}

fn life(text: &str) -> Result<SignedDuration, String> {
    let asked = duration(text)?;
    if asked.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(asked) }
}
