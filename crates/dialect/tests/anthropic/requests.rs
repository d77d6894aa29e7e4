//! Documented requests come out as they went in.

use doorward_dialect::Dialect;
use doorward_dialect::anthropic::{read_request, write_request};
use doorward_dialect::unsupported::Leave;
use serde_json::{Value, json};

use crate::support::{able, golden, json as parsed};

/// A text is the same as a list of one text; and what is harmless may be gone.
fn plain(value: &mut Value) {
    if let Some(list) = value.as_array_mut() {
        list.retain(|item| {
            !item["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("x-anthropic-billing-header"))
        });
        list.iter_mut().for_each(plain);
    }
    let Some(object) = value.as_object_mut() else { return };
    for harmless in ["context_management", "eager_input_streaming", "scope", "caller"] {
        object.remove(harmless);
    }
    for name in ["content", "system"] {
        if let Some(text) = object.get(name).and_then(Value::as_str) {
            object.insert(name.to_owned(), json!([{"type": "text", "text": text}]));
        }
    }
    object.values_mut().for_each(plain);
}

#[test]
fn what_the_dialect_says_is_there_again() {
    for (name, body) in golden("requests", "json") {
        let request = read_request(body.as_bytes()).unwrap_or_else(|why| panic!("{name}: {why}"));
        let to = able(&request.model, Dialect::Anthropic);
        let mut leave = Leave::default();
        let written =
            write_request(&request, &to, &mut leave).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(leave.left(), [""; 0], "{name}");
        let (mut before, mut after) = (parsed(body.as_bytes()), parsed(&written));
        plain(&mut before);
        plain(&mut after);
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn the_same_request_gives_the_same_bytes_and_a_second_translation_changes_nothing() {
    for (name, body) in golden("requests", "json") {
        let write = |body: &[u8]| {
            let request = read_request(body).unwrap();
            let to = able(&request.model, Dialect::Anthropic);
            write_request(&request, &to, &mut Leave::default()).unwrap()
        };
        let once = write(body.as_bytes());
        assert_eq!(once, write(body.as_bytes()), "{name}");
        assert_eq!(once, write(&once), "{name}");
    }
}

#[test]
fn arguments_and_schemas_pass_byte_for_byte() {
    let arguments = r#"{ "b" : 12345678901234567890123,	"a":1.10, "b2": "é\u00e9" }"#;
    let schema = r#"{ "type":"object" , "properties": {"z": {}, "a": {"maximum":1e400}} }"#;
    let body = format!(
        r#"{{"model":"m","max_tokens":1,"tools":[{{"name":"f","input_schema":{schema}}}],"messages":[
            {{"role":"assistant","content":[{{"type":"tool_use","id":"a","name":"f","input":{arguments}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a"}}]}}]}}"#
    );
    let request = read_request(body.as_bytes()).unwrap();
    let to = able("m", Dialect::Anthropic);
    let written = write_request(&request, &to, &mut Leave::default()).unwrap();
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains(arguments) && written.contains(schema), "{written}");
}
