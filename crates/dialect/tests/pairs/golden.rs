//! Documented bodies of each dialect, and what becomes of them in each other one. `UPDATE_GOLDEN=1` writes the
//! other sides; SOURCES.md says where the documents come from.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_dialect::Dialect;
use doorward_dialect::unsupported::{Allowed, Leave};
use serde_json::{Value, json};

use super::support::{FACE, PAIRS, Pair, Translation, asked};

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "openai",
        Dialect::Anthropic => "anthropic",
        Dialect::Google => "google",
    }
}

fn requests(dialect: Dialect) -> [&'static str; 4] {
    match dialect {
        Dialect::OpenAi => ["default", "functions", "image", "every_field"],
        Dialect::Anthropic => ["outcomes", "thinking", "images", "schema"],
        Dialect::Google => ["chat", "parallel_signed", "structured", "image"],
    }
}

fn answers(dialect: Dialect) -> [&'static str; 3] {
    match dialect {
        Dialect::OpenAi => ["default", "functions", "everything"],
        Dialect::Anthropic => ["tool_use", "thinking", "refusal"],
        Dialect::Google => ["text", "thought_and_calls", "blocked"],
    }
}

/// Names and their extension.
fn streams(dialect: Dialect) -> ([&'static str; 3], &'static str) {
    match dialect {
        Dialect::OpenAi => (["two_calls", "deepseek", "length"], "sse"),
        Dialect::Anthropic => (["tool", "thinking", "overloaded"], "txt"),
        Dialect::Google => (["thought_and_calls", "signature_last", "stop_in_each"], "sse"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn document(dialect: Dialect, file: &str) -> String {
    let path = folder().join("golden").join(name(dialect)).join(file);
    fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment to write its files"
)]
fn expect((client, provider): Pair, file: &str, found: &str) {
    let pair = format!("{}_client_of_{}", name(client), name(provider));
    let path = folder().join("pairs").join(pair).join(file);
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn a_documented_request_is_asked_in_the_provider_s_words() {
    for pair in PAIRS {
        for name in requests(pair.0) {
            let body = document(pair.0, &format!("requests/{name}.json"));
            let mut leave = Leave::new(Allowed::All);
            let written = asked(body.as_bytes(), pair, &mut leave).unwrap();
            let body: Value = serde_json::from_slice(&written).unwrap();
            let found = json!({ "left_out": leave.left(), "body": body });
            expect(pair, &format!("requests/{name}.json"), &format!("{found:#}\n"));
            // The same request is the same bytes, by which providers know what they have read.
            let again = document(pair.0, &format!("requests/{name}.json"));
            let mut leave = Leave::new(Allowed::All);
            assert_eq!(asked(again.as_bytes(), pair, &mut leave).unwrap(), written);
        }
    }
}

#[test]
fn a_documented_answer_is_told_in_the_client_s_words() {
    for pair in PAIRS {
        for name in answers(pair.1) {
            let body = document(pair.1, &format!("answers/{name}.json"));
            let answer = pair.1.read_answer(body.as_bytes()).unwrap();
            let written = pair.0.write_answer(&answer, &FACE).unwrap();
            let found: Value = serde_json::from_slice(&written).unwrap();
            expect(pair, &format!("answers/{name}.json"), &format!("{found:#}\n"));
        }
    }
}

#[test]
fn a_documented_stream_is_told_in_the_client_s_words() {
    for pair in PAIRS {
        let (names, extension) = streams(pair.1);
        for name in names {
            let stream = document(pair.1, &format!("streams/{name}.{extension}"));
            let mut translation = Translation::new(pair);
            translation.push(stream.as_bytes());
            expect(pair, &format!("streams/{name}.txt"), &translation.end());
        }
    }
}

#[test]
fn a_stream_says_the_same_wherever_it_is_cut() {
    for pair in PAIRS {
        let (names, extension) = streams(pair.1);
        for name in names {
            let stream = document(pair.1, &format!("streams/{name}.{extension}"));
            let mut whole = Translation::new(pair);
            whole.push(stream.as_bytes());
            let whole = whole.end();
            // Cut after each byte, and then less often, so that the cuts fall elsewhere.
            for chunk_bytes in 1..=12 {
                let mut pieces = Translation::new(pair);
                for piece in stream.as_bytes().chunks(chunk_bytes) {
                    pieces.push(piece);
                    assert!(whole.as_bytes().starts_with(&pieces.out), "{pair:?} {name}");
                }
                assert_eq!(pieces.end(), whole, "{pair:?} {name} in pieces of {chunk_bytes}");
            }
        }
    }
}
