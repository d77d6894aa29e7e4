//! Google `generateContent`. Source: <https://ai.google.dev/api/generate-content>.
//!
//! What is particular here: the model and whether the answer streams are in the path; names may be spelled
//! `maxOutputTokens` or `max_output_tokens`; calls may have no ids, so they are made, and outcomes find
//! their calls by name and order; a seal (`thoughtSignature`) may stand on a text, a thought or a call. The
//! seal of a text is kept as a thought without words *before* it in what is whole, and follows it in a
//! stream, where the text is out already.

mod answer;
mod count;
pub mod embedding;
mod fault;
mod fields;
mod finish;
mod ids;
mod media;
mod request;
mod said;
mod schema;
mod stream;
mod tree;
mod usage;

use crate::Json;
use crate::unsupported::Feature;

pub use answer::read::read_answer;
pub use answer::write::write_answer;
pub use count::{read_count, write_count};
pub use fault::{read_fault, status_of, write_fault};
pub use request::read::{read_count_request, read_request};
pub use request::write::{write_count_request, write_request};
pub use stream::read::StreamReader;
pub use stream::write::{Frames, Framing, StreamWriter};
pub use usage::read_usage;

/// What stands in the place of the seal of a call whose seal nobody has: the first call of an answer must
/// have one where the model is Gemini 3 or newer, and other dialects have no place for it.
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
const NO_SEAL: &str = "skip_thought_signature_validator";

/// What the path of a request says.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The model, as the client names it.
    pub model: &'a str,
    /// `:streamGenerateContent`.
    pub is_stream: bool,
}

/// The field that holds the conversation.
pub(crate) const TURNS: &str = "contents";

/// What a client calls a feature.
pub(crate) const fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::Answers => "generationConfig.candidateCount",
        Feature::Audio | Feature::Image | Feature::Document => "parts[].inlineData",
        Feature::File => "parts[].fileData",
        Feature::SystemTurn => "role",
        Feature::JsonFormat => "generationConfig.responseMimeType",
        Feature::SchemaFormat => "generationConfig.responseJsonSchema",
        Feature::OneCallOnly => "toolConfig",
        Feature::ToolsAmong => "toolConfig.functionCallingConfig.allowedFunctionNames",
        Feature::NoCalls => "toolConfig.functionCallingConfig.mode",
        Feature::TopP => "generationConfig.topP",
        Feature::TopK => "generationConfig.topK",
        Feature::Seed => "generationConfig.seed",
        Feature::FrequencyPenalty => "generationConfig.frequencyPenalty",
        Feature::PresencePenalty => "generationConfig.presencePenalty",
        Feature::Temperature => "generationConfig.temperature",
        Feature::ToolName => "tools[].functionDeclarations[].name",
        Feature::Stop => "generationConfig.stopSequences",
        Feature::Thinking => "generationConfig.thinkingConfig",
    }
}

/// What a call without arguments has.
fn no_arguments<'a>() -> Json<'a> {
    let empty = serde_json::from_str("{}");
    empty.map_or_else(|_| Json::Borrowed(serde_json::value::RawValue::NULL), Json::Borrowed)
}
