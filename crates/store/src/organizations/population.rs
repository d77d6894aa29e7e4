//! What is told of projects beside what they are: how many keys and members they have.

use std::collections::HashMap;

use doorward_domain::id::{OrganizationId, ProjectId};

use crate::db::{on, parsed, unsigned};
use crate::row::row;
use crate::{Store, StoreError};

/// Who and what belongs to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Population {
    /// Active and disabled keys.
    pub keys: u64,
    /// Users who were let in.
    pub members: u64,
}

/// The population of some projects.
#[derive(Debug, Default)]
pub struct Populations(HashMap<ProjectId, Population>);

impl Populations {
    /// That of one of them; any other is empty.
    pub fn of(&self, project: ProjectId) -> Population {
        self.0.get(&project).copied().unwrap_or_default()
    }
}

row! {
    struct PopulationRow {
        id: String,
        keys: i64,
        members: i64,
    }
}

impl Store {
    /// The population of these projects. Keys are counted in an index of theirs, those that never end apart
    /// from those that end later: two ranges, of which nothing but their entries is read.
    pub async fn populations(
        &self,
        organization: OrganizationId,
        projects: &[ProjectId],
    ) -> Result<Populations, StoreError> {
        const COUNTS: &str = "
            SELECT p.id,
                (SELECT COUNT(*) FROM project_members m
                 WHERE m.organization_id = p.organization_id AND m.project_id = p.id) AS members,
                (SELECT COUNT(*) FROM api_keys k
                 WHERE k.organization_id = p.organization_id AND k.project_id = p.id
                   AND k.revoked_at_us IS NULL AND k.expires_at_us IS NULL)
                + (SELECT COUNT(*) FROM api_keys k
                   WHERE k.organization_id = p.organization_id AND k.project_id = p.id
                     AND k.revoked_at_us IS NULL AND k.expires_at_us > ";
        const OF: &str = ") AS keys FROM projects p WHERE p.organization_id = ";
        if projects.is_empty() {
            return Ok(Populations::default());
        }
        let (organization, now_us) = (organization.to_string(), self.clock.now().as_microsecond());
        let rows: Vec<PopulationRow> = on!(self.db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(COUNTS);
            query.push_bind(now_us).push(OF).push_bind(&organization).push(" AND p.id IN (");
            let mut ids = query.separated(", ");
            for id in projects {
                ids.push_bind(id.to_string());
            }
            query.push(")");
            query.build_query_as().fetch_all(pool).await?
        });
        let populations = rows.into_iter().map(PopulationRow::parse);
        Ok(Populations(populations.collect::<Result<_, StoreError>>()?))
    }
}

impl PopulationRow {
    fn parse(self) -> Result<(ProjectId, Population), StoreError> {
        let population = Population { keys: unsigned(self.keys), members: unsigned(self.members) };
        Ok((parsed("project", &self.id)?, population))
    }
}
