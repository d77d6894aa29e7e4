//! What keys spent: the running sums behind budgets, read.

use std::collections::HashMap;

use doorward_domain::budget::{Period, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::money::NanoUsd;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::events::subject;
use crate::StoreError;
use crate::db::{Db, on, unsigned};
use crate::row::row;

/// What a key spent in the present day, week and month, and altogether.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PeriodSpend([Spend; 4]);

impl PeriodSpend {
    /// What `of` says of each period.
    pub(crate) fn from_fn(of: impl FnMut(Period) -> Spend) -> Self {
        Self(Period::ALL.map(of))
    }

    pub(crate) fn of(&self, period: Period) -> Spend {
        let mut all = Period::ALL.into_iter().zip(self.0);
        all.find(|(known, _)| *known == period).map_or_else(Spend::default, |(_, spent)| spent)
    }
}

row! {
    struct SpendRow {
        subject: String,
        period: String,
        cost_nanousd: i64,
        tokens: i64,
    }
}

impl SpendRow {
    fn spend(&self) -> Spend {
        Spend { cost: NanoUsd::from_column(self.cost_nanousd), tokens: unsigned(self.tokens) }
    }
}

/// What the database knows a key to have spent in the periods that hold `now`.
pub(crate) async fn load_spent(
    db: &Db,
    key: &KeyId,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<PeriodSpend, StoreError> {
    let spent = load_spent_of(db, &[*key], now, zone).await?;
    Ok(spent.get(key).copied().unwrap_or_default())
}

/// The same for several keys, in one query; a key that spent nothing is left out.
pub(crate) async fn load_spent_of(
    db: &Db,
    keys: &[KeyId],
    now: Timestamp,
    zone: &TimeZone,
) -> Result<HashMap<KeyId, PeriodSpend>, StoreError> {
    const SQL: &str = "SELECT subject, period, cost_nanousd, tokens FROM spend WHERE subject IN (";
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<SpendRow> = on!(db.read, |pool| {
        let mut query = sqlx::QueryBuilder::new(SQL);
        let mut subjects = query.separated(", ");
        for key in keys {
            subjects.push_bind(subject(key));
        }
        query.push(") AND (period, period_start_us) IN (");
        let mut periods = query.separated(", ");
        for period in Period::ALL {
            periods.push("(").push_bind_unseparated(period.as_str());
            periods.push_unseparated(", ");
            periods.push_bind_unseparated(period.start(now, zone).as_microsecond());
            periods.push_unseparated(")");
        }
        query.push(")").build_query_as().fetch_all(pool).await?
    });
    Ok(by_key(keys, &rows))
}

fn by_key(keys: &[KeyId], rows: &[SpendRow]) -> HashMap<KeyId, PeriodSpend> {
    let mut by_subject: HashMap<&str, Vec<&SpendRow>> = HashMap::new();
    for row in rows {
        by_subject.entry(&row.subject).or_default().push(row);
    }
    let spent = |rows: &Vec<&SpendRow>| {
        PeriodSpend::from_fn(|period| {
            let row = rows.iter().find(|row| row.period == period.as_str());
            row.map_or_else(Spend::default, |row| row.spend())
        })
    };
    let of = |key: &KeyId| by_subject.get(subject(key).as_str()).map(|rows| (*key, spent(rows)));
    keys.iter().filter_map(of).collect()
}
