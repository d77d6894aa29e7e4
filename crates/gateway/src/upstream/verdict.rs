//! What an answer with the status of an error says of its deployment.

use doorward_dialect::fault::FaultKind;
use doorward_dialect::{Provider as Speech, bedrock};
use jiff::Timestamp;

use super::{Again, Answer, retry_after};
use crate::health::Fault;

/// The deployment answered that it does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) again: Again,
    /// What it is to be blamed for.
    pub(crate) fault: Fault,
}

impl Answer {
    /// `None`: it is the answer. A provider that says that it is too busy (429, 503, or 529 as some have it) did
    /// nothing.
    pub(crate) fn verdict(&self, speech: Speech, now: Timestamp) -> Option<Verdict> {
        let rest = || retry_after(&self.headers, now);
        if speech == Speech::Bedrock
            && let Some(verdict) = self.verdict_of_bedrock(now)
        {
            return Some(verdict);
        }
        let (again, fault) = match self.status.as_u16() {
            429 => (Again::Anywhere, Fault::RateLimited(rest())),
            503 | 529 => (Again::Anywhere, Fault::Deployment(rest())),
            500.. => (Again::Elsewhere, Fault::Deployment(None)),
            _ => return None,
        };
        Some(Verdict { again, fault })
    }

    /// What it says in a way of its own: 408 of a model that was too slow, and 424 of one that failed, which
    /// elsewhere are about what the client asked; and by a name, that a model is not there yet (429) or that the
    /// account has had its share (400).
    fn verdict_of_bedrock(&self, now: Timestamp) -> Option<Verdict> {
        let rest = || retry_after(&self.headers, now);
        let kind = self.error_name().and_then(bedrock::kind_of_name);
        let (again, fault) = match (self.status.as_u16(), kind) {
            (408 | 424, _) => (Again::Elsewhere, Fault::Deployment(None)),
            (429, Some(FaultKind::Overloaded)) => (Again::Anywhere, Fault::Deployment(rest())),
            (400, Some(FaultKind::RateLimited)) => (Again::WithAnother, Fault::RateLimited(rest())),
            _ => return None,
        };
        Some(Verdict { again, fault })
    }

    /// What Amazon calls the error.
    pub(crate) fn error_name(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(name, _)| *name == bedrock::ERROR_NAME)?.1.to_str().ok()
    }
}
