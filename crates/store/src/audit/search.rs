//! Finding entries of the audit log.

use doorward_domain::audit::AuditEntry;
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;

use super::EntryRow;
use crate::db::{is_storable, on};
use crate::{Store, StoreError};

/// Which entries to list. All given conditions hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only what this key did, any key of this user or service account, or `system`.
    pub actor: Option<String>,
    /// Only actions that begin so: `key.` or `key.create`.
    pub action: Option<String>,
    /// Only actions that do not begin so: `session.`.
    pub except: Option<String>,
    /// Only what was done to this.
    pub subject: Option<String>,
    /// Only what was done at this instant or later.
    pub from: Option<Timestamp>,
    /// Only what was done before this instant.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    /// A text that cannot be stored stands in no entry.
    fn is_storable(&self) -> bool {
        let texts = [&self.actor, &self.action, &self.subject];
        texts.into_iter().flatten().all(|text| is_storable(text))
    }
}

impl Store {
    /// Entries of one organization, newest first, at most `limit`, before the sequence `before`.
    pub async fn list_audit(
        &self,
        organization: OrganizationId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.search_audit(organization, &AuditFilter::default(), before, limit).await
    }

    /// Those of them that fit a filter. It may have to look at each entry of the organization, so it is
    /// a report.
    pub async fn search_audit(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        const SQL: &str = "
            SELECT sequence, at_us, organization_id, actor, action, subject, detail, link
            FROM audit_entries
            WHERE organization_id = $1 AND sequence < $2
              AND (CAST($3 AS TEXT) IS NULL OR actor = $3 OR actor IN (
                  SELECT k.id FROM api_keys k WHERE k.organization_id = $1 AND k.owner_id = $3))
              AND (CAST($4 AS TEXT) IS NULL OR substr(action, 1, length($4)) = $4)
              AND (CAST($9 AS TEXT) IS NULL OR substr(action, 1, length($9)) <> $9)
              AND (CAST($5 AS TEXT) IS NULL OR subject = $5)
              AND (CAST($6 AS BIGINT) IS NULL OR at_us >= $6)
              AND (CAST($7 AS BIGINT) IS NULL OR at_us < $7)
            ORDER BY sequence DESC LIMIT $8";
        if !filter.is_storable() {
            return Ok(Vec::new());
        }
        let except = filter.except.as_deref().filter(|text| is_storable(text));
        let rows: Vec<EntryRow> = on!(self.db.reports, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(before.unwrap_or(i64::MAX))
                .bind(filter.actor.as_deref())
                .bind(filter.action.as_deref())
                .bind(filter.subject.as_deref())
                .bind(filter.from.map(Timestamp::as_microsecond))
                .bind(filter.to.map(Timestamp::as_microsecond))
                .bind(i64::from(limit))
                .bind(except)
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(|row| row.parse().map(|(entry, _)| entry)).collect()
    }

    /// What was done to one thing, newest first, at most `limit`, before the sequence `before`. However long
    /// the log is, it reads only what it answers.
    pub async fn audit_of(
        &self,
        organization: OrganizationId,
        subject: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        const SQL: &str = "
            SELECT sequence, at_us, organization_id, actor, action, subject, detail, link
            FROM audit_entries
            WHERE organization_id = $1 AND subject = $2 AND sequence < $3
            ORDER BY sequence DESC LIMIT $4";
        if !is_storable(subject) {
            return Ok(Vec::new());
        }
        let rows: Vec<EntryRow> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(subject)
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(|row| row.parse().map(|(entry, _)| entry)).collect()
    }
}
