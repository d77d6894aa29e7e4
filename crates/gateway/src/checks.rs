//! Asking providers whether they are there, without a client's call: a deployment that is down is out of the
//! choice before a call meets it, and one that came back is in it again.

mod schedule;

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use doorward_domain::id::ProviderId;
use doorward_store::Store;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::HeaderMap;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, Question, Snapshot};
use crate::health::{Fault, Found};
use crate::upstream::{self, Failure, Outgoing, Timeouts};

use schedule::Schedule;

/// How long a round may take, from the first connection to the last byte of the last answer.
const ROUND_MAX: Duration = Duration::from_secs(10);
/// Credentials of one provider with which it is asked at the same time; the others wait.
const QUESTIONS_MAX: usize = 16;
/// What is read of an answer; a longer one is left, and its connection with it.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Providers that are asked at the same time; the others wait.
const ROUNDS_MAX: usize = 16;

/// Asks each provider that has a check, in turns of its own, one round at a time.
#[derive(Debug)]
pub(crate) struct Checker {
    store: Arc<Store>,
    catalog: Arc<Catalog>,
    timeouts: Timeouts,
    good: AtomicU64,
    failed: AtomicU64,
}

impl Checker {
    pub(crate) fn new(store: Arc<Store>, catalog: Arc<Catalog>, timeouts: Timeouts) -> Self {
        Self { store, catalog, timeouts, good: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// Goes on until it is stopped; what is asked then is left.
    pub(crate) async fn run(self: Arc<Self>, stop: &CancellationToken) {
        let mut schedule = Schedule::default();
        let mut rounds = JoinSet::new();
        loop {
            let mut replaced = pin!(self.catalog.replaced());
            // From here on no change is missed.
            replaced.as_mut().enable();
            let last = self.catalog.last();
            let wake_at =
                last.and_then(|last| self.begin_rounds(&last, &mut schedule, &mut rounds));
            tokio::select! {
                () = stop.cancelled() => return,
                () = replaced => {}
                Some(ended) = rounds.join_next() => {
                    if let Ok(provider) = ended {
                        schedule.ended(provider, Instant::now(), self.store.random_u64());
                    }
                }
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Begins what is due. When something is due next; `None`: nothing is, before a round ends or the catalog
    /// changes.
    fn begin_rounds(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        schedule: &mut Schedule,
        rounds: &mut JoinSet<ProviderId>,
    ) -> Option<Instant> {
        let (now, random) = (Instant::now(), || self.store.random_u64());
        let wanted = snapshot.checks().iter().map(|(provider, check)| (provider, check.every));
        schedule.follow(wanted, now, random);
        while rounds.len() < ROUNDS_MAX
            && let Some(provider) = schedule.begin(now)
        {
            let (checker, snapshot) = (Arc::clone(self), Arc::clone(snapshot));
            rounds.spawn(over(provider, async move { checker.round(&snapshot, provider).await }));
        }
        if rounds.len() < ROUNDS_MAX { schedule.next_at() } else { None }
    }

    /// Asks one provider with each of its credentials, and tells the deployments how it is. One that answers one of
    /// them is there.
    async fn round(&self, snapshot: &Snapshot, provider: ProviderId) {
        let Some(check) = snapshot.checks().get(provider) else { return };
        let end = Instant::now() + ROUND_MAX;
        let questions: Vec<_> = check
            .questions
            .iter()
            .map(|question| self.ask(question, &check.provider, end).map(move |is| (question, is)))
            .collect();
        let mut questions = stream::iter(questions).buffer_unordered(QUESTIONS_MAX);
        let mut all = HashMap::new();
        while let Some((question, found)) = questions.next().await {
            let Some(found) = found else { continue };
            for health in &question.about {
                let (_, best) = all.entry(health.deployment()).or_insert((health, found));
                *best = found.min(*best);
            }
        }
        let now_us = self.store.clock().monotonic_us();
        for (health, found) in all.into_values() {
            health.checked(now_us, found);
        }
    }

    /// Asks one question. `None`: those that it is about rest all, or the round took too long, and nobody was asked.
    async fn ask(&self, question: &Question, provider: &str, end: Instant) -> Option<Found> {
        let now_us = self.store.clock().monotonic_us();
        let is_wanted = question.about.iter().any(|health| health.may_be_checked(now_us));
        if !is_wanted || end <= Instant::now() {
            return None;
        }
        let fault = match tokio::time::timeout_at(end, self.answer(question)).await {
            Ok(fault) => fault,
            Err(_) => Some(Fault::Deployment(None)),
        };
        let count = if fault.is_none() { &self.good } else { &self.failed };
        count.fetch_add(1, Relaxed);
        if let Some(fault) = fault {
            tracing::info!(provider, ?fault, "a health check failed");
        }
        Some(fault.into())
    }

    /// What the answer holds against the provider: what would be held against it after a call. An error that is the
    /// asker's own, such as a path that there is not, comes from a provider that is there.
    async fn answer(&self, question: &Question) -> Option<Fault> {
        let (http, client_headers) = (question.http()?, HeaderMap::new());
        let request = Outgoing {
            http,
            way: &question.way,
            signature: crate::answer::Headers::default(),
            begins_at_once: true,
            client_headers: &client_headers,
            is_translated: true,
            body: &Bytes::new(),
        };
        let mut answer = match upstream::send(&request, &self.timeouts, &mut false).await {
            Ok(answer) => answer,
            Err(Failure { fault, .. }) => return fault,
        };
        if let Some(verdict) = answer.verdict(http.speech, self.store.clock().now()) {
            return Some(verdict.fault);
        }
        let mut read = 0;
        while let Some(piece) = poll_fn(|cx| answer.body.poll_ready_bytes(cx, Ok)).await {
            match piece {
                Ok(piece) => read += piece.len(),
                Err(_) => return Some(Fault::Deployment(None)),
            }
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        None
    }

    /// Writes the figures of the checks in the Prometheus text format.
    pub(crate) fn render(&self, out: &mut String) -> std::fmt::Result {
        use std::fmt::Write as _;
        let name = "doorward_health_checks_total";
        writeln!(out, "# HELP {name} Questions to providers whether they are there, by result.")?;
        writeln!(out, "# TYPE {name} counter")?;
        for (result, count) in [("good", &self.good), ("failed", &self.failed)] {
            writeln!(out, "{name}{{result=\"{result}\"}} {}", count.load(Relaxed))?;
        }
        Ok(())
    }
}

/// Resolves when a round of this provider is over, also where a fault of ours ended it: it is asked again.
async fn over(provider: ProviderId, round: impl Future<Output = ()>) -> ProviderId {
    if AssertUnwindSafe(round).catch_unwind().await.is_err() {
        tracing::error!(%provider, "a health check panicked");
    }
    provider
}

/// Never, where there is no instant.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_round_that_panics_is_over_like_any_other() {
        let provider = ProviderId::new(1, 1);
        assert_eq!(over(provider, async {}).await, provider);
        assert_eq!(over(provider, async { panic!("a fault of ours") }).await, provider);
    }
}
