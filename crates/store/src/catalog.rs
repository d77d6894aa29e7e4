//! Providers, provider keys, models and deployments.

mod models;
mod provider_keys;
mod providers;

pub use models::ModelFilter;

use std::sync::atomic::Ordering;

use doorward_domain::catalog::{Model, Provider};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{Store, StoreError};

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

/// What an edit of a provider key changes; `None` leaves a field alone.
#[derive(Debug, Default)]
pub struct ProviderKeyEdit {
    /// Unique within the organization.
    pub name: Option<String>,
    /// A new credential.
    pub value: Option<SecretString>,
    /// What it is for.
    pub note: Option<String>,
    /// Only if it was last edited at this instant; else [`StoreError::Stale`](crate::StoreError::Stale).
    pub if_updated_at: Option<Timestamp>,
}

impl Store {
    /// A number that changes with every change of providers, provider keys, models or deployments,
    /// before the change is answered: the data plane compares it on each call. It may change without
    /// one.
    pub fn catalog_epoch(&self) -> u64 {
        self.catalog_epoch.load(Ordering::Acquire)
    }

    /// Waits until the [epoch](Self::catalog_epoch) has changed since this was asked last. For one waiter:
    /// the data plane, which ends what must not go on without a call coming.
    pub async fn catalog_changed(&self) {
        self.catalog_changes.notified().await;
    }

    /// Tells the data plane about a change, also when it failed: a commit whose answer was lost may
    /// have happened.
    fn catalog_told<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        self.catalog_epoch.fetch_add(1, Ordering::AcqRel);
        self.catalog_changes.notify_one();
        done
    }

    /// The same for a deletion; where nothing was found nothing has changed.
    fn catalog_told_of_removal(
        &self,
        done: Result<Removed, StoreError>,
    ) -> Result<Removed, StoreError> {
        if let Ok(Removed::NotFound) = done { done } else { self.catalog_told(done) }
    }
}
