//! Requests: `GenerateContentRequest`.

mod contents;
mod generation;
mod outcome;
pub(super) mod read;
mod tools;
pub(super) mod write;
mod write_contents;
mod write_generation;
