//! How long to wait before all are asked again.

use std::time::Duration;

/// The first pause is at most this long, each following one twice that,
const FIRST_MAX: Duration = Duration::from_millis(100);
/// up to this.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often a call is made where its providers did nothing, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often all deployments are asked again after they were asked once.
    pub rounds_max: u32,
    /// No round begins later than this after the call came.
    pub within: Duration,
}

impl Retries {
    /// How long to wait before round `round` (from 1). Anything up to a height that doubles ("full
    /// jitter"), so that those who failed together do not come back together; and never less than until
    /// somebody lets calls through, `ready_in`. `None`: the client should rather be told now.
    pub(super) fn pause(
        &self,
        round: u32,
        (elapsed, ready_in): (Duration, Duration),
        random: u64,
    ) -> Option<Duration> {
        if round > self.rounds_max {
            return None;
        }
        let height = FIRST_MAX.saturating_mul(1 << (round - 1).min(16)).min(PAUSE_MAX);
        let jitter = Duration::from_micros(random % (us(height) + 1));
        let pause = jitter.max(ready_in);
        elapsed.checked_add(pause).filter(|begin| *begin <= self.within).map(|_| pause)
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZERO: Duration = Duration::ZERO;

    proptest! {
        /// Nobody waits beyond the time, longer than a pause may be, or shorter than a provider asked for.
        #[test]
        fn a_pause_keeps_its_bounds(
            round in 1_u32..40,
            rounds_max in 0_u32..40,
            within_ms in 0_u64..600_000,
            elapsed_ms in 0_u64..600_000,
            ready_ms in 0_u64..600_000,
            random: u64,
        ) {
            let ms = Duration::from_millis;
            let retries = Retries { rounds_max, within: ms(within_ms) };
            let (elapsed, ready_in) = (ms(elapsed_ms), ms(ready_ms));
            match retries.pause(round, (elapsed, ready_in), random) {
                Some(pause) => {
                    prop_assert!(round <= rounds_max && elapsed + pause <= retries.within);
                    prop_assert!(pause >= ready_in && pause <= ready_in.max(PAUSE_MAX));
                }
                None => prop_assert!(
                    round > rounds_max || elapsed + ready_in.max(PAUSE_MAX) > retries.within
                ),
            }
        }
    }

    #[test]
    fn the_height_of_a_pause_doubles_up_to_its_bound() {
        let retries = Retries { rounds_max: 10, within: Duration::MAX };
        for (round, height_ms) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1600), (6, 2000)] {
            let height_us = height_ms * 1_000;
            let pause = |random| retries.pause(round, (ZERO, ZERO), random).unwrap();
            assert_eq!(pause(height_us), Duration::from_millis(height_ms));
            assert_eq!(pause(height_us + 1), ZERO, "{round}");
        }
    }
}
