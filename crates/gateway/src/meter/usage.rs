//! What an answer says that it used, and where it ends, in the words of its dialect.

use doorward_dialect::{Dialect, Provider, anthropic, bedrock, google, openai};
use doorward_domain::usage::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// What an answer has said until now.
#[derive(Debug)]
pub(super) enum Told {
    /// The last usage counts. `has_unit`: it tells how much of what is no tokens there was.
    OpenAi { usage: Option<Usage>, has_unit: bool },
    /// A stream tells the input at its beginning and the output at its end. The output that it tells at
    /// its beginning, too, is that of a token or so which then comes.
    Anthropic { told: anthropic::UsageTold, is_final: bool },
    /// Every piece tells the usage until then.
    Google { usage: Option<Usage>, candidates: Candidates },
    /// The last event tells it.
    Bedrock(Option<Usage>),
}

/// Which of the answers of a stream are over, by their positions.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    seen: u64,
    finished: u64,
    is_blocked: bool,
}

/// What one event tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub(super) struct Said {
    /// There is a usage in it and nothing else, as in the last event of Bedrock's, and in the chunk of OpenAI's
    /// with empty `choices` that a client gets only when it asks for it.
    pub(super) is_bare: bool,
    /// It tells the output until here.
    pub(super) has_output: bool,
    /// Google's dialect, which has no mark for the end: each answer that was begun is over.
    pub(super) is_end: bool,
}

impl Told {
    pub(super) fn new(provider: impl Into<Provider>) -> Self {
        match provider.into() {
            Provider::Dialect(Dialect::OpenAi) => Self::OpenAi { usage: None, has_unit: false },
            Provider::Dialect(Dialect::Anthropic) => {
                Self::Anthropic { told: anthropic::UsageTold::default(), is_final: false }
            }
            Provider::Dialect(Dialect::Google) => {
                Self::Google { usage: None, candidates: Candidates::default() }
            }
            Provider::Bedrock => Self::Bedrock(None),
        }
    }

    /// The member that holds it in a whole answer.
    pub(super) const fn member(&self) -> &'static str {
        match self {
            Self::OpenAi { .. } | Self::Anthropic { .. } | Self::Bedrock(_) => "usage",
            Self::Google { .. } => "usageMetadata",
        }
    }

    /// Takes the value of that member.
    pub(super) fn take(&mut self, json: &[u8]) {
        match self {
            Self::OpenAi { usage, .. } => *usage = openai::read_usage(json),
            Self::Anthropic { told, is_final } => {
                told.take_json(json);
                *is_final = true;
            }
            Self::Google { usage, .. } => *usage = google::read_usage(json),
            Self::Bedrock(usage) => *usage = bedrock::read_usage(json),
        }
    }

    /// Whether an event without a usage must be taken, too.
    pub(super) const fn wants_all(&self) -> bool {
        matches!(self, Self::Google { .. })
    }

    /// Takes the data of an event.
    pub(super) fn take_event(&mut self, json: &[u8]) -> Said {
        match self {
            Self::OpenAi { usage, has_unit } => {
                let Some((said, is_bare, raw)) = parse_event(json) else { return Said::default() };
                *usage = Some(said);
                // What is told of chats is tokens, and read with every event that some servers send.
                *has_unit = said.total_tokens() == 0 && openai::tells_unit(raw.get().as_bytes());
                let has_output = is_bare || said.output_tokens > 0;
                Said { is_bare, has_output, ..Said::default() }
            }
            Self::Anthropic { told, is_final } => {
                let event: Option<AnthropicEvent<'_>> = serde_json::from_slice(json).ok();
                let Some(event) = event else { return Said::default() };
                let has_output = event.usage.is_some();
                *is_final |= has_output;
                let at_start = event.message.and_then(|message| message.usage);
                if let Some(usage) = event.usage.or(at_start) {
                    told.take_json(usage.get().as_bytes());
                }
                Said { has_output, ..Said::default() }
            }
            Self::Google { usage, candidates } => {
                let event: Option<GoogleEvent<'_>> = serde_json::from_slice(json).ok();
                let Some(event) = event else { return Said::default() };
                let said = event.usage_metadata;
                let said = said.and_then(|said| google::read_usage(said.get().as_bytes()));
                *usage = said.or(*usage);
                candidates.take(&event);
                Said {
                    has_output: said.is_some_and(|said| said.output_tokens > 0),
                    is_end: candidates.are_over(),
                    is_bare: false,
                }
            }
            Self::Bedrock(usage) => {
                let event: Option<BedrockEvent<'_>> = serde_json::from_slice(json).ok();
                let said = event.and_then(|event| event.metadata?.usage);
                let said = said.and_then(|said| bedrock::read_usage(said.get().as_bytes()));
                *usage = said.or(*usage);
                Said { is_bare: said.is_some(), has_output: said.is_some(), is_end: false }
            }
        }
    }

    /// Whether it was said how much of its unit was used, be it nothing.
    pub(super) const fn has_unit(&self) -> bool {
        matches!(self, Self::OpenAi { has_unit: true, .. })
    }

    /// The usage; `None`: nothing was said.
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::OpenAi { usage, .. } | Self::Google { usage, .. } | Self::Bedrock(usage) => {
                *usage
            }
            Self::Anthropic { told, is_final: true } => told.usage(),
            Self::Anthropic { told, is_final: false } => {
                told.usage().map(|usage| Usage { output_tokens: 0, reasoning_tokens: 0, ..usage })
            }
        }
    }
}

