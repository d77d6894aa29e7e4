//! What is known of deployments beyond the catalog: whether they answer. It outlives the catalog's
//! snapshots, so that an edit makes nobody forget what has failed.

mod breaker;
mod checked;
mod latency;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use doorward_domain::health::Reason;
use doorward_domain::id::{DeploymentId, ProviderKeyId};
use doorward_store::{Boards, RestBoard};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use breaker::{Change, Entry, Verdict};
use checked::Checked;
use latency::Latency;
use watched::Watched;

pub(crate) use breaker::State;

/// A provider that refuses our credential is asked again after this time, at first: somebody has to mend
/// that.
const REFUSED_REST: Duration = Duration::from_secs(30);

/// How a call ended, and why that counts against something, where it does.
type Ending = (Verdict, Reason);

/// Good things count against nothing: their reason is not looked at.
const WELL: Ending = (Verdict::Success, Reason::Failures);
const NOTHING: Ending = (Verdict::Unknown, Reason::Failures);

/// What went wrong with an attempt, as far as it is the provider's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The deployment failed. It may have said for how long it wants to be left alone.
    Deployment(Option<Duration>),
    /// The credential has had its share for now. It may be said until when.
    RateLimited(Option<Duration>),
    /// The credential is not taken.
    Refused,
}

/// What a round of checks found out about a deployment; the best is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    There,
    /// It may have said for how long it wants to be left alone.
    Down(Option<Duration>),
}

impl From<Option<Fault>> for Found {
    fn from(fault: Option<Fault>) -> Self {
        match fault {
            Some(Fault::Deployment(rest)) => Self::Down(rest),
            // Whoever says no is there.
            Some(Fault::RateLimited(_) | Fault::Refused) | None => Self::There,
        }
    }
}

/// One deployment as it is called with one credential: its own health and that of the credential there.
/// A credential rests alone, and the others of its provider go on.
#[derive(Debug)]
pub(crate) struct Health {
    /// For the log and for metrics.
    names: Names,
    deployment: Arc<Deployment>,
    credential: Arc<Watched>,
}

/// What is known of a deployment, whichever credential it is called with.
#[derive(Debug, Default)]
struct Deployment {
    breaker: Watched,
    checked: Checked,
    /// Where others see what checks found out.
    checks: Arc<RestBoard>,
    latency: Mutex<Latency>,
    in_flight: AtomicU32,
    /// Cancelled when an administrator ends its calls.
    ended: CancellationToken,
}

/// How a deployment is told to operators.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) deployment: DeploymentId,
    pub(crate) model: String,
    pub(crate) provider: String,
}

/// The leave to call a deployment once. Dropped before anything is known of the call, it says nothing;
/// dropped after its answer began, that it went well.
#[derive(Debug)]
pub(crate) struct Pass {
    health: Arc<Health>,
    deployment: Entry,
    credential: Entry,
    state: PassState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PassState {
    Waiting,
    Answered,
    Ended,
}

impl Health {
    /// Whether calls go through: the worst of what is known.
    pub(crate) fn state(&self, now_us: u64) -> State {
        if self.deployment.checked.is_down(now_us) { State::Open } else { self.calls(now_us) }
    }

    /// Whether they do as far as calls tell.
    fn calls(&self, now_us: u64) -> State {
        let deployment = self.deployment.breaker.state(now_us);
        deployment.max(self.credential.state(now_us))
    }

    /// Whether a check may go there: not where calls said, or were told, that it needs rest. It is in nobody's way:
    /// a call may be the trial meanwhile.
    pub(crate) fn may_be_checked(&self, now_us: u64) -> bool {
        self.calls(now_us) != State::Open
    }

    /// A round of checks is over. It says nothing about calls that fail, nor about credentials: a key that serves
    /// calls may not be let at what is asked. But whoever wants to be left alone for a while is.
    pub(crate) fn checked(&self, now_us: u64, found: Found) {
        self.deployment.checks.knows();
        let rest = match found {
            Found::There => return self.is_there(),
            Found::Down(rest) => rest,
        };
        let change = self.deployment.checked.failed(now_us);
        if change.is_some() {
            let until_us = self.deployment.checked.down_until_us();
            self.deployment.checks.rests(now_us, until_us, Reason::Checks);
        }
        self.log("checks", change);
        if let Some(rest) = rest {
            let rest = (Verdict::Rest(rest), Reason::Asked);
            let change = self.deployment.breaker.end(now_us, Entry::Regular, rest);
            self.log("deployment", change);
        }
    }

