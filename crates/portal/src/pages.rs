//! The pages: one file for each, found by its path.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod general_keys;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod models;
pub(crate) mod notifications;
pub(crate) mod password_reset;
pub(crate) mod people;
pub(crate) mod playground;
pub(crate) mod projects;
pub(crate) mod providers;
pub(crate) mod requests;
pub(crate) mod service_accounts;
pub(crate) mod settings;
pub(crate) mod sign_in;
pub(crate) mod theme;
pub(crate) mod usage;
pub(crate) mod welcome;
