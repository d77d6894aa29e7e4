//! `doorward webhooks …` and `doorward notices …`.

use clap::{Args, Subcommand};

use super::Named;

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    Create(CreateWebhook),
    /// List all
    List,
    /// Show one
    Show(Named),
    Edit(EditWebhook),
    /// Give one a new secret; the one before signs for another day
    Rotate(Named),
    /// Send a notice that tests one
    Test(Named),
    /// Delete one, with its notices
    Delete(Named),
}

/// Add a webhook; its secret is shown once
#[derive(Debug, Args)]
pub(crate) struct CreateWebhook {
    /// A name, unique in the organization
    pub(crate) name: String,
    /// Where its receiver is, such as `https://hooks.example.com/doorward`
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
}

/// Edit a webhook; its secret stays
#[derive(Debug, Args)]
pub(crate) struct EditWebhook {
    #[command(flatten)]
    pub(crate) webhook: Named,
    /// A new name
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// Where its receiver is
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NoticesCommand {
    List(ListNotices),
    /// Send one again that is dead, or one that waits at once
    Retry {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// List what was told, waits to be told, or could not be told; newest first
#[derive(Debug, Args)]
pub(crate) struct ListNotices {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "sent", "dead", "obsolete"])]
    pub(crate) state: Option<String>,
    /// Only those of this kind, such as `api_key.expiring`
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only those about the thing with this id
    #[arg(long, value_name = "ID")]
    pub(crate) about: Option<String>,
}
