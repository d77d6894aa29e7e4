//! Google `generateContent`: its readers and writers against documented bodies, tables and laws.
#![cfg(test)] // so that the lints know that helpers are tests too

#[path = "google/answers.rs"]
mod answers;
#[path = "google/bad_input.rs"]
mod bad_input;
#[path = "google/golden.rs"]
mod golden;
#[path = "google/laws.rs"]
mod laws;
#[path = "google/requests.rs"]
mod requests;
#[path = "google/streams.rs"]
mod streams;

use doorward_dialect::answer::Face;
use doorward_dialect::google::{self, Place};
use doorward_dialect::request::Request;
use doorward_dialect::unsupported::{Allowed, Leave};
use doorward_dialect::{Client, Dialect, Knows, Target};
use serde_json::Value;

const PLACE: Place<'static> = Place { model: "gemini-pro", is_stream: false };
const FACE: Face<'static> = Face { call: "req_1", model: "our-model", created_s: 1_700_000_000 };

/// A deployment that can do all there is.
fn target() -> Target<'static> {
    Target {
        model: "gemini-pro",
        from: Client::Dialect(Dialect::Google),
        output_tokens_default: 4_096,
        knows: Knows { thinking_level: true, file_urls: true, ..Knows::default() },
    }
}

fn read(body: &str) -> Request<'_> {
    google::read_request(body.as_bytes(), PLACE).unwrap()
}

/// Writes a request of which nothing must be left out.
fn write(request: &Request<'_>) -> Value {
    let mut leave = Leave::new(Allowed::Nothing);
    let body = google::write_request(request, &target(), &mut leave).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The paths of what has no place in the form.
fn extras(request: &Request<'_>) -> Vec<String> {
    request.extras.iter().map(|extra| extra.path.clone()).collect()
}
