//! The contract of the store: every promise of its methods, on every engine.
#![cfg(test)] // so that the lints know that helpers are tests too

mod age;
mod audit;
mod backup;
mod calls;
mod catalog;
mod elsewhere;
mod harness;
mod idempotency;
mod increases;
mod journal;
mod key_list;
mod key_origins;
mod key_plans;
mod key_uses;
mod keys;
mod mailed_links;
mod notices;
mod opening;
mod organizations;
mod outage;
mod postgres;
mod projects;
mod retention;
mod role_max;
mod rotation;
mod schema;
mod service_accounts;
mod settings;
mod sign_in;
mod sweep;
mod tokens;
mod usage;
mod usage_hours;
mod users;
mod webhooks;
