//! The rules of Doorward.
//!
//! Everything here is pure: no I/O, no async, no HTTP, no SQL, and time is always an argument. The
//! other crates ask this one what is allowed, what it costs and how it is written down.

pub mod address;
pub mod audit;
pub mod aws;
pub mod base62;
pub mod bounds;
pub mod budget;
pub mod call;
pub mod catalog;
pub mod confusable;
pub mod credential;
pub mod denial;
pub mod email;
pub mod health;
pub mod health_check;
pub mod id;
pub mod increase;
pub mod key;
pub mod lifetime;
pub mod limit;
pub mod model_pattern;
pub mod money;
pub mod name;
pub mod narrowing;
pub mod notice;
pub mod origin;
pub mod password;
pub mod presented;
pub mod price;
pub mod project_model;
pub mod project_role;
pub mod prompts;
pub mod public_address;
pub mod recovery_code;
pub mod redaction;
pub mod reminder;
pub mod rights;
pub mod role;
pub mod rotation;
pub mod scope;
pub mod session;
pub mod setting;
pub mod sign_in_token;
pub mod token;
pub mod totp;
pub mod usage;
pub mod uses;
pub mod webhook;
mod words;
