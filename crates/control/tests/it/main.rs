//! The management API over a real store on SQLite.
#![cfg(test)] // so that the lints know that helpers are tests too

mod app;
mod audit;
mod guard;
mod idempotency;
mod increases;
mod keys;
mod keys_bad_input;
mod keys_explain;
mod keys_in_pages;
mod keys_mistakes;
mod keys_rights;
mod keys_rotate;
mod keys_unused;
mod mailed_links;
mod models;
mod notices;
mod projects;
mod provider_keys;
mod providers;
mod receiver;
mod seams;
mod second_factor;
mod service_accounts;
mod sessions;
mod settings;
mod sign_in;
mod smtp;
mod token_rights;
mod tokens;
mod usage;
mod users;
mod webhooks;
