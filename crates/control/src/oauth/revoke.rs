//! `POST /oauth/revoke` (RFC 7009).

use axum::Extension;
use axum::extract::State;
use doorward_domain::address::ClientAddress;
use doorward_domain::presented::{Presented, parse_one};
use doorward_domain::scope::Scope;
use doorward_domain::token::Claims;
use http::{HeaderMap, StatusCode};

use super::client;
use super::error::OauthError;
use super::form::Form;
use crate::Control;
use crate::caller::Caller;

/// Revokes an access token before its end. One that is not good any more, or is nobody's, is answered
/// as one that was revoked.
pub(super) async fn revoke_token(
    State(control): State<Control>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    headers: HeaderMap,
    mut form: Form,
) -> Result<StatusCode, OauthError> {
    let client = client::credential(&headers, &mut form)?;
    let found = client::authenticate(&control, client, address).await?;
    let token = match parse_one(form.need("token")?.as_bytes()) {
        Ok(Presented::Token(token)) => token,
        Ok(Presented::Key(_)) => return Err(OauthError::UnsupportedTokenType),
        Err(_) => return Ok(StatusCode::OK),
    };
    let Some(claims) = control.store.read_issued_token(&token) else { return Ok(StatusCode::OK) };
    if !is_in_reach(&control, &found.caller, &claims).await? {
        return Ok(StatusCode::OK);
    }
    if !is_own(&found.caller, &claims) {
        if !found.caller.rights.scopes.allows(Scope::KeysWrite) {
            return Err(not_allowed());
        }
        control.store.note_scope(&found.identity.key, Scope::KeysWrite);
    }
    let is_done = control.store.revoke_token(&found.caller.act(control.now()), &claims).await?;
    if is_done { Ok(StatusCode::OK) } else { Err(OauthError::Full) }
}

fn not_allowed() -> OauthError {
    let text = "This needs the scope keys:write, or the API key that the token stands for.";
    OauthError::UnauthorizedClient(text.to_owned())
}

/// A token of somebody else is nobody's, as their keys are.
async fn is_in_reach(
    control: &Control,
    caller: &Caller,
    claims: &Claims,
) -> Result<bool, OauthError> {
    let key = control.store.find_stored_key(caller.organization(), &claims.key).await?;
    Ok(key.is_some_and(|record| caller.reaches(&record.key)))
}

/// A key ends its own tokens, a token itself; whoever manages keys ends those of all keys in reach.
fn is_own(caller: &Caller, claims: &Claims) -> bool {
    match caller.token() {
        Some(token) => token.id == claims.id,
        None => caller.key().is_some_and(|own| own.id == claims.key),
    }
}
