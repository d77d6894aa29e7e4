//! Reading what a call used out of an answer whose bytes go to the client untouched.

mod event;
mod json;
mod sse;
mod strings;
mod usage;

pub(crate) use json::JsonMeter;
pub(crate) use sse::{SseMeter, event_data};
