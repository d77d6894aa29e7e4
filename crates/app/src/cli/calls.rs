//! `doorward calls …`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum CallsCommand {
    /// Show what was asked and answered; the audit log says that it was read
    Show {
        /// The call's id: the `x-request-id` of its answer
        id: String,
    },
}
