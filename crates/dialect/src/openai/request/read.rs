//! From this dialect into the form.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>.

pub(in crate::openai) mod calls;
mod messages;
pub(in crate::openai) mod parts;
mod tools;

use std::borrow::Cow;

use super::harmless;
use crate::Text;
use crate::openai::fields::{Object, Path, begins_with, list, text};
use crate::request::{Delivery, Effort, Format, Request, Sampling, Thinking, ThinkingMode};
use crate::unsupported::{Extra, Malformed};

/// Reads the body of `POST /v1/chat/completions`.
pub fn read_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let wrong = |_| Path::Body.malformed("must be the JSON of an object");
    let mut body = Object::of(serde_json::from_slice(body).map_err(wrong)?, Path::Body);
    let mut extras = Vec::new();
    let model = body.name("model")?;
    let talk = messages::read(&mut body, &mut extras)?;
    let request = Request {
        model,
        system: talk.system,
        turns: talk.turns,
        tools: tools::read(&mut body, &mut extras)?,
        tool_choice: tools::choice(&mut body, &mut extras)?,
        is_one_call_only: body.flag("parallel_tool_calls")? == Some(false),
        format: format(&mut body, &mut extras)?,
        output_tokens_max: output_tokens_max(&mut body)?,
        sampling: sampling(&mut body)?,
        stop: stop(&mut body)?,
        thinking: thinking(&mut body, "reasoning_effort")?,
        answers: answers(&mut body)?,
        end_user: end_user(&mut body)?,
        delivery: delivery(&mut body, &mut extras)?,
        extras: Vec::new(),
    };
    skip_what_changes_nothing(&mut body);
    body.rest(&mut extras);
    Ok(Request { extras, ..request })
}

/// What the dialect does anyway, if it is not said, is no wish.
fn skip_what_changes_nothing(body: &mut Object<'_, '_>) {
    body.skip(&harmless::BODY);
    body.skip_default("logit_bias", &["{}"]);
    body.skip_default("logprobs", &["false"]);
    body.skip_default("top_logprobs", &["0"]);
    body.skip_default("store", &["false"]);
    body.skip_default("service_tier", &["\"auto\"", "\"default\""]);
    body.skip_default("verbosity", &["\"medium\""]);
    body.skip_default("modalities", &["[\"text\"]", "[]"]);
}

/// The old name and the new one are one field; both may be there if they agree.
pub(in crate::openai) fn output_tokens_max(
    body: &mut Object<'_, '_>,
) -> Result<Option<u64>, Malformed> {
    let new = body.whole("max_completion_tokens")?;
    let old = body.whole("max_tokens")?;
    if new.is_some() && old.is_some() && new != old {
        let path = body.path;
        return Err(path.field("max_tokens").malformed("contradicts `max_completion_tokens`"));
    }
    Ok(new.or(old))
}

/// `top_k` is no field of OpenAI's, but of servers that speak like it; -1 there means all tokens.
pub(in crate::openai) fn sampling(body: &mut Object<'_, '_>) -> Result<Sampling, Malformed> {
    const PENALTY: &str = "must be a number from -2 to 2";
    body.skip_default("top_k", &["-1"]);
    Ok(Sampling {
        temperature: body.number("temperature", 0.0, 2.0, "must be a number from 0 to 2")?,
        top_p: body.number("top_p", 0.0, 1.0, "must be a number from 0 to 1")?,
        top_k: body.whole("top_k")?,
        seed: seed(body)?,
        frequency_penalty: body.number("frequency_penalty", -2.0, 2.0, PENALTY)?,
        presence_penalty: body.number("presence_penalty", -2.0, 2.0, PENALTY)?,
    })
}

fn seed(body: &mut Object<'_, '_>) -> Result<Option<i64>, Malformed> {
    let Some(json) = body.take("seed") else { return Ok(None) };
    let wrong = |_| body.path.field("seed").malformed("must be a whole number");
    json.get().parse().map(Some).map_err(wrong)
}

