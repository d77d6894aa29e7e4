//! From this form into the one between the dialects.

use super::{input, tools};
use crate::openai::fields::{Object, Path};
use crate::openai::request::read::{end_user, named_schema, thinking as effort};
use crate::request::{Delivery, Format, Request, Sampling, Thinking};
use crate::unsupported::{Extra, Malformed};

/// Fields that are left out without a word: no answer differs in what it says for want of them.
const HARMLESS: [&str; 8] = [
    // Where the provider keeps what it has read, and for how long.
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    // Who asks and why, for the provider's own records. The first of these that is there is the end user.
    "safety_identifier",
    "user",
    "metadata",
    // How often tools may be called that the provider runs, of which there are none.
    "max_tool_calls",
    // A word to the gateway itself.
    "doorward_drop_unsupported",
];

/// Reads the body of `POST /v1/responses`.
pub fn read_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let wrong = |_| Path::Body.malformed("must be the JSON of an object");
    let mut body = Object::of(serde_json::from_slice(body).map_err(wrong)?, Path::Body);
    let mut extras = Vec::new();
    let model = body.name("model")?;
    let talk = input::read(&mut body, &mut extras)?;
    let request = Request {
        model,
        system: talk.system,
        turns: talk.turns,
        tools: tools::read(&mut body, &mut extras)?,
        tool_choice: tools::choice(&mut body, &mut extras)?,
        is_one_call_only: body.flag("parallel_tool_calls")? == Some(false),
        format: format(&mut body, &mut extras)?,
        output_tokens_max: body.whole("max_output_tokens")?,
        sampling: sampling(&mut body)?,
        stop: Vec::new(),
        thinking: thinking(&mut body, &mut extras)?,
        answers: None,
        end_user: end_user(&mut body)?,
        delivery: delivery(&mut body, &mut extras)?,
        extras: Vec::new(),
    };
    skip_what_changes_nothing(&mut body);
    body.rest(&mut extras);
    Ok(Request { extras, ..request })
}

/// What is so anyway, if it is not said, is no wish. That nothing is stored is so here.
fn skip_what_changes_nothing(body: &mut Object<'_, '_>) {
    body.skip(&HARMLESS);
    body.skip_default("store", &["false"]);
    body.skip_default("background", &["false"]);
    body.skip_default("include", &["[]"]);
    body.skip_default("truncation", &["\"disabled\""]);
    body.skip_default("top_logprobs", &["0"]);
    body.skip_default("service_tier", &["\"auto\"", "\"default\""]);
}

fn sampling(body: &mut Object<'_, '_>) -> Result<Sampling, Malformed> {
    Ok(Sampling {
        temperature: body.number("temperature", 0.0, 2.0, "must be a number from 0 to 2")?,
        top_p: body.number("top_p", 0.0, 1.0, "must be a number from 0 to 1")?,
        ..Sampling::default()
    })
}

/// `text`: what the words of the answer must be.
fn format<'a>(body: &mut Object<'a, '_>, extras: &mut Vec<Extra>) -> Result<Format<'a>, Malformed> {
    let outer = body.path;
    let path = outer.field("text");
    let Some(json) = body.take("text") else { return Ok(Format::Text) };
    let mut text = Object::read(json, path)?;
    text.skip_default("verbosity", &["\"medium\""]);
    let json = text.take("format");
    text.rest(extras);
    let Some(json) = json else { return Ok(Format::Text) };
    let mut format = Object::read(json, path.field("format"))?;
    let read = match format.name("type")?.as_ref() {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => named_schema(&mut format)?,
        _ => {
            let why = "must be `text`, `json_object` or `json_schema`";
            return Err(format.path.field("type").malformed(why));
        }
    };
    format.rest(extras);
    Ok(read)
}

/// `reasoning`. A client that wants a summary wants to see the thoughts.
fn thinking(body: &mut Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<Thinking, Malformed> {
    let outer = body.path;
    let path = outer.field("reasoning");
    let Some(json) = body.take("reasoning") else { return Ok(Thinking::default()) };
    let mut reasoning = Object::read(json, path)?;
    let mut thinking = effort(&mut reasoning, "effort")?;
    let summary = reasoning.text("summary")?;
    let summary = summary.or(reasoning.text("generate_summary")?);
    match summary.as_deref() {
        None => {}
        Some("auto" | "concise" | "detailed") => thinking.is_shown = Some(true),
        Some(_) => {
            let why = "must be `auto`, `concise` or `detailed`";
            return Err(path.field("summary").malformed(why));
        }
    }
    reasoning.rest(extras);
    Ok(thinking)
}

/// The usage is always told at the end.
fn delivery(body: &mut Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<Delivery, Malformed> {
    let is_stream = body.flag("stream")? == Some(true);
    let outer = body.path;
    let path = outer.field("stream_options");
    if let Some(json) = body.take("stream_options") {
        let mut options = Object::read(json, path)?;
        options.skip(&["include_obfuscation"]);
        options.rest(extras);
    }
    Ok(if is_stream { Delivery::Stream { wants_usage: true } } else { Delivery::Whole })
}
