//! What raises limits and budgets at the moment.

use std::collections::HashMap;

use doorward_domain::bounds::Subject;
use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::Raise;
use jiff::Timestamp;

use super::subject;
use crate::db::{Db, on, parsed, parsed_json, timestamp};
use crate::row::row;
use crate::{Store, StoreError};

/// A limit increase that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldIncrease {
    /// Which.
    pub id: IncreaseId,
    /// What it raises.
    pub raise: Raise,
    /// Until when; then the limits and budgets of its subject itself hold again.
    pub ends_at: Timestamp,
}

/// What an increase makes of something, for the data plane: by the clock, so that nobody has to load
/// anything again for the old limits to hold.
#[derive(Debug)]
pub(crate) struct Raised<T> {
    value: T,
    /// From then on, it is as it was again.
    ends_at: Timestamp,
}

impl<T> Raised<T> {
    /// What `held` makes of it. `None`: nothing does.
    pub(crate) fn of(
        held: Option<&HeldIncrease>,
        raised: impl FnOnce(&Raise) -> T,
    ) -> Option<Self> {
        held.map(|held| Self { value: raised(&held.raise), ends_at: held.ends_at })
    }

    /// What holds at `now`, while it is `own` that holds otherwise.
    pub(crate) fn or_own<'a>(raised: Option<&'a Self>, own: &'a T, now: Timestamp) -> &'a T {
        raised.filter(|raised| now < raised.ends_at).map_or(own, |raised| &raised.value)
    }
}

row! {
    struct HeldRow {
        subject: String,
        id: String,
        granted: String,
        ends_at_us: i64,
    }
}

impl HeldRow {
    fn parse(self) -> Result<(Subject, HeldIncrease), StoreError> {
        let held = HeldIncrease {
            id: parsed("limit increase", &self.id)?,
            raise: parsed_json("limit increase", &self.granted)?,
            ends_at: timestamp(self.ends_at_us)?,
        };
        Ok((subject(&self.subject)?, held))
    }
}

/// What raises the limits and budgets of these at `now`.
pub(crate) async fn load_held(
    db: &Db,
    organization: OrganizationId,
    subjects: &[Subject],
    now: Timestamp,
) -> Result<HashMap<Subject, HeldIncrease>, StoreError> {
    const SQL: &str = "
        SELECT subject, id, granted, ends_at_us FROM limit_increases
        WHERE state = 'granted' AND organization_id = ";
    if subjects.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<HeldRow> = on!(db.read, |pool| {
        let mut query = sqlx::QueryBuilder::new(SQL);
        query.push_bind(organization.to_string());
        query.push(" AND ends_at_us > ").push_bind(now.as_microsecond());
        query.push(" AND subject IN (");
        let mut names = query.separated(", ");
        for subject in subjects {
            names.push_bind(subject.to_string());
        }
        query.push(")");
        query.build_query_as().fetch_all(pool).await?
    });
    rows.into_iter().map(HeldRow::parse).collect()
}

impl Store {
    /// What raises the limits and budgets of these at `now`.
    pub(crate) async fn held_increases(
        &self,
        organization: OrganizationId,
        subjects: &[Subject],
        now: Timestamp,
    ) -> Result<HashMap<Subject, HeldIncrease>, StoreError> {
        load_held(&self.db, organization, subjects, now).await
    }
}
