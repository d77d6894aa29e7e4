//! The answer of `:countTokens`. Source: <https://ai.google.dev/api/tokens>.

use serde::Deserialize;

use super::answer::read::malformed;
use crate::count::Count;
use crate::unsupported::Malformed;

#[derive(Deserialize)]
struct Read {
    #[serde(rename = "totalTokens", alias = "total_tokens", default)]
    total: Count,
}

/// Reads how many tokens a request has.
pub fn read_count(body: &[u8]) -> Result<u64, Malformed> {
    let read: Option<Read> = serde_json::from_slice(body).ok();
    let total = read.and_then(|read| read.total.0);
    total.ok_or_else(|| malformed("totalTokens", "must be a number"))
}

/// Tells how many tokens a request has.
pub fn write_count(tokens: u64) -> Vec<u8> {
    format!(r#"{{"totalTokens":{tokens}}}"#).into_bytes()
}
