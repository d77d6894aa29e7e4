//! `/account/password`: changing one's password.

use askama::Template;
use axum::response::Response;
use http::Method;

use super::HERE;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 2] = [
    Member { path: "current_password", kind: Kind::Text },
    Member { path: "password", kind: Kind::Text },
];

#[derive(Debug, Template)]
#[template(path = "account/password.html")]
struct PasswordPage {
    frame: Frame,
    form: Form,
    /// For programs that keep passwords: whose it is.
    email: String,
}

impl PasswordPage {
    fn new(visitor: &Visitor, form: Form) -> Self {
        let email = visitor.me.email.clone().unwrap_or_default();
        Self { frame: visitor.frame(HERE), form, email }
    }
}

pub(crate) async fn show(visitor: Visitor) -> Response {
    ok(&PasswordPage::new(&visitor, Form::default()))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let (path, body) = ("/v1/users/me/password", form.body(&MEMBERS));
    match visitor.api.act(Method::POST, path, Some(&body), Sent::default()).await {
        Ok(()) => Ok(see_other("/account?done=password-changed")),
        Err(refusal) => {
            let form = form.without(&["current_password", "password"]).refused(refusal)?;
            Ok(again(&PasswordPage::new(&visitor, form)))
        }
    }
}
