//! The REST API: one module per noun, as the URLs have them.

mod answer;
pub(crate) mod audit;
pub(crate) mod backup;
mod bounds;
pub(crate) mod calls;
pub(crate) mod increases;
pub(crate) mod keys;
mod list;
pub(crate) mod models;
pub(crate) mod notices;
pub(crate) mod organization;
pub(crate) mod own_account;
pub(crate) mod password_links;
pub(crate) mod projects;
pub(crate) mod provider_keys;
pub(crate) mod providers;
pub(crate) mod service_accounts;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod webhooks;
