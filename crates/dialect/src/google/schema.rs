//! Google's own form of schemas, a part of OpenAPI 3.0, as JSON Schema.
//! Source: <https://ai.google.dev/api/caching#Schema>.

use serde_json::value::RawValue;

use super::fields::{Field, Object, is_name};
use super::tree::Node;
use crate::unsupported::Malformed;
use crate::{Json, Text};

/// Counts, which may stand in strings as Google writes numbers of 64 bits.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// The same schema as JSON Schema. What has the same name and meaning in both stays byte for byte.
pub(super) fn into_json_schema<'a>(field: Field<'_, 'a>) -> Result<Json<'a>, Malformed> {
    let path = field.path.clone();
    let mut json = String::with_capacity(256);
    schema(field, &mut json)?;
    let raw = RawValue::from_string(json).map_err(|_| path.malformed("is no schema"))?;
    Ok(Json::Owned(raw))
}

fn schema(field: Field<'_, '_>, json: &mut String) -> Result<(), Malformed> {
    let mut object = Object::open(&field.path, field.node)?;
    let is_nullable = object.flag("nullable")?;
    // Only a hint in which order a model writes the fields.
    object.skip(&["propertyOrdering"]);
    let mut members = Members::new(json);
    if let Some(kind) = object.take("type")? {
        members.kind(kind, is_nullable)?;
    }
    for member in object.rest() {
        members.member(member, is_nullable)?;
    }
    members.close();
    Ok(())
}

/// The fields of one schema as they are written.
struct Members<'j> {
    json: &'j mut String,
    is_first: bool,
}

impl<'j> Members<'j> {
    fn new(json: &'j mut String) -> Self {
        json.push('{');
        Self { json, is_first: true }
    }

