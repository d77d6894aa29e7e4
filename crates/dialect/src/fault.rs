//! What goes wrong with a provider, in no dialect.

use crate::Text;

/// An error that a provider tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault<'a> {
    /// What kind.
    pub kind: FaultKind,
    /// The provider's words, for the client.
    pub message: Text<'a>,
    /// After how many seconds to come again, where its body says so.
    pub retry_after_s: Option<u64>,
}

/// Kinds of errors, as far as the dialects tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request cannot be read, or asks for what is not possible.
    BadRequest,
    /// The conversation is longer than the model's window.
    ContextTooLong,
    /// The request is refused for what it says.
    ContentRefused,
    /// The provider does not know the credential.
    Unauthenticated,
    /// The account is out of money or of its quota.
    Billing,
    /// The credential may not do this.
    Forbidden,
    /// There is no such model, or no such thing.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// The request is too large.
    TooLarge,
    /// Too many requests or tokens in too short a time.
    RateLimited,
    /// The provider failed.
    Server,
    /// The provider is not there.
    Unavailable,
    /// The provider has too much to do.
    Overloaded,
    /// The provider did not manage in time.
    Timeout,
}

impl FaultKind {
    /// Each kind once, in the order above.
    pub const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::ContextTooLong,
        Self::ContentRefused,
        Self::Unauthenticated,
        Self::Billing,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::RateLimited,
        Self::Server,
        Self::Unavailable,
        Self::Overloaded,
        Self::Timeout,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_there_in_their_order() {
        let places = FaultKind::ALL.map(|kind| kind as usize);
        assert_eq!(places.to_vec(), (0..=FaultKind::Timeout as usize).collect::<Vec<_>>());
    }
}
