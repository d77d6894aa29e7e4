//! What was used by each key, model and so on.

use serde::Deserialize;

use super::KEPT;
use crate::money::count;
use crate::query::{Query, with_query};
use crate::refusal::Refusal;
use crate::time::duration;
use crate::usage::{Period, Sums, money};
use crate::visitor::Visitor;

/// Rows that are shown; files have them all.
const ROWS: &str = "50";

/// By what a report is broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Model,
    Key,
    Project,
    User,
    ServiceAccount,
    Provider,
}

impl By {
    /// Those that somebody is offered: who sees only their own calls needs no people.
    pub(super) fn of(is_admin: bool) -> impl Iterator<Item = Self> {
        const ALL: [By; 6] =
            [By::Model, By::Key, By::Project, By::User, By::ServiceAccount, By::Provider];
        ALL.into_iter().filter(move |by| is_admin || !matches!(by, By::User | By::ServiceAccount))
    }

    pub(super) fn read(query: &Query, is_admin: bool) -> Self {
        let wanted = query.text("by");
        Self::of(is_admin).find(|by| by.as_str() == wanted).unwrap_or(Self::Model)
    }

    /// As the API calls it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Key => "key",
            Self::Project => "project",
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::Provider => "provider",
        }
    }

    /// The name of its text.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Model => "usage-by-model",
            Self::Key => "usage-by-key",
            Self::Project => "usage-by-project",
            Self::User => "usage-by-user",
            Self::ServiceAccount => "usage-by-service-account",
            Self::Provider => "usage-by-provider",
        }
    }

    pub(super) async fn ask(
        self,
        visitor: &Visitor,
        period: Period,
        filters: &[(&str, &str)],
    ) -> Result<Found, Refusal> {
        let (from, to) = (period.from.to_string(), period.to.to_string());
        let own = [
            ("group_by", self.as_str()),
            ("names", "true"),
            ("limit", ROWS),
            ("from", &from),
            ("to", &to),
        ];
        visitor
            .api
            .get(&with_query("/v1/usage", own.into_iter().chain(filters.iter().copied())))
            .await
    }
}

/// The dearest rows.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) data: Vec<ByRow>,
    /// Whether there are others.
    pub(super) has_more: bool,
}

/// A row as the API tells it.
#[derive(Debug, Deserialize)]
pub(super) struct ByRow {
    key: Option<String>,
    key_name: Option<String>,
    user: Option<String>,
    user_name: Option<String>,
    service_account: Option<String>,
    service_account_name: Option<String>,
    project: Option<String>,
    project_name: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    provider_name: Option<String>,
    #[serde(flatten)]
    sums: Sums,
}

/// A row as the page shows it.
#[derive(Debug)]
pub(super) struct Line {
    /// What it is called, or else its id; `None`: calls of nobody of this kind.
    pub(super) name: Option<String>,
    /// Where it has a name too.
    pub(super) id: Option<String>,
    /// The report of this one alone.
    pub(super) path: Option<String>,
    pub(super) requests: String,
    pub(super) errors: String,
    pub(super) tokens: String,
    pub(super) cost: String,
    /// How long an answer took on average; empty: there was none.
    pub(super) latency: String,
    /// Its part of the cost, or of requests where nothing cost anything, from 0 to 100.
    pub(super) percent: u64,
}

impl Line {
    pub(super) fn new(by: By, row: ByRow, total: &Sums, query: &Query) -> Self {
        let (id, name) = match by {
            By::Model => (row.model, None),
            By::Key => (row.key, row.key_name),
            By::Project => (row.project, row.project_name),
            By::User => (row.user, row.user_name),
            By::ServiceAccount => (row.service_account, row.service_account_name),
            By::Provider => (row.provider, row.provider_name),
        };
        let others: Vec<_> = KEPT.into_iter().filter(|name| *name != by.as_str()).collect();
        let path = id.as_deref().map(|id| query.path("/usage", &others, &[(by.as_str(), id)]));
        let sums = row.sums;
        Self {
            id: id.clone().filter(|_| name.is_some()),
            name: name.or(id),
            path,
            requests: count(sums.requests),
            errors: count(sums.errors),
            tokens: count(sums.input_tokens.saturating_add(sums.output_tokens)),
            cost: money(sums.cost_usd),
            latency: sums.duration_us().map(duration).unwrap_or_default(),
            percent: share(sums, total),
        }
    }
}

fn share(sums: Sums, total: &Sums) -> u64 {
    let (of, all) = match total.cost_usd.nanos() {
        0 => (sums.requests, total.requests),
        all => (sums.cost_usd.nanos(), all),
    };
    let percent = u128::from(of) * 100 / u128::from(all.max(1));
    u64::try_from(percent).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sums(requests: u64, cost: &str) -> serde_json::Value {
        json!({
            "requests": requests, "errors": 0, "input_tokens": 1_000, "output_tokens": 1,
            "cost_usd": cost, "duration_us": 0, "first_byte_us": 0,
        })
    }

    #[test]
    fn a_line_is_called_by_its_name_and_leads_to_its_own_report() {
        let mut row = sums(1, "0.25");
        row["key"] = "dw_1".into();
        row["key_name"] = "ci & co".into();
        let row = serde_json::from_value(row).unwrap();
        let total = serde_json::from_value(sums(4, "1.00")).unwrap();
        let line = Line::new(By::Key, row, &total, &Query::default());
        assert_eq!((line.name.as_deref(), line.id.as_deref()), (Some("ci & co"), Some("dw_1")));
        assert_eq!(line.path.as_deref(), Some("/usage?key=dw%5F1"));
        assert_eq!((line.tokens.as_str(), line.percent), ("1,001", 25));
    }

    #[test]
    fn what_cost_nothing_is_shared_by_requests() {
        let one = |requests| serde_json::from_value(sums(requests, "0.00")).unwrap();
        assert_eq!(share(one(1), &one(3)), 33);
        assert_eq!(share(one(0), &one(0)), 0);
    }

    #[test]
    fn a_member_is_offered_nothing_of_other_people() {
        let offered: Vec<_> = By::of(false).map(By::as_str).collect();
        assert_eq!(offered, ["model", "key", "project", "provider"]);
        assert_eq!(By::of(true).count(), 6);
    }
}
