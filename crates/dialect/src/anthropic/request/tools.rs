//! Reads the functions that a model may call.

use super::harmless::Extras;
use super::settings::keep;
use super::wire;
use crate::Json;
use crate::anthropic::ids::is_tool_name;
use crate::anthropic::json::{self, Path};
use crate::request::Tool;
use crate::unsupported::Malformed;

/// Reads the list. Tools that the provider brings itself are another one's business: they are left out.
pub(super) fn tools<'a>(
    tools: Vec<wire::Tool<'a>>,
    extras: &mut Extras,
) -> Result<Vec<Tool<'a>>, Malformed> {
    let list = Path::Body.field("tools");
    let mut functions = Vec::with_capacity(tools.len());
    for (at, mut tool) in tools.into_iter().enumerate() {
        let path = list.item(at);
        if tool.kind.take().is_some_and(|kind| kind.0 != "custom") {
            extras.add(path.field("type"));
            continue;
        }
        functions.push(function(tool, &path, extras)?);
    }
    Ok(functions)
}

fn function<'a>(
    mut tool: wire::Tool<'a>,
    path: &Path<'_>,
    extras: &mut Extras,
) -> Result<Tool<'a>, Malformed> {
    let name = tool.name.take().ok_or_else(|| path.field("name").missing())?.0;
    if !is_tool_name(&name) {
        let why = "must be 1 to 128 letters, digits, `_` and `-`";
        return Err(path.field("name").malformed(why));
    }
    let schema = tool.input_schema.take().ok_or_else(|| path.field("input_schema").missing())?;
    if !json::is_object(schema) {
        return Err(path.field("input_schema").malformed("must be an object"));
    }
    let cache = keep(tool.cache_control.take(), path, extras)?;
    let description = tool.description.take().map(|description| description.0);
    let is_strict = tool.strict.take();
    leave_defaults(&mut tool);
    extras.add_left(&tool, path);
    Ok(Tool { name, description, schema: Some(Json::Borrowed(schema)), is_strict, cache })
}

/// Takes away what is only the dialect's default: the model knows the function from the beginning, calls it
/// by itself, and is shown no examples.
fn leave_defaults(tool: &mut wire::Tool<'_>) {
    tool.defer_loading.take_if(|is_deferred| !*is_deferred);
    tool.allowed_callers.take_if(|callers| callers.iter().all(|caller| caller.0 == "direct"));
    tool.input_examples.take_if(|examples| examples.is_empty());
}
