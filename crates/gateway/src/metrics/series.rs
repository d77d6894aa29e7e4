//! The figures of one model at one provider.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::usage::Usage;

use super::histogram::Histogram;

/// Bounds as the semantic conventions for generative AI advise, in microseconds.
const DURATIONS_US: [u64; 14] = [
    10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000,
    10_240_000, 20_480_000, 40_960_000, 81_920_000,
];
const FIRST_BYTES_US: [u64; 16] = [
    1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000, 750_000,
    1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000,
];
const PER_TOKEN_US: [u64; 13] = [
    10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000, 750_000,
    1_000_000, 2_500_000,
];

/// What calls are counted by beside their outcome.
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Figures that every series tells, also where they are zero.
const ALWAYS: [&str; 5] = [
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
];

/// Counters since the start.
#[derive(Debug)]
pub(crate) struct Series {
    labels: String,
    calls: [[AtomicU64; STATUSES.len()]; Outcome::ALL.len()],
    /// By the figures of [`Usage`].
    figures: [AtomicU64; Usage::COUNT],
    cost_nanousd: AtomicU64,
    durations: Histogram<14>,
    first_bytes: Histogram<16>,
    per_token: Histogram<13>,
}

/// Something that each series has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Family {
    Calls,
    Tokens,
    Units,
    Cost,
    Duration,
    FirstByte,
    PerToken,
}

impl Family {
    pub(super) const ALL: [Self; 7] = [
        Self::Calls,
        Self::Tokens,
        Self::Units,
        Self::Cost,
        Self::Duration,
        Self::FirstByte,
        Self::PerToken,
    ];

    /// Its name, kind and meaning.
    #[rustfmt::skip]
    pub(super) const fn said(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Calls =>     ("doorward_calls_total", "counter", "Finished calls, by how they ended."),
            Self::Tokens =>    ("doorward_tokens_total", "counter", "Tokens of finished calls; input and output hold what is told of them beside."),
            Self::Units =>     ("doorward_units_total", "counter", "What finished calls used that is no tokens: searches, characters, milliseconds of audio, pictures, ranking units."),
            Self::Cost =>      ("doorward_cost_usd_total", "counter", "Cost of finished calls, in US dollars."),
            Self::Duration =>  ("gen_ai_server_request_duration_seconds", "histogram", "From the request to the end of the answer."),
            Self::FirstByte => ("doorward_time_to_first_byte_seconds", "histogram", "From the request to the beginning of the answer."),
            Self::PerToken =>  ("gen_ai_server_time_per_output_token_seconds", "histogram", "Of streams that came to their end: for each token after the first."),
        }
    }
}

impl Series {
    pub(super) fn new(model: &str, provider: &str) -> Self {
        let (model, provider) = (escaped(model), escaped(provider));
        Self {
            labels: format!("gen_ai_request_model=\"{model}\",gen_ai_provider_name=\"{provider}\""),
            calls: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            figures: std::array::from_fn(|_| AtomicU64::new(0)),
            cost_nanousd: AtomicU64::new(0),
            durations: Histogram::new(&DURATIONS_US),
            first_bytes: Histogram::new(&FIRST_BYTES_US),
            per_token: Histogram::new(&PER_TOKEN_US),
        }
    }

    /// Counts a call that is over.
    pub(super) fn count(&self, settlement: &Settlement, is_stream: bool) {
        let status = usize::from(settlement.status / 100).min(STATUSES.len() - 1);
        let calls = self.calls.get(usize::from(settlement.outcome.code()));
        add(calls.and_then(|calls| calls.get(status)), 1);
        self.count_spend(settlement);
        self.durations.observe(settlement.duration_us);
        if settlement.first_byte_us > 0 {
            self.first_bytes.observe(settlement.first_byte_us);
        }
        if let Some(us) = per_output_token_us(settlement).filter(|_| is_stream) {
            self.per_token.observe(us);
        }
    }

    /// What an attempt used, whether the call ends with it or not.
    pub(super) fn count_spend(&self, settlement: &Settlement) {
        for (counter, figure) in self.figures.iter().zip(settlement.usage.figures()) {
            add(Some(counter), figure);
        }
        add(Some(&self.cost_nanousd), settlement.spend.cost.nanos());
    }

