//! `/people/{id}/edit`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde::de::IgnoredAny;

use super::object::{Person, roles_of};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::bounds;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "email", kind: Kind::Clearable },
    Member { path: "role", kind: Kind::Wish },
];

#[derive(Debug, Template)]
#[template(path = "people/edit.html")]
struct EditPage {
    frame: Frame,
    form: Form,
    id: String,
    roles: Vec<&'static str>,
    is_me: bool,
}

impl EditPage {
    fn new(visitor: &Visitor, id: String, form: Form) -> Self {
        Self {
            frame: visitor.frame("/people"),
            is_me: id == visitor.me.id,
            id,
            roles: roles_of(&visitor.me),
            form,
        }
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let path = format!("/v1/users/{}", segment(&id));
    let (person, version) = visitor.api.get_versioned::<Person>(&path).await?;
    let mut form = Form::filled([
        ("version", version),
        ("name", person.name),
        ("email", person.email.unwrap_or_default()),
        ("role", person.role.as_str().to_owned()),
    ]);
    person.bounds.fill(&mut form);
    Ok(ok(&EditPage::new(&visitor, person.id, form)))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let mut body = form.body(&MEMBERS);
    bounds::say(&form, &mut body);
    let path = format!("/v1/users/{}", segment(&id));
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<IgnoredAny>(Method::PATCH, &path, &body, sent).await {
        Ok(_) => Ok(see_other(&format!("/people/{}?done=person-saved", segment(&id)))),
        Err(refusal) => Ok(again(&EditPage::new(&visitor, id, bounds::refused(form, refusal)?))),
    }
}
