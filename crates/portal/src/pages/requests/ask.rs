//! `/keys/{id}/ask`: asking for higher limits of a key.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use doorward_domain::budget::{Amount, Budget};
use http::Method;
use serde_json::{Map, Value, json};

use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member, number};
use crate::frame::Frame;
use crate::money::{Unit, count};
use crate::pages::keys::object::{Key, amount, limits_of, period_text};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::text::{text, text_of};
use crate::visitor::Visitor;

const REASON: [Member; 1] = [Member { path: "reason", kind: Kind::Text }];

#[derive(Debug, Template)]
#[template(path = "requests/ask.html")]
struct AskPage {
    frame: Frame,
    form: Form,
    key: Key,
    figures: Vec<Figure>,
}

/// A limit or a budget that can be raised.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) field: String,
    pub(super) label: String,
    /// What it is now, in words.
    pub(super) now: String,
}

/// The limits and budgets that a key has: what it has not cannot be raised.
pub(super) fn figures(key: &Key) -> Vec<Figure> {
    let held = key.increase.as_ref();
    let raised = limits_of(&held.map(|held| held.limits).unwrap_or_default());
    let limits = limits_of(&key.limits).into_iter().zip(raised);
    let limits = limits.filter_map(|((name, limit), (_, raised))| {
        Some(Figure {
            field: format!("limits.{name}"),
            label: text(&format!("limit-{}", name.replace('_', "-"))),
            now: now(count(limit?.get().into()), raised.map(|raised| count(raised.get().into()))),
        })
    });
    let budget = |(at, budget): (usize, &Budget)| Figure {
        field: format!("budgets[{at}]"),
        label: format!("{} {}", text("budget"), text(period_text(budget.period))),
        now: now(amount(budget), held.and_then(|held| same(&held.budgets, budget)).map(amount)),
    };
    limits.chain(key.budgets.iter().enumerate().map(budget)).collect()
}

/// What holds now: where it is raised for a while, that and what it is else.
fn now(usual: String, raised: Option<String>) -> String {
    match raised {
        Some(raised) => text_of("increase-raised", [("raised", &raised), ("usual", &usual)]),
        None => usual,
    }
}

/// The one of several budgets that is of the same period, and of the same kind.
pub(super) fn same<'a>(budgets: &'a [Budget], own: &Budget) -> Option<&'a Budget> {
    let is_money = |budget: &Budget| matches!(budget.amount, Amount::Usd(_));
    budgets.iter().find(|one| one.period == own.period && is_money(one) == is_money(own))
}

/// What is typed of them, as the API reads it; and which budget each of those named is.
pub(super) fn raise(form: &Form, key: &Key) -> (Map<String, Value>, Vec<usize>) {
    let typed =
        |field: &str| Some(form.value(field).trim().to_owned()).filter(|text| !text.is_empty());
    let limits = limits_of(&key.limits).into_iter().filter_map(|(name, _)| {
        Some((name.to_owned(), number(&typed(&format!("limits.{name}"))?)))
    });
    let (mut budgets, mut places) = (Vec::new(), Vec::new());
    for (at, own) in key.budgets.iter().enumerate() {
        let Some(text) = typed(&format!("budgets[{at}]")) else { continue };
        let unit = match own.amount {
            Amount::Usd(_) => Unit::Usd,
            Amount::Tokens(_) => Unit::Tokens,
        };
        let amount = unit.said(&text);
        budgets
            .push(json!({ unit.as_str(): amount, "period": own.period, "overrun": own.overrun }));
        places.push(at);
    }
    let mut raise = Map::new();
    raise.insert("limits".to_owned(), Value::Object(limits.collect()));
    raise.insert("budgets".to_owned(), budgets.into());
    (raise, places)
}

/// The form with what the API says of it, each fault at the budget that it is about.
pub(super) fn refused(form: Form, refusal: Refusal, places: &[usize]) -> Result<Form, Refusal> {
    Ok(form.refused(refusal)?.renamed(|field| {
        let (index, _) = field.strip_prefix("budgets[")?.split_once(']')?;
        Some(format!("budgets[{}]", places.get(index.parse::<usize>().ok()?)?))
    }))
}

impl AskPage {
    fn new(visitor: &Visitor, key: Key, form: Form) -> Self {
        Self { frame: visitor.frame(key.list_path()), figures: figures(&key), form, key }
    }
}

async fn find(visitor: &Visitor, id: &str) -> Result<Key, Refusal> {
    visitor.api.get(&format!("/v1/api-keys/{}", segment(id))).await
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    visitor.refuse_who_makes_no_keys()?;
    let key = find(&visitor, &id).await?;
    Ok(ok(&AskPage::new(&visitor, key, Form::default())))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let key = find(&visitor, &id).await?;
    let (mut body, places) = raise(&form, &key);
    body.extend(form.body(&REASON));
    body.insert("api_key".to_owned(), id.clone().into());
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let asked = visitor.api.send::<Value>(Method::POST, "/v1/limit-increases", &body, sent).await;
    match asked {
        Ok(_) => Ok(see_other(&format!("/keys/{}?done=increase-asked", segment(&id)))),
        Err(refusal) => {
            let form = refused(form, refusal, &places)?;
            Ok(again(&AskPage::new(&visitor, key, form)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        serde_json::from_value(json!({
            "id": "dw_0123456789abcdef", "name": "ci", "description": "", "kind": "user",
            "fingerprint": "dw_0123456789abcdef…wxyz", "status": "active", "owner": "usr_1",
            "created_by": "usr_1", "project": "prj_1", "scopes": [], "models": null,
            "ip_allow": null, "ip_deny": [], "limits": {"requests_per_minute": 60},
            "model_limits": [], "increase": null, "allowed_origins": null, "spent": [],
            "budgets": [{"usd": "5", "period": "day"}, {"tokens": 9, "period": "total"}],
            "created_at": "2026-11-22T00:00:00Z", "last_used_at": null, "last_used_ip": null,
            "expires_at": null, "rotated_at": null, "previous_secrets": [],
        }))
        .unwrap()
    }

    #[test]
    fn only_what_is_named_is_asked_for() {
        let form = Form::read(b"limits.requests_per_minute=&budgets[0]=&budgets[1]=20").unwrap();
        let (raise, places) = raise(&form, &key());
        let budgets = json!([{"tokens": 20, "period": "total", "overrun": "deny"}]);
        assert_eq!(Value::Object(raise), json!({"limits": {}, "budgets": budgets}));
        assert_eq!(places, [1]);
        assert_eq!(figures(&key()).len(), 3);
    }

    #[test]
    fn a_figure_says_what_holds_for_a_while_and_what_does_else() {
        let mut key = key();
        key.increase = serde_json::from_value(json!({
            "id": "inc_1", "limits": {"requests_per_minute": 900},
            "budgets": [{"tokens": 5, "period": "day"}, {"usd": "20", "period": "day"}],
            "ends_at": "2026-12-01T00:00:00Z",
        }))
        .unwrap();
        let now: Vec<_> = figures(&key).into_iter().map(|figure| figure.now).collect();
        assert_eq!(
            now,
            ["900 for a while, usually 60", "$20.00 for a while, usually $5.00", "9 tokens"]
        );
    }
}
