//! What a request says besides the conversation.

use serde::Serialize;

use super::model::Model;
use crate::anthropic::{self, EffortConfig, Thinking};
use crate::request::{Format, Request, ThinkingMode};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Target, Text};

/// Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html>.
const TEMPERATURE_MAX: f64 = 1.0;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [Text<'a>],
}

impl InferenceConfig<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

pub(super) fn inference<'a>(
    request: &'a Request<'a>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<InferenceConfig<'a>, Untranslatable> {
    let wish = request.sampling;
    let is_set = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    let is_too_high = |temperature: &f64| *temperature > TEMPERATURE_MAX;
    let refused = [
        (wish.seed.is_some(), Feature::Seed),
        (is_set(wish.frequency_penalty), Feature::FrequencyPenalty),
        (is_set(wish.presence_penalty), Feature::PresencePenalty),
        (wish.temperature.as_ref().is_some_and(is_too_high), Feature::Temperature),
    ];
    for (_, feature) in refused.into_iter().filter(|(is_refused, _)| *is_refused) {
        leave.feature(feature, None, to.from)?;
    }
    Ok(InferenceConfig {
        max_tokens: request.output_tokens_max,
        temperature: wish.temperature.filter(|temperature| !is_too_high(temperature)),
        top_p: wish.top_p,
        stop_sequences: &request.stop,
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputConfig<'a> {
    text_format: TextFormat<'a>,
}

#[derive(Debug, Serialize)]
struct TextFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    structure: Structure<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: JsonSchema<'a>,
}

/// The schema is a text that holds JSON.
#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    schema: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

/// What the text of the answer must be. It always matches its schema exactly.
pub(super) fn output<'a>(
    request: &'a Request<'a>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Option<OutputConfig<'a>>, Untranslatable> {
    let (name, description, schema) = match &request.format {
        Format::Text => return Ok(None),
        Format::Json => {
            leave.feature(Feature::JsonFormat, None, to.from)?;
            return Ok(None);
        }
        Format::Schema { name, description, schema, .. } => (name, description, schema.get()),
    };
    let (name, description) = (name.as_deref(), description.as_deref());
    let structure = Structure { json_schema: JsonSchema { schema, name, description } };
    Ok(Some(OutputConfig { text_format: TextFormat { kind: "json_schema", structure } }))
}

/// What only Anthropic's models know, in the words of Anthropic.
#[derive(Debug, Default, Serialize)]
pub(super) struct ModelFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<EffortConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
}

impl ModelFields {
    pub(super) const fn is_empty(&self) -> bool {
        self.thinking.is_none() && self.output_config.is_none() && self.top_k.is_none()
    }
}

pub(super) fn of_model(
    request: &Request<'_>,
    (to, model): (&Target<'_>, Model),
    leave: &mut Leave,
) -> Result<ModelFields, Untranslatable> {
    let (wish, top_k) = (request.thinking, request.sampling.top_k);
    if model.is_anthropic {
        // Where no bound is said there is room for any budget.
        let room = request.output_tokens_max.unwrap_or(u64::MAX);
        return Ok(ModelFields {
            thinking: anthropic::thinking(request, room, to, leave)?,
            output_config: wish.effort.map(EffortConfig::new),
            top_k,
        });
    }
    if top_k.is_some() {
        leave.feature(Feature::TopK, None, to.from)?;
    }
    let wants_thoughts = matches!(wish.mode, ThinkingMode::On | ThinkingMode::Adaptive);
    if wants_thoughts || wish.effort.is_some() || wish.tokens_max.is_some() {
        leave.feature(Feature::Thinking, None, to.from)?;
    }
    Ok(ModelFields::default())
}
