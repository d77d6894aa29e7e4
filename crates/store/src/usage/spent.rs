//! What was spent, by keys and by what they share: the running sums behind budgets, read.

use std::collections::HashMap;

use doorward_domain::bounds::Subject;
use doorward_domain::budget::{Period, Spend};
use doorward_domain::money::NanoUsd;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::StoreError;
use crate::db::{Db, on, unsigned};
use crate::row::row;

/// What was spent in the present day, week and month, and altogether.
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

/// What the database knows a subject to have spent in the periods that hold `now`.
pub(crate) async fn load_spent(
    db: &Db,
    subject: &Subject,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<PeriodSpend, StoreError> {
    let spent = load_spent_of(db, &[*subject], now, zone).await?;
    Ok(spent.get(subject).copied().unwrap_or_default())
}

/// The same for several, in one query; who spent nothing is left out.
pub(crate) async fn load_spent_of(
    db: &Db,
    subjects: &[Subject],
    now: Timestamp,
    zone: &TimeZone,
) -> Result<HashMap<Subject, PeriodSpend>, StoreError> {
    const SQL: &str = "SELECT subject, period, cost_nanousd, tokens FROM spend WHERE subject IN (";
    if subjects.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<SpendRow> = on!(db.read, |pool| {
        let mut query = sqlx::QueryBuilder::new(SQL);
        let mut names = query.separated(", ");
        for subject in subjects {
            names.push_bind(subject.to_string());
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
    Ok(by_subject(subjects, &rows))
}

fn by_subject(subjects: &[Subject], rows: &[SpendRow]) -> HashMap<Subject, PeriodSpend> {
    let mut by_name: HashMap<&str, Vec<&SpendRow>> = HashMap::new();
    for row in rows {
        by_name.entry(&row.subject).or_default().push(row);
    }
    let spent = |rows: &Vec<&SpendRow>| {
        PeriodSpend::from_fn(|period| {
            let row = rows.iter().find(|row| row.period == period.as_str());
            row.map_or_else(Spend::default, |row| row.spend())
        })
    };
    let of = |subject: &Subject| {
        by_name.get(subject.to_string().as_str()).map(|rows| (*subject, spent(rows)))
    };
    subjects.iter().filter_map(of).collect()
}
