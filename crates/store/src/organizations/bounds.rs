//! What users, projects and organizations have in common: limits and budgets that keys share.

use std::collections::{HashMap, HashSet};

use doorward_domain::bounds::{BoundOf, Bounds, Subject};
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

/// Where bounds stand, up to the ids of whose they are.
const TABLES: [(BoundOf, &str); 3] = [
    (BoundOf::Organization, "SELECT id, bounds FROM organizations WHERE id = "),
    (
        BoundOf::Project,
        "SELECT id, bounds FROM projects WHERE removed_at_us IS NULL AND organization_id = ",
    ),
    (
        BoundOf::User,
        "SELECT id, bounds FROM users WHERE removed_at_us IS NULL AND organization_id = ",
    ),
];

/// The budgets of some users, projects and organizations; those without any, and keys, are left out, and so
/// are those that cannot be read: nobody can call by them, and what others spent must be written down.
pub(crate) async fn load_shared_budgets(
    db: &Db,
    organization: OrganizationId,
    subjects: &HashSet<Subject>,
) -> Result<HashMap<Subject, Vec<Budget>>, StoreError> {
    let mut budgets = HashMap::new();
    for (kind, sql) in TABLES {
        let of_kind = subjects.iter().filter(|subject| subject.bound_of() == kind);
        let mut named: HashMap<String, &Subject> = of_kind.map(|s| (s.id(), s)).collect();
        if named.is_empty() {
            continue;
        }
        let rows: Vec<BoundsRow> = on!(db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(sql);
            query.push_bind(organization.to_string());
            query.push(" AND bounds LIKE '%\"budgets\"%' AND id IN (");
            let mut ids = query.separated(", ");
            for id in named.keys() {
                ids.push_bind(id.clone());
            }
            query.push(")");
            query.build_query_as().fetch_all(pool).await?
        });
        for row in rows {
            let Some(subject) = named.remove(&row.id) else { continue };
            match parsed_json("bounds", &row.bounds) {
                Ok(Bounds { budgets: own, .. }) => drop(budgets.insert(*subject, own)),
                Err(error) => tracing::error!(%error, %subject, "budgets cannot be read"),
            }
        }
    }
    Ok(budgets)
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
