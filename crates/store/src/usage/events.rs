//! Writing finished calls, and the running sums behind budgets.

use std::collections::HashSet;

use doorward_domain::call::UsageEvent;
use jiff::tz::TimeZone;

use super::figures::columns;
use super::hours::{add_hours, bounded_us, sum_up};
use super::sums::Sums;
use crate::StoreError;
use crate::db::{Db, on, signed};
use crate::keys::insert_uses;

/// The figures follow.
const INSERT: &str = "
    INSERT INTO usage_events (id, attempt, organization_id, project_id, key_id, provider_id, deployment_id,
        model, started_at_us, duration_us, first_byte_us, address, outcome, is_error, status,
        is_estimated, cost_nanousd, held_nanousd, is_over_hold, ";

/// Rows in one statement: a statement for each call would cost more than the call.
const ROWS: usize = 50;

/// Says which rows are new.
const ONLY_NEW: &str = " ON CONFLICT (id, attempt) DO NOTHING RETURNING id, attempt";

/// Sums stop at the largest number: an overflow would stop every batch from then on.
const ADD_SPEND: &str = "
    INSERT INTO spend (subject, period, period_start_us, organization_id, cost_nanousd, tokens)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (subject, period, period_start_us) DO UPDATE SET
        cost_nanousd = CASE
            WHEN spend.cost_nanousd > 9223372036854775807 - excluded.cost_nanousd
            THEN 9223372036854775807 ELSE spend.cost_nanousd + excluded.cost_nanousd END,
        tokens = CASE
            WHEN spend.tokens > 9223372036854775807 - excluded.tokens
            THEN 9223372036854775807 ELSE spend.tokens + excluded.tokens END";

/// Notes a use of a key, unless a later one is noted.
pub(crate) const TOUCH_KEY: &str = "
    UPDATE api_keys SET last_used_at_us = $3, last_used_address = $4
    WHERE organization_id = $1 AND id = $2
      AND (last_used_at_us IS NULL OR last_used_at_us < $3)";
/// The same for one of its secrets.
pub(crate) const TOUCH_SECRET: &str = "
    UPDATE key_secrets SET last_used_at_us = $3, last_used_address = $4
    WHERE organization_id = $1 AND key_id = $2 AND number = $5
      AND (last_used_at_us IS NULL OR last_used_at_us < $3)";

/// Notes a use of a key by one of its secrets, inside an open transaction of either engine. `?` acts
/// on the caller.
macro_rules! touch {
    ($tx:ident, $organization:expr, $key:expr, $secret:expr, $at_us:expr, $address:expr) => {{
        let (organization, address) = ($organization.to_string(), $address.to_string());
        sqlx::query($crate::usage::TOUCH_KEY)
            .bind(&organization)
            .bind($key.as_str())
            .bind($at_us)
            .bind(&address)
            .execute(&mut *$tx)
            .await?;
        sqlx::query($crate::usage::TOUCH_SECRET)
            .bind(&organization)
            .bind($key.as_str())
            .bind($at_us)
            .bind(&address)
            .bind(i64::from($secret.0))
            .execute(&mut *$tx)
            .await?;
    }};
}
pub(crate) use touch;

/// Writes finished calls, and attempts at them, in one transaction. Writing one again changes nothing: only
/// a row that is new adds to the sums, so that a replayed journal counts nothing twice.
pub(crate) async fn write_events(
    db: &Db,
    events: &[UsageEvent],
    zone: &TimeZone,
) -> Result<(), StoreError> {
    on!(db.write, |pool| {
        let mut tx = pool.begin().await?;
        let mut new: Vec<(String, i64)> = Vec::with_capacity(events.len());
        for rows in events.chunks(ROWS) {
            let mut insert = sqlx::QueryBuilder::new(INSERT);
            insert.push(columns("")).push(") ");
            insert.push_values(rows, |mut row, event| {
                let (hold, settled) = (&event.hold, &event.settlement);
                let usage = settled.usage.bounded();
                row.push_bind(hold.call.to_string())
                    .push_bind(i64::from(event.attempt))
                    .push_bind(hold.organization.to_string())
                    .push_bind(hold.project.to_string())
                    .push_bind(hold.key.to_string())
                    .push_bind(hold.provider.to_string())
                    .push_bind(hold.deployment.to_string())
                    .push_bind(hold.model.to_string())
                    .push_bind(hold.started_at_us)
                    .push_bind(signed(bounded_us(settled.duration_us)))
                    .push_bind(signed(bounded_us(settled.first_byte_us)))
                    .push_bind(hold.address.to_string())
                    .push_bind(settled.outcome.as_str())
                    .push_bind(i64::from(settled.outcome.is_error()))
                    .push_bind(i64::from(settled.status))
                    .push_bind(i64::from(settled.is_estimated))
                    .push_bind(settled.spend.cost.to_column())
                    .push_bind(hold.held.cost.to_column())
                    .push_bind(i64::from(event.is_over_hold()));
                for figure in usage.figures() {
                    row.push_bind(signed(figure));
                }
            });
            insert.push(ONLY_NEW);
            new.extend(insert.build_query_as::<(String, i64)>().fetch_all(&mut *tx).await?);
        }
        let events = only_new(events, new);
        let hours = sum_up(&events);
        add_hours!(tx, hours);
        let sums = Sums::of(&events, zone)?;
        for ((subject, period, start_us), (organization, spend)) in &sums.spent {
            sqlx::query(ADD_SPEND)
                .bind(subject.to_string())
                .bind(period.as_str())
                .bind(start_us)
                .bind(organization.to_string())
                .bind(spend.cost.to_column())
                .bind(signed(spend.tokens))
                .execute(&mut *tx)
                .await?;
        }
        for ((key, secret), last) in &sums.last_used {
            touch!(tx, last.organization, key, secret, last.started_at_us, last.address);
        }
        let uses = sums.uses();
        insert_uses!(tx, uses);
        tx.commit().await?;
    });
    Ok(())
}

/// Those whose rows are new. Each counts once, also where a batch has a call twice.
fn only_new(events: &[UsageEvent], new: Vec<(String, i64)>) -> Vec<&UsageEvent> {
    if new.len() == events.len() {
        return events.iter().collect();
    }
    let mut new: HashSet<(String, i64)> = new.into_iter().collect();
    let is_new =
        |event: &&UsageEvent| new.remove(&(event.hold.call.to_string(), i64::from(event.attempt)));
    events.iter().filter(is_new).collect()
}
