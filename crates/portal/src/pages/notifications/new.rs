//! `/notifications/webhooks/new`, and the one page that shows the secret of a webhook.

use askama::Template;
use axum::response::Response;
use http::Method;
use secrecy::ExposeSecret;

use super::object::NewWebhook;
use crate::answer::{again, ok};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

pub(super) const MEMBERS: [Member; 2] =
    [Member { path: "name", kind: Kind::Text }, Member { path: "url", kind: Kind::Text }];

#[derive(Debug, Template)]
#[template(path = "notifications/new.html")]
struct NewPage {
    frame: Frame,
    form: Form,
}

/// The one page that shows a secret.
#[derive(Debug, Template)]
#[template(path = "notifications/secret.html")]
pub(super) struct SecretPage {
    frame: Frame,
    made: NewWebhook,
    is_rotated: bool,
}

impl SecretPage {
    pub(super) fn new(visitor: &Visitor, made: NewWebhook, is_rotated: bool) -> Self {
        Self { frame: visitor.frame("/notifications"), made, is_rotated }
    }

    /// Empty where it is not shown any more: the form was sent again, too late.
    fn secret(&self) -> &str {
        self.made.secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default()
    }
}

pub(crate) async fn show(visitor: Visitor) -> Response {
    ok(&NewPage { frame: visitor.frame("/notifications"), form: Form::default() })
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let (body, once) = (form.body(&MEMBERS), form.once());
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<NewWebhook>(Method::POST, "/v1/webhooks", &body, sent).await {
        Ok(made) => Ok(ok(&SecretPage::new(&visitor, made, false))),
        Err(refusal) => {
            let (frame, form) = (visitor.frame("/notifications"), form.refused(refusal)?);
            Ok(again(&NewPage { frame, form }))
        }
    }
}
