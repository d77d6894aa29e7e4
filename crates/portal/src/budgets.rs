//! Budgets in a form, whoever has them: a row for each, an amount of dollars or tokens in a period.

use doorward_domain::budget::{Amount, Budget, Overrun};
use serde_json::{Map, Value};

use crate::form::Form;
use crate::money::Unit;
use crate::refusal::FieldError;

/// The most that there are of one thing; the API refuses more.
const ROWS_MAX: usize = 8;
/// What rows are of where nobody chose; there are at least so many.
const PERIODS: [&str; 3] = ["month", "day", "total"];

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    at: usize,
    pub(crate) period: String,
}

impl Row {
    /// The name of the field for one part of it: `amount`, `unit`, `period`, `overrun`.
    pub(crate) fn field(&self, name: &str) -> String {
        field(self.at, name)
    }

    /// Which one it is, counted as people do.
    pub(crate) const fn number(&self) -> usize {
        self.at.saturating_add(1)
    }
}

fn field(at: usize, name: &str) -> String {
    format!("budgets[{at}].{name}")
}

fn amount(form: &Form, at: usize) -> &str {
    form.value(&field(at, "amount")).trim()
}

fn unit(form: &Form, at: usize) -> Unit {
    Unit::named(form.value(&field(at, "unit")))
}

/// Fills a form with what there is.
pub(crate) fn fill(form: &mut Form, there: &[Budget]) {
    for (at, budget) in there.iter().enumerate() {
        let (unit, amount) = match budget.amount {
            Amount::Usd(usd) => (Unit::Usd, usd.to_string()),
            Amount::Tokens(tokens) => (Unit::Tokens, tokens.to_string()),
        };
        form.add(&field(at, "amount"), amount);
        form.add(&field(at, "unit"), unit.as_str());
        form.add(&field(at, "period"), budget.period.as_str());
        if budget.overrun == Overrun::Allow {
            form.add(&field(at, "overrun"), "allow");
        }
    }
}

/// The rows of a form: those that are filled in, and, where there may be one more, one behind them.
pub(crate) fn rows(form: &Form) -> Vec<Row> {
    let behind = places(form).last().map_or(0, |last| last.saturating_add(2));
    let count = behind.clamp(PERIODS.len(), ROWS_MAX);
    let period = |at: usize| match form.value(&field(at, "period")) {
        "" => PERIODS.get(at).unwrap_or(&PERIODS[0]),
        chosen => chosen,
    };
    (0..count).map(|at| Row { at, period: period(at).to_owned() }).collect()
}

/// Whether more is to be seen than the first row.
pub(crate) fn are_more(form: &Form) -> bool {
    !form.error("budgets").is_empty() || places(form).iter().any(|at| *at > 0)
}

/// Which rows the API gets, in this order: those with an amount.
fn places(form: &Form) -> Vec<usize> {
    (0..ROWS_MAX).filter(|at| !amount(form, *at).is_empty()).collect()
}

/// What the form says to the API.
pub(crate) fn said(form: &Form) -> Value {
    places(form).into_iter().map(|at| one(form, at)).collect()
}

fn one(form: &Form, at: usize) -> Value {
    let unit = unit(form, at);
    let mut budget = Map::new();
    budget.insert(unit.as_str().to_owned(), unit.said(amount(form, at)));
    budget.insert("period".to_owned(), form.value(&field(at, "period")).into());
    if form.has(&field(at, "overrun"), "allow") {
        budget.insert("overrun".to_owned(), "allow".into());
    }
    budget.into()
}

/// The form with faults of budgets told of their rows: the API names them by their places among those that it got.
pub(crate) fn renamed(form: Form) -> Form {
    let places = places(&form);
    form.renamed(|name| {
        let (index, _) = name.strip_prefix("budgets[")?.split_once(']')?;
        Some(field(*places.get(index.parse::<usize>().ok()?)?, "amount"))
    })
}

/// Amounts that are none.
pub(crate) fn unread(form: &Form) -> Vec<FieldError> {
    let is_read = |at: &usize| unit(form, *at).reads(amount(form, *at));
    let unread = places(form).into_iter().filter(|at| !is_read(at));
    unread.map(|at| FieldError::new(&field(at, "amount"), "wrong-amount")).collect()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::refusal::{Refusal, Why};

    const TYPED: &str = "budgets[0].amount=&budgets[0].unit=usd&budgets[0].period=day&\
        budgets[1].amount=$1,200.50&budgets[1].unit=usd&budgets[1].period=month&\
        budgets[3].amount=lots&budgets[3].unit=tokens&budgets[3].period=week&budgets[3].overrun=allow";

    fn form(typed: &str) -> Form {
        Form::read(typed.as_bytes()).unwrap()
    }

    #[test]
    fn rows_with_an_amount_are_budgets() {
        let expected = json!([
            {"usd": "1200.50", "period": "month"},
            {"tokens": "lots", "period": "week", "overrun": "allow"},
        ]);
        assert_eq!(said(&form(TYPED)), expected);
        assert_eq!(said(&form("budgets[0].period=day")), json!([]));
    }

    #[test]
    fn what_is_wrong_stands_in_its_row() {
        let fields: Vec<_> = unread(&form(TYPED)).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["budgets[3].amount"]);
        let names = ["budgets[0].usd", "budgets[1]", "budgets[2]", "budgets"];
        let error =
            |name: &&str| FieldError { field: (*name).to_owned(), detail: (*name).to_owned() };
        let why = Why { errors: names.iter().map(error).collect(), ..Why::default() };
        let form = form(TYPED).refused(Refusal::new(StatusCode::BAD_REQUEST, why)).unwrap();
        let form = renamed(form);
        assert_eq!(form.error("budgets[1].amount"), "budgets[0].usd");
        assert_eq!(form.error("budgets[3].amount"), "budgets[1]");
        assert_eq!(form.own_error("budgets"), "budgets");
    }

    #[test]
    fn there_is_a_row_for_one_more_and_each_has_a_period() {
        let periods = |typed: &str| -> Vec<String> {
            rows(&form(typed)).into_iter().map(|row| row.period).collect()
        };
        assert_eq!(periods(""), ["month", "day", "total"]);
        assert_eq!(periods(TYPED), ["day", "month", "total", "week", "month"]);
        assert_eq!(periods(&format!("budgets[{}].amount=5", ROWS_MAX - 1)).len(), ROWS_MAX);
        assert!(!are_more(&form("budgets[0].amount=5")) && are_more(&form(TYPED)));
    }

    #[test]
    fn what_there_is_comes_back_as_it_was() {
        let there = json!([
            {"usd": "12.50", "period": "day", "overrun": "allow"},
            {"tokens": 7, "period": "total"},
        ]);
        let mut form = Form::default();
        fill(&mut form, &serde_json::from_value::<Vec<Budget>>(there.clone()).unwrap());
        assert_eq!(said(&form), there);
    }
}
