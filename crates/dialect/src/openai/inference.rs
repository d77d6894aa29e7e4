//! A prompt and its output, for clients of `POST /v1/inference`.
//!
//! `{"model","prompt"}` is answered by `{"id","model","output","usage"}`; beside the prompt stand the plain
//! wishes of a chat completion, by the same names. Errors are those of OpenAI's dialect, too.

mod read;
mod stream;
mod write;

pub use read::read_request;
pub use stream::StreamWriter;
pub use write::write_answer;

/// The field that holds the conversation.
pub(crate) const TURNS: &str = "prompt";
