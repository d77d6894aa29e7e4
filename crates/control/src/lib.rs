//! The control plane: who may change what, and the REST API that changes it.
//!
//! [`router`] is built from one table in which each route names the scope that it needs; what is
//! not in the table is not served. A handler parses, decides, stores and answers; every rule is in
//! `doorward_domain`, every row and its audit entry in `doorward_store`.

mod api;
mod attempts;
mod caller;
mod control;
mod denials;
mod faults;
mod idempotency;
pub mod jobs;
mod link_page;
pub mod model_list;
pub mod notices;
mod oauth;
mod openapi;
mod problem;
mod request;
mod routes;
mod sign_in_refusal;
mod turns;
mod unknown_path;

pub use control::Control;
pub use openapi::openapi_json;
pub use routes::{Access, Policy, policies, router};
