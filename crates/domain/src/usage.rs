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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Anything that a provider may claim.
    pub(crate) fn any_usage() -> impl Strategy<Value = Usage> {
        let tokens = || prop_oneof![0_u64..100, 0_u64..1_000_000, any::<u64>()];
        (tokens(), tokens(), tokens(), tokens(), tokens()).prop_map(|(i, c, w, o, r)| Usage {
            input_tokens: i,
            cached_input_tokens: c,
            cache_write_tokens: w,
            output_tokens: o,
            reasoning_tokens: r,
        })
    }

    proptest! {
        #[test]
        fn bounded_parts_never_exceed_their_whole(usage in any_usage()) {
            let bounded = usage.bounded();
            let input_parts = bounded.cached_input_tokens + bounded.cache_write_tokens;
            prop_assert!(input_parts <= bounded.input_tokens);
            prop_assert!(bounded.reasoning_tokens <= bounded.output_tokens);
            prop_assert!(bounded.input_tokens <= TOKENS_MAX);
            prop_assert!(bounded.output_tokens <= TOKENS_MAX);
            prop_assert_eq!(bounded.bounded(), bounded);
        }

        #[test]
        fn sound_figures_stay_as_they_are(parts: [u32; 5]) {
            let [plain, cached, written, answer, reasoning] = parts.map(u64::from);
            let usage = Usage {
                input_tokens: plain + cached + written,
                cached_input_tokens: cached,
                cache_write_tokens: written,
                output_tokens: answer + reasoning,
                reasoning_tokens: reasoning,
            };
            prop_assert_eq!(usage.bounded(), usage);
            prop_assert_eq!(usage.total_tokens(), parts.map(u64::from).iter().sum::<u64>());
        }

        #[test]
        fn the_total_never_overflows(usage in any_usage()) {
            prop_assert!(usage.total_tokens() >= usage.input_tokens.max(usage.output_tokens));
        }
    }
}
