//! Reading what a call used out of an answer whose bytes go to the client untouched.

mod event;
mod json;
mod sse;
mod strings;
mod usage;

use doorward_domain::usage::Usage;

pub(crate) use json::JsonMeter;
pub(crate) use sse::{SseMeter, event_data};

/// What a call used, as far as its meter knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Metered {
    /// What the provider said. `None`: nothing.
    pub(crate) told: Option<Usage>,
    /// That was at the beginning, so that its output is not yet the whole.
    pub(crate) is_partial: bool,
    /// Tokens of output that passed, counted here.
    pub(crate) counted_output: u64,
}

impl Metered {
    /// The usage that is billed, and whether it is estimated. `input_tokens`: those of the input where the
    /// provider said nothing.
    pub(crate) fn usage(self, input_tokens: u64) -> (Usage, bool) {
        let output_tokens = self.counted_output;
        match self.told {
            Some(told) if self.is_partial && told.output_tokens < output_tokens => {
                (Usage { output_tokens, ..told }, true)
            }
            Some(told) => (told, false),
            None => (Usage { input_tokens, output_tokens, ..Usage::default() }, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_said_of_the_whole_counts_else_what_passed() {
        let said =
            |input_tokens, output_tokens| Usage { input_tokens, output_tokens, ..Usage::default() };
        #[rustfmt::skip]
        let cases = [
            // said                 of the beginning  billed         estimated
            (Some(said(25, 30)),    false,            (said(25, 30), false)),
            (Some(said(0, 0)),      false,            (said(0, 0),   false)),
            (Some(said(25, 1)),     true,             (said(25, 7),  true)),
            (Some(said(25, 9)),     true,             (said(25, 9),  false)),
            (Some(said(0, 0)),      true,             (said(0, 7),   true)),
            (None,                  false,            (said(4, 7),   true)),
        ];
        for (told, is_partial, expected) in cases {
            let metered = Metered { told, is_partial, counted_output: 7 };
            assert_eq!(metered.usage(4), expected, "{metered:?}");
        }
    }
}
