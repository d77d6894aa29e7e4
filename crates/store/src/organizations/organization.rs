//! The organization itself: its name, and what bounds all its keys together.

use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::bounds::note_bounds;
use crate::audit::append_audit;
use crate::db::{
    check_storable, json_text, next_version, on, parsed, parsed_json, taken, timestamp,
};
use crate::increases::end_held;
use crate::row::row;
use crate::{Act, Store, StoreError};

/// The billing and isolation border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Unique in the installation.
    pub name: String,
    /// The limits and budgets that all its keys share.
    pub bounds: Bounds,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited: its version.
    pub updated_at: Timestamp,
}

row! {
    struct OrganizationRow {
        id: String,
        name: String,
        bounds: String,
        created_at_us: i64,
        updated_at_us: i64,
    }
}

impl OrganizationRow {
    fn parse(self) -> Result<Organization, StoreError> {
        Ok(Organization {
            id: parsed("organization", &self.id)?,
            name: self.name,
            bounds: parsed_json("bounds", &self.bounds)?,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
        })
    }
}

/// Notes in an audit entry what it was called before, where that changes.
fn note_name(detail: &mut Value, before: &str, after: &str) {
    if let Some(fields) = detail.as_object_mut().filter(|_| before != after) {
        fields.insert("name_before".to_owned(), before.into());
    }
}

impl Store {
    /// An organization. [`StoreError::Missing`] where there is none with this id.
    pub async fn get_organization(&self, id: OrganizationId) -> Result<Organization, StoreError> {
        const SQL: &str = "
            SELECT id, name, bounds, created_at_us, updated_at_us FROM organizations WHERE id = $1";
        let row: Option<OrganizationRow> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(id.to_string()).fetch_optional(pool).await?
        });
        row.ok_or(StoreError::Missing("organization"))?.parse()
    }

    /// Replaces the name of the organization that acts, and what bounds all its keys, and audits it; bounds
    /// hold for every call that begins from then on, and other bounds end what raised them.
    /// `edited.updated_at` is that of the version that was edited; [`StoreError::Stale`] when there is a
    /// newer one, [`StoreError::Taken`] with `name`. An edit that changes nothing leaves no trace.
    pub async fn edit_organization(
        &self,
        act: &Act,
        edited: &Organization,
    ) -> Result<Organization, StoreError> {
        check_storable(&[("name", &edited.name)])?;
        let found = self.get_organization(act.organization).await?;
        if found.updated_at != edited.updated_at {
            return Err(StoreError::Stale);
        }
        let (name, bounds) = (edited.name.clone(), edited.bounds.clone());
        let mut organization = Organization { name, bounds, ..found.clone() };
        if organization == found {
            return Ok(found);
        }
        organization.updated_at = next_version(found.updated_at, act.at);
        let done = self.update_organization(act, &found, &organization).await;
        if organization.bounds != found.bounds {
            self.catch_up_with_bounds().await;
            // Also after an error: a commit whose answer was lost may have happened.
            self.calls.forget_organization(organization.id);
        }
        done.map(|()| organization)
    }

    async fn update_organization(
        &self,
        act: &Act,
        found: &Organization,
        organization: &Organization,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE organizations SET name = $2, bounds = $3, updated_at_us = $4
            WHERE id = $1 AND updated_at_us = $5";
        let id = organization.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let mut detail = json!({ "name": organization.name });
            note_name(&mut detail, &found.name, &organization.name);
            note_bounds(&mut detail, &found.bounds, &organization.bounds);
            append_audit!(self, tx, act.entry("organization.edit", &id, &detail));
            let done = sqlx::query(SQL)
                .bind(&id)
                .bind(&organization.name)
                .bind(json_text("bounds", &organization.bounds)?)
                .bind(organization.updated_at.as_microsecond())
                .bind(found.updated_at.as_microsecond())
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            if organization.bounds != found.bounds {
                let subject = Subject::Organization(organization.id);
                end_held!(self, tx, act, (subject, &organization.name));
            }
            tx.commit().await?;
        });
        Ok(())
    }
}
