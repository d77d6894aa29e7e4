//! What raises the limits of a key at the moment.

use std::collections::HashMap;

use doorward_domain::budget::Budget;
use doorward_domain::credential::KeyId;
use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::Raise;
use doorward_domain::key::ApiKey;
use doorward_domain::rights::Rights;
use jiff::Timestamp;

use crate::db::{Db, on, parsed, parsed_json, timestamp};
use crate::keys::row::StoredRights;
use crate::row::row;
use crate::{Store, StoreError};

/// A limit increase that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldIncrease {
    /// Which.
    pub id: IncreaseId,
    /// What it raises.
    pub raise: Raise,
    /// Until when; then the key's own limits and budgets hold again.
    pub ends_at: Timestamp,
}

/// The rights of a key while an increase holds, for the data plane.
#[derive(Debug)]
pub(crate) struct Raised {
    pub(crate) rights: Rights,
    /// From then on, they are the key's own again.
    pub(crate) ends_at: Timestamp,
}

row! {
    struct HeldRow {
        key_id: String,
        id: String,
        granted: String,
        ends_at_us: i64,
    }
}

impl HeldRow {
    fn parse(self) -> Result<(KeyId, HeldIncrease), StoreError> {
        let held = HeldIncrease {
            id: parsed("limit increase", &self.id)?,
            raise: parsed_json("limit increase", &self.granted)?,
            ends_at: timestamp(self.ends_at_us)?,
        };
        Ok((parsed("key", &self.key_id)?, held))
    }
}

/// The rights of a key that an increase raises at `now`. `None`: none does.
pub(crate) async fn load_raised(
    db: &Db,
    key: &ApiKey,
    now: Timestamp,
) -> Result<Option<Raised>, StoreError> {
    let held = load_held(db, key.organization, &[key.id], now).await?.remove(&key.id);
    Ok(held
        .map(|held| Raised { rights: held.raise.applied_to(&key.rights), ends_at: held.ends_at }))
}

/// What raises the limits of some keys at `now`.
async fn load_held(
    db: &Db,
    organization: OrganizationId,
    keys: &[KeyId],
    now: Timestamp,
) -> Result<HashMap<KeyId, HeldIncrease>, StoreError> {
    const SQL: &str = "
        SELECT key_id, id, granted, ends_at_us FROM limit_increases
        WHERE state = 'granted' AND organization_id = ";
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<HeldRow> = on!(db.read, |pool| {
        let mut query = sqlx::QueryBuilder::new(SQL);
        query.push_bind(organization.to_string());
        query.push(" AND ends_at_us > ").push_bind(now.as_microsecond());
        query.push(" AND key_id IN (");
        let mut ids = query.separated(", ");
        for key in keys {
            ids.push_bind(key.to_string());
        }
        query.push(")");
        query.build_query_as().fetch_all(pool).await?
    });
    rows.into_iter().map(HeldRow::parse).collect()
}

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
    let ids: Vec<KeyId> = rights.keys().copied().collect();
    let held = load_held(db, organization, &ids, now).await?;
    let budgets = |(id, own): (KeyId, Rights)| match held.get(&id) {
        Some(held) => (id, held.raise.applied_to(&own).budgets),
        None => (id, own.budgets),
    };
    Ok(rights.into_iter().map(budgets).collect())
}

impl Store {
    /// What raises the limits of some keys at `now`.
    pub(in crate::keys) async fn held_increases(
        &self,
        organization: OrganizationId,
        keys: &[KeyId],
        now: Timestamp,
    ) -> Result<HashMap<KeyId, HeldIncrease>, StoreError> {
        load_held(&self.db, organization, keys, now).await
    }
}
