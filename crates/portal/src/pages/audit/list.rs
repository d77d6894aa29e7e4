//! `GET /audit`.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use serde_json::Value;

use super::chain::Mark;
use super::detail::{Line, lines};
use crate::answer::{ok, page};
use crate::api::List;
use crate::form::Form;
use crate::frame::Frame;
use crate::portal::Portal;
use crate::query::{Query, with_query};
use crate::refusal::Refusal;
use crate::text::{is_there, text};
use crate::visitor::Visitor;

const FILTERS: [&str; 6] = ["actor", "action", "except", "subject", "from", "to"];
/// What the API takes as it is.
const PASSED: [&str; 5] = ["actor", "action", "except", "subject", "from"];

/// What actions are about, by what they begin with.
const GROUPS: [&str; 18] = [
    "key.",
    "user.",
    "session.",
    "second_factor.",
    "service_account.",
    "project.",
    "project_member.",
    "settings.",
    "organization.",
    "provider.",
    "provider_key.",
    "model.",
    "limit_increase.",
    "token.",
    "prompt.",
    "webhook.",
    "notice.",
    "installation.",
];

/// What is often looked at: the name of its text, and the filter that it is.
const VIEWS: [(&str, Option<(&str, &str)>); 6] = [
    ("audit-view-all", None),
    ("audit-view-quiet", Some(("except", "session."))),
    ("audit-group-session", Some(("action", "session."))),
    ("audit-group-key", Some(("action", "key."))),
    ("audit-group-user", Some(("action", "user."))),
    ("audit-group-settings", Some(("action", "settings."))),
];

#[derive(Debug, Template)]
#[template(path = "audit/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    /// What the form that verifies carries.
    form: Form,
    /// Groups of actions and what they are called.
    groups: Vec<(&'static str, String)>,
    entries: Vec<Entry>,
    /// Where the next page is.
    next: Option<String>,
    /// What is wrong with what is asked for.
    wrong: String,
    mark: Option<Mark>,
}

/// What the API says of an entry.
#[derive(Debug, Deserialize)]
struct Entry {
    sequence: i64,
    at: Timestamp,
    actor: String,
    actor_name: Option<String>,
    action: String,
    subject: String,
    subject_name: Option<String>,
    detail: Value,
}

impl ListPage {
    fn is_filtered(&self) -> bool {
        self.query.has_any(&FILTERS)
    }

    /// What is often looked at: the name of its text, where it is, and whether it is shown.
    fn views(&self) -> impl Iterator<Item = (&'static str, String, bool)> {
        VIEWS.into_iter().map(|(text, filter)| {
            let path =
                self.query.path("/audit", &["actor", "subject", "from", "to"], filter.as_slice());
            let shown =
                ["action", "except"].map(|name| self.query.get(name).map(|value| (name, value)));
            (
                text,
                path,
                shown == ["action", "except"].map(|name| filter.filter(|(of, _)| *of == name)),
            )
        })
    }

    /// Where all that fits is had as a file.
    fn download(&self, format: &str) -> String {
        self.query.path("/audit/download", &FILTERS, &[("format", format)])
    }
}

impl Entry {
    /// What was done, in words; else as it is stored.
    fn what(&self) -> String {
        let name = format!("audit-did-{}", name_of(&self.action));
        if is_there(&name) { text(&name) } else { self.action.clone() }
    }

    fn lines(&self) -> Vec<Line> {
        lines(&self.detail)
    }

    fn who(&self) -> String {
        match self.actor.as_str() {
            "system" => text("audit-system"),
            id => self.actor_name.clone().unwrap_or_else(|| short(id)),
        }
    }

    /// Where all that the actor did is.
    fn of_actor(&self) -> String {
        with_query("/audit", [("actor", self.actor.as_str())].into_iter())
    }

    /// Where all that was done to the subject is.
    fn of_subject(&self) -> String {
        with_query("/audit", [("subject", self.subject.as_str())].into_iter())
    }

    fn about(&self) -> String {
        self.subject_name.clone().unwrap_or_else(|| short(&self.subject))
    }
}

/// An id by its kind and its last letters: `ses_…K3XQ2A`. All of it is in the details.
fn short(id: &str) -> String {
    let is_random =
        |rest: &str| rest.len() == 26 && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    let parts = id.split_once('_').filter(|(_, rest)| is_random(rest));
    let end = parts.and_then(|(kind, rest)| Some((kind, rest.get(20..)?)));
    end.map_or_else(|| id.to_owned(), |(kind, end)| format!("{kind}_…{end}"))
}

/// A group of actions and what it is called.
fn group(group: &'static str) -> (&'static str, String) {
    (group, text(&format!("audit-group-{}", name_of(group))))
}

/// `provider_key.edit` as the names of texts have it: `provider-key-edit`.
fn name_of(action: &str) -> String {
    action.trim_end_matches('.').replace(['.', '_'], "-")
}

/// The path of the log in the API, with what the query narrows it to. A day to which is asked for is in it.
pub(super) fn path(query: &Query, more: &[&str]) -> String {
    let names: Vec<&str> = PASSED.iter().chain(more).copied().collect();
    let to = query.get("to").map(day_after).unwrap_or_default();
    let to = [("to", to.as_str())];
    query.path("/v1/audit", &names, if to[0].1.is_empty() { &[] } else { &to })
}

/// The day after one; what is no day stays, to be refused.
fn day_after(day: &str) -> String {
    let next = day.parse::<Date>().ok().and_then(|day| day.checked_add(1.day()).ok());
    next.map_or_else(|| day.to_owned(), |next| next.to_string())
}

pub(crate) async fn list(
    State(portal): State<Portal>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Refusal> {
    // Whoever chooses what was done means it, whatever was left out before.
    let query = if query.get("action").is_some() { query.without("except") } else { query };
    let asked = visitor.api.get::<List<Entry>>(&path(&query, &["after"])).await;
    let (list, wrong) = match asked {
        Ok(list) => (list, String::new()),
        Err(refusal) if refusal.status == StatusCode::BAD_REQUEST => {
            (List { data: Vec::new(), next: None }, refusal.why.detail)
        }
        Err(refusal) => return Err(refusal),
    };
    let next = list.next.map(|after| query.path("/audit", &FILTERS, &[("after", &after)]));
    let shown = ListPage {
        frame: visitor.frame("/audit"),
        query,
        form: Form::default(),
        groups: GROUPS.map(group).to_vec(),
        entries: list.data,
        next,
        wrong,
        mark: portal.chain.mark(),
    };
    if shown.wrong.is_empty() { Ok(ok(&shown)) } else { Ok(page(StatusCode::BAD_REQUEST, &shown)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_without_a_name_is_told_by_its_kind_and_end() {
        for (id, expected) in [
            ("ses_01M81ZZZZZZZZZZZZZZZK3XQ2A", "ses_…K3XQ2A"),
            ("gpt-5.1", "gpt-5.1"),
            ("my_model", "my_model"),
            ("my_model-with-a-name-of-26-chs", "my_model-with-a-name-of-26-chs"),
            ("my_ééééééééééééé", "my_ééééééééééééé"),
        ] {
            assert_eq!(short(id), expected);
        }
    }

    #[test]
    fn every_group_of_actions_has_a_name() {
        for group in GROUPS {
            assert!(is_there(&format!("audit-group-{}", name_of(group))), "{group}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_day_to_which_is_asked_for_is_in_the_answer() {
        for (to, expected) in [
            ("2026-12-31", "2027-01-01"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("soon", "soon"),
        ] {
            assert_eq!(day_after(to), expected);
        }
    }
}
