//! Who belongs to which project.

use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::project_role::ProjectRole;
use serde_json::json;

use super::projects::FIND_PROJECT;
use crate::audit::append_audit;
use crate::db::{finds, is_storable, on, parsed};
use crate::{Act, Removed, Store, StoreError};

/// A user in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// What they may do in the project.
    pub role: ProjectRole,
}

/// A project of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// What the user may do there.
    pub role: ProjectRole,
}

/// Whether an organization has a user, switched off or not.
const FIND_USER: &str =
    "SELECT 1 FROM users WHERE organization_id = $1 AND id = $2 AND removed_at_us IS NULL";
/// Most projects that a list of a user's own shows.
const MEMBERSHIPS_MAX: i64 = 200;

impl Store {
    /// Lets a user into a project, or gives them another role there, and audits it.
    /// [`StoreError::Missing`] when the organization has no such project or user. What changes nothing
    /// leaves no trace.
    pub async fn set_project_member(
        &self,
        act: &Act,
        project: ProjectId,
        user: UserId,
        role: ProjectRole,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO project_members (organization_id, project_id, user_id, role)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role";
        if self.project_role(act.organization, project, user).await? == Some(role) {
            return Ok(());
        }
        let (project, user) = (project.to_string(), user.to_string());
        let organization = act.organization.to_string();
        let detail = json!({ "user": user, "role": role });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("project_member.set", &project, &detail));
            // After the audit row, at which acts wait for each other: neither is being removed.
            if !finds!(tx, FIND_PROJECT, &organization, &project) {
                return Err(StoreError::Missing("project"));
            }
            if !finds!(tx, FIND_USER, &organization, &user) {
                return Err(StoreError::Missing("user"));
            }
            sqlx::query(SQL)
                .bind(&organization)
                .bind(&project)
                .bind(&user)
                .bind(role.as_str())
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        });
        Ok(())
    }

    /// Takes a user out of a project, and audits it. Their keys in it stay.
    pub async fn remove_project_member(
        &self,
        act: &Act,
        project: ProjectId,
        user: UserId,
    ) -> Result<Removed, StoreError> {
        const SQL: &str = "
            DELETE FROM project_members
            WHERE organization_id = $1 AND project_id = $2 AND user_id = $3";
        let (project, user) = (project.to_string(), user.to_string());
        let detail = json!({ "user": user });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("project_member.remove", &project, &detail));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(&project)
                .bind(&user)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// What a user may do in a project; `None` for whoever is no member of it.
    pub async fn project_role(
        &self,
        organization: OrganizationId,
        project: ProjectId,
        user: UserId,
    ) -> Result<Option<ProjectRole>, StoreError> {
        const SQL: &str = "
            SELECT role FROM project_members
            WHERE organization_id = $1 AND project_id = $2 AND user_id = $3";
        let row: Option<(String,)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(project.to_string())
                .bind(user.to_string())
                .fetch_optional(pool)
                .await?
        });
        row.map(|(role,)| parsed("role", &role)).transpose()
    }

    /// The members of a project, by name, after the name `after`, at most `limit`.
    pub async fn list_project_members(
        &self,
        organization: OrganizationId,
        project: ProjectId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        const SQL: &str = "
            SELECT u.id, u.name, m.role
            FROM project_members m
            JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
            WHERE m.organization_id = $1 AND m.project_id = $2 AND u.name > $3
            ORDER BY u.name LIMIT $4";
        let after = after.unwrap_or_default();
        if !is_storable(after) {
            return Ok(Vec::new());
        }
        let rows: Vec<(String, String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(project.to_string())
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        let member = |(user, name, role): (String, String, String)| {
            Ok(Member { user: parsed("user", &user)?, name, role: parsed("role", &role)? })
        };
        rows.into_iter().map(member).collect()
    }

    /// The projects that a user is a member of, by name, as many as anybody has.
    pub async fn list_memberships(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<Membership>, StoreError> {
        const SQL: &str = "
            SELECT p.id, p.name, m.role
            FROM project_members m
            JOIN projects p ON p.organization_id = m.organization_id AND p.id = m.project_id
            WHERE m.organization_id = $1 AND m.user_id = $2
            ORDER BY p.name LIMIT $3";
        let rows: Vec<(String, String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(user.to_string())
                .bind(MEMBERSHIPS_MAX)
                .fetch_all(pool)
                .await?
        });
        let membership = |(project, name, role): (String, String, String)| {
            Ok(Membership {
                project: parsed("project", &project)?,
                name,
                role: parsed("role", &role)?,
            })
        };
        rows.into_iter().map(membership).collect()
    }
}
