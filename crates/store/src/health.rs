//! How deployments are: told by the gateway, read by the management API. In memory only, and written when
//! something changes, so that no call that goes well pays for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_domain::health::{Reason, State};
use doorward_domain::id::{DeploymentId, ProviderKeyId};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::Store;

/// Where the gateway says that something is left alone.
#[derive(Debug, Default)]
pub struct RestBoard {
    rest: Mutex<Option<Rest>>,
    /// Whether anything was found out there yet.
    is_known: AtomicBool,
}

/// Times are those of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Rest {
    since_us: u64,
    until_us: u64,
    reason: Reason,
}

/// The boards of one deployment that is called.
#[derive(Debug, Default)]
pub struct Boards {
    /// For its calls, whichever credential they present.
    pub calls: Arc<RestBoard>,
    /// For its health checks.
    pub checks: Arc<RestBoard>,
    /// For each credential that is presented to it. `None`: it is called without one.
    pub credentials: Vec<(Option<ProviderKeyId>, Arc<RestBoard>)>,
}

/// How a deployment is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentHealth {
    /// Whether calls go through. One with several credentials is as well as the best of them.
    pub state: State,
    /// Whether a call or a check has found that out since the program started.
    pub is_known: bool,
    /// What is left alone of it.
    pub rests: Vec<Resting>,
}

/// Something that is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// Why.
    pub reason: Reason,
    /// The credential that it is about. `None`: all of them.
    pub provider_key: Option<ProviderKeyId>,
    /// Since when.
    pub since: Timestamp,
    /// Until when; where that is over, the next call finds out.
    pub until: Timestamp,
}

impl RestBoard {
    /// It is left alone until then. Since when stays as it is where it was before.
    pub fn rests(&self, now_us: u64, until_us: u64, reason: Reason) {
        let mut rest = self.rest.lock();
        let since_us = rest.map_or(now_us, |rest| rest.since_us);
        *rest = Some(Rest { since_us, until_us, reason });
    }

    /// It is called again.
    pub fn is_over(&self) {
        *self.rest.lock() = None;
    }

    /// A call or a check has found out how it is.
    pub fn knows(&self) {
        // Read first: once it is known, calls share the line of memory and none of them takes it.
        if !self.is_known.load(Ordering::Relaxed) {
            self.is_known.store(true, Ordering::Relaxed);
        }
    }

    fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    fn rest(&self) -> Option<Rest> {
        *self.rest.lock()
    }
}

impl Rest {
    const fn state(self, now_us: u64) -> State {
        if now_us < self.until_us { State::Open } else { State::HalfOpen }
    }
}

impl Boards {
    fn health(&self, now: Timestamp, now_us: u64) -> DeploymentHealth {
        let state = |rest: Option<Rest>| rest.map_or(State::Closed, |rest| rest.state(now_us));
        let calls = self.calls.rest();
        // Where nobody asks any more, calls find out.
        let checks = self.checks.rest().filter(|rest| now_us < rest.until_us);
        let credentials: Vec<_> =
            self.credentials.iter().map(|(key, board)| (*key, board.rest())).collect();
        let best = credentials.iter().map(|(_, rest)| state(*rest)).min();
        let whole = [calls, checks].map(|rest| (None, rest));
        let rests = whole.into_iter().chain(credentials).filter_map(|(key, rest)| {
            let Rest { since_us, until_us, reason } = rest?;
            let at = |us| instant(now, now_us, us);
            Some(Resting { reason, provider_key: key, since: at(since_us), until: at(until_us) })
        });
        let rests = rests.collect();
        let state = state(calls).max(state(checks)).max(best.unwrap_or(State::Closed));
        let is_known = self.calls.is_known() || self.checks.is_known();
        DeploymentHealth { state, is_known, rests }
    }
}

