//! The reader and the writer of a dialect that is known at run time only.

use crate::answer::{Answer, Face};
use crate::event::Event;
use crate::fault::Fault;
use crate::google::{Framing, Place};
use crate::request::Request;
use crate::unsupported::{Leave, Malformed, Untranslatable};
use crate::{Dialect, Target, anthropic, bedrock, google, openai};

/// What a stream's client wants besides its dialect.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// OpenAI dialect: a last chunk tells the usage.
    pub wants_usage: bool,
    /// Google dialect: how the pieces are put one after the other.
    pub framing: Framing,
}

impl Dialect {
    /// Reads a request. `place`: what a request of Google's dialect has in its path; the others have it in
    /// their body.
    pub fn read_request<'a>(
        self,
        body: &'a [u8],
        place: Place<'a>,
    ) -> Result<Request<'a>, Malformed> {
        match self {
            Self::OpenAi => openai::read_request(body),
            Self::Anthropic => anthropic::read_request(body),
            Self::Google => google::read_request(body, place),
        }
    }

    /// Writes a request for a deployment that speaks so.
    pub fn write_request(
        self,
        request: &Request<'_>,
        to: &Target<'_>,
        leave: &mut Leave,
    ) -> Result<Vec<u8>, Untranslatable> {
        match self {
            Self::OpenAi => openai::write_request(request, to, leave),
            Self::Anthropic => anthropic::write_request(request, to, leave),
            Self::Google => google::write_request(request, to, leave),
        }
    }

    /// Reads a whole answer.
    pub fn read_answer(self, body: &[u8]) -> Result<Answer<'_>, Malformed> {
        match self {
            Self::OpenAi => openai::read_answer(body),
            Self::Anthropic => anthropic::read_answer(body),
            Self::Google => google::read_answer(body),
        }
    }

    /// Writes a whole answer for a client; what the model's provider could not read is a fault.
    pub fn write_answer(
        self,
        answer: &Answer<'_>,
        face: &Face<'_>,
    ) -> Result<Vec<u8>, Fault<'static>> {
        match self {
            Self::OpenAi => openai::write_answer(answer, face),
            Self::Anthropic => anthropic::write_answer(answer, face),
            Self::Google => google::write_answer(answer, face),
        }
    }

    /// Reads the body of an answer with this error status; any body.
    pub fn read_fault(self, status: u16, body: &[u8]) -> Fault<'_> {
        match self {
            Self::OpenAi => openai::read_fault(status, body),
            Self::Anthropic => anthropic::read_fault(status, body),
            Self::Google => google::read_fault(status, body),
        }
    }

    /// Writes the body of an error for a client. `call`: our id of the call.
    pub fn write_fault(self, fault: &Fault<'_>, status: u16, call: &str) -> Vec<u8> {
        match self {
            Self::OpenAi => openai::write_fault(fault, status, call),
            Self::Anthropic => anthropic::write_fault(fault, status, call),
            Self::Google => google::write_fault(fault, status, call),
        }
    }

    /// Reads a stream from its beginning.
    pub fn stream_reader(self) -> StreamReader {
        match self {
            Self::OpenAi => StreamReader::OpenAi(openai::StreamReader::new()),
            Self::Anthropic => StreamReader::Anthropic(anthropic::StreamReader::new()),
            Self::Google => StreamReader::Google(google::StreamReader::new()),
        }
    }

    /// Writes a stream from its beginning.
    pub fn stream_writer(self, face: &Face<'_>, manner: Manner) -> StreamWriter {
        match self {
            Self::OpenAi => {
                StreamWriter::OpenAi(openai::StreamWriter::new(face, manner.wants_usage))
            }
            Self::Anthropic => StreamWriter::Anthropic(anthropic::StreamWriter::new(face)),
            Self::Google => StreamWriter::Google(google::StreamWriter::new(face, manner.framing)),
        }
    }
}

/// Reads the stream of one answer.
#[derive(Debug)]
pub enum StreamReader {
    /// As OpenAI has it.
    OpenAi(openai::StreamReader),
    /// As Anthropic has it.
    Anthropic(anthropic::StreamReader),
    /// As Google has it.
    Google(google::StreamReader),
    /// As Amazon Bedrock has it.
    Bedrock(bedrock::StreamReader),
}

impl StreamReader {
    /// Reads the data of one server-sent event.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<Vec<Event<'a>>, Malformed> {
        match self {
            Self::OpenAi(reader) => reader.read(data),
            Self::Anthropic(reader) => reader.read(data),
            Self::Google(reader) => reader.read(data),
            Self::Bedrock(reader) => reader.read(data),
        }
    }

    /// The connection has ended: what stands for the end where the dialect has no mark for it. Without an
    /// [`Event::End`] the answer was cut.
    pub fn end(&mut self) -> Result<Vec<Event<'static>>, Malformed> {
        match self {
            Self::OpenAi(reader) => reader.end(),
            Self::Anthropic(_) | Self::Bedrock(_) => Ok(Vec::new()),
            Self::Google(reader) => Ok(reader.finish()),
        }
    }
}

/// Writes the stream of one answer.
#[derive(Debug)]
pub enum StreamWriter {
    /// As OpenAI has it.
    OpenAi(openai::StreamWriter),
    /// As Anthropic has it.
    Anthropic(anthropic::StreamWriter),
    /// As Google has it.
    Google(google::StreamWriter),
    /// A response, as OpenAI has it.
    Responses(openai::responses::StreamWriter),
    /// The output of a prompt.
    Inference(openai::inference::StreamWriter),
}

impl StreamWriter {
    /// Appends what an event is there: whole frames, or nothing yet.
    pub fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::OpenAi(writer) => writer.write(event, out),
            Self::Anthropic(writer) => writer.write(event, out),
            Self::Google(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
            Self::Inference(writer) => writer.write(event, out),
        }
    }
}
