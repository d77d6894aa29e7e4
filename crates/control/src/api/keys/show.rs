//! `GET /v1/api-keys/{id}`.

use axum::extract::State;
use axum::response::Response;

use super::object::KeyObject;
use super::{find_latest, object};
use crate::Control;
use crate::api::answer::versioned;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::{Params, PathText};

/// Shows one API key.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}",
    params(("names" = Option<bool>, Query, description = "Whether it says what its owner, maker and project are called, beside their ids.")),
    responses((status = 200, body = KeyObject, headers(("etag")))),
)]
pub(crate) async fn show_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<Response, ApiError> {
    let has_names = params.parse::<bool>("names").unwrap_or(false);
    params.finish()?;
    let record = find_latest(&control, &caller, &id).await?;
    let updated_at = record.key.life.updated_at;
    let mut key = [KeyObject::new(record, control.now())];
    if has_names {
        object::name(&control, caller.organization(), &mut key).await?;
    }
    let [key] = key;
    Ok(versioned(key, updated_at))
}
