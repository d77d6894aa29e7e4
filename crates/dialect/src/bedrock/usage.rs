//! What a call consumed. Here `inputTokens` excludes what was read from a cache or written to one.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>.

use doorward_domain::usage::Usage;
use serde::Deserialize;

use crate::count::Count;

/// As Bedrock tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Read {
    input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_write_input_tokens: Count,
    output_tokens: Count,
    cache_details: Option<Vec<Written>>,
}

/// What was written to a cache, by how long it is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    input_tokens: Count,
    ttl: Option<String>,
}

impl Read {
    /// `None`: it says nothing.
    pub(super) fn into_usage(self) -> Option<Usage> {
        self.input_tokens.0.or(self.output_tokens.0)?;
        let cached = self.cache_read_input_tokens.or_zero();
        let written = self.cache_write_input_tokens.or_zero();
        let details = self.cache_details.unwrap_or_default();
        let for_an_hour = details.iter().filter(|written| written.ttl.as_deref() == Some("1h"));
        let for_an_hour = for_an_hour.map(|written| written.input_tokens.or_zero());
        let usage = Usage {
            input_tokens: self
                .input_tokens
                .or_zero()
                .saturating_add(cached)
                .saturating_add(written),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: for_an_hour.fold(0, u64::saturating_add),
            output_tokens: self.output_tokens.or_zero(),
            ..Usage::default()
        };
        Some(usage.bounded())
    }
}

/// Reads the value of a `usage` member. `None`: it is null, or says nothing.
pub fn read_usage(json: &[u8]) -> Option<Usage> {
    let read: Option<Read> = serde_json::from_slice(json).ok()?;
    read?.into_usage()
}
