//! A response: whole, or as far as it has come.

use doorward_domain::usage::Usage;
use serde::Serialize;

use super::echo::Echo;
use super::output::{Item, Kind, Output, Status};
use crate::answer::{Answer, Choice, Face, Finish};
use crate::fault::{Fault, FaultKind};
use crate::openai::answer::unsayable;
use crate::openai::{fault, finish};
use crate::request::{Content, Part};

#[derive(Debug, Serialize)]
pub(super) struct Response<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created_at: i64,
    pub(super) status: Status,
    pub(super) error: Option<ErrorOut<'a>>,
    pub(super) incomplete_details: Option<Incomplete>,
    pub(super) model: &'a str,
    pub(super) output: &'a [Item],
    pub(super) previous_response_id: Option<()>,
    pub(super) store: bool,
    #[serde(flatten)]
    pub(super) echo: &'a Echo,
    pub(super) usage: Option<UsageOut>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct ErrorOut<'a> {
    pub(super) code: &'static str,
    pub(super) message: &'a str,
}

impl<'a> ErrorOut<'a> {
    pub(super) fn of(fault: &'a Fault<'_>) -> Self {
        let code = fault::code_of(fault.kind).unwrap_or(match fault.kind {
            FaultKind::BadRequest | FaultKind::Conflict => "invalid_prompt",
            FaultKind::ContextTooLong
            | FaultKind::ContentRefused
            | FaultKind::Unauthenticated
            | FaultKind::Billing
            | FaultKind::Forbidden
            | FaultKind::NotFound
            | FaultKind::TooLarge
            | FaultKind::RateLimited
            | FaultKind::Server
            | FaultKind::Unavailable
            | FaultKind::Overloaded
            | FaultKind::Timeout => "server_error",
        });
        Self { code, message: &fault.message }
    }
}

/// Why there is not more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Incomplete {
    reason: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct UsageOut {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for UsageOut {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            input_tokens_details: InputDetails { cached_tokens: usage.cached_input_tokens },
            output_tokens: usage.output_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning_tokens },
            total_tokens: usage.total_tokens(),
        }
    }
}

/// How an answer ended. `has_refusal`: it says that, and why.
pub(super) fn ended(
    finish: &Finish<'_>,
    has_refusal: bool,
) -> Result<(Status, Option<Incomplete>), Fault<'static>> {
    let incomplete = |reason| Ok((Status::Incomplete, Some(Incomplete { reason })));
    match finish {
        Finish::End | Finish::Stop(_) | Finish::Calls => Ok((Status::Completed, None)),
        Finish::OutputFull | Finish::ContextFull => incomplete("max_output_tokens"),
        Finish::Refused(_) if has_refusal => Ok((Status::Completed, None)),
        Finish::Refused(_) | Finish::Filtered => incomplete("content_filter"),
        Finish::Broken(word) => Err(finish::broken(word)),
    }
}

/// The provider's name of the answer, or our id of the call.
pub(super) fn response_id(id: &str, call: &str) -> String {
    let id = if id.is_empty() { call } else { id };
    if id.starts_with("resp_") { id.to_owned() } else { format!("resp_{id}") }
}

/// Writes the body of a response: the first answer, as this form cannot ask for several. `asked`: the body
/// of the request. An answer that is broken, or that holds what a response cannot carry, is an error.
pub fn write_answer(
    answer: &Answer<'_>,
    face: &Face<'_>,
    asked: &[u8],
) -> Result<Vec<u8>, Fault<'static>> {
    let Some(choice) = answer.choices.first() else { return Err(finish::broken("")) };
    let mut output = Output::new(face.call);
    for part in &choice.parts {
        add(part, &mut output)?;
    }
    let has_refusal = refuse(choice, &mut output);
    let (status, incomplete_details) = ended(&choice.finish, has_refusal)?;
    let last = output.items().len().saturating_sub(1);
    for item in 0..output.items().len() {
        output.end(item, if item == last { status } else { Status::Completed });
    }
    let response = Response {
        id: &response_id(&answer.id, face.call),
        object: "response",
        created_at: face.created_s,
        status,
        error: None,
        incomplete_details,
        model: face.model,
        output: output.items(),
        previous_response_id: None,
        store: false,
        echo: &Echo::of(asked),
        usage: answer.usage.map(UsageOut::from),
    };
    // Texts, numbers and JSON that was read are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&response).unwrap_or_default())
}

fn add(part: &Part<'_>, output: &mut Output) -> Result<(), Fault<'static>> {
    let (kind, words) = match &part.content {
        Content::Text(text) => (Kind::Text, text),
        Content::Refusal(text) => (Kind::Refusal, text),
        Content::Thought(thought) => (Kind::Thought, &thought.text),
        Content::Call(call) => {
            let item = output.call(&call.id, &call.name, call.seal.as_ref());
            output.add_arguments(item, call.arguments.get());
            return Ok(());
        }
        Content::Image(_) => return Err(unsayable("a picture")),
        Content::Audio(_) => return Err(unsayable("a sound")),
        Content::Document { .. } => return Err(unsayable("a file")),
        Content::Outcome(_) => return Err(unsayable("the result of a call")),
    };
    say(kind, words, output);
    Ok(())
}

fn say(kind: Kind, words: &str, output: &mut Output) {
    if words.is_empty() {
        return;
    }
    if !output.takes(kind) {
        output.begin_item(kind);
    }
    if !output.goes_on(kind) {
        output.begin_piece(kind);
    }
    output.say(words);
}

/// Says why the model refused, if nothing says so yet. Whether anything does then.
fn refuse(choice: &Choice<'_>, output: &mut Output) -> bool {
    let is_refusal = |part: &Part<'_>| matches!(part.content, Content::Refusal(_));
    let has_refusal = choice.parts.iter().any(is_refusal);
    let Finish::Refused(Some(why)) = &choice.finish else { return has_refusal };
    if !has_refusal {
        say(Kind::Refusal, why, output);
    }
    true
}
