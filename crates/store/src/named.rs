//! What has a name in an organization is found by one text and listed by names.

use doorward_domain::id::OrganizationId;
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::db::{is_storable, on};
use crate::search::pattern;
use crate::{Store, StoreError};

/// A row of something that has a name, on either engine.
pub(crate) trait NamedRow:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
    /// What it says.
    type Named;

    fn parse(self) -> Result<Self::Named, StoreError>;
}

impl Store {
    /// The one that `sql` finds, of an organization (`$1`) by an id or a name (`$2`).
    pub(crate) async fn find_one<R: NamedRow>(
        &self,
        sql: &'static str,
        organization: OrganizationId,
        wanted: &str,
    ) -> Result<Option<R::Named>, StoreError> {
        if !is_storable(wanted) {
            return Ok(None);
        }
        let row: Option<R> = on!(self.db.read, |pool| {
            sqlx::query_as(sql)
                .bind(organization.to_string())
                .bind(wanted)
                .fetch_optional(pool)
                .await?
        });
        row.map(R::parse).transpose()
    }

    /// Those that `sql` finds, of an organization (`$1`) after a name (`$2`), at most `limit` (`$3`).
    pub(crate) async fn list_after<R: NamedRow>(
        &self,
        sql: &'static str,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<R::Named>, StoreError> {
        let after = after.unwrap_or_default();
        if !is_storable(after) {
            return Ok(Vec::new());
        }
        let rows: Vec<R> = on!(self.db.read, |pool| {
            sqlx::query_as(sql)
                .bind(organization.to_string())
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(R::parse).collect()
    }

    /// Those that `sql` finds, of an organization (`$1`) after a name (`$2`), at most `limit` (`$4`), whose
    /// `search_text` is like a pattern (`$3`): they contain `search`, whatever its case.
    pub(crate) async fn search_after<R: NamedRow>(
        &self,
        sql: &'static str,
        organization: OrganizationId,
        search: &str,
        (after, limit): (Option<&str>, u32),
    ) -> Result<Vec<R::Named>, StoreError> {
        let after = after.unwrap_or_default();
        let Some(pattern) = pattern(search).filter(|_| is_storable(after)) else {
            return Ok(Vec::new());
        };
        let rows: Vec<R> = on!(self.db.read, |pool| {
            sqlx::query_as(sql)
                .bind(organization.to_string())
                .bind(after)
                .bind(&pattern)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(R::parse).collect()
    }
}
