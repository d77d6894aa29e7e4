//! In which ways calls failed.

use serde::Deserialize;

use super::{FILTERS, Period};
use crate::api::{Api, List};
use crate::money::count;
use crate::query::with_query;
use crate::refusal::Refusal;
use crate::text::{text, text_of};

/// Calls that failed in the same way, as the API tells it.
#[derive(Debug, Deserialize)]
struct Told {
    /// `failed` or `interrupted`.
    outcome: String,
    /// The status that they ended with: the provider's, but for 502 and 504. `None`: none.
    status: Option<u16>,
    requests: u64,
}

/// Calls that failed in the same way, as pages show them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) what: String,
    /// How it may be mended; empty: nothing is known.
    pub(crate) help: String,
    pub(crate) requests: String,
    /// Its part of all that failed, from 0 to 100.
    pub(crate) percent: u64,
}

impl Failure {
    /// Those among `errors` calls that these filters mean, the most frequent first. Calls of which only the
    /// count is kept come last; where that is all, there are none.
    pub(crate) async fn ask(
        api: &Api,
        period: Period,
        filters: &[(&str, &str)],
        errors: u64,
    ) -> Result<Vec<Self>, Refusal> {
        if errors == 0 {
            return Ok(Vec::new());
        }
        let (from, to) = (period.from.to_string(), period.to.to_string());
        let own = [("from", &*from), ("to", &*to)];
        let known = filters.iter().copied().filter(|(name, _)| FILTERS.contains(name));
        let path = with_query("/v1/usage/failures", own.into_iter().chain(known));
        let List { data, .. } = api.get::<List<Told>>(&path).await?;
        Ok(Self::of(&data, errors))
    }

    fn of(told: &[Told], errors: u64) -> Vec<Self> {
        let known: u64 = told.iter().map(|one| one.requests).sum();
        if known == 0 {
            return Vec::new();
        }
        // A call may have failed between the two questions.
        let all = errors.max(known);
        let forgotten = Told { outcome: String::new(), status: None, requests: all - known };
        let rows = told.iter().chain((forgotten.requests > 0).then_some(&forgotten));
        rows.map(|one| {
            let (what, help) = one.words();
            let percent = u128::from(one.requests) * 100 / u128::from(all.max(1));
            let percent = u64::try_from(percent).unwrap_or(100);
            Self { what, help, requests: count(one.requests), percent }
        })
        .collect()
    }
}

impl Told {
    /// What it is called, and what helps.
    fn words(&self) -> (String, String) {
        let kind = match (self.outcome.as_str(), self.status) {
            ("", _) => "forgotten",
            ("interrupted", None | Some(200..300)) => "broke-off",
            (_, None) => "no-answer",
            (_, Some(404)) => "not-found",
            (_, Some(429)) => "too-many",
            (_, Some(400..500)) => "refused",
            (_, Some(502)) => "not-called",
            (_, Some(504)) => "too-slow",
            (_, Some(_)) => "fault",
        };
        let said = self.status.filter(|status| *status >= 300);
        let what = text(&format!("failure-{kind}"));
        let what = match said {
            Some(status) => {
                text_of("failure-status", [("what", &*what), ("status", &status.to_string())])
            }
            None => what,
        };
        (what, text(&format!("failure-{kind}-help")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::is_there;

    fn told(outcome: &str, status: Option<u16>, requests: u64) -> Told {
        Told { outcome: outcome.to_owned(), status, requests }
    }

    #[test]
    #[rustfmt::skip]
    fn each_way_to_fail_is_said_in_words_with_the_status_that_it_ended_with() {
        for (outcome, status, expected) in [
            ("failed",      Some(503), "The provider failed (503)"),
            ("failed",      Some(429), "Too many calls for the provider (429)"),
            ("failed",      Some(502), "The provider could not be called (502)"),
            ("failed",      Some(504), "The provider took too long (504)"),
            ("failed",      Some(404), "The provider has no such model (404)"),
            ("failed",      Some(422), "The provider refused the call (422)"),
            ("failed",      None,      "No answer went out"),
            ("interrupted", Some(200), "The answer broke off"),
            ("interrupted", None,      "The answer broke off"),
            ("interrupted", Some(504), "The provider took too long (504)"),
            ("interrupted", Some(502), "The provider could not be called (502)"),
        ] {
            let (what, help) = told(outcome, status, 1).words();
            assert_eq!(what, expected);
            assert!(!help.is_empty() && is_there("failure-forgotten-help"), "{what}");
        }
    }

    #[test]
    fn calls_that_are_told_of_no_more_are_counted_all_the_same() {
        let rows = Failure::of(&[told("failed", None, 6), told("failed", Some(500), 2)], 1_008);
        let rows: Vec<_> = rows.iter().map(|row| (row.requests.as_str(), row.percent)).collect();
        assert_eq!(rows, [("6", 0), ("2", 0), ("1,000", 99)]);
        let rows = Failure::of(&[told("failed", None, 6)], 5);
        assert_eq!((rows.len(), rows[0].percent), (1, 100), "one came in between");
        assert!(Failure::of(&[], 5).is_empty(), "nothing is known of them");
    }
}
