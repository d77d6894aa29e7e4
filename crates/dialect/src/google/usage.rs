//! `usageMetadata`. Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.

use std::fmt;

use doorward_domain::usage::Usage;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// What a provider says. A number that is not there is 0: that is how Google writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are Google's")]
pub(super) struct Said {
    #[serde(alias = "prompt_token_count")]
    prompt_token_count: Option<Tokens>,
    #[serde(alias = "cached_content_token_count")]
    cached_content_token_count: Option<Tokens>,
    #[serde(alias = "tool_use_prompt_token_count")]
    tool_use_prompt_token_count: Option<Tokens>,
    #[serde(alias = "candidates_token_count")]
    candidates_token_count: Option<Tokens>,
    #[serde(alias = "thoughts_token_count")]
    thoughts_token_count: Option<Tokens>,
}

impl Said {
    /// `None` if no number of it says anything; the total alone would be of nobody knows what.
    ///
    /// The answer's tokens are told without those of the thoughts, the prompt's with the cached ones and
    /// without those of the results of Google's own tools.
    pub(super) fn into_usage(self) -> Option<Usage> {
        let counts =
            [&self.prompt_token_count, &self.candidates_token_count, &self.thoughts_token_count];
        let is_said = counts.into_iter().any(Option::is_some);
        if !is_said {
            return None;
        }
        let count = |tokens: Option<Tokens>| tokens.map_or(0, |tokens| tokens.0);
        let thoughts = count(self.thoughts_token_count);
        let of_tools = count(self.tool_use_prompt_token_count);
        let usage = Usage {
            input_tokens: count(self.prompt_token_count).saturating_add(of_tools),
            cached_input_tokens: count(self.cached_content_token_count),
            cache_write_tokens: 0,
            output_tokens: count(self.candidates_token_count).saturating_add(thoughts),
            reasoning_tokens: thoughts,
        };
        Some(usage.bounded())
    }
}

/// Reads the value of a `usageMetadata` member. `None`: it is null, or says nothing.
pub fn read_usage(json: &[u8]) -> Option<Usage> {
    let said: Option<Said> = serde_json::from_slice(json).ok()?;
    said?.into_usage()
}

/// A count as some server wrote it: never negative here, whatever it says.
#[derive(Debug, Clone, Copy)]
struct Tokens(u64);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokensVisitor)
    }
}

struct TokensVisitor;

impl Visitor<'_> for TokensVisitor {
    type Value = Tokens;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Tokens, E> {
        Ok(Tokens(count))
    }

    /// Only what is negative comes here.
    fn visit_i64<E>(self, _negative: i64) -> Result<Tokens, E> {
        Ok(Tokens(0))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates: negative becomes 0, huge the maximum"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<Tokens, E> {
        Ok(Tokens(count as u64))
    }

    /// Numbers of 64 bits stand in strings.
    fn visit_str<E>(self, digits: &str) -> Result<Tokens, E> {
        Ok(Tokens(digits.parse().unwrap_or_default()))
    }
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
