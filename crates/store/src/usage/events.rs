//! Writing finished calls, and the running sums behind budgets.

use std::collections::{HashMap, HashSet};

use doorward_domain::budget::{Budget, Period, Spend};
use doorward_domain::call::{Hold, UsageEvent};
use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use doorward_domain::money::NanoUsd;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::StoreError;
use crate::db::{Db, Pool, json_text, on, signed, timestamp, unsigned};

/// Inserts a batch from one JSON text, an array of rows: a statement for each call would cost more
/// than the call. Returns the ids that are new. The engines differ in the name of one function.
macro_rules! insert_from {
    ($rows:literal) => {
        concat!(
            "INSERT INTO usage_events (id, organization_id, project_id, key_id, provider_id,
                deployment_id, model, day, address, outcome, started_at_us, duration_us,
                first_byte_us, is_error, status, input_tokens, cached_input_tokens,
                cache_write_tokens, output_tokens, reasoning_tokens, is_estimated, cost_nanousd,
                held_nanousd, is_over_hold)
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
                value->>7, value->>8, value->>9, CAST(value->>10 AS BIGINT),
                CAST(value->>11 AS BIGINT), CAST(value->>12 AS BIGINT), CAST(value->>13 AS BIGINT),
                CAST(value->>14 AS BIGINT), CAST(value->>15 AS BIGINT), CAST(value->>16 AS BIGINT),
                CAST(value->>17 AS BIGINT), CAST(value->>18 AS BIGINT), CAST(value->>19 AS BIGINT),
                CAST(value->>20 AS BIGINT), CAST(value->>21 AS BIGINT), CAST(value->>22 AS BIGINT),
                CAST(value->>23 AS BIGINT)
             FROM ",
            $rows,
            " WHERE true
             ON CONFLICT (id) DO NOTHING RETURNING id"
        )
    };
}

const INSERT_SQLITE: &str = insert_from!("json_each($1)");
const INSERT_POSTGRES: &str = insert_from!("jsonb_array_elements(CAST($1 AS JSONB))");

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
    let rows = rows_of(events)?;
    let insert = match &db.write {
        Pool::Sqlite(_) => INSERT_SQLITE,
        Pool::Postgres(_) => INSERT_POSTGRES,
    };
    on!(db.write, |pool| {
        let mut tx = pool.begin().await?;
        let new: Vec<(String,)> = sqlx::query_as(insert).bind(&rows).fetch_all(&mut *tx).await?;
        let new: HashSet<String> = new.into_iter().map(|(id,)| id).collect();
        let is_new = |event: &&UsageEvent| new.contains(&event.hold.call.to_string());
        let sums = Sums::of(events.iter().filter(is_new), zone)?;
        for ((key, period, start_us), (organization, spend)) in &sums.spent {
            sqlx::query(ADD_SPEND)
                .bind(subject(key))
                .bind(period.as_str())
                .bind(start_us)
                .bind(organization.to_string())
                .bind(spend.cost.to_column())
                .bind(signed(spend.tokens))
                .execute(&mut *tx)
                .await?;
        }
        for (key, last) in &sums.last_used {
            sqlx::query(TOUCH)
                .bind(last.organization.to_string())
                .bind(key.as_str())
                .bind(last.started_at_us)
                .bind(last.address.to_string())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    });
    Ok(())
}

/// The rows as one JSON text, in the order of the insert's columns.
fn rows_of(events: &[UsageEvent]) -> Result<String, StoreError> {
    let rows = events.iter().map(row_of).collect::<Result<Vec<_>, _>>()?;
    json_text("usage", &rows)
}

fn row_of(event: &UsageEvent) -> Result<impl serde::Serialize, StoreError> {
    let (hold, settled) = (&event.hold, &event.settlement);
    let (usage, day) = (settled.usage, timestamp(hold.started_at_us)?.strftime("%Y-%m-%d"));
    let ids =
        (hold.call, hold.organization, hold.project, hold.key, hold.provider, hold.deployment);
    let texts = (&*hold.model, day.to_string(), hold.address, settled.outcome.as_str());
    let figures = [
        hold.started_at_us,
        signed(settled.duration_us),
        signed(settled.first_byte_us),
        i64::from(settled.outcome.is_error()),
        i64::from(settled.status),
        signed(usage.input_tokens),
        signed(usage.cached_input_tokens),
        signed(usage.cache_write_tokens),
        signed(usage.output_tokens),
        signed(usage.reasoning_tokens),
        i64::from(settled.is_estimated),
        settled.spend.cost.to_column(),
        hold.held.cost.to_column(),
        i64::from(event.is_over_hold()),
    ];
    let mut row = vec![
        json!(ids.0),
        json!(ids.1),
        json!(ids.2),
        json!(ids.3),
        json!(ids.4),
        json!(ids.5),
        json!(texts.0),
        json!(texts.1),
        json!(texts.2),
        json!(texts.3),
    ];
    row.extend(figures.map(Value::from));
    Ok(row)
}

/// What a batch adds to each period of each key, and the last call of each key.
struct Sums<'a> {
    spent: HashMap<(KeyId, Period, i64), (OrganizationId, Spend)>,
    last_used: HashMap<KeyId, &'a Hold>,
}

impl<'a> Sums<'a> {
    fn of(
        events: impl Iterator<Item = &'a UsageEvent>,
        zone: &TimeZone,
    ) -> Result<Self, StoreError> {
        let mut sums = Self { spent: HashMap::new(), last_used: HashMap::new() };
        for UsageEvent { hold, settlement } in events {
            let started_at = timestamp(hold.started_at_us)?;
            for period in Period::ALL {
                let place = (hold.key, period, period.start(started_at, zone).as_microsecond());
                let (_, sum) =
                    sums.spent.entry(place).or_insert((hold.organization, Spend::default()));
                *sum = sum.plus(settlement.spend);
            }
            let last = sums.last_used.entry(hold.key).or_insert(hold);
            if hold.started_at_us > last.started_at_us {
                *last = hold;
            }
        }
        Ok(sums)
    }
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
