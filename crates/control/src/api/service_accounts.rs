//! `/v1/service-accounts`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::id::{ProjectId, ServiceAccountId};
use doorward_domain::name::{check_description, check_name};
use doorward_store::{NewServiceAccount, ServiceAccount};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, status, versioned};
use crate::api::list::List;
use crate::api::projects;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::{Description, Name, Standing};
use crate::problem::ApiError;
use crate::request::{JsonBody, Params, PathText, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create_service_account,
    list_service_accounts,
    show_service_account,
    edit_service_account,
    disable_service_account,
    enable_service_account,
    remove_service_account,
))]
pub(crate) struct Described;

const NOUN: &str = "service account";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateServiceAccount {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    project: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditServiceAccount {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
}

/// A service account, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceAccount)]
pub(crate) struct ServiceAccountObject {
    id: ServiceAccountId,
    #[schema(pattern = "^service_account$")]
    object: &'static str,
    name: String,
    description: String,
    project: ProjectId,
    #[schema(value_type = Standing)]
    status: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[schema(required)]
    disabled_at: Option<Timestamp>,
}

impl From<ServiceAccount> for ServiceAccountObject {
    fn from(account: ServiceAccount) -> Self {
        Self {
            id: account.id,
            object: "service_account",
            name: account.name,
            description: account.description,
            project: account.project,
            status: status(account.disabled_at),
            created_at: account.created_at,
            updated_at: account.updated_at,
            disabled_at: account.disabled_at,
        }
    }
}

/// Makes a service account, in the default project unless another is named by id or name.
#[utoipa::path(
    post,
    path = "/v1/service-accounts",
    request_body = CreateServiceAccount,
    responses((status = 201, body = ServiceAccountObject, headers(("etag")))),
)]
pub(crate) async fn create_service_account(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateServiceAccount = body.parse()?;
    let description = wish.description.unwrap_or_default();
    let mut faults = Faults::new();
    faults.check("name", check_name(&wish.name));
    faults.check("description", check_description(&description));
    let project = project(&control, &caller, wish.project.as_deref(), &mut faults).await?;
    let project = faults.finish_with(project)?;
    let new = NewServiceAccount { project, name: wish.name, description };
    let account = control.store.create_service_account(&caller.act(control.now()), new).await?;
    Ok((StatusCode::CREATED, answer(account)).into_response())
}

async fn project(
    control: &Control,
    caller: &Caller,
    named: Option<&str>,
    faults: &mut Faults,
) -> Result<Option<ProjectId>, ApiError> {
    let organization = caller.organization();
    let Some(text) = named else {
        return Ok(Some(control.store.default_project(organization).await?));
    };
    let project = projects::find(control, organization, text).await?.map(|project| project.id);
    if project.is_none() {
        faults.add("project", "not_found", "there is no such project");
    }
    Ok(project)
}

/// Lists the service accounts by name.
#[utoipa::path(
    get,
    path = "/v1/service-accounts",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only service accounts with this in their name, description or id.", max_length = 200)),
    responses((status = 200, body = List<ServiceAccountObject>)),
)]
pub(crate) async fn list_service_accounts(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<ServiceAccountObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let search = params.search();
    params.finish()?;
    let (organization, after, rows) = (caller.organization(), after.as_deref(), limit + 1);
    let store = &control.store;
    let rows = match search {
        Some(text) => store.search_service_accounts(organization, &text, after, rows).await?,
        None => store.list_service_accounts(organization, after, rows).await?,
    };
    let rows = rows.into_iter().map(ServiceAccountObject::from).collect();
    Ok(List::cut(rows, limit, |account| account.name.clone()))
}

/// Shows one service account, by id or name.
#[utoipa::path(
    get,
    path = "/v1/service-accounts/{id}",
    responses((status = 200, body = ServiceAccountObject, headers(("etag")))),
)]
pub(crate) async fn show_service_account(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    Ok(answer(get(&control, &caller, &id).await?))
}

/// Edits name or description of a service account; its project stays.
#[utoipa::path(
    patch,
    path = "/v1/service-accounts/{id}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditServiceAccount,
    responses((status = 200, body = ServiceAccountObject, headers(("etag")))),
)]
pub(crate) async fn edit_service_account(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditServiceAccount =
        body.parse().map_err(|error| error.naming_fixed(&["id", "project"]))?;
    let mut account = get(&control, &caller, &id).await?;
    check_if_match(&headers, account.updated_at)?;
    let mut faults = Faults::new();
    if let Some(name) = wish.name {
        faults.check("name", check_name(&name));
        account.name = name;
    }
    if let Some(description) = wish.description {
        faults.check("description", check_description(&description));
        account.description = description;
    }
    faults.finish()?;
    // The version that was read goes along: an edit in between must not be undone by this one.
    let edited = control.store.edit_service_account(&caller.act(control.now()), &account).await?;
    Ok(answer(edited))
}

/// Switches a service account off with all its keys; it can be enabled again.
#[utoipa::path(
    post,
    path = "/v1/service-accounts/{id}/disable",
    responses((status = 200, body = ServiceAccountObject, headers(("etag")))),
)]
pub(crate) async fn disable_service_account(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    switch(&control, &caller, &id, true).await
}

/// Switches a disabled service account on again. What was revoked stays revoked.
#[utoipa::path(
    post,
    path = "/v1/service-accounts/{id}/enable",
    responses((status = 200, body = ServiceAccountObject, headers(("etag")))),
)]
pub(crate) async fn enable_service_account(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    switch(&control, &caller, &id, false).await
}

async fn switch(
    control: &Control,
    caller: &Caller,
    id: &str,
    is_disabled: bool,
) -> Result<Response, ApiError> {
    let account = get(control, caller, id).await?;
    let act = caller.act(control.now());
    let store = &control.store;
    Ok(answer(store.set_service_account_disabled(&act, account.id, is_disabled).await?))
}

/// Removes a service account and revokes all its keys, for good.
#[utoipa::path(
    delete,
    path = "/v1/service-accounts/{id}",
    responses((status = 204)),
)]
pub(crate) async fn remove_service_account(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let account = get(&control, &caller, &id).await?;
    let act = caller.act(control.now());
    removed(control.store.remove_service_account(&act, account.id).await?, NOUN)
}

/// A service account by its id or its name.
async fn get(control: &Control, caller: &Caller, text: &str) -> Result<ServiceAccount, ApiError> {
    let organization = caller.organization();
    let by_id = text.parse().ok().map(|id| control.store.find_service_account(organization, id));
    let by_name = control.store.find_service_account_by_name(organization, text);
    by_id_or_name(by_id, by_name).await?.ok_or(ApiError::NotFound(NOUN))
}

fn answer(account: ServiceAccount) -> Response {
    let updated_at = account.updated_at;
    versioned(ServiceAccountObject::from(account), updated_at)
}
