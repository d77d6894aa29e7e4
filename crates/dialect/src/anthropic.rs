//! Anthropic messages. Source: <https://platform.claude.com/docs/en/api/messages>.
//!
//! Requests are written for the version `2023-06-01`: the later one refuses `temperature` and its like.

mod answer;
mod count;
mod fault;
pub(crate) mod ids;
mod json;
mod request;
mod stream;
mod usage;

pub use answer::{read_answer, write_answer};
pub use count::{read_count, read_count_request, write_count, write_count_request};
pub use fault::{read_fault, status_of, write_fault};
pub(crate) use request::{EffortConfig, Thinking, schema, thinking};
pub use request::{read_request, write_request};
pub use stream::{StreamReader, StreamWriter};
pub use usage::Told as UsageTold;

use crate::unsupported::Feature;

/// The field that holds the conversation.
pub(crate) const TURNS: &str = "messages";

/// What a client calls a feature.
pub(crate) const fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::Answers => "n",
        Feature::Audio | Feature::Image | Feature::Document => "content[].source",
        Feature::File => "content[].source.file_id",
        Feature::SystemTurn => "role",
        Feature::JsonFormat | Feature::SchemaFormat => "output_config.format",
        Feature::OneCallOnly => "tool_choice.disable_parallel_tool_use",
        Feature::ToolsAmong | Feature::NoCalls => "tool_choice",
        Feature::TopP => "top_p",
        Feature::TopK => "top_k",
        Feature::Seed => "seed",
        Feature::FrequencyPenalty => "frequency_penalty",
        Feature::PresencePenalty => "presence_penalty",
        Feature::Temperature => "temperature",
        Feature::ToolName => "tools[].name",
        Feature::Stop => "stop_sequences",
        Feature::Thinking => "thinking",
    }
}
