//! Webhooks: where notices go over HTTP.

mod secrets;

use doorward_domain::id::{OrganizationId, WebhookId};
use doorward_domain::webhook::WebhookSecret;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{check_storable, next_version, on, parsed, taken, timestamp};
use crate::named::NamedRow;
use crate::row::row;
use crate::{Act, Removed, Store, StoreError};

pub use secrets::WebhookSecrets;

/// Webhooks of one organization: every notice goes to each of them.
pub const WEBHOOKS_MAX: usize = 20;

/// Where notices go over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose.
    pub organization: OrganizationId,
    /// Unique within the organization.
    pub name: String,
    /// Where its receiver is.
    pub url: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited, or got a new secret: its version.
    pub updated_at: Timestamp,
}

/// A webhook to be made; its secret is minted inside.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Unique within the organization.
    pub name: String,
    /// Where its receiver is.
    pub url: String,
}

/// What an edit changes; `None` leaves a field alone.
#[derive(Debug, Clone, Default)]
pub struct WebhookEdit {
    /// Unique within the organization.
    pub name: Option<String>,
    /// Where its receiver is.
    pub url: Option<String>,
    /// Only if it was last edited at this instant; else [`StoreError::Stale`].
    pub if_updated_at: Option<Timestamp>,
}

row! {
    struct WebhookRow {
        id: String,
        organization_id: String,
        name: String,
        url: String,
        created_at_us: i64,
        updated_at_us: i64,
    }
}

impl NamedRow for WebhookRow {
    type Named = Webhook;

    fn parse(self) -> Result<Webhook, StoreError> {
        Ok(Webhook {
            id: parsed("webhook", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            name: self.name,
            url: self.url,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
        })
    }
}

/// Reads webhooks.
macro_rules! select_webhooks {
    ($only:literal) => {
        concat!(
            "SELECT id, organization_id, name, url, created_at_us, updated_at_us
             FROM webhooks WHERE organization_id = $1 AND ",
            $only
        )
    };
}

impl Store {
    /// Makes a webhook and audits it. Returns it and, this once, its secret. [`StoreError::Taken`] with
    /// `name`; [`StoreError::Full`] where there are as many as there may be.
    pub async fn create_webhook(
        &self,
        act: &Act,
        new: NewWebhook,
    ) -> Result<(Webhook, WebhookSecret), StoreError> {
        const SQL: &str = "
            INSERT INTO webhooks
                (id, organization_id, name, url, secret, created_at_us, updated_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $6)";
        const COUNT: &str = "SELECT COUNT(*) FROM webhooks WHERE organization_id = $1";
        check_storable(&[("name", &new.name), ("url", &new.url)])?;
        let webhook = Webhook {
            id: self.new_id(WebhookId::new),
            organization: act.organization,
            name: new.name,
            url: new.url,
            created_at: whole_us(act.at),
            updated_at: whole_us(act.at),
        };
        let (organization, id) = (act.organization.to_string(), webhook.id.to_string());
        let (secret, sealed) = self.mint_webhook_secret(act.organization, &id)?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let detail = json!({ "name": webhook.name, "url": webhook.url });
            append_audit!(self, tx, act.entry("webhook.create", &id, &detail));
            let (count,): (i64,) =
                sqlx::query_as(COUNT).bind(&organization).fetch_one(&mut *tx).await?;
            if usize::try_from(count).is_ok_and(|count| count >= WEBHOOKS_MAX) {
                return Err(StoreError::Full("webhooks"));
            }
            sqlx::query(SQL)
                .bind(&id)
                .bind(&organization)
                .bind(&webhook.name)
                .bind(&webhook.url)
                .bind(sealed.as_slice())
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            tx.commit().await?;
        });
        Ok((webhook, secret))
    }

    /// Changes name or URL, and audits it. An edit that changes nothing leaves no trace.
    pub async fn edit_webhook(
        &self,
        act: &Act,
        id: WebhookId,
        edit: WebhookEdit,
    ) -> Result<Webhook, StoreError> {
        const SQL: &str = "
            UPDATE webhooks SET name = $3, url = $4, updated_at_us = $5
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $6";
        let found = self.find_webhook(act.organization, id).await?;
        let before = found.ok_or(StoreError::Missing("webhook"))?;
        if edit.if_updated_at.is_some_and(|expected| whole_us(expected) != before.updated_at) {
            return Err(StoreError::Stale);
        }
        let mut webhook = before.clone();
        webhook.name = edit.name.unwrap_or(webhook.name);
        webhook.url = edit.url.unwrap_or(webhook.url);
        if webhook == before {
            return Ok(webhook);
        }
        check_storable(&[("name", &webhook.name), ("url", &webhook.url)])?;
        webhook.updated_at = next_version(before.updated_at, act.at);
        let detail = json!({
            "before": { "name": before.name, "url": before.url },
            "after": { "name": webhook.name, "url": webhook.url },
        });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("webhook.edit", &id.to_string(), &detail));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(id.to_string())
                .bind(&webhook.name)
                .bind(&webhook.url)
                .bind(webhook.updated_at.as_microsecond())
                .bind(before.updated_at.as_microsecond())
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            tx.commit().await?;
        });
        Ok(webhook)
    }

    /// Deletes a webhook with its notices, and audits it.
    pub async fn delete_webhook(&self, act: &Act, id: WebhookId) -> Result<Removed, StoreError> {
        const SQL: &str = "
            DELETE FROM webhooks WHERE organization_id = $1 AND id = $2";
        let Some(webhook) = self.find_webhook(act.organization, id).await? else {
            return Ok(Removed::NotFound);
        };
        let detail = json!({ "name": webhook.name, "url": webhook.url });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("webhook.delete", &id.to_string(), &detail));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(id.to_string())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// A webhook of this organization.
    pub async fn find_webhook(
        &self,
        organization: OrganizationId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        const SQL: &str = select_webhooks!("id = $2");
        self.find_one::<WebhookRow>(SQL, organization, &id.to_string()).await
    }

    /// A webhook of this organization, by name.
    pub async fn find_webhook_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<Webhook>, StoreError> {
        const SQL: &str = select_webhooks!("name = $2");
        self.find_one::<WebhookRow>(SQL, organization, name).await
    }

    /// The webhooks of this organization, by name, after the name `after`, at most `limit`.
    pub async fn list_webhooks(
        &self,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError> {
        const SQL: &str = select_webhooks!("name > $2 ORDER BY name LIMIT $3");
        self.list_after::<WebhookRow>(SQL, organization, after, limit).await
    }
}
