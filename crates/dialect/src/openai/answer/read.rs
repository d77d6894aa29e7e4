//! From this dialect into the form.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/object>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::{Answer, Choice, Finish};
use crate::count::Count;
use crate::openai::fields::Path;
use crate::openai::wire::{Said, or_nothing};
use crate::openai::{finish, made_id, usage};
use crate::request::{Call, Content, Part, Seal, Thought};
use crate::unsupported::Malformed;
use crate::{Json, Text};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    id: Said<'a>,
    #[serde(borrow)]
    choices: Option<Vec<ChoiceIn<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceIn<'a> {
    #[serde(borrow)]
    message: Option<MessageIn<'a>>,
    #[serde(borrow, default)]
    finish_reason: Said<'a>,
    /// vLLM: the text that ended the answer; or the number of a token, which is none.
    #[serde(borrow, default)]
    stop_reason: Said<'a>,
}

/// What the model says: a message, or a piece of it in a stream.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::openai) struct MessageIn<'a> {
    #[serde(borrow)]
    pub(in crate::openai) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(in crate::openai) refusal: Said<'a>,
    /// Servers that show thoughts call them by one of two names, and some by both.
    #[serde(borrow)]
    reasoning_content: Said<'a>,
    #[serde(borrow)]
    reasoning: Said<'a>,
    #[serde(borrow)]
    pub(in crate::openai) tool_calls: Option<Vec<CallIn<'a>>>,
    /// The form of old.
    #[serde(borrow)]
    pub(in crate::openai) function_call: Option<FunctionIn<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::openai) struct CallIn<'a> {
    pub(in crate::openai) index: Count,
    #[serde(borrow)]
    pub(in crate::openai) id: Said<'a>,
    #[serde(borrow)]
    pub(in crate::openai) function: Option<FunctionIn<'a>>,
    #[serde(borrow)]
    pub(in crate::openai) extra_content: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::openai) struct FunctionIn<'a> {
    #[serde(borrow)]
    pub(in crate::openai) name: Said<'a>,
    /// A text; some servers write the object itself.
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// One of the pieces into which Mistral cuts its content.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PieceIn<'a> {
    #[serde(borrow)]
    text: Said<'a>,
    #[serde(borrow)]
    refusal: Said<'a>,
    #[serde(borrow)]
    thinking: Option<Vec<PieceIn<'a>>>,
}

/// What was said in words, never empty.
pub(in crate::openai) enum Spoken<'a> {
    Thought(Text<'a>),
    Text(Text<'a>),
    Refusal(Text<'a>),
}

/// Reads the body of an answer with a status of success. A body that tells of an error is [`Malformed`] at
/// `error`; [`read_fault`](crate::openai::read_fault) reads it then.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let read: Result<Body<'_>, _> = serde_json::from_slice(body);
    let body = read.map_err(|_| Path::Body.malformed("must be a chat completion"))?;
    if body.error.is_some_and(|error| error.get() != "null") {
        return Err(Path::Body.field("error").malformed("tells of an error"));
    }
    let path = Path::Body.field("choices");
    let choices = body.choices.ok_or_else(|| path.malformed("is missing"))?;
    if choices.is_empty() {
        return Err(path.malformed("must not be empty"));
    }
    let id = body.id.0.unwrap_or_default();
    let choices = choices.into_iter().enumerate();
    let choices = choices.map(|(at, choice)| read_choice(choice, &id, at, path.item(at)));
    let choices = choices.collect::<Result<_, _>>()?;
    Ok(Answer { id, choices, usage: usage::read(body.usage) })
}

fn read_choice<'a>(
    choice: ChoiceIn<'a>,
    id: &str,
    at: usize,
    path: Path<'_>,
) -> Result<Choice<'a>, Malformed> {
    let path = path.field("message");
    let mut message = choice.message.ok_or_else(|| path.malformed("is missing"))?;
    let mut parts: Vec<_> = message.spoken().into_iter().map(said_part).collect();
    let is_cut = choice.finish_reason.0.as_deref() == Some("length");
    let calls = calls(message, (id, at), is_cut, path)?;
    let said = finish::Said {
        anything: !parts.is_empty() || !calls.is_empty(),
        calls: !calls.is_empty(),
        refusal: parts.iter().any(|part| matches!(part.content, Content::Refusal(_))),
    };
    parts.extend(calls);
    let stop_text = choice.stop_reason.filled();
    let finish: Finish<'a> = finish::read(choice.finish_reason.filled(), stop_text, said);
    Ok(Choice { parts, finish })
}

const fn part(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}

