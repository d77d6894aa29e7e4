//! The answer of `:countTokens`. Source: <https://ai.google.dev/api/tokens>.

use serde::Deserialize;

use super::answer::read::malformed;
use crate::unsupported::Malformed;

#[derive(Deserialize)]
struct Count {
    #[serde(rename = "totalTokens", alias = "total_tokens")]
    total: u64,
}

/// Reads how many tokens a request has.
pub fn read_count(body: &[u8]) -> Result<u64, Malformed> {
    let count: Result<Count, _> = serde_json::from_slice(body);
    count.map(|count| count.total).map_err(|_| malformed("totalTokens", "must be a number"))
}

/// Tells how many tokens a request has.
pub fn write_count(tokens: u64) -> Vec<u8> {
    format!(r#"{{"totalTokens":{tokens}}}"#).into_bytes()
}
