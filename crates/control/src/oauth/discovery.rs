//! What whoever uses or checks tokens needs to know: `/.well-known/jwks.json` and
//! `/.well-known/oauth-authorization-server` (RFC 8414).

use axum::Json;
use axum::extract::State;
use doorward_domain::scope::Scope;
use doorward_store::TokenPublicKey;
use serde_json::{Value, json};

use super::create::EXCHANGE;
use super::error::OauthError;
use crate::Control;

/// Lists the keys that tokens are signed with, and those before them as long as their tokens live.
pub(super) async fn list_keys(State(control): State<Control>) -> Json<Value> {
    let jwk = |TokenPublicKey { id, x }| {
        json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": id, "x": x,
        })
    };
    let keys: Vec<Value> = control.store.token_public_keys().into_iter().map(jwk).collect();
    Json(json!({ "keys": keys }))
}

/// Says where everything is, and what is understood.
pub(super) async fn describe_server(
    State(control): State<Control>,
) -> Result<Json<Value>, OauthError> {
    let issuer = control.store.public_url().ok_or(OauthError::Internal("no public URL"))?;
    let methods = ["client_secret_basic", "client_secret_post"];
    Ok(Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials", EXCHANGE],
        "response_types_supported": Vec::<&str>::new(),
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
    })))
}
