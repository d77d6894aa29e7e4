//! An answer of a provider with Google's dialect, whole or in pieces: each piece has the form of a whole one.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::{Answer, Choice, Finish};
use crate::google::finish::{self, Holds};
use crate::google::media::{plain_media_type, sort};
use crate::google::{ids, no_arguments, usage};
use crate::request::{Call, Content, Part, Seal, Source, Thought};
use crate::unsupported::Malformed;
use crate::{Json, Text};

/// A text that is borrowed where it can be; serde does so only in a type of its own.
#[derive(Debug, Default, Deserialize)]
pub(in crate::google) struct Words<'a>(#[serde(borrow)] pub(in crate::google) Text<'a>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::google) struct Body<'a> {
    #[serde(borrow)]
    pub(in crate::google) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, alias = "prompt_feedback")]
    pub(in crate::google) prompt_feedback: Option<Feedback<'a>>,
    #[serde(alias = "usage_metadata")]
    pub(in crate::google) usage_metadata: Option<usage::Said>,
    #[serde(borrow, alias = "response_id")]
    pub(in crate::google) response_id: Option<Words<'a>>,
    /// Not an answer at all.
    #[serde(borrow)]
    pub(in crate::google) error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::google) struct Feedback<'a> {
    #[serde(borrow, alias = "block_reason")]
    block_reason: Option<Words<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::google) struct Candidate<'a> {
    #[serde(borrow)]
    pub(in crate::google) content: Option<Said<'a>>,
    #[serde(borrow, alias = "finish_reason")]
    pub(in crate::google) finish_reason: Option<Words<'a>>,
    pub(in crate::google) index: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(in crate::google) struct Said<'a> {
    #[serde(borrow)]
    pub(in crate::google) parts: Option<Vec<Piece<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::google) struct Piece<'a> {
    #[serde(borrow)]
    text: Option<Words<'a>>,
    thought: Option<bool>,
    #[serde(borrow, alias = "thought_signature")]
    thought_signature: Option<Words<'a>>,
    #[serde(borrow, alias = "function_call")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, alias = "inline_data")]
    inline_data: Option<Blob<'a>>,
}

#[derive(Debug, Deserialize)]
struct FunctionCall<'a> {
    #[serde(borrow)]
    id: Option<Words<'a>>,
    #[serde(borrow)]
    name: Words<'a>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    #[serde(borrow, alias = "mime_type")]
    mime_type: Words<'a>,
    #[serde(borrow)]
    data: Words<'a>,
}

/// What a piece is.
#[derive(Debug)]
pub(in crate::google) enum Kind<'a> {
    Text(Text<'a>),
    Thought(Text<'a>),
    Call(Call<'a>),
    Media(Content<'a>),
    /// Something of Google's own tools, which nobody here can have asked for.
    Unknown,
}

impl<'a> Body<'a> {
    /// Reads a whole answer or a piece of one.
    pub(in crate::google) fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let wrong = |_| malformed("body", "is no answer of this dialect");
        serde_json::from_slice(data).map_err(wrong)
    }

    /// Whether the prompt was refused; there is no answer then.
    pub(in crate::google) fn is_blocked(&self) -> bool {
        let feedback = self.prompt_feedback.as_ref();
        let reason = feedback.and_then(|feedback| feedback.block_reason.as_ref());
        reason.is_some_and(|reason| !reason.0.is_empty())
    }
}

pub(in crate::google) fn malformed(path: &str, why: &'static str) -> Malformed {
    Malformed { path: path.to_owned(), why: why.into() }
}

/// Where a call stands in an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::google) struct Place<'p> {
    /// The answer's name.
    pub(in crate::google) answer: &'p str,
    pub(in crate::google) choice: usize,
    pub(in crate::google) call: usize,
}

impl<'a> Piece<'a> {
    /// Takes it apart: what it is, and its seal. The call has its seal in itself, too.
    pub(in crate::google) fn open(
        self,
        place: Place<'_>,
    ) -> Result<(Kind<'a>, Option<Seal<'a>>), Malformed> {
        let seal = self.thought_signature.filter(|seal| !seal.0.is_empty());
        let seal = seal.map(|seal| Seal::Google(seal.0));
        let kind = if let Some(call) = self.function_call {
            let call = call.read(place, seal.clone())?;
            return Ok((Kind::Call(call), None));
        } else if let Some(blob) = self.inline_data {
            let media_type = plain_media_type(blob.mime_type.0);
            let source = Source::Inline { media_type: media_type.clone(), data: blob.data.0 };
            Kind::Media(sort(source, &media_type, None))
        } else {
            match (self.text, self.thought == Some(true)) {
                (Some(text), true) => Kind::Thought(text.0),
                (Some(text), false) => Kind::Text(text.0),
                (None, _) if seal.is_some() => Kind::Text("".into()),
                (None, _) => Kind::Unknown,
            }
        };
        Ok((kind, seal))
    }
}

impl<'a> FunctionCall<'a> {
    fn read(self, place: Place<'_>, seal: Option<Seal<'a>>) -> Result<Call<'a>, Malformed> {
        let arguments = self.args.map_or_else(no_arguments, Json::Borrowed);
        if !arguments.get().starts_with('{') {
            let path = format!("candidates[{}].content.parts[].functionCall.args", place.choice);
            return Err(malformed(&path, "must be an object"));
        }
        let name = self.name.0;
        let given = self.id.filter(|id| !id.0.is_empty());
        let made = || {
            ids::of_answer(place.answer, place.choice, place.call, &name, arguments.get()).into()
        };
        let id = given.map_or_else(made, |id| id.0);
        Ok(Call { id, name, arguments, seal })
    }
}

