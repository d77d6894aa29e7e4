//! Writes what a request says besides the conversation.

use serde::Serialize;
use serde_json::value::RawValue;

use super::settings::BUDGET_TOKENS_MIN;
use crate::request::{self, Effort, Request, Sampling, ThinkingMode};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Client, Dialect, Target};

#[derive(Debug, Serialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Thinking {
    Disabled,
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutputFormat<'a>>,
}

#[derive(Debug, Serialize)]
struct OutputFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) user_id: &'a str,
}

impl<'a> OutputConfig<'a> {
    pub(super) fn new(effort: Option<Effort>, schema: Option<&'a RawValue>) -> Self {
        let format = schema.map(|schema| OutputFormat { kind: "json_schema", schema });
        Self { effort: effort.map(word), format }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// How hard the model thinks, where another dialect carries Anthropic's own words for it.
#[derive(Debug, Serialize)]
pub(crate) struct EffortConfig {
    effort: &'static str,
}

impl EffortConfig {
    pub(crate) const fn new(effort: Effort) -> Self {
        Self { effort: word(effort) }
    }
}

/// There is no less than `low`.
const fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Higher => "xhigh",
        Effort::Max => "max",
    }
}

/// Whether functions must be called. Where there are none, nothing may be said of them.
pub(super) fn tool_choice<'a>(
    request: &'a Request<'a>,
    has_no_tools: bool,
) -> Option<ToolChoice<'a>> {
    let is_one_only = request.is_one_call_only;
    let (kind, name) = match &request.tool_choice {
        request::ToolChoice::Unset if is_one_only => ("auto", None),
        request::ToolChoice::Unset => return None,
        request::ToolChoice::Auto => ("auto", None),
        request::ToolChoice::Never => {
            let choice = ToolChoice { kind: "none", name: None, disable_parallel_tool_use: false };
            return (!has_no_tools).then_some(choice);
        }
        request::ToolChoice::Required => ("any", None),
        request::ToolChoice::Named(name) => ("tool", Some(&**name)),
        request::ToolChoice::Among { names, is_required } => {
            match (names.as_slice(), is_required) {
                ([name], true) => ("tool", Some(&**name)),
                (_, true) => ("any", None),
                (_, false) => ("auto", None),
            }
        }
    };
    if has_no_tools && kind == "auto" {
        return None;
    }
    Some(ToolChoice { kind, name, disable_parallel_tool_use: is_one_only })
}

/// How much the model reasons.
///
/// A client of another dialect that says how hard, or that wants to see the thoughts, wants them; one of this
/// dialect says so itself. With thoughts, no call can be forced.
pub(crate) fn thinking(
    request: &Request<'_>,
    max_tokens: u64,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Option<Thinking>, Untranslatable> {
    let wish = request.thinking;
    let is_implied = to.from != Client::Dialect(Dialect::Anthropic)
        && (wish.effort.is_some() || wish.is_shown == Some(true))
        && !is_forced(request);
    let mode = match (wish.mode, wish.tokens_max) {
        (ThinkingMode::Unset, None) if is_implied => ThinkingMode::Adaptive,
        (ThinkingMode::Unset, Some(_)) => ThinkingMode::On,
        (mode, _) => mode,
    };
    match mode {
        ThinkingMode::Unset => return Ok(None),
        ThinkingMode::Off => return Ok(Some(Thinking::Disabled)),
        ThinkingMode::Adaptive | ThinkingMode::On => {}
    }
    let display = wish.is_shown.map(|is_shown| if is_shown { "summarized" } else { "omitted" });
    let thinking = match wish.tokens_max {
        None => Some(Thinking::Adaptive { display }),
        Some(budget_tokens) if mode == ThinkingMode::On && is_budget(budget_tokens, max_tokens) => {
            Some(Thinking::Enabled { budget_tokens, display })
        }
        Some(_) => None,
    };
    if thinking.is_none() || is_forced(request) {
        leave.feature(Feature::Thinking, None, to.from)?;
        return Ok(None);
    }
    Ok(thinking)
}

/// A budget has bounds, and there must be something left for the answer.
const fn is_budget(tokens: u64, max_tokens: u64) -> bool {
    tokens >= BUDGET_TOKENS_MIN && tokens < max_tokens
}

const fn is_forced(request: &Request<'_>) -> bool {
    match &request.tool_choice {
        request::ToolChoice::Required | request::ToolChoice::Named(_) => true,
        request::ToolChoice::Among { is_required, .. } => *is_required,
        request::ToolChoice::Unset | request::ToolChoice::Auto | request::ToolChoice::Never => {
            false
        }
    }
}

/// How tokens are drawn: what of it can be said.
pub(super) fn sampling(
    wish: Sampling,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Sampling, Untranslatable> {
    let mut refuse = |is_refused, feature| {
        if is_refused { leave.feature(feature, None, to.from) } else { Ok(()) }
    };
    let is_set = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    refuse(wish.seed.is_some(), Feature::Seed)?;
    refuse(is_set(wish.frequency_penalty), Feature::FrequencyPenalty)?;
    refuse(is_set(wish.presence_penalty), Feature::PresencePenalty)?;
    let knows = to.knows.sampling;
    // The newest models take neither these fields nor anything but their defaults, which are 1 and 1.
    let temperature = wish.temperature.filter(|temperature| knows || !is_one(*temperature));
    let top_p = wish.top_p.filter(|top_p| knows || !is_one(*top_p));
    let can_be_drawn = |temperature: &f64| knows && *temperature <= 1.0;
    refuse(temperature.is_some_and(|it| !can_be_drawn(&it)), Feature::Temperature)?;
    refuse(top_p.is_some() && !knows, Feature::TopP)?;
    refuse(wish.top_k.is_some() && !knows, Feature::TopK)?;
    Ok(Sampling {
        temperature: temperature.filter(can_be_drawn),
        top_p: top_p.filter(|_| knows),
        top_k: wish.top_k.filter(|_| knows),
        ..Sampling::default()
    })
}

fn is_one(value: f64) -> bool {
    (value - 1.0).abs() < f64::EPSILON
}

/// Texts before which the answer ends. One of nothing but white space is none there.
pub(super) fn stop<'a>(
    request: &'a Request<'a>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<&'a str>, Untranslatable> {
    let (stop, blank): (Vec<&str>, Vec<&str>) =
        request.stop.iter().map(|text| &**text).partition(|text| !text.trim().is_empty());
    if !blank.is_empty() {
        leave.feature(Feature::Stop, None, to.from)?;
    }
    Ok(stop)
}
