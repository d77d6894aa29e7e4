//! Counting tokens without a call: `POST /v1/messages/count_tokens`.
//! Source: <https://platform.claude.com/docs/en/api/messages-count-tokens>.

use serde::{Deserialize, Serialize};

use super::json::{self, Path};
use super::request;
use crate::Target;
use crate::count::Count;
use crate::request::Request;
use crate::unsupported::{Leave, Malformed, Untranslatable};

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    input_tokens: Count,
}

#[derive(Serialize)]
struct Written {
    input_tokens: u64,
}

/// Reads the request: one for an answer, only without `max_tokens`.
pub fn read_count_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    request::read_count_request(body)
}

/// Writes the request.
pub fn write_count_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    request::write_count_request(request, to, leave)
}

/// Reads how many input tokens a request has.
pub fn read_count(body: &[u8]) -> Result<u64, Malformed> {
    let answer: Read = json::read(body)?;
    answer.input_tokens.0.ok_or_else(|| Path::Body.field("input_tokens").missing())
}

/// Writes how many input tokens a request has.
pub fn write_count(input_tokens: u64) -> Vec<u8> {
    json::write(&Written { input_tokens })
}
