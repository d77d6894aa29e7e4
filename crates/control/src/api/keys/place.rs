//! Whose a new key will be, and in which project.

use doorward_domain::id::{ProjectId, ServiceAccountId};
use doorward_domain::key::Owner;
use doorward_domain::name::{check_description, check_name};
use doorward_domain::project_role::ProjectRole;
use doorward_domain::scope::Scope;
use doorward_store::{NewServiceAccount, ServiceAccount};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grant::{self, Attempt};
use super::named::{self, Meant};
use crate::Control;
use crate::caller::{Caller, require};
use crate::faults::Faults;
use crate::openapi::text::{Description, Name};
use crate::problem::ApiError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyKind)]
pub(super) enum Kind {
    User,
    Service,
}

/// A service account that is made along with its first key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewServiceAccount)]
pub(super) struct NewAccount {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
}

/// What a request says of it.
pub(super) struct Named<'a> {
    pub(super) kind: Option<Kind>,
    pub(super) owner: Option<&'a str>,
    /// In place of an owner.
    pub(super) account: Option<&'a NewAccount>,
    pub(super) project: Option<&'a str>,
    /// The name of the new key.
    pub(super) key: &'a str,
}

/// Where a key goes.
pub(super) struct Place {
    /// `None`: nobody who could be found; what is wrong is noted.
    pub(super) owner: Option<Owner>,
    pub(super) project: ProjectId,
    /// The owner, where that is made along with the key.
    pub(super) account: Option<ServiceAccount>,
}

/// The owner and the project. What is wrong with them is noted.
pub(super) async fn find(
    control: &Control,
    caller: &Caller,
    named: &Named<'_>,
    now: Timestamp,
    faults: &mut Faults,
) -> Result<Place, ApiError> {
    if let Some(wish) = named.account {
        return with_account(control, caller, (named, wish), now, faults).await;
    }
    let owner = owner(control, caller, named, faults).await?;
    let project = match owner {
        Some(Owner::ServiceAccount(id)) => {
            project_of_account(control, caller, id, named, faults).await?
        }
        Some(Owner::User(_)) | None => project(control, caller, named, faults).await?,
    };
    Ok(Place { owner, project, account: None })
}

