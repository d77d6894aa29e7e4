//! What keys used over time, asked of the API and made into pictures: of everything that a visitor may see, or
//! of one key, project and so on.

mod failures;
mod period;
mod sums;

use doorward_domain::money::NanoUsd;
use jiff::Timestamp;
use serde::Deserialize;

use crate::api::{Api, List};
use crate::chart::{Bar, Chart, Plan, Unit};
use crate::query::with_query;
use crate::refusal::Refusal;
use crate::text::{text, text_of};

pub(crate) use failures::Failure;
pub(crate) use period::{CHOICES, Period};
pub(crate) use sums::Sums;

/// What a report can be of: parameters of the API and of pages alike.
pub(crate) const FILTERS: [&str; 6] =
    ["key", "user", "service_account", "project", "model", "provider"];

/// One row of a report, as the API tells it.
#[derive(Debug, Deserialize)]
struct TimeRow {
    day: Option<String>,
    hour: Option<Timestamp>,
    #[serde(flatten)]
    sums: Sums,
}

/// What was used in each part of a period.
#[derive(Debug)]
pub(crate) struct Usage {
    bars: Vec<(Timestamp, Sums)>,
    pub(crate) total: Sums,
    period: Period,
}

impl Usage {
    /// Asks what calls used that these filters mean; what is empty among them is no filter.
    pub(crate) async fn ask(
        api: &Api,
        period: Period,
        filters: &[(&str, &str)],
    ) -> Result<Self, Refusal> {
        let (from, to) = (period.from.to_string(), period.to.to_string());
        let own = [("group_by", period.group_by()), ("from", &from), ("to", &to)];
        let path = with_query("/v1/usage", own.into_iter().chain(filters.iter().copied()));
        let rows: List<TimeRow> = api.get(&path).await?;
        Ok(Self::of(period, rows.data))
    }

    fn of(period: Period, rows: Vec<TimeRow>) -> Self {
        let mut bars: Vec<_> = period.starts().map(|at| (at, Sums::default())).collect();
        let mut total = Sums::default();
        for row in rows {
            total = total.plus(row.sums);
            let slot = row.at().and_then(|at| period.slot(at));
            if let Some((_, sums)) = slot.and_then(|slot| bars.get_mut(slot)) {
                *sums = sums.plus(row.sums);
            }
        }
        Self { bars, total, period }
    }

    /// Requests, tokens, cost and how long answers took.
    pub(crate) fn charts(&self) -> Vec<Chart> {
        vec![self.requests(), self.cost(), self.tokens(), self.latency()]
    }

    /// Requests, those that failed apart.
    pub(crate) fn requests(&self) -> Chart {
        let total = self.total;
        let failed = Unit::Count.exact(total.errors);
        let about = match total.errors_percent() {
            None => String::new(),
            Some(percent) => text_of("usage-failed", [("count", &failed), ("percent", &percent)]),
        };
        self.chart(
            ("usage-requests", Unit::Count),
            about,
            &["usage-done", "usage-errors"],
            |sums| [sums.requests.saturating_sub(sums.errors), sums.errors],
        )
    }

    /// Tokens, in and out.
    pub(crate) fn tokens(&self) -> Chart {
        let [read, written] =
            [self.total.input_tokens, self.total.output_tokens].map(|n| Unit::Count.exact(n));
        let about = text_of("usage-in-out", [("in", &read), ("out", &written)]);
        self.chart(("usage-tokens", Unit::Count), about, &["usage-in", "usage-out"], |sums| {
            [sums.input_tokens, sums.output_tokens]
        })
    }

    /// What it cost.
    pub(crate) fn cost(&self) -> Chart {
        let about = self.total.cost_per_request().map_or_else(String::new, |cost| {
            text_of("usage-per-request", [("cost", &Unit::Money.exact(cost.nanos()))])
        });
        self.chart(("usage-cost", Unit::Money), about, &["usage-cost"], |sums| {
            [sums.cost_usd.nanos(), 0]
        })
    }

