//! The management API over a real store on SQLite.
#![cfg(test)] // so that the lints know that helpers are tests too

mod app;
mod audit;
mod guard;
mod idempotency;
mod keys;
mod keys_bad_input;
mod keys_rights;
mod keys_rotate;
mod models;
mod notices;
mod projects;
mod provider_keys;
mod providers;
mod receiver;
mod service_accounts;
mod settings;
mod smtp;
mod usage;
mod users;
mod webhooks;
