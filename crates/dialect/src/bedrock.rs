//! Amazon Bedrock's Converse, which serves every model there alike.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.
//!
//! What is particular here: the model and whether the answer streams are in the path; what only some models
//! know (how many tokens to draw from, how much to think) stands apart, in `additionalModelRequestFields`, and
//! is written for Anthropic's models only; the turns must alternate; a stream comes in binary frames
//! ([`Frames`]), each with the name of its event.

mod answer;
mod fault;
mod finish;
mod frame;
mod frames;
mod request;
mod stream;
mod usage;

pub use answer::read_answer;
pub use fault::{ERROR_NAME, kind_of_name, read_fault};
pub use frames::Frames;
pub use request::write_request;
pub use stream::StreamReader;
pub use usage::read_usage;
