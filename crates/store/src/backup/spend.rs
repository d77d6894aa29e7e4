//! What budgets had spent: nothing of it is given back by a restore.

use crate::StoreError;
use crate::db::{Pool, Session, on, on_session};
use crate::row::row;

row! {
    pub(super) struct SpendRow {
        subject: String,
        period: String,
        period_start_us: i64,
        organization_id: String,
        cost_nanousd: i64,
        tokens: i64,
    }
}

/// What budgets spent, a page after these places.
pub(super) async fn spend_after(
    pool: &Pool,
    (subject, period, start_us): &(String, String, i64),
) -> Result<Vec<SpendRow>, sqlx::Error> {
    const SQL: &str = "
        SELECT subject, period, period_start_us, organization_id, cost_nanousd, tokens FROM spend
        WHERE (subject, period, period_start_us) > ($1, $2, $3)
        ORDER BY subject, period, period_start_us LIMIT 1000";
    on!(*pool, |pool| {
        sqlx::query_as(SQL).bind(subject).bind(period).bind(start_us).fetch_all(pool).await
    })
}

impl SpendRow {
    pub(super) fn place(&self) -> (String, String, i64) {
        (self.subject.clone(), self.period.clone(), self.period_start_us)
    }
}

/// Takes the greater of what a budget had spent then and now; whether that is now.
pub(super) async fn raise_spend(session: &mut Session, row: &SpendRow) -> Result<bool, StoreError> {
    const SQL: &str = "
        INSERT INTO spend (subject, period, period_start_us, organization_id, cost_nanousd, tokens)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (subject, period, period_start_us) DO UPDATE SET
            cost_nanousd = CASE WHEN excluded.cost_nanousd > spend.cost_nanousd
                THEN excluded.cost_nanousd ELSE spend.cost_nanousd END,
            tokens = CASE WHEN excluded.tokens > spend.tokens
                THEN excluded.tokens ELSE spend.tokens END
        WHERE excluded.cost_nanousd > spend.cost_nanousd OR excluded.tokens > spend.tokens";
    let rows = on_session!(session, |conn| {
        sqlx::query(SQL)
            .bind(&row.subject)
            .bind(&row.period)
            .bind(row.period_start_us)
            .bind(&row.organization_id)
            .bind(row.cost_nanousd)
            .bind(row.tokens)
            .execute(conn)
            .await?
            .rows_affected()
    });
    Ok(rows > 0)
}
