//! `GET /keys`.

use askama::Template;
use axum::response::Response;

use super::object::Key;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::{Membership, Visitor};

/// The parameters that the API takes as they are.
const PASSED: [&str; 5] = ["q", "status", "project", "sort", "after"];

#[derive(Debug, Template)]
#[template(path = "keys/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    keys: Vec<Key>,
    projects: Vec<Membership>,
    /// Where the next page is.
    next: Option<String>,
}

impl ListPage {
    fn is_filtered(&self) -> bool {
        self.query.has_any(&["q", "status", "project"])
    }

    fn project(&self, id: &str) -> String {
        let known = self.projects.iter().find(|project| project.id == id);
        known.map_or_else(|| id.to_owned(), |project| project.name.clone())
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let own = [("kind", "user"), ("owner", visitor.me.id.as_str())];
    let path = query.path("/v1/api-keys", &PASSED, &own);
    let List { data: keys, next } = visitor.api.get(&path).await?;
    let kept = ["q", "status", "project", "sort"];
    let next = next.map(|after| query.path("/keys", &kept, &[("after", &after)]));
    let frame = visitor.frame("/keys");
    let projects = visitor.me.projects.clone();
    Ok(ok(&ListPage { frame, query, keys, projects, next }))
}
