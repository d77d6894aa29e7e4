//! `/v1/backup`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::role::OrganizationRole;
use doorward_store::age::Passphrase;
use doorward_store::{Backup, StoreError};
use futures_util::TryStreamExt as _;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;
use crate::request::JsonBody;

/// For a progress bar: the size of the file is not known before its end.
const BYTES_ESTIMATED: HeaderName = HeaderName::from_static("x-doorward-estimated-bytes");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MakeBackup {
    #[serde(deserialize_with = "secret")]
    passphrase: SecretString,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// Makes a backup of the whole installation, sealed under a passphrase, and streams it.
pub(crate) async fn make_backup(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    // It holds what no administrator sees: every digest, and the values of provider keys.
    if caller.role != OrganizationRole::Owner {
        return Err(ApiError::AboveOwnRole);
    }
    let wish: MakeBackup = body.parse()?;
    let mut faults = Faults::new();
    let passphrase = faults.check("passphrase", Passphrase::new(wish.passphrase));
    let passphrase = faults.finish_with(passphrase)?;
    let backup = control.store.backup(&caller.act(control.now()), passphrase).await?;
    backup.map(stream).ok_or_else(|| ApiError::Conflict {
        code: "backup_running",
        detail: "A backup is being made already. Try again when it is done.".to_owned(),
        field: None,
    })
}

fn stream(backup: Backup) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (BYTES_ESTIMATED, HeaderValue::from(backup.bytes_estimated)),
    ];
    // The answer has begun: a fault can only end it, and a file without its end is none.
    let pieces = backup.pieces.inspect_err(|error: &StoreError| {
        tracing::error!(error = error as &dyn std::error::Error, "a backup was broken off");
    });
    (headers, Body::from_stream(pieces)).into_response()
}
