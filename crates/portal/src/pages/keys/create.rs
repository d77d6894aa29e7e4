//! `/keys/new`: making a key, and the one answer that shows it.

use askama::Template;
use axum::response::Response;
use doorward_domain::scope::Scope;
use http::Method;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::created::CreatedPage;
use super::object::NewKey;
use crate::answer::{again, ok};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::Query;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

const fn member(path: &'static str, kind: Kind) -> Member {
    Member { path, kind }
}

/// What is said to the API as it was typed; `ends` and the budget are said by [`body`].
const MEMBERS: [Member; 10] = [
    member("name", Kind::Text),
    member("description", Kind::Text),
    member("project", Kind::Wish),
    member("scopes", Kind::Choices),
    member("models", Kind::LinesWish),
    member("ip_allow", Kind::LinesWish),
    member("ip_deny", Kind::LinesWish),
    member("limits.requests_per_minute", Kind::Number),
    member("limits.tokens_per_minute", Kind::Number),
    member("limits.concurrency", Kind::Number),
];

/// Ends that are offered, in days.
pub(super) const DAYS: [&str; 3] = ["7", "30", "90"];

#[derive(Debug, Template)]
#[template(path = "keys/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
    scopes: Vec<Scope>,
    address: String,
}

impl CreatePage {
    fn new(visitor: &Visitor, form: Form) -> Self {
        let scopes = visitor.me.role.scopes();
        Self {
            frame: visitor.frame("/keys"),
            form,
            scopes: Scope::ALL.into_iter().filter(|scope| scopes.allows(*scope)).collect(),
            address: visitor.address.0.to_string(),
        }
    }
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Response {
    let mut form = Form::filled([
        ("name", query.text("name").to_owned()),
        ("ends", "90".to_owned()),
        ("budget.period", "month".to_owned()),
    ]);
    for scope in [Scope::InferenceRead, Scope::InferenceWrite] {
        form.add("scopes", scope.as_str());
    }
    ok(&CreatePage::new(&visitor, form))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let body = match body(&form) {
        Ok(body) => body,
        Err(wrong) => return Ok(again(&CreatePage::new(&visitor, form.wrong(wrong)))),
    };
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<NewKey>(Method::POST, "/v1/api-keys", &body, sent).await {
        Ok(key) => Ok(ok(&CreatedPage::new(&visitor, key))),
        Err(refusal) => Ok(again(&CreatePage::new(&visitor, form.refused(refusal)?))),
    }
}

/// The body; or what is wrong with a field of it.
fn body(form: &Form) -> Result<Map<String, Value>, FieldError> {
    let mut body = form.body(&MEMBERS);
    body.extend(end(form)?);
    let amount = form.value("budget.usd").trim();
    if !amount.is_empty() {
        let budget = json!([{ "usd": amount, "period": form.value("budget.period") }]);
        body.insert("budgets".to_owned(), budget);
    }
    Ok(body)
}

/// The one member that says when the key ends.
fn end(form: &Form) -> Result<Option<(String, Value)>, FieldError> {
    let (name, value) = match form.value("ends") {
        "never" => ("never_expires", true.into()),
        "date" => {
            let at = end_of(form.value("expires_at"));
            ("expires_at", at.ok_or_else(|| FieldError::new("expires_at", "wrong-date"))?.into())
        }
        days => match days.parse::<i64>() {
            Ok(days) => ("expires_in_days", days.into()),
            Err(_) => return Ok(None),
        },
    };
    Ok(Some((name.to_owned(), value)))
}

/// The end of a day: `2027-01-31` is good through that day, in UTC.
fn end_of(day: &str) -> Option<String> {
    let day: Date = day.trim().parse().ok()?;
    let next = day.checked_add(1.day()).ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn an_end_is_said_in_one_way() {
        let cases = [
            ("ends=30",                          json!({"expires_in_days": 30})),
            ("ends=never",                       json!({"never_expires": true})),
            ("ends=date&expires_at=2027-01-31",  json!({"expires_at": "2027-02-01T00:00:00Z"})),
        ];
        for (typed, expected) in cases {
            let form = Form::read(typed.as_bytes()).unwrap();
            let body = body(&form).unwrap();
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&body[name], value, "{typed}");
            }
            let ends = ["expires_in_days", "expires_at", "never_expires"];
            assert_eq!(ends.iter().filter(|name| body.get(**name).is_some()).count(), 1, "{typed}");
        }
        let wrong = body(&Form::read(b"ends=date&expires_at=tomorrow").unwrap()).unwrap_err();
        assert_eq!(wrong.field, "expires_at");
    }
}
