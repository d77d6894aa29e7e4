//! Ids of calls, and numbers that are as good as random for sharing out load.

use std::sync::atomic::{AtomicU64, Ordering};

use doorward_domain::id::CallId;
use doorward_store::Clock;
use jiff::Timestamp;

/// Makes call ids without asking the operating system each time: unique by a counter, spread by a
/// random beginning.
#[derive(Debug)]
pub struct CallIds {
    clock: Clock,
    seed: u64,
    count: AtomicU64,
}

impl CallIds {
    /// `seed` is a random number.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { clock, seed, count: AtomicU64::new(0) }
    }

    /// An id for what begins now, and when that is.
    pub(crate) fn next(&self) -> (CallId, Timestamp) {
        let now = self.clock.now();
        let at_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let random =
            u128::from(self.seed >> 48) << 64 | u128::from(mix(self.seed.wrapping_add(count)));
        (CallId::new(at_ms, random), now)
    }

    /// A number that is as good as random for sharing out load.
    pub(crate) fn draw(&self) -> u64 {
        mix(self.seed ^ self.count.load(Ordering::Relaxed))
    }
}

/// The finalizer of `SplitMix64`: a bijection, so that different counts never give equal ids.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
