//! What an answer says that it used, in the words of its dialect.

use doorward_dialect::{Dialect, anthropic, google};
use doorward_domain::usage::Usage;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};
use serde_json::value::RawValue;

/// What an answer has said until now.
#[derive(Debug)]
pub(super) enum Told {
    /// The last usage counts.
    OpenAi(Option<Usage>),
    /// A stream tells the input at its beginning and the output at its end.
    Anthropic { told: anthropic::UsageTold, is_final: bool },
    /// Every piece tells the usage until then.
    Google(Option<Usage>),
}

impl Told {
    pub(super) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi => Self::OpenAi(None),
            Dialect::Anthropic => {
                Self::Anthropic { told: anthropic::UsageTold::default(), is_final: false }
            }
            Dialect::Google => Self::Google(None),
        }
    }

    /// The member that holds it in a whole answer.
    pub(super) const fn member(&self) -> &'static str {
        match self {
            Self::OpenAi(_) | Self::Anthropic { .. } => "usage",
            Self::Google(_) => "usageMetadata",
        }
    }

    /// Takes the value of that member.
    pub(super) fn take(&mut self, json: &[u8]) {
        match self {
            Self::OpenAi(usage) => *usage = parse(json),
            Self::Anthropic { told, is_final } => {
                told.take_json(json);
                *is_final = true;
            }
            Self::Google(usage) => *usage = google::read_usage(json),
        }
    }

    /// Takes the data of an event. Whether there is a usage in it and nothing else: only OpenAI's dialect
    /// has such events, the chunk with empty `choices` that a client gets only when it asks for it.
    pub(super) fn take_event(&mut self, json: &[u8]) -> bool {
        match self {
            Self::OpenAi(usage) => {
                let Some((said, is_bare)) = parse_event(json) else { return false };
                *usage = Some(said);
                is_bare
            }
            Self::Anthropic { told, is_final } => {
                let Ok(event) = serde_json::from_slice::<AnthropicEvent<'_>>(json) else {
                    return false;
                };
                let of_message = event.message.and_then(|message| message.usage);
                if let Some(usage) = event.usage.or(of_message) {
                    told.take_json(usage.get().as_bytes());
                }
                *is_final |= event.usage.is_some();
                false
            }
            Self::Google(usage) => {
                let event = serde_json::from_slice::<GoogleEvent<'_>>(json).ok();
                let said = event.and_then(|event| event.usage_metadata);
                *usage = said.and_then(|said| google::read_usage(said.get().as_bytes())).or(*usage);
                false
            }
        }
    }

    /// The usage; `None`: nothing was said.
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::OpenAi(usage) | Self::Google(usage) => *usage,
            Self::Anthropic { told, .. } => told.usage(),
        }
    }

    /// Whether what was said is of the answer's beginning only.
    pub(super) const fn is_partial(&self) -> bool {
        match self {
            Self::OpenAi(_) => false,
            Self::Anthropic { is_final, .. } => !*is_final,
            // Pieces may tell the input alone, until the last one.
            Self::Google(usage) => matches!(usage, Some(Usage { output_tokens: 0, .. })),
        }
    }
}

/// `message_start` has the usage in its message, `message_delta` beside it.
#[derive(Deserialize)]
struct AnthropicEvent<'a> {
    #[serde(borrow)]
    message: Option<AnthropicMessage<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnthropicMessage<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoogleEvent<'a> {
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
}

/// Chat and completions say `prompt_tokens` and `completion_tokens`, Responses says `input_tokens`
/// and `output_tokens`; some servers say both.
/// Source: <https://platform.openai.com/docs/api-reference/chat/object>, `…/responses/object`.
#[derive(Deserialize)]
struct Raw {
    prompt_tokens: Option<Tokens>,
    input_tokens: Option<Tokens>,
    completion_tokens: Option<Tokens>,
    output_tokens: Option<Tokens>,
    prompt_tokens_details: Option<Details>,
    input_tokens_details: Option<Details>,
    completion_tokens_details: Option<Details>,
    output_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<Tokens>,
    reasoning_tokens: Option<Tokens>,
}

/// A count as some server wrote it: never negative here, whatever it says.
struct Tokens(u64);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokensVisitor)
    }
}

struct TokensVisitor;

impl Visitor<'_> for TokensVisitor {
    type Value = Tokens;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Tokens, E> {
        Ok(Tokens(count))
    }

    /// Only what is negative comes here.
    fn visit_i64<E>(self, _negative: i64) -> Result<Tokens, E> {
        Ok(Tokens(0))
    }

    fn visit_f64<E>(self, count: f64) -> Result<Tokens, E> {
        Ok(Tokens(whole(count)))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates: negative and not-a-number become 0, huge the maximum"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

impl Raw {
    fn into_usage(self) -> Option<Usage> {
        let input = self.prompt_tokens.or(self.input_tokens);
        let output = self.completion_tokens.or(self.output_tokens);
        if input.is_none() && output.is_none() {
            return None;
        }
        let count = |tokens: Option<Tokens>| tokens.map_or(0, |tokens| tokens.0);
        let cached = self.prompt_tokens_details.or(self.input_tokens_details);
        let reasoning = self.completion_tokens_details.or(self.output_tokens_details);
        let usage = Usage {
            input_tokens: count(input),
            cached_input_tokens: count(cached.and_then(|details| details.cached_tokens)),
            cache_write_tokens: 0,
            output_tokens: count(output),
            reasoning_tokens: count(reasoning.and_then(|details| details.reasoning_tokens)),
        };
        Some(usage.bounded())
    }
}

/// Reads the value of a `usage` member. `None`: it is null, or says nothing.
fn parse(json: &[u8]) -> Option<Usage> {
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
fn parse_event(json: &[u8]) -> Option<(Usage, bool)> {
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
    fn a_stream_tells_its_usage_as_its_dialect_does() {
        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
        let delta = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":30}}"#;
        let part =
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":1}}"#;
        let last = r#"{"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":20,"thoughtsTokenCount":10}}"#;
        let chunk = r#"{"choices":[],"usage":{"prompt_tokens":25,"completion_tokens":30}}"#;
        #[rustfmt::skip]
        let cases: [(_, &[&str], _, _); 8] = [
            (Dialect::Anthropic, &[start],                       Some((25, 1)),  true),
            (Dialect::Anthropic, &[start, r#"{"type":"ping"}"#], Some((25, 1)),  true),
            (Dialect::Anthropic, &[start, delta],                Some((25, 30)), false),
            (Dialect::Google,    &[part],                        Some((25, 1)),  false),
            (Dialect::Google,    &[r#"{"usageMetadata":{"promptTokenCount":25}}"#], Some((25, 0)), true),
            (Dialect::Google,    &[part, r#"{"x":1}"#, last],    Some((25, 30)), false),
            (Dialect::OpenAi,    &[chunk],                       Some((25, 30)), false),
            (Dialect::OpenAi,    &[start],                       None,           false),
        ];
        for (dialect, events, expected, is_partial) in cases {
            let mut told = Told::new(dialect);
            for event in events {
                let is_bare = told.take_event(event.as_bytes());
                assert_eq!(is_bare, *event == chunk, "{event}");
            }
            let found = told.usage().map(|usage| (usage.input_tokens, usage.output_tokens));
            assert_eq!(
                (found, told.is_partial()),
                (expected, is_partial),
                "{dialect:?} {events:?}"
            );
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
