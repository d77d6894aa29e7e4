//! `/v1/backup`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_store::age::Passphrase;
use doorward_store::{Backup, StoreError};
use futures_util::TryStreamExt as _;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName};
use serde::Deserialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::sessions::SecretText;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;
use crate::request::JsonBody;

/// For a progress bar: the size of the file is not known before its end.
const BYTES_ESTIMATED: HeaderName = HeaderName::from_static("x-doorward-estimated-bytes");

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeBackup {
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 1024)]
    passphrase: SecretText,
}

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(make_backup))]
pub(crate) struct Described;

/// Makes a backup of the whole installation, sealed under a passphrase, and streams it.
#[utoipa::path(
    post,
    path = "/v1/backup",
    request_body = MakeBackup,
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)),
)]
pub(crate) async fn make_backup(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    refuse_less_than_owner(&control, &caller).await?;
    let wish: MakeBackup = body.parse()?;
    let mut faults = Faults::new();
    let passphrase = Passphrase::new(wish.passphrase.into_secret());
    let passphrase = faults.check("passphrase", passphrase);
    let passphrase = faults.finish_with(passphrase)?;
    match control.store.backup(&caller.act(control.now()), passphrase).await {
        Ok(Some(backup)) => Ok(stream(backup)),
        Ok(None) => Err(ApiError::Conflict {
            code: "backup_running",
            detail: "A backup is being made already. Try again when it is done.".to_owned(),
            field: None,
        }),
        Err(error) => {
            if matches!(error, StoreError::AboveOwnRole) {
                note_refusal(&control, &caller).await?;
            }
            Err(error.into())
        }
    }
}

/// Refuses, and audits, whoever may do less than an owner who is signed in. A backup holds what no
/// administrator sees, every digest and the values of provider keys: whoever has one, and a machine of
/// their own, may do all that anybody may.
async fn refuse_less_than_owner(control: &Control, caller: &Caller) -> Result<(), ApiError> {
    if caller.is_whole_owner() {
        return Ok(());
    }
    note_refusal(control, caller).await?;
    Err(ApiError::LessThanOwner(None))
}

async fn note_refusal(control: &Control, caller: &Caller) -> Result<(), ApiError> {
    let subject = caller.organization().to_string();
    let detail = json!({ "outcome": "denied", "code": "exceeds_own_rights" });
    let act = caller.act(control.now());
    Ok(control.store.record(&act, "installation.backup", &subject, detail).await?)
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
