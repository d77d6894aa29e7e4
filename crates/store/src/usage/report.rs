//! Summing usage up.

use std::sync::Arc;
use std::time::Duration;

use doorward_domain::budget::Spend;
use doorward_domain::id::OrganizationId;
use doorward_domain::money::NanoUsd;
use futures_util::stream::{BoxStream, TryStreamExt as _};
use tokio::sync::mpsc::{Sender, channel};

use super::figures::Figures;
use super::hours::HOUR_US;
use super::question::{Spans, ask};
use super::{GroupBy, UsageFilter, UsageNames, UsageRow};
use crate::calls::Patience;
use crate::db::{on, timestamp, unsigned};
use crate::row::row;
use crate::work::run;
use crate::{Store, StoreError};

/// The rows of a report that is answered at once, at most.
pub const USAGE_ROWS_MAX: u32 = 10_000;

/// Rows that wait for a slow reader. While they do, nothing is read from the database.
const ROWS_WAITING: usize = 256;
/// How long a reader may take for all rows: a connection is theirs meanwhile.
const READING_MAX: Duration = Duration::from_secs(30);

/// The rows of a report, one by one. An error means that they are not all.
pub type UsageRows = BoxStream<'static, Result<UsageRow, StoreError>>;

row! {
    struct ReportRow {
        ..sums: SumsRow,
        grouped_key: String,
        grouped_user: String,
        grouped_service_account: String,
        grouped_project: String,
        grouped_model: String,
        grouped_provider: String,
        grouped_at_us: i64,
        key_name: String,
        user_name: String,
        service_account_name: String,
        project_name: String,
        provider_name: String,
    }
}

row! {
    struct SumsRow {
        ..figures: Figures,
        requests: i64,
        errors: i64,
        attempts: i64,
        duration_us: i64,
        first_byte_us: i64,
        cost_usd: i64,
        cost_rest_nanousd: i64,
    }
}

impl SumsRow {
    fn cost(&self) -> NanoUsd {
        let nanos = u128::from(unsigned(self.cost_usd)) * 1_000_000_000
            + u128::from(unsigned(self.cost_rest_nanousd));
        NanoUsd::from_wide_nanos(nanos)
    }
}

impl ReportRow {
    fn into_row(self, group_by: &[GroupBy]) -> Result<UsageRow, StoreError> {
        let at = timestamp(self.grouped_at_us)?;
        let time = |column: GroupBy, format: &str| {
            group_by.contains(&column).then(|| at.strftime(format).to_string())
        };
        let named = |text: String| Some(text).filter(|text| !text.is_empty());
        let (usage, cost) = (self.sums.figures.0, self.sums.cost());
        Ok(UsageRow {
            key: named(self.grouped_key),
            user: named(self.grouped_user),
            service_account: named(self.grouped_service_account),
            project: named(self.grouped_project),
            model: named(self.grouped_model),
            provider: named(self.grouped_provider),
            day: time(GroupBy::Day, "%Y-%m-%d"),
            hour: time(GroupBy::Hour, "%Y-%m-%dT%H:00:00Z"),
            requests: unsigned(self.sums.requests),
            errors: unsigned(self.sums.errors),
            attempts: unsigned(self.sums.attempts),
            duration_us: unsigned(self.sums.duration_us),
            first_byte_us: unsigned(self.sums.first_byte_us),
            usage,
            spend: Spend { cost, tokens: usage.total_tokens() },
            names: UsageNames {
                key: named(self.key_name),
                user: named(self.user_name),
                service_account: named(self.service_account_name),
                project: named(self.project_name),
                provider: named(self.provider_name),
            },
        })
    }
}

impl Store {
    /// Sums usage up. Finished calls that still wait for the database are written first, so that a
    /// report is never behind; where they are more than somebody should wait for, it is refused as
    /// [`StoreError::Behind`], and the next attempt finds fewer. [`StoreError::CallsForgotten`] where
    /// it begins or ends within an hour of which the single calls are kept no more. Newest first, then
    /// by cost. Of a report of more than [`USAGE_ROWS_MAX`] rows the first ones, and one more than that.
    pub async fn usage_report(
        &self,
        filter: &UsageFilter,
        group_by: &[GroupBy],
    ) -> Result<Vec<UsageRow>, StoreError> {
        self.usage_first(filter, group_by, USAGE_ROWS_MAX).await
    }

    /// The first rows of the same report: so many, and one more than that where there is one.
    pub async fn usage_first(
        &self,
        filter: &UsageFilter,
        group_by: &[GroupBy],
        rows_max: u32,
    ) -> Result<Vec<UsageRow>, StoreError> {
        self.prepare_report(filter).await?;
        let rows: Vec<ReportRow> = on!(self.db.reports, |pool| {
            let mut query = sqlx::QueryBuilder::new("");
            ask(&mut query, filter, group_by, Some(rows_max.saturating_add(1)));
            query.build_query_as().fetch_all(pool).await?
        });
        rows.into_iter().map(|row| row.into_row(group_by)).collect()
    }

    /// The same report row by row, however many there are, for who takes them within half a minute. It
    /// is refused as [`usage_report`](Self::usage_report) is.
    pub async fn usage_rows(
        self: &Arc<Self>,
        filter: UsageFilter,
        group_by: Vec<GroupBy>,
    ) -> Result<UsageRows, StoreError> {
        self.prepare_report(&filter).await?;
        let (sender, rows) = channel(ROWS_WAITING);
        let store = Arc::clone(self);
        let work = async move {
            let read = store.send_rows(&filter, &group_by, &sender);
            tokio::time::timeout(READING_MAX, read).await.unwrap_or(Err(StoreError::Busy))
        };
        Ok(run(Box::pin(work), rows))
    }

    async fn send_rows(
        &self,
        filter: &UsageFilter,
        group_by: &[GroupBy],
        sender: &Sender<UsageRow>,
    ) -> Result<(), StoreError> {
        on!(self.db.reports, |pool| {
            let mut query = sqlx::QueryBuilder::new("");
            ask(&mut query, filter, group_by, None);
            let mut rows = query.build_query_as::<ReportRow>().fetch(pool);
            while let Some(row) = rows.try_next().await? {
                if sender.send(row.into_row(group_by)?).await.is_err() {
                    break;
                }
            }
        });
        Ok(())
    }

    async fn prepare_report(&self, filter: &UsageFilter) -> Result<(), StoreError> {
        if !self.flush_latest(Patience::Report).await? {
            return Err(StoreError::Behind);
        }
        for (field, hour_us) in Spans::of(filter).parts() {
            if self.misses_calls(filter.organization, hour_us).await? {
                return Err(StoreError::CallsForgotten { field, hour: timestamp(hour_us)? });
            }
        }
        Ok(())
    }

    /// Whether single calls of an hour are not all there any more: a report of a part of it would be
    /// short.
    async fn misses_calls(
        &self,
        organization: OrganizationId,
        hour_us: i64,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT CAST((SELECT COALESCE(SUM(requests), 0) FROM usage_hours
                         WHERE organization_id = $1 AND hour_us = $2) AS BIGINT)
                 - (SELECT COUNT(*) FROM usage_events
                    WHERE organization_id = $1 AND started_at_us >= $2 AND started_at_us < $3
                      AND attempt = 0)";
        let (missing,): (i64,) = on!(self.db.reports, |pool| {
            let query = sqlx::query_as(SQL).bind(organization.to_string());
            query.bind(hour_us).bind(hour_us.saturating_add(HOUR_US)).fetch_one(pool).await?
        });
        Ok(missing > 0)
    }
}
