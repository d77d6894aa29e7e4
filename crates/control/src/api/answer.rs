//! The shapes of answers that several nouns have.

use axum::Json;
use axum::response::{IntoResponse, Response};
use doorward_store::{Removed, StoreError};
use http::StatusCode;
use http::header::ETAG;
use jiff::Timestamp;
use serde::Serialize;

use crate::problem::ApiError;
use crate::request::etag;

/// The thing with this id, where a text is one, else the thing of this name.
pub(super) async fn by_id_or_name<T>(
    by_id: Option<impl Future<Output = Result<Option<T>, StoreError>>>,
    by_name: impl Future<Output = Result<Option<T>, StoreError>>,
) -> Result<Option<T>, ApiError> {
    if let Some(by_id) = by_id
        && let Some(found) = by_id.await?
    {
        return Ok(Some(found));
    }
    Ok(by_name.await?)
}

/// One thing and its version.
pub(super) fn versioned(object: impl Serialize, updated_at: Timestamp) -> Response {
    ([(ETAG, etag(updated_at))], Json(object)).into_response()
}

/// What became of a deletion.
pub(super) fn removed(removed: Removed, noun: &'static str) -> Result<StatusCode, ApiError> {
    match removed {
        Removed::Yes => Ok(StatusCode::NO_CONTENT),
        Removed::NotFound => Err(ApiError::NotFound(noun)),
    }
}

/// What a user or service account is in one word.
pub(super) const fn status(disabled_at: Option<Timestamp>) -> &'static str {
    match disabled_at {
        None => "active",
        Some(_) => "disabled",
    }
}
