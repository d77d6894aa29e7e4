//! `usageMetadata`. Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.

use doorward_domain::usage::Usage;
use serde::{Deserialize, Serialize};

use crate::count::Count;

/// What a provider says. A number that is not there is 0: that is how Google writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Said {
    #[serde(alias = "prompt_token_count")]
    prompt_token_count: Count,
    #[serde(alias = "cached_content_token_count")]
    cached_content_token_count: Count,
    #[serde(alias = "tool_use_prompt_token_count")]
    tool_use_prompt_token_count: Count,
    #[serde(alias = "candidates_token_count")]
    candidates_token_count: Count,
    #[serde(alias = "thoughts_token_count")]
    thoughts_token_count: Count,
    #[serde(alias = "prompt_tokens_details")]
    prompt_tokens_details: Parts,
    #[serde(alias = "cache_tokens_details")]
    cache_tokens_details: Parts,
    #[serde(alias = "tool_use_prompt_tokens_details")]
    tool_use_prompt_tokens_details: Parts,
    #[serde(alias = "candidates_tokens_details", alias = "responseTokensDetails")]
    candidates_tokens_details: Parts,
}

/// What a number of tokens is made of: `ModalityTokenCount`, each with its part of the whole. What is no
/// list of those says nothing.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Parts {
    audio: u64,
    image: u64,
    video: u64,
}

impl From<serde_json::Value> for Parts {
    fn from(list: serde_json::Value) -> Self {
        let mut parts = Self::default();
        for part in list.as_array().into_iter().flatten() {
            let count = part.get("tokenCount").or_else(|| part.get("token_count"));
            let count = count.and_then(|count| Count::deserialize(count).ok()).unwrap_or_default();
            let sum = match part.get("modality").and_then(serde_json::Value::as_str) {
                Some("AUDIO") => &mut parts.audio,
                Some("IMAGE") => &mut parts.image,
                Some("VIDEO") => &mut parts.video,
                _ => continue,
            };
            *sum = sum.saturating_add(count.or_zero());
        }
        parts
    }
}

impl Said {
    /// `None` if no number of it says anything; the total alone would be of nobody knows what.
    ///
    /// The answer's tokens are told without those of the thoughts, the prompt's with the cached ones and
    /// without those of the results of Google's own tools.
    pub(super) fn into_usage(self) -> Option<Usage> {
        let counts =
            [self.prompt_token_count, self.candidates_token_count, self.thoughts_token_count];
        if counts.iter().all(|count| count.0.is_none()) {
            return None;
        }
        let thoughts = self.thoughts_token_count.or_zero();
        let of_tools = self.tool_use_prompt_token_count.or_zero();
        let (input, tools) = (self.prompt_tokens_details, self.tool_use_prompt_tokens_details);
        let (cached, output) = (self.cache_tokens_details, self.candidates_tokens_details);
        let usage = Usage {
            input_tokens: self.prompt_token_count.or_zero().saturating_add(of_tools),
            cached_input_tokens: self.cached_content_token_count.or_zero(),
            input_audio_tokens: input.audio.saturating_add(tools.audio),
            input_image_tokens: input.image.saturating_add(tools.image),
            input_video_tokens: input.video.saturating_add(tools.video),
            cached_audio_tokens: cached.audio,
            cached_image_tokens: cached.image,
            output_tokens: self.candidates_token_count.or_zero().saturating_add(thoughts),
            reasoning_tokens: thoughts,
            output_audio_tokens: output.audio,
            output_image_tokens: output.image,
            output_video_tokens: output.video,
            ..Usage::default()
        };
        Some(usage.bounded())
    }
}

/// Reads the value of a `usageMetadata` member. `None`: it is null, or says nothing.
pub fn read_usage(json: &[u8]) -> Option<Usage> {
    let said: Option<Said> = serde_json::from_slice(json).ok()?;
    said?.into_usage()
}

/// What a client is told. Zeros of the whole are said, those of parts are left out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    prompt_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prompt_tokens_details: Vec<Part>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_tokens_details: Vec<Part>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates_tokens_details: Vec<Part>,
}

/// A part of a number of tokens.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    modality: &'static str,
    token_count: u64,
}

/// What so many tokens are made of; nothing, where they are all text.
fn parts(whole: u64, [audio, image, video]: [u64; 3]) -> Vec<Part> {
    let text = whole.saturating_sub(audio).saturating_sub(image).saturating_sub(video);
    if text == whole {
        return Vec::new();
    }
    let all = [("TEXT", text), ("AUDIO", audio), ("IMAGE", image), ("VIDEO", video)];
    let there = all.into_iter().filter(|(_, token_count)| *token_count > 0);
    there.map(|(modality, token_count)| Part { modality, token_count }).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Usage> for Told {
    fn from(usage: Usage) -> Self {
        let usage = usage.bounded();
        Self {
            prompt_token_count: usage.input_tokens,
            candidates_token_count: usage.output_tokens.saturating_sub(usage.reasoning_tokens),
            cached_content_token_count: usage.cached_input_tokens,
            thoughts_token_count: usage.reasoning_tokens,
            total_token_count: usage.total_tokens(),
            prompt_tokens_details: parts(
                usage.input_tokens,
                [usage.input_audio_tokens, usage.input_image_tokens, usage.input_video_tokens],
            ),
            cache_tokens_details: parts(
                usage.cached_input_tokens,
                [usage.cached_audio_tokens, usage.cached_image_tokens, 0],
            ),
            candidates_tokens_details: parts(
                usage.output_tokens.saturating_sub(usage.reasoning_tokens),
                [usage.output_audio_tokens, usage.output_image_tokens, usage.output_video_tokens],
            ),
        }
    }
}