    fn close(self) {
        self.json.push('}');
    }

    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.json.push(',');
        }
        self.is_first = false;
        push_text(self.json, name);
        self.json.push(':');
    }

    /// `STRING` is `string`; what may be `null`, too, is of both types.
    fn kind(&mut self, field: Field<'_, '_>, is_nullable: bool) -> Result<(), Malformed> {
        let is_list = matches!(field.node, Node::List(_));
        let mut kinds = field.texts()?;
        kinds.retain(|kind| kind != "TYPE_UNSPECIFIED");
        if is_nullable && !kinds.iter().any(|kind| kind.eq_ignore_ascii_case("null")) {
            kinds.push("null".into());
        }
        match kinds.as_slice() {
            [] => {}
            [kind] if !is_list => {
                self.name("type");
                push_kind(self.json, kind);
            }
            kinds => {
                self.name("type");
                push_list(self.json, kinds, push_kind);
            }
        }
        Ok(())
    }

    fn member(&mut self, field: Field<'_, '_>, is_nullable: bool) -> Result<(), Malformed> {
        let (path, name, node) = field.named();
        let is = |camel| is_name(&name, camel);
        if matches!(node, Node::Null) {
            return Ok(());
        }
        if is("anyOf") {
            self.name("anyOf");
            return self.any_of(Field { path, node }, is_nullable);
        }
        if is("enum") && is_nullable {
            self.name("enum");
            return self.options(&Field { path, node });
        }
        if let Some(count) = COUNTS.iter().find(|count| is(count)) {
            self.name(count);
            return self.count(&Field { path, node });
        }
        if is("example") {
            self.name("examples");
            self.json.push('[');
            self.value(Field { path, node })?;
            self.json.push(']');
            return Ok(());
        }
        self.name(json_schema_name(&name));
        if is("ref") || is("$ref") {
            return self.reference(&Field { path, node });
        }
        self.value(Field { path, node })
    }

    /// Whatever has the same form in both.
    fn value(&mut self, field: Field<'_, '_>) -> Result<(), Malformed> {
        match field.node {
            Node::Raw(raw) => self.json.push_str(raw.get()),
            Node::Flag(flag) => self.json.push_str(if flag { "true" } else { "false" }),
            Node::List(_) => self.list(field)?,
            Node::Object(_) if is_names(&field) => self.by_name(field)?,
            Node::Object(_) => schema(field, self.json)?,
            Node::Null | Node::Whole(_) | Node::Number(_) | Node::Text(_) => {
                return Err(field.path.malformed("must be a schema"));
            }
        }
        Ok(())
    }

    fn list(&mut self, field: Field<'_, '_>) -> Result<(), Malformed> {
        let json = &mut *self.json;
        json.push('[');
        field.each(|at, piece| {
            if at > 0 {
                json.push(',');
            }
            schema(piece, json)
        })?;
        self.json.push(']');
        Ok(())
    }

    fn by_name(&mut self, field: Field<'_, '_>) -> Result<(), Malformed> {
        let mut members = Members::new(self.json);
        for member in Object::open(&field.path, field.node)?.rest() {
            let (path, name, node) = member.named();
            members.name(&name);
            if let Node::Flag(flag) = node {
                members.json.push_str(if flag { "true" } else { "false" });
            } else {
                schema(Field { path, node }, members.json)?;
            }
        }
        members.close();
        Ok(())
    }

    /// One of several schemas, or nothing.
    fn any_of(&mut self, field: Field<'_, '_>, is_nullable: bool) -> Result<(), Malformed> {
        self.list(field)?;
        if is_nullable && self.json.pop().is_some() {
            if !self.json.ends_with('[') {
                self.json.push(',');
            }
            self.json.push_str(r#"{"type":"null"}]"#);
        }
        Ok(())
    }

    /// The values that are possible, and `null`.
    fn options(&mut self, field: &Field<'_, '_>) -> Result<(), Malformed> {
        let wrong = || field.path.malformed("must be a list");
        let Node::Raw(raw) = field.node else { return Err(wrong()) };
        let mut options: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
        if !options.iter().any(|option| option.get() == "null") {
            options.push(RawValue::NULL);
        }
        push_list(self.json, &options, |json, option| json.push_str(option.get()));
        Ok(())
    }

    fn count(&mut self, field: &Field<'_, '_>) -> Result<(), Malformed> {
        let wrong = || field.path.malformed("must be a whole number");
        let Node::Raw(raw) = field.node else { return Err(wrong()) };
        let digits = raw.get().trim_matches('"');
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        self.json.push_str(&count.to_string());
        Ok(())
    }

    /// The address of another schema in this one.
    fn reference(&mut self, field: &Field<'_, '_>) -> Result<(), Malformed> {
        let wrong = || field.path.malformed("must be a string");
        let Node::Raw(raw) = field.node else { return Err(wrong()) };
        let address: String = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
        match address.strip_prefix("#/defs/") {
            Some(name) => push_text(self.json, &format!("#/$defs/{name}")),
            None => push_text(self.json, &address),
        }
        Ok(())
    }
}

/// Whether the fields of this object are schemas by name, not words of one.
fn is_names(field: &Field<'_, '_>) -> bool {
    ["properties", "defs", "$defs"].iter().any(|name| field.path.ends_in(name))
}

/// What JSON Schema calls a word of Google's.
fn json_schema_name(name: &str) -> &str {
    const OTHERS: [(&str, &str); 8] = [
        ("ref", "$ref"),
        ("defs", "$defs"),
        ("additionalProperties", "additionalProperties"),
        ("prefixItems", "prefixItems"),
        ("oneOf", "oneOf"),
        ("allOf", "allOf"),
        ("minimum", "minimum"),
        ("maximum", "maximum"),
    ];
    OTHERS.iter().find(|(google, _)| is_name(name, google)).map_or(name, |(_, other)| other)
}

fn push_kind(json: &mut String, kind: &Text<'_>) {
    push_text(json, &kind.to_ascii_lowercase());
}

fn push_list<T>(json: &mut String, pieces: &[T], push: impl Fn(&mut String, &T)) {
    json.push('[');
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push(json, piece);
    }
    json.push(']');
}

/// A text as JSON.
fn push_text(json: &mut String, text: &str) {
    if text.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'$')) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}
