//! The functions that a model may call.

use serde::Serialize;

use super::Model;
use super::messages::CachePoint;
use crate::request::{Content, Request, Tool, ToolChoice};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Json, Target, Text, anthropic};

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
        if !has_calls(request) {
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
        if among.is_some_and(|names| !names.contains(&tool.name)) {
            continue;
        }
        if tool.name.len() > TOOL_NAME_BYTES_MAX || !anthropic::ids::is_tool_name(&tool.name) {
            leave.feature(Feature::ToolName, None, to.from)?;
            continue;
        }
        tools.push(Entry::ToolSpec(specification(tool)));
        let mark = tool.cache.filter(|_| model.is_caching);
        tools.extend(mark.map(|keep| Entry::CachePoint(keep.into())));
    }
    let tool_choice = choice(&request.tool_choice);
    Ok((!tools.is_empty()).then_some(ToolConfig { tools, tool_choice }))
}

/// Whether functions were called before: then they must be told.
fn has_calls(request: &Request<'_>) -> bool {
    let is_call = |content: &Content<'_>| matches!(content, Content::Call(_) | Content::Outcome(_));
    request.turns.iter().flat_map(|turn| &turn.parts).any(|part| is_call(&part.content))
}

/// The functions among which the model may choose: the others are left out. To have to choose among one is to
/// have to call it.
fn among<'a>(request: &'a Request<'a>) -> Option<&'a [Text<'a>]> {
    match &request.tool_choice {
        ToolChoice::Among { names, is_required: true } if names.len() == 1 => None,
        ToolChoice::Among { names, .. } => Some(names),
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
