//! From the form into this dialect.

use serde::Serialize;

use crate::answer::{Answer, Choice, Face, Finish};
use crate::fault::{Fault, FaultKind};
use crate::openai::{finish, usage};
use crate::request::{Call, Content, Part, Seal};

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Written>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: usize,
    message: MessageOut<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    /// Absent where there are none: clients look whether it is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
}

#[derive(Serialize)]
struct CallOut<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent<'a>>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Where a client keeps what a Google model wants to see again with a call.
#[derive(Debug, Serialize)]
pub(in crate::openai) struct ExtraContent<'a> {
    google: GoogleOut<'a>,
}

#[derive(Debug, Serialize)]
struct GoogleOut<'a> {
    thought_signature: &'a str,
}

impl<'a> ExtraContent<'a> {
    pub(in crate::openai) fn of(seal: Option<&'a Seal<'_>>) -> Option<Self> {
        match seal? {
            Seal::Google(seal) => Some(Self { google: GoogleOut { thought_signature: seal } }),
            Seal::Anthropic(_) | Seal::AnthropicHidden(_) => None,
        }
    }
}

/// Writes the body of an answer. An answer that is broken, or that holds what this dialect has no place
/// for in an answer, is an error.
pub fn write_answer(answer: &Answer<'_>, face: &Face<'_>) -> Result<Vec<u8>, Fault<'static>> {
    let choices = answer.choices.iter().enumerate();
    let choices = choices.map(|(index, choice)| write_choice(index, choice));
    let body = Body {
        id: answer_id(&answer.id, face),
        object: "chat.completion",
        created: face.created_s,
        model: face.model,
        choices: choices.collect::<Result<_, _>>()?,
        usage: answer.usage.map(usage::Written::from),
    };
    // Texts and numbers are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

/// The provider's name of the answer, or one that is made of the call's id here.
fn answer_id(id: &str, face: &Face<'_>) -> String {
    if id.is_empty() { format!("chatcmpl-{}", face.call) } else { id.to_owned() }
}

fn write_choice<'a>(index: usize, choice: &'a Choice<'_>) -> Result<ChoiceOut<'a>, Fault<'static>> {
    let mut words = Words::default();
    for part in &choice.parts {
        words.add(part)?;
    }
    if let Finish::Refused(Some(why)) = &choice.finish
        && words.refusal.is_empty()
    {
        words.refusal.push_str(why);
    }
    let said = finish::Said {
        anything: true,
        calls: !words.calls.is_empty(),
        refusal: !words.refusal.is_empty(),
    };
    let finish_reason = finish::write(&choice.finish, said)?;
    Ok(ChoiceOut { index, message: words.into_message(), logprobs: None, finish_reason })
}

/// What an answer says, gathered by its kinds.
#[derive(Default)]
struct Words<'a> {
    text: String,
    refusal: String,
    thought: String,
    calls: Vec<CallOut<'a>>,
}

impl<'a> Words<'a> {
    fn add(&mut self, part: &'a Part<'_>) -> Result<(), Fault<'static>> {
        match &part.content {
            Content::Text(text) => self.text.push_str(text),
            Content::Refusal(text) => self.refusal.push_str(text),
            Content::Thought(thought) => self.thought.push_str(&thought.text),
            Content::Call(call) => self.calls.push(write_call(call)),
            Content::Image(_) => return Err(unsayable("a picture")),
            Content::Audio(_) => return Err(unsayable("a sound")),
            Content::Document { .. } => return Err(unsayable("a file")),
            Content::Outcome(_) => return Err(unsayable("the result of a call")),
        }
        Ok(())
    }

    /// An answer that says nothing at all, as one that was cut while it thought, has an empty text: many
    /// clients expect one where there is no call.
    fn into_message(self) -> MessageOut<'a> {
        let is_silent =
            self.text.is_empty() && (!self.calls.is_empty() || !self.refusal.is_empty());
        MessageOut {
            role: "assistant",
            content: (!is_silent).then_some(self.text),
            refusal: Some(self.refusal).filter(|text| !text.is_empty()),
            reasoning_content: Some(self.thought).filter(|text| !text.is_empty()),
            tool_calls: self.calls,
        }
    }
}

fn write_call<'a>(call: &'a Call<'_>) -> CallOut<'a> {
    CallOut {
        id: &call.id,
        kind: "function",
        function: FunctionOut { name: &call.name, arguments: call.arguments.get() },
        extra_content: ExtraContent::of(call.seal.as_ref()),
    }
}

/// The model said what this dialect has no place for.
pub(in crate::openai) fn unsayable(what: &str) -> Fault<'static> {
    Fault {
        kind: FaultKind::Server,
        message: format!(
            "The model answered with {what}, which an answer of this kind cannot carry."
        )
        .into(),
        retry_after_s: None,
    }
}
