//! Who is told about a key.

use doorward_domain::bounds::Subject;
use doorward_domain::credential::KeyId;
use doorward_domain::email::EmailAddress;
use doorward_domain::id::{OrganizationId, WebhookId};
use serde_json::{Map, Value, json};

use super::Receiver;
use crate::db::{on, parsed};
use crate::row::row;
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
/// What a user, a project or the organization is called.
const NAME: &str = "
    SELECT name FROM users WHERE organization_id = $1 AND id = $2
    UNION ALL
    SELECT name FROM projects WHERE organization_id = $1 AND id = $2
    UNION ALL
    SELECT name FROM organizations WHERE id = $1 AND id = $2";
const WEBHOOKS: &str = "SELECT id FROM webhooks WHERE organization_id = $1 ORDER BY id";

/// A receiver, and what stands for them in the key by which a notice is put once: a person stays the
/// same when their address changes.
pub(crate) type Addressed = (Receiver, String);

row! {
    pub(crate) struct ToldKey {
        id: String,
        name: String,
        owner_kind: String,
        owner_id: String,
        owner_name: String,
        project_id: String,
        project_name: String,
    }
}

impl ToldKey {
    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What a notice says of it.
    pub(crate) fn data(&self) -> Map<String, Value> {
        let key = json!({
            "id": self.id,
            "name": self.name,
            "kind": self.owner_kind,
            "owner": { "id": self.owner_id, "name": self.owner_name },
            "project": { "id": self.project_id, "name": self.project_name },
        });
        Map::from_iter([("api_key".to_owned(), key)])
    }

    /// The user who owns it. `None`: a service account does.
    fn user(&self) -> Option<&str> {
        (self.owner_kind == "user").then_some(self.owner_id.as_str())
    }
}

impl Store {
    /// A key of this organization, to be told of.
    pub(crate) async fn told_key(
        &self,
        organization: OrganizationId,
        id: &KeyId,
    ) -> Result<Option<ToldKey>, StoreError> {
        const SQL: &str = "
            SELECT k.id, k.name, k.owner_kind, k.owner_id,
                COALESCE(u.name, s.name, '') AS owner_name, k.project_id, p.name AS project_name
            FROM api_keys k
            JOIN projects p ON p.organization_id = k.organization_id AND p.id = k.project_id
            LEFT JOIN users u ON u.organization_id = k.organization_id AND u.id = k.owner_user_id
            LEFT JOIN service_accounts s ON s.organization_id = k.organization_id
              AND s.id = k.owner_service_account_id
            WHERE k.organization_id = $1 AND k.id = $2";
        Ok(on!(self.db.read, |pool| {
            let query = sqlx::query_as(SQL).bind(organization.to_string()).bind(id.as_str());
            query.fetch_optional(pool).await?
        }))
    }

    /// Who is told about a key: by mail its owner; for a service account the administrators of its
    /// project, or those of the organization where there are none. And every webhook.
    pub(crate) async fn receivers_of(
        &self,
        organization: OrganizationId,
        key: &ToldKey,
        has_mail: bool,
    ) -> Result<Vec<Addressed>, StoreError> {
        let mut receivers = Vec::new();
        if has_mail {
            receivers = self.people_of(organization, key).await?;
        }
        self.add_webhooks(organization, receivers).await
    }

    /// Who is told what an administrator has to decide: by mail those of the organization. And every
    /// webhook.
    pub(crate) async fn administrators(
        &self,
        organization: OrganizationId,
        has_mail: bool,
    ) -> Result<Vec<Addressed>, StoreError> {
        let mut receivers = Vec::new();
        if has_mail {
            receivers = self.people(ORGANIZATION_ADMINS, organization, "").await?;
        }
        self.add_webhooks(organization, receivers).await
    }

    /// Whose a budget or an increase is, as notices say it, and who is told of it: of a key's like of the key; of a
    /// user's the user; of a project's its administrators; else those of the organization. And every
    /// webhook. `None`: it is gone.
    pub(crate) async fn told_subject(
        &self,
        organization: OrganizationId,
        subject: &Subject,
        has_mail: bool,
    ) -> Result<Option<(Map<String, Value>, Vec<Addressed>)>, StoreError> {
        let first = match subject {
            Subject::Key(id) => {
                let Some(key) = self.told_key(organization, id).await? else { return Ok(None) };
                let receivers = self.receivers_of(organization, &key, has_mail).await?;
                return Ok(Some((key.data(), receivers)));
            }
            Subject::User(_) => Some(OWNER),
            Subject::Project(_) => Some(PROJECT_ADMINS),
            Subject::Organization(_) => None,
        };
        let id = subject.id();
        let row: Option<(String,)> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(NAME).bind(organization.to_string()).bind(&id);
            query.fetch_optional(pool).await?
        });
        let Some((name,)) = row else { return Ok(None) };
        let mut people = Vec::new();
        for sql in first.into_iter().chain([ORGANIZATION_ADMINS]).filter(|_| has_mail) {
            if people.is_empty() {
                people = self.people(sql, organization, &id).await?;
            }
        }
        let kind = subject.bound_of().as_str().to_owned();
        let who = Map::from_iter([(kind, json!({ "id": id, "name": name }))]);
        Ok(Some((who, self.add_webhooks(organization, people).await?)))
    }

    async fn add_webhooks(
        &self,
        organization: OrganizationId,
        mut receivers: Vec<Addressed>,
    ) -> Result<Vec<Addressed>, StoreError> {
        for id in self.webhook_ids(organization).await? {
            receivers.push((Receiver::Webhook(id), id.to_string()));
        }
        Ok(receivers)
    }

    async fn people_of(
        &self,
        organization: OrganizationId,
        key: &ToldKey,
    ) -> Result<Vec<Addressed>, StoreError> {
        if let Some(user) = key.user() {
            return self.people(OWNER, organization, user).await;
        }
        let admins = self.people(PROJECT_ADMINS, organization, &key.project_id).await?;
        if admins.is_empty() {
            return self.people(ORGANIZATION_ADMINS, organization, &key.project_id).await;
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