/// An instant of the monotonic clock on the wall's.
fn instant(now: Timestamp, now_us: u64, at_us: u64) -> Timestamp {
    let micros = |us: u64| SignedDuration::from_micros(i64::try_from(us).unwrap_or(i64::MAX));
    let at = if at_us >= now_us {
        now.checked_add(micros(at_us - now_us))
    } else {
        now.checked_sub(micros(now_us - at_us))
    };
    at.unwrap_or(now)
}

impl Store {
    /// Says which deployments are called now, and where it is told how they are.
    pub fn tell_health(&self, boards: HashMap<DeploymentId, Boards>) {
        *self.health.lock() = boards;
    }

    /// How a deployment is. `None`: it is not called.
    pub fn deployment_health(&self, id: DeploymentId) -> Option<DeploymentHealth> {
        let (now, now_us) = (self.clock.now(), self.clock.monotonic_us());
        self.health.lock().get(&id).map(|boards| boards.health(now, now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn boards(credentials: u128) -> Boards {
        let key = |n| (Some(ProviderKeyId::new(1, n)), Arc::default());
        Boards { credentials: (0..credentials).map(key).collect(), ..Boards::default() }
    }

    fn well(is_known: bool) -> DeploymentHealth {
        DeploymentHealth { state: State::Closed, is_known, rests: vec![] }
    }

    fn health(boards: &Boards, now_us: u64) -> DeploymentHealth {
        let now = Timestamp::from_microsecond(i64::try_from(now_us).unwrap()).unwrap();
        boards.health(now, now_us)
    }

    #[test]
    fn a_deployment_is_as_well_as_its_best_credential_and_no_better_than_itself() {
        let boards = boards(2);
        assert_eq!(health(&boards, 0), well(false));
        let [(_, one), (_, other)] = boards.credentials.as_slice() else { panic!() };
        one.rests(0, 9 * SECOND, Reason::RateLimited);
        assert_eq!(health(&boards, 0).state, State::Closed);
        other.rests(0, 5 * SECOND, Reason::Refused);
        assert_eq!(health(&boards, 0).state, State::Open);
        assert_eq!(health(&boards, 5 * SECOND).state, State::HalfOpen);
        other.is_over();
        assert_eq!(health(&boards, 5 * SECOND).state, State::Closed);
        boards.calls.rests(5 * SECOND, 6 * SECOND, Reason::Failures);
        assert_eq!(health(&boards, 5 * SECOND).state, State::Open);
        let reasons: Vec<_> = health(&boards, 0).rests.iter().map(|rest| rest.reason).collect();
        assert_eq!(reasons, [Reason::Failures, Reason::RateLimited]);
    }

    #[test]
    fn a_rest_that_is_prolonged_began_when_it_began() {
        let boards = boards(0);
        boards.calls.rests(SECOND, 2 * SECOND, Reason::Failures);
        boards.calls.rests(2 * SECOND, 4 * SECOND, Reason::Asked);
        let rest = health(&boards, 3 * SECOND).rests.pop().unwrap();
        let seconds = (rest.since.as_second(), rest.until.as_second());
        assert_eq!((rest.reason, seconds), (Reason::Asked, (1, 4)));
        boards.calls.is_over();
        boards.calls.rests(5 * SECOND, 6 * SECOND, Reason::Failures);
        assert_eq!(health(&boards, 5 * SECOND).rests.pop().unwrap().since.as_second(), 5);
    }

    #[test]
    fn checks_that_nobody_makes_any_more_keep_no_call_away() {
        let boards = boards(1);
        boards.checks.rests(0, SECOND, Reason::Checks);
        assert_eq!(health(&boards, 0).state, State::Open);
        assert_eq!(health(&boards, SECOND), well(false));
    }

    #[test]
    fn what_was_neither_called_nor_checked_is_not_known_to_be_well() {
        let ways: [fn(&Boards); 2] =
            [|boards| boards.calls.knows(), |boards| boards.checks.knows()];
        for found in ways {
            let boards = boards(1);
            found(&boards);
            assert_eq!(health(&boards, 0), well(true));
        }
    }
}
