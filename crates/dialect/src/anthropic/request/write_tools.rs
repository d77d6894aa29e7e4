//! Writes the functions that a model may call.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::write_blocks::CacheMark;
use crate::anthropic::ids::is_tool_name;
use crate::anthropic::json;
use crate::request::{self, Request};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Json, Target};

/// The schema of a function that takes nothing.
const NOTHING: &str = r#"{"type":"object","properties":{}}"#;

#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Json<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheMark>,
}

/// Writes the functions; a choice among some of them can only be made by leaving out the others.
pub(super) fn tools<'a>(
    request: &'a Request<'a>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<Tool<'a>>, Untranslatable> {
    let among = among(request);
    if among.is_some() {
        leave.feature(Feature::ToolsAmong, None, to.from)?;
    }
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        if among.as_ref().is_some_and(|names| !names.contains(&*tool.name)) {
            continue;
        }
        if is_tool_name(&tool.name) {
            tools.push(function(tool));
        } else {
            leave.feature(Feature::ToolName, None, to.from)?;
        }
    }
    Ok(tools)
}

/// The functions among which the model may choose. To have to choose among one is to have to call it, which
/// can be said without leaving out the others.
fn among<'a>(request: &'a Request<'a>) -> Option<HashSet<&'a str>> {
    match &request.tool_choice {
        request::ToolChoice::Among { names, is_required: true } if names.len() == 1 => None,
        request::ToolChoice::Among { names, .. } => {
            Some(names.iter().map(|name| &**name).collect())
        }
        request::ToolChoice::Unset
        | request::ToolChoice::Auto
        | request::ToolChoice::Never
        | request::ToolChoice::Required
        | request::ToolChoice::Named(_) => None,
    }
}

fn function<'a>(tool: &'a request::Tool<'a>) -> Tool<'a> {
    Tool {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: schema(tool.schema.as_deref()),
        strict: tool.is_strict,
        cache_control: tool.cache.map(CacheMark::from),
    }
}

/// A schema must say that it is one of an object.
pub(crate) fn schema(schema: Option<&RawValue>) -> Json<'_> {
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "type")]
        kind: Option<IgnoredAny>,
    }
    let Some(schema) = schema else {
        return from_text(NOTHING.to_owned());
    };
    let shape = serde_json::from_str::<Shape>(schema.get());
    if !json::is_object(schema) || shape.is_ok_and(|shape| shape.kind.is_some()) {
        return Cow::Borrowed(schema);
    }
    let rest = schema.get().trim_start_matches('{').trim_start();
    if rest == "}" {
        return from_text(NOTHING.to_owned());
    }
    from_text(format!(r#"{{"type":"object",{rest}"#))
}

/// JSON of our own; what is no JSON would become `null`.
fn from_text(json: String) -> Json<'static> {
    RawValue::from_string(json).map_or_else(|_| Cow::Borrowed(RawValue::NULL), Cow::Owned)
}
