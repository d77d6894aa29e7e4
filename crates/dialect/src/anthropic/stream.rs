//! Answers in pieces: server-sent events.
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

mod arguments;
mod blocks;
mod frames;
mod read;
mod wire;
mod write;

pub use read::StreamReader;
pub use write::StreamWriter;