    /// Takes back what checks held against it: one was good, or there are none any more.
    pub(crate) fn is_there(&self) {
        let change = self.deployment.checked.is_there();
        if change.is_some() {
            self.deployment.checks.is_over();
        }
        self.log("checks", change);
    }

    /// Where others see how the deployment is; its credentials are not among them yet.
    pub(crate) fn boards(&self) -> Boards {
        let calls = self.deployment.breaker.board();
        Boards { calls, checks: Arc::clone(&self.deployment.checks), credentials: Vec::new() }
    }

    /// Where others see how the credential is there.
    pub(crate) fn credential_board(
        &self,
        key: Option<ProviderKeyId>,
    ) -> (Option<ProviderKeyId>, Arc<RestBoard>) {
        (key, self.credential.board())
    }

    pub(crate) fn deployment(&self) -> DeploymentId {
        self.names.deployment
    }

    /// Resolves when an administrator ends the calls of the deployment.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.deployment.ended
    }

    /// What one more call would cost in time.
    pub(crate) fn cost(&self, now_us: u64) -> f64 {
        let in_flight = self.deployment.in_flight.load(Ordering::Relaxed);
        self.deployment.latency.lock().cost(now_us, in_flight)
    }

    pub(crate) fn is_ready(&self, now_us: u64) -> bool {
        !self.deployment.checked.is_down(now_us)
            && self.deployment.breaker.is_ready(now_us)
            && self.credential.is_ready(now_us)
    }

    /// When a call may go through again.
    pub(crate) fn ready_at_us(&self) -> u64 {
        let deployment = self.deployment.breaker.ready_at_us();
        let called = deployment.max(self.credential.ready_at_us());
        called.max(self.deployment.checked.down_until_us())
    }

    /// The leave to call, if there is one.
    pub(crate) fn enter(self: &Arc<Self>, now_us: u64) -> Option<Pass> {
        if self.deployment.checked.is_down(now_us) {
            return None;
        }
        let deployment = self.deployment.breaker.enter(now_us)?;
        let Some(credential) = self.credential.enter(now_us) else {
            self.deployment.breaker.end(now_us, deployment, NOTHING);
            return None;
        };
        Some(self.pass((deployment, credential)))
    }

    /// The leave to call although there is none, for whom nothing else is left.
    pub(crate) fn enter_anyway(self: &Arc<Self>) -> Pass {
        self.pass((Entry::LastResort, Entry::LastResort))
    }

    fn pass(self: &Arc<Self>, (deployment, credential): (Entry, Entry)) -> Pass {
        self.deployment.in_flight.fetch_add(1, Ordering::Relaxed);
        Pass { health: Arc::clone(self), deployment, credential, state: PassState::Waiting }
    }

    fn log(&self, what: &'static str, change: Option<Change>) {
        let Names { deployment, model, provider } = &self.names;
        match change {
            Some(Change::Opened(rest)) => {
                let seconds = rest.as_secs();
                tracing::warn!(%deployment, model, provider, what, seconds, "a deployment is left alone");
            }
            Some(Change::Closed) => {
                tracing::info!(%deployment, model, provider, what, "a deployment is called again");
            }
            Some(Change::Prolonged) | None => {}
        }
    }
}

impl Pass {
    /// The answer has begun. A trial is over with that: waiting for the last byte of a long answer would
    /// keep everybody else away.
    pub(crate) fn answered(&mut self, now_us: u64, took_us: u64) {
        if self.state == PassState::Waiting {
            self.health.deployment.latency.lock().note(now_us, took_us);
            self.state = PassState::Answered;
            if self.deployment != Entry::Regular || self.credential != Entry::Regular {
                self.end(now_us, WELL, WELL);
                (self.deployment, self.credential) = (Entry::Regular, Entry::Regular);
            }
        }
    }

    /// It went wrong, before its answer began or later.
    pub(crate) fn failed(mut self, now_us: u64, fault: Fault) {
        self.state = PassState::Ended;
        let (deployment, credential) = match fault {
            Fault::Deployment(None) => ((Verdict::Failure, Reason::Failures), NOTHING),
            Fault::Deployment(Some(rest)) => ((Verdict::Rest(rest), Reason::Asked), NOTHING),
            // Whoever says no is there.
            Fault::RateLimited(rest) => {
                (WELL, (Verdict::Rest(rest.unwrap_or_default()), Reason::RateLimited))
            }
            Fault::Refused => (WELL, (Verdict::Rest(REFUSED_REST), Reason::Refused)),
        };
        self.end(now_us, deployment, credential);
    }

