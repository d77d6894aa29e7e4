//! From the form into this dialect.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>.

mod messages;
mod parts;
mod tools;

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::openai::hex;
use crate::request::{Delivery, Effort, Format, Request, Thinking, ThinkingMode};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Target, Text};

/// The most texts that end an answer.
const STOP_MAX: usize = 4;
/// The longest name of an end user, in bytes.
const END_USER_BYTES_MAX: usize = 128;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<messages::Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tools::ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tools::Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(flatten)]
    sampling: SamplingOut,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [Text<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct SamplingOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FormatOut<'a> {
    JsonObject,
    JsonSchema { json_schema: SchemaOut<'a> },
}

#[derive(Serialize)]
struct SchemaOut<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Writes the body of `POST /v1/chat/completions`. A stream is always asked to tell its usage, whether the
/// client wants to be told or not: it is billed by it.
pub fn write_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    for extra in &request.extras {
        leave.out(&extra.path)?;
    }
    let is_stream = matches!(request.delivery, Delivery::Stream { .. });
    let (new, old) = if to.knows.completion_tokens {
        (request.output_tokens_max, None)
    } else {
        (None, request.output_tokens_max)
    };
    let tools = tools::write(request, to);
    let body = Body {
        model: to.model,
        messages: messages::write(request, to, leave)?,
        tool_choice: tools::choice(request, to, &tools),
        // OpenAI refuses it without tools.
        parallel_tool_calls: (request.is_one_call_only && !tools.is_empty()).then_some(false),
        tools,
        response_format: format(&request.format),
        max_completion_tokens: new,
        max_tokens: old,
        sampling: sampling(request, to, leave)?,
        stop: stop(request, to, leave)?,
        reasoning_effort: effort(request.thinking),
        n: request.answers,
        user: request.end_user.as_deref().map(end_user),
        stream: is_stream.then_some(true),
        stream_options: is_stream.then_some(StreamOptions { include_usage: true }),
    };
    // Texts, numbers and JSON that was read are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

fn sampling(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<SamplingOut, Untranslatable> {
    let sampling = request.sampling;
    let mut top_k = sampling.top_k;
    if top_k.is_some() && !to.knows.top_k {
        leave.feature(Feature::TopK, None, to.from)?;
        top_k = None;
    }
    Ok(SamplingOut {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k,
        seed: sampling.seed,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
    })
}

fn stop<'a>(
    request: &'a Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<&'a [Text<'a>], Untranslatable> {
    if request.stop.len() > STOP_MAX {
        leave.feature(Feature::Stop, None, to.from)?;
        return Ok(&[]);
    }
    Ok(&request.stop)
}

fn format<'a>(format: &'a Format<'_>) -> Option<FormatOut<'a>> {
    match format {
        Format::Text => None,
        Format::Json => Some(FormatOut::JsonObject),
        Format::Schema { name, description, schema, is_strict } => Some(FormatOut::JsonSchema {
            json_schema: SchemaOut {
                // This dialect wants a name where others have none.
                name: name.as_deref().unwrap_or("output"),
                description: description.as_deref(),
                schema,
                strict: *is_strict,
            },
        }),
    }
}

/// A word where other dialects may have a number of tokens.
fn effort(thinking: Thinking) -> Option<&'static str> {
    match (thinking.mode, thinking.effort, thinking.tokens_max) {
        (ThinkingMode::Off, _, _) | (_, None, Some(0)) => Some("none"),
        (_, Some(effort), _) => Some(word(effort)),
        (_, None, Some(..=2_048)) => Some("low"),
        (_, None, Some(..=8_192)) | (ThinkingMode::On, None, None) => Some("medium"),
        (_, None, Some(_)) => Some("high"),
        (ThinkingMode::Unset | ThinkingMode::Adaptive, None, None) => None,
    }
}

const fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Higher => "xhigh",
        Effort::Max => "max",
    }
}

/// `user` is what all servers know. One that is too long is told by its hash, always the same.
fn end_user(user: &str) -> Text<'_> {
    if user.len() <= END_USER_BYTES_MAX {
        return user.into();
    }
    hex(Sha256::digest(user).iter()).into()
}
