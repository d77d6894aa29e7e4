//! OAuth: short-lived tokens in a key's place. RFC 6749 (client credentials), 8693 (token exchange),
//! 7009 (revocation), 7662 (introspection), 8414 and 7517 (what others need to know).
//!
//! These routes stand beside the table of the management API: their callers show a credential in the
//! body, or none, and their answers have the shapes of those standards.

mod client;
mod create;
mod discovery;
mod error;
mod form;
mod introspect;
mod pace;
mod revoke;
mod wish;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::Control;

pub(crate) use pace::Pace;

/// Largest form: a few tokens and a list of models.
const FORM_BYTES_MAX: usize = 32 << 10;

pub(crate) fn routes() -> Router<Control> {
    Router::new()
        .route("/oauth/token", post(create::create_token))
        .route("/oauth/revoke", post(revoke::revoke_token))
        .route("/oauth/introspect", post(introspect::introspect_token))
        .route("/.well-known/jwks.json", get(discovery::list_keys))
        .route("/.well-known/oauth-authorization-server", get(discovery::describe_server))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
