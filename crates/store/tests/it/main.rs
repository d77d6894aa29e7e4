//! The contract of the store: every promise of its methods, on every engine.
#![cfg(test)] // so that the lints know that helpers are tests too

mod audit;
mod backup;
mod calls;
mod catalog;
mod harness;
mod idempotency;
mod journal;
mod keys;
mod opening;
mod organizations;
mod outage;
mod postgres;
mod projects;
mod rotation;
mod schema;
mod service_accounts;
mod settings;
mod sweep;
mod usage;
mod users;
