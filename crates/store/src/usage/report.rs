//! Summing usage up.

use doorward_domain::budget::Spend;
use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Usage;

use super::{GroupBy, UsageFilter, UsageRow};
use crate::calls::Patience;
use crate::db::{on, unsigned};
use crate::row::row;
use crate::{Store, StoreError};

/// The rows of a whole report at most.
pub const USAGE_ROWS_MAX: u32 = 10_000;

/// Dollars and the rest of them are summed apart: nano-dollars of many dear calls are more than a
/// column holds. A column that is not grouped by is one empty text for all rows; which are is bound, never
/// written into the query.
const REPORT: &str = "
    SELECT CASE WHEN $5 > 0 THEN e.key_id ELSE '' END AS grouped_key,
           CASE WHEN $6 > 0 THEN e.model ELSE '' END AS grouped_model,
           CASE WHEN $7 > 0 THEN e.day ELSE '' END AS grouped_day,
           CAST(SUM(CASE WHEN e.attempt = 0 THEN 1 ELSE 0 END) AS BIGINT) AS requests,
           CAST(SUM(CASE WHEN e.attempt = 0 THEN e.is_error ELSE 0 END) AS BIGINT) AS errors,
           COUNT(*) AS attempts,
           CAST(SUM(e.input_tokens) AS BIGINT) AS input_tokens,
           CAST(SUM(e.cached_input_tokens) AS BIGINT) AS cached_input_tokens,
           CAST(SUM(e.cache_write_tokens) AS BIGINT) AS cache_write_tokens,
           CAST(SUM(e.output_tokens) AS BIGINT) AS output_tokens,
           CAST(SUM(e.reasoning_tokens) AS BIGINT) AS reasoning_tokens,
           CAST(SUM(e.cost_nanousd / 1000000000) AS BIGINT)
             + CAST(SUM(e.cost_nanousd % 1000000000) AS BIGINT) / 1000000000 AS cost_usd,
           CAST(SUM(e.cost_nanousd % 1000000000) AS BIGINT) % 1000000000 AS cost_rest_nanousd
    FROM usage_events e
    WHERE e.organization_id = $1 AND e.started_at_us >= $2 AND e.started_at_us < $3
      AND (CAST($4 AS TEXT) IS NULL OR EXISTS (
            SELECT 1 FROM api_keys k
            WHERE k.id = e.key_id AND k.organization_id = e.organization_id AND k.owner_id = $4))
    GROUP BY grouped_key, grouped_model, grouped_day
    ORDER BY grouped_day DESC, cost_usd DESC, cost_rest_nanousd DESC, requests DESC, grouped_key,
        grouped_model
    LIMIT $8";

row! {
    struct ReportRow {
        grouped_key: String,
        grouped_model: String,
        grouped_day: String,
        requests: i64,
        errors: i64,
        attempts: i64,
        input_tokens: i64,
        cached_input_tokens: i64,
        cache_write_tokens: i64,
        output_tokens: i64,
        reasoning_tokens: i64,
        cost_usd: i64,
        cost_rest_nanousd: i64,
    }
}

impl From<ReportRow> for UsageRow {
    fn from(row: ReportRow) -> Self {
        let nanos = u128::from(unsigned(row.cost_usd)) * 1_000_000_000
            + u128::from(unsigned(row.cost_rest_nanousd));
        let grouped = |text: String| Some(text).filter(|text| !text.is_empty());
        let usage = Usage {
            input_tokens: unsigned(row.input_tokens),
            cached_input_tokens: unsigned(row.cached_input_tokens),
            cache_write_tokens: unsigned(row.cache_write_tokens),
            output_tokens: unsigned(row.output_tokens),
            reasoning_tokens: unsigned(row.reasoning_tokens),
        };
        Self {
            key: grouped(row.grouped_key),
            model: grouped(row.grouped_model),
            day: grouped(row.grouped_day),
            requests: unsigned(row.requests),
            errors: unsigned(row.errors),
            attempts: unsigned(row.attempts),
            usage,
            spend: Spend { cost: NanoUsd::from_wide_nanos(nanos), tokens: usage.total_tokens() },
        }
    }
}

impl Store {
    /// Sums usage up. Finished calls that still wait for the database are written first, so that a
    /// report is never behind; where they are more than somebody should wait for, it is refused as
    /// [`StoreError::Behind`], and the next attempt finds fewer. Newest day first, then by cost. Of a
    /// report of more than [`USAGE_ROWS_MAX`] rows the first ones, and one more than that.
    pub async fn usage_report(
        &self,
        filter: &UsageFilter,
        group_by: &[GroupBy],
    ) -> Result<Vec<UsageRow>, StoreError> {
        if !self.flush_latest(Patience::Report).await? {
            return Err(StoreError::Behind);
        }
        let is_grouped = |column: GroupBy| i64::from(group_by.contains(&column));
        let rows: Vec<ReportRow> = on!(self.db.reports, |pool| {
            sqlx::query_as(REPORT)
                .bind(filter.organization.to_string())
                .bind(filter.from.as_microsecond())
                .bind(filter.to.as_microsecond())
                .bind(filter.owner.map(|owner| owner.to_string()))
                .bind(is_grouped(GroupBy::Key))
                .bind(is_grouped(GroupBy::Model))
                .bind(is_grouped(GroupBy::Day))
                .bind(i64::from(USAGE_ROWS_MAX) + 1)
                .fetch_all(pool)
                .await?
        });
        // Grouped by nothing, no calls make one row of nothing in no engine: the list is empty.
        Ok(rows.into_iter().map(UsageRow::from).collect())
    }
}
