//! Projects: groups of keys, members and limits.

use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::id::{OrganizationId, ProjectId};
use doorward_domain::prompts::PromptPolicy;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::DEFAULT;
use super::bounds::note_bounds;
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{
    check_storable, json_text, next_version, on, parsed, parsed_json, taken, timestamp,
};
use crate::increases::end_held;
use crate::named::NamedRow;
use crate::row::row;
use crate::search::search_text;
use crate::{Act, Removed, Store, StoreError};

/// A group of keys, members and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Whose.
    pub organization: OrganizationId,
    /// Unique within the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The limits and budgets that all its keys share.
    pub bounds: Bounds,
    /// How it keeps what its calls ask and are answered. `None`: not at all.
    pub prompts: Option<PromptPolicy>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited: its version.
    pub updated_at: Timestamp,
}

/// A project to be made.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// Unique within the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The limits and budgets that all its keys share.
    pub bounds: Bounds,
}

row! {
    struct ProjectRow {
        id: String,
        organization_id: String,
        name: String,
        description: String,
        bounds: String,
        prompts: Option<String>,
        created_at_us: i64,
        updated_at_us: i64,
    }
}

impl NamedRow for ProjectRow {
    type Named = Project;

    fn parse(self) -> Result<Project, StoreError> {
        Ok(Project {
            id: parsed("project", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            name: self.name,
            description: self.description,
            bounds: parsed_json("bounds", &self.bounds)?,
            prompts: self.prompts.map(|text| parsed_json("prompts", &text)).transpose()?,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
        })
    }
}

/// Whether an organization has a project.
pub(crate) const FIND_PROJECT: &str =
    "SELECT 1 FROM projects WHERE organization_id = $1 AND id = $2 AND removed_at_us IS NULL";

/// Reads projects that are there.
macro_rules! select_projects {
    ($only:literal) => {
        concat!(
            "SELECT id, organization_id, name, description, bounds, prompts, created_at_us,
                updated_at_us
             FROM projects WHERE organization_id = $1 AND removed_at_us IS NULL AND ",
            $only
        )
    };
}

const REMOVE: &str = "
    UPDATE projects SET removed_at_us = $3
    WHERE organization_id = $1 AND id = $2 AND removed_at_us IS NULL";
/// What keeps a project from being removed.
const USES: &str = "
    SELECT 'the service account ' || name FROM service_accounts
    WHERE organization_id = $1 AND project_id = $2 AND removed_at_us IS NULL
    UNION ALL
    SELECT 'the key ' || name FROM api_keys
    WHERE organization_id = $1 AND project_id = $2 AND revoked_at_us IS NULL
    UNION ALL
    SELECT 'the model ' || name FROM models WHERE organization_id = $1 AND project_id = $2
    ORDER BY 1 LIMIT 20";
const LEAVE: &str = "DELETE FROM project_members WHERE organization_id = $1 AND project_id = $2";

/// Notes in an audit entry what becomes of the keeping of prompts where that changes.
fn note_prompts(detail: &mut Value, before: Option<PromptPolicy>, after: Option<PromptPolicy>) {
    if let Some(fields) = detail.as_object_mut().filter(|_| before != after) {
        fields.insert("prompts".to_owned(), json!({ "before": before, "after": after }));
    }
}

impl Store {
    /// Makes a project, which keeps no prompts, and audits it. [`StoreError::Taken`] with `name`.
    pub async fn create_project(&self, act: &Act, new: NewProject) -> Result<Project, StoreError> {
        const SQL: &str = "
            INSERT INTO projects
                (id, organization_id, name, description, bounds, created_at_us, updated_at_us,
                 search_text)
            VALUES ($1, $2, $3, $4, $5, $6, $6, $7)";
        check_storable(&[("name", &new.name), ("description", &new.description)])?;
        let project = Project {
            id: self.new_id(ProjectId::new),
            organization: act.organization,
            name: new.name,
            description: new.description,
            bounds: new.bounds,
            prompts: None,
            created_at: whole_us(act.at),
            updated_at: whole_us(act.at),
        };
        let id = project.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let detail = json!({ "name": project.name, "bounds": project.bounds });
            append_audit!(self, tx, act.entry("project.create", &id, &detail));
            sqlx::query(SQL)
                .bind(&id)
                .bind(act.organization.to_string())
                .bind(&project.name)
                .bind(&project.description)
                .bind(json_text("bounds", &project.bounds)?)
                .bind(act.at.as_microsecond())
                .bind(found_by(&project))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            tx.commit().await?;
        });
        Ok(project)
    }

    /// Replaces name, description, bounds and the keeping of prompts of a project, and audits it; bounds and
    /// keeping hold for every call that begins from then on. `edited.updated_at` is that of the
    /// version that was edited; [`StoreError::Stale`] when there is a newer one. An edit that changes
    /// nothing leaves no trace; other bounds end what raised them. The default project keeps its name: [`StoreError::DefaultProject`].
    pub async fn edit_project(&self, act: &Act, edited: &Project) -> Result<Project, StoreError> {
        check_storable(&[("name", &edited.name), ("description", &edited.description)])?;
        let found = self.find_project(act.organization, edited.id).await?;
        let found = found.ok_or(StoreError::Missing("project"))?;
        if found.updated_at != edited.updated_at {
            return Err(StoreError::Stale);
        }
        if found.name == DEFAULT && edited.name != DEFAULT {
            return Err(StoreError::DefaultProject);
        }
        let (name, description) = (edited.name.clone(), edited.description.clone());
        let bounds = edited.bounds.clone();
        let prompts = edited.prompts;
        let mut project = Project { name, description, bounds, prompts, ..found.clone() };
        if project == found {
            return Ok(found);
        }
        project.updated_at = next_version(found.updated_at, act.at);
        let done = self.update_project(act, &found, &project).await;
        if project.bounds != found.bounds {
            self.catch_up_with_bounds().await;
        }
        if (&project.bounds, project.prompts) != (&found.bounds, found.prompts) {
            // Also after an error: a commit whose answer was lost may have happened.
            self.calls.forget_project(project.id);
        }
        done.map(|()| project)
    }

    async fn update_project(
        &self,
        act: &Act,
        found: &Project,
        project: &Project,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE projects
            SET name = $3, description = $4, bounds = $5, updated_at_us = $6, prompts = $8,
                search_text = $9
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $7 AND removed_at_us IS NULL";
        let id = project.id.to_string();
        let prompts = project.prompts.map(|prompts| json_text("prompts", &prompts)).transpose()?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let mut detail = json!({ "name": project.name });
            note_bounds(&mut detail, &found.bounds, &project.bounds);
            note_prompts(&mut detail, found.prompts, project.prompts);
            append_audit!(self, tx, act.entry("project.edit", &id, &detail));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(&id)
                .bind(&project.name)
                .bind(&project.description)
                .bind(json_text("bounds", &project.bounds)?)
                .bind(project.updated_at.as_microsecond())
                .bind(found.updated_at.as_microsecond())
                .bind(&prompts)
                .bind(found_by(project))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            if project.bounds != found.bounds {
                let subject = Subject::Project(project.id);
                end_held!(self, tx, act, (subject, &project.name));
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// Removes a project for good, and its members from it. [`StoreError::InUse`] with the service
    /// accounts, the models and the keys, expired ones too, that are still in it; [`StoreError::DefaultProject`].
    pub async fn remove_project(&self, act: &Act, id: ProjectId) -> Result<Removed, StoreError> {
        let Some(project) = self.find_project(act.organization, id).await? else {
            return Ok(Removed::NotFound);
        };
        if project.name == DEFAULT {
            return Err(StoreError::DefaultProject);
        }
        self.end_project(act, &project).await
    }

    async fn end_project(&self, act: &Act, project: &Project) -> Result<Removed, StoreError> {
        let (organization, id) = (act.organization.to_string(), project.id.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let detail = json!({ "name": project.name });
            append_audit!(self, tx, act.entry("project.remove", &id, &detail));
            let uses: Vec<(String,)> =
                sqlx::query_as(USES).bind(&organization).bind(&id).fetch_all(&mut *tx).await?;
            if !uses.is_empty() {
                return Err(StoreError::InUse(uses.into_iter().map(|(what,)| what).collect()));
            }
            let done = sqlx::query(REMOVE)
                .bind(&organization)
                .bind(&id)
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            sqlx::query(LEAVE).bind(&organization).bind(&id).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// The project called `default`, where keys go that name none.
    pub async fn default_project(
        &self,
        organization: OrganizationId,
    ) -> Result<ProjectId, StoreError> {
        let found = self.find_project_by_name(organization, DEFAULT).await?;
        found.map(|project| project.id).ok_or(StoreError::Missing("project"))
    }

    /// A project of this organization that was not removed.
    pub async fn find_project(
        &self,
        organization: OrganizationId,
        id: ProjectId,
    ) -> Result<Option<Project>, StoreError> {
        const SQL: &str = select_projects!("id = $2");
        self.find_one::<ProjectRow>(SQL, organization, &id.to_string()).await
    }

    /// The same by name.
    pub async fn find_project_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<Project>, StoreError> {
        const SQL: &str = select_projects!("name = $2");
        self.find_one::<ProjectRow>(SQL, organization, name).await
    }

    /// The projects of this organization, by name, after the name `after`, at most `limit`.
    pub async fn list_projects(
        &self,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Project>, StoreError> {
        const SQL: &str = select_projects!("name > $2 ORDER BY name LIMIT $3");
        self.list_after::<ProjectRow>(SQL, organization, after, limit).await
    }

    /// Those of them whose name, description or id contains a text, whatever its case.
    pub async fn search_projects(
        &self,
        organization: OrganizationId,
        search: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Project>, StoreError> {
        const SQL: &str = select_projects!(
            "name > $2 AND search_text LIKE $3 ESCAPE '\\' ORDER BY name LIMIT $4"
        );
        self.search_after::<ProjectRow>(SQL, organization, search, (after, limit)).await
    }
}

/// What a search for the project looks into.
fn found_by(project: &Project) -> String {
    search_text(&[&project.name, &project.description, &project.id.to_string()])
}