fn said_part(spoken: Spoken<'_>) -> Part<'_> {
    part(match spoken {
        Spoken::Thought(text) => Content::Thought(Thought { text, seal: None }),
        Spoken::Text(text) => Content::Text(text),
        Spoken::Refusal(text) => Content::Refusal(text),
    })
}

impl<'a> MessageIn<'a> {
    /// The words in the order in which a model says them.
    pub(in crate::openai) fn spoken(&mut self) -> Vec<Spoken<'a>> {
        let thought = std::mem::take(&mut self.reasoning_content).filled();
        let thought = thought.or(std::mem::take(&mut self.reasoning).filled());
        let mut spoken: Vec<_> = thought.map(Spoken::Thought).into_iter().collect();
        if let Some(content) = self.content {
            if content.get().starts_with('[') {
                pieces(content, &mut spoken);
            } else {
                let text = or_nothing::<Said<'a>>(Some(content)).unwrap_or_default();
                spoken.extend(text.filled().map(Spoken::Text));
            }
        }
        let refusal = std::mem::take(&mut self.refusal).filled();
        spoken.extend(refusal.map(Spoken::Refusal));
        spoken
    }
}

fn pieces<'a>(content: &'a RawValue, spoken: &mut Vec<Spoken<'a>>) {
    let pieces: Vec<PieceIn<'a>> = or_nothing(Some(content)).unwrap_or_default();
    for piece in pieces {
        for thought in piece.thinking.unwrap_or_default() {
            spoken.extend(thought.text.filled().map(Spoken::Thought));
        }
        spoken.extend(piece.text.filled().map(Spoken::Text));
        spoken.extend(piece.refusal.filled().map(Spoken::Refusal));
    }
}

/// The calls of a message. Of an answer that was cut, the last one may be cut in its arguments, which
/// makes no call of it.
fn calls<'a>(
    message: MessageIn<'a>,
    whence: (&str, usize),
    is_cut: bool,
    path: Path<'_>,
) -> Result<Vec<Part<'a>>, Malformed> {
    let old = message.function_call.filter(|function| function.name.0.is_some());
    let old = old.map(|function| CallIn { function: Some(function), ..CallIn::default() });
    let path = path.field("tool_calls");
    let calls = message.tool_calls.unwrap_or_default().into_iter().chain(old);
    let mut parts = Vec::new();
    for (position, call) in calls.enumerate() {
        match read_call(call, whence, position, path.item(position)) {
            Ok(call) => parts.push(part(Content::Call(call))),
            Err(_) if is_cut => {}
            Err(malformed) => return Err(malformed),
        }
    }
    Ok(parts)
}

fn read_call<'a>(
    call: CallIn<'a>,
    (answer, choice): (&str, usize),
    position: usize,
    path: Path<'_>,
) -> Result<Call<'a>, Malformed> {
    let path = path.field("function");
    let function = call.function.ok_or_else(|| path.malformed("is missing"))?;
    let arguments = function.whole_arguments();
    let wrong = || path.field("arguments").malformed("must hold the JSON of an object");
    let arguments = arguments.ok_or_else(wrong)?;
    let name = function.name.filled();
    let name = name.ok_or_else(|| path.field("name").malformed("is missing"))?;
    let made = || made_id(answer, &[choice, position], &name).into();
    let id = call.id.filled().unwrap_or_else(made);
    Ok(Call { id, name, arguments, seal: google_seal(call.extra_content) })
}

impl<'a> FunctionIn<'a> {
    fn whole_arguments(&self) -> Option<Json<'a>> {
        let Some(json) = self.arguments else {
            return crate::openai::arguments("").map(Cow::Owned);
        };
        if json.get().starts_with('{') {
            return Some(Cow::Borrowed(json));
        }
        let text = serde_json::from_str::<Option<Said<'a>>>(json.get()).ok()?;
        let text = text.unwrap_or_default().0.unwrap_or_default();
        crate::openai::arguments(&text).map(Cow::Owned)
    }

    /// The arguments, or what is there of them.
    pub(in crate::openai) fn some_arguments(&self) -> Option<Text<'a>> {
        let json = self.arguments?;
        if json.get().starts_with('{') {
            return Some(Cow::Borrowed(json.get()));
        }
        serde_json::from_str::<Said<'a>>(json.get()).ok()?.filled()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside<'a> {
    #[serde(borrow)]
    google: Option<GoogleIn<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GoogleIn<'a> {
    #[serde(borrow)]
    thought_signature: Said<'a>,
}

/// What a Google model wants to see again with a call, in the place that Google's own servers of this
/// dialect give it.
pub(in crate::openai) fn google_seal(beside: Option<&RawValue>) -> Option<Seal<'_>> {
    let beside: Beside<'_> = or_nothing(beside)?;
    beside.google?.thought_signature.filled().map(Seal::Google)
}
