//! Why an answer ended.

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::answer::Finish;
use crate::anthropic::json::Str;

/// As a provider tells it.
#[derive(Debug, Default)]
pub(in crate::anthropic) struct Ended<'a> {
    /// `stop_reason`.
    pub(in crate::anthropic) reason: Option<Str<'a>>,
    /// `stop_sequence`: the text that ended it.
    pub(in crate::anthropic) sequence: Option<Str<'a>>,
    /// `stop_details`, which only refusals have.
    pub(in crate::anthropic) details: Option<Details<'a>>,
}

/// What is said of a refusal.
#[derive(Debug, Deserialize)]
pub(in crate::anthropic) struct Details<'a> {
    #[serde(borrow, default)]
    explanation: Option<Str<'a>>,
}

/// What an answer holds, which says what its reason leaves open.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::anthropic) struct Said {
    pub(in crate::anthropic) anything: bool,
    pub(in crate::anthropic) calls: bool,
}

impl<'a> Ended<'a> {
    /// The same, kept beyond the event that tells it.
    pub(in crate::anthropic) fn into_owned(self) -> Ended<'static> {
        let own = |text: Option<Str<'a>>| text.map(|text| Str(text.0.into_owned().into()));
        Ended {
            reason: own(self.reason),
            sequence: own(self.sequence),
            details: self.details.map(|why| Details { explanation: own(why.explanation) }),
        }
    }

    /// The reason in no dialect. Whether there are calls is known from the calls.
    pub(in crate::anthropic) fn into_finish(self, said: Said) -> Finish<'a> {
        let text = |text: Option<Str<'a>>| text.map(|text| text.0).filter(|text| !text.is_empty());
        let sequence = text(self.sequence);
        let reason = self.reason.map(|reason| reason.0).unwrap_or_default();
        match &*reason {
            "max_tokens" => Finish::OutputFull,
            "model_context_window_exceeded" => Finish::ContextFull,
            "refusal" => Finish::Refused(self.details.and_then(|why| text(why.explanation))),
            "stop_sequence" => Finish::Stop(sequence),
            "end_turn" | "tool_use" if said.calls => Finish::Calls,
            // llama.cpp says `end_turn` where a text ended the answer.
            "end_turn" | "tool_use" => {
                sequence.map_or(Finish::End, |text| Finish::Stop(Some(text)))
            }
            _ if said.calls => Finish::Calls,
            _ if said.anything => Finish::End,
            _ => Finish::Broken(reason),
        }
    }
}

/// As we tell it.
#[derive(Debug, Serialize)]
pub(in crate::anthropic) struct Stop<'a> {
    #[serde(rename = "stop_reason")]
    reason: &'static str,
    #[serde(rename = "stop_sequence")]
    sequence: Option<&'a str>,
    #[serde(rename = "stop_details", skip_serializing_if = "Option::is_none")]
    details: Option<Refusal<'a>>,
}

#[derive(Debug, Serialize)]
struct Refusal<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'static str>,
    explanation: Option<&'a str>,
}

impl<'a> Stop<'a> {
    /// The reason in this dialect; `None`: there is no answer, only an error. That a text ended the answer is
    /// said only where it is known which.
    pub(in crate::anthropic) fn of(finish: &'a Finish<'_>) -> Option<Self> {
        let plain = |reason| Self { reason, sequence: None, details: None };
        Some(match finish {
            Finish::End | Finish::Stop(None) => plain("end_turn"),
            Finish::Stop(Some(text)) => Self { sequence: Some(text), ..plain("stop_sequence") },
            Finish::Calls => plain("tool_use"),
            Finish::OutputFull => plain("max_tokens"),
            Finish::ContextFull => plain("model_context_window_exceeded"),
            Finish::Refused(why) => Self::refusal(why.as_ref()),
            Finish::Filtered => Self::refusal(None),
            Finish::Broken(_) => return None,
        })
    }

    fn refusal(why: Option<&'a Text<'_>>) -> Self {
        let explanation = why.map(|why| &**why);
        let details = Refusal { kind: "refusal", category: None, explanation };
        Self { reason: "refusal", sequence: None, details: Some(details) }
    }
}
