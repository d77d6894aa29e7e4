//! `POST /oauth/introspect` (RFC 7662).

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use doorward_domain::address::ClientAddress;
use doorward_domain::key::KeyStatus;
use doorward_domain::presented::{Presented, parse_one};
use doorward_domain::scope::Scope;
use doorward_domain::token::{Claims, scope_text};
use doorward_store::Identity;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client;
use super::error::OauthError;
use super::form::Form;
use crate::Control;
use crate::caller::Caller;

/// Says what an access token may do now. Of one that is not good, and of one that the caller may not
/// ask about, it says only that it is not active.
pub(super) async fn introspect_token(
    State(control): State<Control>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    headers: HeaderMap,
    mut form: Form,
) -> Result<Json<Value>, OauthError> {
    let client = client::credential(&headers, &mut form)?;
    let asker = client::authenticate(&control, client, address).await?;
    let inactive = Ok(Json(json!({ "active": false })));
    let Ok(Presented::Token(token)) = parse_one(form.need("token")?.as_bytes()) else {
        return inactive;
    };
    let Some(claims) = control.store.read_token(&token) else { return inactive };
    let Some(identity) = control.store.identify_token(&claims).await? else { return inactive };
    let verifies = verifies(&asker.caller, &identity);
    if verifies {
        control.store.note_scope(&asker.identity.key, Scope::KeysVerify);
    }
    let is_own = asker.identity.key.id == identity.key.id;
    if !(verifies || is_own) || !is_live(&identity, control.now()) {
        return inactive;
    }
    let subject = Caller::of_key(&identity, Some(Arc::clone(&claims)), address);
    Ok(Json(describe(&claims, &identity.key.name, &subject)))
}

/// Whether somebody looks at the tokens of all keys.
fn verifies(asker: &Caller, about: &Identity) -> bool {
    asker.rights.scopes.allows(Scope::KeysVerify) && asker.organization() == about.key.organization
}

/// Whether the key behind a token is good, wherever the token comes from.
fn is_live(identity: &Identity, now: Timestamp) -> bool {
    let has_secret = identity.secret_ends_at.is_none_or(|at| at > now);
    identity.key.status(now) == KeyStatus::Active && identity.owner_is_active && has_secret
}

fn describe(claims: &Claims, name: &str, subject: &Caller) -> Value {
    json!({
        "active": true,
        "token_type": "Bearer",
        "iss": claims.issuer,
        "aud": claims.audience,
        "sub": claims.owner.to_string(),
        "client_id": claims.key,
        "username": name,
        "jti": claims.id,
        "scope": scope_text(subject.rights.scopes),
        "models": subject.rights.models,
        "iat": claims.issued_at.as_second(),
        "nbf": claims.issued_at.as_second(),
        "exp": claims.expires_at.as_second(),
    })
}
