//! Seeing notices, and sending one again.

use doorward_domain::id::{NoticeId, OrganizationId};
use doorward_domain::notice::{NoticeKind, NoticeState};
use serde_json::json;

use super::{NewNotice, Notice, NoticeRow, Receiver, notice_columns, put_notice};
use crate::audit::append_audit;
use crate::db::{finds, is_storable, on};
use crate::{Act, Page, Store, StoreError, Webhook};

/// Which notices to list. All given conditions hold.
#[derive(Debug, Clone, Default)]
pub struct NoticeFilter {
    /// Only those in this state.
    pub state: Option<NoticeState>,
    /// Only those of this kind.
    pub kind: Option<NoticeKind>,
    /// Only those about the thing with this id.
    pub subject: Option<String>,
}

const LIST: &str = concat!(
    "SELECT ",
    notice_columns!(),
    " FROM notices
     WHERE organization_id = $1
       AND (CAST($2 AS TEXT) IS NULL OR state = $2)
       AND (CAST($3 AS TEXT) IS NULL OR kind = $3)
       AND (CAST($4 AS TEXT) IS NULL OR subject = $4)
       AND (CAST($5 AS TEXT) IS NULL OR id < $5)
     ORDER BY id DESC LIMIT $6"
);

const FIND: &str =
    concat!("SELECT ", notice_columns!(), " FROM notices WHERE organization_id = $1 AND id = $2");

/// One that is waiting goes out at once, one that is dead as if it were new.
const RETRY: &str = "
    UPDATE notices SET state = 'waiting', attempts = 0, next_attempt_at_us = $3
    WHERE organization_id = $1 AND id = $2 AND state IN ('dead', 'waiting')";

const WEBHOOK_IS_THERE: &str = "SELECT 1 FROM webhooks WHERE organization_id = $1 AND id = $2";

impl Store {
    /// Notices of this organization, newest first, older than `after`.
    pub async fn list_notices(
        &self,
        organization: OrganizationId,
        filter: &NoticeFilter,
        after: Option<NoticeId>,
        limit: u32,
    ) -> Result<Page<Notice>, StoreError> {
        if !filter.subject.as_deref().is_none_or(is_storable) {
            return Ok(Page { rows: Vec::new(), has_more: false });
        }
        let rows: Vec<NoticeRow> = on!(self.db.read, |pool| {
            sqlx::query_as(LIST)
                .bind(organization.to_string())
                .bind(filter.state.map(NoticeState::as_str))
                .bind(filter.kind.map(NoticeKind::as_str))
                .bind(filter.subject.as_deref())
                .bind(after.map(|id| id.to_string()))
                .bind(i64::from(limit) + 1)
                .fetch_all(pool)
                .await?
        });
        let has_more = rows.len() > limit as usize;
        let rows = rows.into_iter().take(limit as usize).map(NoticeRow::parse);
        Ok(Page { rows: rows.collect::<Result<_, _>>()?, has_more })
    }

    /// A notice of this organization.
    pub async fn find_notice(
        &self,
        organization: OrganizationId,
        id: NoticeId,
    ) -> Result<Option<Notice>, StoreError> {
        let row: Option<NoticeRow> = on!(self.db.read, |pool| {
            sqlx::query_as(FIND)
                .bind(organization.to_string())
                .bind(id.to_string())
                .fetch_optional(pool)
                .await?
        });
        row.map(NoticeRow::parse).transpose()
    }

    /// Lets a notice that is dead or waiting go out at once, and audits it. [`StoreError::Stale`] for one
    /// that is neither, [`StoreError::Missing`] for one that is not there.
    pub async fn retry_notice(&self, act: &Act, id: NoticeId) -> Result<Notice, StoreError> {
        let found = self.find_notice(act.organization, id).await?;
        let found = found.ok_or(StoreError::Missing("notice"))?;
        let detail = json!({ "kind": found.kind.as_str(), "subject": found.subject });
        let text = id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("notice.retry", &text, &detail));
            let done = sqlx::query(RETRY)
                .bind(act.organization.to_string())
                .bind(&text)
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            tx.commit().await?;
        });
        let retried = self.find_notice(act.organization, id).await?;
        retried.ok_or(StoreError::Missing("notice"))
    }

    /// Puts a notice that tests a webhook, and audits it.
    pub async fn test_webhook(&self, act: &Act, webhook: &Webhook) -> Result<Notice, StoreError> {
        let id = webhook.id.to_string();
        let dedup_key = format!("webhook.test {id} {:016x}", self.random_u64());
        let notice = NewNotice {
            kind: NoticeKind::WebhookTest,
            subject: id.clone(),
            about: None,
            threshold_days: None,
            receiver: Receiver::Webhook(webhook.id),
            dedup_key: dedup_key.clone(),
            data: [("webhook".to_owned(), json!({ "id": id, "name": webhook.name }))]
                .into_iter()
                .collect(),
            secret: None,
        };
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let detail = json!({ "name": webhook.name });
            append_audit!(self, tx, act.entry("webhook.test", &id, &detail));
            if !finds!(tx, WEBHOOK_IS_THERE, act.organization.to_string(), &id) {
                return Err(StoreError::Missing("webhook"));
            }
            put_notice!(self, tx, act.organization, act.at, &notice);
            tx.commit().await?;
        });
        self.find_notice_by_dedup_key(act.organization, &dedup_key).await
    }

    async fn find_notice_by_dedup_key(
        &self,
        organization: OrganizationId,
        dedup_key: &str,
    ) -> Result<Notice, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            notice_columns!(),
            " FROM notices WHERE organization_id = $1 AND dedup_key = $2"
        );
        let row: Option<NoticeRow> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(dedup_key)
                .fetch_optional(pool)
                .await?
        });
        row.ok_or(StoreError::Missing("notice"))?.parse()
    }
}
