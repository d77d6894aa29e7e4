//! How providers speak: in a dialect, or in a form in which no client asks.

use crate::answer::Answer;
use crate::fault::Fault;
use crate::request::Request;
use crate::spoken::StreamReader;
use crate::unsupported::{Leave, Malformed, Untranslatable};
use crate::{Dialect, Target, bedrock};

/// How a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// As clients do.
    Dialect(Dialect),
    /// `POST /model/{model}/converse`, as Amazon Bedrock has it.
    Bedrock,
}

impl From<Dialect> for Provider {
    fn from(dialect: Dialect) -> Self {
        Self::Dialect(dialect)
    }
}

impl Provider {
    /// Writes a request for a deployment that speaks so.
    pub fn write_request(
        self,
        request: &Request<'_>,
        to: &Target<'_>,
        leave: &mut Leave,
    ) -> Result<Vec<u8>, Untranslatable> {
        match self {
            Self::Dialect(dialect) => dialect.write_request(request, to, leave),
            Self::Bedrock => bedrock::write_request(request, to, leave),
        }
    }

    /// Reads a whole answer.
    pub fn read_answer(self, body: &[u8]) -> Result<Answer<'_>, Malformed> {
        match self {
            Self::Dialect(dialect) => dialect.read_answer(body),
            Self::Bedrock => bedrock::read_answer(body),
        }
    }

    /// Reads the body of an answer with this error status; any body. `name`: what the header
    /// [`ERROR_NAME`](bedrock::ERROR_NAME) says, which only Bedrock has.
    pub fn read_fault<'a>(self, status: u16, name: Option<&str>, body: &'a [u8]) -> Fault<'a> {
        match self {
            Self::Dialect(dialect) => dialect.read_fault(status, body),
            Self::Bedrock => bedrock::read_fault(status, name, body),
        }
    }

    /// Reads a stream from its beginning.
    pub fn stream_reader(self) -> StreamReader {
        match self {
            Self::Dialect(dialect) => dialect.stream_reader(),
            Self::Bedrock => StreamReader::Bedrock(bedrock::StreamReader::new()),
        }
    }
}