    fn end(&self, now_us: u64, deployment: Ending, credential: Ending) {
        let health = &self.health;
        for (watched, what, entry, ending) in [
            (&health.deployment.breaker, "deployment", self.deployment, deployment),
            (&health.credential, "credential", self.credential, credential),
        ] {
            health.log(what, watched.end(now_us, entry, ending));
        }
        if (self.deployment, deployment) == (Entry::LastResort, WELL) {
            health.is_there();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.health.deployment.in_flight.fetch_sub(1, Ordering::Relaxed);
        // The time matters to failures only.
        match self.state {
            PassState::Waiting => self.end(0, NOTHING, NOTHING),
            PassState::Answered => self.end(0, WELL, WELL),
            PassState::Ended => {}
        }
    }
}

/// The breakers of everything that can be called now.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    deployments: HashMap<DeploymentId, Arc<Deployment>>,
    credentials: HashMap<(DeploymentId, Option<u64>), Arc<Watched>>,
    /// Makes a number of a credential that says nothing outside this process.
    hasher: RandomState,
}

impl Registry {
    /// An empty one, which tells the same credentials apart.
    pub(crate) fn successor(&self) -> Self {
        Self { hasher: self.hasher.clone(), ..Self::default() }
    }

    /// Ends the calls of a deployment that run. If it is called again one day, it is as a new one.
    pub(crate) fn end(&self, id: DeploymentId) {
        if let Some(deployment) = self.deployments.get(&id) {
            deployment.ended.cancel();
        }
    }

    /// Keeps what is known of a deployment that takes no new calls, for those that run.
    pub(crate) fn keep(&mut self, before: &Self, id: DeploymentId) {
        if let Some(known) = before.deployments.get(&id) {
            self.deployments.insert(id, Arc::clone(known));
        }
    }

    /// The health of a deployment that is called with this credential, as `before` knows it. A new value
    /// of a credential is another one: nobody has refused it so far.
    pub(crate) fn take_over(
        &mut self,
        before: &Self,
        names: Names,
        credential: Option<&SecretString>,
    ) -> Arc<Health> {
        let id = names.deployment;
        let place = (id, credential.map(|secret| self.hasher.hash_one(secret.expose_secret())));
        let known = before.deployments.get(&id).map(Arc::clone);
        let deployment = self.deployments.entry(id).or_insert_with(|| known.unwrap_or_default());
        let known = before.credentials.get(&place).map(Arc::clone);
        let credential = self.credentials.entry(place).or_insert_with(|| known.unwrap_or_default());
        let (deployment, credential) = (Arc::clone(deployment), Arc::clone(credential));
        Arc::new(Health { names, deployment, credential })
    }
}

/// Writes the state of each deployment in the Prometheus text format. One with several credentials is as
/// well as the best of them.
pub(crate) fn render<'a>(
    all: impl Iterator<Item = &'a Health>,
    now_us: u64,
    out: &mut String,
) -> std::fmt::Result {
    let mut best: BTreeMap<DeploymentId, (&Names, State)> = BTreeMap::new();
    for health in all {
        let state = health.state(now_us);
        let (_, known) = best.entry(health.names.deployment).or_insert((&health.names, state));
        *known = state.min(*known);
    }
    writeln!(
        out,
        "# HELP doorward_deployment_state Whether a deployment is called: 0 yes, 1 one call finds out, 2 no."
    )?;
    writeln!(out, "# TYPE doorward_deployment_state gauge")?;
    for (id, (names, state)) in best {
        let (model, provider) = (label(&names.model), label(&names.provider));
        writeln!(
            out,
            "doorward_deployment_state{{deployment=\"{id}\",model=\"{model}\",provider=\"{provider}\"}} {}",
            state as u8
        )?;
    }
    Ok(())
}

