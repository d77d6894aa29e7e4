//! What users, projects and organizations have in common: limits and budgets that keys share.

use std::collections::{HashMap, HashSet};

use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::budget::{Budget, Spend};
use doorward_domain::id::OrganizationId;
use serde_json::{Value, json};

use crate::calls::Patience;
use crate::db::{Db, on, parsed_json};
use crate::row::row;
use crate::usage::{PeriodSpend, load_spent_of};
use crate::{Store, StoreError};

/// What was spent of some budgets in their present periods.
#[derive(Debug, Default)]
pub struct SharedSpent(HashMap<Subject, PeriodSpend>);

impl SharedSpent {
    /// What was spent of one budget.
    pub fn of(&self, subject: &Subject, budget: &Budget) -> Spend {
        self.0.get(subject).map_or_else(Spend::default, |spent| spent.of(budget.period))
    }
}

row! {
    struct BoundsRow {
        id: String,
        bounds: String,
    }
}

/// The budgets of some users, projects and organizations; those without any, and keys, are left out.
pub(crate) async fn load_shared_budgets(
    db: &Db,
    organization: OrganizationId,
    subjects: &HashSet<Subject>,
) -> Result<HashMap<Subject, Vec<Budget>>, StoreError> {
    const SQL: &str = "
        SELECT id, bounds FROM organizations WHERE id = $1 AND bounds LIKE '%\"budgets\"%'
        UNION ALL
        SELECT id, bounds FROM projects
        WHERE organization_id = $1 AND bounds LIKE '%\"budgets\"%' AND removed_at_us IS NULL
        UNION ALL
        SELECT id, bounds FROM users
        WHERE organization_id = $1 AND bounds LIKE '%\"budgets\"%' AND removed_at_us IS NULL";
    let rows: Vec<BoundsRow> = on!(db.read, |pool| {
        sqlx::query_as(SQL).bind(organization.to_string()).fetch_all(pool).await?
    });
    let mut found: HashMap<String, String> =
        rows.into_iter().map(|row| (row.id, row.bounds)).collect();
    let budgets = |subject: &Subject| {
        let text = found.remove(&subject.id())?;
        Some(parsed_json("bounds", &text).map(|bounds: Bounds| (*subject, bounds.budgets)))
    };
    subjects.iter().filter_map(budgets).collect()
}

/// Notes in an audit entry what becomes of bounds that change.
pub(super) fn note_bounds(detail: &mut Value, before: &Bounds, after: &Bounds) {
    if let Some(fields) = detail.as_object_mut().filter(|_| before != after) {
        fields.insert("bounds".to_owned(), json!({ "before": before, "after": after }));
    }
}

impl Store {
    /// What was spent by those of these that have budgets; finished calls are written first.
    pub async fn shared_spent(
        &self,
        bounded: impl Iterator<Item = (Subject, &Bounds)>,
    ) -> Result<SharedSpent, StoreError> {
        let subjects = bounded.filter(|(_, bounds)| !bounds.budgets.is_empty());
        let subjects: Vec<Subject> = subjects.map(|(subject, _)| subject).collect();
        if subjects.is_empty() {
            return Ok(SharedSpent::default());
        }
        self.catch_up_with_bounds().await;
        let now = self.clock.now();
        Ok(SharedSpent(load_spent_of(&self.db, &subjects, now, &self.time_zone).await?))
    }

    /// Writes finished calls, so that counters that begin now know of them. Where that fails or would
    /// take long, they learn of them when they are written.
    pub(super) async fn catch_up_with_bounds(&self) {
        match self.flush_latest(Patience::Look).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("budgets do not know the latest calls yet"),
            Err(error) => tracing::warn!(%error, "budgets do not know the latest calls yet"),
        }
    }
}