/// Reads a whole answer. A prompt that was blocked is an answer that the filter stopped.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let body = Body::parse(body)?;
    if body.error.is_some() {
        return Err(malformed("error", "stands where an answer should be"));
    }
    let is_blocked = body.is_blocked();
    let id = body.response_id.unwrap_or_default().0;
    let candidates = body.candidates.unwrap_or_default();
    let mut choices = Vec::with_capacity(candidates.len().max(1));
    if candidates.is_empty() {
        if !is_blocked {
            return Err(malformed("candidates", "is missing"));
        }
        choices.push(Choice { parts: Vec::new(), finish: Finish::Filtered });
    }
    for (at, candidate) in candidates.into_iter().enumerate() {
        choices.push(choice(candidate, at, &id)?);
    }
    let usage = body.usage_metadata.and_then(usage::Said::into_usage);
    Ok(Answer { id, choices, usage })
}

fn choice<'a>(candidate: Candidate<'a>, at: usize, id: &str) -> Result<Choice<'a>, Malformed> {
    let mut parts = Vec::new();
    let mut calls = 0;
    for piece in candidate.content.and_then(|said| said.parts).unwrap_or_default() {
        let (kind, seal) = piece.open(Place { answer: id, choice: at, call: calls })?;
        calls += usize::from(matches!(kind, Kind::Call(_)));
        push(kind, seal, &mut parts);
    }
    let holds = Holds { is_something: !parts.is_empty(), is_calls: calls > 0 };
    let word = candidate.finish_reason.unwrap_or_default().0;
    Ok(Choice { parts, finish: finish::read(&word, holds) })
}

/// The seal of a text stands before it, as a thought without words.
fn push<'a>(kind: Kind<'a>, seal: Option<Seal<'a>>, parts: &mut Vec<Part<'a>>) {
    let mut add = |content| parts.push(Part { content, cache: None });
    let alone = |seal| Content::Thought(Thought { text: "".into(), seal: Some(seal) });
    match kind {
        Kind::Thought(text) if text.is_empty() && seal.is_none() => {}
        Kind::Thought(text) => add(Content::Thought(Thought { text, seal })),
        Kind::Call(call) => add(Content::Call(call)),
        Kind::Text(text) => {
            seal.map(alone).into_iter().for_each(&mut add);
            if !text.is_empty() {
                add(Content::Text(text));
            }
        }
        Kind::Media(content) => {
            seal.map(alone).into_iter().for_each(&mut add);
            add(content);
        }
        Kind::Unknown => {}
    }
}
