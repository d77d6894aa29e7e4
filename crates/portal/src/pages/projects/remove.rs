//! `/projects/{id}/remove`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::{Project, path_of};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::Question;
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

fn question(visitor: &Visitor, project: &Project, form: Form) -> Question {
    let back = format!("/projects/{}", segment(&project.id));
    Question {
        frame: visitor.frame("/projects"),
        form,
        title: text_with("project-remove-title", "name", project.name.as_str()),
        lines: vec![text("project-remove-what")],
        yes: text("project-remove-act"),
        to: format!("{back}/remove"),
        back,
        back_title: project.name.clone(),
    }
}

pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let project: Project = visitor.api.get(&path_of(&id)).await?;
    Ok(ok(&question(&visitor, &project, Form::default())))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = path_of(&id);
    let project: Project = visitor.api.get(&path).await?;
    match visitor.api.act(Method::DELETE, &path, None, Sent::default()).await {
        Ok(()) => Ok(see_other("/projects?done=project-removed")),
        Err(refusal) => Ok(again(&question(&visitor, &project, form.refused(refusal)?))),
    }
}
