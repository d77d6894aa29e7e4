//! Limits and budgets that the keys of a person, a project or the organization share: as pages show them,
//! and as forms set them.

use doorward_domain::budget::{Amount, Budget, Overrun};
use doorward_domain::limit::Limits;
use doorward_domain::money::NanoUsd;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::form::{Form, Kind, Member};
use crate::money::count;
use crate::pages::keys::object::{Gauge, Spent};
use crate::refusal::{FieldError, Refusal};
use crate::text::text_with;

/// Budgets that one thing can have; the API refuses more.
const BUDGETS_MAX: usize = 8;

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

/// One budget of a form, as it was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its place among the budgets that are sent, by which the API names what is wrong with it.
    place: usize,
    /// What the API calls it.
    pub(crate) name: String,
    pub(crate) amount: String,
    /// `usd` or `tokens`.
    pub(crate) unit: String,
    pub(crate) period: String,
    pub(crate) may_overrun: bool,
}

impl Bounds {
    /// Limits in words: `60 requests per minute`.
    pub(crate) fn limits(&self) -> Vec<String> {
        let said = |(name, figure): (&str, Option<u32>)| {
            figure.map(|figure| text_with(&format!("limited-{name}"), "n", count(figure.into())))
        };
        self.figures().into_iter().filter_map(said).collect()
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
        let figures = self.figures().map(|(_, figure)| figure);
        for (member, figure) in LIMITS.iter().zip(figures) {
            form.add(member.path, figure.map(|figure| figure.to_string()).unwrap_or_default());
        }
        for (place, budget) in self.budgets.iter().enumerate() {
            let (unit, amount) = match budget.amount {
                Amount::Usd(usd) => ("usd", usd.to_string()),
                Amount::Tokens(tokens) => ("tokens", tokens.to_string()),
            };
            form.add(&part(place, "amount"), amount);
            form.add(&part(place, "unit"), unit);
            form.add(&part(place, "period"), budget.period.as_str());
            if budget.overrun == Overrun::Allow {
                form.add(&part(place, "overrun"), "allow");
            }
        }
    }

    /// In the order of [`LIMITS`].
    fn figures(&self) -> [(&'static str, Option<u32>); 7] {
        let of = &self.limits;
        [
            ("requests-per-minute", of.requests_per_minute),
            ("requests-per-hour", of.requests_per_hour),
            ("requests-per-day", of.requests_per_day),
            ("tokens-per-minute", of.tokens_per_minute),
            ("tokens-per-hour", of.tokens_per_hour),
            ("tokens-per-day", of.tokens_per_day),
            ("concurrency", of.concurrency),
        ]
        .map(|(name, figure)| (name, figure.map(std::num::NonZeroU32::get)))
    }
}

impl Row {
    /// The name of the field for one part of it.
    pub(crate) fn field(&self, name: &str) -> String {
        part(self.place, name)
    }

    /// Which one it is, counted as people do.
    pub(crate) const fn number(&self) -> usize {
        self.place.saturating_add(1)
    }

    fn is_readable(&self) -> bool {
        match self.unit.as_str() {
            "tokens" => self.amount.parse::<u64>().is_ok(),
            _ => self.amount.parse::<NanoUsd>().is_ok(),
        }
    }

    fn body(&self) -> Value {
        let mut budget = Map::new();
        let amount = self.amount.as_str();
        let tokens = amount.parse::<u64>().map_or_else(|_| amount.into(), Value::from);
        match self.unit.as_str() {
            "tokens" => budget.insert("tokens".to_owned(), tokens),
            _ => budget.insert("usd".to_owned(), amount.into()),
        };
        budget.insert("period".to_owned(), self.period.as_str().into());
        if self.may_overrun {
            budget.insert("overrun".to_owned(), "allow".into());
        }
        budget.into()
    }
}

fn named(place: usize) -> String {
    format!("budgets[{place}]")
}

fn part(place: usize, name: &str) -> String {
    format!("{}.{name}", named(place))
}

/// The budgets that a form has, those without an amount left out.
fn typed(form: &Form) -> Vec<Row> {
    let amount = |at: usize| form.value(&part(at, "amount")).trim().replace([' ', ',', '$'], "");
    let filled = (0..BUDGETS_MAX).filter(|at| !amount(*at).is_empty());
    let row = |(place, at): (usize, usize)| Row {
        place,
        name: named(place),
        amount: amount(at),
        unit: form.value(&part(at, "unit")).to_owned(),
        period: form.value(&part(at, "period")).to_owned(),
        may_overrun: form.has(&part(at, "overrun"), "allow"),
    };
    filled.enumerate().map(row).collect()
}

/// The budgets of a form, and behind them, where there may be one more, an empty one.
pub(crate) fn rows(form: &Form) -> Vec<Row> {
    let mut rows = typed(form);
    if rows.len() < BUDGETS_MAX {
        let (amount, unit, period) = (String::new(), "usd".to_owned(), "month".to_owned());
        let place = rows.len();
        rows.push(Row { place, name: named(place), amount, unit, period, may_overrun: false });
    }
    rows
}

/// Puts what a form says of limits and budgets into a body: all of it, so that what was emptied goes.
pub(crate) fn say(form: &Form, body: &mut Map<String, Value>) {
    body.insert("limits".to_owned(), json!({}));
    body.extend(form.body(&LIMITS));
    let budgets = typed(form).iter().map(Row::body).collect();
    body.insert("budgets".to_owned(), budgets);
}

/// The form with what the API says of it, and with everything else that it could not have read.
pub(crate) fn refused(form: Form, refusal: Refusal) -> Result<Form, Refusal> {
    let mut unread = form.unread(&LIMITS);
    let amounts = typed(&form).into_iter().filter(|row| !row.is_readable());
    unread.extend(amounts.map(|row| FieldError::new(&row.name, "wrong-amount")));
    Ok(form.refused(refusal)?.also_wrong(unread))
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
    fn budgets_close_the_gap_that_an_emptied_one_leaves() {
        let typed = "budgets[0].amount=&budgets[0].unit=usd&budgets[0].period=day&\
            budgets[1].amount=$1,200.50&budgets[1].unit=usd&budgets[1].period=month&\
            budgets[2].amount=5000&budgets[2].unit=tokens&budgets[2].period=day&budgets[2].overrun=allow";
        let expected = json!([
            {"usd": "1200.50", "period": "month"},
            {"tokens": 5000, "period": "day", "overrun": "allow"},
        ]);
        assert_eq!(said(typed)["budgets"], expected);
        let form = Form::read(typed.as_bytes()).unwrap();
        let shown: Vec<_> =
            rows(&form).iter().map(|row| (row.name.clone(), row.amount.clone())).collect();
        let [one, two, empty] = shown.as_slice() else { panic!("{shown:?}") };
        assert_eq!(one, &("budgets[0]".to_owned(), "1200.50".to_owned()));
        assert_eq!(two, &("budgets[1]".to_owned(), "5000".to_owned()));
        assert_eq!(empty, &("budgets[2]".to_owned(), String::new()));
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
