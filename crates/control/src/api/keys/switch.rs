//! `POST /v1/api-keys/{id}/disable` and `/enable`.

use axum::extract::State;
use axum::response::Response;
use doorward_store::KeyRecord;

use super::grant::{self, Attempt};
use super::{find, object, refuse_revoked};
use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::PathText;

/// Switches an API key off; it can be enabled again.
#[utoipa::path(
    post,
    path = "/v1/api-keys/{id}/disable",
    responses((status = 200, body = object::KeyObject, headers(("etag")))),
)]
pub(crate) async fn disable_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    let record = find(&control, &caller, &id).await?;
    switch(&control, &caller, record, true).await
}

/// Switches a disabled API key on again. Like making it anew, only within the caller's own rights.
#[utoipa::path(
    post,
    path = "/v1/api-keys/{id}/enable",
    responses((status = 200, body = object::KeyObject, headers(("etag")))),
)]
pub(crate) async fn enable_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    let record = find(&control, &caller, &id).await?;
    refuse_revoked(&record)?;
    let key = &record.key;
    let attempt = Attempt { action: "key.enable", subject: key.id.to_string(), name: &key.name };
    grant::refuse_above(&control, &caller, key.owner, &attempt).await?;
    grant::refuse_excess(&control, &caller, &record.rights_now(), |_| true, &attempt).await?;
    switch(&control, &caller, record, false).await
}

async fn switch(
    control: &Control,
    caller: &Caller,
    mut record: KeyRecord,
    is_disabled: bool,
) -> Result<Response, ApiError> {
    refuse_revoked(&record)?;
    let now = control.now();
    let (act, id) = (caller.act(now), record.key.id);
    record.key = control.store.set_key_disabled(&act, &id, is_disabled).await?;
    Ok(object::answer(record, now))
}
