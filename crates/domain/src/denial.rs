//! Why a call is refused before it leaves.

use crate::bounds::BoundOf;
use crate::limit::LimitKind;

/// Every reason to refuse a call. The text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Missing, malformed, unknown, or a wrong secret: one answer for all, probes learn nothing.
    #[error("Incorrect API key provided.")]
    InvalidKey,
    /// Its time is over.
    #[error("This API key has expired.")]
    Expired,
    /// A newer secret has taken its place, and the overlap is over.
    #[error("This secret of the API key was replaced by a new one.")]
    SecretReplaced,
    /// Switched off, reversibly.
    #[error("This API key is disabled.")]
    Disabled,
    /// Ended for good.
    #[error("This API key has been revoked.")]
    Revoked,
    /// Its user or service account is disabled or gone.
    #[error("The owner of this API key is not active.")]
    OwnerInactive,
    /// Not from here.
    #[error("This API key may not be used from this address.")]
    AddressRefused,
    /// Not from this web page, or not from outside of one.
    #[error("This API key may not be used from this web page.")]
    OriginRefused,
    /// The key may not do this at all.
    #[error("This API key lacks the scope for this request.")]
    InsufficientScope,
    /// Unknown, or not on the key's list: the same answer for both.
    #[error("The model does not exist or this API key has no access to it.")]
    ModelNotFound,
    /// A rate limit is reached.
    #[error("Rate limit of {of} reached.")]
    RateLimited {
        /// Whose.
        of: BoundOf,
        /// What was counted.
        kind: LimitKind,
        /// Microseconds until it is worth another try.
        retry_after_us: u64,
    },
    /// As many calls as allowed are in flight.
    #[error("Too many concurrent requests for {0}.")]
    TooManyConcurrent(BoundOf),
    /// A budget has nothing left.
    #[error("The budget of {0} is spent.")]
    BudgetSpent(BoundOf),
    /// What is left of a budget is held by calls in flight.
    #[error("The rest of the budget of {0} is held by calls in flight; try again in a moment.")]
    BudgetHeld(BoundOf),
}
