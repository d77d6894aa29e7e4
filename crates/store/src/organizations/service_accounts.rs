//! Service accounts: identities for apps and agents that never sign in.

use doorward_domain::id::{OrganizationId, ProjectId, ServiceAccountId};
use doorward_domain::key::Owner;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::owners::revoke_all;
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{check_storable, next_version, on, parsed, set_next_version, taken, timestamp};
use crate::named::NamedRow;
use crate::row::row;
use crate::search::search_text;
use crate::{Act, Removed, Store, StoreError};

/// What a missing service account is called.
const NOUN: &str = "service account";

/// An identity for an app or agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// Whose.
    pub organization: OrganizationId,
    /// Where it belongs; fixed.
    pub project: ProjectId,
    /// Unique within the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited, switched off or on: its version.
    pub updated_at: Timestamp,
    /// Since when it is switched off.
    pub disabled_at: Option<Timestamp>,
}

/// A service account to be made.
#[derive(Debug, Clone)]
pub struct NewServiceAccount {
    /// Where it belongs.
    pub project: ProjectId,
    /// Unique within the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
}

row! {
    struct ServiceAccountRow {
        id: String,
        organization_id: String,
        project_id: String,
        name: String,
        description: String,
        created_at_us: i64,
        updated_at_us: i64,
        disabled_at_us: Option<i64>,
    }
}

impl NamedRow for ServiceAccountRow {
    type Named = ServiceAccount;

