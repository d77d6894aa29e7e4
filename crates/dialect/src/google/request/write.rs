//! A request as a provider with Google's dialect reads it.
//!
//! Left out, for nothing of the answer hangs on it: marks on what to keep in a cache (Google does that by
//! itself), the end user, the names of files and of formats.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::google::request::{write_contents, write_generation};
use crate::google::said::{Piece, Said};
use crate::google::tree::{self, Node};
use crate::request::{Content, Part, Request, Tool, ToolChoice};
use crate::unsupported::{Feature, Leave, Malformed, Untranslatable};
use crate::{Json, Target, Text};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Said<'r>>,
    contents: Vec<Said<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'r>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'r>>,
    generation_config: write_generation::Config<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'r> {
    function_declarations: Vec<Function<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'r> {
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Cow<'r, RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'r> {
    function_calling_config: Calling<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'r> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<&'r [Text<'r>]>,
}

/// The request of `:countTokens`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Count<'r> {
    generate_content_request: Body<'r>,
}

/// Writes a request. The model and whether it streams go into the path.
pub fn write_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    serialized(&body(request, to, leave)?)
}

/// Writes the request of `:countTokens`, in which a whole request names its model.
pub fn write_count_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    let mut body = body(request, to, leave)?;
    let is_full = to.model.contains('/');
    body.model = Some(if is_full { to.model.to_owned() } else { format!("models/{}", to.model) });
    serialized(&Count { generate_content_request: body })
}

fn serialized(body: &impl Serialize) -> Result<Vec<u8>, Untranslatable> {
    let wrong = |_| Malformed { path: "body".to_owned(), why: "cannot be written".into() };
    Ok(serde_json::to_vec(body).map_err(wrong)?)
}

fn body<'r>(
    request: &'r Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Body<'r>, Untranslatable> {
    for extra in &request.extras {
        leave.out(&extra.path)?;
    }
    if request.is_one_call_only {
        leave.feature(Feature::OneCallOnly, None, to.from)?;
    }
    Ok(Body {
        model: None,
        system_instruction: instructions(&request.system, to)?,
        contents: write_contents::write(&request.turns, to, leave)?,
        tools: functions(&request.tools)
            .map(|function_declarations| [Tools { function_declarations }]),
        tool_config: choice(request),
        generation_config: write_generation::write(request, to, leave)?,
    })
}

fn instructions<'r>(
    system: &'r [Part<'_>],
    to: &Target<'_>,
) -> Result<Option<Said<'r>>, Untranslatable> {
    let mut parts = Vec::with_capacity(system.len());
    for part in system {
        match &part.content {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) | Content::Refusal(text) => parts.push(Piece::text(text)),
            Content::Image(_)
            | Content::Audio(_)
            | Content::Document { .. }
            | Content::Call(_)
            | Content::Outcome(_)
            | Content::Thought(_) => {
                let path = to.from.turns().to_owned();
                return Err(
                    Malformed { path, why: "must have texts as instructions".into() }.into()
                );
            }
        }
    }
    Ok((!parts.is_empty()).then_some(Said { role: None, parts }))
}

fn functions<'r>(tools: &'r [Tool<'_>]) -> Option<Vec<Function<'r>>> {
    let function = |tool: &'r Tool<'_>| Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.schema.as_ref().map(without_dialect),
    };
    (!tools.is_empty()).then(|| tools.iter().map(function).collect())
}

/// A schema without `$schema`, the name of the version of JSON Schema, which Google refuses.
pub(super) fn without_dialect<'r>(schema: &'r Json<'_>) -> Cow<'r, RawValue> {
    if !schema.get().contains("\"$schema\"") {
        return Cow::Borrowed(schema);
    }
    let Ok(Node::Object(entries)) = tree::parse_shallow(schema) else {
        return Cow::Borrowed(schema);
    };
    let mut json = String::with_capacity(schema.get().len());
    for (key, value) in &entries {
        let value = match value {
            Node::Raw(raw) => raw.get(),
            Node::Null
            | Node::Flag(_)
            | Node::Whole(_)
            | Node::Number(_)
            | Node::Text(_)
            | Node::List(_)
            | Node::Object(_) => "null",
        };
        if key != "$schema" {
            json.push(if json.is_empty() { '{' } else { ',' });
            json.push_str(&serde_json::Value::from(&**key).to_string());
            json.push(':');
            json.push_str(value);
        }
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    RawValue::from_string(json).map_or(Cow::Borrowed(&**schema), Cow::Owned)
}

/// Calls that must match their schemas exactly are `VALIDATED`; where one must be called, they do so anyway.
fn choice<'r>(request: &'r Request<'_>) -> Option<ToolConfig<'r>> {
    let is_strict = request.tools.iter().any(|tool| tool.is_strict == Some(true));
    let (mode, names) = match &request.tool_choice {
        ToolChoice::Unset | ToolChoice::Auto if is_strict => ("VALIDATED", None),
        ToolChoice::Auto if !request.tools.is_empty() => ("AUTO", None),
        ToolChoice::Never if !request.tools.is_empty() => ("NONE", None),
        ToolChoice::Unset | ToolChoice::Auto | ToolChoice::Never => return None,
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some(std::slice::from_ref(name))),
        ToolChoice::Among { names, is_required: true } => ("ANY", Some(names.as_slice())),
        ToolChoice::Among { names, is_required: false } => ("VALIDATED", Some(names.as_slice())),
    };
    let function_calling_config = Calling { mode, allowed_function_names: names };
    Some(ToolConfig { function_calling_config })
}
