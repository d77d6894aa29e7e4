//! Finding out which budgets have passed a share at which somebody is told.
//!
//! It is done with each batch of finished calls, before their journal may go: a share that was passed is
//! noted however the process ends. Whoever tells of it takes it from there.

use std::collections::{BTreeMap, HashMap, HashSet};

use doorward_domain::bounds::Subject;
use doorward_domain::budget::{Amount, Budget, Spend};
use doorward_domain::call::{Hold, UsageEvent};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, ProjectId};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::day::Day;
use super::spent::load_spent_of;
use crate::StoreError;
use crate::db::{Db, on, signed, timestamp};
use crate::keys::load_key_budgets;
use crate::organizations::load_shared_budgets;

/// Notes a share of a budget once.
const NOTE: &str = "
    INSERT INTO budget_alerts
        (subject, period, period_start_us, unit, amount, percent, organization_id, spent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING";

/// A share that is spent.
struct Passed {
    organization: OrganizationId,
    subject: Subject,
    budget: Budget,
    period_start_us: i64,
    percent: u8,
    spent: Spend,
}

/// Notes which shares of budgets are spent after these calls, in the periods in which they began. Noting
/// them again changes nothing.
pub(crate) async fn note_alerts(
    db: &Db,
    events: &[UsageEvent],
    zone: &TimeZone,
) -> Result<(), StoreError> {
    for now in last_of_each_day(events, zone)? {
        note_alerts_at(db, events, (now, zone)).await?;
    }
    Ok(())
}

/// A moment in each day in which a call began.
fn last_of_each_day(events: &[UsageEvent], zone: &TimeZone) -> Result<Vec<Timestamp>, StoreError> {
    let mut days: BTreeMap<i64, i64> = BTreeMap::new();
    let mut day = Day::NONE;
    for UsageEvent { hold, .. } in events {
        day = day.or_that_of(hold.started_at_us, zone)?;
        let last_us = days.entry(day.start_us()).or_insert(hold.started_at_us);
        *last_us = hold.started_at_us.max(*last_us);
    }
    days.into_values().map(timestamp).collect()
}

async fn note_alerts_at(
    db: &Db,
    events: &[UsageEvent],
    (now, zone): (Timestamp, &TimeZone),
) -> Result<(), StoreError> {
    let budgets = load_budgets(db, events, now).await?;
    let subjects: Vec<Subject> = budgets.keys().map(|(_, subject)| *subject).collect();
    let spent = load_spent_of(db, &subjects, now, zone).await?;
    let mut passed = Vec::new();
    for ((organization, subject), budgets) in budgets {
        let spent = spent.get(&subject).copied().unwrap_or_default();
        for budget in budgets {
            let (spent, start) = (spent.of(budget.period), budget.period.start(now, zone));
            passed.extend(budget.shares_spent(spent).map(|percent| Passed {
                organization,
                subject,
                budget,
                period_start_us: start.as_microsecond(),
                percent,
                spent,
            }));
        }
    }
    note(db, &passed).await
}

type Budgets = HashMap<(OrganizationId, Subject), Vec<Budget>>;

/// The budgets that these calls count against.
async fn load_budgets(
    db: &Db,
    events: &[UsageEvent],
    now: Timestamp,
) -> Result<Budgets, StoreError> {
    let callers: BTreeMap<(KeyId, ProjectId), &Hold> =
        events.iter().map(|UsageEvent { hold, .. }| ((hold.key, hold.project), hold)).collect();
    let mut of: HashMap<OrganizationId, HashSet<Subject>> = HashMap::new();
    for hold in callers.into_values() {
        of.entry(hold.organization).or_default().extend(hold.subjects());
    }
    let mut budgets = Budgets::new();
    for (organization, subjects) in of {
        let keys: Vec<_> = subjects.iter().filter_map(Subject::key).collect();
        let own = load_key_budgets(db, organization, &keys, now).await?;
        let own = own.into_iter().map(|(id, budgets)| (Subject::Key(id), budgets));
        let shared = load_shared_budgets(db, organization, &subjects, now).await?;
        budgets.extend(own.chain(shared).map(|(subject, list)| ((organization, subject), list)));
    }
    Ok(budgets)
}

async fn note(db: &Db, passed: &[Passed]) -> Result<(), StoreError> {
    if passed.is_empty() {
        return Ok(());
    }
    on!(db.write, |pool| {
        let mut tx = pool.begin().await?;
        for share in passed {
            let (unit, amount, spent) = figures(&share.budget, share.spent);
            sqlx::query(NOTE)
                .bind(share.subject.to_string())
                .bind(share.budget.period.as_str())
                .bind(share.period_start_us)
                .bind(unit)
                .bind(amount)
                .bind(i64::from(share.percent))
                .bind(share.organization.to_string())
                .bind(spent)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    });
    Ok(())
}

/// Unit, height and what is spent, as they are stored.
fn figures(budget: &Budget, spent: Spend) -> (&'static str, i64, i64) {
    match budget.amount {
        Amount::Usd(limit) => ("usd", limit.to_column(), spent.cost.to_column()),
        Amount::Tokens(limit) => ("tokens", signed(limit), signed(spent.tokens)),
    }
}
