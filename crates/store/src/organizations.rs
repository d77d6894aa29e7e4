//! Organizations, projects, users and service accounts.

use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::id::{OrganizationId, ProjectId, ServiceAccountId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::role::OrganizationRole;
use jiff::Timestamp;

use crate::{Act, Store, StoreError};

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

/// Who presents a key to the control plane.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The key, whatever its status: [`ApiKey::check`] decides.
    pub key: ApiKey,
    /// Whether the owner is active, and the owner's organization.
    pub owner_is_active: bool,
    /// The user's role; for a service key [`OrganizationRole::Member`] with its own keys only.
    pub role: OrganizationRole,
}

impl Store {
    /// The first organization, project and administrator; makes them where there are none.
    /// The second value says whether they were made now.
    pub async fn bootstrap(&self) -> Result<(Bootstrap, bool), StoreError> {
        todo!()
    }

    /// Finds who presents this key, checking its digest in constant time. `None`: nobody.
    /// Reads the database each time: an administrator's rights are never stale.
    pub async fn identify(&self, key: &PlainKey) -> Result<Option<Identity>, StoreError> {
        todo!()
    }

    /// A user of this organization.
    pub async fn find_user(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// Whether a project of this organization has this id.
    pub async fn has_project(
        &self,
        organization: OrganizationId,
        id: ProjectId,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Whether an owner exists in this organization and is active.
    pub async fn is_owner_active(
        &self,
        organization: OrganizationId,
        owner: Owner,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// The project called `default`, where keys go that name none.
    pub async fn default_project(
        &self,
        organization: OrganizationId,
    ) -> Result<ProjectId, StoreError> {
        todo!()
    }

    /// Switches a user off (`true`) or on again; every key of theirs stops at once, here.
    pub async fn set_user_disabled(
        &self,
        act: &Act,
        id: UserId,
        is_disabled: bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Makes a service account; its name is unique within the organization.
    pub async fn create_service_account(
        &self,
        act: &Act,
        project: ProjectId,
        name: &str,
    ) -> Result<ServiceAccountId, StoreError> {
        todo!()
    }
}
