//! `/sign-in` and `/sign-out`.

use askama::Template;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::entry::enter;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::{GuestPosted, Posted};
use crate::query::Query;
use crate::refusal::{Refusal, signed_out};
use crate::visitor::Guest;
use crate::way_back::local_path;

const MEMBERS: [Member; 4] = [
    Member { path: "email", kind: Kind::Text },
    Member { path: "password", kind: Kind::Text },
    Member { path: "code", kind: Kind::Wish },
    Member { path: "organization", kind: Kind::Wish },
];

/// What there is to sign in to.
#[derive(Debug, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "three answers, none of which follows from another"
)]
pub(super) struct SignInState {
    /// Whether anybody has a password.
    is_set_up: bool,
    /// Whether an organization has to be named.
    pub(super) has_organizations: bool,
    /// Whether a forgotten password can be reset by mail.
    pub(super) can_mail: bool,
}

impl SignInState {
    pub(super) async fn ask(guest: &Guest) -> Result<Self, Refusal> {
        guest.api.get("/v1/sign-in").await
    }
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    form: Form,
    /// Whether the password was right, and the second factor is asked for.
    wants_code: bool,
    has_organizations: bool,
}

/// The page; where nobody can sign in yet, the one that changes that.
pub(crate) async fn show(guest: Guest, query: Query) -> Result<Response, Refusal> {
    let state = SignInState::ask(&guest).await?;
    if !state.is_set_up {
        return Ok(see_other("/welcome"));
    }
    let form = Form::filled([
        ("next", query.text("next").to_owned()),
        ("organization", query.text("organization").to_owned()),
    ]);
    let has_organizations = state.has_organizations;
    Ok(ok(&SignInPage { frame: guest.frame(), form, wants_code: false, has_organizations }))
}

pub(crate) async fn act(posted: GuestPosted) -> Result<Response, Refusal> {
    let GuestPosted { guest, form, parts } = posted;
    let body = form.body(&MEMBERS);
    match enter(&guest, &parts, &body, local_path(form.value("next"))).await {
        Ok(response) => Ok(response),
        Err(refusal) => refused(&guest, form, refusal).await,
    }
}

/// The form again. A password stays in it only while the code of the second factor is asked for: it is
/// needed once more, and nothing on the way keeps it.
async fn refused(guest: &Guest, form: Form, refusal: Refusal) -> Result<Response, Refusal> {
    let code = refusal.why.code.as_str();
    let was_asked = !form.value("code").is_empty();
    let wants_code = ["second_factor_required", "invalid_code"].contains(&code)
        || (was_asked && code == "too_many_attempts");
    let is_first = code == "second_factor_required";
    let form = form.without(if wants_code { &["code"] } else { &["code", "password"] });
    let form = if is_first { form } else { form.refused_with_words(refusal)? };
    let has_organizations = SignInState::ask(guest).await?.has_organizations;
    Ok(again(&SignInPage { frame: guest.frame(), form, wants_code, has_organizations }))
}

/// Ends the session, and forgets it even where it is over already.
pub(crate) async fn sign_out(Posted { visitor, .. }: Posted) -> Result<Response, Refusal> {
    let path = "/v1/sessions/current";
    match visitor.api.act(Method::DELETE, path, None, Sent::default()).await {
        Err(refusal) if !refusal.is_signed_out() => return Err(refusal),
        Ok(()) | Err(_) => {}
    }
    Ok(signed_out("/sign-in?done=signed-out"))
}

#[cfg(test)]
mod tests;
