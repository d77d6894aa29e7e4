//! `/projects/{id}/edit`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::{Project, path_of};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::bounds;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 2] =
    [Member { path: "name", kind: Kind::Text }, Member { path: "description", kind: Kind::Text }];

#[derive(Debug, Template)]
#[template(path = "projects/edit.html")]
struct EditPage {
    frame: Frame,
    form: Form,
    id: String,
}

impl EditPage {
    fn new(visitor: &Visitor, id: String, form: Form) -> Self {
        Self { frame: visitor.frame("/projects"), id, form }
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (project, version) = visitor.api.get_versioned::<Project>(&path_of(&id)).await?;
    let mut form = Form::filled([
        ("version", version),
        ("name", project.name),
        ("description", project.description),
    ]);
    project.bounds.fill(&mut form);
    Ok(ok(&EditPage::new(&visitor, project.id, form)))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let mut body = form.body(&MEMBERS);
    bounds::say(&form, &mut body);
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<Project>(Method::PATCH, &path_of(&id), &body, sent).await {
        Ok(_) => Ok(see_other(&format!("/projects/{}?done=project-saved", segment(&id)))),
        Err(refusal) => Ok(again(&EditPage::new(&visitor, id, bounds::refused(form, refusal)?))),
    }
}
