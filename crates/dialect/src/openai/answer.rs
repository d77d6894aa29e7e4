//! Whole answers of this dialect.

mod read;
mod write;

pub use read::read_answer;
pub(super) use read::{CallIn, FunctionIn, MessageIn, Spoken, google_seal};
pub(super) use write::ExtraContent;
pub(in crate::openai) use write::unsayable;
pub use write::write_answer;
