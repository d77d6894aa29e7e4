//! A schema in few words.

use serde_json::Value;

use super::{list, text};

/// Some words, which may lead to the shape of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) shape: Option<String>,
}

fn word(text: impl Into<String>) -> Piece {
    Piece { text: text.into(), shape: None }
}

/// What a value may be: `list of ApiKey`, `string or null`.
pub(super) fn pieces(schema: &Value) -> Vec<Piece> {
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        return vec![Piece { text: name.to_owned(), shape: Some(name.to_owned()) }];
    }
    for (choice, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(items) = schema[choice].as_array() {
            return joined(items, between);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        return vec![word(values.join(" or "))];
    }
    match &schema["type"] {
        Value::Array(types) => {
            let of = |kind: &Value| kind_of(kind.as_str().unwrap_or_default(), schema);
            let parts: Vec<_> = types.iter().map(of).collect();
            parts.join(&word(" or "))
        }
        Value::String(kind) => kind_of(kind, schema),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            vec![word("anything")]
        }
    }
}

fn joined(items: &[Value], between: &str) -> Vec<Piece> {
    // Nothing is the last choice, whatever the order in the schema.
    let (null, rest): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["type"] == "null");
    let parts: Vec<_> = rest.into_iter().chain(null).map(pieces).collect();
    parts.join(&word(between))
}

fn kind_of(kind: &str, schema: &Value) -> Vec<Piece> {
    match kind {
        "array" => [vec![word("list of ")], pieces(&schema["items"])].concat(),
        "integer" => vec![word("whole number")],
        "boolean" => vec![word("true or false")],
        "object" => vec![word("object")],
        "string" => vec![word(text_kind(schema))],
        other => vec![word(other)],
    }
}

/// A text of one form only is that form.
fn text_kind(schema: &Value) -> String {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let only = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
    let is_word = |text: &&str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match (only.filter(is_word), schema["format"].as_str()) {
        (Some(only), _) => format!("\"{only}\""),
        (None, Some("date-time")) => "time".to_owned(),
        (None, Some("date")) => "day".to_owned(),
        (None, Some("uri")) => "URL".to_owned(),
        (None, Some(_) | None) => "text".to_owned(),
    }
}

/// The bounds of a value, each in words of its own.
pub(super) fn bounds(schema: &Value) -> Vec<String> {
    let number = |name: &str| schema[name].as_u64();
    let range = |unit: &str, min: Option<u64>, max: Option<u64>| match (min, max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}{unit}.")),
        (Some(min), None) => Some(format!("At least {min}{unit}.")),
        (None, Some(max)) => Some(format!("At most {max}{unit}.")),
        (None, None) => None,
    };
    let value = range("", number("minimum"), number("maximum"));
    let chars = range(" characters", number("minLength"), number("maxLength"));
    let items = range(" entries", number("minItems"), number("maxItems"));
    let examples = list(&schema["examples"]);
    let example = examples.first().map(|one| format!("For example {one}."));
    let pattern = text(&schema["pattern"]);
    let is_odd = !pattern.is_empty() && text_kind(schema) == "text";
    let pattern = is_odd.then(|| format!("Matches {pattern}"));
    [value, chars, items, pattern, example].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_schema_is_told_in_few_words() {
        let cases = [
            (json!({"type": "string"}),                                             "text"),
            (json!({"type": ["string", "null"], "format": "date-time"}),            "time or null"),
            (json!({"type": "string", "pattern": "^api_key$"}),                     "\"api_key\""),
            (json!({"type": "array", "items": {"$ref": "#/components/schemas/A"}}), "list of A"),
            (json!({"oneOf": [{"type": "null"}, {"$ref": "#/x/B"}]}),               "B or null"),
            (json!({"type": "integer", "enum": [429, 402]}),                        "429 or 402"),
            (json!({}),                                                             "anything"),
        ];
        for (schema, expected) in cases {
            let words: String = pieces(&schema).into_iter().map(|piece| piece.text).collect();
            assert_eq!(words, expected, "{schema}");
        }
    }
}
