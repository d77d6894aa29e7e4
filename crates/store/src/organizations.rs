//! Organizations, projects, users and service accounts.

use doorward_domain::id::{OrganizationId, ProjectId, ServiceAccountId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::{Actor, append_audit};
use crate::db::{check_storable, finds, on, parsed, taken, timestamp};
use crate::{Act, Store, StoreError};

/// The name of what the first start makes, and of the project where keys go that name none.
const DEFAULT: &str = "default";

/// A person who signs in.
#[derive(Debug, Clone)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Whose member.
    pub organization: OrganizationId,
    /// Unique within the organization.
    pub name: String,
    /// What the user may do.
    pub role: OrganizationRole,
    /// Since when the user is switched off.
    pub disabled_at: Option<Timestamp>,
}

/// What the first start makes.
#[derive(Debug)]
pub struct Bootstrap {
    /// `default`.
    pub organization: OrganizationId,
    /// `default`.
    pub project: ProjectId,
    /// The administrator, role owner.
    pub administrator: UserId,
}

/// Whether an organization has a project.
pub(crate) const FIND_PROJECT: &str =
    "SELECT 1 FROM projects WHERE organization_id = $1 AND id = $2";
/// Whether an organization has an active user or service account.
pub(crate) const FIND_ACTIVE_OWNER: &str = "
    SELECT 1 FROM users
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL
    UNION ALL
    SELECT 1 FROM service_accounts
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL";

impl Store {
    /// The first organization, project and administrator; makes them where there are none.
    /// The second value says whether they were made now.
    pub async fn bootstrap(&self) -> Result<(Bootstrap, bool), StoreError> {
        if let Some(found) = self.find_bootstrap().await? {
            return Ok((found, false));
        }
        let made = Bootstrap {
            organization: self.new_id(OrganizationId::new),
            project: self.new_id(ProjectId::new),
            administrator: self.new_id(UserId::new),
        };
        self.insert_bootstrap(&made).await?;
        Ok((made, true))
    }

