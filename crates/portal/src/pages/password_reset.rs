//! `/password-reset`: asking for a letter with a link, and the page that the link leads to.

use askama::Template;
use axum::response::Response;
use http::Method;

use super::link::{self, Place, discreet};
use super::sign_in::SignInState;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::GuestPosted;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Guest;

const MEMBERS: [Member; 2] =
    [Member { path: "email", kind: Kind::Text }, Member { path: "organization", kind: Kind::Wish }];

#[derive(Debug, Template)]
#[template(path = "password_reset.html")]
struct AskPage {
    frame: Frame,
    form: Form,
    state: SignInState,
}

impl AskPage {
    async fn new(guest: &Guest, form: Form) -> Result<Self, Refusal> {
        Ok(Self { frame: guest.frame(), form, state: SignInState::ask(guest).await? })
    }
}

pub(crate) async fn show(guest: Guest, query: Query) -> Result<Response, Refusal> {
    if let Some(token) = query.get("token") {
        return link::show(Place::Reset, &guest, token).await;
    }
    let form = Form::filled([("organization", query.text("organization").to_owned())]);
    Ok(discreet(ok(&AskPage::new(&guest, form).await?)))
}

/// Whoever is named, the answer is the same.
pub(crate) async fn act(posted: GuestPosted) -> Result<Response, Refusal> {
    if !posted.form.value("token").is_empty() {
        return link::accept(Place::Reset, posted).await;
    }
    let GuestPosted { guest, form, .. } = posted;
    let (path, body) = ("/v1/password-resets", form.body(&MEMBERS));
    match guest.api.act(Method::POST, path, Some(&body), Sent::default()).await {
        Ok(()) => Ok(see_other("/sign-in?done=reset-asked")),
        Err(refusal) => Ok(again(&AskPage::new(&guest, form.refused(refusal)?).await?)),
    }
}
