//! Reads what a request says besides the conversation and the tools.

use super::harmless::{Extras, HARMLESS_EDITS};
use super::wire::{self, Body};
use crate::Text;
use crate::anthropic::json::{self, Path, Str};
use crate::request::{Effort, Format, Keep, Sampling, Thinking, ThinkingMode, ToolChoice};
use crate::unsupported::Malformed;

/// A model that thinks by a budget has this much at least.
/// Source: <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>.
pub(super) const BUDGET_TOKENS_MIN: u64 = 1024;

/// The most output tokens. None at all is a request to fill the provider's cache, which nobody else has.
pub(super) fn output_tokens_max(body: &mut Body<'_>, extras: &mut Extras) -> Option<u64> {
    let max_tokens = body.max_tokens.take()?;
    if max_tokens == 0 {
        extras.add(Path::Body.field("max_tokens"));
        return None;
    }
    Some(max_tokens)
}

/// How tokens are drawn.
pub(super) fn sampling(body: &mut Body<'_>) -> Result<Sampling, Malformed> {
    Ok(Sampling {
        temperature: fraction(body.temperature.take(), "temperature")?,
        top_p: fraction(body.top_p.take(), "top_p")?,
        top_k: body.top_k.take(),
        ..Sampling::default()
    })
}

fn fraction(value: Option<f64>, name: &str) -> Result<Option<f64>, Malformed> {
    match value {
        Some(value) if !(0.0..=1.0).contains(&value) => {
            Err(Path::Body.field(name).malformed("must be between 0 and 1"))
        }
        Some(_) | None => Ok(value),
    }
}

/// Texts before which an answer ends.
pub(super) fn stop(texts: Option<Vec<Str<'_>>>) -> Result<Vec<Text<'_>>, Malformed> {
    let texts = texts.unwrap_or_default();
    if let Some(at) = texts.iter().position(|text| text.0.trim().is_empty()) {
        let path = Path::Body.field("stop_sequences");
        return Err(path.item(at).malformed("must hold more than white space"));
    }
    Ok(texts.into_iter().map(|text| text.0).collect())
}

/// Whether functions must be called, and whether one at most may be.
pub(super) fn tool_choice<'a>(
    body: &mut Body<'a>,
    extras: &mut Extras,
) -> Result<(ToolChoice<'a>, bool), Malformed> {
    let Some(mut choice) = body.tool_choice.take() else {
        return Ok((ToolChoice::Unset, false));
    };
    let path = Path::Body.field("tool_choice");
    let kind = kind(choice.kind.take(), &path)?;
    let chosen = match &*kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::Never,
        "tool" => {
            let name = choice.name.take().ok_or_else(|| path.field("name").missing())?;
            ToolChoice::Named(name.0)
        }
        _ => return Err(path.field("type").malformed("names no way to choose tools")),
    };
    let is_one_call_only = choice.disable_parallel_tool_use.take().unwrap_or(false);
    extras.add_left(&choice, &path);
    Ok((chosen, is_one_call_only))
}

/// What the text of the answer must be. `output_format` is the old name of `output_config.format`.
pub(super) fn format<'a>(
    body: &mut Body<'a>,
    extras: &mut Extras,
) -> Result<Format<'a>, Malformed> {
    let config = Path::Body.field("output_config");
    if let Some(format) = body.output_config.as_mut().and_then(|config| config.format.take()) {
        return schema(format, &config.field("format"), extras);
    }
    match body.output_format.take() {
        Some(format) => schema(format, &Path::Body.field("output_format"), extras),
        None => Ok(Format::Text),
    }
}

fn schema<'a>(
    mut format: wire::OutputFormat<'a>,
    path: &Path<'_>,
    extras: &mut Extras,
) -> Result<Format<'a>, Malformed> {
    if *kind(format.kind.take(), path)? != *"json_schema" {
        return Err(path.field("type").malformed("names no format"));
    }
    let schema = format.schema.take().ok_or_else(|| path.field("schema").missing())?;
    if !json::is_object(schema) {
        return Err(path.field("schema").malformed("must be an object"));
    }
    extras.add_left(&format, path);
    let schema = crate::Json::Borrowed(schema);
    Ok(Format::Schema { name: None, description: None, schema, is_strict: Some(true) })
}

