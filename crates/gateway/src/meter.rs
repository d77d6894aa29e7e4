//! Reading what a call used out of an answer whose bytes go to the client untouched.

mod event;
mod json;
mod searches;
mod sse;
mod strings;
mod usage;

use doorward_domain::usage::Usage;

pub(crate) use json::JsonMeter;
pub(crate) use searches::Searches;
pub(crate) use sse::{SseMeter, event_data};

/// What a call used, as far as its meter knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Metered {
    /// What the provider said. `None`: nothing.
    pub(crate) told: Option<Usage>,
    /// Whether that says how much of its unit there was, be it nothing.
    pub(crate) is_unit_told: bool,
    /// Tokens of output, counted here, that passed since it last said how many there were.
    pub(crate) counted_output: u64,
    /// Searches, counted here: not every provider says how many there were.
    pub(crate) searches: Searches,
}

impl Metered {
    /// The usage that is billed, and whether it is estimated. `input_tokens`: those of the input where the
    /// provider said nothing.
    pub(crate) fn usage(self, input_tokens: u64) -> (Usage, bool) {
        let said = Usage { input_tokens, ..Usage::default() };
        let said = self.told.unwrap_or(said);
        let output_tokens = said.output_tokens.saturating_add(self.counted_output);
        let is_estimated = self.told.is_none() || self.counted_output > 0;
        let usage = Usage {
            output_tokens,
            web_searches: said.web_searches.max(self.searches.web),
            file_searches: said.file_searches.max(self.searches.files),
            ..said
        };
        (usage.bounded(), is_estimated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_said_counts_and_what_passed_since() {
        let said =
            |input_tokens, output_tokens| Usage { input_tokens, output_tokens, ..Usage::default() };
        #[rustfmt::skip]
        let cases = [
            // said                 passed since  billed         estimated
            (Some(said(25, 30)),    0,            (said(25, 30), false)),
            (Some(said(0, 0)),      0,            (said(0, 0),   false)),
            (Some(said(25, 1)),     7,            (said(25, 8),  true)),
            (None,                  7,            (said(4, 7),   true)),
            (None,                  0,            (said(4, 0),   true)),
        ];
        for (told, counted_output, expected) in cases {
            let metered = Metered { told, counted_output, ..Metered::default() };
            assert_eq!(metered.usage(4), expected, "{metered:?}");
        }
    }

    #[test]
    fn searches_that_the_provider_tells_and_that_were_counted_are_the_same_ones() {
        let told = Usage { web_searches: 2, ..Usage::of_tokens(25, 30) };
        for (web, expected) in [(0, 2), (2, 2), (3, 3)] {
            let searches = Searches { web, files: 1, is_lost: false };
            let metered = Metered { told: Some(told), searches, ..Metered::default() };
            let (usage, is_estimated) = metered.usage(0);
            assert_eq!(
                (usage.web_searches, usage.file_searches, is_estimated),
                (expected, 1, false)
            );
        }
    }
}
