//! `GET /requests`.

use askama::Template;
use axum::response::Response;

use super::Increase;
use super::decide::{DAYS, DAYS_DEFAULT, key};
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const STATES: [&str; 5] = ["open", "granted", "declined", "withdrawn", "lapsed"];

#[derive(Debug, Template)]
#[template(path = "requests/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    requests: Vec<Increase>,
    next: Option<String>,
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let state = STATES.into_iter().find(|state| *state == query.text("state"));
    let own: Vec<_> = [("limit", "50"), ("names", "true")]
        .into_iter()
        .chain(state.map(|state| ("state", state)))
        .collect();
    let path = query.path("/v1/limit-increases", &["after"], &own);
    let List { data: mut requests, next } = visitor.api.get::<List<Increase>>(&path).await?;
    // Whoever decides wants to know what it is now. Few wait at a time.
    for one in requests.iter_mut().filter(|one| one.is_open()) {
        one.key = key(&visitor, one).await;
    }
    let next = next.map(|after| query.path("/requests", &["state"], &[("after", &after)]));
    let frame = visitor.frame("/requests");
    Ok(ok(&ListPage { frame, query, requests, next }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test]
    async fn a_filter_that_nothing_fits_says_so_and_leads_back_to_all() {
        let path = "GET /v1/limit-increases?limit=50&names=true&state=granted";
        let known = [(path, 200, json!({ "data": [], "next": null }))];
        let shown = Fake::new("admin", &known).get("/requests?state=granted").await.text;
        for words in ["No request is like that.", "<a class=\"button quiet\" href=\"/requests\">"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
}
