//! The budgets of keys, as they hold at a moment.

use std::collections::HashMap;

use doorward_domain::bounds::Subject;
use doorward_domain::budget::Budget;
use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use doorward_domain::rights::Rights;
use jiff::Timestamp;

use super::row::StoredRights;
use crate::StoreError;
use crate::db::{Db, on, parsed, parsed_json};
use crate::increases::load_held;
use crate::row::row;

row! {
    struct BudgetedRow {
        id: String,
        rights: String,
    }
}

/// The budgets of some keys as they hold at `now`; keys without any are left out.
pub(crate) async fn load_key_budgets(
    db: &Db,
    organization: OrganizationId,
    keys: &[KeyId],
    now: Timestamp,
) -> Result<HashMap<KeyId, Vec<Budget>>, StoreError> {
    const SQL: &str = "SELECT id, rights FROM api_keys
        WHERE rights NOT LIKE '%\"budgets\":[]%' AND organization_id = ";
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<BudgetedRow> = on!(db.read, |pool| {
        let mut query = sqlx::QueryBuilder::new(SQL);
        query.push_bind(organization.to_string()).push(" AND id IN (");
        let mut ids = query.separated(", ");
        for key in keys {
            ids.push_bind(key.to_string());
        }
        query.push(")");
        query.build_query_as().fetch_all(pool).await?
    });
    let read = |row: &BudgetedRow| {
        let rights: StoredRights = parsed_json("rights", &row.rights)?;
        Ok::<_, StoreError>((parsed("key", &row.id)?, rights.into_rights(None)))
    };
    // Nobody calls by a key that cannot be read; what others spent must be written down all the same.
    let readable = rows.iter().filter_map(|row| {
        read(row)
            .inspect_err(|error| tracing::error!(%error, key = row.id, "budgets cannot be read"))
            .ok()
    });
    let rights: HashMap<KeyId, Rights> = readable.collect();
    let subjects: Vec<Subject> = rights.keys().copied().map(Subject::Key).collect();
    let held = load_held(db, organization, &subjects, now).await?;
    let budgets = |(id, own): (KeyId, Rights)| match held.get(&Subject::Key(id)) {
        Some(held) => (id, held.raise.applied_to(&own).budgets),
        None => (id, own.budgets),
    };
    Ok(rights.into_iter().map(budgets).collect())
}
