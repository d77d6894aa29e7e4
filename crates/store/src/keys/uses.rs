//! When keys last used what they were granted.

use std::collections::HashMap;

use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use doorward_domain::key::ApiKey;
use doorward_domain::rights::Rights;
use doorward_domain::scope::Scope;
use doorward_domain::uses::KeyUses;

use crate::db::{on, parsed, timestamp};
use crate::row::row;
use crate::{Store, StoreError};

/// A use that the database shall know. Unique by key and thing among those written together.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) organization: OrganizationId,
    pub(crate) key: KeyId,
    pub(crate) what: String,
    pub(crate) at_us: i64,
}

const SCOPE: &str = "scope:";
const MODEL: &str = "model:";
/// Not a use: when the scopes or models of a key were last widened.
pub(crate) const WIDENED: &str = "widened";

/// Rows in one statement.
pub(crate) const ROWS: usize = 100;
pub(crate) const INSERT: &str =
    "INSERT INTO key_uses (organization_id, key_id, what, last_used_at_us) ";
/// An hour exact: what is used all the time is written once an hour.
pub(crate) const UNLESS_FRESH: &str = "
    ON CONFLICT (key_id, what) DO UPDATE SET last_used_at_us = excluded.last_used_at_us
    WHERE key_uses.last_used_at_us <= excluded.last_used_at_us - 3600000000";
pub(crate) const NOTE_WIDENED: &str = "
    INSERT INTO key_uses (organization_id, key_id, what, last_used_at_us) VALUES ($1, $2, $3, $4)
    ON CONFLICT (key_id, what) DO UPDATE SET last_used_at_us = excluded.last_used_at_us";

/// Writes uses inside an open transaction of either engine. `?` acts on the caller.
macro_rules! insert_uses {
    ($tx:ident, $uses:expr) => {
        for rows in $uses.chunks($crate::keys::USES_ROWS) {
            let mut insert = sqlx::QueryBuilder::new($crate::keys::USES_INSERT);
            insert.push_values(rows, |mut row, used| {
                row.push_bind(used.organization.to_string())
                    .push_bind(used.key.to_string())
                    .push_bind(used.what.clone())
                    .push_bind(used.at_us);
            });
            insert.push($crate::keys::USES_UNLESS_FRESH);
            insert.build().execute(&mut *$tx).await?;
        }
    };
}
pub(crate) use insert_uses;

/// What a call of a model is called.
pub(crate) fn model_use(model: &str) -> String {
    format!("{MODEL}{model}")
}

/// Whether an edit grants something that was not granted before it.
pub(super) fn is_widened(before: &Rights, after: &Rights) -> bool {
    !before.scopes.covers(after.scopes) || !before.models.covers(&after.models)
}

row! {
    struct UseRow {
        key_id: String,
        what: String,
        last_used_at_us: i64,
    }
}

impl UseRow {
    fn add_to(&self, uses: &mut KeyUses) -> Result<(), StoreError> {
        let at = timestamp(self.last_used_at_us)?;
        if let Some(scope) = self.what.strip_prefix(SCOPE) {
            uses.scopes.push((parsed("scope", scope)?, at));
        } else if let Some(model) = self.what.strip_prefix(MODEL) {
            uses.models.push((model.to_owned(), at));
        } else if self.what == WIDENED {
            uses.widened_at = Some(at);
        }
        Ok(())
    }
}

impl Store {
    /// Notes that a key used one of its scopes now. It is in the database a moment later; what is
    /// noted when the process is killed is lost.
    pub fn note_scope(&self, key: &ApiKey, needs: Scope) {
        if let Some(used) = key.rights.scopes.used_for(needs) {
            let at_us = self.clock.now().as_microsecond();
            let what = format!("{SCOPE}{used}");
            self.calls.note_use(Use { organization: key.organization, key: key.id, what, at_us });
        }
    }

    /// When some keys last used what they may do, their latest calls included; one that used nothing is
    /// left out.
    pub async fn key_uses(
        &self,
        organization: OrganizationId,
        keys: &[KeyId],
    ) -> Result<HashMap<KeyId, KeyUses>, StoreError> {
        const SQL: &str =
            "SELECT key_id, what, last_used_at_us FROM key_uses WHERE organization_id = ";
        let mut uses: HashMap<KeyId, KeyUses> = HashMap::new();
        if keys.is_empty() {
            return Ok(uses);
        }
        self.catch_up().await;
        let rows: Vec<UseRow> = on!(self.db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(SQL);
            query.push_bind(organization.to_string()).push(" AND key_id IN (");
            let mut ids = query.separated(", ");
            for key in keys {
                ids.push_bind(key.to_string());
            }
            query.push(")").build_query_as().fetch_all(pool).await?
        });
        for row in rows {
            row.add_to(uses.entry(parsed("key", &row.key_id)?).or_default())?;
        }
        Ok(uses)
    }
}
