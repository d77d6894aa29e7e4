//! `POST /v1/users/{id}/increase`, `/v1/projects/{id}/increase` and `/v1/organization/increase`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::budget::Budget;
use doorward_domain::increase::Raise;
use doorward_domain::limit::Limits;
use doorward_store::NewRaise;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::object::IncreaseObject;
use super::{check_raise, check_words, end_of};
use crate::Control;
use crate::api::bounds::refuse_loosening;
use crate::api::keys::grant::Attempt;
use crate::api::{projects, users};
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::Description;
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText, check_if_match};

const ACTION: &str = "limit_increase.grant";

/// What is raised for a while, and how high.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RaiseBounds)]
struct RaiseBounds {
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    #[schema(max_items = 8)]
    budgets: Vec<Budget>,
    /// Either this one or `ends_in_days`: for good, limits and budgets are edited.
    ends_at: Option<Timestamp>,
    #[schema(minimum = 1, maximum = 365)]
    ends_in_days: Option<i64>,
    #[schema(value_type = Option<Description>)]
    note: Option<String>,
}

/// Whose limits and budgets are raised, as they are.
struct Shared {
    subject: Subject,
    name: String,
    bounds: Bounds,
    updated_at: Timestamp,
}

/// Raises the limits or budgets that all keys of a user share, until an end. They are told.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/increase",
    params(("if-match" = Option<String>, Header)),
    request_body = RaiseBounds,
    responses((status = 201, body = IncreaseObject)),
)]
pub(crate) async fn increase_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: RaiseBounds = body.parse()?;
    let found = users::get(&control, &caller, &id).await?;
    let shared = Shared {
        subject: Subject::User(found.id),
        name: found.name,
        bounds: found.bounds,
        updated_at: found.updated_at,
    };
    raise(&control, &caller, (shared, &headers), wish).await
}

/// Raises the limits or budgets that all keys of a project share, until an end. Its administrators are told.
#[utoipa::path(
    post,
    path = "/v1/projects/{id}/increase",
    params(("if-match" = Option<String>, Header)),
    request_body = RaiseBounds,
    responses((status = 201, body = IncreaseObject)),
)]
pub(crate) async fn increase_project(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: RaiseBounds = body.parse()?;
    let found = projects::get(&control, &caller, &id).await?;
    let shared = Shared {
        subject: Subject::Project(found.id),
        name: found.name,
        bounds: found.bounds,
        updated_at: found.updated_at,
    };
    raise(&control, &caller, (shared, &headers), wish).await
}

/// Raises the limits or budgets that all keys of the organization share, until an end. Its administrators are
/// told.
#[utoipa::path(
    post,
    path = "/v1/organization/increase",
    params(("if-match" = Option<String>, Header)),
    request_body = RaiseBounds,
    responses((status = 201, body = IncreaseObject)),
)]
pub(crate) async fn increase_organization(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: RaiseBounds = body.parse()?;
    let found = control.store.get_organization(caller.organization()).await?;
    let shared = Shared {
        subject: Subject::Organization(found.id),
        name: found.name,
        bounds: found.bounds,
        updated_at: found.updated_at,
    };
    raise(&control, &caller, (shared, &headers), wish).await
}

/// Whoever raises must be one who may loosen the same by an edit.
async fn raise(
    control: &Control,
    caller: &Caller,
    (shared, headers): (Shared, &HeaderMap),
    wish: RaiseBounds,
) -> Result<Response, ApiError> {
    check_if_match(headers, shared.updated_at)?;
    let now = control.now();
    let new = wish.check(&shared, now)?;
    let raised = new.raise.raised(&shared.bounds);
    let attempt = Attempt { action: ACTION, subject: shared.subject.id(), name: &shared.name };
    refuse_loosening(control, caller, (&shared.bounds, &raised), &attempt).await?;
    match control.store.raise_bounds(&caller.act(now), new, control.can_mail).await {
        Ok(raised) => Ok((StatusCode::CREATED, Json(IncreaseObject::from(raised))).into_response()),
        Err(error) => {
            let attempt = (ACTION, shared.subject.id(), shared.name.as_str());
            Err(users::refused(control, caller, attempt, error).await)
        }
    }
}

impl RaiseBounds {
    fn check(self, shared: &Shared, now: Timestamp) -> Result<NewRaise, ApiError> {
        let mut faults = Faults::new();
        let raise = Raise { limits: self.limits, budgets: self.budgets };
        check_raise(&raise, &shared.bounds, &mut faults);
        let ends_at = end_of((self.ends_at, self.ends_in_days), now, &mut faults);
        if (self.ends_at, self.ends_in_days) == (None, None) {
            let detail = "name an end; for good, edit limits and budgets";
            faults.add("ends_at", "missing", detail);
        }
        let note = self.note.unwrap_or_default();
        check_words("note", &note, &mut faults);
        let ends_at = faults.finish_with(ends_at)?;
        Ok(NewRaise {
            subject: shared.subject,
            name: shared.name.clone(),
            raise,
            ends_at,
            note,
            updated_at: shared.updated_at,
        })
    }
}
