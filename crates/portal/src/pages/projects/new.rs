//! `/projects/new`.

use askama::Template;
use axum::response::Response;
use http::Method;

use super::object::Project;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::bounds;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 2] =
    [Member { path: "name", kind: Kind::Text }, Member { path: "description", kind: Kind::Text }];

#[derive(Debug, Template)]
#[template(path = "projects/new.html")]
struct NewPage {
    frame: Frame,
    form: Form,
}

impl NewPage {
    fn new(visitor: &Visitor, form: Form) -> Self {
        Self { frame: visitor.frame("/projects"), form }
    }
}

pub(crate) async fn show(visitor: Visitor) -> Response {
    ok(&NewPage::new(&visitor, Form::default()))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let mut body = form.body(&MEMBERS);
    bounds::say(&form, &mut body);
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<Project>(Method::POST, "/v1/projects", &body, sent).await {
        Ok(project) => Ok(see_other(&format!("/projects/{}?done=project-made", project.id))),
        Err(refusal) => Ok(again(&NewPage::new(&visitor, bounds::refused(form, refusal)?))),
    }
}