/// The value of a label, so that nobody's name breaks the format.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn names(n: u128) -> Names {
        let deployment = DeploymentId::new(1, n);
        Names { deployment, model: "m".to_owned(), provider: "p".to_owned() }
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// One deployment with these credentials.
    fn with_credentials<const N: usize>(names_of: u128, texts: [&str; N]) -> [Arc<Health>; N] {
        let mut registry = Registry::default();
        let before = Registry::default();
        texts.map(|text| registry.take_over(&before, names(names_of), Some(&secret(text))))
    }

    #[test]
    fn a_credential_rests_alone_and_a_deployment_with_all_of_them() {
        #[rustfmt::skip]
        let cases = [
            // fault                                                  one    the other
            (Fault::RateLimited(Some(Duration::from_secs(9))),        false, true),
            (Fault::RateLimited(None),                                false, true),
            (Fault::Refused,                                          false, true),
            (Fault::Deployment(Some(Duration::from_secs(9))),         false, false),
            (Fault::Deployment(None),                                 true,  true),
        ];
        for (fault, one_ready, other_ready) in cases {
            let [one, other] = with_credentials(1, ["a", "b"]);
            one.enter(0).unwrap().failed(0, fault);
            assert_eq!((one.is_ready(0), other.is_ready(0)), (one_ready, other_ready), "{fault:?}");
        }
    }

    #[test]
    fn a_refused_credential_is_tried_again_after_half_a_minute() {
        let [one] = with_credentials(1, ["a"]);
        one.enter(0).unwrap().failed(0, Fault::Refused);
        assert_eq!((one.state(0), one.ready_at_us()), (State::Open, 30 * SECOND));
        assert_eq!(one.state(30 * SECOND), State::HalfOpen);
    }

    #[test]
    fn the_head_of_an_answer_ends_a_trial_and_a_break_behind_it_still_counts() {
        let [one] = with_credentials(1, ["a"]);
        one.enter(0).unwrap().failed(0, Fault::Deployment(Some(Duration::from_secs(1))));
        let mut trial = one.enter(SECOND).unwrap();
        assert!(one.enter(SECOND).is_none(), "one trial at a time");
        trial.answered(SECOND, 1);
        assert_eq!(one.state(SECOND), State::Closed);
        trial.failed(SECOND, Fault::Deployment(None));
        for _ in 1..5 {
            assert!(one.is_ready(SECOND));
            let mut pass = one.enter(SECOND).unwrap();
            pass.answered(SECOND, 1);
            pass.failed(SECOND, Fault::Deployment(None));
        }
        assert_eq!(one.state(SECOND), State::Open);
    }

    fn fails(health: &Arc<Health>, now_us: u64) {
        health.enter(now_us).unwrap().failed(now_us, Fault::Deployment(None));
    }

    #[test]
    fn checks_are_counted_apart_from_calls() {
        #[rustfmt::skip]
        let cases = [
            // in turn: a call Fails or Succeeds; a check is Good, finds it Down, or is Refused    state
            ("DDDDD",           State::Open),
            ("DDDDDG",          State::Closed),
            ("DDDDDR",          State::Closed),
            ("DDDDGDDDD",       State::Closed),
            ("DDDDRDDDD",       State::Closed),
            ("DDSDDSD",         State::Open),
            ("FGFGFGFGF",       State::Open),
            ("FRFRFRFRF",       State::Open),
            ("FFFFDGF",         State::Open),
            ("DFFFFGF",         State::Open),
            ("FDFDFDFRF",       State::Open),
            ("FFDDF",           State::Closed),
            ("FFFFDDDDGSFFFF",  State::Closed),
            ("GGGGGGGGG",       State::Closed),
            ("RRRRRRRRR",       State::Closed),
        ];
        for (n, (turns, state)) in (1..).zip(cases) {
            let [one] = with_credentials(n, ["a"]);
            for turn in turns.chars() {
                match turn {
                    'F' => fails(&one, 0),
                    'S' => one.enter(0).unwrap().answered(0, 1),
                    'D' => one.checked(0, Some(Fault::Deployment(None)).into()),
                    'R' => one.checked(0, Some(Fault::Refused).into()),
                    _ => one.checked(0, None.into()),
                }
            }
            assert_eq!((one.state(0), one.is_ready(0)), (state, state == State::Closed), "{turns}");
        }
    }

    #[test]
    fn a_good_check_ends_no_rest_of_calls_and_forgets_no_opening() {
        let [one] = with_credentials(1, ["a"]);
        for _ in 0..5 {
            fails(&one, 0);
        }
        assert!(!one.may_be_checked(SECOND - 1), "no check goes where no call goes");
        assert!(one.may_be_checked(SECOND));
        let trial = one.enter(SECOND).unwrap();
        assert!(one.may_be_checked(SECOND), "a trial keeps no check away");
        one.checked(SECOND, Found::There);
        assert_eq!(one.state(SECOND), State::HalfOpen);
        trial.failed(SECOND, Fault::Deployment(None));
        assert_eq!(one.ready_at_us(), 3 * SECOND, "the second rest is twice the first");
    }

    #[test]
    fn a_check_neither_rests_a_credential_nor_ends_its_rest() {
        let [one] = with_credentials(1, ["a"]);
        for fault in [Fault::Refused, Fault::RateLimited(Some(Duration::from_secs(9)))] {
            one.checked(0, Some(fault).into());
            assert_eq!(one.state(0), State::Closed, "{fault:?}");
        }
        one.enter(0).unwrap().failed(0, Fault::Refused);
        one.checked(30 * SECOND, Found::There);
        assert_eq!(one.state(30 * SECOND), State::HalfOpen);
    }

    #[test]
    fn a_check_that_is_told_to_wait_leaves_the_deployment_alone_at_once() {
        let [one] = with_credentials(1, ["a"]);
        one.checked(0, Found::Down(Some(Duration::from_secs(9))));
        assert_eq!((one.state(0), one.ready_at_us()), (State::Open, 9 * SECOND));
        assert!(!one.may_be_checked(8 * SECOND));
    }

    #[test]
    fn what_is_down_by_checks_comes_back_with_a_last_resort_that_succeeds() {
        let [one] = with_credentials(1, ["a"]);
        for _ in 0..5 {
            one.checked(0, Found::Down(None));
        }
        assert!(one.enter(0).is_none() && one.may_be_checked(0));
        one.enter_anyway().failed(0, Fault::Deployment(None));
        assert_eq!(one.state(0), State::Open);
        one.enter_anyway().answered(0, 1);
        assert_eq!(one.state(0), State::Closed);
    }

    #[test]
    fn a_client_that_leaves_while_it_waits_says_nothing_and_gives_its_trial_back() {
        let [one] = with_credentials(1, ["a"]);
        one.enter(0).unwrap().failed(0, Fault::RateLimited(None));
        for _ in 0..3 {
            drop(one.enter(SECOND).unwrap());
            assert_eq!(one.state(SECOND), State::HalfOpen);
        }
    }

    #[test]
    fn what_is_known_outlives_a_snapshot_but_not_a_new_value_of_the_credential() {
        let (empty, mut first) = (Registry::default(), Registry::default());
        let health = first.take_over(&empty, names(1), Some(&secret("old")));
        health.enter(0).unwrap().failed(0, Fault::Refused);
        let mut second = first.successor();
        #[rustfmt::skip]
        let cases = [
            // deployment  credential  still left alone
            (1,            "old",      true),
            (1,            "new",      false),
            (2,            "old",      false),
        ];
        for (deployment, credential, is_left_alone) in cases {
            let secret = secret(credential);
            let health = second.take_over(&first, names(deployment), Some(&secret));
            assert_eq!(!health.is_ready(0), is_left_alone, "{deployment} {credential}");
        }
        let third = second.successor();
        assert!(third.deployments.is_empty() && third.credentials.is_empty());
    }

    #[test]
    fn a_deployment_costs_more_the_slower_it_is_and_the_more_it_has_to_do() {
        let [slow] = with_credentials(1, ["a"]);
        let [quick] = with_credentials(2, ["a"]);
        let untried = quick.cost(0);
        slow.enter(0).unwrap().answered(0, 300_000);
        let mut pass = quick.enter(0).unwrap();
        pass.answered(0, 100_000);
        assert!(untried < quick.cost(0) && quick.cost(0) < slow.cost(0));
        let others = [quick.enter(0).unwrap(), quick.enter(0).unwrap()];
        assert!(quick.cost(0) > slow.cost(0), "three in flight");
        drop((others, pass));
        assert!(quick.cost(0) < slow.cost(0));
    }

    #[test]
    fn a_deployment_that_is_ended_ends_its_calls_and_begins_anew() {
        let (empty, mut first) = (Registry::default(), Registry::default());
        let running = first.take_over(&empty, names(1), None);
        let mut second = first.successor();
        second.keep(&first, DeploymentId::new(1, 1));
        assert!(!running.ended().is_cancelled(), "one that drains goes on");
        second.end(DeploymentId::new(1, 1));
        assert!(running.ended().is_cancelled());
        let mut fourth = second.successor().successor();
        assert!(!fourth.take_over(&Registry::default(), names(1), None).ended().is_cancelled());
    }
}
