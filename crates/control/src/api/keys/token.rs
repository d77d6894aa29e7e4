//! `POST /v1/api-keys/{id}/token`: a session calls no models, but whoever is signed in may call them as one
//! of their own keys for some minutes, and nobody has to look for its secret.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::bounds::BoundOf;
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::id::TokenId;
use doorward_domain::limit::LimitKind;
use doorward_domain::narrowing::{Narrowing, Wanted};
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::token::{Claims, end, whole_seconds};
use doorward_store::Identity;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{NOUN, find};
use crate::Control;
use crate::caller::{Caller, check};
use crate::control::id_parts;
use crate::problem::{ApiError, denial_face};
use crate::request::PathText;

/// How long a token lives at most. A page asks for the next one when it is over.
const LIFE_SECONDS: u32 = 300;
/// What it may do of what its key may.
const SCOPES: [Scope; 2] = [Scope::InferenceRead, Scope::InferenceWrite];

/// A token that stands for a key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyToken)]
pub(crate) struct TokenObject {
    #[schema(pattern = "^token$")]
    object: &'static str,
    id: TokenId,
    /// The key that it stands for.
    key: KeyId,
    /// To be sent as `Authorization: Bearer`. It is in this answer and in no other.
    token: String,
    scopes: ScopeSet,
    expires_at: Timestamp,
}

/// Never what it says.
impl std::fmt::Debug for TokenObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenObject({})", self.id)
    }
}

/// Gives whoever is signed in a token that stands for one of their own keys, for five minutes at most: it
/// calls models as the key may, and does nothing else.
#[utoipa::path(
    post,
    path = "/v1/api-keys/{id}/token",
    responses((status = 201, body = TokenObject)),
)]
pub(crate) async fn create_key_token(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    let key = find(&control, &caller, &id).await?.key;
    // Also an administrator calls as nobody else.
    if key.owner != caller.owner() {
        return Err(ApiError::NotFound(NOUN));
    }
    let identity = control.store.identify_newest(&key.id).await?.ok_or(ApiError::NotFound(NOUN))?;
    let now = control.now();
    check(&identity, (now, caller.address)).map_err(refused)?;
    let claims = claims(&control, &caller, &identity, now)?;
    if !control.tokens_issued.admits(key.id, now) {
        return Err(too_many());
    }
    let token = control.store.sign_token(&claims);
    let token = token.map_err(|_| conflict("too_many_models", TOO_LONG))?;
    let detail = json!({
        "key": key.id,
        "scopes": claims.narrowing.scopes,
        "expires_at": claims.expires_at,
    });
    control.store.record(&caller.act(now), "token.create", &claims.id.to_string(), detail).await?;
    let object = TokenObject {
        object: "token",
        id: claims.id,
        key: key.id,
        token: token.expose().to_owned(),
        scopes: claims.narrowing.scopes,
        expires_at: claims.expires_at,
    };
    Ok((StatusCode::CREATED, Json(object)).into_response())
}

const TOO_LONG: &str = "The key names too many models for a token.";

fn claims(
    control: &Control,
    caller: &Caller,
    identity: &Identity,
    now: Timestamp,
) -> Result<Claims, ApiError> {
    let rights = Caller::of_key(identity, None, caller.address).rights;
    if !rights.scopes.allows(Scope::InferenceWrite) {
        return Err(conflict("insufficient_scope", "This API key may not call models."));
    }
    let scopes = SCOPES.into_iter().filter(|scope| rights.scopes.allows(*scope)).collect();
    let wanted = Wanted { scopes: Some(scopes), models: None };
    let narrowing = Narrowing::grant(wanted, &rights)
        .map_err(|beyond| ApiError::Internal(beyond.to_string()))?;
    let url = control.store.public_url();
    let issuer = url.ok_or_else(|| ApiError::Internal("no public URL".to_owned()))?;
    let ends = identity.secret_ends_at.into_iter().chain(rights.expires_at);
    let expires_at = end(Some(LIFE_SECONDS), now, ends);
    let expires_at =
        expires_at.ok_or_else(|| conflict("key_expired", "This API key ends within a second."))?;
    let random = id_parts(now)?;
    Ok(Claims {
        audience: issuer.to_owned(),
        issuer: issuer.to_owned(),
        owner: identity.key.owner,
        key: identity.key.id,
        secret: identity.secret,
        id: TokenId::new(random.0, random.1),
        issued_at: whole_seconds(now),
        expires_at,
        narrowing,
        salt: control.store.random_u64(),
    })
}

/// What is wrong with the key is nothing that is wrong with the session: no 401.
fn refused(denial: Denial) -> ApiError {
    conflict(denial_face(denial).1, &denial.to_string())
}

fn too_many() -> ApiError {
    let denial = Denial::RateLimited {
        of: BoundOf::Key,
        kind: LimitKind::Requests,
        retry_after_us: 60_000_000,
    };
    ApiError::Denied(denial)
}

fn conflict(code: &'static str, detail: &str) -> ApiError {
    ApiError::Conflict { code, detail: detail.to_owned(), field: None }
}
