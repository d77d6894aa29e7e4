//! A breaker, and where others see that it keeps calls away.

use std::sync::Arc;

use doorward_store::RestBoard;
use parking_lot::Mutex;

use super::Ending;
use super::breaker::{Breaker, Change, Entry, State, Verdict};

/// The board is written under the breaker's lock, so that it never tells an older change; and only when
/// something changes.
#[derive(Debug, Default)]
pub(super) struct Watched {
    breaker: Mutex<Breaker>,
    board: Arc<RestBoard>,
}

impl Watched {
    pub(super) fn board(&self) -> Arc<RestBoard> {
        Arc::clone(&self.board)
    }

    pub(super) fn state(&self, now_us: u64) -> State {
        self.breaker.lock().state(now_us)
    }

    pub(super) fn is_ready(&self, now_us: u64) -> bool {
        self.breaker.lock().is_ready(now_us)
    }

    pub(super) fn ready_at_us(&self) -> u64 {
        self.breaker.lock().ready_at_us()
    }

    pub(super) fn enter(&self, now_us: u64) -> Option<Entry> {
        self.breaker.lock().enter(now_us)
    }

    pub(super) fn end(
        &self,
        now_us: u64,
        entry: Entry,
        (verdict, reason): Ending,
    ) -> Option<Change> {
        if verdict != Verdict::Unknown {
            self.board.knows();
        }
        let mut breaker = self.breaker.lock();
        let change = breaker.end(now_us, entry, verdict)?;
        match change {
            Change::Opened(_) | Change::Prolonged => {
                self.board.rests(now_us, breaker.ready_at_us(), reason);
            }
            Change::Closed => self.board.is_over(),
        }
        Some(change)
    }
}
