//! The `usage` object of the OpenAI dialect, in both of its spellings.

use doorward_dialect::count::Count;
use doorward_domain::usage::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Chat and completions say `prompt_tokens` and `completion_tokens`, Responses says `input_tokens`
/// and `output_tokens`; some servers say both.
/// Source: <https://platform.openai.com/docs/api-reference/chat/object>, `…/responses/object`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    prompt_tokens: Count,
    input_tokens: Count,
    completion_tokens: Count,
    output_tokens: Count,
    prompt_tokens_details: Option<Details>,
    input_tokens_details: Option<Details>,
    completion_tokens_details: Option<Details>,
    output_tokens_details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    reasoning_tokens: Count,
}

impl Raw {
    fn into_usage(self) -> Option<Usage> {
        let input = self.prompt_tokens.0.or(self.input_tokens.0);
        let output = self.completion_tokens.0.or(self.output_tokens.0);
        if input.is_none() && output.is_none() {
            return None;
        }
        let cached = self.prompt_tokens_details.or(self.input_tokens_details);
        let reasoning = self.completion_tokens_details.or(self.output_tokens_details);
        let usage = Usage {
            input_tokens: input.unwrap_or_default(),
            cached_input_tokens: cached.unwrap_or_default().cached_tokens.or_zero(),
            cache_write_tokens: 0,
            output_tokens: output.unwrap_or_default(),
            reasoning_tokens: reasoning.unwrap_or_default().reasoning_tokens.or_zero(),
        };
        Some(usage.bounded())
    }
}

/// Reads the value of a `usage` member. `None`: it is null, or says nothing.
pub(crate) fn parse(json: &[u8]) -> Option<Usage> {
    let raw: Option<Raw> = serde_json::from_slice(json).ok()?;
    raw?.into_usage()
}

/// One event of a stream, as far as metering needs it.
#[derive(Deserialize)]
struct Event {
    usage: Option<Raw>,
    response: Option<Response>,
    choices: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct Response {
    usage: Option<Raw>,
}

/// The usage in one event, and whether the event carries nothing else (the chunk with empty
/// `choices` that a client gets only when it asks for it).
pub(crate) fn parse_event(json: &[u8]) -> Option<(Usage, bool)> {
    let event: Event = serde_json::from_slice(json).ok()?;
    let is_bare = event.choices.as_ref().is_some_and(Vec::is_empty);
    let raw = event.usage.or_else(|| event.response.and_then(|response| response.usage));
    raw?.into_usage().map(|usage| (usage, is_bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_gives_the_same_figures() {
        let expected = Usage {
            input_tokens: 25,
            cached_input_tokens: 5,
            cache_write_tokens: 0,
            output_tokens: 30,
            reasoning_tokens: 7,
        };
        let cases = [
            r#"{"prompt_tokens":25,"completion_tokens":30,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":7}}"#,
            r#"{"input_tokens":25,"output_tokens":30,"input_tokens_details":{"cached_tokens":5},"output_tokens_details":{"reasoning_tokens":7}}"#,
            r#"{"prompt_tokens":25.0,"input_tokens":25,"completion_tokens":30,"output_tokens":30,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":7,"x":1}}"#,
        ];
        for json in cases {
            assert_eq!(parse(json.as_bytes()), Some(expected), "{json}");
        }
    }

    #[test]
    fn nonsense_is_bounded_and_never_negative() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"prompt_tokens":-5,"completion_tokens":1}"#,      Some((0, 1))),
            (r#"{"prompt_tokens":1e18,"completion_tokens":null}"#, Some((1 << 40, 0))),
            (r#"{"prompt_tokens":0,"completion_tokens":0}"#,       Some((0, 0))),
            (r#"{"prompt_tokens":"many"}"#,                        None),
            (r#"{"prompt_tokens":"7","completion_tokens":[]}"#,    Some((7, 0))),
            ("null",                                               None),
            ("{}",                                                 None),
        ];
        for (json, expected) in cases {
            let found =
                parse(json.as_bytes()).map(|usage| (usage.input_tokens, usage.output_tokens));
            assert_eq!(found, expected, "{json}");
        }
    }
}
