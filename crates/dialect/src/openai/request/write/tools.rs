//! Functions and the choice among them.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::request::{Request, Tool, ToolChoice};
use crate::{Target, Text};

#[derive(Serialize)]
pub(super) struct ToolOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionOut<'a>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Choice<'a> {
    Word(&'static str),
    Named(Named<'a>),
    Among {
        #[serde(rename = "type")]
        kind: &'static str,
        allowed_tools: AmongOut<'a>,
    },
}

#[derive(Serialize)]
pub(super) struct Named<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: NameOut<'a>,
}

#[derive(Serialize)]
struct NameOut<'a> {
    name: &'a str,
}

#[derive(Serialize)]
pub(super) struct AmongOut<'a> {
    mode: &'static str,
    tools: Vec<Named<'a>>,
}

/// The tools that the model is told of. Where a choice among them cannot be said, it is told only of those
/// among which it may choose.
pub(super) fn write<'a>(request: &'a Request<'_>, to: &Target<'_>) -> Vec<ToolOut<'a>> {
    let told: Option<HashSet<&Text<'_>>> = match &request.tool_choice {
        _ if to.knows.choice_objects => None,
        ToolChoice::Named(name) => Some(HashSet::from([name])),
        ToolChoice::Among { names, .. } => Some(names.iter().collect()),
        ToolChoice::Unset | ToolChoice::Auto | ToolChoice::Never | ToolChoice::Required => None,
    };
    let is_told = |tool: &&Tool<'_>| told.as_ref().is_none_or(|told| told.contains(&tool.name));
    request.tools.iter().filter(is_told).map(tool).collect()
}

fn tool<'a>(tool: &'a Tool<'_>) -> ToolOut<'a> {
    ToolOut {
        kind: "function",
        function: FunctionOut {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_deref(),
            strict: tool.is_strict,
        },
    }
}

/// A choice without tools is one that OpenAI refuses, and of no meaning, unless one must be called.
pub(super) fn choice<'a>(
    request: &'a Request<'_>,
    to: &Target<'_>,
    tools: &[ToolOut<'_>],
) -> Option<Choice<'a>> {
    let has_tools = !tools.is_empty();
    match &request.tool_choice {
        ToolChoice::Unset => None,
        ToolChoice::Auto => has_tools.then_some(Choice::Word("auto")),
        ToolChoice::Never => has_tools.then_some(Choice::Word("none")),
        ToolChoice::Named(name) if to.knows.choice_objects => Some(Choice::Named(named(name))),
        ToolChoice::Required | ToolChoice::Named(_) => Some(Choice::Word("required")),
        ToolChoice::Among { names, is_required } => {
            let mode = if *is_required { "required" } else { "auto" };
            if !to.knows.choice_objects {
                return (*is_required || has_tools).then_some(Choice::Word(mode));
            }
            let tools = names.iter().map(|name| named(name)).collect();
            Some(Choice::Among { kind: "allowed_tools", allowed_tools: AmongOut { mode, tools } })
        }
    }
}

const fn named(name: &str) -> Named<'_> {
    Named { kind: "function", function: NameOut { name } }
}
