//! Writing finished calls, and the running sums behind budgets.

use doorward_domain::budget::{Budget, Period, Spend};
use doorward_domain::call::UsageEvent;
use doorward_domain::credential::KeyId;
use doorward_domain::money::NanoUsd;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::StoreError;
use crate::db::{Db, on, signed, timestamp, unsigned};

const INSERT: &str = "
    INSERT INTO usage_events (id, organization_id, project_id, key_id, provider_id, deployment_id,
        model, day, started_at_us, duration_us, first_byte_us, address, outcome, is_error, status,
        input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
        is_estimated, cost_nanousd, held_nanousd, is_over_hold)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24)
    ON CONFLICT (id) DO NOTHING";

const ADD_SPEND: &str = "
    INSERT INTO spend (subject, period, period_start_us, organization_id, cost_nanousd, tokens)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (subject, period, period_start_us) DO UPDATE SET
        cost_nanousd = spend.cost_nanousd + excluded.cost_nanousd,
        tokens = spend.tokens + excluded.tokens";

const TOUCH: &str = "
    UPDATE api_keys SET last_used_at_us = $3, last_used_address = $4
    WHERE organization_id = $1 AND id = $2
      AND (last_used_at_us IS NULL OR last_used_at_us < $3)";

/// Under which name a key's sums are kept.
fn subject(key: &KeyId) -> String {
    format!("key:{key}")
}

/// Writes finished calls in one transaction. Writing a call again changes nothing: only a row that
/// is new adds to the sums, so that a replayed journal counts nothing twice.
pub(crate) async fn write_events(
    db: &Db,
    events: &[UsageEvent],
    zone: &TimeZone,
) -> Result<(), StoreError> {
    on!(db.write, |pool| {
        let mut tx = pool.begin().await?;
        for event in events {
            let (hold, settled) = (&event.hold, &event.settlement);
            let organization = hold.organization.to_string();
            let address = hold.address.to_string();
            let started_at = timestamp(hold.started_at_us)?;
            let done = sqlx::query(INSERT)
                .bind(hold.call.to_string())
                .bind(&organization)
                .bind(hold.project.to_string())
                .bind(hold.key.as_str())
                .bind(hold.provider.to_string())
                .bind(hold.deployment.to_string())
                .bind(&*hold.model)
                .bind(started_at.strftime("%Y-%m-%d").to_string())
                .bind(hold.started_at_us)
                .bind(signed(settled.duration_us))
                .bind(signed(settled.first_byte_us))
                .bind(&address)
                .bind(settled.outcome.as_str())
                .bind(i64::from(settled.outcome.is_error()))
                .bind(i64::from(settled.status))
                .bind(signed(settled.usage.input_tokens))
                .bind(signed(settled.usage.cached_input_tokens))
                .bind(signed(settled.usage.cache_write_tokens))
                .bind(signed(settled.usage.output_tokens))
                .bind(signed(settled.usage.reasoning_tokens))
                .bind(i64::from(settled.is_estimated))
                .bind(settled.spend.cost.to_column())
                .bind(hold.held.cost.to_column())
                .bind(i64::from(event.is_over_hold()))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                continue;
            }
            for period in Period::ALL {
                sqlx::query(ADD_SPEND)
                    .bind(subject(&hold.key))
                    .bind(period.as_str())
                    .bind(period.start(started_at, zone).as_microsecond())
                    .bind(&organization)
                    .bind(settled.spend.cost.to_column())
                    .bind(signed(settled.spend.tokens))
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query(TOUCH)
                .bind(&organization)
                .bind(hold.key.as_str())
                .bind(hold.started_at_us)
                .bind(&address)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    });
    Ok(())
}

/// What a key spent in the present period of each of these budgets, in their order.
pub(crate) async fn load_spent(
    db: &Db,
    key: &KeyId,
    budgets: &[Budget],
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Vec<(Budget, Spend)>, StoreError> {
    const SQL: &str = "
        SELECT cost_nanousd, tokens FROM spend
        WHERE subject = $1 AND period = $2 AND period_start_us = $3";
    let mut spent = Vec::with_capacity(budgets.len());
    for budget in budgets {
        let row: Option<(i64, i64)> = on!(db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(subject(key))
                .bind(budget.period.as_str())
                .bind(budget.period.start(now, zone).as_microsecond())
                .fetch_optional(pool)
                .await?
        });
        let (cost, tokens) = row.unwrap_or((0, 0));
        let cost = NanoUsd::from_column(cost);
        spent.push((*budget, Spend { cost, tokens: unsigned(tokens) }));
    }
    Ok(spent)
}
