//! Between a client and a deployment that speak different dialects.
//!
//! The request is translated for each deployment, the answer on its way back. What the meter reads is
//! what the provider wrote, so that a translation can change no bill.

use bytes::Bytes;
use doorward_dialect::answer::Face;
use doorward_dialect::event::Event;
use doorward_dialect::fault::Fault;
use doorward_dialect::google::{Frames, Framing, Place};
use doorward_dialect::spoken::{Manner, StreamReader, StreamWriter};
use doorward_dialect::unsupported::{Leave, Malformed, Untranslatable};
use doorward_dialect::{Dialect, Target};
use doorward_domain::id::CallId;
use http::StatusCode;

use crate::ask::Ask;
use crate::error::{ProxyError, Told};
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
    let place = Place { model: &ask.model, is_stream: ask.is_stream };
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

/// Changes a stream, event by event, behind the meter: whole events come in, whole pieces go out.
#[derive(Debug)]
pub(crate) struct StreamTranslation {
    saying: Saying,
    framing: Framing,
    /// The client was told an end, or an error: nothing may follow.
    is_over: bool,
    has_failed: bool,
}

/// What becomes of the events.
#[derive(Debug)]
enum Saying {
    /// Another dialect.
    Dialect { reader: Box<StreamReader>, writer: Box<StreamWriter> },
    /// The same words, put one after the other in another way.
    Frames(Frames),
}

impl StreamTranslation {
    /// Between two dialects.
    pub(crate) fn new(
        (client, provider): (Dialect, Dialect),
        face: &Face<'_>,
        manner: Manner,
    ) -> Self {
        let reader = Box::new(provider.stream_reader());
        let writer = Box::new(client.stream_writer(face, manner));
        Self::of(Saying::Dialect { reader, writer }, manner.framing)
    }

    /// Into one list of JSON.
    pub(crate) fn into_list() -> Self {
        Self::of(Saying::Frames(Frames::new(Framing::List)), Framing::List)
    }

    const fn of(saying: Saying, framing: Framing) -> Self {
        Self { saying, framing, is_over: false, has_failed: false }
    }

    /// Takes whole events, and gives what the client is to see.
    pub(crate) fn push(&mut self, events: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(events.len());
        for data in event_data(events) {
            if !self.is_over {
                self.translate(&data, &mut out);
            }
        }
        out.into()
    }

    fn translate(&mut self, data: &[u8], out: &mut Vec<u8>) {
        match &mut self.saying {
            Saying::Frames(frames) => frames.put(data, out),
            Saying::Dialect { reader, .. } => {
                let read = reader.read(data);
                self.write(read, out);
            }
        }
    }

    /// What is left when the provider has ended its stream.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if self.is_over {
            return Bytes::new();
        }
        match &mut self.saying {
            Saying::Frames(frames) => {
                frames.close(&mut out);
                self.is_over = true;
            }
            Saying::Dialect { reader, .. } => {
                let left = reader.end();
                self.write(left, &mut out);
            }
        }
        out.into()
    }

    fn write(&mut self, read: Result<Vec<Event<'_>>, Malformed>, out: &mut Vec<u8>) {
        let events = read.unwrap_or_else(|error| vec![Event::Fault(broken(&error.to_string()))]);
        let Saying::Dialect { writer, .. } = &mut self.saying else { return };
        for event in &events {
            self.has_failed |= matches!(event, Event::Fault(_));
            self.is_over |= matches!(event, Event::Fault(_) | Event::End);
            writer.write(event, out);
        }
    }

    /// The answer breaks off: how the client is told. Nothing where it was told an end or an error before.
    pub(crate) fn break_off(&mut self, told: &Told, (client, call): (Dialect, CallId)) -> Bytes {
        if std::mem::replace(&mut self.is_over, true) {
            return Bytes::new();
        }
        let mut out = Vec::new();
        match &mut self.saying {
            _ if self.framing == Framing::Events => return told.event(client, call),
            Saying::Frames(frames) => {
                frames.put(&told.body(client, call), &mut out);
                frames.close(&mut out);
            }
            Saying::Dialect { writer, .. } => writer.write(&Event::Fault(told.fault()), &mut out),
        }
        out.into()
    }

    /// Whether the client was told that it went wrong, or the provider's answer made no sense.
    pub(crate) const fn has_failed(&self) -> bool {
        self.has_failed
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
