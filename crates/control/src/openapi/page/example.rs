//! A line that tries an operation: what is required of its body, with values that could be.

use serde_json::{Map, Value};

use super::{entries, list, text};

/// Schemas inside of each other that are followed: none of ours goes deeper.
const DEPTH_MAX: usize = 8;

pub(super) fn curl(
    document: &Value,
    (method, path): (&str, &str),
    described: &Value,
    body: &Value,
) -> String {
    let verb = match method {
        "get" => String::new(),
        other => format!(" -X {}", other.to_uppercase()),
    };
    let data = if body.is_null() {
        String::new()
    } else {
        let value = value_of(document, body, DEPTH_MAX);
        format!(" -H 'content-type: application/json' -d '{value}'")
    };
    let query = query_of(document, described);
    let key = "-H \"Authorization: Bearer $DOORWARD_API_KEY\"";
    format!("curl{verb} {key}{data} \"$DOORWARD_URL{path}{query}\"")
}

/// The parameters that must be there.
fn query_of(document: &Value, described: &Value) -> String {
    let parameters = list(&described["parameters"]);
    let is_needed = |one: &&Value| one["in"] == "query" && one["required"] == true;
    let said = |one: &Value| {
        let value = value_of(document, &one["schema"], DEPTH_MAX);
        format!("{}={}", text(&one["name"]), value.as_str().unwrap_or_default())
    };
    let given: Vec<String> = parameters.iter().filter(is_needed).map(said).collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

fn value_of(document: &Value, schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(target) = schema["$ref"].as_str().and_then(|target| target.get(1..)) {
        return document.pointer(target).map_or(Value::Null, |s| value_of(document, s, depth));
    }
    let known = [&schema["examples"], &schema["enum"]];
    if let Some(value) = known.iter().find_map(|values| list(values).first()) {
        return value.clone();
    }
    let choices = ["oneOf", "anyOf"].iter().flat_map(|choice| list(&schema[*choice]));
    if let Some(choice) = choices.into_iter().find(|choice| choice["type"] != "null") {
        return value_of(document, choice, depth);
    }
    let kind = list(&schema["type"]).first().unwrap_or(&schema["type"]);
    match kind.as_str() {
        Some("object") => object_of(document, schema, depth),
        Some("array") => Value::Array(vec![value_of(document, &schema["items"], depth)]),
        Some("integer" | "number") => schema["minimum"].as_u64().unwrap_or(1).max(1).into(),
        Some("boolean") => true.into(),
        Some(_) | None => "example".into(),
    }
}

/// What is required; where nothing is, the first field.
fn object_of(document: &Value, schema: &Value, depth: usize) -> Value {
    let required = list(&schema["required"]);
    let is_shown = |name: &str| required.iter().any(|one| one == name);
    let shown = entries(&schema["properties"])
        .enumerate()
        .filter(|(index, (name, _))| is_shown(name) || (required.is_empty() && *index == 0))
        .map(|(_, (name, one))| (name.to_owned(), value_of(document, one, depth)));
    Value::Object(shown.collect::<Map<_, _>>())
}