    fn parse(self) -> Result<ServiceAccount, StoreError> {
        Ok(ServiceAccount {
            id: parsed(NOUN, &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            project: parsed("project", &self.project_id)?,
            name: self.name,
            description: self.description,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
            disabled_at: self.disabled_at_us.map(timestamp).transpose()?,
        })
    }
}

/// Reads service accounts that are there.
macro_rules! select_service_accounts {
    ($only:literal) => {
        concat!(
            "SELECT id, organization_id, project_id, name, description, created_at_us,
                 updated_at_us, disabled_at_us
             FROM service_accounts WHERE organization_id = $1 AND removed_at_us IS NULL AND ",
            $only
        )
    };
}

/// Changes a service account that is there.
macro_rules! change_service_account {
    ($set:literal, $only_where:literal) => {
        concat!(
            "UPDATE service_accounts SET ",
            $set,
            ", ",
            set_next_version!("$3"),
            " WHERE organization_id = $1 AND id = $2 AND removed_at_us IS NULL AND ",
            $only_where
        )
    };
}
const DISABLE: &str = change_service_account!("disabled_at_us = $3", "disabled_at_us IS NULL");
const ENABLE: &str = change_service_account!("disabled_at_us = NULL", "disabled_at_us IS NOT NULL");
const REMOVE: &str = change_service_account!("removed_at_us = $3", "removed_at_us IS NULL");

pub(crate) const INSERT: &str = "
    INSERT INTO service_accounts (id, organization_id, project_id, name, description,
        created_at_us, updated_at_us, search_text)
    VALUES ($1, $2, $3, $4, $5, $6, $6, $7)";

/// What the audit log says about a new service account.
pub(crate) fn summary(account: &ServiceAccount) -> Value {
    json!({ "name": account.name, "project": account.project })
}

/// Writes a new service account and its audit row, inside an open transaction. `$field` is what its name
/// is called where it was asked for. `?` acts on the caller.
macro_rules! insert_service_account {
    ($store:expr, $tx:ident, $act:expr, $account:expr, $field:literal) => {{
        let account: &$crate::ServiceAccount = $account;
        let (id, project) = (account.id.to_string(), account.project.to_string());
        let detail = $crate::organizations::service_accounts::summary(account);
        $crate::audit::append_audit!(
            $store,
            $tx,
            $act.entry("service_account.create", &id, &detail)
        );
        let organization = $act.organization.to_string();
        if !$crate::db::finds!($tx, $crate::organizations::FIND_PROJECT, &organization, &project) {
            return Err($crate::StoreError::Missing("project"));
        }
        sqlx::query($crate::organizations::service_accounts::INSERT)
            .bind(&id)
            .bind(&organization)
            .bind(&project)
            .bind(&account.name)
            .bind(&account.description)
            .bind(account.created_at.as_microsecond())
            .bind($crate::organizations::service_accounts::found_by(account))
            .execute(&mut *$tx)
            .await
            .map_err(|error| $crate::db::taken(error, $field))?;
    }};
}
pub(crate) use insert_service_account;

impl Store {
    /// Makes a service account and audits it. [`StoreError::Taken`] with `name`;
    /// [`StoreError::Missing`] when the organization has no such project.
    pub async fn create_service_account(
        &self,
        act: &Act,
        new: NewServiceAccount,
    ) -> Result<ServiceAccount, StoreError> {
        check_storable(&[("name", &new.name), ("description", &new.description)])?;
        let account = self.draft_service_account(act, new);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            insert_service_account!(self, tx, act, &account, "name");
            tx.commit().await?;
        });
        Ok(account)
    }

    /// A service account that is not stored yet: [`Store::create_key_and_account`] does that.
    pub fn draft_service_account(&self, act: &Act, new: NewServiceAccount) -> ServiceAccount {
        ServiceAccount {
            id: self.new_id(ServiceAccountId::new),
            organization: act.organization,
            project: new.project,
            name: new.name,
            description: new.description,
            created_at: whole_us(act.at),
            updated_at: whole_us(act.at),
            disabled_at: None,
        }
    }

    /// Replaces name and description of a service account, and audits it. `edited.updated_at` is that
    /// of the version that was edited; [`StoreError::Stale`] when there is a newer one. An edit that
    /// changes nothing leaves no trace.
    pub async fn edit_service_account(
        &self,
        act: &Act,
        edited: &ServiceAccount,
    ) -> Result<ServiceAccount, StoreError> {
        check_storable(&[("name", &edited.name), ("description", &edited.description)])?;
        let found = self.find_service_account(act.organization, edited.id).await?;
        let found = found.ok_or(StoreError::Missing(NOUN))?;
        if found.updated_at != edited.updated_at {
            return Err(StoreError::Stale);
        }
        let (name, description) = (edited.name.clone(), edited.description.clone());
        let mut account = ServiceAccount { name, description, ..found.clone() };
        if account != found {
            account.updated_at = next_version(found.updated_at, act.at);
            self.update_service_account(act, found.updated_at, &account).await?;
        }
        Ok(account)
    }

    async fn update_service_account(
        &self,
        act: &Act,
        read_at: Timestamp,
        account: &ServiceAccount,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE service_accounts SET name = $3, description = $4, updated_at_us = $5,
                search_text = $7
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $6 AND removed_at_us IS NULL";
        let id = account.id.to_string();
        let detail = json!({ "name": account.name });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("service_account.edit", &id, &detail));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(&id)
                .bind(&account.name)
                .bind(&account.description)
                .bind(account.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .bind(found_by(account))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// Switches a service account off (`true`) or on again; every key of it stops at once, here.
    /// Doing it twice keeps the first instant and is not audited again.
    pub async fn set_service_account_disabled(
        &self,
        act: &Act,
        id: ServiceAccountId,
        is_disabled: bool,
    ) -> Result<ServiceAccount, StoreError> {
        let account = self.find_service_account(act.organization, id).await?;
        let account = account.ok_or(StoreError::Missing(NOUN))?;
        let change = if is_disabled {
            (DISABLE, "service_account.disable")
        } else {
            (ENABLE, "service_account.enable")
        };
        let done = self.switch_service_account(act, &account, change).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_owner(Owner::ServiceAccount(id));
        done?;
        let changed = self.find_service_account(act.organization, id).await?;
        changed.ok_or(StoreError::Missing(NOUN))
    }

    async fn switch_service_account(
        &self,
        act: &Act,
        account: &ServiceAccount,
        (sql, action): (&'static str, &'static str),
    ) -> Result<(), StoreError> {
        let id = account.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(action, &id, &json!({ "name": account.name })));
            let done = sqlx::query(sql)
                .bind(act.organization.to_string())
                .bind(&id)
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            // Where it was so already, the row of the audit log goes back with the transaction.
            if done.rows_affected() > 0 {
                tx.commit().await?;
            }
        });
        Ok(())
    }

    /// Removes a service account for good: every key of it is revoked. The name can be given again.
    pub async fn remove_service_account(
        &self,
        act: &Act,
        id: ServiceAccountId,
    ) -> Result<Removed, StoreError> {
        let Some(account) = self.find_service_account(act.organization, id).await? else {
            return Ok(Removed::NotFound);
        };
        let done = self.end_service_account(act, &account).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_owner(Owner::ServiceAccount(id));
        done
    }

    async fn end_service_account(
        &self,
        act: &Act,
        account: &ServiceAccount,
    ) -> Result<Removed, StoreError> {
        let id = account.id.to_string();
        let detail = json!({ "name": account.name });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("service_account.remove", &id, &detail));
            let done = sqlx::query(REMOVE)
                .bind(act.organization.to_string())
                .bind(&id)
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            revoke_all!(self, tx, act, &id);
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// A service account of this organization that was not removed.
    pub async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: ServiceAccountId,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        const SQL: &str = select_service_accounts!("id = $2");
        self.find_one::<ServiceAccountRow>(SQL, organization, &id.to_string()).await
    }

    /// The same by name.
    pub async fn find_service_account_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        const SQL: &str = select_service_accounts!("name = $2");
        self.find_one::<ServiceAccountRow>(SQL, organization, name).await
    }

    /// The service accounts of this organization, by name, after the name `after`, at most `limit`.
    pub async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ServiceAccount>, StoreError> {
        const SQL: &str = select_service_accounts!("name > $2 ORDER BY name LIMIT $3");
        self.list_after::<ServiceAccountRow>(SQL, organization, after, limit).await
    }

    /// Those of them whose name, description or id contains a text, whatever its case.
    pub async fn search_service_accounts(
        &self,
        organization: OrganizationId,
        search: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ServiceAccount>, StoreError> {
        const SQL: &str = select_service_accounts!(
            "name > $2 AND search_text LIKE $3 ESCAPE '\\' ORDER BY name LIMIT $4"
        );
        self.search_after::<ServiceAccountRow>(SQL, organization, search, (after, limit)).await
    }
}

/// What a search for the service account looks into.
pub(crate) fn found_by(account: &ServiceAccount) -> String {
    search_text(&[&account.name, &account.description, &account.id.to_string()])
}
