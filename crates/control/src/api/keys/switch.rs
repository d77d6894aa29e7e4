//! `POST /v1/api-keys/{id}/disable` and `/enable`.

use axum::extract::State;
use axum::response::Response;

use super::{find, object, refuse_revoked};
use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::PathText;

/// Switches an API key off; it can be enabled again.
pub(crate) async fn disable_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    switch(&control, &caller, &id, true).await
}

/// Switches a disabled API key on again.
pub(crate) async fn enable_key(
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
    let mut record = find(control, caller, id).await?;
    refuse_revoked(&record)?;
    let now = control.now();
    let (act, id) = (caller.act(now), record.key.id);
    record.key = control.store.set_key_disabled(&act, &id, is_disabled).await?;
    Ok(object::answer(record, now))
}
