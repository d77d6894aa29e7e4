//! `/sign-in` and `/sign-out`.

use askama::Template;
use axum::response::{IntoResponse, Response};
use doorward_domain::session::AGE_MAX;
use http::Method;
use http::header::SET_COOKIE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::cookie;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::{GuestPosted, Posted};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Guest;
use crate::way_back::local_path;

const MEMBERS: [Member; 4] = [
    Member { path: "email", kind: Kind::Text },
    Member { path: "password", kind: Kind::Text },
    Member { path: "code", kind: Kind::Wish },
    Member { path: "organization", kind: Kind::Wish },
];

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    form: Form,
    /// Whether the password was right, and the second factor is asked for.
    wants_code: bool,
}

#[derive(Deserialize)]
struct NewSession {
    token: SecretString,
}

pub(crate) async fn show(guest: Guest, query: Query) -> Response {
    let form = Form::filled([
        ("next", query.text("next").to_owned()),
        ("organization", query.text("organization").to_owned()),
    ]);
    ok(&SignInPage { frame: guest.frame(), form, wants_code: false })
}

pub(crate) async fn act(posted: GuestPosted) -> Result<Response, Refusal> {
    let GuestPosted { guest, form, parts } = posted;
    let body = form.body(&MEMBERS);
    let made = guest.api.send::<NewSession>(Method::POST, "/v1/sessions", &body, Sent::default());
    let session = match made.await {
        Ok(session) => session,
        Err(refusal) => return refused(&guest, form, refusal),
    };
    let mut response = see_other(local_path(form.value("next")));
    let cookie = cookie::keep_session(&parts, session.token.expose_secret(), AGE_MAX.as_secs());
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// The form again. A password stays in it only while the code of the second factor is asked for: it is
/// needed once more, and nothing on the way keeps it.
fn refused(guest: &Guest, form: Form, refusal: Refusal) -> Result<Response, Refusal> {
    let code = refusal.why.code.as_str();
    let wants_code = ["second_factor_required", "invalid_code"].contains(&code);
    let is_first = code == "second_factor_required";
    let form = form.without(if wants_code { &["code"] } else { &["code", "password"] });
    let form = if is_first { form } else { form.refused_with_words(refusal)? };
    Ok(again(&SignInPage { frame: guest.frame(), form, wants_code }))
}

/// Ends the session, and forgets it even where it is over already.
pub(crate) async fn sign_out(Posted { visitor, .. }: Posted) -> Result<Response, Refusal> {
    let path = "/v1/sessions/current";
    match visitor.api.act(Method::DELETE, path, None, Sent::default()).await {
        Err(refusal) if !refusal.is_signed_out() => return Err(refusal),
        Ok(()) | Err(_) => {}
    }
    let mut response = see_other("/sign-in?done=signed-out").into_response();
    for cookie in cookie::forget_session() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
