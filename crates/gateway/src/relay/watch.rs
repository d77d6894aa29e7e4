//! What can end an answer from outside: silence, age, and the end of its key.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_domain::denial::Denial;
use doorward_store::Store;
use jiff::Timestamp;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::route::Call;
use crate::upstream::Timeouts;
use crate::verify::{self, Caller};

/// Why an answer is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// The key ended.
    Denied(Denial),
    /// The upstream closed or sent garbage.
    Upstream,
    /// The upstream fell silent, or the call is too old.
    Timeout,
    /// An administrator ended the calls of the deployment.
    Ended,
}

type Recheck = Pin<Box<dyn Future<Output = Result<Caller, Denial>> + Send>>;

/// Watches over one answer. Costs nothing until the answer makes us wait.
pub(crate) struct Watch {
    store: Arc<Store>,
    caller: Caller,
    address: IpAddr,
    model: Arc<str>,
    idle: Duration,
    deadline: Instant,
    /// The deadline, or the end of the key.
    due_at: Instant,
    last_data_at: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
    changed: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// The end of the deployment's calls, and who waits for it.
    ended: CancellationToken,
    ending: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    recheck: Option<Recheck>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    pub(crate) fn new(
        store: Arc<Store>,
        caller: Caller,
        (address, model): (IpAddr, Arc<str>),
        (timeouts, ended): (&Timeouts, CancellationToken),
    ) -> Self {
        let now = Instant::now();
        let deadline = now + timeouts.total;
        Self {
            due_at: due_at(&caller, &store, deadline, now),
            store,
            caller,
            address,
            model,
            idle: timeouts.idle,
            deadline,
            last_data_at: now,
            alarm: None,
            changed: None,
            ended,
            ending: None,
            recheck: None,
        }
    }

    /// The upstream is alive.
    pub(crate) fn saw_data(&mut self) {
        self.last_data_at = Instant::now();
    }

    /// Whether to [`poll`](Self::poll) although there is something to relay.
    pub(crate) fn is_due(&self) -> bool {
        self.last_data_at >= self.due_at
            || self.caller.key.has_changed()
            || self.ended.is_cancelled()
    }

    /// Resolves when the answer must be cut. Called whenever there is nothing to relay, which a
    /// paced stream comes to after each event.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        if let Poll::Ready(denial) = self.poll_key(cx) {
            return Poll::Ready(Cut::Denied(denial));
        }
        let ended = &self.ended;
        let ending = self.ending.get_or_insert_with(|| Box::pin(ended.clone().cancelled_owned()));
        if ending.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Cut::Ended);
        }
        self.poll_alarm(cx)
    }

    /// Resolves when the key may not go on: for an answer of which the client has seen nothing.
    pub(crate) async fn denied(&mut self) -> Denial {
        poll_fn(|cx| self.poll_key(cx)).await
    }

    /// A changed key is loaded again: it may have been revoked, or merely edited.
    fn poll_key(&mut self, cx: &mut Context<'_>) -> Poll<Denial> {
        loop {
            if let Some(recheck) = &mut self.recheck {
                let Poll::Ready(checked) = recheck.as_mut().poll(cx) else { return Poll::Pending };
                self.recheck = None;
                match checked {
                    Ok(caller) => {
                        self.due_at = due_at(&caller, &self.store, self.deadline, Instant::now());
                        self.caller = caller;
                        // It may have to ring sooner now.
                        self.alarm = None;
                    }
                    Err(denial) => return Poll::Ready(denial),
                }
            }
            let key = &self.caller.key;
            let changed = self.changed.get_or_insert_with(|| Box::pin(key.changed()));
            if changed.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.changed = None;
            self.recheck = Some(Box::pin(reload(
                Arc::clone(&self.store),
                self.caller.clone(),
                self.address,
                Arc::clone(&self.model),
            )));
        }
    }

    /// One alarm for silence, age and expiry: it is set once, and set anew only when it rings.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        loop {
            let Some(alarm) = &mut self.alarm else {
                let at = self.next_alarm();
                self.alarm = Some(Box::pin(tokio::time::sleep_until(at)));
                continue;
            };
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now >= self.deadline || now >= self.last_data_at + self.idle {
                return Poll::Ready(Cut::Timeout);
            }
            let now = self.store.clock().now();
            if let Err(denial) = verify::check(&self.caller, Call::SCOPE, now, self.address) {
                return Poll::Ready(Cut::Denied(denial));
            }
            self.alarm = None;
        }
    }

    fn next_alarm(&self) -> Instant {
        (self.last_data_at + self.idle).min(self.due_at)
    }
}

/// When the answer must end, whatever comes: at the deadline, or with its key or
/// secret.
fn due_at(caller: &Caller, store: &Store, deadline: Instant, now: Instant) -> Instant {
    match caller.ends_at() {
        Some(at) => deadline.min(now + until(at, store.clock().now())),
        None => deadline,
    }
}

/// How long until `at`, a little more than that, so that the alarm finds the key expired.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
    left + Duration::from_millis(10)
}

/// A key that changed and cannot be loaded is not trusted any longer.
async fn reload(
    store: Arc<Store>,
    Caller { key, secret, token, origin }: Caller,
    address: IpAddr,
    model: Arc<str>,
) -> Result<Caller, Denial> {
    let loaded = store.call_key(&key.key.id).await.unwrap_or_else(|error| {
        tracing::warn!(%error, key = %key.key.id, "a changed key cannot be loaded");
        None
    });
    let key = loaded.ok_or(Denial::InvalidKey)?;
    let loaded = Caller { key, secret, token, origin };
    verify::check(&loaded, Call::SCOPE, store.clock().now(), address)?;
    if loaded.token.as_ref().is_some_and(|token| store.is_token_revoked(token.id)) {
        return Err(Denial::Revoked);
    }
    if !loaded.allows_model(&model) {
        return Err(Denial::ModelNotFound);
    }
    Ok(loaded)
}
