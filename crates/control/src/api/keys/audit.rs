//! `GET /v1/api-keys/{id}/audit`: what was done to a key.

use axum::extract::State;

use super::find;
use crate::Control;
use crate::api::audit::{EntryObject, entries};
use crate::api::list::List;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::{Params, PathText};

/// Lists what was done to an API key, by whom and when, newest first: its part of the audit log, for everybody
/// who may see the key.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}/audit",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<i64>, Query)),
    responses((status = 200, body = List<EntryObject>)),
)]
pub(crate) async fn list_key_audit(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<List<EntryObject>, ApiError> {
    let (limit, before) = (params.limit(), params.parse::<i64>("after"));
    params.finish()?;
    let (key, organization) = (find(&control, &caller, &id).await?.key.id, caller.organization());
    let found = control.store.audit_of(organization, key.as_str(), before, limit + 1).await?;
    let rows = entries(&control, organization, found).await?;
    Ok(List::cut(rows, limit, EntryObject::cursor))
}
