//! `doorward settings …`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// List all settings with their defaults and what they do
    List,
    /// Set one or more, all or none
    Set(SetSettings),
    /// Take the default again
    Reset(ResetSettings),
}

#[derive(Debug, Args)]
pub(crate) struct SetSettings {
    /// A name and its value, as two words or as NAME=VALUE; may be repeated
    #[arg(value_name = "NAME VALUE", required = true, allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetSettings {
    /// Which; may be repeated
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}
