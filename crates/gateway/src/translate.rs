//! Between a client and a deployment that speak different dialects.
//!
//! The request is translated for each deployment, the answer on its way back. What the meter reads is
//! what the provider wrote, so that a translation can change no bill.

use bytes::Bytes;
use doorward_dialect::answer::Face;
use doorward_dialect::event::Event;
use doorward_dialect::fault::Fault;
use doorward_dialect::google::{Framing, Place};
use doorward_dialect::spoken::{Manner, StreamReader, StreamWriter};
use doorward_dialect::unsupported::{Leave, Malformed, Untranslatable};
use doorward_dialect::{Dialect, Target};

use http::StatusCode;

use crate::ask::Ask;
use crate::error::ProxyError;
use crate::meter::event_data;

/// The largest answer that is gathered before it is translated.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

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
    body: &[u8],
    (provider, to): (Dialect, &Target<'_>),
    bound: Option<u64>,
) -> Result<Translated, ProxyError> {
    let place = Place { model: &ask.model.value, is_stream: ask.is_stream };
    let mut request = to.from.read_request(body, place).map_err(|error| told(error.into()))?;
    // That one is meant for us.
    request.extras.retain(|extra| extra.path != Ask::DROP);
    let mut leave = Leave::new(ask.may_be_dropped.clone());
    if let Some(bound) = bound {
        request.output_tokens_max = Some(request.output_tokens_max.unwrap_or(bound).min(bound));
    }
    let body = provider.write_request(&request, to, &mut leave).map_err(told)?;
    Ok(Translated { body: body.into(), left: leave.left().to_vec() })
}

fn told(error: Untranslatable) -> ProxyError {
    match error {
        Untranslatable::Malformed(malformed) => ProxyError::BadRequest(malformed.to_string()),
        Untranslatable::Unsupported(path) => ProxyError::Unsupported(path),
    }
}

/// Says a provider's whole answer in the client's dialect.
pub(crate) fn answer(
    (client, provider): (Dialect, Dialect),
    body: &[u8],
    face: &Face<'_>,
) -> Result<Bytes, Fault<'static>> {
    let answer = provider.read_answer(body).map_err(|error| broken(&error.to_string()))?;
    client.write_answer(&answer, face).map(Bytes::from)
}

/// Says a provider's error in the client's dialect.
pub(crate) fn error(
    (client, provider): (Dialect, Dialect),
    (status, body): (u16, &[u8]),
    call: &str,
) -> (Bytes, Option<u64>) {
    let fault = provider.read_fault(status, body);
    (client.write_fault(&fault, status, call).into(), fault.retry_after_s)
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

/// Translates a stream, event by event, behind the meter: whole events come in, whole events go out.
#[derive(Debug)]
pub(crate) struct StreamTranslation {
    reader: StreamReader,
    writer: StreamWriter,
    /// The provider said its end, or an error: nothing may follow.
    is_over: bool,
}

impl StreamTranslation {
    pub(crate) fn new(
        (client, provider): (Dialect, Dialect),
        face: &Face<'_>,
        wants_usage: bool,
    ) -> Self {
        let manner = Manner { wants_usage, framing: Framing::Events };
        Self {
            reader: provider.stream_reader(),
            writer: client.stream_writer(face, manner),
            is_over: false,
        }
    }

    /// Takes whole events, and gives those that the client is to see.
    pub(crate) fn push(&mut self, events: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(events.len());
        for data in event_data(events) {
            self.translate(&data, &mut out);
        }
        out.into()
    }

    fn translate(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match self.reader.read(data) {
            Ok(events) => self.write(&events, out),
            Err(malformed) => self.fail(&malformed, out),
        }
    }

    fn fail(&mut self, malformed: &Malformed, out: &mut Vec<u8>) {
        self.write(&[Event::Fault(broken(&malformed.to_string()))], out);
    }

    /// What is left when the provider has ended its stream.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if !self.is_over {
            match self.reader.end() {
                Ok(events) => self.write(&events, &mut out),
                Err(malformed) => self.fail(&malformed, &mut out),
            }
        }
        out.into()
    }

    fn write(&mut self, events: &[Event<'_>], out: &mut Vec<u8>) {
        for event in events {
            self.is_over |= matches!(event, Event::Fault(_) | Event::End);
            self.writer.write(event, out);
        }
    }

    /// Whether the client was told an end, or an error.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }
}

fn broken(why: &str) -> Fault<'static> {
    tracing::warn!(why, "a provider's answer cannot be translated");
    Fault {
        kind: doorward_dialect::fault::FaultKind::Unavailable,
        message: "The upstream's answer cannot be read.".into(),
        retry_after_s: None,
    }
}
