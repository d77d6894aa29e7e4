//! Signing in: the one way in which a browser gets a session.

use axum::response::Response;
use doorward_domain::session::SESSION_HOURS_MAX;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::Method;
use http::header::SET_COOKIE;
use http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::see_other;
use crate::api::Sent;
use crate::cookie;
use crate::refusal::Refusal;
use crate::visitor::Guest;

/// A browser forgets a session when none can last any longer; when this one ends is the server's to say.
const COOKIE_SECONDS: i64 = SESSION_HOURS_MAX as i64 * 3_600;

#[derive(Deserialize)]
struct NewSession {
    token: SecretString,
}

/// Signs somebody in by what a form says, and leads on. Each time the session is a new one; the one that
/// the browser had ends.
pub(crate) async fn enter(
    guest: &Guest,
    parts: &Parts,
    body: &Map<String, Value>,
    next: &str,
) -> Result<Response, Refusal> {
    let path = "/v1/sessions";
    let session: NewSession = guest.api.send(Method::POST, path, body, Sent::default()).await?;
    leave(guest, parts).await;
    let mut response = see_other(next);
    let cookie = cookie::keep_session(parts, session.token.expose_secret(), COOKIE_SECONDS);
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// Ends the session that a browser had, if there is one that is not over.
async fn leave(guest: &Guest, parts: &Parts) {
    let before = cookie::session(parts);
    let before = before.and_then(|text| SignInToken::parse(TokenKind::Session, text).ok());
    let Some(before) = before else { return };
    let api = guest.api.with(before.expose());
    let path = "/v1/sessions/current";
    // Whoever is signed in anew is so either way; a session that stays is in the list of the account.
    let _is_ended = api.act(Method::DELETE, path, None, Sent::default()).await.is_ok();
}
