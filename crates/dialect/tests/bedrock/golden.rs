//! Documented bodies of each dialect, as Bedrock is asked, and Bedrock's own as clients of each are told.
//! `UPDATE_GOLDEN=1` writes the other sides; `pairs/SOURCES.md` says what they are.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_dialect::unsupported::{Allowed, Leave};
use doorward_dialect::{Dialect, Provider};
use serde_json::{Value, json};

use super::support::{CLAUDE, CLIENTS, FACE, Translation, asked, frames};

const ANSWERS: [&str; 4] = ["text", "tool_use", "reasoning", "guardrail"];
const STREAMS: [&str; 4] = ["text", "tool_use", "reasoning", "throttled"];

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
        Dialect::Anthropic => ["outcomes", "thinking", "cache", "schema"],
        Dialect::Google => ["chat", "parallel_signed", "structured_json_schema", "image"],
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn document(of: &str, file: &str) -> String {
    let path = folder().join("golden").join(of).join(file);
    fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment to write its files"
)]
fn expect(client: Dialect, file: &str, found: &str) {
    let path = folder().join("pairs").join(format!("{}_client_of_bedrock", name(client)));
    let path = path.join(file);
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn a_documented_request_is_asked_in_bedrock_s_words() {
    for client in CLIENTS {
        for file in requests(client) {
            let body = document(name(client), &format!("requests/{file}.json"));
            let mut leave = Leave::new(Allowed::All);
            let written = asked(body.as_bytes(), (client, CLAUDE), &mut leave).unwrap();
            let found: Value = serde_json::from_slice(&written).unwrap();
            let found = json!({ "left_out": leave.left(), "body": found });
            expect(client, &format!("requests/{file}.json"), &format!("{found:#}\n"));
            // The same request is the same bytes, by which providers know what they have read.
            let mut leave = Leave::new(Allowed::All);
            assert_eq!(asked(body.as_bytes(), (client, CLAUDE), &mut leave).unwrap(), written);
        }
    }
}

#[test]
fn a_documented_answer_is_told_in_the_client_s_words() {
    for client in CLIENTS {
        for file in ANSWERS {
            let body = document("bedrock", &format!("answers/{file}.json"));
            let answer = Provider::Bedrock.read_answer(body.as_bytes()).unwrap();
            let written = client.write_answer(&answer, &FACE).unwrap();
            let found: Value = serde_json::from_slice(&written).unwrap();
            expect(client, &format!("answers/{file}.json"), &format!("{found:#}\n"));
        }
    }
}

#[test]
fn a_documented_stream_is_told_in_the_client_s_words_wherever_it_is_cut() {
    for client in CLIENTS {
        for file in STREAMS {
            let stream = frames(&document("bedrock", &format!("streams/{file}.jsonl")));
            let mut whole = Translation::new(client);
            whole.push(&stream);
            assert!(whole.is_over);
            let whole = whole.end();
            expect(client, &format!("streams/{file}.txt"), &whole);
            // Cut after each byte, and then less often, so that the cuts fall elsewhere.
            for chunk_bytes in (1..=12).chain([100, 333]) {
                let mut pieces = Translation::new(client);
                for piece in stream.chunks(chunk_bytes) {
                    pieces.push(piece);
                    assert!(whole.as_bytes().starts_with(&pieces.out), "{client:?} {file}");
                }
                assert_eq!(pieces.end(), whole, "{client:?} {file} in pieces of {chunk_bytes}");
            }
        }
    }
}
