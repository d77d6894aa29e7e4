//! `doorward sign-in`, `sign-out` and `sessions …`.

use clap::{Args, Subcommand};

use super::Remote;

/// Sign in as a user; the commands that follow act as that user. The password is read from standard
/// input, never from the command line
#[derive(Debug, Args)]
pub(crate) struct SignIn {
    /// The e-mail address
    pub(crate) email: String,
    /// First set a password by a one-time link: the link or its token, then the new password, each on a
    /// line of standard input
    #[arg(long)]
    pub(crate) link: bool,
    /// The code of the second factor, or a recovery code [default: asked for where one is needed]
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// The name of the organization
    #[arg(long, value_name = "NAME")]
    pub(crate) organization: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// End the session of `sign-in`
#[derive(Debug, Args)]
pub(crate) struct SignOut {
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List where you are signed in
    List,
    /// End one session, or all others
    End(EndSessions),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct EndSessions {
    /// Its id
    pub(crate) id: Option<String>,
    /// All but the one that asks
    #[arg(long)]
    pub(crate) others: bool,
}
