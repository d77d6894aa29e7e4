//! Who is told about a key.

use doorward_domain::email::EmailAddress;
use doorward_domain::id::{OrganizationId, WebhookId};

use super::Receiver;
use super::plan::KeyToTell;
use crate::db::{on, parsed};
use crate::{Store, StoreError};

/// People who are told of one key at most.
const PEOPLE_MAX: i64 = 100;

const OWNER: &str = "
    SELECT id, email FROM users
    WHERE organization_id = $1 AND id = $2 AND email IS NOT NULL
      AND disabled_at_us IS NULL AND removed_at_us IS NULL LIMIT $3";
const PROJECT_ADMINS: &str = "
    SELECT u.id, u.email FROM project_members m
    JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
    WHERE m.organization_id = $1 AND m.project_id = $2 AND m.role = 'admin'
      AND u.email IS NOT NULL AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL
    ORDER BY u.id LIMIT $3";
const ORGANIZATION_ADMINS: &str = "
    SELECT id, email FROM users
    WHERE organization_id = $1 AND role IN ('owner', 'admin') AND CAST($2 AS TEXT) IS NOT NULL
      AND email IS NOT NULL AND disabled_at_us IS NULL AND removed_at_us IS NULL
    ORDER BY id LIMIT $3";
const WEBHOOKS: &str = "SELECT id FROM webhooks WHERE organization_id = $1 ORDER BY id";

/// A receiver, and what stands for them in the key by which a notice is put once: a person stays the
/// same when their address changes.
pub(super) type Addressed = (Receiver, String);

impl Store {
    /// Who is told about a key: by mail its owner; for a service account the administrators of its
    /// project, or those of the organization where there are none. And every webhook.
    pub(super) async fn receivers_of(
        &self,
        organization: OrganizationId,
        key: &KeyToTell,
        has_mail: bool,
    ) -> Result<Vec<Addressed>, StoreError> {
        let mut receivers = Vec::new();
        if has_mail {
            receivers = self.people_of(organization, key).await?;
        }
        for id in self.webhook_ids(organization).await? {
            receivers.push((Receiver::Webhook(id), id.to_string()));
        }
        Ok(receivers)
    }

    async fn people_of(
        &self,
        organization: OrganizationId,
        key: &KeyToTell,
    ) -> Result<Vec<Addressed>, StoreError> {
        if let Some(user) = key.user() {
            return self.people(OWNER, organization, user).await;
        }
        let admins = self.people(PROJECT_ADMINS, organization, key.project()).await?;
        if admins.is_empty() {
            return self.people(ORGANIZATION_ADMINS, organization, key.project()).await;
        }
        Ok(admins)
    }

    async fn people(
        &self,
        sql: &'static str,
        organization: OrganizationId,
        of: &str,
    ) -> Result<Vec<Addressed>, StoreError> {
        let rows: Vec<(String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(sql)
                .bind(organization.to_string())
                .bind(of)
                .bind(PEOPLE_MAX)
                .fetch_all(pool)
                .await?
        });
        let addressed = |(user, email): (String, String)| {
            let email: EmailAddress = parsed("email", &email)?;
            Ok((Receiver::Mail(email), user))
        };
        rows.into_iter().map(addressed).collect()
    }

    async fn webhook_ids(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<WebhookId>, StoreError> {
        let rows: Vec<(String,)> = on!(self.db.read, |pool| {
            sqlx::query_as(WEBHOOKS).bind(organization.to_string()).fetch_all(pool).await?
        });
        rows.iter().map(|(id,)| parsed("webhook", id)).collect()
    }
}
