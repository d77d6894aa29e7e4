//! Functions and the choice among them: as in a chat completion, but flat.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::openai::fields::{Object, Path, begins_with, text};
use crate::request::{Tool, ToolChoice};
use crate::unsupported::{Extra, Malformed};

/// Takes `tools`. Those that are no functions are run by OpenAI, or known to its models only.
pub(super) fn read<'a>(
    body: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Tool<'a>>, Malformed> {
    let outer = body.path;
    let path = outer.field("tools");
    let mut tools = Vec::new();
    for (position, fields) in body.objects("tools")?.unwrap_or_default().into_iter().enumerate() {
        let mut tool = Object::of(fields, path.item(position));
        if tool.name("type")? == "function" {
            tools.push(function(tool, extras)?);
        } else {
            extras.push(tool.path.field("type").extra());
        }
    }
    Ok(tools)
}

fn function<'a>(
    mut function: Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Tool<'a>, Malformed> {
    let schema = function.take("parameters");
    if schema.is_some_and(|schema| !begins_with(schema, '{')) {
        return Err(function.path.field("parameters").malformed("must be an object"));
    }
    let tool = Tool {
        name: function.name("name")?,
        description: function.text("description")?,
        schema: schema.map(Cow::Borrowed),
        is_strict: function.flag("strict")?,
        cache: None,
    };
    function.rest(extras);
    Ok(tool)
}

/// Takes `tool_choice`.
pub(super) fn choice<'a>(
    body: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<ToolChoice<'a>, Malformed> {
    let Some(json) = body.take("tool_choice") else { return Ok(ToolChoice::Unset) };
    let outer = body.path;
    let path = outer.field("tool_choice");
    if begins_with(json, '"') {
        return word(json, path);
    }
    let mut choice = Object::read(json, path)?;
    let read = match choice.name("type")?.as_ref() {
        "function" => ToolChoice::Named(choice.name("name")?),
        "allowed_tools" => among(&mut choice, extras)?,
        _ => {
            extras.push(path.field("type").extra());
            return Ok(ToolChoice::Unset);
        }
    };
    choice.rest(extras);
    Ok(read)
}

fn word<'a>(json: &RawValue, path: Path<'_>) -> Result<ToolChoice<'a>, Malformed> {
    match text(json, path)?.as_ref() {
        "none" => Ok(ToolChoice::Never),
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Required),
        _ => Err(path.malformed("must be `none`, `auto`, `required` or an object")),
    }
}

fn among<'a>(
    choice: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<ToolChoice<'a>, Malformed> {
    let is_required = match choice.name("mode")?.as_ref() {
        "auto" => false,
        "required" => true,
        _ => return Err(choice.path.field("mode").malformed("must be `auto` or `required`")),
    };
    let tools = choice.objects("tools")?;
    let tools = choice.must("tools", tools)?;
    let outer = choice.path;
    let path = outer.field("tools");
    let mut names = Vec::with_capacity(tools.len());
    for (position, fields) in tools.into_iter().enumerate() {
        let mut tool = Object::of(fields, path.item(position));
        if tool.name("type")? == "function" {
            names.push(tool.name("name")?);
            tool.rest(extras);
        } else {
            extras.push(tool.path.field("type").extra());
        }
    }
    Ok(ToolChoice::Among { names, is_required })
}
