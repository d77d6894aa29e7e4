//! How long things take, counted by ranges.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of times by upper bounds, in microseconds. One more count is for what is above all of them.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    bounds_us: &'static [u64; N],
    counts: [AtomicU64; N],
    above: AtomicU64,
    sum_us: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    /// Bounds in rising order.
    pub(super) fn new(bounds_us: &'static [u64; N]) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self { bounds_us, counts, above: AtomicU64::new(0), sum_us: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, us: u64) {
        let place = self.bounds_us.partition_point(|bound| *bound < us);
        self.counts.get(place).unwrap_or(&self.above).fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Writes one series; `labels` stand without their braces.
    pub(super) fn render(&self, out: &mut String, name: &str, labels: &str) -> std::fmt::Result {
        let mut count = 0;
        for (bound, at) in self.bounds_us.iter().zip(&self.counts) {
            count += at.load(Relaxed);
            writeln!(out, "{name}_bucket{{{labels},le=\"{}\"}} {count}", Seconds(*bound))?;
        }
        count += self.above.load(Relaxed);
        writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
        let sum = Seconds(self.sum_us.load(Relaxed));
        writeln!(out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}")
    }
}

/// Microseconds, printed as seconds: `0.25`, `10.0`, as client libraries write bounds.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let short = text.trim_end_matches('0');
        f.write_str(short)?;
        if short.ends_with('.') { f.write_char('0') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_up_to_its_bound_and_in_all_above() {
        let histogram = Histogram::new(&[1_000, 250_000, 10_000_000]);
        for us in [0, 1_000, 1_001, 250_000, 10_000_001] {
            histogram.observe(us);
        }
        let mut out = String::new();
        histogram.render(&mut out, "x", "a=\"b\"").unwrap();
        let expected = "x_bucket{a=\"b\",le=\"0.001\"} 2\n\
            x_bucket{a=\"b\",le=\"0.25\"} 4\n\
            x_bucket{a=\"b\",le=\"10.0\"} 4\n\
            x_bucket{a=\"b\",le=\"+Inf\"} 5\n\
            x_sum{a=\"b\"} 10.252002\n\
            x_count{a=\"b\"} 5\n";
        assert_eq!(out, expected);
    }
}
