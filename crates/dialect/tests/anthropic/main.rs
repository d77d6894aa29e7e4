//! What this dialect's readers and writers promise.
#![cfg(test)] // so that the lints know that helpers are tests too
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a test does not expect is all the same to it"
)]

mod answers;
mod faults;
mod malformed;
mod properties;
mod read_requests;
mod requests;
mod streams;
mod support;
mod write_requests;
