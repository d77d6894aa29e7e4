//! How long the gateway itself takes of a call: what is left when the waits for others are taken away.

use std::sync::atomic::{AtomicU64, Ordering};

use doorward_store::Clock;

/// Runs from when a call's request is here.
#[derive(Debug)]
pub(crate) struct Timing {
    clock: Clock,
    began_us: u64,
    waited_us: AtomicU64,
}

/// Somebody else has the call, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    timing: &'a Timing,
    began_us: u64,
}

impl Timing {
    pub(crate) fn begin(clock: Clock) -> Self {
        Self { began_us: clock.monotonic_us(), clock, waited_us: AtomicU64::new(0) }
    }

    pub(crate) fn waiting(&self) -> Waiting<'_> {
        Waiting { timing: self, began_us: self.clock.monotonic_us() }
    }

    /// Microseconds until now.
    pub(crate) fn own_us(&self) -> u64 {
        let all_us = self.clock.monotonic_us().saturating_sub(self.began_us);
        all_us.saturating_sub(self.waited_us.load(Ordering::Relaxed))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited_us = self.timing.clock.monotonic_us().saturating_sub(self.began_us);
        self.timing.waited_us.fetch_add(waited_us, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use super::*;

    #[test]
    fn what_others_take_is_not_ours() {
        let now = Arc::new(AtomicI64::new(1_000));
        let pass = |us| now.fetch_add(us, Ordering::Relaxed);
        let timing = Timing::begin(Clock::Fixed(Arc::clone(&now)));
        pass(30);
        for _ in 0..2 {
            let waiting = timing.waiting();
            pass(5_000);
            drop(waiting);
            pass(10);
        }
        assert_eq!(timing.own_us(), 50);
    }
}