    pub(super) fn render(&self, family: Family, out: &mut String) -> std::fmt::Result {
        let ((name, _, _), labels) = (family.said(), &self.labels);
        match family {
            Family::Calls => self.render_calls(name, out),
            Family::Tokens => self.render_figures((name, "gen_ai_token_type"), true, out),
            Family::Units => self.render_figures((name, "unit"), false, out),
            Family::Cost => {
                let nanos = self.cost_nanousd.load(Relaxed);
                let (usd, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                writeln!(out, "{name}{{{labels}}} {usd}.{rest:09}")
            }
            Family::Duration => self.durations.render(out, name, labels),
            Family::FirstByte => self.first_bytes.render(out, name, labels),
            Family::PerToken => self.per_token.render(out, name, labels),
        }
    }

    /// Those that are tokens, or that are not, as far as there were any.
    fn render_figures(
        &self,
        (name, label): (&str, &str),
        are_tokens: bool,
        out: &mut String,
    ) -> std::fmt::Result {
        let labels = &self.labels;
        for (figure, count) in Usage::NAMES.into_iter().zip(&self.figures) {
            let kind = figure.strip_suffix("_tokens");
            let count = count.load(Relaxed);
            if kind.is_some() == are_tokens && (count > 0 || ALWAYS.contains(&figure)) {
                let kind = kind.unwrap_or(figure);
                writeln!(out, "{name}{{{labels},{label}=\"{kind}\"}} {count}")?;
            }
        }
        Ok(())
    }

    /// Those that there were: most combinations never are.
    fn render_calls(&self, name: &str, out: &mut String) -> std::fmt::Result {
        let labels = &self.labels;
        for (outcome, calls) in Outcome::ALL.iter().zip(&self.calls) {
            let outcome = outcome.as_str();
            for (status, count) in STATUSES.iter().zip(calls) {
                let count = count.load(Relaxed);
                if count > 0 {
                    writeln!(
                        out,
                        "{name}{{{labels},outcome=\"{outcome}\",status=\"{status}\"}} {count}"
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Zero is the most frequent figure of all.
fn add(counter: Option<&AtomicU64>, count: u64) {
    if let Some(counter) = counter.filter(|_| count > 0) {
        counter.fetch_add(count, Relaxed);
    }
}

/// How long each token after the first took. `None`: nothing of that is known.
fn per_output_token_us(settlement: &Settlement) -> Option<u64> {
    let tokens = settlement.usage.output_tokens.checked_sub(1).filter(|tokens| *tokens > 0)?;
    let is_whole = settlement.outcome == Outcome::Done && settlement.first_byte_us > 0;
    is_whole.then(|| settlement.duration_us.saturating_sub(settlement.first_byte_us) / tokens)
}

/// A text as the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use doorward_domain::budget::Spend;
    use doorward_domain::id::CallId;
    use doorward_domain::money::NanoUsd;

    use super::*;

    fn settlement() -> Settlement {
        let usage = Usage {
            input_tokens: 100,
            cached_input_tokens: 40,
            cache_write_tokens: 0,
            output_tokens: 11,
            reasoning_tokens: 3,
            ..Usage::default()
        };
        Settlement {
            call: CallId::new(1, 1),
            outcome: Outcome::Done,
            status: 200,
            usage,
            spend: Spend { cost: NanoUsd::from_nanos(1_250_000_000), tokens: 111 },
            is_estimated: false,
            duration_us: 1_200_000,
            first_byte_us: 200_000,
        }
    }

    fn rendered(series: &Series) -> String {
        let mut out = String::new();
        for family in Family::ALL {
            series.render(family, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_call_is_counted_in_every_figure_once() {
        let series = Series::new("gpt-4o", "openai");
        series.count(&settlement(), true);
        let text = rendered(&series);
        let of = "gen_ai_request_model=\"gpt-4o\",gen_ai_provider_name=\"openai\"";
        for line in [
            format!("doorward_calls_total{{{of},outcome=\"done\",status=\"2xx\"}} 1"),
            format!("doorward_tokens_total{{{of},gen_ai_token_type=\"input\"}} 100"),
            format!("doorward_tokens_total{{{of},gen_ai_token_type=\"cached_input\"}} 40"),
            format!("doorward_tokens_total{{{of},gen_ai_token_type=\"cache_write\"}} 0"),
            format!("doorward_tokens_total{{{of},gen_ai_token_type=\"output\"}} 11"),
            format!("doorward_tokens_total{{{of},gen_ai_token_type=\"reasoning\"}} 3"),
            format!("doorward_cost_usd_total{{{of}}} 1.250000000"),
            format!("gen_ai_server_request_duration_seconds_bucket{{{of},le=\"0.64\"}} 0"),
            format!("gen_ai_server_request_duration_seconds_bucket{{{of},le=\"1.28\"}} 1"),
            format!("gen_ai_server_request_duration_seconds_sum{{{of}}} 1.2"),
            format!("doorward_time_to_first_byte_seconds_sum{{{of}}} 0.2"),
            format!("gen_ai_server_time_per_output_token_seconds_sum{{{of}}} 0.1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(text.matches("doorward_calls_total").count(), 1, "what never was is not told");
    }

    #[test]
    fn only_whole_streams_tell_how_long_a_token_takes() {
        let done = settlement();
        assert_eq!(per_output_token_us(&done), Some(100_000));
        let one = Usage { output_tokens: 1, ..done.usage };
        #[rustfmt::skip]
        let cases = [
            Settlement { outcome: Outcome::Interrupted, ..done },
            Settlement { outcome: Outcome::Disconnected, ..done },
            Settlement { first_byte_us: 0, ..done },
            Settlement { usage: one, ..done },
            Settlement { usage: Usage::default(), ..done },
        ];
        for case in cases {
            assert_eq!(per_output_token_us(&case), None, "{case:?}");
        }
        let series = Series::new("m", "p");
        series.count(&done, false);
        let count = "gen_ai_server_time_per_output_token_seconds_count{gen_ai_request_model=\"m\",gen_ai_provider_name=\"p\"} 0";
        assert!(rendered(&series).contains(count), "an answer in one piece");
    }

    #[test]
    fn no_status_is_out_of_range() {
        let series = Series::new("m", "p");
        for (status, shown) in [(0, "none"), (101, "1xx"), (429, "4xx"), (529, "5xx"), (999, "5xx")]
        {
            series.count(&Settlement { status, ..settlement() }, true);
            assert!(rendered(&series).contains(&format!("status=\"{shown}\"")), "{status}");
        }
    }

    #[test]
    fn a_name_stays_within_its_label() {
        let series = Series::new("a\"} 1\nb", "c\\");
        assert_eq!(
            series.labels,
            "gen_ai_request_model=\"a\\\"} 1\\nb\",gen_ai_provider_name=\"c\\\\\""
        );
    }
}
