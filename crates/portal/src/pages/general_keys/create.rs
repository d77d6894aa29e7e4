//! `/general-keys/new`.

use askama::Template;
use axum::response::Response;
use http::Method;

use super::object::GeneralKey;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "value", kind: Kind::Text },
    Member { path: "note", kind: Kind::Text },
];

#[derive(Debug, Template)]
#[template(path = "general_keys/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
}

impl CreatePage {
    fn new(visitor: &Visitor, form: Form) -> Self {
        Self { frame: visitor.frame("/general-keys"), form }
    }
}

pub(crate) async fn show(visitor: Visitor) -> Response {
    ok(&CreatePage::new(&visitor, Form::default()))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let (body, once) = (form.body(&MEMBERS), form.once());
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let path = "/v1/provider-keys";
    match visitor.api.send::<GeneralKey>(Method::POST, path, &body, sent).await {
        Ok(key) => Ok(see_other(&format!("/general-keys/{}?done=general-key-added", key.id))),
        // The secret goes into no page, not even back into this one.
        Err(refusal) => {
            let form = form.without(&["value"]).refused(refusal)?;
            Ok(again(&CreatePage::new(&visitor, form)))
        }
    }
}
