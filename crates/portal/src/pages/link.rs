//! `/invitation`: a first password by a one-time link. And what all pages that take such links share.
//!
//! A link has its token in the query. The page reads it from there, a script takes it out of the address,
//! and the form carries it on; no other site is told where its visitor came from.

use askama::Template;
use axum::response::Response;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Method};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::entry::enter;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::GuestPosted;
use crate::query::{Query, with_query};
use crate::refusal::Refusal;
use crate::visitor::Guest;

/// A page that takes links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Welcome,
    Invitation,
    Reset,
}

impl Place {
    const fn path(self) -> &'static str {
        match self {
            Self::Welcome => "/welcome",
            Self::Invitation => "/invitation",
            Self::Reset => "/password-reset",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Welcome => "link-welcome-title",
            Self::Invitation => "link-invitation-title",
            Self::Reset => "link-reset-title",
        }
    }

    /// What leads to another link, or does without one: a page, and its text.
    const fn other_way(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Welcome => Some(("/welcome", "link-welcome-other")),
            Self::Reset => Some(("/password-reset", "link-reset-other")),
            Self::Invitation => None,
        }
    }
}

/// A link, as the API shows it to whoever has its token.
#[derive(Debug, Deserialize)]
struct Link {
    purpose: String,
    name: String,
    /// `None`: whoever accepts it says one.
    email: Option<String>,
    organization: String,
    expires_at: Timestamp,
}

impl Link {
    fn accepted_at(&self) -> &'static str {
        match self.purpose.as_str() {
            "invitation" => "/v1/invitations/accept",
            _ => "/v1/password-resets/accept",
        }
    }
}

/// The form that sets a password.
#[derive(Debug, Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    form: Form,
    place: Place,
    link: Link,
}

/// The form that asks for a link, or for another one.
#[derive(Debug, Template)]
#[template(path = "link_token.html")]
struct TokenPage {
    frame: Frame,
    form: Form,
    place: Place,
}

pub(crate) async fn invitation(guest: Guest, query: Query) -> Result<Response, Refusal> {
    show(Place::Invitation, &guest, query.text("token")).await
}

pub(crate) async fn act(posted: GuestPosted) -> Result<Response, Refusal> {
    accept(Place::Invitation, posted).await
}

/// What a link leads to; without one, the page that asks for it.
pub(super) async fn show(place: Place, guest: &Guest, token: &str) -> Result<Response, Refusal> {
    if token.is_empty() {
        let form = Form::default();
        return Ok(discreet(ok(&TokenPage { frame: guest.frame(), form, place })));
    }
    match find(guest, token).await {
        Ok(link) => {
            let form = Form::filled([("token", token.to_owned())]);
            Ok(discreet(ok(&LinkPage { frame: guest.frame(), form, place, link })))
        }
        Err(refusal) => refused(place, guest, refusal),
    }
}

/// Sets the password that a form says, and signs in with it.
pub(super) async fn accept(place: Place, posted: GuestPosted) -> Result<Response, Refusal> {
    let GuestPosted { guest, form, parts } = posted;
    let token = token_of(form.value("token")).to_owned();
    if !form.has("step", "set") {
        return show(place, &guest, &token).await;
    }
    let link = match find(&guest, &token).await {
        Ok(link) => link,
        Err(refusal) => return refused(place, &guest, refusal),
    };
    let typed = |name: &str| Value::from(form.value(name));
    let mut body = Map::from_iter([
        ("token".to_owned(), token.into()),
        ("password".to_owned(), typed("password")),
    ]);
    if link.email.is_none() {
        body.insert("email".to_owned(), typed("email"));
    }
    let done = guest.api.act(Method::POST, link.accepted_at(), Some(&body), Sent::default()).await;
    if let Err(refusal) = done {
        let form = form.without(&["password"]).refused(refusal)?;
        return Ok(discreet(again(&LinkPage { frame: guest.frame(), form, place, link })));
    }
    let email = link.email.as_deref().unwrap_or_else(|| form.value("email"));
    let who = Map::from_iter([
        ("email".to_owned(), email.into()),
        ("password".to_owned(), typed("password")),
        ("organization".to_owned(), link.organization.into()),
    ]);
    let signed_in = enter(&guest, &parts, &who, "/keys?done=password-set").await;
    // The password is set; where more is needed to sign in, such as a code, the page for that asks for it.
    Ok(signed_in.unwrap_or_else(|_| {
        let pairs = [("done", "password-set"), ("organization", text_of(&who, "organization"))];
        see_other(&with_query("/sign-in", pairs.into_iter()))
    }))
}

fn text_of<'a>(body: &'a Map<String, Value>, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn find(guest: &Guest, token: &str) -> Result<Link, Refusal> {
    let body = Map::from_iter([("token".to_owned(), token.into())]);
    let path = "/v1/password-links/show";
    guest.api.send(Method::POST, path, &body, Sent::default()).await
}

/// The page for another link, with what is wrong with this one.
fn refused(place: Place, guest: &Guest, refusal: Refusal) -> Result<Response, Refusal> {
    let form = Form::default().refused(refusal)?;
    Ok(discreet(again(&TokenPage { frame: guest.frame(), form, place })))
}

/// The token of what was pasted: a whole link ends in it.
fn token_of(text: &str) -> &str {
    let token = text.trim().rsplit("token=").next();
    token.unwrap_or_default()
}

/// Nobody is told where whoever leaves such a page came from.
pub(super) fn discreet(mut response: Response) -> Response {
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_link_is_as_good_as_its_token() {
        for text in ["dwl_a", " dwl_a\n", "https://a.example/invitation?token=dwl_a"] {
            assert_eq!(token_of(text), "dwl_a", "{text}");
        }
        assert_eq!(token_of(""), "");
    }
}
