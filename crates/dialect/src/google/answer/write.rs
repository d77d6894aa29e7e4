//! An answer as a client of Google's dialect reads it.

use serde::Serialize;

use crate::answer::{Answer, Choice, Face};
use crate::fault::Fault;
use crate::google::said::{self, Piece, Said};
use crate::google::{finish, usage};
use crate::request::{Content, Part};

/// A whole answer, or a piece of one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::google) struct Body<'r> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::google) candidates: Vec<Candidate<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::google) usage_metadata: Option<usage::Told>,
    pub(in crate::google) model_version: &'r str,
    pub(in crate::google) response_id: &'r str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::google) struct Candidate<'r> {
    pub(in crate::google) content: Said<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::google) finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::google) finish_message: Option<&'r str>,
    pub(in crate::google) index: usize,
}

/// Who says what is in an answer.
pub(in crate::google) const MODEL: Option<&str> = Some("model");

/// Writes a whole answer. One that its provider could not read is an error.
pub fn write_answer(answer: &Answer<'_>, face: &Face<'_>) -> Result<Vec<u8>, Fault<'static>> {
    let choices = answer.choices.iter().enumerate();
    let candidates: Result<_, _> = choices.map(|(index, one)| candidate(index, one)).collect();
    let body = Body {
        candidates: candidates?,
        usage_metadata: answer.usage.map(usage::Told::from),
        model_version: face.model,
        response_id: if answer.id.is_empty() { face.call } else { &answer.id },
    };
    serde_json::to_vec(&body).map_err(|_| finish::broken_call())
}

fn candidate<'r>(index: usize, choice: &'r Choice<'_>) -> Result<Candidate<'r>, Fault<'static>> {
    let is_refusal = choice.parts.iter().any(|part| matches!(part.content, Content::Refusal(_)));
    if !choice.parts.iter().all(is_sound) {
        return Err(finish::broken_call());
    }
    let finish = finish::write(&choice.finish, is_refusal)?;
    // Only what stands here can be said of data; no model answers with an address.
    let parts = said::by_model(&choice.parts, |content| {
        Ok::<_, Fault<'static>>(match content {
            Content::Image(source) | Content::Audio(source) | Content::Document { source, .. } => {
                Piece::inline(source)
            }
            Content::Text(_)
            | Content::Refusal(_)
            | Content::Call(_)
            | Content::Outcome(_)
            | Content::Thought(_) => None,
        })
    })?;
    Ok(Candidate {
        content: Said { role: MODEL, parts },
        finish_reason: Some(finish.reason),
        finish_message: finish.message,
        index,
    })
}

/// The arguments of a call must be an object here.
fn is_sound(part: &Part<'_>) -> bool {
    !matches!(&part.content, Content::Call(call) if !call.arguments.get().starts_with('{'))
}
