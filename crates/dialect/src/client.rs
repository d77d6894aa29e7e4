//! How clients speak: in a dialect, or in a form in which no provider is asked.

use crate::answer::{Answer, Face};
use crate::fault::Fault;
use crate::google::Place;
use crate::openai::{inference, responses};
use crate::request::Request;
use crate::spoken::{Manner, StreamWriter};
use crate::unsupported::{Feature, Malformed};
use crate::{Dialect, openai};

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// As providers do.
    Dialect(Dialect),
    /// `POST /v1/responses`, as OpenAI has it.
    Responses,
    /// `POST /v1/inference`: a prompt, and its output.
    Inference,
}

impl From<Dialect> for Client {
    fn from(dialect: Dialect) -> Self {
        Self::Dialect(dialect)
    }
}

impl Client {
    /// The field that holds the conversation.
    pub(crate) const fn turns(self) -> &'static str {
        match self {
            Self::Dialect(dialect) => dialect.turns(),
            Self::Responses => responses::TURNS,
            Self::Inference => inference::TURNS,
        }
    }

    /// What such a client calls a feature: a field of the body, or of a turn's piece.
    pub(crate) const fn name_of(self, feature: Feature) -> &'static str {
        match self {
            Self::Dialect(dialect) => dialect.name_of(feature),
            Self::Responses => responses::name_of(feature),
            Self::Inference => openai::name_of(feature),
        }
    }

    /// Reads a request. `place`: what a request of Google's dialect has in its path; the others have it in
    /// their body.
    pub fn read_request<'a>(
        self,
        body: &'a [u8],
        place: Place<'a>,
    ) -> Result<Request<'a>, Malformed> {
        match self {
            Self::Dialect(dialect) => dialect.read_request(body, place),
            Self::Responses => responses::read_request(body),
            Self::Inference => inference::read_request(body),
        }
    }

    /// Writes a whole answer; what the model's provider could not read is a fault. `asked`: the body of the
    /// request, parts of which a response repeats.
    pub fn write_answer(
        self,
        answer: &Answer<'_>,
        face: &Face<'_>,
        asked: &[u8],
    ) -> Result<Vec<u8>, Fault<'static>> {
        match self {
            Self::Dialect(dialect) => dialect.write_answer(answer, face),
            Self::Responses => responses::write_answer(answer, face, asked),
            Self::Inference => inference::write_answer(answer, face),
        }
    }

    /// Writes the body of an error. `call`: our id of the call.
    pub fn write_fault(self, fault: &Fault<'_>, status: u16, call: &str) -> Vec<u8> {
        match self {
            Self::Dialect(dialect) => dialect.write_fault(fault, status, call),
            Self::Responses | Self::Inference => openai::write_fault(fault, status, call),
        }
    }

    /// Writes a stream from its beginning. `asked`: as for a whole answer.
    pub fn stream_writer(self, face: &Face<'_>, manner: Manner, asked: &[u8]) -> StreamWriter {
        match self {
            Self::Dialect(dialect) => dialect.stream_writer(face, manner),
            Self::Responses => StreamWriter::Responses(responses::StreamWriter::new(face, asked)),
            Self::Inference => StreamWriter::Inference(inference::StreamWriter::new(face)),
        }
    }
}
