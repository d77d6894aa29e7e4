//! `/projects/{id}/remove`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::{Project, path_of};
use crate::answer::ok;
use crate::form::Form;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

async fn question(visitor: &Visitor, id: &str) -> Result<Question, Refusal> {
    let project: Project = visitor.api.get(&path_of(id)).await?;
    let back = format!("/projects/{}", segment(&project.id));
    Ok(Question {
        frame: visitor.frame("/projects"),
        form: Form::default(),
        title: text_with("project-remove-title", "name", project.name.as_str()),
        lines: vec![text("project-remove-what")],
        touched: vec![],
        yes: Some(text("project-remove-act")),
        to: format!("{back}/remove"),
        back,
        back_title: project.name,
    })
}

pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id).await?))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let done = "/projects?done=project-removed";
    let deed = Deed { method: Method::DELETE, path: &path_of(&id), done };
    question(&visitor, &id).await?.yes(&visitor, form, deed).await
}
