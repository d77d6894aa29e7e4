//! Figures of the data plane, in the Prometheus text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use doorward_domain::call::{Outcome, Settlement};
use http::StatusCode;

/// Upper bounds of the duration histogram, in microseconds.
const BUCKETS_US: [u64; 10] = [
    5_000,
    25_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    30_000_000,
    120_000_000,
];

/// Counters since the start. No label ever holds a key's secret, an address or text of a client.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    refused: [AtomicU64; 5],
    outcomes: [AtomicU64; Outcome::ALL.len()],
    in_flight: AtomicI64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_nanousd: AtomicU64,
    durations: [AtomicU64; BUCKETS_US.len() + 1],
    duration_sum_us: AtomicU64,
    upstream_failures: AtomicU64,
}

/// Statuses that refusals are counted by; all others count as the last.
const REFUSALS: [(&str, u16); 4] = [("400", 400), ("401", 401), ("429", 429), ("503", 503)];

impl Metrics {
    pub(crate) fn count_refusal(&self, status: StatusCode) {
        let known = REFUSALS.iter().position(|(_, code)| *code == status.as_u16());
        add(&self.refused, known.unwrap_or(REFUSALS.len()));
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
    pub(crate) fn count_attempt(&self, settlement: &Settlement) {
        self.input_tokens.fetch_add(settlement.usage.input_tokens, Relaxed);
        self.output_tokens.fetch_add(settlement.usage.output_tokens, Relaxed);
        self.cost_nanousd.fetch_add(settlement.spend.cost.nanos(), Relaxed);
    }

    pub(crate) fn end(&self, settlement: &Settlement) {
        self.in_flight.fetch_sub(1, Relaxed);
        add(&self.outcomes, usize::from(settlement.outcome.code()));
        self.count_attempt(settlement);
        let bucket = BUCKETS_US.iter().position(|bound| settlement.duration_us <= *bound);
        add(&self.durations, bucket.unwrap_or(BUCKETS_US.len()));
        self.duration_sum_us.fetch_add(settlement.duration_us, Relaxed);
    }

    /// Calls that are not settled yet.
    pub(crate) fn in_flight(&self) -> u64 {
        u64::try_from(self.in_flight.load(Relaxed)).unwrap_or_default()
    }

    /// Writes everything. Writing to a `String` cannot fail.
    pub(crate) fn render(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# HELP doorward_calls_total Finished calls, by how they ended.")?;
        writeln!(out, "# TYPE doorward_calls_total counter")?;
        for (outcome, count) in Outcome::ALL.iter().zip(&self.outcomes) {
            let count = count.load(Relaxed);
            writeln!(out, "doorward_calls_total{{outcome=\"{}\"}} {count}", outcome.as_str())?;
        }
        writeln!(
            out,
            "# HELP doorward_refusals_total Requests refused before they left, by status."
        )?;
        writeln!(out, "# TYPE doorward_refusals_total counter")?;
        let names = REFUSALS.iter().map(|(name, _)| *name).chain(["other"]);
        for (name, count) in names.zip(&self.refused) {
            writeln!(out, "doorward_refusals_total{{status=\"{name}\"}} {}", count.load(Relaxed))?;
        }
        writeln!(out, "# HELP doorward_calls_in_flight Calls that are not settled yet.")?;
        writeln!(out, "# TYPE doorward_calls_in_flight gauge")?;
        writeln!(out, "doorward_calls_in_flight {}", self.in_flight.load(Relaxed))?;
        writeln!(out, "# HELP doorward_tokens_total Tokens of finished calls.")?;
        writeln!(out, "# TYPE doorward_tokens_total counter")?;
        writeln!(
            out,
            "doorward_tokens_total{{kind=\"input\"}} {}",
            self.input_tokens.load(Relaxed)
        )?;
        writeln!(
            out,
            "doorward_tokens_total{{kind=\"output\"}} {}",
            self.output_tokens.load(Relaxed)
        )?;
        counter(
            out,
            "doorward_cost_nanousd_total",
            "Cost of finished calls, in nano-dollars.",
            &self.cost_nanousd,
        )?;
        counter(
            out,
            "doorward_upstream_failures_total",
            "Attempts that gave no answer to relay.",
            &self.upstream_failures,
        )?;
        self.render_durations(out)
    }

    fn render_durations(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "# HELP doorward_call_duration_seconds From the request to the end of the answer."
        )?;
        writeln!(out, "# TYPE doorward_call_duration_seconds histogram")?;
        let mut sum = 0;
        let bounds = BUCKETS_US.iter().map(|us| Some(*us)).chain([None]);
        for (bound, count) in bounds.zip(&self.durations) {
            sum += count.load(Relaxed);
            let bound = bound.map_or_else(|| "+Inf".to_owned(), seconds);
            writeln!(out, "doorward_call_duration_seconds_bucket{{le=\"{bound}\"}} {sum}")?;
        }
        let total = seconds(self.duration_sum_us.load(Relaxed));
        writeln!(out, "doorward_call_duration_seconds_sum {total}")?;
        writeln!(out, "doorward_call_duration_seconds_count {sum}")
    }
}

fn add(counters: &[AtomicU64], index: usize) {
    if let Some(counter) = counters.get(index) {
        counter.fetch_add(1, Relaxed);
    }
}

fn counter(out: &mut String, name: &str, help: &str, value: &AtomicU64) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", value.load(Relaxed))
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}
