//! Whole answers.

mod finish;
mod read;
mod write;

pub(super) use finish::{Details, Ended, Said, Stop};
pub use read::read_answer;
pub use write::write_answer;
pub(super) use write::{broken, message_id, not_said};
