//! Between a client and a deployment that speak in different ways.
//!
//! The request is translated for each deployment, the answer on its way back. What the meter reads is
//! what the provider wrote, so that a translation can change no bill.

mod count;
mod embedding;
mod stream;

use bytes::Bytes;
use doorward_dialect::answer::Face;
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::google::Place;
use doorward_dialect::unsupported::{Extra, Leave, Untranslatable};
use doorward_dialect::{Client, Dialect, Provider, Target};
use http::StatusCode;

use crate::ask::Ask;
use crate::error::ProxyError;
use crate::route::Work;

pub(crate) use stream::StreamTranslation;

/// The largest answer that is gathered before it is translated.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Who does not understand whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Between {
    pub(crate) client: Client,
    pub(crate) provider: Provider,
}

/// A request, as one deployment is to be asked.
pub(crate) struct Translated {
    pub(crate) body: Bytes,
    /// What the client let us leave out and was left out, by its names.
    pub(crate) left: Vec<String>,
}

/// Says a client's request in a deployment's dialect. `bound`: what one answer must be bound to, where a
/// budget relies on it.
pub(crate) fn request(
    ask: &Ask<'_>,
    to: (Provider, &Target<'_>),
    bound: Option<u64>,
) -> Result<Translated, ProxyError> {
    let mut leave = Leave::new(ask.may_be_dropped.clone());
    let body = match ask.call.work() {
        Work::Embedding => embedding::request(ask, to, &mut leave),
        Work::Count => count::request(ask, to, &mut leave),
        Work::Chat
        | Work::Completion
        | Work::Response
        | Work::Prompt
        // None of these is asked in another way than its own.
        | Work::Moderation
        | Work::Picture
        | Work::Speech
        | Work::Transcript
        | Work::Ranking => {
            turn(ask, to, bound, &mut leave)
        }
    };
    let body = body.map_err(told)?;
    Ok(Translated { body: body.into(), left: leave.left().to_vec() })
}

fn turn(
    ask: &Ask<'_>,
    (provider, to): (Provider, &Target<'_>),
    bound: Option<u64>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    let mut request = to.from.read_request(ask.body(), place(ask))?;
    keep_our_own(&mut request.extras);
    if let Some(bound) = bound {
        request.output_tokens_max = Some(request.output_tokens_max.unwrap_or(bound).min(bound));
    }
    provider.write_request(&request, to, leave)
}

/// What is in the path of a request of Google's dialect.
fn place<'a>(ask: &'a Ask<'_>) -> Place<'a> {
    Place { model: &ask.model, is_stream: ask.is_stream }
}

/// One field is meant for us, and for no provider.
fn keep_our_own(extras: &mut Vec<Extra>) {
    extras.retain(|extra| extra.path != Ask::DROP);
}

fn told(error: Untranslatable) -> ProxyError {
    match error {
        Untranslatable::Malformed(malformed) => ProxyError::BadRequest(malformed.to_string()),
        Untranslatable::Unsupported(path) => ProxyError::Unsupported(path),
    }
}

/// Says a provider's whole answer as the client wants it.
pub(crate) fn answer(
    between: Between,
    body: &[u8],
    ask: &Ask<'_>,
    face: &Face<'_>,
) -> Result<Bytes, Fault<'static>> {
    let said = match ask.call.work() {
        Work::Embedding => embedding::answer(between, body, ask),
        Work::Count => count::answer(between, body),
        Work::Chat
        | Work::Completion
        | Work::Response
        | Work::Prompt
        // None of these is asked in another way than its own.
        | Work::Moderation
        | Work::Picture
        | Work::Speech
        | Work::Transcript
        | Work::Ranking => {
            let answer = between.provider.read_answer(body);
            let answer = answer.map_err(|error| broken(&error.to_string()))?;
            between.client.write_answer(&answer, face, ask.body())
        }
    };
    said.map(Bytes::from)
}

/// Says a provider's error as the client wants it. `name`: what a header calls it.
pub(crate) fn error(
    between: Between,
    (status, dialect): (StatusCode, Dialect),
    (name, body): (Option<&str>, &[u8]),
    call: &str,
) -> (Bytes, Option<u64>) {
    let fault = between.provider.read_fault(status.as_u16(), name, body);
    let status = self::status(status, dialect).as_u16();
    (between.client.write_fault(&fault, status, call).into(), fault.retry_after_s)
}

/// The status of a provider's error as the client's dialect has it: only Anthropic's knows 529.
pub(crate) fn status(status: StatusCode, client: Dialect) -> StatusCode {
    match client {
        Dialect::OpenAi | Dialect::Google if status.as_u16() == 529 => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Dialect::OpenAi | Dialect::Google | Dialect::Anthropic => status,
    }
}

fn broken(why: &str) -> Fault<'static> {
    tracing::warn!(why, "a provider's answer cannot be translated");
    Fault {
        kind: FaultKind::Unavailable,
        message: "The upstream's answer cannot be read.".into(),
        retry_after_s: None,
    }
}
