//! Requests: what clients send, and what we send to providers.

mod blocks;
mod harmless;
mod outcomes;
mod read;
mod settings;
mod tools;
mod turns;
mod wire;
mod write;
mod write_blocks;
mod write_settings;
mod write_tools;

pub(super) use read::read_count_request;
pub use read::read_request;
pub(super) use write::write_count_request;
pub use write::write_request;
pub(super) use write_blocks::Block;
pub(crate) use write_settings::{EffortConfig, Thinking, thinking};
pub(crate) use write_tools::schema;
