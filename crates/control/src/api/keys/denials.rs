//! `GET /v1/api-keys/{id}/denials`: why a key was refused.

use std::net::IpAddr;

use axum::extract::State;
use doorward_store::KeyDenial;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::openapi::text::IpAddress;
use crate::problem::ApiError;
use crate::request::PathText;

/// One reason for which a key was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyDenial)]
pub(crate) struct DenialObject {
    #[schema(pattern = "^key_denial$")]
    object: &'static str,
    /// Why, as clients are told it: `model_not_found`.
    code: String,
    times: u64,
    last_at: Timestamp,
    /// What was asked for then, where that was a model.
    #[schema(required)]
    last_model: Option<String>,
    #[schema(value_type = Option<IpAddress>, required)]
    last_ip: Option<IpAddr>,
}

impl From<KeyDenial> for DenialObject {
    fn from(denial: KeyDenial) -> Self {
        Self {
            object: "key_denial",
            code: denial.code,
            times: denial.times,
            last_at: denial.last_at,
            last_model: denial.last_model,
            last_ip: denial.last_address,
        }
    }
}

/// Lists for which reasons an API key was refused in the last 30 days, and how often; the latest reason
/// first. Only requests with a right secret count.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}/denials",
    responses((status = 200, body = List<DenialObject>)),
)]
pub(crate) async fn list_denials(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<List<DenialObject>, ApiError> {
    let record = find(&control, &caller, &id).await?;
    let denials = control.store.key_denials(caller.organization(), &record.key.id).await?;
    let rows = denials.into_iter().map(DenialObject::from).collect();
    Ok(List::page(rows, false, None))
}
