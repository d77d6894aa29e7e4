//! Doorward's data plane.
//!
//! [`Gateway::handle`] takes one request through verify → admit → route → upstream → relay → settle.
//! `gateway.rs` holds that order; every other module is one step, or a part of one.

mod answer;
mod ask;
mod asking;
mod call_ids;
mod catalog;
mod checks;
mod chunks;
mod cors;
mod echo;
mod error;
mod facts;
mod gateway;
mod health;
pub mod listen;
mod meter;
mod metrics;
mod models;
mod reckon;
mod redact;
mod relay;
mod rewrite;
mod route;
mod source;
mod timing;
mod trace;
mod transcript;
mod translate;
mod upstream;
mod verify;

pub use call_ids::CallIds;
pub use gateway::Retries;
pub use gateway::{CallBody, Gateway, GatewayOptions, StartError};
pub use relay::RelayBody as GatewayBody;
pub use route::{Call, Route, WrongMethod};
pub use source::client_address;
pub use trace::{CallSpan, SpanContext, SpanQueue};
pub use upstream::Timeouts;
