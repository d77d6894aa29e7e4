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

/// What the list is narrowed by.
const FILTERS: [&str; 3] = ["q", "role", "status"];

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
    let path = query.path("/v1/users", &["q", "role", "status", "after"], &[]);
    let List { data: people, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/people", &FILTERS, &[("after", &after)]));
    Ok(ok(&ListPage { frame: visitor.frame("/people"), query, people, next }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    fn person(name: &str, has_password: bool, seen: &Value, status: &str) -> Value {
        json!({
            "id": format!("usr_{name}"), "name": name, "email": null, "role": "member",
            "status": status, "keys": 2, "has_password": has_password, "has_second_factor": false,
            "last_seen_at": seen, "created_at": "2026-11-01T12:00:00Z", "limits": {},
            "budgets": [], "spent": [],
        })
    }

    #[tokio::test]
    async fn whoever_never_came_is_invited_and_filters_go_to_the_api() {
        let seen = json!("2026-11-20T12:00:00Z");
        let people = json!({ "data": [
            person("new", false, &json!(null), "active"),
            person("off", false, &json!(null), "disabled"),
            person("program", false, &seen, "active"),
            person("ada", true, &json!(null), "active"),
        ], "next": "ada" });
        let portal =
            Fake::new("admin", &[("GET /v1/users?role=member&status=active", 200, people)]);
        let shown = portal.get("/people?role=member&status=active").await.text;
        let row = |name: &str| {
            shown.split("<tr>").find(|row| row.contains(&format!("/people/usr_{name}\""))).unwrap()
        };
        for (name, state) in
            [("new", "Invited"), ("off", "Disabled"), ("program", "Active"), ("ada", "Active")]
        {
            assert!(row(name).contains(&format!(">{state}</span>")), "{name} {}", row(name));
        }
        assert!(row("ada").contains("href=\"/keys?of=all&#38;owner=usr%5Fada\""), "{}", row("ada"));
        assert!(shown.contains("/people?role=member&#38;status=active&#38;after=ada"), "{shown}");
    }
}
