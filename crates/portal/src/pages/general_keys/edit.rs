//! `/general-keys/{id}/edit`: its name, its note, or a new secret in the place of the old one.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::GeneralKey;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "value", kind: Kind::Wish },
    Member { path: "note", kind: Kind::Text },
];

#[derive(Debug, Template)]
#[template(path = "general_keys/edit.html")]
struct EditPage {
    frame: Frame,
    form: Form,
    key: GeneralKey,
}

impl EditPage {
    fn new(visitor: &Visitor, form: Form, key: GeneralKey) -> Self {
        Self { frame: visitor.frame("/general-keys"), form, key }
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let path = format!("/v1/provider-keys/{}", segment(&id));
    let (key, version) = visitor.api.get_versioned::<GeneralKey>(&path).await?;
    let form = Form::filled([
        ("name", key.name.clone()),
        ("note", key.note.clone()),
        ("version", version),
    ]);
    Ok(ok(&EditPage::new(&visitor, form, key)))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/provider-keys/{}", segment(&id));
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    let body = form.body(&MEMBERS);
    match visitor.api.send::<GeneralKey>(Method::PATCH, &path, &body, sent).await {
        Ok(key) => Ok(see_other(&format!("/general-keys/{}?done=general-key-saved", key.id))),
        Err(refusal) => {
            let form = form.without(&["value"]).refused(refusal)?;
            Ok(again(&EditPage::new(&visitor, form, visitor.api.get(&path).await?)))
        }
    }
}
