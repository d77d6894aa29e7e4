//! From the form between the dialects into this one.

use doorward_domain::usage::Usage;
use serde::Serialize;

use crate::answer::{Answer, Choice, Face, Finish};
use crate::fault::Fault;
use crate::openai::answer::unsayable;
use crate::openai::finish::{self, Said};
use crate::request::Content;

/// An answer, or a piece of one.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub(super) id: &'a str,
    pub(super) model: &'a str,
    pub(super) output: &'a str,
    /// Why it ended, in the words of a chat completion: without it a cut answer would look like a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<UsageOut>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names")]
pub(super) struct UsageOut {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for UsageOut {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens(),
        }
    }
}

/// Writes the body of an answer: of the first one, as this form cannot ask for several. What the model thought
/// is no part of its output.
pub fn write_answer(answer: &Answer<'_>, face: &Face<'_>) -> Result<Vec<u8>, Fault<'static>> {
    let Some(choice) = answer.choices.first() else { return Err(finish::broken("")) };
    let body = Body {
        id: if answer.id.is_empty() { face.call } else { &answer.id },
        model: face.model,
        output: &output(choice)?,
        finish_reason: Some(finish_reason(&choice.finish)?),
        usage: answer.usage.map(UsageOut::from),
    };
    // Texts and numbers are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

fn output(choice: &Choice<'_>) -> Result<String, Fault<'static>> {
    let mut output = String::new();
    for part in &choice.parts {
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => output.push_str(text),
            Content::Thought(_) => {}
            Content::Call(_) => return Err(unsayable("a call of a function")),
            Content::Image(_) => return Err(unsayable("a picture")),
            Content::Audio(_) => return Err(unsayable("a sound")),
            Content::Document { .. } => return Err(unsayable("a file")),
            Content::Outcome(_) => return Err(unsayable("the result of a call")),
        }
    }
    Ok(output)
}

/// A refusal is told as one: its words stand in the output, where nothing else tells them apart.
pub(super) fn finish_reason(finish: &Finish<'_>) -> Result<&'static str, Fault<'static>> {
    finish::write(finish, Said { anything: true, ..Said::default() })
}
