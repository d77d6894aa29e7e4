//! `/v1/organization`: the organization of whoever asks.

use axum::extract::State;
use axum::response::Response;
use doorward_domain::bounds::Subject;
use doorward_domain::budget::Budget;
use doorward_domain::id::OrganizationId;
use doorward_domain::limit::Limits;
use doorward_domain::name::check_name;
use doorward_store::Organization;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::bounds::{edited, refuse_loosening, spent_of};
use super::keys::grant::Attempt;
use super::keys::object::{HeldObject, Spent};
use crate::Control;
use crate::api::answer::versioned;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::Name;
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(show_organization, edit_organization))]
pub(crate) struct Described;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditOrganization {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Limits>)]
    limits: Field<Limits>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Field<Vec<Budget>>,
}

/// The organization, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
struct OrganizationObject {
    id: OrganizationId,
    #[schema(pattern = "^organization$")]
    object: &'static str,
    #[schema(value_type = Name)]
    name: String,
    /// What all its keys share.
    limits: Limits,
    /// What all its keys share.
    budgets: Vec<Budget>,
    /// One entry per budget, in their order.
    spent: Vec<Spent>,
    /// What raises them for a while.
    #[schema(required)]
    increase: Option<HeldObject>,
    /// Whether it sends mail: there is a server, and the setting `mail-from` names a sender.
    sends_mail: bool,
    /// Where links in its mails lead: `server.public_url` of the server's configuration. `null`: it is not set, and
    /// mails hold a token without a link.
    #[schema(required)]
    mails_lead_to: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Shows the organization, and what bounds all its keys together.
#[utoipa::path(
    get,
    path = "/v1/organization",
    responses((status = 200, body = OrganizationObject, headers(("etag")))),
)]
pub(crate) async fn show_organization(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let found = control.store.get_organization(caller.organization()).await?;
    answer(&control, found).await
}

/// Edits the name of the organization, and the limits and budgets that all its keys share.
#[utoipa::path(
    patch,
    path = "/v1/organization",
    params(("if-match" = Option<String>, Header)),
    request_body = EditOrganization,
    responses((status = 200, body = OrganizationObject, headers(("etag")))),
)]
pub(crate) async fn edit_organization(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditOrganization = body.parse().map_err(|error| error.naming_fixed(&["id"]))?;
    let found = control.store.get_organization(caller.organization()).await?;
    check_if_match(&headers, found.updated_at)?;
    let mut faults = Faults::new();
    if let Some(name) = &wish.name {
        faults.check("name", check_name(name));
    }
    let bounds = edited(&found.bounds, &wish.limits, wish.budgets, &mut faults);
    faults.finish()?;
    let subject = found.id.to_string();
    let attempt = Attempt { action: "organization.edit", subject, name: &found.name };
    refuse_loosening(&control, &caller, (&found.bounds, &bounds), &attempt).await?;
    // The version that was read goes along: an edit in between must not be undone by this one.
    let name = wish.name.unwrap_or_else(|| found.name.clone());
    let wanted = Organization { name, bounds, ..found };
    let edited = control.store.edit_organization(&caller.act(control.now()), &wanted).await?;
    answer(&control, edited).await
}

async fn answer(control: &Control, found: Organization) -> Result<Response, ApiError> {
    let subject = Subject::Organization(found.id);
    let bounded = [(subject, &found.bounds)].into_iter();
    let standing = control.store.shared_standing(found.id, bounded).await?;
    let sends_mail = control.sends_mail(found.id).await?;
    let object = OrganizationObject {
        id: found.id,
        object: "organization",
        name: found.name,
        increase: standing.increase(&subject).cloned().map(HeldObject::from),
        spent: spent_of(&standing, &subject, &found.bounds),
        limits: found.bounds.limits,
        budgets: found.bounds.budgets,
        sends_mail,
        mails_lead_to: control.linked_url.as_deref().map(str::to_owned),
        created_at: found.created_at,
        updated_at: found.updated_at,
    };
    Ok(versioned(object, found.updated_at))
}
