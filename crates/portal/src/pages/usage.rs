//! `/usage`: what calls used, over time and by what they were made with.

mod breakdown;
mod export;

use askama::Template;
use axum::response::Response;

use breakdown::{By, Found, Line};

use crate::answer::{again, ok};
use crate::api::List;
use crate::chart::Chart;
use crate::form::Form;
use crate::frame::Frame;
use crate::query::{Query, with_query};
use crate::refusal::Refusal;
use crate::usage::{CHOICES, FILTERS, Failure, Period, Usage};
use crate::visitor::Visitor;

pub(crate) use export::export;

/// What a link to this page keeps.
const KEPT: [&str; 10] =
    ["last", "from", "to", "by", "key", "user", "service_account", "project", "model", "provider"];

#[derive(Debug, Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    query: Query,
    form: Form,
    by: By,
    /// What the report is narrowed to.
    narrowed: Vec<Narrowed>,
    charts: Vec<Chart>,
    /// In which ways calls failed.
    failures: Vec<Failure>,
    /// What was used by each, dearest first.
    lines: Vec<Line>,
    has_more: bool,
}

/// Something that a report is of.
#[derive(Debug)]
struct Narrowed {
    /// The name of its kind's text.
    text: String,
    name: String,
    /// The same report without it.
    without: String,
}

impl UsagePage {
    /// A page that shows nothing but its form.
    fn empty(visitor: &Visitor, query: Query, form: Form) -> Self {
        Self {
            frame: visitor.frame("/usage"),
            by: By::read(&query, visitor.me.is_admin()),
            query,
            form,
            narrowed: Vec::new(),
            charts: Vec::new(),
            failures: Vec::new(),
            lines: Vec::new(),
            has_more: false,
        }
    }

    /// The choice of period that is made.
    fn last(&self) -> &str {
        let wanted = self.query.text("last");
        CHOICES.into_iter().find(|choice| *choice == wanted).unwrap_or("30d")
    }

    fn choice(&self, choice: &str) -> String {
        self.frame.t(&format!("usage-last-{choice}"))
    }

    /// Ways to the same report by something else.
    fn tabs(&self) -> impl Iterator<Item = (By, String)> {
        let others: Vec<_> = KEPT.into_iter().filter(|name| *name != "by").collect();
        By::of(self.frame.is_admin())
            .map(move |by| (by, self.query.path("/usage", &others, &[("by", by.as_str())])))
    }

    /// The same as a file.
    fn file(&self, format: &str) -> String {
        let others: Vec<_> = KEPT.into_iter().filter(|name| *name != "by").collect();
        let own = [("by", self.by.as_str()), ("format", format)];
        self.query.path("/usage/export", &others, &own)
    }
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let period = match Period::read(&query, visitor.now) {
        Ok(period) => period,
        Err(wrong) => {
            let typed = ["from", "to"].map(|name| (name, query.text(name).to_owned()));
            let form = Form::filled(typed).wrong(wrong);
            return Ok(again(&UsagePage::empty(&visitor, query, form)));
        }
    };
    let (from, to) = period.as_days();
    let form = Form::filled([("from", from), ("to", to)]);
    let filters: Vec<_> =
        FILTERS.into_iter().filter_map(|name| Some((name, query.get(name)?))).collect();
    let usage = match Usage::ask(&visitor.api, period, &filters).await {
        Ok(usage) => usage,
        Err(refusal) => {
            let form = form.refused(refusal)?;
            return Ok(again(&UsagePage::empty(&visitor, query, form)));
        }
    };
    let by = By::read(&query, visitor.me.is_admin());
    let Found { data, has_more } = by.ask(&visitor, period, &filters).await?;
    let narrowed = narrowed(&visitor, period, &query, &filters).await?;
    let failures = Failure::ask(&visitor.api, period, &filters, usage.total.errors).await?;
    let page = UsagePage {
        narrowed,
        failures,
        charts: if usage.total.requests == 0 { Vec::new() } else { usage.charts() },
        lines: data.into_iter().map(|row| Line::new(by, row, &usage.total, &query)).collect(),
        has_more,
        ..UsagePage::empty(&visitor, query.clone(), form)
    };
    Ok(ok(&page))
}

/// What each filter means, by its name where that is known: one row of the report has them all.
async fn narrowed(
    visitor: &Visitor,
    period: Period,
    query: &Query,
    filters: &[(&str, &str)],
) -> Result<Vec<Narrowed>, Refusal> {
    if filters.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<_> = filters.iter().map(|(name, _)| *name).collect();
    let (from, to) = (period.from.to_string(), period.to.to_string());
    let columns = columns.join(",");
    let own =
        [("group_by", &*columns), ("names", "true"), ("limit", "1"), ("from", &from), ("to", &to)];
    let path = with_query("/v1/usage", own.into_iter().chain(filters.iter().copied()));
    let found: List<serde_json::Map<String, serde_json::Value>> = visitor.api.get(&path).await?;
    let name = |filter: &str, value: &str| {
        let told = found.data.first()?.get(&format!("{filter}_name"))?.as_str()?;
        (!value.is_empty()).then(|| told.to_owned())
    };
    let narrowed = filters.iter().map(|(filter, value)| {
        let others: Vec<_> = KEPT.into_iter().filter(|name| name != filter).collect();
        Narrowed {
            text: format!("usage-by-{}", filter.replace('_', "-")),
            name: name(filter, value).unwrap_or_else(|| (*value).to_owned()),
            without: query.path("/usage", &others, &[]),
        }
    });
    Ok(narrowed.collect())
}
