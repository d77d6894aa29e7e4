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
    server_tool_use: Option<Tools>,
}

/// What the provider's own tools did.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Tools {
    web_search_requests: Count,
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
    written_1h: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    web_searches: Option<u64>,
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
        self.written_1h = by_life.ephemeral_1h_input_tokens.0.or(self.written_1h);
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
        let tools = read.server_tool_use.unwrap_or_default();
        self.web_searches = tools.web_search_requests.0.or(self.web_searches);
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
            cache_write_1h_tokens: self.written_1h.unwrap_or(0),
            output_tokens: self.output.unwrap_or(0),
            reasoning_tokens: self.thinking.unwrap_or(0),
            web_searches: self.web_searches.unwrap_or(0),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<WriteByLife>,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<WriteDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<WriteTools>,
}

#[derive(Debug, Serialize)]
struct WriteByLife {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Serialize)]
struct WriteTools {
    web_search_requests: u64,
}

#[derive(Debug, Serialize)]
struct WriteDetails {
    thinking_tokens: u64,
}

impl From<Option<Usage>> for Write {
    fn from(usage: Option<Usage>) -> Self {
        let usage = usage.unwrap_or_default().bounded();
        let details = WriteDetails { thinking_tokens: usage.reasoning_tokens };
        let by_life = WriteByLife {
            ephemeral_5m_input_tokens: usage.cache_write_tokens - usage.cache_write_1h_tokens,
            ephemeral_1h_input_tokens: usage.cache_write_1h_tokens,
        };
        let tools = WriteTools { web_search_requests: usage.web_searches };
        Self {
            input_tokens: usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens,
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_creation: (usage.cache_write_1h_tokens > 0).then_some(by_life),
            cache_read_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
            output_tokens_details: (details.thinking_tokens > 0).then_some(details),
            server_tool_use: (usage.web_searches > 0).then_some(tools),
        }
    }
}
