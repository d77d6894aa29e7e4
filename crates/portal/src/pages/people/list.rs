//! `GET /people`.

use askama::Template;
use axum::response::Response;

use super::object::Person;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "people/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    people: Vec<Person>,
    /// Where the next page is.
    next: Option<String>,
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/users", &["q", "after"], &[]);
    let List { data: people, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/people", &["q"], &[("after", &after)]));
    Ok(ok(&ListPage { frame: visitor.frame("/people"), query, people, next }))
}
