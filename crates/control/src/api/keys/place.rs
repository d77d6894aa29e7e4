//! Whose a new key will be, and in which project.

use doorward_domain::id::{ProjectId, ServiceAccountId};
use doorward_domain::key::Owner;
use doorward_domain::project_role::ProjectRole;
use serde::Deserialize;

use super::grant::{self, Attempt};
use super::parse_owner;
use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    User,
    Service,
}

/// What a request says of it.
pub(super) struct Named<'a> {
    pub(super) kind: Option<Kind>,
    pub(super) owner: Option<&'a str>,
    pub(super) project: Option<&'a str>,
    /// The name of the new key.
    pub(super) key: &'a str,
}

/// The owner and the project. What is wrong with them is noted.
pub(super) async fn find(
    control: &Control,
    caller: &Caller,
    named: &Named<'_>,
    faults: &mut Faults,
) -> Result<(Option<Owner>, ProjectId), ApiError> {
    let owner = owner(control, caller, named, faults).await?;
    let project = match owner {
        Some(Owner::ServiceAccount(id)) => {
            project_of_account(control, caller, id, named, faults).await?
        }
        Some(Owner::User(_)) | None => project(control, caller, named, faults).await?,
    };
    Ok((owner, project))
}

async fn owner(
    control: &Control,
    caller: &Caller,
    named: &Named<'_>,
    faults: &mut Faults,
) -> Result<Option<Owner>, ApiError> {
    let found = match named.owner {
        None => Some(caller.owner()),
        Some(text) => named_owner(control, caller, text, named.key).await?,
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

/// An owner whom the caller may name: themselves, or, for an administrator, anybody who is active and
/// not above them: with a key of an owner, an administrator would be one. Whoever manages only their
/// own cannot learn which others exist.
async fn named_owner(
    control: &Control,
    caller: &Caller,
    text: &str,
    key: &str,
) -> Result<Option<Owner>, ApiError> {
    let Some(owner) = parse_owner(text) else { return Ok(None) };
    if owner == caller.owner() {
        return Ok(Some(owner));
    }
    let may_name = caller.role.manages_others()
        && control.store.is_owner_active(caller.organization(), owner).await?;
    if may_name {
        let attempt = Attempt { action: "key.create", subject: owner.to_string(), name: key };
        grant::refuse_above(control, caller, owner, &attempt).await?;
    }
    Ok(may_name.then_some(owner))
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
    if named.project.is_some_and(|text| text.parse() != Ok(project)) {
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
    if let Ok(project) = text.parse::<ProjectId>()
        && (project == default || may_choose(control, caller, project).await?)
        && control.store.has_project(organization, project).await?
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
