//! Tokens are counted without a call, whoever asks and whoever counts.

use doorward_dialect::unsupported::Leave;
use doorward_dialect::{Dialect, anthropic, google};
use serde_json::{Value, json};

use super::support::{PLACE, target};

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn a_count_is_asked_for_with_what_the_input_is_made_of() {
    let body = json!({ "generateContentRequest": {
        "model": "models/alias",
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }],
        "tools": [{ "functionDeclarations": [{ "name": "f" }] }],
        "generationConfig": { "maxOutputTokens": 9, "temperature": 0.5, "topP": 0.5, "topK": 3, "stopSequences": ["#"] },
    } });
    let text = body.to_string();
    let request = google::read_count_request(text.as_bytes(), PLACE).unwrap();
    let to = target(Dialect::Google);
    let found = anthropic::write_count_request(&request, &to, &mut Leave::default()).unwrap();
    let expected = json!({
        "model": "theirs",
        "system": "Be brief.",
        "messages": [{ "role": "user", "content": "hi" }],
        "tools": [{ "name": "f", "input_schema": { "type": "object", "properties": {} } }],
    });
    assert_eq!(json_of(&found), expected);
}

#[test]
fn a_count_comes_back_in_the_client_s_words() {
    let body = json!({ "model": "alias", "system": "Be brief.", "messages": [{ "role": "user", "content": "hi" }] });
    let text = body.to_string();
    let request = anthropic::read_count_request(text.as_bytes()).unwrap();
    let to = target(Dialect::Anthropic);
    let found = google::write_count_request(&request, &to, &mut Leave::default()).unwrap();
    let expected = json!({ "generateContentRequest": {
        "model": "models/theirs",
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }],
        "generationConfig": {},
    } });
    assert_eq!(json_of(&found), expected);
    let count = google::read_count(br#"{"totalTokens":"14"}"#).unwrap();
    assert_eq!(anthropic::write_count(count), br#"{"input_tokens":14}"#);
    let count = anthropic::read_count(br#"{"input_tokens":14}"#).unwrap();
    assert_eq!(google::write_count(count), br#"{"totalTokens":14}"#);
}
