//! Counters behind one short lock. They outlive a key's place in the cache, so that an edit resets no
//! limit and forgets no hold.

use std::sync::atomic::{AtomicI64, Ordering};

use doorward_domain::budget::Spend;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::{Mutex, MutexGuard};

use super::accounts::Accounts;
use super::counters::{Counters, Part};

/// Counters, and how much of what they count the database does not know.
#[derive(Debug)]
pub(super) struct Tally {
    counters: Mutex<Counters>,
    /// Finished calls counted here that the database does not know yet. Below nothing for the moment
    /// in which the database was faster than the counter.
    unwritten: AtomicI64,
}

impl Tally {
    pub(super) fn new(accounts: Accounts) -> Self {
        Self { counters: Mutex::new(Counters::new(accounts)), unwritten: AtomicI64::new(0) }
    }

    /// Whoever locks several does it in the order of [`Bounded`](super::bounded::Bounded).
    pub(super) fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock()
    }

    /// Gives everything back: the call did not leave.
    pub(super) fn give_back(&self, part: &Part, taken_us: u64) {
        self.lock().give_back(part, taken_us);
    }

    /// Replaces what a call took by what it used.
    pub(super) fn settle(&self, part: &Part, taken_us: u64, spend: Spend) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        self.lock().settle(part, taken_us, spend);
    }

    /// Books a call of which the database knows, and which was not counted here when it began.
    pub(super) fn add(&self, spend: Spend, started_at: Timestamp, zone: &TimeZone) {
        self.lock().add(spend, started_at, zone);
    }

    /// The database knows some more of the finished calls that were counted here.
    pub(super) fn written(&self, events: u64) {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        self.unwritten.fetch_sub(events, Ordering::Relaxed);
    }

    /// Whether the database knows all that these counters know.
    pub(super) fn is_idle(&self, monotonic_us: u64) -> bool {
        self.unwritten.load(Ordering::Relaxed) == 0 && self.lock().is_quiet(monotonic_us)
    }
}
