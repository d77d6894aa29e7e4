//! What a call consumed.

/// Tokens of one call. `input_tokens` includes the cached and the cache-writing ones,
/// `output_tokens` includes the reasoning ones, as `OpenAI` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Of those, read from the provider's prompt cache.
    pub cached_input_tokens: u64,
    /// Of those, written to the provider's prompt cache.
    pub cache_write_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Of those, spent on reasoning.
    pub reasoning_tokens: u64,
}

/// The most tokens that one call can be said to have used, of each kind. A provider's figure beyond
/// it is nonsense and is cut to it, so that sums never overflow.
pub const TOKENS_MAX: u64 = 1 << 40;

impl Usage {
    /// Input and output together.
    pub const fn total_tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The same figures within their bounds: parts are never larger than their whole.
    #[must_use]
    pub fn bounded(self) -> Self {
        let input_tokens = self.input_tokens.min(TOKENS_MAX);
        let cached_input_tokens = self.cached_input_tokens.min(input_tokens);
        let output_tokens = self.output_tokens.min(TOKENS_MAX);
        Self {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens: self.cache_write_tokens.min(input_tokens - cached_input_tokens),
            output_tokens,
            reasoning_tokens: self.reasoning_tokens.min(output_tokens),
        }
    }
}
