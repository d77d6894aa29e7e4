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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test]
    async fn the_whole_chain_is_walked_and_the_mark_says_when_and_how_many() {
        let first =
            json!({ "verdict": "unfinished", "entries": 100, "fault": null, "next": "100" });
        let last = json!({ "verdict": "whole", "entries": 1_234, "fault": null, "next": null });
        let portal = Fake::new(
            "admin",
            &[
                ("GET /v1/audit", 200, json!({ "data": [], "next": null })),
                ("GET /v1/audit/verify", 200, first),
                ("GET /v1/audit/verify?after=100", 200, last),
            ],
        );
        assert!(portal.get("/audit").await.text.contains("Chain not verified yet"));
        assert_eq!(portal.post("/audit/verify", "").await.location, "/audit");
        let shown = portal.get("/audit").await.text;
        for words in ["status active\">Chain verified", "1,234 entries fit", "just now"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    #[tokio::test]
    async fn a_broken_chain_is_said_with_its_fault() {
        let verdict = json!({
            "verdict": "broken", "entries": null, "fault": "entry 7 was changed", "next": null,
        });
        let portal = Fake::new(
            "admin",
            &[
                ("GET /v1/audit", 200, json!({ "data": [], "next": null })),
                ("GET /v1/audit/verify", 200, verdict),
            ],
        );
        portal.post("/audit/verify", "").await;
        let shown = portal.get("/audit").await.text;
        assert!(shown.contains("The chain is broken") && shown.contains("entry 7 was changed"));
    }

    #[tokio::test]
    async fn filters_go_to_the_api_and_what_is_wrong_with_them_is_said() {
        let entry = json!({
            "sequence": 9, "at": "2026-11-22T11:58:00Z", "actor": "usr_1", "actor_name": "bob",
            "action": "user.edit", "subject": "usr_2", "subject_name": null,
            "detail": { "before": { "role": "member" }, "after": { "role": "admin" } },
        });
        let path = "GET /v1/audit?actor=bob&action=user%2E&to=2026%2D11%2D23";
        let problem = json!({ "code": "invalid_request", "detail": "`from`: must be a time" });
        let portal = Fake::new(
            "admin",
            &[
                (path, 200, json!({ "data": [entry], "next": "9" })),
                ("GET /v1/audit?from=soon", 400, problem),
            ],
        );
        let shown = portal.get("/audit?actor=bob&action=user.&to=2026-11-22").await;
        for words in ["Edited somebody", "member → admin", "2 minutes ago", ">bob<", "after=9"] {
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
        }
        assert!(shown.text.contains("title=\"usr_2\""), "the whole id: {}", shown.text);
        let wrong = portal.get("/audit?from=soon").await;
        assert_eq!(wrong.status, 400);
        assert!(wrong.text.contains("must be a time") && wrong.text.contains("value=\"soon\""));
    }

    #[tokio::test]
    async fn what_is_often_looked_at_is_one_click_away() {
        let none = || json!({ "data": [], "next": null });
        let portal = Fake::new(
            "admin",
            &[
                ("GET /v1/audit?except=session%2E&subject=dw%5F1", 200, none()),
                ("GET /v1/audit?action=key%2E", 200, none()),
                ("GET /v1/audit", 200, none()),
            ],
        );
        let shown = portal.get("/audit?except=session.&subject=dw_1").await.text;
        for link in [
            "<a href=\"/audit?subject=dw%5F1&#38;except=session%2E\" aria-current=\"page\">Without sign-ins<",
            "<a href=\"/audit?subject=dw%5F1&#38;action=key%2E\">Keys<",
            "<a href=\"/audit?subject=dw%5F1\">All<",
            "<input type=\"hidden\" name=\"except\" value=\"session.\">",
            "/audit/download?except=session%2E&#38;subject=dw%5F1&#38;format=csv",
        ] {
            assert!(shown.contains(link), "{link}: {shown}");
        }
        for (path, current) in [
            ("/audit", "All"),
            ("/audit?action=key.", "Keys"),
            ("/audit?except=session.&action=key.", "Keys"),
        ] {
            let shown = portal.get(path).await.text;
            let marked = format!("aria-current=\"page\">{current}<");
            assert!(shown.contains(&marked), "{path}: {shown}");
        }
    }
}
