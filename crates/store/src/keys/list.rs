//! Finding and listing keys.

use std::net::IpAddr;

use doorward_domain::bounds::Subject;
use doorward_domain::budget::{Budget, Period, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use doorward_domain::key::ApiKey;
use doorward_domain::rotation::OVERLAP_MAX;
use jiff::Timestamp;

use super::cursor::{NEVER_ENDS_US, NEVER_USED_US, Place, name_order};
use super::page::{PageQuery, Wanted};
use super::row::{KeyRow, key_columns};
use super::{KeyCursor, KeyFilter, KeyRecord, KeySort, KeySortBy, Page};
use crate::calls::Patience;
use crate::db::{is_storable, on, timestamp};
use crate::row::row;
use crate::search::Holding;
use crate::usage::{PeriodSpend, load_spent_of};
use crate::{Store, StoreError};

row! {
    struct ListRow {
        ..key: KeyRow,
        last_used_at_us: Option<i64>,
        last_used_address: Option<String>,
    }
}

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
            Some(row) => self.record_of(organization, row).await,
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

    /// Keys of this organization; `after` is where the page before ended, in the same order. However
    /// many keys a page has, it takes the same few queries.
    pub async fn list_keys(
        &self,
        organization: OrganizationId,
        filter: &KeyFilter,
        after: Option<&KeyCursor>,
        limit: u32,
    ) -> Result<Page<KeyRecord>, StoreError> {
        self.catch_up().await;
        let search = filter.search.as_deref();
        let holding = search.and_then(|text| Holding::new(&self.db.read, text));
        let is_nowhere = search.is_some() && holding.is_none();
        if is_nowhere || !filter.kind.as_deref().is_none_or(is_storable) {
            return Ok(Page { rows: Vec::new(), has_more: false });
        }
        let (now, rows) = (self.clock.now(), limit.saturating_add(1));
        let wanted = Wanted { organization, filter, after, rows, now, holding: holding.as_ref() };
        let mut rows: Vec<ListRow> = on!(self.db.read, |pool| {
            PageQuery::new(&wanted).build().build_query_as().fetch_all(pool).await?
        });
        sort(&mut rows, filter.sort);
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Page { rows: self.records_of(organization, rows).await?, has_more })
    }

    /// Writes finished calls first, so that what is shown of a key includes its last call. Where
    /// that fails or would take long, reading goes on: a disk that is full must not hide the keys.
    pub(super) async fn catch_up(&self) {
        match self.flush_latest(Patience::Look).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("keys are shown without the latest calls"),
            Err(error) => tracing::warn!(%error, "keys are shown without the latest calls"),
        }
    }

    async fn record_of(
        &self,
        organization: OrganizationId,
        row: ListRow,
    ) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.records_of(organization, vec![row]).await?.pop())
    }

    /// Keys with what stands beside them: three queries, whatever their number.
    async fn records_of(
        &self,
        organization: OrganizationId,
        rows: Vec<ListRow>,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        let now = self.clock.now();
        let rows = rows.into_iter().map(ListRow::parse).collect::<Result<Vec<_>, _>>()?;
        let ids = |is_needed: &dyn Fn(&ApiKey) -> bool| -> Vec<KeyId> {
            rows.iter().map(|row| &row.key).filter(|key| is_needed(key)).map(|key| key.id).collect()
        };
        let all: Vec<Subject> = rows.iter().map(|row| Subject::Key(row.key.id)).collect();
        let spent = load_spent_of(&self.db, &all, now, &self.time_zone).await?;
        let rotated = ids(&|key| may_overlap(key, now));
        let mut secrets = self.previous_secrets_of(organization, &rotated, now).await?;
        let bounded = ids(&|key| !key.rights.may_make_keys());
        let bounded: Vec<Subject> = bounded.into_iter().map(Subject::Key).collect();
        let mut increases = self.held_increases(organization, &bounded, now).await?;
        let record = |row: Listed| {
            let spent = spent.get(&Subject::Key(row.key.id)).copied().unwrap_or_default();
            KeyRecord {
                spent: budgets_with(&row.key, &spent),
                spent_this_month: spent.of(Period::Month),
                last_used_at: row.last_used_at,
                last_used_address: row.last_used_address,
                previous_secrets: secrets.remove(&row.key.id).unwrap_or_default(),
                increase: increases.remove(&Subject::Key(row.key.id)),
                key: row.key,
            }
        };
        Ok(rows.into_iter().map(record).collect())
    }
}

/// A row of the list, read.
struct Listed {
    key: ApiKey,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<IpAddr>,
}

impl ListRow {
    /// Its place in the list.
    fn place(&self, by: KeySortBy) -> (Place, &str) {
        let (created_at_us, id) = self.key.place();
        let place = match by {
            KeySortBy::Created => Place::Number(created_at_us),
            KeySortBy::Name => Place::Text(name_order(self.key.name())),
            KeySortBy::LastUsed => Place::Number(self.last_used_at_us.unwrap_or(NEVER_USED_US)),
            KeySortBy::Expires => Place::Number(self.key.end_us().unwrap_or(NEVER_ENDS_US)),
        };
        (place, id)
    }

    fn parse(self) -> Result<Listed, StoreError> {
        Ok(Listed {
            key: self.key.parse()?,
            last_used_at: self.last_used_at_us.map(timestamp).transpose()?,
            last_used_address: self.last_used_address.and_then(|text| text.parse().ok()),
        })
    }
}

/// A page's rows, which come in no order.
fn sort(rows: &mut [ListRow], sort: KeySort) {
    rows.sort_by(|a, b| {
        let order = a.place(sort.by).cmp(&b.place(sort.by));
        if sort.is_descending { order.reverse() } else { order }
    });
}

/// Each budget of a key with what was spent of it.
fn budgets_with(key: &ApiKey, spent: &PeriodSpend) -> Vec<(Budget, Spend)> {
    key.rights.budgets.iter().map(|budget| (*budget, spent.of(budget.period))).collect()
}

/// Whether secrets that a rotation replaced may still work.
fn may_overlap(key: &ApiKey, now: Timestamp) -> bool {
    key.life.rotated_at.is_some_and(|at| now.duration_since(at) <= OVERLAP_MAX)
}
