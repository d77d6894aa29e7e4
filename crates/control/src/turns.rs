//! Work that blocks: so many pieces at a time, and a bound on the wait for a turn.

use std::sync::Arc;
use std::time::Duration;

use doorward_store::StoreError;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::problem::ApiError;

/// The turns of one kind of work. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    wait_max: Duration,
}

impl Turns {
    /// `most` pieces at a time; nobody waits longer than `wait_max` for a turn.
    pub(crate) fn new(most: usize, wait_max: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), wait_max }
    }

    /// Works on a thread for work that blocks. [`StoreError::Busy`] where no turn came in time. The turn ends
    /// with the work, also where nobody waits for it any more: else whoever hangs up and asks again would
    /// have as many threads as they like.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.free).acquire_owned();
        let turn = tokio::time::timeout(self.wait_max, turn).await;
        let turn = turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let working = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        working.await.map_err(|error| ApiError::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use axum::response::IntoResponse as _;
    use http::StatusCode;
    use http::header::RETRY_AFTER;
    use tokio::sync::oneshot;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_turn_until_it_is_done() {
        let turns = Turns::new(1, Duration::MAX);
        let (begun, is_begun) = oneshot::channel();
        let (end, is_ended) = mpsc::channel::<()>();
        let (asked, mut asking) = (turns.clone(), JoinSet::new());
        asking.spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                is_ended.recv().unwrap();
            };
            asked.take(work).await.map_err(drop)
        });
        is_begun.await.unwrap();
        asking.shutdown().await;
        assert_eq!(turns.free.available_permits(), 0);
        end.send(()).unwrap();
        assert_eq!(turns.take(|| 5).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn whoever_gets_no_turn_in_time_is_told_to_come_back() {
        let turns = Turns::new(1, Duration::ZERO);
        let held = Arc::clone(&turns.free).acquire_owned().await.unwrap();
        let refused = turns.take(|| 5).await.unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[RETRY_AFTER], "1");
        drop(held);
        assert_eq!(turns.take(|| 5).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turns = Turns::new(1, Duration::MAX);
        let panicked = turns.take(|| panic!("as it may")).await;
        assert!(matches!(panicked, Err(ApiError::Internal(_))), "{panicked:?}");
        assert_eq!(turns.take(|| 5).await.unwrap(), 5);
    }
}
