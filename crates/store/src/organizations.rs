//! Organizations, their projects, users and service accounts: the first start.

mod bounds;
mod members;
mod organization;
pub(crate) mod owners;
mod population;
mod presence;
mod projects;
pub(crate) mod service_accounts;
mod users;

use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::key::Owner;
use serde_json::json;

use crate::audit::{Actor, append_audit};
use crate::db::{on, parsed};
use crate::search::search_text;
use crate::{Act, Store, StoreError};

pub use bounds::SharedStanding;
pub(crate) use bounds::load_shared_budgets;
pub use members::{Member, Membership};
pub use organization::Organization;
pub use population::{Population, Populations};
pub use presence::{Presence, Presences};
pub(crate) use projects::FIND_PROJECT;
pub use projects::{NewProject, Project};
pub use service_accounts::{NewServiceAccount, ServiceAccount};
pub use users::{NewUser, User, UserFilter};

/// The name of what the first start makes, and of the project where keys go that name none.
const DEFAULT: &str = "default";

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

/// Whether an organization has an active user or service account.
pub(crate) const FIND_ACTIVE_OWNER: &str = "
    SELECT 1 FROM users
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL AND removed_at_us IS NULL
    UNION ALL
    SELECT 1 FROM service_accounts
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL AND removed_at_us IS NULL";

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
            JOIN projects p ON p.organization_id = o.id AND p.name = $1 AND p.removed_at_us IS NULL
            JOIN users u ON u.organization_id = o.id AND u.role = 'owner'
                AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL
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
        const ORGANIZATION: &str = "
            INSERT INTO organizations (id, name, bounds, created_at_us, updated_at_us)
            VALUES ($1, $2, '{}', $3, $3)";
        const PROJECT: &str = "
            INSERT INTO projects
                (id, organization_id, name, description, bounds, created_at_us, updated_at_us,
                 search_text)
            VALUES ($1, $2, $3, '', '{}', $4, $4, $5)";
        const USER: &str = "
            INSERT INTO users
                (id, organization_id, name, search_text, role, bounds, created_at_us, updated_at_us)
            VALUES ($1, $2, 'administrator', $4, 'owner', '{}', $3, $3)";
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
                .bind(search_text(&[DEFAULT, &made.project.to_string()]))
                .execute(&mut *tx)
                .await?;
            sqlx::query(USER)
                .bind(made.administrator.to_string())
                .bind(&organization)
                .bind(us)
                .bind(search_text(&["administrator", &made.administrator.to_string()]))
                .execute(&mut *tx)
                .await?;
            let detail = json!({ "administrator": made.administrator, "project": made.project });
            append_audit!(self, tx, act.entry("organization.create", &organization, &detail));
            tx.commit().await?;
        });
        Ok(())
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
}
