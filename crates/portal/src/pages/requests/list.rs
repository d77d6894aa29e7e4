//! `GET /requests`.

use askama::Template;
use axum::response::Response;

use super::Increase;
use super::decide::{DAYS, DAYS_DEFAULT};
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
    let List { data: requests, next } = visitor.api.get(&path).await?;
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

    #[tokio::test]
    async fn what_the_keys_have_now_comes_with_the_list() {
        let request = |id: &str, state: &str, now| {
            json!({
                "id": id, "of": "key", "subject": "dw_a", "subject_name": "ci", "state": state,
                "asked": { "limits": { "requests_per_minute": 900 }, "budgets": [] }, "now": now,
                "reason": "", "asked_by": "usr_1", "asked_by_name": "Ada",
                "created_at": "2026-11-22T11:00:00Z", "granted": null, "ends_at": null,
                "decided_by": null, "decided_at": null, "note": "",
            })
        };
        let now = json!({ "limits": { "requests_per_minute": 60 }, "budgets": [] });
        let list = json!({ "data": [request("inc_1", "open", now), request("inc_2", "withdrawn", json!(null))], "next": null });
        let path = "GET /v1/limit-increases?limit=50&names=true";
        let portal = Fake::new("admin", &[(path, 200, list)]);
        let shown = portal.get("/requests").await.text;
        let row =
            |id: &str| shown.split("<tr>").find(|row| row.contains(&format!("/{id}\""))).unwrap();
        assert!(row("inc_1").contains("900") && row("inc_1").contains("60"), "{shown}");
        assert!(row("inc_2").contains("900") && !row("inc_2").contains("60"), "{shown}");
        assert_eq!(portal.asked(), ["GET /v1/users/me", path], "nothing is asked for each");
    }
}
