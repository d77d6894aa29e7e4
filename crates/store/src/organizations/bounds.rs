//! What users, projects and organizations have in common: limits and budgets that keys share.

use std::collections::{HashMap, HashSet};

use doorward_domain::bounds::{BoundOf, Bounds, Subject};
use doorward_domain::budget::{Budget, Spend};
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::calls::Patience;
use crate::db::{Db, on, parsed_json};
use crate::increases::{HeldIncrease, load_held};
use crate::row::row;
use crate::usage::{PeriodSpend, load_spent_of};
use crate::{Store, StoreError};

/// How limits and budgets stand that keys share.
#[derive(Debug, Default)]
pub struct SharedStanding {
    spent: HashMap<Subject, PeriodSpend>,
    held: HashMap<Subject, HeldIncrease>,
}

impl SharedStanding {
    /// What was spent of one budget in its present period.
    pub fn spent(&self, subject: &Subject, budget: &Budget) -> Spend {
        self.spent.get(subject).map_or_else(Spend::default, |spent| spent.of(budget.period))
    }

    /// What raises them for a while.
    pub fn increase(&self, subject: &Subject) -> Option<&HeldIncrease> {
        self.held.get(subject)
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

/// The budgets of some users, projects and organizations, as they hold at `now`; those without any, and keys, are left out, and so
/// are those that cannot be read: nobody can call by them, and what others spent must be written down.
pub(crate) async fn load_shared_budgets(
    db: &Db,
    organization: OrganizationId,
    subjects: &HashSet<Subject>,
    now: Timestamp,
) -> Result<HashMap<Subject, Vec<Budget>>, StoreError> {
    let mut bounds: HashMap<Subject, Bounds> = HashMap::new();
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
                Ok(own) => drop(bounds.insert(*subject, own)),
                Err(error) => tracing::error!(%error, %subject, "budgets cannot be read"),
            }
        }
    }
    let named: Vec<Subject> = bounds.keys().copied().collect();
    let held = load_held(db, organization, &named, now).await?;
    let budgets = |(subject, own): (Subject, Bounds)| match held.get(&subject) {
        Some(held) => (subject, held.raise.raised(&own).budgets),
        None => (subject, own.budgets),
    };
    Ok(bounds.into_iter().map(budgets).collect())
}

/// Notes in an audit entry what becomes of bounds that change.
pub(super) fn note_bounds(detail: &mut Value, before: &Bounds, after: &Bounds) {
    if let Some(fields) = detail.as_object_mut().filter(|_| before != after) {
        fields.insert("bounds".to_owned(), json!({ "before": before, "after": after }));
    }
}

impl Store {
    /// How what these bound stands: what was spent of their budgets, finished calls are written first, and
    /// what raises their limits and budgets.
    pub async fn shared_standing(
        &self,
        organization: OrganizationId,
        bounded: impl Iterator<Item = (Subject, &Bounds)>,
    ) -> Result<SharedStanding, StoreError> {
        let bounded: Vec<_> = bounded.filter(|(_, bounds)| !bounds.is_none()).collect();
        let with_budgets = bounded.iter().filter(|(_, bounds)| !bounds.budgets.is_empty());
        let with_budgets: Vec<Subject> = with_budgets.map(|(subject, _)| *subject).collect();
        let now = self.clock.now();
        let spent = if with_budgets.is_empty() {
            HashMap::new()
        } else {
            self.catch_up_with_bounds().await;
            load_spent_of(&self.db, &with_budgets, now, &self.time_zone).await?
        };
        let subjects: Vec<Subject> = bounded.iter().map(|(subject, _)| *subject).collect();
        let held = load_held(&self.db, organization, &subjects, now).await?;
        Ok(SharedStanding { spent, held })
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
