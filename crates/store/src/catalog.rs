//! Providers, provider keys, models and deployments.

use doorward_domain::catalog::{Deployment, Model, Provider, ProviderKey};
use doorward_domain::id::{OrganizationId, ProviderId, ProviderKeyId};
use secrecy::SecretString;

use crate::{Act, Store, StoreError};

/// A provider key to be stored.
#[derive(Debug)]
pub struct NewProviderKey {
    /// Unique within the organization.
    pub name: String,
    /// The credential; sealed in the vault before it reaches the database.
    pub value: SecretString,
    /// What it is for.
    pub note: String,
}

/// One model with the providers that serve it, for the data plane.
#[derive(Debug, Clone)]
pub struct CatalogRow {
    /// The model.
    pub model: Model,
    /// The providers of its deployments, in the same order.
    pub providers: Vec<Provider>,
}

/// Whether a delete found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Yes,
    /// It was not there.
    NotFound,
}

impl Store {
    /// A number that changes with every change of providers, provider keys, models or deployments,
    /// before the change is answered: the data plane compares it on each call.
    pub fn catalog_epoch(&self) -> u64 {
        todo!()
    }

    /// Everything that can be called, of every organization.
    pub async fn catalog(&self) -> Result<Vec<CatalogRow>, StoreError> {
        todo!()
    }

    /// Opens a provider key. [`StoreError::Integrity`] when its ciphertext is not its own.
    pub async fn reveal_provider_key(
        &self,
        organization: OrganizationId,
        id: ProviderKeyId,
    ) -> Result<SecretString, StoreError> {
        todo!()
    }

    /// Stores a provider and audits it; `provider.id` is new. [`StoreError::Taken`] with `name`.
    pub async fn create_provider(&self, act: &Act, provider: &Provider) -> Result<(), StoreError> {
        todo!()
    }

    /// Replaces name and base URL of a provider, and audits it.
    pub async fn edit_provider(&self, act: &Act, provider: &Provider) -> Result<(), StoreError> {
        todo!()
    }

    /// Deletes a provider, unless a deployment uses it ([`StoreError::InUse`]: the models).
    pub async fn delete_provider(&self, act: &Act, id: ProviderId) -> Result<Removed, StoreError> {
        todo!()
    }

    /// A provider of this organization.
    pub async fn find_provider(
        &self,
        organization: OrganizationId,
        id: ProviderId,
    ) -> Result<Option<Provider>, StoreError> {
        todo!()
    }

    /// A provider of this organization, by name.
    pub async fn find_provider_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<Provider>, StoreError> {
        todo!()
    }

    /// The providers of this organization, by name. At most 1 000.
    pub async fn list_providers(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<Provider>, StoreError> {
        todo!()
    }

    /// Seals and stores a provider key, and audits it. [`StoreError::Taken`] with `name`.
    pub async fn create_provider_key(
        &self,
        act: &Act,
        new: NewProviderKey,
    ) -> Result<ProviderKey, StoreError> {
        todo!()
    }

    /// Changes name, note or value; `None` leaves it. What links to the key goes on using it.
    pub async fn edit_provider_key(
        &self,
        act: &Act,
        id: ProviderKeyId,
        edit: ProviderKeyEdit,
    ) -> Result<ProviderKey, StoreError> {
        todo!()
    }

    /// Deletes a provider key, unless a deployment uses it ([`StoreError::InUse`]: the models).
    pub async fn delete_provider_key(
        &self,
        act: &Act,
        id: ProviderKeyId,
    ) -> Result<Removed, StoreError> {
        todo!()
    }

    /// A provider key of this organization.
    pub async fn find_provider_key(
        &self,
        organization: OrganizationId,
        id: ProviderKeyId,
    ) -> Result<Option<ProviderKey>, StoreError> {
        todo!()
    }

    /// The provider keys of this organization, by name. At most 1 000.
    pub async fn list_provider_keys(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<ProviderKey>, StoreError> {
        todo!()
    }

    /// Stores a model with its deployments, and audits it. [`StoreError::Taken`] with `name`.
    pub async fn create_model(&self, act: &Act, model: &Model) -> Result<(), StoreError> {
        todo!()
    }

    /// Replaces pricing, output limit and deployments of a model, and audits it.
    pub async fn edit_model(&self, act: &Act, model: &Model) -> Result<(), StoreError> {
        todo!()
    }

    /// Deletes a model and its deployments, and audits it.
    pub async fn delete_model(&self, act: &Act, name: &str) -> Result<Removed, StoreError> {
        todo!()
    }

    /// A model of this organization.
    pub async fn find_model(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<Model>, StoreError> {
        todo!()
    }

    /// The models of this organization, by name, after the name `after`, at most `limit`.
    pub async fn list_models(
        &self,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Model>, StoreError> {
        todo!()
    }
}

/// What an edit of a provider key changes; `None` leaves a field alone.
#[derive(Debug, Default)]
pub struct ProviderKeyEdit {
    /// Unique within the organization.
    pub name: Option<String>,
    /// A new credential.
    pub value: Option<SecretString>,
    /// What it is for.
    pub note: Option<String>,
}