/// A key of a service account that is not there yet. It takes what making one takes.
async fn with_account(
    control: &Control,
    caller: &Caller,
    (named, wish): (&Named<'_>, &NewAccount),
    now: Timestamp,
    faults: &mut Faults,
) -> Result<Place, ApiError> {
    require(control, caller, Scope::Admin).await?;
    if named.owner.is_some() {
        let detail = "only one of owner and new_service_account can be given";
        faults.add("owner", "conflict", detail);
    }
    if named.kind == Some(Kind::User) {
        let detail = "the key of a service account is one of kind service";
        faults.add("kind", "wrong_kind", detail);
    }
    let description = wish.description.clone().unwrap_or_default();
    faults.check("new_service_account.name", check_name(&wish.name));
    faults.check("new_service_account.description", check_description(&description));
    let project = project(control, caller, named, faults).await?;
    let new = NewServiceAccount { project, name: wish.name.clone(), description };
    let account = control.store.draft_service_account(&caller.act(now), new);
    let owner = Some(Owner::ServiceAccount(account.id));
    Ok(Place { owner, project, account: Some(account) })
}

async fn owner(
    control: &Control,
    caller: &Caller,
    named: &Named<'_>,
    faults: &mut Faults,
) -> Result<Option<Owner>, ApiError> {
    let found = match named.owner {
        None => Some(caller.owner()),
        Some(text) => match named::owner(control, caller, text, named.kind).await? {
            Meant::One(owner) => {
                may_name(control, caller, owner, named.key).await?.then_some(owner)
            }
            Meant::None => None,
            Meant::Several => {
                let detail = "a user and a service account have this name: say which by `kind`";
                faults.add("owner", "ambiguous", detail);
                return Ok(None);
            }
        },
    };
    let Some(owner) = found else {
        faults.add("owner", "not_found", "there is no such active user or service account");
        return Ok(None);
    };
    let fits = match (named.kind, owner) {
        (None | Some(Kind::User), Owner::User(_))
        | (None | Some(Kind::Service), Owner::ServiceAccount(_)) => true,
        (Some(Kind::Service), Owner::User(_)) | (Some(Kind::User), Owner::ServiceAccount(_)) => {
            false
        }
    };
    if !fits {
        let detail = "a user key belongs to a user, a service key to a service account";
        faults.add("owner", "wrong_kind", detail);
    }
    Ok(fits.then_some(owner))
}

/// Whether the caller may name this owner: themselves, or, for an administrator, anybody who is active
/// and not above them: with a key of an owner, an administrator would be one. Whoever manages only
/// their own cannot learn which others exist.
async fn may_name(
    control: &Control,
    caller: &Caller,
    owner: Owner,
    key: &str,
) -> Result<bool, ApiError> {
    if owner == caller.owner() {
        return Ok(true);
    }
    let may_name = caller.role.manages_others()
        && control.store.is_owner_active(caller.organization(), owner).await?;
    if may_name {
        let attempt = Attempt { action: "key.create", subject: owner.to_string(), name: key };
        grant::refuse_above(control, caller, owner, &attempt).await?;
    }
    Ok(may_name)
}

/// A service account belongs to one project, and its keys with it.
async fn project_of_account(
    control: &Control,
    caller: &Caller,
    id: ServiceAccountId,
    named: &Named<'_>,
    faults: &mut Faults,
) -> Result<ProjectId, ApiError> {
    let account = control.store.find_service_account(caller.organization(), id).await?;
    // One that is gone by now is refused by the store; until then any project will do.
    let project = match account {
        Some(account) => account.project,
        None => control.store.default_project(caller.organization()).await?,
    };
    let is_other = match named.project {
        None => false,
        Some(text) => named::project(control, caller, text).await? != Some(project),
    };
    if is_other {
        let detail = "the key of a service account belongs to the account's own project";
        faults.add("project", "fixed", detail);
    }
    Ok(project)
}

/// The project of a user's new key. Whoever does not manage others has keys in the projects that they
/// are a member of, and in the default one.
async fn project(
    control: &Control,
    caller: &Caller,
    named: &Named<'_>,
    faults: &mut Faults,
) -> Result<ProjectId, ApiError> {
    let organization = caller.organization();
    let default = control.store.default_project(organization).await?;
    let Some(text) = named.project else {
        return Ok(own_project(control, caller).await?.unwrap_or(default));
    };
    if let Some(project) = named::project(control, caller, text).await?
        && (project == default || may_choose(control, caller, project).await?)
    {
        return Ok(project);
    }
    faults.add("project", "not_found", "there is no such project");
    Ok(default)
}

/// The project of the key that asks, where its user makes keys.
async fn own_project(control: &Control, caller: &Caller) -> Result<Option<ProjectId>, ApiError> {
    let Some(own) = caller.key().map(|key| key.project) else { return Ok(None) };
    let stays = !caller.role.manages_others() && makes_keys_in(control, caller, own).await?;
    Ok(stays.then_some(own))
}

async fn may_choose(
    control: &Control,
    caller: &Caller,
    project: ProjectId,
) -> Result<bool, ApiError> {
    Ok(caller.role.manages_others() || makes_keys_in(control, caller, project).await?)
}

/// Whether the caller is a user who may have keys of their own in this project.
async fn makes_keys_in(
    control: &Control,
    caller: &Caller,
    project: ProjectId,
) -> Result<bool, ApiError> {
    let Owner::User(user) = caller.owner() else { return Ok(false) };
    let role = control.store.project_role(caller.organization(), project, user).await?;
    Ok(role.is_some_and(ProjectRole::makes_keys))
}
