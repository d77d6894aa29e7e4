//! `doorward users …`, `service-accounts …` and `projects …`.

use clap::{Args, Subcommand};
use doorward_domain::prompts::RETENTION_DAYS;

use super::Named;
use super::bounds::{BoundsArgs, EditBoundsArgs};
use super::increases::RaiseNamed;

/// What can be done with those who own keys; `C` and `E` are what a new one and an edit take.
#[derive(Debug, Subcommand)]
pub(crate) enum OwnerVerb<C: Args, E: Args> {
    Create(C),
    /// List all
    List,
    /// Show one
    Show(Named),
    Edit(E),
    /// Switch one off, with all its keys; it can be enabled again
    Disable(Named),
    /// Switch a disabled one on again
    Enable(Named),
    /// Remove one and revoke all its keys, for good
    Remove(Named),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    #[command(flatten)]
    Owner(OwnerVerb<CreateUser, EditUser>),
    /// Raise limits or budgets that all keys of a user share, until an end; the user is told
    Increase(RaiseNamed),
    /// End what raises them, before its time
    EndIncrease(Named),
    Invite(InviteUser),
    /// Make a one-time link with which a user sets a new password
    ResetPassword(Named),
    /// Take away a user's second factor, which they have lost
    RemoveSecondFactor(Named),
    /// Sign a user out everywhere
    EndSessions(Named),
}

/// Make a one-time link with which a user sets a first password
#[derive(Debug, Args)]
pub(crate) struct InviteUser {
    #[command(flatten)]
    pub(crate) user: Named,
    /// Their e-mail address, with which they sign in, where they have none yet
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
}

pub(crate) type ServiceAccountsCommand = OwnerVerb<CreateServiceAccount, EditServiceAccount>;

/// The roles in an organization.
const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];
/// The roles in a project.
const PROJECT_ROLES: [&str; 3] = ["admin", "member", "viewer"];

/// Add a user; they have no key and no password yet
#[derive(Debug, Args)]
pub(crate) struct CreateUser {
    /// A name, unique in the organization
    pub(crate) name: String,
    /// Their e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// What they may do
    #[arg(long, value_name = "ROLE", value_parser = ROLES, default_value = "member")]
    pub(crate) role: String,
    /// Make a one-time link with which they set a password
    #[arg(long, requires = "email")]
    pub(crate) invite: bool,
    #[command(flatten)]
    pub(crate) bounds: BoundsArgs,
}

/// Edit a user
#[derive(Debug, Args)]
pub(crate) struct EditUser {
    #[command(flatten)]
    pub(crate) user: Named,
    /// A new name
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// A new e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// Forget the e-mail address
    #[arg(long, conflicts_with = "email")]
    pub(crate) no_email: bool,
    /// What they may do
    #[arg(long, value_name = "ROLE", value_parser = ROLES)]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) bounds: EditBoundsArgs,
}

/// Make a service account, an identity for an app or agent
#[derive(Debug, Args)]
pub(crate) struct CreateServiceAccount {
    /// A name, unique in the organization
    pub(crate) name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The project that it belongs to, by name or id [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
}

/// Edit a service account; its project stays
#[derive(Debug, Args)]
pub(crate) struct EditServiceAccount {
    #[command(flatten)]
    pub(crate) service_account: Named,
    /// A new name
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectsCommand {
    Create(CreateProject),
    /// List all
    List,
    /// Show one
    Show(Named),
    Edit(EditProject),
    /// Raise limits or budgets that all its keys share, until an end; its administrators are told
    Increase(RaiseNamed),
    /// End what raises them, before its time
    EndIncrease(Named),
    /// Remove one that has no keys and no service accounts
    Remove(Named),
    /// Who belongs to a project
    Members {
        #[command(subcommand)]
        command: MembersCommand,
    },
}

/// Make a project
#[derive(Debug, Args)]
pub(crate) struct CreateProject {
    /// A name, unique in the organization
    pub(crate) name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) bounds: BoundsArgs,
}

/// Edit a project; the default one keeps its name
#[derive(Debug, Args)]
pub(crate) struct EditProject {
    #[command(flatten)]
    pub(crate) project: Named,
    /// A new name
    #[arg(long = "rename", value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) bounds: EditBoundsArgs,
    #[command(flatten)]
    pub(crate) prompts: PromptArgs,
}

/// Whether prompts and answers are kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompts and answers")]
pub(crate) struct PromptArgs {
    /// Keep what its calls ask and are answered for so many days, as 30d; or `off`
    #[arg(long, value_name = "DAYS", value_parser = kept_days)]
    pub(crate) store_prompts: Option<KeptDays>,
    /// Keep e-mail addresses and the numbers of cards and phones in them; keys are always taken out
    #[arg(long, requires = "store_prompts")]
    pub(crate) no_redaction: bool,
}

/// How long prompts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptDays {
    Off,
    Days(u16),
}

fn kept_days(text: &str) -> Result<KeptDays, String> {
    let days = text.strip_suffix('d').unwrap_or(text);
    match days.parse() {
        _ if text == "off" => Ok(KeptDays::Off),
        Ok(days) if RETENTION_DAYS.contains(&days) => Ok(KeptDays::Days(days)),
        Ok(_) | Err(_) => Err("must be 1 to 365 days, as 30d, or off".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum MembersCommand {
    /// List the members of a project
    List {
        /// Its id or its name
        project: String,
    },
    /// Let a user into a project, or give them another role there
    Set {
        #[command(flatten)]
        member: MemberRef,
        /// What they may do there
        #[arg(long, value_name = "ROLE", value_parser = PROJECT_ROLES, default_value = "member")]
        role: String,
    },
    /// Take a user out of a project; their keys in it stay
    Remove(MemberRef),
}

#[derive(Debug, Args)]
pub(crate) struct MemberRef {
    /// The project, by id or name
    pub(crate) project: String,
    /// The user, by id or name
    pub(crate) user: String,
}