impl Candidates {
    fn take(&mut self, event: &GoogleEvent<'_>) {
        for candidate in event.candidates.iter().flatten() {
            let mark = 1 << candidate.index.unwrap_or_default().min(63);
            self.seen |= mark;
            if candidate.finish_reason.is_some() {
                self.finished |= mark;
            }
        }
        let feedback = event.prompt_feedback.as_ref();
        self.is_blocked |= feedback.is_some_and(|feedback| feedback.block_reason.is_some());
    }

    const fn are_over(&self) -> bool {
        self.is_blocked || (self.seen != 0 && self.seen == self.finished)
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
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    index: Option<u64>,
    finish_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct BedrockEvent<'a> {
    #[serde(borrow)]
    metadata: Option<BedrockMetadata<'a>>,
}

#[derive(Deserialize)]
struct BedrockMetadata<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// One event of a stream of OpenAI's dialect; a response has its usage inside.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    choices: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Failed {
    error: Option<IgnoredAny>,
}

/// Whether an event is an error as a whole, in any dialect.
pub(super) fn is_error(json: &[u8]) -> bool {
    serde_json::from_slice(json).is_ok_and(|event: Failed| event.error.is_some())
}

/// The usage in one event, whether the event carries nothing else, and where it stands.
fn parse_event(json: &[u8]) -> Option<(Usage, bool, &RawValue)> {
    let event: Event<'_> = serde_json::from_slice(json).ok()?;
    let is_bare = event.choices.as_ref().is_some_and(Vec::is_empty);
    let raw = event.usage.or_else(|| event.response.and_then(|response| response.usage))?;
    openai::read_usage(raw.get().as_bytes()).map(|usage| (usage, is_bare, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_tells_its_usage_as_its_dialect_does() {
        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
        let delta = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":30}}"#;
        let part =
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":1}}"#;
        let last = r#"{"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":20,"thoughtsTokenCount":10}}"#;
        let chunk = r#"{"choices":[],"usage":{"prompt_tokens":25,"completion_tokens":30}}"#;
        let input = r#"{"usageMetadata":{"promptTokenCount":25}}"#;
        let part_of_chat = r#"{"choices":[{}],"usage":{"prompt_tokens":25,"completion_tokens":0}}"#;
        let response =
            r#"{"response":{"usage":{"input_tokens":25,"output_tokens":30}},"usage":null}"#;
        #[rustfmt::skip]
        let cases: [(_, &[&str], _, _); 10] = [
            // dialect           events                          usage           the last tells the output
            (Dialect::Anthropic, &[start],                       Some((25, 0)),  false),
            (Dialect::Anthropic, &[start, r#"{"type":"ping"}"#], Some((25, 0)),  false),
            (Dialect::Anthropic, &[start, delta],                Some((25, 30)), true),
            (Dialect::Google,    &[part],                        Some((25, 1)),  true),
            (Dialect::Google,    &[input],                       Some((25, 0)),  false),
            (Dialect::Google,    &[part, r#"{"x":1}"#, last],    Some((25, 30)), true),
            (Dialect::OpenAi,    &[chunk],                       Some((25, 30)), true),
            (Dialect::OpenAi,    &[part_of_chat],                Some((25, 0)),  false),
            (Dialect::OpenAi,    &[response],                    Some((25, 30)), true),
            (Dialect::OpenAi,    &[start],                       None,           false),
        ];
        for (dialect, events, expected, has_output) in cases {
            let mut told = Told::new(dialect);
            let mut said = Said::default();
            for event in events {
                said = told.take_event(event.as_bytes());
                assert_eq!(said.is_bare, *event == chunk, "{event}");
            }
            let found = told.usage().map(|usage| (usage.input_tokens, usage.output_tokens));
            assert_eq!((found, said.has_output), (expected, has_output), "{dialect:?} {events:?}");
        }
    }

    #[test]
    fn a_stream_tells_that_nothing_was_heard() {
        for (usage, expected) in [
            (r#"{"type":"duration","seconds":0}"#, true),
            (r#"{"input_tokens":0,"output_tokens":0}"#, false),
        ] {
            let mut told = Told::new(Dialect::OpenAi);
            let event = format!(r#"{{"type":"transcript.text.done","text":"","usage":{usage}}}"#);
            told.take_event(event.as_bytes());
            assert_eq!((told.usage(), told.has_unit()), (Some(Usage::default()), expected));
        }
    }

    #[test]
    fn a_stream_of_bedrock_tells_its_usage_in_its_last_event_and_nowhere_else() {
        let last = r#"{"metadata":{"usage":{"inputTokens":20,"cacheReadInputTokens":4,"cacheWriteInputTokens":1,"outputTokens":30,"totalTokens":55}}}"#;
        let text = r#"{"contentBlockDelta":{"delta":{"text":"x"},"metadata":{"usage":{"inputTokens":1}}}}"#;
        let mut told = Told::new(Provider::Bedrock);
        assert_eq!((told.take_event(text.as_bytes()), told.usage()), (Said::default(), None));
        let said = told.take_event(last.as_bytes());
        assert!(said.is_bare && said.has_output);
        let usage = told.usage().unwrap();
        let input = (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens);
        assert_eq!((input, usage.output_tokens), ((25, 4, 1), 30));
    }

    #[test]
    fn a_stream_of_google_is_over_when_all_that_it_began_is() {
        let piece = r#"{"candidates":[{"index":0}]}"#;
        let end = r#"{"candidates":[{"finishReason":"STOP"}]}"#;
        let other = r#"{"candidates":[{"index":1,"content":{"parts":[{"functionCall":{"args":{"finishReason":"x"}}}]}}]}"#;
        let other_end = r#"{"candidates":[{"index":1,"finishReason":"MAX_TOKENS"}]}"#;
        let blocked = r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#;
        #[rustfmt::skip]
        let cases: [(&[&str], bool); 7] = [
            (&[piece],                         false),
            (&[piece, end],                    true),
            (&[piece, other, end],             false),
            (&[piece, other, end, other_end],  true),
            (&[other],                         false),
            (&[blocked],                       true),
            (&[r#"{"usageMetadata":{}}"#],     false),
        ];
        for (events, expected) in cases {
            let mut told = Told::new(Dialect::Google);
            let said = events.iter().map(|event| told.take_event(event.as_bytes())).last();
            assert_eq!(said.unwrap().is_end, expected, "{events:?}");
        }
        let error = r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#;
        assert!(is_error(error.as_bytes()) && !is_error(other.as_bytes()));
        assert!(!is_error(br#"{"item":{"error":{}}}"#) && !is_error(br#"{"error":null}"#));
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
            let mut told = Told::new(Dialect::OpenAi);
            told.take(json.as_bytes());
            let found = told.usage().map(|usage| (usage.input_tokens, usage.output_tokens));
            assert_eq!(found, expected, "{json}");
        }
    }
}
