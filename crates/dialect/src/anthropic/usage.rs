//! What a call consumed. Here `input_tokens` excludes what was read from a cache or written to one.

use doorward_domain::usage::Usage;
use serde::{Deserialize, Serialize};

use crate::count::Count;

/// As a provider tells it. In a stream it comes in pieces, each of which replaces what was said before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Read {
    input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Option<ByLife>,
    cache_read_input_tokens: Count,
    output_tokens: Count,
    output_tokens_details: Option<Details>,
}

/// What was written to a cache, by how long it is kept.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct ByLife {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Count,
}

/// What was said until now.
#[derive(Debug, Default, Clone, Copy)]
pub struct Told {
    input: Option<u64>,
    written: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Told {
    /// Takes the value of a `usage` member; what is none says nothing.
    pub fn take_json(&mut self, json: &[u8]) {
        if let Ok(read) = serde_json::from_slice(json) {
            self.take(&read);
        }
    }

    /// Takes what a piece says; what it leaves out stays as it was.
    pub(super) fn take(&mut self, read: &Read) {
        let by_life = read.cache_creation.unwrap_or_default();
        let by_life =
            match (by_life.ephemeral_5m_input_tokens.0, by_life.ephemeral_1h_input_tokens.0) {
                (None, None) => None,
                (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
            };
        self.input = read.input_tokens.0.or(self.input);
        self.written = read.cache_creation_input_tokens.0.or(by_life).or(self.written);
        self.cached = read.cache_read_input_tokens.0.or(self.cached);
        self.output = read.output_tokens.0.or(self.output);
        let details = read.output_tokens_details.unwrap_or_default();
        self.thinking = details.thinking_tokens.0.or(self.thinking);
    }

    /// The usage, if anything of it was said.
    pub fn usage(self) -> Option<Usage> {
        self.input.or(self.output)?;
        let (cached, written) = (self.cached.unwrap_or(0), self.written.unwrap_or(0));
        let plain = self.input.unwrap_or(0);
        let usage = Usage {
            input_tokens: plain.saturating_add(cached).saturating_add(written),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: self.output.unwrap_or(0),
            reasoning_tokens: self.thinking.unwrap_or(0),
            ..Usage::default()
        };
        Some(usage.bounded())
    }
}

/// Reads the usage of a whole answer.
pub(super) fn read(read: Option<&Read>) -> Option<Usage> {
    let mut told = Told::default();
    told.take(read?);
    told.usage()
}

/// As we tell it. Clients want both counts; what nobody knows is 0.
#[derive(Debug, Serialize)]
pub(super) struct Write {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<WriteDetails>,
}

#[derive(Debug, Serialize)]
struct WriteDetails {
    thinking_tokens: u64,
}

impl From<Option<Usage>> for Write {
    fn from(usage: Option<Usage>) -> Self {
        let usage = usage.unwrap_or_default().bounded();
        let details = WriteDetails { thinking_tokens: usage.reasoning_tokens };
        Self {
            input_tokens: usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens,
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_read_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
            output_tokens_details: (details.thinking_tokens > 0).then_some(details),
        }
    }
}
