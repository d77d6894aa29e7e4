//! Figures of the data plane, in the Prometheus text format. Names and labels are those of the
//! semantic conventions for generative AI where these have one.

mod histogram;
mod series;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use doorward_domain::call::Settlement;
use http::StatusCode;
use parking_lot::Mutex;

use series::Family;
pub(crate) use series::Series;

/// Models at providers that are told apart. A scrape stays below some megabytes; those that come later
/// are told together.
const SERIES_MAX: usize = 200;
/// What those are called.
const OTHER: &str = "other";

/// Counters since the start. No label ever holds a key's secret, an address or text of a client.
#[derive(Debug)]
pub(crate) struct Metrics {
    refused: [AtomicU64; 5],
    in_flight: AtomicI64,
    upstream_failures: AtomicU64,
    /// By model and provider. Asked when the catalog is loaded, not when a call is made.
    series: Mutex<HashMap<(String, String), Arc<Series>>>,
    other: Arc<Series>,
}

/// Statuses that refusals are counted by; all others count as the last.
const REFUSALS: [(&str, u16); 4] = [("400", 400), ("401", 401), ("429", 429), ("503", 503)];

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            refused: Default::default(),
            in_flight: AtomicI64::new(0),
            upstream_failures: AtomicU64::new(0),
            series: Mutex::default(),
            other: Arc::new(Series::new(OTHER, OTHER)),
        }
    }

    /// Where calls of this model at this provider are counted, from the first of them on.
    pub(crate) fn series(&self, model: &str, provider: &str) -> Arc<Series> {
        let mut all = self.series.lock();
        let place = (model.to_owned(), provider.to_owned());
        if let Some(series) = all.get(&place) {
            return Arc::clone(series);
        }
        if all.len() >= SERIES_MAX {
            return Arc::clone(&self.other);
        }
        let series = Arc::new(Series::new(model, provider));
        all.insert(place, Arc::clone(&series));
        series
    }

    pub(crate) fn count_refusal(&self, status: StatusCode) {
        let known = REFUSALS.iter().position(|(_, code)| *code == status.as_u16());
        if let Some(count) = self.refused.get(known.unwrap_or(REFUSALS.len())) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn count_upstream_failure(&self) {
        self.upstream_failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// A call did not leave.
    pub(crate) fn cancel(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// An attempt failed and another one follows: what it cost is spent, but the call is not over.
    pub(crate) fn count_attempt(series: &Series, settlement: &Settlement) {
        series.count_spend(settlement);
    }

    /// A call is over.
    pub(crate) fn end(&self, series: &Series, settlement: &Settlement, is_stream: bool) {
        self.in_flight.fetch_sub(1, Relaxed);
        series.count(settlement, is_stream);
    }

    /// Calls that are not settled yet.
    pub(crate) fn in_flight(&self) -> u64 {
        u64::try_from(self.in_flight.load(Relaxed)).unwrap_or_default()
    }

    /// Writes everything. Writing to a `String` cannot fail.
    pub(crate) fn render(&self, out: &mut String) -> std::fmt::Result {
        head(
            out,
            ("doorward_refusals_total", "counter", "Requests refused before they left, by status."),
        )?;
        let names = REFUSALS.iter().map(|(name, _)| *name).chain([OTHER]);
        for (name, count) in names.zip(&self.refused) {
            writeln!(out, "doorward_refusals_total{{status=\"{name}\"}} {}", count.load(Relaxed))?;
        }
        head(out, ("doorward_calls_in_flight", "gauge", "Calls that are not settled yet."))?;
        writeln!(out, "doorward_calls_in_flight {}", self.in_flight())?;
        let failures = "doorward_upstream_failures_total";
        head(out, (failures, "counter", "Attempts that gave no answer to relay."))?;
        writeln!(out, "{failures} {}", self.upstream_failures.load(Relaxed))?;
        let all = self.in_order();
        for family in Family::ALL {
            head(out, family.said())?;
            all.iter().try_for_each(|series| series.render(family, out))?;
        }
        Ok(())
    }

    fn in_order(&self) -> Vec<Arc<Series>> {
        let all = self.series.lock();
        let mut named: Vec<_> = all.iter().collect();
        named.sort_by_key(|(place, _)| *place);
        let other = (all.len() >= SERIES_MAX).then_some(&self.other);
        named.into_iter().map(|(_, series)| series).chain(other).cloned().collect()
    }
}

fn head(out: &mut String, (name, kind, help): (&str, &str, &str)) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_told_together() {
        let metrics = Metrics::new();
        let first = metrics.series("m0", "p");
        for n in 1..SERIES_MAX {
            metrics.series(&format!("m{n}"), "p");
        }
        let mut out = String::new();
        metrics.render(&mut out).unwrap();
        for n in 0..3 {
            assert!(Arc::ptr_eq(&metrics.series(&format!("more {n}"), "p"), &metrics.other));
        }
        assert!(Arc::ptr_eq(&metrics.series("m0", "p"), &first), "who is known stays so");
        assert_eq!(metrics.in_order().len(), SERIES_MAX + 1);
    }

    #[test]
    fn every_figure_is_named_once_with_its_kind() {
        let metrics = Metrics::new();
        metrics.series("a", "p");
        metrics.series("b", "p");
        let mut out = String::new();
        metrics.render(&mut out).unwrap();
        let mut names: Vec<&str> = out.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let all = names.len();
        names.dedup();
        assert_eq!((names.len(), all), (10, 10), "{out}");
    }
}
