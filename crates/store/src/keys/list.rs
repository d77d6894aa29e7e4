//! Finding and listing keys.

use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use doorward_domain::key::{ApiKey, KeyStatus};
use doorward_domain::rotation::{KeySecret, OVERLAP_MAX};
use jiff::Timestamp;

use super::row::{KeyRow, key_columns};
use super::{KeyCursor, KeyFilter, KeyRecord, Page};
use crate::calls::Patience;
use crate::db::{is_storable, on, timestamp};
use crate::row::row;
use crate::usage::{PeriodSpend, load_spent};
use crate::{Store, StoreError};

row! {
    struct ListRow {
        ..key: KeyRow,
        last_used_at_us: Option<i64>,
        last_used_address: Option<String>,
    }
}

/// A condition that is not given is `NULL`, and then holds. The status is that at `$9`.
const LIST: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", k.last_used_at_us, k.last_used_address
     FROM api_keys k
     WHERE k.organization_id = $1
       AND (CAST($2 AS TEXT) IS NULL OR k.owner_id = $2)
       AND (CAST($3 AS TEXT) IS NULL OR k.project_id = $3)
       AND (CAST($4 AS TEXT) IS NULL OR k.owner_kind = $4)
       AND (CAST($5 AS BIGINT) IS NULL OR k.expires_at_us < $5)
       AND (CAST($6 AS TEXT) IS NULL OR k.search_text LIKE $6 ESCAPE '!')
       AND CASE CAST($7 AS TEXT)
             WHEN 'revoked' THEN k.revoked_at_us IS NOT NULL
             WHEN 'expired' THEN k.revoked_at_us IS NULL AND k.expires_at_us <= $9
             WHEN 'disabled' THEN k.revoked_at_us IS NULL AND k.disabled_at_us IS NOT NULL
                  AND (k.expires_at_us IS NULL OR k.expires_at_us > $9)
             WHEN 'active' THEN k.revoked_at_us IS NULL AND k.disabled_at_us IS NULL
                  AND (k.expires_at_us IS NULL OR k.expires_at_us > $9)
             ELSE k.revoked_at_us IS NULL AND k.swept_at_us IS NULL
           END
       AND (CAST($8 AS BIGINT) IS NULL OR (k.created_at_us, k.id) < ($8, $11))
     ORDER BY k.created_at_us DESC, k.id DESC
     LIMIT $10"
);

/// No key holds a longer text, and SQLite's patterns have a limit.
const SEARCH_BYTES_MAX: usize = 10_000;

impl Store {
    /// A key of this organization, with its last call: finished calls are written first.
    pub async fn find_key(
        &self,
        organization: OrganizationId,
        id: &KeyId,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.catch_up().await;
        self.find_stored_key(organization, id).await
    }

