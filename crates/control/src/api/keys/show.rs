//! `GET /v1/api-keys/{id}`.

use axum::extract::State;
use axum::response::Response;

use super::{find_latest, object};
use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::PathText;

/// Shows one API key.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}",
    responses((status = 200, body = object::KeyObject, headers(("etag")))),
)]
pub(crate) async fn show_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    Ok(object::answer(find_latest(&control, &caller, &id).await?, control.now()))
}
