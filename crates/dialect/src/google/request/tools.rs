//! `tools` and `toolConfig`. Source: <https://ai.google.dev/api/caching#Tool>.

use crate::Json;
use crate::google::fields::{Field, Object};
use crate::google::schema;
use crate::request::{Request, Tool, ToolChoice};
use crate::unsupported::{Extra, Malformed};

/// The functions of all entries. What an entry holds beside them are tools that Google runs.
pub(super) fn read<'a>(
    tools: Field<'_, 'a>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Tool<'a>>, Malformed> {
    let mut functions = Vec::new();
    tools.each(|_, entry| {
        let mut entry = Object::open(&entry.path, entry.node)?;
        if let Some(list) = entry.take("functionDeclarations")? {
            list.each(|_, one| function(one, extras).map(|function| functions.push(function)))?;
        }
        entry.finish(extras);
        Ok(())
    })?;
    Ok(functions)
}

fn function<'a>(field: Field<'_, 'a>, extras: &mut Vec<Extra>) -> Result<Tool<'a>, Malformed> {
    let mut object = Object::open(&field.path, field.node)?;
    let name = object.need_text("name")?;
    if name.is_empty() {
        return Err(object.path.name("name".into()).malformed("must not be empty"));
    }
    let description = object.text("description")?.filter(|text| !text.is_empty());
    let schema = parameters(&mut object)?;
    object.skip_word("behavior", &["UNSPECIFIED", "BLOCKING"]);
    object.finish(extras);
    Ok(Tool { name, description, schema, is_strict: None, cache: None })
}

fn parameters<'a>(object: &mut Object<'_, 'a>) -> Result<Option<Json<'a>>, Malformed> {
    let json = object.take("parametersJsonSchema")?;
    match (object.take("parameters")?, json) {
        (Some(open), Some(_)) => {
            Err(open.path.malformed("must not stand beside `parametersJsonSchema`"))
        }
        (Some(open), None) => schema::into_json_schema(open).map(Some),
        (None, json) => Ok(json.map(Field::raw_object).transpose()?.map(Json::Borrowed)),
    }
}

/// `toolConfig`: whether the functions must be called, and which.
pub(super) fn read_choice<'a>(
    config: Field<'_, 'a>,
    request: &mut Request<'a>,
) -> Result<(), Malformed> {
    let mut object = Object::open(&config.path, config.node)?;
    if let Some(calling) = object.take("functionCallingConfig")? {
        let mut calling = Object::open(&calling.path, calling.node)?;
        choice(&mut calling, request)?;
        calling.skip_zero("streamFunctionCallArguments");
        calling.finish(&mut request.extras);
    }
    object.skip_zero("includeServerSideToolInvocations");
    object.finish(&mut request.extras);
    Ok(())
}

fn choice<'a>(object: &mut Object<'_, 'a>, request: &mut Request<'a>) -> Result<(), Malformed> {
    let mode = object.text("mode")?.unwrap_or_default().to_ascii_uppercase();
    let only = object.take("allowedFunctionNames")?.filter(|names| !names.is_empty_list());
    let takes_names = matches!(mode.as_str(), "ANY" | "VALIDATED");
    if let (Some(names), false) = (&only, takes_names) {
        return Err(names.path.malformed("needs the mode `ANY` or `VALIDATED`"));
    }
    let names = only.map(Field::texts).transpose()?.unwrap_or_default();
    request.tool_choice = match mode.as_str() {
        "" | "MODE_UNSPECIFIED" => ToolChoice::Unset,
        "AUTO" => ToolChoice::Auto,
        "NONE" => ToolChoice::Never,
        "ANY" => required(names),
        "VALIDATED" => validated(names, &mut request.tools),
        _ => {
            let why = "must be `AUTO`, `ANY`, `NONE` or `VALIDATED`";
            return Err(object.path.name("mode".into()).malformed(why));
        }
    };
    Ok(())
}

fn required(mut names: Vec<crate::Text<'_>>) -> ToolChoice<'_> {
    match (names.pop(), names.is_empty()) {
        (None, _) => ToolChoice::Required,
        (Some(name), true) => ToolChoice::Named(name),
        (Some(name), false) => {
            names.push(name);
            ToolChoice::Among { names, is_required: true }
        }
    }
}

/// As the model likes, but its calls match their schemas exactly.
fn validated<'a>(names: Vec<crate::Text<'a>>, tools: &mut [Tool<'a>]) -> ToolChoice<'a> {
    for tool in tools {
        tool.is_strict = Some(true);
    }
    if names.is_empty() {
        return ToolChoice::Auto;
    }
    ToolChoice::Among { names, is_required: false }
}
