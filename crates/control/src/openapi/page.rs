//! The description as a page for people: no script, nothing from elsewhere, one file of styles.

mod example;
mod kind;
mod prose;

use askama::Template;
use serde_json::Value;

use self::kind::{Piece, bounds, pieces};
use self::prose::{Part, parts};

/// Everything that the page shows.
#[derive(Debug, Template)]
#[template(path = "docs.html")]
pub(super) struct DocsPage {
    version: String,
    about: Vec<Vec<Part>>,
    nouns: Vec<Noun>,
    shapes: Vec<Shape>,
}

/// The operations on one kind of thing.
#[derive(Debug)]
struct Noun {
    anchor: String,
    title: String,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    anchor: String,
    method: String,
    path: String,
    summary: Vec<Part>,
    more: Vec<Part>,
    access: String,
    parameters: Vec<Field>,
    body: Vec<Piece>,
    answers: Vec<Answer>,
    curl: String,
}

#[derive(Debug)]
struct Answer {
    status: String,
    said: Vec<Part>,
    body: Vec<Piece>,
    is_good: bool,
}

/// A parameter, or a field of a shape.
#[derive(Debug)]
struct Field {
    name: String,
    /// Where a parameter is; nothing for a field.
    place: String,
    kind: Vec<Piece>,
    is_required: bool,
    said: Vec<Vec<Part>>,
}

/// What bodies and answers are made of.
#[derive(Debug)]
struct Shape {
    name: String,
    said: Vec<Vec<Part>>,
    kind: Vec<Piece>,
    fields: Vec<Field>,
}

impl DocsPage {
    /// Reads the description.
    pub(super) fn new(document: &Value) -> Self {
        let nouns = list(&document["tags"]).iter().map(|tag| noun(document, tag)).collect();
        let shapes = entries(at(document, "/components/schemas"))
            .map(|(name, schema)| shape(name, schema))
            .collect();
        let about = text(at(document, "/info/description"));
        Self {
            version: text(at(document, "/info/version")),
            about: about.split("\n\n").map(parts).collect(),
            nouns,
            shapes,
        }
    }
}

fn noun(document: &Value, tag: &Value) -> Noun {
    let title = text(&tag["name"]);
    let of_path = |(path, item): (&str, &Value)| {
        let of_noun = |operation: &&Value| list(&operation["tags"]).contains(&tag["name"]);
        ["get", "post", "put", "patch", "delete"]
            .into_iter()
            .filter_map(|method| item.get(method).map(|operation| (method, operation)))
            .filter(|(_, described)| of_noun(described))
            .map(|(method, described)| operation(document, (method, path), described))
            .collect::<Vec<_>>()
    };
    let operations = entries(&document["paths"]).flat_map(of_path).collect();
    Noun { anchor: title.to_lowercase().replace(' ', "-"), title, operations }
}

fn operation(document: &Value, (method, path): (&str, &str), described: &Value) -> Operation {
    let body = at(described, "/requestBody/content/application~1json/schema");
    let parameter = |one: &Value| {
        let is_required = one["required"] == true;
        let place = text(&one["in"]);
        Field { place, ..field(&text(&one["name"]), one, &one["schema"], is_required) }
    };
    let answers = entries(&described["responses"]);
    Operation {
        anchor: text(&described["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: parts(&text(&described["summary"])),
        more: parts(&text(&described["description"])),
        access: access(described),
        parameters: list(&described["parameters"]).iter().map(parameter).collect(),
        body: if body.is_null() { Vec::new() } else { pieces(body) },
        answers: answers.map(|(status, answer)| answer_of(document, status, answer)).collect(),
        curl: example::curl(document, (method, path), described, body),
    }
}

/// Who may ask, as a sentence.
fn access(described: &Value) -> String {
    match (described["x-required-scope"].as_str(), list(&described["security"])) {
        (Some(scope), _) => format!("Needs the scope {scope}."),
        (None, []) => "Open to everybody: it needs no key.".to_owned(),
        (None, [_, _]) => "For users who are signed in; no key may do it.".to_owned(),
        (None, [..]) => {
            "For users who are signed in, and for every key about itself, whatever its scopes."
                .to_owned()
        }
    }
}

fn answer_of(document: &Value, status: &str, answer: &Value) -> Answer {
    let shared = answer["$ref"].as_str().and_then(|target| document.pointer(target.get(1..)?));
    let answer = shared.unwrap_or(answer);
    let schema = entries(&answer["content"]).next().map(|(_, content)| &content["schema"]);
    Answer {
        status: status.to_owned(),
        said: parts(&text(&answer["description"])),
        body: schema.map(pieces).unwrap_or_default(),
        is_good: status.starts_with('2'),
    }
}

/// A shape with its fields; what it has of other shapes is in its kind.
fn shape(name: &str, schema: &Value) -> Shape {
    let parts: Vec<&Value> = match schema["allOf"].as_array() {
        Some(parts) => parts.iter().collect(),
        None => vec![schema],
    };
    let mut fields: Vec<Field> = parts.iter().flat_map(|part| fields_of(part)).collect();
    fields.sort_by_key(|field| !field.is_required);
    let is_plain_object = schema["allOf"].is_null() && !fields.is_empty();
    Shape {
        name: name.to_owned(),
        said: said(schema, &[]),
        kind: if is_plain_object { Vec::new() } else { pieces(schema) },
        fields,
    }
}

fn fields_of(schema: &Value) -> Vec<Field> {
    let required = list(&schema["required"]);
    let is_required = |name: &str| required.iter().any(|one| one == name);
    let property = |(name, one): (&str, &Value)| field(name, one, one, is_required(name));
    entries(&schema["properties"]).map(property).collect()
}

fn field(name: &str, described: &Value, schema: &Value, is_required: bool) -> Field {
    Field {
        name: name.to_owned(),
        place: String::new(),
        kind: pieces(schema),
        is_required,
        said: said(described, &bounds(schema)),
    }
}

fn said(described: &Value, bounds: &[String]) -> Vec<Vec<Part>> {
    let own = text(&described["description"]);
    let own = if own.is_empty() { None } else { Some(own) };
    own.iter().chain(bounds).map(|text| parts(text)).collect()
}

/// What lies there; null where nothing does.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
