//! Documented bodies, read and written again in the same dialect: what they said must be there.

use std::fs;
use std::path::PathBuf;

use doorward_dialect::google;
use serde_json::{Map, Value, json};

use crate::{FACE, extras, read, write};

pub(crate) fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden/google", name].iter().collect()
}

fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn what_documented_requests_say_is_there_again() {
    let files = files("requests");
    assert!(files.len() >= 15);
    for (name, body) in files {
        let request = read(&body);
        assert_eq!(extras(&request), Vec::<String>::new(), "{name}");
        let said = usual(serde_json::from_str(&body).unwrap(), "");
        assert_holds(&write(&request), &said, &name);
    }
}

#[test]
fn a_request_that_was_written_is_written_the_same_again() {
    for (name, body) in files("requests") {
        let once = write(&read(&body));
        let body = once.to_string();
        assert_eq!(write(&read(&body)), once, "{name}");
    }
}

#[test]
fn what_documented_answers_say_is_there_again() {
    for (name, body) in files("answers") {
        let answer = google::read_answer(body.as_bytes()).unwrap();
        let written = google::write_answer(&answer, &FACE).unwrap();
        let written: Value = serde_json::from_slice(&written).unwrap();
        let mut said: Value = serde_json::from_str(&body).unwrap();
        for field in ["modelVersion", "promptFeedback"] {
            said.as_object_mut().unwrap().remove(field);
        }
        for field in ["promptTokensDetails", "serviceTier"] {
            said.get_mut("usageMetadata").and_then(Value::as_object_mut).map(|u| u.remove(field));
        }
        for candidate in
            said.get_mut("candidates").and_then(Value::as_array_mut).into_iter().flatten()
        {
            candidate.as_object_mut().unwrap().remove("safetyRatings");
        }
        assert_holds(&written, &said, &name);
        assert_eq!(written["modelVersion"], "our-model");
    }
}

/// The usual form of what may be spelled in several ways.
fn usual(value: Value, inside: &str) -> Value {
    match value {
        Value::Object(object) if matches!(inside, "args" | "properties") => Value::Object(
            object.into_iter().map(|(name, value)| (name, usual(value, "property"))).collect(),
        ),
        Value::Object(object) if inside == "response" => response(object),
        Value::Object(object) => {
            let fields = object.into_iter().filter_map(|(name, value)| field(&name, value));
            let object: Map<_, _> = fields.collect();
            let is_list = matches!(inside, "contents" | "parts");
            if is_list { json!([object]) } else { Value::Object(object) }
        }
        Value::Array(list) => list.into_iter().map(|one| usual(one, "")).collect(),
        Value::String(word) if inside == "type" => Value::String(word.to_ascii_lowercase()),
        Value::String(text) => Value::String(text),
        Value::Number(number) => Value::Number(number),
        Value::Bool(flag) => Value::Bool(flag),
        Value::Null => Value::Null,
    }
}

fn field(name: &str, value: Value) -> Option<(String, Value)> {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap().to_owned();
    for word in words {
        camel.push_str(&word[..1].to_ascii_uppercase());
        camel.push_str(&word[1..]);
    }
    let value = usual(value, &camel);
    let name = match camel.as_str() {
        // Filters that are off, and the order of fields, ask for nothing.
        "safetySettings" | "propertyOrdering" => return None,
        "parameters" => "parametersJsonSchema",
        "responseSchema" => "responseJsonSchema",
        other => other,
    };
    Some((name.to_owned(), value))
}

fn response(object: Map<String, Value>) -> Value {
    if object.contains_key("output") || object.contains_key("error") {
        return Value::Object(object);
    }
    json!({ "output": Value::Object(object).to_string() })
}

/// Whether all that `said` holds is in `written`, however much more that says.
fn assert_holds(written: &Value, said: &Value, place: &str) {
    match (written, said) {
        (Value::Object(written), Value::Object(said)) => {
            for (name, value) in said {
                let place = format!("{place}.{name}");
                let found = written.get(name).unwrap_or_else(|| panic!("{place} is not there"));
                assert_holds(found, value, &place);
            }
        }
        (Value::Array(written), Value::Array(said)) => {
            assert_eq!(written.len(), said.len(), "{place}: {written:?}");
            for (at, (written, said)) in written.iter().zip(said).enumerate() {
                assert_holds(written, said, &format!("{place}[{at}]"));
            }
        }
        (Value::Number(written), Value::Number(said)) => {
            assert_eq!(written.as_f64(), said.as_f64(), "{place}");
        }
        (Value::String(written), Value::String(said)) if said.starts_with('{') => {
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(json(written), json(said), "{place}");
        }
        (written, said) => assert_eq!(written, said, "{place}"),
    }
}
