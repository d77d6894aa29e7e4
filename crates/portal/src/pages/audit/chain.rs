//! Whether the chain of entries is as it was written: walked when somebody asks, and remembered.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use crate::answer::see_other;
use crate::portal::Portal;
use crate::posted::Posted;
use crate::refusal::Refusal;

/// How many steps one walk takes; each is a hundred thousand entries.
const STEPS_MAX: u32 = 100;

/// What was last found. It is one for the installation, as the chain is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain(Arc<Mutex<Option<Mark>>>);

/// What was found of the chain, and when.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) at: Timestamp,
    /// How many entries fit.
    entries: usize,
    /// What is wrong with the first that does not.
    pub(crate) fault: Option<String>,
    /// Whether the walk came to the end.
    pub(crate) is_finished: bool,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    entries: Option<usize>,
    fault: Option<String>,
    next: Option<String>,
}

impl Chain {
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, mark: Mark) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
    }
}

impl Mark {
    pub(crate) const fn count(&self) -> usize {
        self.entries
    }

    /// The class and the name of the text that say it.
    pub(crate) fn status(&self) -> (&'static str, &'static str) {
        match (&self.fault, self.is_finished) {
            (Some(_), _) => ("revoked", "chain-broken"),
            (None, true) => ("active", "chain-whole"),
            (None, false) => ("soon", "chain-unfinished"),
        }
    }
}

/// `POST /audit/verify`.
pub(crate) async fn verify(
    State(portal): State<Portal>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let (mut entries, mut path) = (0, "/v1/audit/verify".to_owned());
    for _ in 0..STEPS_MAX {
        let verdict: Verdict = visitor.api.get(&path).await?;
        entries = verdict.entries.unwrap_or(entries);
        let is_finished = verdict.next.is_none();
        portal.chain.set(Mark { at: visitor.now, entries, fault: verdict.fault, is_finished });
        let Some(next) = verdict.next else { break };
        path = format!("/v1/audit/verify?after={next}");
    }
    Ok(see_other("/audit"))
}
