//! `/welcome`: the first administrator of a new installation chooses how to sign in, by the link that the
//! program printed, or with the key that it keeps in its data directory.

use askama::Template;
use axum::response::Response;
use doorward_domain::password::check_password;
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::link::{self, Place, discreet};
use crate::answer::{again, ok, see_other};
use crate::api::{Api, Sent};
use crate::entry::enter;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::GuestPosted;
use crate::query::{Query, segment};
use crate::refusal::{FieldError, Refusal};
use crate::text::text_with;
use crate::visitor::{Guest, Me};

#[derive(Debug, Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    frame: Frame,
    form: Form,
}

/// An invitation that the key made.
#[derive(Deserialize)]
struct Invitation {
    /// `None`: it went by mail.
    token: Option<SecretString>,
}

pub(crate) async fn show(guest: Guest, query: Query) -> Result<Response, Refusal> {
    match query.get("token") {
        Some(token) => link::show(Place::Welcome, &guest, token).await,
        None => Ok(discreet(ok(&WelcomePage { frame: guest.frame(), form: Form::default() }))),
    }
}

pub(crate) async fn act(posted: GuestPosted) -> Result<Response, Refusal> {
    if !posted.form.value("token").is_empty() {
        return link::accept(Place::Welcome, posted).await;
    }
    let GuestPosted { guest, form, parts } = posted;
    let who = match prove(&guest, &form).await {
        Ok(who) => who,
        Err(Wrong::Field(error)) => return Ok(shown_again(&guest, form.wrong(error))),
        Err(Wrong::Refused(refusal)) => {
            return Ok(shown_again(&guest, form.refused(refusal)?));
        }
        Err(Wrong::Mailed) => return Ok(see_other("/welcome?done=link-mailed")),
    };
    let signed_in = enter(&guest, &parts, &who, "/keys?done=password-set").await;
    Ok(signed_in.unwrap_or_else(|_| see_other("/sign-in?done=password-set")))
}

/// The form without its secrets: a key is never in a page but the one that shows it first.
fn shown_again(guest: &Guest, form: Form) -> Response {
    let form = form.without(&["key", "password"]);
    discreet(again(&WelcomePage { frame: guest.frame(), form }))
}

/// Why nobody is signed in by a key.
enum Wrong {
    Field(FieldError),
    Refused(Refusal),
    /// The way in goes by mail here.
    Mailed,
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Sets address and password of the user whose key this is, as that key may; what to sign in with then.
async fn prove(guest: &Guest, form: &Form) -> Result<Map<String, Value>, Wrong> {
    let (key, email, password) =
        (form.value("key").trim(), form.value("email").trim(), form.value("password"));
    let wrong_key = || Wrong::Field(FieldError::new("key", "welcome-wrong-key"));
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong_key());
    }
    let api = guest.api.with(SecretString::from(key));
    let me = match api.get::<Me>("/v1/users/me").await {
        Err(refusal) if refusal.status.is_client_error() => return Err(wrong_key()),
        answer => answer?,
    };
    check(password, &me.name, email)?;
    set_email(&api, &me, email).await?;
    let path = format!("/v1/users/{}/invitation", segment(&me.id));
    let made: Invitation = api.send(Method::POST, &path, &Map::new(), Sent::default()).await?;
    let token = made.token.ok_or(Wrong::Mailed)?;
    let accept = Map::from_iter([
        ("token".to_owned(), secrecy::ExposeSecret::expose_secret(&token).into()),
        ("password".to_owned(), password.into()),
    ]);
    let path = "/v1/invitations/accept";
    guest.api.act(Method::POST, path, Some(&accept), Sent::default()).await?;
    Ok(Map::from_iter([
        ("email".to_owned(), email.into()),
        ("password".to_owned(), password.into()),
        ("organization".to_owned(), me.organization.name.into()),
    ]))
}

/// Checks the password before anything is done: the API gets it with the last step.
fn check(password: &str, name: &str, email: &str) -> Result<(), Wrong> {
    let mailbox = email.split('@').next().unwrap_or_default();
    check_password(password, &[email, mailbox, name]).map_err(|weak| {
        Wrong::Field(FieldError { field: "password".to_owned(), detail: weak.to_string() })
    })
}

/// Whoever has an address keeps it: another one is set where people are managed.
async fn set_email(api: &Api, me: &Me, email: &str) -> Result<(), Wrong> {
    match &me.email {
        Some(known) if known.eq_ignore_ascii_case(email) => Ok(()),
        Some(known) => {
            let detail = text_with("welcome-other-email", "email", known.as_str());
            Err(Wrong::Field(FieldError { field: "email".to_owned(), detail }))
        }
        None => {
            let body = Map::from_iter([("email".to_owned(), email.into())]);
            let path = format!("/v1/users/{}", segment(&me.id));
            Ok(api.act(Method::PATCH, &path, Some(&body), Sent::default()).await?)
        }
    }
}
