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

/// Where somebody can be, and how the API is asked for those who are there.
const STATES: [(&str, &[(&str, &str)]); 3] = [
    ("active", &[("status", "active"), ("new", "false")]),
    ("invited", &[("status", "active"), ("new", "true")]),
    ("disabled", &[("status", "disabled")]),
];

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
    let state = STATES.iter().find(|(name, _)| *name == query.text("status"));
    let (passed, own): (&[_], _) = match state {
        Some((_, asked)) => (&["q", "role", "after"], *asked),
        // The API says what it takes.
        None => (&["q", "role", "status", "after"], &[][..]),
    };
    let path = query.path("/v1/users", passed, own);
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
        let portal = Fake::new(
            "admin",
            &[("GET /v1/users?role=member&status=active&new=false", 200, people)],
        );
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

    #[tokio::test]
    async fn each_state_that_a_person_can_be_in_is_a_filter() {
        let found = |name: &str, status: &str| json!({ "data": [person(name, false, &json!(null), status)], "next": null });
        let portal = Fake::new(
            "admin",
            &[
                ("GET /v1/users?q=a&status=active&new=true", 200, found("fresh", "active")),
                ("GET /v1/users?status=disabled", 200, found("off", "disabled")),
                ("GET /v1/users?status=gone", 400, json!({ "detail": "there is no such status" })),
            ],
        );
        assert_eq!(portal.get("/people?status=gone").await.status, 400);
        let invited = portal.get("/people?q=a&status=invited").await.text;
        assert!(invited.contains("/people/usr_fresh\""), "{invited}");
        assert!(invited.contains("<option value=\"invited\" selected>Invited<"), "{invited}");
        assert!(portal.get("/people?status=disabled").await.text.contains("/people/usr_off\""));
    }
}
