//! `usageMetadata`. Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.

use doorward_domain::usage::Usage;
use serde::{Deserialize, Serialize};

use crate::count::Count;

/// What a provider says. A number that is not there is 0: that is how Google writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are Google's")]
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
        let usage = Usage {
            input_tokens: self.prompt_token_count.or_zero().saturating_add(of_tools),
            cached_input_tokens: self.cached_content_token_count.or_zero(),
            cache_write_tokens: 0,
            output_tokens: self.candidates_token_count.or_zero().saturating_add(thoughts),
            reasoning_tokens: thoughts,
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
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are Google's")]
pub(super) struct Told {
    prompt_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
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
        }
    }
}
