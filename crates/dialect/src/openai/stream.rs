//! Answers of this dialect in pieces.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/streaming>.

mod calls;
mod read;
mod write;

pub use read::StreamReader;
pub use write::StreamWriter;
