//! What a model can do beyond what Converse says of all, as far as its name tells.

use crate::request::Keep;

/// Models of Anthropic that refuse marks on what to keep in a cache, and those that keep it for minutes only.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>.
const KEEPS_NOTHING: [&str; 6] = [
    "claude-v2",
    "claude-instant",
    "claude-3-haiku",
    "claude-3-sonnet",
    "claude-3-opus",
    "claude-3-5-sonnet-20240620",
];
const KEEPS_SHORT: [&str; 4] =
    ["claude-3-", "claude-sonnet-4-2025", "claude-opus-4-2025", "claude-opus-4-1-"];

/// What the name of a model tells. That of an application's own profile tells nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    /// It takes what Anthropic's own API has for it: thinking, `top_k`, signatures.
    pub(super) is_anthropic: bool,
    is_nova: bool,
    /// For how long it keeps what is marked; `None`: it refuses marks.
    keeps: Option<Keep>,
}

impl Model {
    pub(super) fn of(name: &str) -> Self {
        let (is_anthropic, is_nova) =
            (name.contains("anthropic.claude"), name.contains("amazon.nova"));
        let is_one_of = |models: &[&str]| models.iter().any(|model| name.contains(model));
        let keeps = match is_anthropic {
            true if is_one_of(&KEEPS_NOTHING) => None,
            true if is_one_of(&KEEPS_SHORT) => Some(Keep::Short),
            true => Some(Keep::Long),
            false => is_nova.then_some(Keep::Short),
        };
        Self { is_anthropic, is_nova, keeps }
    }

    /// How a mark among instructions and turns is written.
    pub(super) fn mark(self, wish: Option<Keep>) -> Option<Keep> {
        Some(wish?.min(self.keeps?))
    }

    /// The same for one among functions.
    pub(super) fn mark_of_tools(self, wish: Option<Keep>) -> Option<Keep> {
        self.mark(wish).filter(|_| self.is_anthropic)
    }

    /// Whether it can be told that a function failed.
    /// Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolResultBlock.html>.
    pub(super) const fn knows_failures(self) -> bool {
        self.is_anthropic || self.is_nova
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_for_how_long_a_model_keeps_what_is_marked() {
        #[rustfmt::skip]
        let cases = [
            // model                                          turns              functions
            ("us.anthropic.claude-opus-4-6-v1",               Some(Keep::Long),  Some(Keep::Long)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0",  Some(Keep::Long),  Some(Keep::Long)),
            ("anthropic.claude-haiku-4-5-20251001-v1:0",      Some(Keep::Long),  Some(Keep::Long)),
            ("eu.anthropic.claude-opus-4-1-20250805-v1:0",    Some(Keep::Short), Some(Keep::Short)),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0",    Some(Keep::Short), Some(Keep::Short)),
            ("anthropic.claude-opus-4-20250514-v1:0",         Some(Keep::Short), Some(Keep::Short)),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0",     Some(Keep::Short), Some(Keep::Short)),
            ("anthropic.claude-3-5-haiku-20241022-v1:0",      Some(Keep::Short), Some(Keep::Short)),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0",     Some(Keep::Short), Some(Keep::Short)),
            ("anthropic.claude-3-5-sonnet-20240620-v1:0",     None,              None),
            ("anthropic.claude-3-haiku-20240307-v1:0",        None,              None),
            ("anthropic.claude-3-opus-20240229-v1:0",         None,              None),
            ("anthropic.claude-v2:1",                         None,              None),
            ("us.amazon.nova-pro-v1:0",                       Some(Keep::Short), None),
            ("us.meta.llama4-maverick-17b-instruct-v1:0",     None,              None),
        ];
        for (name, turns, tools) in cases {
            let (model, wish) = (Model::of(name), Some(Keep::Long));
            assert_eq!((model.mark(wish), model.mark_of_tools(wish)), (turns, tools), "{name}");
            assert_eq!(model.mark(Some(Keep::Short)), turns.map(|_| Keep::Short), "{name}");
            assert_eq!(model.mark(None), None, "{name}");
        }
    }
}
