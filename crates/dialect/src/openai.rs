//! OpenAI chat completions. Source: <https://platform.openai.com/docs/api-reference/chat>.

mod answer;
pub mod embedding;
mod fault;
mod fields;
mod finish;
pub mod inference;
mod request;
pub mod responses;
mod stream;
mod units;
mod usage;
mod wire;

pub use answer::{read_answer, write_answer};
pub use fault::{read_fault, status_of, write_fault, write_fault_event};
pub use request::{read_request, write_request};
pub use stream::{StreamReader, StreamWriter};
pub use units::{read_meta, read_seconds, read_total, tells_unit};
pub use usage::read_usage;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::unsupported::Feature;

/// The field that holds the conversation.
pub(crate) const TURNS: &str = "messages";

/// What a client calls a feature.
pub(crate) const fn name_of(feature: Feature) -> &'static str {
    match feature {
        Feature::Answers => "n",
        Feature::Audio => "content[].input_audio",
        Feature::Image => "content[].image_url",
        Feature::Document => "content[].file",
        Feature::File => "content[].file.file_id",
        Feature::SystemTurn => "role",
        Feature::JsonFormat | Feature::SchemaFormat => "response_format",
        Feature::OneCallOnly => "parallel_tool_calls",
        Feature::ToolsAmong | Feature::NoCalls => "tool_choice",
        Feature::TopP => "top_p",
        Feature::TopK => "top_k",
        Feature::Seed => "seed",
        Feature::FrequencyPenalty => "frequency_penalty",
        Feature::PresencePenalty => "presence_penalty",
        Feature::Temperature => "temperature",
        Feature::ToolName => "tools[].function.name",
        Feature::Stop => "stop",
        Feature::Thinking => "reasoning_effort",
    }
}

/// The id of a call that came without one: made from where it stands, so that it is the same each time.
fn made_id(whence: &str, positions: &[usize], name: &str) -> String {
    let hash = Sha256::digest(format!("{whence}\0{positions:?}\0{name}"));
    format!("call_{}", hex(hash.iter().take(12)))
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    use std::fmt::Write;
    bytes.fold(String::new(), |mut text, byte| {
        // Writing into a `String` cannot fail.
        if write!(text, "{byte:02x}").is_err() {
            text.clear();
        }
        text
    })
}

/// The JSON of a call's arguments, if it is that of an object; nothing at all stands for `{}`.
fn arguments(text: &str) -> Option<Box<RawValue>> {
    let text = text.trim_ascii();
    let json = if text.is_empty() { "{}" } else { text };
    if !json.starts_with('{') {
        return None;
    }
    RawValue::from_string(json.to_owned()).ok()
}