    async fn find_bootstrap(&self) -> Result<Option<Bootstrap>, StoreError> {
        const SQL: &str = "
            SELECT o.id, p.id, u.id
            FROM organizations o
            JOIN projects p ON p.organization_id = o.id AND p.name = $1
            JOIN users u ON u.organization_id = o.id AND u.role = 'owner'
            ORDER BY o.id, u.id LIMIT 1";
        let row: Option<(String, String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(DEFAULT).fetch_optional(pool).await?
        });
        let Some((organization, project, administrator)) = row else { return Ok(None) };
        Ok(Some(Bootstrap {
            organization: parsed("organization", &organization)?,
            project: parsed("project", &project)?,
            administrator: parsed("user", &administrator)?,
        }))
    }

    async fn insert_bootstrap(&self, made: &Bootstrap) -> Result<(), StoreError> {
        const ORGANIZATION: &str =
            "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, $2, $3)";
        const PROJECT: &str = "
            INSERT INTO projects (id, organization_id, name, created_at_us) VALUES ($1, $2, $3, $4)";
        const USER: &str = "
            INSERT INTO users (id, organization_id, name, role, created_at_us)
            VALUES ($1, $2, 'administrator', 'owner', $3)";
        let at = self.clock.now();
        let act = Act { organization: made.organization, actor: Actor::System, at };
        let organization = made.organization.to_string();
        let us = at.as_microsecond();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(ORGANIZATION)
                .bind(&organization)
                .bind(DEFAULT)
                .bind(us)
                .execute(&mut *tx)
                .await?;
            sqlx::query(PROJECT)
                .bind(made.project.to_string())
                .bind(&organization)
                .bind(DEFAULT)
                .bind(us)
                .execute(&mut *tx)
                .await?;
            sqlx::query(USER)
                .bind(made.administrator.to_string())
                .bind(&organization)
                .bind(us)
                .execute(&mut *tx)
                .await?;
            let detail = json!({ "administrator": made.administrator, "project": made.project });
            append_audit!(self, tx, act.entry("organization.create", &organization, &detail));
            tx.commit().await?;
        });
        Ok(())
    }

    /// A user of this organization.
    pub async fn find_user(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = "
            SELECT name, role, disabled_at_us FROM users WHERE organization_id = $1 AND id = $2";
        let row: Option<(String, String, Option<i64>)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(id.to_string())
                .fetch_optional(pool)
                .await?
        });
        let Some((name, role, disabled_at_us)) = row else { return Ok(None) };
        Ok(Some(User {
            id,
            organization,
            name,
            role: parsed("role", &role)?,
            disabled_at: disabled_at_us.map(timestamp).transpose()?,
        }))
    }

    /// Whether a project of this organization has this id.
    pub async fn has_project(
        &self,
        organization: OrganizationId,
        id: ProjectId,
    ) -> Result<bool, StoreError> {
        let row: Option<(i32,)> = on!(self.db.read, |pool| {
            sqlx::query_as(FIND_PROJECT)
                .bind(organization.to_string())
                .bind(id.to_string())
                .fetch_optional(pool)
                .await?
        });
        Ok(row.is_some())
    }

    /// Whether an owner exists in this organization and is active.
    pub async fn is_owner_active(
        &self,
        organization: OrganizationId,
        owner: Owner,
    ) -> Result<bool, StoreError> {
        let row: Option<(i32,)> = on!(self.db.read, |pool| {
            sqlx::query_as(FIND_ACTIVE_OWNER)
                .bind(organization.to_string())
                .bind(owner.to_string())
                .fetch_optional(pool)
                .await?
        });
        Ok(row.is_some())
    }

    /// The project called `default`, where keys go that name none.
    pub async fn default_project(
        &self,
        organization: OrganizationId,
    ) -> Result<ProjectId, StoreError> {
        const SQL: &str = "SELECT id FROM projects WHERE organization_id = $1 AND name = $2";
        let row: Option<(String,)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(DEFAULT)
                .fetch_optional(pool)
                .await?
        });
        let (id,) = row.ok_or(StoreError::Missing("project"))?;
        parsed("project", &id)
    }

    /// Switches a user off (`true`) or on again; every key of theirs stops at once, here.
    pub async fn set_user_disabled(
        &self,
        act: &Act,
        id: UserId,
        is_disabled: bool,
    ) -> Result<(), StoreError> {
        let done = self.switch_user(act, id, is_disabled).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_owner(Owner::User(id));
        done
    }

    async fn switch_user(
        &self,
        act: &Act,
        id: UserId,
        is_disabled: bool,
    ) -> Result<(), StoreError> {
        const DISABLE: &str = "
            UPDATE users SET disabled_at_us = COALESCE(disabled_at_us, $3)
            WHERE organization_id = $1 AND id = $2";
        const ENABLE: &str = "
            UPDATE users SET disabled_at_us = NULL
            WHERE organization_id = $1 AND id = $2 AND $3 > 0";
        let (sql, action) =
            if is_disabled { (DISABLE, "user.disable") } else { (ENABLE, "user.enable") };
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(sql)
                .bind(act.organization.to_string())
                .bind(id.to_string())
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Missing("user"));
            }
            append_audit!(self, tx, act.entry(action, &id.to_string(), &json!({})));
            tx.commit().await?;
        });
        Ok(())
    }

    /// Makes a service account; its name is unique within the organization. [`StoreError::Missing`]
    /// when the organization has no such project.
    pub async fn create_service_account(
        &self,
        act: &Act,
        project: ProjectId,
        name: &str,
    ) -> Result<ServiceAccountId, StoreError> {
        const SQL: &str = "
            INSERT INTO service_accounts (id, organization_id, project_id, name, created_at_us)
            VALUES ($1, $2, $3, $4, $5)";
        check_storable(&[("name", name)])?;
        let id = self.new_id(ServiceAccountId::new);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            if !finds!(tx, FIND_PROJECT, act.organization.to_string(), project.to_string()) {
                return Err(StoreError::Missing("project"));
            }
            sqlx::query(SQL)
                .bind(id.to_string())
                .bind(act.organization.to_string())
                .bind(project.to_string())
                .bind(name)
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            let detail = json!({ "name": name });
            append_audit!(self, tx, act.entry("service_account.create", &id.to_string(), &detail));
            tx.commit().await?;
        });
        Ok(id)
    }
}
