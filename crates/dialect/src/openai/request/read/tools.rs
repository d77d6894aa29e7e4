//! Functions and the choice among them, in today's form and in the old one.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::parts;
use crate::Text;
use crate::openai::fields::{Object, Path, begins_with, text};
use crate::request::{Tool, ToolChoice};
use crate::unsupported::{Extra, Malformed};

/// Takes `tools`, and `functions` of old.
pub(super) fn read<'a>(
    body: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Tool<'a>>, Malformed> {
    let mut tools = Vec::new();
    let outer = body.path;
    let path = outer.field("tools");
    for (position, fields) in body.objects("tools")?.unwrap_or_default().into_iter().enumerate() {
        tools.extend(tool(Object::of(fields, path.item(position)), extras)?);
    }
    let path = outer.field("functions");
    for (position, fields) in body.objects("functions")?.unwrap_or_default().into_iter().enumerate()
    {
        tools.push(function(Object::of(fields, path.item(position)), extras)?);
    }
    Ok(tools)
}

/// `None`: it is no function, which only this dialect knows.
fn tool<'a>(
    mut tool: Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Option<Tool<'a>>, Malformed> {
    let path = tool.path;
    let kind = tool.name("type")?;
    if kind != "function" {
        extras.push(path.field(&kind).extra());
        return Ok(None);
    }
    let json = tool.take("function");
    let json = tool.must("function", json)?;
    let read = function(Object::read(json, path.field("function"))?, extras)?;
    let cache = parts::cache(&mut tool, extras)?;
    tool.rest(extras);
    Ok(Some(Tool { cache, ..read }))
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

/// Takes `tool_choice`, or `function_call` of old.
pub(super) fn choice<'a>(
    body: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<ToolChoice<'a>, Malformed> {
    let old = body.take("function_call");
    if let Some(json) = body.take("tool_choice") {
        let outer = body.path;
        let path = outer.field("tool_choice");
        return if begins_with(json, '"') { word(json, path) } else { object(json, path, extras) };
    }
    let Some(json) = old else { return Ok(ToolChoice::Unset) };
    let outer = body.path;
    let path = outer.field("function_call");
    if begins_with(json, '"') {
        return word(json, path);
    }
    named(json, path, extras).map(ToolChoice::Named)
}

fn word<'a>(json: &RawValue, path: Path<'_>) -> Result<ToolChoice<'a>, Malformed> {
    match text(json, path)?.as_ref() {
        "none" => Ok(ToolChoice::Never),
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Required),
        _ => Err(path.malformed("must be `none`, `auto`, `required` or an object")),
    }
}

fn object<'a>(
    json: &'a RawValue,
    path: Path<'_>,
    extras: &mut Vec<Extra>,
) -> Result<ToolChoice<'a>, Malformed> {
    if !begins_with(json, '{') {
        return Err(path.malformed("must be `none`, `auto`, `required` or an object"));
    }
    let mut choice = Object::read(json, path)?;
    let kind = choice.name("type")?;
    let read = match kind.as_ref() {
        "function" => {
            let json = choice.take("function");
            let json = choice.must("function", json)?;
            ToolChoice::Named(named(json, path.field("function"), extras)?)
        }
        "allowed_tools" => {
            let json = choice.take("allowed_tools");
            let json = choice.must("allowed_tools", json)?;
            among(json, path.field("allowed_tools"), extras)?
        }
        "custom" => {
            extras.push(path.extra());
            return Ok(ToolChoice::Unset);
        }
        _ => return Err(path.field("type").malformed("must be `function` or `allowed_tools`")),
    };
    choice.rest(extras);
    Ok(read)
}

fn named<'a>(
    json: &'a RawValue,
    path: Path<'_>,
    extras: &mut Vec<Extra>,
) -> Result<Text<'a>, Malformed> {
    let mut function = Object::read(json, path)?;
    let name = function.name("name")?;
    function.rest(extras);
    Ok(name)
}

fn among<'a>(
    json: &'a RawValue,
    path: Path<'_>,
    extras: &mut Vec<Extra>,
) -> Result<ToolChoice<'a>, Malformed> {
    let mut allowed = Object::read(json, path)?;
    let is_required = match allowed.name("mode")?.as_ref() {
        "auto" => false,
        "required" => true,
        _ => return Err(path.field("mode").malformed("must be `auto` or `required`")),
    };
    let tools = allowed.objects("tools")?;
    let tools = allowed.must("tools", tools)?;
    let path = path.field("tools");
    let mut names = Vec::with_capacity(tools.len());
    for (position, fields) in tools.into_iter().enumerate() {
        names.extend(among_name(Object::of(fields, path.item(position)), extras)?);
    }
    allowed.rest(extras);
    Ok(ToolChoice::Among { names, is_required })
}

fn among_name<'a>(
    mut tool: Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Option<Text<'a>>, Malformed> {
    let path = tool.path;
    if tool.name("type")? != "function" {
        extras.push(path.extra());
        return Ok(None);
    }
    let json = tool.take("function");
    let json = tool.must("function", json)?;
    let name = named(json, path.field("function"), extras)?;
    tool.rest(extras);
    Ok(Some(name))
}
