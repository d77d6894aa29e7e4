//! `/v1/usage/failures`.

use axum::extract::State;
use doorward_store::UsageFailure;
use serde::Serialize;
use utoipa::ToSchema;

use super::wish::filter;
use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::openapi::text::{Instant, Name};
use crate::problem::ApiError;
use crate::request::Params;

/// Calls that failed in the same way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageFailure)]
pub(crate) struct FailureObject {
    /// `failed`: the provider refused or failed; `interrupted`: it may have worked for a call whose answer broke off or
    /// never came.
    #[schema(pattern = "^(failed|interrupted)$")]
    outcome: String,
    /// The status that they ended with: the provider's; 502 where that could not be reached or refused our credential,
    /// 504 where it took too long. `null`: none.
    #[schema(required)]
    status: Option<u16>,
    requests: u64,
}

impl From<UsageFailure> for FailureObject {
    fn from(failure: UsageFailure) -> Self {
        Self { outcome: failure.outcome, status: failure.status, requests: failure.requests }
    }
}

/// Tells in which ways calls failed, in the last 30 days unless told otherwise, the most frequent first.
///
/// Single calls tell it, which are kept for a while; `/v1/usage` counts the errors of those that are not.
#[utoipa::path(
    get,
    path = "/v1/usage/failures",
    params(("key" = Option<doorward_domain::credential::KeyId>, Query, description = "Only calls with this key."), ("user" = Option<Name>, Query, description = "Only calls with keys of this user, by id or name."), ("service_account" = Option<Name>, Query, description = "Only calls with keys of this service account, by id or name."), ("project" = Option<Name>, Query, description = "Only calls with keys of this project, by id or name."), ("model" = Option<String>, Query, description = "Only calls of this model, by its public name.", min_length = 1), ("provider" = Option<Name>, Query, description = "Only calls that this provider was asked last for, by id or name."), ("from" = Option<Instant>, Query), ("to" = Option<Instant>, Query)),
    responses((status = 200, body = List<FailureObject>)),
)]
pub(crate) async fn list_failures(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<FailureObject>, ApiError> {
    let filter = filter(&control, &caller, &mut params).await?;
    params.finish()?;
    let failures = control.store.usage_failures(&filter).await?;
    Ok(List::page(failures.into_iter().map(FailureObject::from).collect(), false, None))
}
