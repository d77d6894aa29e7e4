//! `generationConfig`, written.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::write::without_dialect;
use crate::request::{Effort, Format, Request, Sampling, Thinking, ThinkingMode};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Target, Text};

/// How many texts may end an answer. Source: <https://ai.google.dev/api/generate-content#generationconfig>.
const STOP_MAX: usize = 5;
/// What the same page says of the temperature.
const TEMPERATURE_MAX: f64 = 2.0;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are Google's")]
pub(super) struct Config<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    /// Google refuses an empty list.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'r [Text<'r>],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Cow<'r, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

pub(super) fn write<'r>(
    request: &'r Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Config<'r>, Untranslatable> {
    let mut config = sampling(&request.sampling, to, leave)?;
    config.candidate_count = request.answers;
    config.max_output_tokens = request.output_tokens_max;
    if request.stop.len() > STOP_MAX {
        leave.feature(Feature::Stop, None, to.from)?;
    } else {
        config.stop_sequences = &request.stop;
    }
    match &request.format {
        Format::Text => {}
        Format::Json => config.response_mime_type = Some("application/json"),
        Format::Schema { schema, .. } => {
            config.response_mime_type = Some("application/json");
            config.response_json_schema = Some(without_dialect(schema));
        }
    }
    config.thinking_config = thinking(request.thinking, to, leave)?;
    Ok(config)
}

fn sampling<'r>(
    sampling: &Sampling,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Config<'r>, Untranslatable> {
    let mut config = Config {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        seed: sampling.seed,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        ..Config::default()
    };
    if config.temperature.is_some_and(|temperature| temperature > TEMPERATURE_MAX) {
        leave.feature(Feature::Temperature, None, to.from)?;
        config.temperature = None;
    }
    // It has 32 bits there.
    if config.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        leave.feature(Feature::Seed, None, to.from)?;
        config.seed = None;
    }
    Ok(config)
}

/// Either tokens or a word can be said, and the word only to models that know it. What is both, or more
/// than can be said, is not carried over.
fn thinking(
    thinking: Thinking,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Option<ThinkingConfig>, Untranslatable> {
    let mut config =
        ThinkingConfig { include_thoughts: thinking.is_shown, ..ThinkingConfig::default() };
    let tokens = thinking.tokens_max.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
    match (thinking.mode, tokens, thinking.effort) {
        (ThinkingMode::Off, _, _) => config.thinking_budget = Some(0),
        (_, Some(tokens), effort) => {
            config.thinking_budget = Some(tokens);
            if effort.is_some() {
                leave.feature(Feature::Thinking, None, to.from)?;
            }
        }
        (_, None, Some(effort)) if to.knows.thinking_level => {
            config.thinking_level = Some(level(effort));
        }
        (_, None, Some(effort)) => config.thinking_budget = Some(budget(effort)),
        (ThinkingMode::Adaptive | ThinkingMode::On, None, None) => {
            config.thinking_budget = Some(-1);
        }
        (ThinkingMode::Unset, None, None) => {}
    }
    Ok((config != ThinkingConfig::default()).then_some(config))
}

/// There is no word above `XHIGH`.
const fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High => "HIGH",
        Effort::Higher | Effort::Max => "XHIGH",
    }
}

/// Tokens for a word, as Google itself reads `reasoning_effort` for models that know no words.
/// Source: <https://ai.google.dev/gemini-api/docs/openai#thinking>. The largest is what all of them take.
const fn budget(effort: Effort) -> i64 {
    match effort {
        Effort::Minimal | Effort::Low => 1_024,
        Effort::Medium => 8_192,
        Effort::High | Effort::Higher | Effort::Max => 24_576,
    }
}
