//! The functions that a model may call.

use std::collections::HashSet;

use serde::Serialize;

use super::messages::CachePoint;
use super::model::Model;
use crate::request::{Content, Request, Tool, ToolChoice};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Json, Target, anthropic};

/// The longest name of a function.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html>.
const TOOL_NAME_BYTES_MAX: usize = 64;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    tools: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Entry<'a> {
    ToolSpec(Specification<'a>),
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Specification<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Debug, Serialize)]
struct Schema<'a> {
    json: Json<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice<'a> {
    Auto {},
    Any {},
    Tool { name: &'a str },
}

/// `None`: there are none, so that nothing may be said of them.
pub(super) fn write<'a>(
    request: &'a Request<'a>,
    (to, model): (&Target<'_>, Model),
    leave: &mut Leave,
) -> Result<Option<ToolConfig<'a>>, Untranslatable> {
    if request.tool_choice == ToolChoice::Never && !request.tools.is_empty() {
        if called(request).next().is_none() {
            // Whom nobody tells of functions calls none.
            return Ok(None);
        }
        leave.feature(Feature::NoCalls, None, to.from)?;
    }
    let among = among(request);
    if among.is_some() {
        leave.feature(Feature::ToolsAmong, None, to.from)?;
    }
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        if among.as_ref().is_some_and(|names| !names.contains(&*tool.name)) {
            continue;
        }
        if !is_name(&tool.name) {
            leave.feature(Feature::ToolName, None, to.from)?;
            continue;
        }
        tools.push(Entry::ToolSpec(specification(tool)));
        let mark = model.mark_of_tools(tool.cache);
        tools.extend(mark.map(|keep| Entry::CachePoint(keep.into())));
    }
    if tools.is_empty() {
        return Ok(bare(request));
    }
    Ok(Some(ToolConfig { tools, tool_choice: choice(&request.tool_choice) }))
}

fn is_name(name: &str) -> bool {
    name.len() <= TOOL_NAME_BYTES_MAX && anthropic::ids::is_tool_name(name)
}

/// The functions that were called before: then some must be told.
fn called<'a>(request: &'a Request<'a>) -> impl Iterator<Item = &'a str> {
    request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match &part.content {
        Content::Call(call) => Some(&*call.name),
        Content::Outcome(outcome) => Some(&*outcome.name),
        Content::Text(_)
        | Content::Refusal(_)
        | Content::Image(_)
        | Content::Audio(_)
        | Content::Document { .. }
        | Content::Thought(_) => None,
    })
}

/// What is known of those where the client tells of none any more: their names.
fn bare<'a>(request: &'a Request<'a>) -> Option<ToolConfig<'a>> {
    let mut names = HashSet::new();
    let names = called(request).filter(|name| is_name(name) && names.insert(*name));
    let tools: Vec<_> = names.map(|name| Entry::ToolSpec(Specification::bare(name))).collect();
    (!tools.is_empty()).then_some(ToolConfig { tools, tool_choice: None })
}

impl<'a> Specification<'a> {
    fn bare(name: &'a str) -> Self {
        let input_schema = Schema { json: anthropic::schema(None) };
        Self { name, description: None, input_schema, strict: false }
    }
}

/// The functions among which the model may choose: the others are left out. To have to choose among one is to
/// have to call it.
fn among<'a>(request: &'a Request<'a>) -> Option<HashSet<&'a str>> {
    match &request.tool_choice {
        ToolChoice::Among { names, is_required: true } if names.len() == 1 => None,
        ToolChoice::Among { names, .. } => Some(names.iter().map(|name| &**name).collect()),
        ToolChoice::Unset
        | ToolChoice::Auto
        | ToolChoice::Never
        | ToolChoice::Required
        | ToolChoice::Named(_) => None,
    }
}

fn specification<'a>(tool: &'a Tool<'a>) -> Specification<'a> {
    Specification {
        name: &tool.name,
        description: tool.description.as_deref().filter(|text| !text.is_empty()),
        input_schema: Schema { json: anthropic::schema(tool.schema.as_deref()) },
        strict: tool.is_strict == Some(true),
    }
}

fn choice<'a>(choice: &'a ToolChoice<'_>) -> Option<Choice<'a>> {
    match choice {
        ToolChoice::Unset | ToolChoice::Never => None,
        ToolChoice::Auto | ToolChoice::Among { is_required: false, .. } => Some(Choice::Auto {}),
        ToolChoice::Required => Some(Choice::Any {}),
        ToolChoice::Named(name) => Some(Choice::Tool { name }),
        ToolChoice::Among { names, is_required: true } => Some(match names.as_slice() {
            [name] => Choice::Tool { name },
            _ => Choice::Any {},
        }),
    }
}
