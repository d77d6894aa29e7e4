//! Why calls failed.

use sqlx::QueryBuilder;

use super::UsageFilter;
use super::question::push_filters;
use crate::calls::Patience;
use crate::db::{on, unsigned};
use crate::row::row;
use crate::{Store, StoreError};

/// Kinds of failures that are told, at most: the most frequent.
const KINDS_MAX: u32 = 50;

/// The filters follow, then [`GROUPED`].
const SELECT: &str = "
    SELECT u.outcome, u.status, COUNT(*) AS requests FROM (
        SELECT e.outcome, e.status, e.key_id,
            COALESCE((SELECT k.owner_id FROM api_keys k WHERE k.id = e.key_id), '') AS owner_id,
            e.project_id, e.provider_id, e.model
        FROM usage_events e
        WHERE e.attempt = 0 AND e.is_error = 1 AND e.organization_id = ";
const GROUPED: &str =
    " GROUP BY u.outcome, u.status ORDER BY requests DESC, u.outcome, u.status LIMIT ";

/// Calls that failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFailure {
    /// How they ended: `failed` or `interrupted`.
    pub outcome: String,
    /// The status that they ended with: the provider's, or 502 and 504 where that could not be called or took too
    /// long. `None`: none.
    pub status: Option<u16>,
    /// How many they are.
    pub requests: u64,
}

row! {
    struct FailureRow {
        outcome: String,
        status: i64,
        requests: i64,
    }
}

impl From<FailureRow> for UsageFailure {
    fn from(row: FailureRow) -> Self {
        Self {
            status: u16::try_from(row.status).ok().filter(|status| *status > 0),
            requests: unsigned(row.requests),
            outcome: row.outcome,
        }
    }
}

impl Store {
    /// In which ways calls failed of which a report sums up the errors, the most frequent first. Only single
    /// calls tell: of those that are kept no more, a report counts errors that are not among these.
    /// [`StoreError::Behind`] as with a report.
    pub async fn usage_failures(
        &self,
        filter: &UsageFilter,
    ) -> Result<Vec<UsageFailure>, StoreError> {
        if !self.flush_latest(Patience::Report).await? {
            return Err(StoreError::Behind);
        }
        let rows: Vec<FailureRow> = on!(self.db.reports, |pool| {
            let mut query = QueryBuilder::new(SELECT);
            query.push_bind(filter.organization.to_string());
            query.push(" AND e.started_at_us >= ").push_bind(filter.from.as_microsecond());
            query.push(" AND e.started_at_us < ").push_bind(filter.to.as_microsecond());
            query.push(") u WHERE 1 = 1");
            push_filters(&mut query, filter);
            query.push(GROUPED).push_bind(i64::from(KINDS_MAX));
            query.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(UsageFailure::from).collect())
    }
}