/// One text or a list of them.
pub(in crate::openai) fn stop<'a>(body: &mut Object<'a, '_>) -> Result<Vec<Text<'a>>, Malformed> {
    let Some(json) = body.take("stop") else { return Ok(Vec::new()) };
    let outer = body.path;
    let path = outer.field("stop");
    if begins_with(json, '"') {
        return Ok(vec![text(json, path)?]);
    }
    if !begins_with(json, '[') {
        return Err(path.malformed("must be a string or a list of strings"));
    }
    let texts = list(json, path)?.into_iter().enumerate();
    texts.map(|(position, json)| text(json, path.item(position))).collect()
}

/// `name` is the field that says how hard the model is to think.
pub(in crate::openai) fn thinking(
    object: &mut Object<'_, '_>,
    name: &str,
) -> Result<Thinking, Malformed> {
    let Some(word) = object.text(name)? else { return Ok(Thinking::default()) };
    let effort = match word.as_ref() {
        "none" => return Ok(Thinking { mode: ThinkingMode::Off, ..Thinking::default() }),
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::Higher,
        "max" => Effort::Max,
        _ => {
            let why = "must be `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`";
            return Err(object.path.field(name).malformed(why));
        }
    };
    Ok(Thinking { effort: Some(effort), ..Thinking::default() })
}

fn answers(body: &mut Object<'_, '_>) -> Result<Option<u64>, Malformed> {
    let answers = body.whole("n")?;
    if answers == Some(0) {
        return Err(body.path.field("n").malformed("must be at least 1"));
    }
    Ok(answers)
}

pub(in crate::openai) fn end_user<'a>(
    body: &mut Object<'a, '_>,
) -> Result<Option<Text<'a>>, Malformed> {
    let new = body.text("safety_identifier")?;
    let old = body.text("user")?;
    Ok(new.or(old).filter(|user| !user.is_empty()))
}

fn delivery(body: &mut Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<Delivery, Malformed> {
    let is_stream = body.flag("stream")? == Some(true);
    let outer = body.path;
    let path = outer.field("stream_options");
    let mut wants_usage = false;
    if let Some(json) = body.take("stream_options") {
        let mut options = Object::read(json, path)?;
        wants_usage = options.flag("include_usage")? == Some(true);
        options.skip(&harmless::STREAM_OPTIONS);
        options.rest(extras);
    }
    Ok(if is_stream { Delivery::Stream { wants_usage } } else { Delivery::Whole })
}

fn format<'a>(body: &mut Object<'a, '_>, extras: &mut Vec<Extra>) -> Result<Format<'a>, Malformed> {
    let outer = body.path;
    let path = outer.field("response_format");
    let Some(json) = body.take("response_format") else { return Ok(Format::Text) };
    let mut format = Object::read(json, path)?;
    let kind = format.name("type")?;
    let read = match kind.as_ref() {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => schema(&mut format, extras)?,
        _ => {
            let why = "must be `text`, `json_object` or `json_schema`";
            return Err(path.field("type").malformed(why));
        }
    };
    format.rest(extras);
    Ok(read)
}

fn schema<'a>(
    format: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Format<'a>, Malformed> {
    let json = format.take("json_schema");
    let json = format.must("json_schema", json)?;
    let mut named = Object::read(json, format.path.field("json_schema"))?;
    let read = named_schema(&mut named)?;
    named.rest(extras);
    Ok(read)
}

/// A schema, and what it is called.
pub(in crate::openai) fn named_schema<'a>(
    named: &mut Object<'a, '_>,
) -> Result<Format<'a>, Malformed> {
    let schema = named.take("schema");
    let schema = named.must("schema", schema)?;
    if !begins_with(schema, '{') {
        return Err(named.path.field("schema").malformed("must be an object"));
    }
    Ok(Format::Schema {
        name: Some(named.name("name")?),
        description: named.text("description")?,
        schema: Cow::Borrowed(schema),
        is_strict: named.flag("strict")?,
    })
}
