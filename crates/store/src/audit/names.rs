//! What is called what: audit entries hold ids, which people do not read.

use std::collections::{HashMap, HashSet};

use doorward_domain::id::OrganizationId;

use crate::db::{is_storable, on};
use crate::row::row;
use crate::{Store, StoreError};

/// What has a name, by what its ids begin with. Keys come last: their ids begin with any brand.
const TABLES: [(&str, &str); 8] = [
    ("usr_", "users"),
    ("prj_", "projects"),
    ("sva_", "service_accounts"),
    ("org_", "organizations"),
    ("prv_", "providers"),
    ("pvk_", "provider_keys"),
    ("whk_", "webhooks"),
    ("", "api_keys"),
];

row! {
    struct NameRow {
        id: String,
        name: String,
    }
}

impl Store {
    /// The names of these of an organization, also of those that are over; what has none is left out.
    pub async fn names_of(
        &self,
        organization: OrganizationId,
        mut ids: HashSet<String>,
    ) -> Result<HashMap<String, String>, StoreError> {
        ids.retain(|id| is_storable(id));
        let mut names = HashMap::new();
        for (prefix, table) in TABLES {
            let of_table: Vec<String> = ids.extract_if(|id| id.starts_with(prefix)).collect();
            if of_table.is_empty() {
                continue;
            }
            let whose = if table == "organizations" { "id" } else { "organization_id" };
            let rows: Vec<NameRow> = on!(self.db.reports, |pool| {
                let mut query = sqlx::QueryBuilder::new("SELECT id, name FROM ");
                query.push(table).push(" WHERE ").push(whose).push(" = ");
                query.push_bind(organization.to_string()).push(" AND id IN (");
                let mut listed = query.separated(", ");
                for id in of_table {
                    listed.push_bind(id);
                }
                query.push(")");
                query.build_query_as().fetch_all(pool).await?
            });
            names.extend(rows.into_iter().map(|row| (row.id, row.name)));
        }
        Ok(names)
    }
}
