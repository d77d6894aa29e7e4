//! OpenAI responses, as a client speaks them. Source: <https://platform.openai.com/docs/api-reference/responses>.
//!
//! Nothing is stored here: what builds on an earlier answer, or on tools that OpenAI runs, is refused by name.
//! A conversation is a flat list of items; those of the model that follow one another are one turn.

mod answer;
mod echo;
mod input;
mod output;
mod parts;
mod read;
mod seal;
mod stream;
mod tools;

pub use answer::write_answer;
pub use read::read_request;
pub use stream::StreamWriter;

use crate::unsupported::Feature;

/// The field that holds the conversation.
pub(crate) const TURNS: &str = "input";

/// What a client calls a feature.
pub(crate) const fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::Image => "content[].image_url",
        Feature::Document => "content[].file_data",
        Feature::File => "content[].file_id",
        Feature::JsonFormat | Feature::SchemaFormat => "text.format",
        Feature::ToolName => "tools[].name",
        Feature::Thinking => "reasoning",
        Feature::Answers
        | Feature::Audio
        | Feature::SystemTurn
        | Feature::OneCallOnly
        | Feature::ToolsAmong
        | Feature::NoCalls
        | Feature::TopP
        | Feature::TopK
        | Feature::Seed
        | Feature::FrequencyPenalty
        | Feature::PresencePenalty
        | Feature::Temperature
        | Feature::Stop => crate::openai::name_of(feature),
    }
}
