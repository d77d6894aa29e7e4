//! What a deployment is asked: a call as clients make it, or one in a form that only providers have.

use doorward_dialect::Provider;

use crate::route::{Call, Work};

/// What a deployment is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The route that clients have, too.
    Call(Call),
    /// `POST /model/{model}/converse`, as Amazon Bedrock has it.
    Converse,
    /// `POST /model/{model}/converse-stream`.
    ConverseStream,
}

impl Asking {
    /// How many there are: the bound of [`Self::index`].
    pub(crate) const COUNT: usize = Call::ALL.len() + 2;

    /// Each once, at its index.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let calls = Call::ALL.into_iter().map(Self::Call);
        calls.chain([Self::Converse, Self::ConverseStream])
    }

    /// Its place in a target's ways.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Call(call) => call as usize,
            Self::Converse => Call::ALL.len(),
            Self::ConverseStream => Call::ALL.len() + 1,
        }
    }

    /// What asks a provider that speaks so for the same as a client's call, in another way. `None`: nothing
    /// does.
    pub(crate) fn the_same(call: Call, provider: Provider, is_stream: bool) -> Option<Self> {
        match provider {
            Provider::Dialect(dialect) => call.said_in(dialect, is_stream).map(Self::Call),
            Provider::Bedrock if is_turn(call) && is_stream => Some(Self::ConverseStream),
            Provider::Bedrock => is_turn(call).then_some(Self::Converse),
        }
    }

    /// How who is asked so speaks.
    pub(crate) fn provider(self) -> Provider {
        match self {
            Self::Call(call) => call.dialect().into(),
            Self::Converse | Self::ConverseStream => Provider::Bedrock,
        }
    }
}

/// Whether it is a turn of a conversation, which every provider can be asked for.
fn is_turn(call: Call) -> bool {
    matches!(call.work(), Work::Chat | Work::Response | Work::Prompt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_an_index_of_its_own() {
        let indices: Vec<usize> = Asking::all().map(Asking::index).collect();
        assert_eq!(indices, (0..Asking::COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn bedrock_is_asked_for_turns_of_conversations_and_for_nothing_else() {
        for call in Call::ALL {
            let whole = Asking::the_same(call, Provider::Bedrock, false);
            let stream = Asking::the_same(call, Provider::Bedrock, true);
            let expected = if call.work() == Work::Completion || !call.work().has_output() {
                (None, None)
            } else {
                (Some(Asking::Converse), Some(Asking::ConverseStream))
            };
            assert_eq!((whole, stream), expected, "{call:?}");
        }
    }
}
