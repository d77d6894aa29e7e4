//! The one place that reads the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

/// Where the time comes from. Everything else takes it as an argument.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clocks.
    System {
        /// The zero of [`monotonic_us`](Self::monotonic_us).
        started: Instant,
    },
    /// Stands still until a test moves it: microseconds since the Unix epoch.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self::System { started: Instant::now() }
    }

    /// The wall clock, to the microsecond: what is stored reads back as it was.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the wall clock"
            )]
            Self::System { .. } => whole_us(Timestamp::now()),
            Self::Fixed(us) => {
                Timestamp::from_microsecond(us.load(Ordering::Relaxed)).unwrap_or_default()
            }
        }
    }

    /// Microseconds from a fixed instant, never running backwards: for limits and durations.
    pub fn monotonic_us(&self) -> u64 {
        match self {
            Self::System { started } => {
                u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
            }
            Self::Fixed(us) => u64::try_from(us.load(Ordering::Relaxed)).unwrap_or(0),
        }
    }
}

/// Without the part that no column holds.
pub(crate) fn whole_us(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