    /// A key of this organization, perhaps without its last calls: to change it must not wait until
    /// they are written.
    pub async fn find_stored_key(
        &self,
        organization: OrganizationId,
        id: &KeyId,
    ) -> Result<Option<KeyRecord>, StoreError> {
        match self.stored_row(organization, id).await? {
            Some(row) => self.record_of(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The key alone, as it is in the database.
    pub(super) async fn stored_key(
        &self,
        organization: OrganizationId,
        id: &KeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let row = self.stored_row(organization, id).await?;
        row.map(|row| row.key.parse()).transpose()
    }

    async fn stored_row(
        &self,
        organization: OrganizationId,
        id: &KeyId,
    ) -> Result<Option<ListRow>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            key_columns!(),
            ", k.last_used_at_us, k.last_used_address
             FROM api_keys k WHERE k.organization_id = $1 AND k.id = $2"
        );
        Ok(on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(id.as_str())
                .fetch_optional(pool)
                .await?
        }))
    }

    /// Keys of this organization, newest first; `after` is where the page before ended.
    pub async fn list_keys(
        &self,
        organization: OrganizationId,
        filter: &KeyFilter,
        after: Option<KeyCursor>,
        limit: u32,
    ) -> Result<Page<KeyRecord>, StoreError> {
        self.catch_up().await;
        let texts = [&filter.search, &filter.kind];
        if !texts.into_iter().flatten().all(|text| is_searchable(text)) {
            return Ok(Page { rows: Vec::new(), has_more: false });
        }
        let rows: Vec<ListRow> = on!(self.db.read, |pool| {
            sqlx::query_as(LIST)
                .bind(organization.to_string())
                .bind(filter.owner.map(|owner| owner.to_string()))
                .bind(filter.project.map(|project| project.to_string()))
                .bind(filter.kind.as_deref())
                .bind(filter.expires_before.map(Timestamp::as_microsecond))
                .bind(filter.search.as_deref().map(containing))
                .bind(filter.status.map(KeyStatus::as_str))
                .bind(after.map(|place| place.created_at_us))
                .bind(self.clock.now().as_microsecond())
                .bind(i64::from(limit) + 1)
                .bind(after.map(|place| place.id.to_string()))
                .fetch_all(pool)
                .await?
        });
        let has_more = rows.len() > limit as usize;
        let mut records = Vec::new();
        for row in rows.into_iter().take(limit as usize) {
            records.push(self.record_of(row).await?);
        }
        Ok(Page { rows: records, has_more })
    }

    /// Writes finished calls first, so that what is shown of a key includes its last call. Where
    /// that fails or would take long, reading goes on: a disk that is full must not hide the keys.
    async fn catch_up(&self) {
        match self.flush_latest(Patience::Look).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("keys are shown without the latest calls"),
            Err(error) => tracing::warn!(%error, "keys are shown without the latest calls"),
        }
    }

    /// The secrets of a key that still work besides its newest one.
    async fn overlapping(
        &self,
        key: &ApiKey,
        now: Timestamp,
    ) -> Result<Vec<KeySecret>, StoreError> {
        if may_overlap(key, now) {
            self.previous_secrets(key.organization, &key.id, now).await
        } else {
            Ok(Vec::new())
        }
    }

    async fn record_of(&self, row: ListRow) -> Result<KeyRecord, StoreError> {
        let key: ApiKey = row.key.parse()?;
        let now = self.clock.now();
        let budgets = &key.rights.budgets;
        let spent = if budgets.is_empty() {
            PeriodSpend::default()
        } else {
            load_spent(&self.db, &key.id, now, &self.time_zone).await?
        };
        Ok(KeyRecord {
            spent: budgets.iter().map(|budget| (*budget, spent.of(budget.period))).collect(),
            last_used_at: row.last_used_at_us.map(timestamp).transpose()?,
            last_used_address: row.last_used_address.and_then(|text| text.parse().ok()),
            previous_secrets: self.overlapping(&key, now).await?,
            key,
        })
    }
}

/// Whether secrets that a rotation replaced may still work.
fn may_overlap(key: &ApiKey, now: Timestamp) -> bool {
    key.life.rotated_at.is_some_and(|at| now.duration_since(at) <= OVERLAP_MAX)
}

fn is_searchable(text: &str) -> bool {
    text.len() <= SEARCH_BYTES_MAX && is_storable(text)
}

/// What a search looks into. The engines do not agree on what is a lower case of what, so it is done
/// here, for the text as for the search.
pub(super) fn search_text(name: &str, description: &str, id: &KeyId) -> String {
    // Neither a name nor a description holds the separator, so nothing is found across.
    format!("{name}\u{1f}{description}\u{1f}{id}").to_lowercase()
}

/// A `LIKE` pattern for text that contains `text`, whose own wildcards mean themselves.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::containing;

    #[test]
    fn wildcards_in_a_search_mean_themselves() {
        assert_eq!(containing("A100%_!\\"), "%a100!%!_!!\\%");
    }
}
