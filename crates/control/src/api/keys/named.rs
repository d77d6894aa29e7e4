//! Owners and projects by id or by name: what people type, and what lists are narrowed to.

use doorward_domain::id::{ProjectId, ServiceAccountId, UserId};
use doorward_domain::key::Owner;

use super::place::Kind;
use crate::Control;
use crate::api::projects;
use crate::caller::Caller;
use crate::problem::ApiError;

/// What a text means.
pub(super) enum Meant<T> {
    One(T),
    None,
    /// A user and a service account have this name.
    Several,
}

/// The owner of this id, whether there is one or not; or, for whoever manages others, of this name. Whoever
/// manages only their own cannot learn which names there are.
pub(super) async fn owner(
    control: &Control,
    caller: &Caller,
    text: &str,
    kind: Option<Kind>,
) -> Result<Meant<Owner>, ApiError> {
    if let Some(owner) = parse_owner(text) {
        return Ok(Meant::One(owner));
    }
    if !caller.role.manages_others() {
        return Ok(Meant::None);
    }
    let organization = caller.organization();
    let user = control.store.find_user_by_name(organization, text).await?;
    let account = control.store.find_service_account_by_name(organization, text).await?;
    let user = user.map(|user| Owner::User(user.id)).filter(|_| kind != Some(Kind::Service));
    let account = account.map(|account| Owner::ServiceAccount(account.id));
    Ok(match (user, account.filter(|_| kind != Some(Kind::User))) {
        (Some(_), Some(_)) => Meant::Several,
        (Some(one), None) | (None, Some(one)) => Meant::One(one),
        (None, None) => Meant::None,
    })
}

/// Reads the id of a user or of a service account.
fn parse_owner(text: &str) -> Option<Owner> {
    let user = text.parse::<UserId>().map(Owner::User);
    user.or_else(|_| text.parse::<ServiceAccountId>().map(Owner::ServiceAccount)).ok()
}

/// A project of this id or name that there is.
pub(super) async fn project(
    control: &Control,
    caller: &Caller,
    text: &str,
) -> Result<Option<ProjectId>, ApiError> {
    let found = projects::find(control, caller.organization(), text).await?;
    Ok(found.map(|project| project.id))
}
