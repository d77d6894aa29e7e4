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
    query: Query,
    projects: Vec<Project>,
    /// Where the next page is.
    next: Option<String>,
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/projects", &["q", "after"], &[("counts", "true")]);
    let List { data: projects, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/projects", &["q"], &[("after", &after)]));
    Ok(ok(&ListPage { frame: visitor.frame("/projects"), query, projects, next }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test]
    async fn a_search_goes_to_the_api_and_is_kept_by_a_fresh_look() {
        let portal = Fake::new(
            "admin",
            &[("GET /v1/projects?q=mail&counts=true", 200, json!({ "data": [], "next": "m" }))],
        );
        let shown = portal.get("/projects?q=mail").await.text;
        assert!(shown.contains("name=\"q\" value=\"mail\""), "{shown}");
        assert!(
            shown.contains("No project is like that.")
                && shown.contains("<a class=\"button quiet\" href=\"/projects\">"),
            "{shown}"
        );
        assert!(shown.contains("<a class=\"button icon\" href=\"/projects?q=mail\""), "{shown}");
    }
}
