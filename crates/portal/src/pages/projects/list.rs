//! `GET /projects`.

use askama::Template;
use axum::response::Response;

use super::object::Project;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "projects/list.html")]
struct ListPage {
    frame: Frame,
    projects: Vec<Project>,
    /// Where the next page is.
    next: Option<String>,
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/projects", &["after"], &[("counts", "true")]);
    let List { data: projects, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/projects", &[], &[("after", &after)]));
    Ok(ok(&ListPage { frame: visitor.frame("/projects"), projects, next }))
}
