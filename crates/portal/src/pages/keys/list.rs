//! `GET /keys` and `GET /agent-keys`.

use askama::Template;
use axum::response::Response;
use jiff::SignedDuration;
use serde::Deserialize;

use super::object::Key;
use crate::answer::{again, ok};
use crate::api::List;
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::text::{text, text_of};
use crate::visitor::{Membership, Visitor};

/// What a list is narrowed by and how it is sorted: kept from page to page.
const KEPT: [&str; 6] = ["q", "status", "project", "owner", "of", "sort"];
/// The parameters that the API takes as they are.
const PASSED: [&str; 5] = ["q", "project", "owner", "sort", "after"];
const STATUSES: [&str; 4] = ["active", "disabled", "expired", "revoked"];
/// What is chosen among the states, though it is none: keys that end within this time.
const SOON: &str = "soon";
const SOON_HOURS: i64 = 14 * 24;

/// A column that the list can be sorted by.
#[derive(Debug, Clone, Copy)]
struct Column {
    /// The name of its heading's text.
    text: &'static str,
    /// As the API calls it, the way that is tried first.
    sort: &'static str,
}

/// The head of a column, as the list is sorted now.
#[derive(Debug)]
struct Heading {
    text: &'static str,
    /// Where the list is sorted by it.
    path: String,
    /// `ascending`, `descending`, or empty.
    sorted: &'static str,
}

const NAME: Column = Column { text: "name", sort: "name" };
const CREATED: Column = Column { text: "created", sort: "-created" };
const USED: Column = Column { text: "last-used", sort: "-last_used" };
const EXPIRES: Column = Column { text: "expires", sort: "expires" };

#[derive(Debug, Template)]
#[template(path = "keys/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    keys: Vec<Key>,
    projects: Vec<Membership>,
    /// Names of whom the list can be narrowed to.
    owners: Vec<String>,
    is_service: bool,
    /// Whether the keys of everybody are shown.
    is_of_all: bool,
    /// Where the next page is.
    next: Option<String>,
    /// What is wrong with what is asked for.
    wrong: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl ListPage {
    fn here(&self) -> &'static str {
        if self.is_service { "/agent-keys" } else { "/keys" }
    }

    fn is_filtered(&self) -> bool {
        self.query.has_any(&["q", "status", "project", "owner"])
    }

    /// The way that the list is sorted by a column: `ascending`, `descending`; empty: it is not.
    fn sorted(&self, column: Column) -> &'static str {
        let sort = self.query.get("sort").unwrap_or(CREATED.sort);
        let is_this = sort.trim_start_matches('-') == column.sort.trim_start_matches('-');
        match (is_this, sort.starts_with('-')) {
            (false, _) => "",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }

    /// Where the list is sorted by a column; by the one that it is sorted by already, the other way.
    fn sort_path(&self, column: Column) -> String {
        let name = column.sort.trim_start_matches('-');
        let sort = match self.sorted(column) {
            "ascending" => format!("-{name}"),
            "descending" => name.to_owned(),
            _ => column.sort.to_owned(),
        };
        self.query.path(self.here(), &KEPT[..5], &[("sort", &sort)])
    }

    /// The list without its filters.
    fn clear_path(&self) -> String {
        self.query.path(self.here(), &["of", "sort"], &[])
    }

    /// The list as it is, from its beginning.
    fn fresh_path(&self) -> String {
        self.query.path(self.here(), &KEPT, &[])
    }

    /// The same of the visitor's own keys, or of everybody's.
    fn of_path(&self, of: &str) -> String {
        let more: &[_] = if of == "all" { &[("of", "all")] } else { &[] };
        self.query.path(self.here(), &["q", "status", "project", "sort"], more)
    }

    fn heading(&self, column: Column) -> Heading {
        let (path, sorted) = (self.sort_path(column), self.sorted(column));
        Heading { text: column.text, path, sorted }
    }

    /// How many keys the visitor has of those that they may have.
    fn quota(&self) -> Option<String> {
        let keys = &self.frame.me.as_ref().filter(|_| !self.is_of_all)?.key_quota;
        let (count, max) = (keys.count.to_string(), keys.max.to_string());
        Some(text_of("keys-quota", [("count", &count), ("max", &max)]))
    }

    fn title(&self) -> &'static str {
        if self.is_service { "agent-keys-title" } else { "keys-title" }
    }

    fn about(&self) -> &'static str {
        if self.is_service { "agent-keys-about" } else { "keys-about" }
    }

    fn create(&self) -> &'static str {
        if self.is_service { "agent-key-create" } else { "key-create" }
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    page(visitor, query, false).await
}

pub(crate) async fn list_service(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    page(visitor, query, true).await
}

async fn page(visitor: Visitor, query: Query, is_service: bool) -> Result<Response, Refusal> {
    let is_of_all = is_service || visitor.me.is_admin() && query.text("of") == "all";
    let kind = if is_service { "service" } else { "user" };
    let mut own = vec![("kind", kind), ("limit", "50"), ("names", "true")];
    if !is_of_all {
        own.push(("owner", visitor.me.id.as_str()));
    }
    let soon = visitor.now.checked_add(SignedDuration::from_hours(SOON_HOURS));
    let soon = soon.unwrap_or(visitor.now).to_string();
    match query.text("status") {
        SOON => own.extend([("status", "active"), ("expires_before", &soon)]),
        status if STATUSES.contains(&status) => own.push(("status", status)),
        _ => {}
    }
    let passed: &[_] = if is_of_all { &PASSED } else { &["q", "project", "sort", "after"] };
    let path = query.path("/v1/api-keys", passed, &own);
    let (List { data: keys, next }, wrong) = match visitor.api.get::<List<Key>>(&path).await {
        Ok(list) => (list, String::new()),
        Err(refusal) if refusal.why.errors.iter().any(|error| error.field == "owner") => {
            (List { data: Vec::new(), next: None }, text("keys-no-such-owner"))
        }
        Err(refusal) => return Err(refusal),
    };
    let here = if is_service { "/agent-keys" } else { "/keys" };
    let next = next.map(|after| query.path(here, &KEPT, &[("after", &after)]));
    let owners = async { if is_of_all { owners(&visitor, is_service).await } else { Vec::new() } };
    let (owners, projects) = tokio::join!(owners, projects(&visitor));
    let frame = visitor.frame(here);
    let shown =
        ListPage { frame, query, keys, projects, owners, is_service, is_of_all, next, wrong };
    if shown.wrong.is_empty() { Ok(ok(&shown)) } else { Ok(again(&shown)) }
}

/// Those that the list can be narrowed to.
async fn projects(visitor: &Visitor) -> Vec<Membership> {
    if !visitor.me.is_admin() {
        return visitor.me.projects.clone();
    }
    let all = visitor.api.get::<List<Membership>>("/v1/projects?limit=200").await;
    all.map(|list| list.data).unwrap_or_default()
}

/// Names of owners, as many as a list has on one page. Others can be typed.
async fn owners(visitor: &Visitor, is_service: bool) -> Vec<String> {
    let path = if is_service {
        "/v1/service-accounts?limit=200"
    } else {
        "/v1/users?limit=200&presence=false"
    };
    let list = visitor.api.get::<List<Named>>(path).await;
    list.map(|list| list.data).unwrap_or_default().into_iter().map(|one| one.name).collect()
}