    /// How long an answer took, on average, and how much of that until it began.
    pub(crate) fn latency(&self) -> Chart {
        let about = match self.total.first_byte_us() {
            None => String::new(),
            Some(us) => text_of("usage-until-first", [("time", &Unit::Time.exact(us))]),
        };
        let parts = ["usage-first-byte", "usage-rest"];
        let mut chart = self.chart(("usage-latency", Unit::Time), about, &parts, |sums| {
            let first = sums.first_byte_us().unwrap_or_default();
            [first, sums.duration_us().unwrap_or_default().saturating_sub(first)]
        });
        chart.sum =
            self.total.duration_us().map_or_else(|| "–".to_owned(), |us| Unit::Time.exact(us));
        chart
    }

    fn chart(
        &self,
        (title, unit): (&str, Unit),
        about: String,
        parts: &[&str],
        values: impl Fn(&Sums) -> [u64; 2],
    ) -> Chart {
        let bar = |(at, sums): &(Timestamp, Sums)| Bar {
            time: self.period.time(*at),
            mark: self.period.mark(*at),
            values: values(sums),
        };
        let sum = values(&self.total);
        Chart::new(Plan {
            title: text(title),
            sum: unit.exact(sum.iter().take(parts.len()).sum()),
            about,
            parts: parts.iter().map(|part| text(part)).collect(),
            bars: self.bars.iter().map(bar).collect(),
            unit,
        })
    }
}

impl TimeRow {
    fn at(&self) -> Option<Timestamp> {
        let day = || period::first_moment(self.day.as_deref()?.parse().ok()?);
        self.hour.or_else(day)
    }
}

/// What money is, without a word for nothing.
pub(crate) fn money(amount: NanoUsd) -> String {
    Unit::Money.exact(amount.nanos())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::query::Query;

    fn usage(rows: serde_json::Value) -> Usage {
        let now = "2026-11-22T10:30:00Z".parse().unwrap();
        let period = Period::read(&Query::default(), now).unwrap();
        Usage::of(period, serde_json::from_value(rows).unwrap())
    }

    fn row(day: &str, requests: u64, errors: u64) -> serde_json::Value {
        json!({
            "day": day, "requests": requests, "errors": errors, "attempts": requests,
            "input_tokens": 10 * requests, "output_tokens": requests, "cost_usd": "0.50",
            "duration_us": 300_000 * (requests - errors), "first_byte_us": 100_000 * (requests - errors),
        })
    }

    #[test]
    fn every_row_stands_on_its_day_and_in_the_sum() {
        let usage = usage(json!([row("2026-11-22", 4, 1), row("2026-10-24", 6, 0)]));
        let charts = usage.charts();
        let sums: Vec<_> = charts.iter().map(|chart| chart.sum.as_str()).collect();
        assert_eq!(sums, ["10", "$1.00", "110", "300 ms"]);
        let about: Vec<_> = charts.iter().map(|chart| chart.about.as_str()).collect();
        assert_eq!(
            about,
            ["1 failed, 10%", "$0.10 each", "100 in, 10 out", "first word after 100 ms"]
        );
        let [first, .., last] = charts[0].rows.as_slice() else { panic!() };
        assert_eq!((first.time.as_str(), first.values[0].as_str()), ("24 Oct 2026", "6"));
        assert_eq!(
            (last.time.as_str(), &last.values),
            ("22 Nov 2026", &vec!["3".into(), "1".into()])
        );
        assert_eq!(charts[3].rows[29].values, ["100 ms", "200 ms"]);
        assert_eq!(charts[0].rows.len(), 30);
    }

    #[test]
    fn of_nothing_there_is_a_picture_too() {
        let charts = usage(json!([])).charts();
        let sums: Vec<_> = charts.iter().map(|chart| chart.sum.as_str()).collect();
        assert_eq!(sums, ["0", "$0.00", "0", "–"]);
        assert!(charts.iter().all(|chart| chart.drawing.contains("<svg")));
    }
}
