//! How soon something answers, as a number that is quick to rise and slow to fall (peak EWMA, as finagle and
//! linkerd have it). Pure: it is told the time.

/// After this time without an answer, two thirds of what was known are forgotten.
const DECAY_US: f64 = 10_000_000.0;

/// The time until answers begin, weighted by their age.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latency {
    us: f64,
    at_us: u64,
}

impl Latency {
    /// Takes down that an answer began after so long. A slower one than before counts at once and whole.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate; times are far below 2^52 microseconds"
    )]
    pub(super) fn note(&mut self, now_us: u64, took_us: u64) {
        let took = took_us as f64;
        let kept = (-(now_us.saturating_sub(self.at_us) as f64) / DECAY_US).exp();
        self.us = if took > self.us { took } else { self.us * kept + took * (1.0 - kept) };
        self.at_us = now_us;
    }

    /// What one more call would have to wait, beside `in_flight` others. What was never called costs
    /// nothing: it is tried.
    pub(super) fn cost(&self, now_us: u64, in_flight: u32) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let age = now_us.saturating_sub(self.at_us) as f64;
        self.us * (-age / DECAY_US).exp() * (f64::from(in_flight) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    proptest! {
        /// It is never below nothing, and never above the slowest answer so far.
        #[test]
        fn it_stays_between_nothing_and_the_slowest(
            notes in prop::collection::vec((0_u32..60_000_000, 0_u32..60_000_000), 1..100),
        ) {
            let (mut latency, mut now_us, mut slowest) = (Latency::default(), 0, 0);
            for (gap_us, took_us) in notes {
                now_us += u64::from(gap_us);
                slowest = took_us.max(slowest);
                latency.note(now_us, took_us.into());
                let cost = latency.cost(now_us, 0);
                prop_assert!(cost >= 0.0 && cost <= f64::from(slowest) + 1.0);
                prop_assert!(latency.cost(now_us, 1) >= cost);
                prop_assert!(latency.cost(now_us + SECOND, 0) <= cost);
            }
        }
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_slowly() {
        let mut latency = Latency::default();
        latency.note(0, 1_000);
        latency.note(SECOND, 500_000);
        assert!((latency.cost(SECOND, 0) - 500_000.0).abs() < 1.0);
        latency.note(SECOND + 1, 1_000);
        assert!(latency.cost(SECOND + 1, 0) > 499_000.0);
        assert!(latency.cost(61 * SECOND, 0) < 5_000.0);
    }
}
