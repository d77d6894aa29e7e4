//! The only answers that ever hold a secret: of a key that is new, or has a new secret.

use axum::Json;
use axum::response::{IntoResponse, Response};
use doorward_domain::credential::PlainKey;
use doorward_store::KeyRecord;
use http::StatusCode;
use http::header::{CACHE_CONTROL, ETAG};
use jiff::Timestamp;
use serde::Serialize;

use super::addresses::WithWarnings;
use super::object::KeyObject;
use crate::idempotency::WithoutSecret;
use crate::problem::ApiError;
use crate::request::etag;

#[derive(Serialize)]
struct KeyWithSecret {
    #[serde(flatten)]
    object: WithWarnings,
    expires_clamped: bool,
    key: Option<String>,
    access_key: String,
    secret_key: Option<String>,
}

/// The answer with the secret, and for those who ask once more later the same without it.
pub(super) fn answer(
    status: StatusCode,
    record: KeyRecord,
    plain: &PlainKey,
    expires_clamped: bool,
    now: Timestamp,
) -> Result<Response, ApiError> {
    let version = etag(record.key.life.updated_at);
    let rules = record.key.rights.addresses.clone();
    let mut body = KeyWithSecret {
        object: WithWarnings::new(KeyObject::new(record, now), &rules),
        expires_clamped,
        key: Some(plain.expose()),
        access_key: plain.id().to_string(),
        secret_key: Some(plain.expose_secret_key()),
    };
    let headers = [(CACHE_CONTROL, "no-store".to_owned()), (ETAG, version)];
    let mut response = (status, headers, Json(&body)).into_response();
    (body.key, body.secret_key) = (None, None);
    let without = serde_json::to_string(&body);
    let without = without.map_err(|error| ApiError::Internal(error.to_string()))?;
    response.extensions_mut().insert(WithoutSecret(without));
    Ok(response)
}
