//! Limits and budgets that the keys of a person, a project or the organization share: as pages show them,
//! and as forms set them.

use std::num::NonZeroU32;

use doorward_domain::budget::Budget;
use doorward_domain::limit::Limits;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::budgets;
use crate::form::{Form, Kind, Member};
use crate::money::count;
use crate::pages::keys::object::{Gauge, Spent, limits_of};
use crate::refusal::Refusal;
use crate::text::text_with;

const fn number(path: &'static str) -> Member {
    Member { path, kind: Kind::Number }
}

const LIMITS: [Member; 7] = [
    number("limits.requests_per_minute"),
    number("limits.requests_per_hour"),
    number("limits.requests_per_day"),
    number("limits.tokens_per_minute"),
    number("limits.tokens_per_hour"),
    number("limits.tokens_per_day"),
    number("limits.concurrency"),
];

/// What the API says of limits and budgets.
#[derive(Debug, Deserialize)]
pub(crate) struct Bounds {
    limits: Limits,
    budgets: Vec<Budget>,
    spent: Vec<Spent>,
}

impl Bounds {
    /// Limits in words: `60 requests per minute`.
    pub(crate) fn limits(&self) -> Vec<String> {
        let said = |(name, limit): (&str, Option<NonZeroU32>)| {
            let text = format!("limited-{}", name.replace('_', "-"));
            limit.map(|limit| text_with(&text, "n", count(limit.get().into())))
        };
        limits_of(&self.limits).into_iter().filter_map(said).collect()
    }

    /// Budgets with what is spent of each.
    pub(crate) fn gauges(&self) -> Vec<Gauge> {
        self.budgets.iter().zip(&self.spent).map(Gauge::new).collect()
    }

    /// The budget of which most is gone.
    pub(crate) fn nearest(&self) -> Option<Gauge> {
        self.gauges().into_iter().max_by_key(|gauge| gauge.percent)
    }

    /// Fills a form with them.
    pub(crate) fn fill(&self, form: &mut Form) {
        fill(form, &self.limits, &self.budgets);
    }
}

/// Fills a form with limits and budgets.
pub(crate) fn fill(form: &mut Form, limits: &Limits, budgets: &[Budget]) {
    for (name, limit) in limits_of(limits) {
        let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
        form.add(&format!("limits.{name}"), limit);
    }
    budgets::fill(form, budgets);
}

/// Puts what a form says of limits and budgets into a body: all of it, so that what was emptied goes.
pub(crate) fn say(form: &Form, body: &mut Map<String, Value>) {
    body.insert("limits".to_owned(), json!({}));
    body.extend(form.body(&LIMITS));
    body.insert("budgets".to_owned(), budgets::said(form));
}

/// The form with what the API says of it, and with everything else that it could not have read.
pub(crate) fn refused(form: Form, refusal: Refusal) -> Result<Form, Refusal> {
    Ok(with_unread(budgets::renamed(form.refused(refusal)?)))
}

/// The form with all limits and budgets that cannot be read: the API tells of the first only.
pub(crate) fn with_unread(form: Form) -> Form {
    let unread = form.unread(&LIMITS).into_iter().chain(budgets::unread(&form)).collect();
    form.also_wrong(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(typed: &str) -> Value {
        let mut body = Map::new();
        say(&Form::read(typed.as_bytes()).unwrap(), &mut body);
        body.into()
    }

    #[test]
    fn what_was_emptied_goes() {
        assert_eq!(said(""), json!({"limits": {}, "budgets": []}));
        let one = said("limits.concurrency=5&limits.tokens_per_day=&budgets[0].amount=");
        assert_eq!(one, json!({"limits": {"concurrency": 5}, "budgets": []}));
    }

    #[test]
    fn a_form_that_is_filled_and_sent_says_what_there_was() {
        let there = json!({
            "limits": {"requests_per_minute": 60, "concurrency": 2},
            "budgets": [
                {"usd": "12.50", "period": "day", "overrun": "allow"},
                {"tokens": 7, "period": "total"},
            ],
        });
        let mut known = there.clone();
        known["spent"] = json!([]);
        let bounds: Bounds = serde_json::from_value(known).unwrap();
        assert_eq!(bounds.limits(), ["60 requests per minute", "2 calls at once"]);
        let mut form = Form::default();
        bounds.fill(&mut form);
        let mut body = Map::new();
        say(&form, &mut body);
        assert_eq!(Value::Object(body), there);
    }

    #[test]
    fn what_is_no_number_goes_on_to_be_refused_by_name() {
        let typed = "limits.concurrency=many&budgets[0].amount=lots&budgets[0].unit=tokens&\
            budgets[0].period=day";
        let body = said(typed);
        assert_eq!(body["limits"]["concurrency"], "many");
        assert_eq!(body["budgets"][0]["tokens"], "lots");
    }
}
