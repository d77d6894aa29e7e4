//! `DELETE /v1/api-keys/{id}`.

use axum::extract::State;
use http::StatusCode;

use super::find;
use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::PathText;

/// Revokes an API key, for good. Doing it again changes nothing.
#[utoipa::path(
    delete,
    path = "/v1/api-keys/{id}",
    responses((status = 204)),
)]
pub(crate) async fn revoke_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let record = find(&control, &caller, &id).await?;
    control.store.revoke_key(&caller.act(control.now()), &record.key.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
