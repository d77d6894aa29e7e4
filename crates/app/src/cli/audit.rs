//! `doorward audit …`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::positive;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done, newest first
    List(ListAudit),
    /// Check that no entry was edited, deleted, moved or cut off
    Verify,
    /// Write entries as JSON, one a line, newest first
    Export(ExportAudit),
}

#[derive(Debug, Args)]
pub(crate) struct ListAudit {
    #[command(flatten)]
    pub(crate) filter: AuditFilterArgs,
    /// How many at most
    #[arg(long, default_value = "50", value_parser = positive::<NonZeroU32>, value_name = "N")]
    pub(crate) limit: NonZeroU32,
}

#[derive(Debug, Args)]
pub(crate) struct ExportAudit {
    #[command(flatten)]
    pub(crate) filter: AuditFilterArgs,
    /// A new file, which only you can read [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Which entries; all conditions hold.
#[derive(Debug, Args)]
pub(crate) struct AuditFilterArgs {
    /// Only what this key or user did, by id, or `system`
    #[arg(long, value_name = "ID")]
    pub(crate) actor: Option<String>,
    /// Only actions that begin so, such as `key.` or `key.create`
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// Only what was done to this, by id
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<String>,
    /// At or after this: a day, or a time such as 2026-11-21T09:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Before this
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}