/// How much the model reasons.
pub(super) fn thinking(body: &mut Body<'_>, extras: &mut Extras) -> Result<Thinking, Malformed> {
    let mut thinking = Thinking::default();
    if let Some(mut config) = body.output_config.take() {
        let path = Path::Body.field("output_config");
        thinking.effort = effort(config.effort.take(), &path)?;
        extras.add_left(&config, &path);
    }
    let Some(mut wish) = body.thinking.take() else {
        return Ok(thinking);
    };
    let path = Path::Body.field("thinking");
    match &*kind(wish.kind.take(), &path)? {
        "disabled" => thinking.mode = ThinkingMode::Off,
        "adaptive" => thinking.mode = ThinkingMode::Adaptive,
        "between_tools" => extras.add(path.field("type")),
        "enabled" => {
            thinking.mode = ThinkingMode::On;
            thinking.tokens_max = Some(budget(wish.budget_tokens.take(), &path)?);
        }
        _ => return Err(path.field("type").malformed("names no way to think")),
    }
    thinking.is_shown = is_shown(wish.display.take().as_ref(), &path)?;
    extras.add_left(&wish, &path);
    Ok(thinking)
}

fn budget(tokens: Option<u64>, path: &Path<'_>) -> Result<u64, Malformed> {
    let path = path.field("budget_tokens");
    let tokens = tokens.ok_or_else(|| path.missing())?;
    if tokens < BUDGET_TOKENS_MIN {
        return Err(path.malformed("must be 1024 or more"));
    }
    Ok(tokens)
}

fn is_shown(display: Option<&Str<'_>>, path: &Path<'_>) -> Result<Option<bool>, Malformed> {
    match display.map(|display| &*display.0) {
        None => Ok(None),
        Some("summarized") => Ok(Some(true)),
        Some("omitted") => Ok(Some(false)),
        Some(_) => Err(path.field("display").malformed("must be `summarized` or `omitted`")),
    }
}

fn effort(word: Option<Str<'_>>, path: &Path<'_>) -> Result<Option<Effort>, Malformed> {
    let Some(word) = word else {
        return Ok(None);
    };
    Ok(Some(match &*word.0 {
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::Higher,
        "max" => Effort::Max,
        _ => return Err(path.field("effort").malformed("names no effort")),
    }))
}

/// How long what stands before a mark is to be kept.
pub(super) fn keep(
    mark: Option<wire::CacheControl<'_>>,
    at: &Path<'_>,
    extras: &mut Extras,
) -> Result<Option<Keep>, Malformed> {
    let Some(mut mark) = mark else {
        return Ok(None);
    };
    let path = at.field("cache_control");
    if *kind(mark.kind.take(), &path)? != *"ephemeral" {
        return Err(path.field("type").malformed("must be `ephemeral`"));
    }
    let keep = match mark.ttl.take().as_ref().map(|ttl| &*ttl.0) {
        None | Some("5m") => Keep::Short,
        Some("1h") => Keep::Long,
        Some(_) => return Err(path.field("ttl").malformed("must be `5m` or `1h`")),
    };
    extras.add_left(&mark, &path);
    Ok(Some(keep))
}

/// Takes away what is only the dialect's default, or asks for nothing.
pub(super) fn leave_defaults(body: &mut Body<'_>, extras: &mut Extras) {
    body.speed.take_if(|speed| speed.0 == "standard");
    body.mcp_servers.take_if(|servers| servers.is_empty());
    let Some(mut management) = body.context_management.take() else {
        return;
    };
    let path = Path::Body.field("context_management");
    let edits = path.field("edits");
    for (at, edit) in management.edits.take().unwrap_or_default().into_iter().enumerate() {
        if !edit.kind.is_some_and(|kind| kind.0.starts_with(HARMLESS_EDITS)) {
            extras.add(edits.item(at));
        }
    }
    extras.add_left(&management, &path);
}

/// Of what kind an object is.
pub(super) fn kind<'a>(kind: Option<Str<'a>>, at: &Path<'_>) -> Result<Text<'a>, Malformed> {
    kind.map(|kind| kind.0).ok_or_else(|| at.field("type").missing())
}
