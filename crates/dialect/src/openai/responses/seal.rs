//! Where a client keeps what a Google model wants to see again with a call: where Google's own servers of
//! OpenAI's dialect have it.

use serde::Serialize;

use crate::request::Seal;

#[derive(Debug, Serialize)]
pub(super) struct SealOut {
    google: GoogleOut,
}

#[derive(Debug, Serialize)]
struct GoogleOut {
    thought_signature: String,
}

impl SealOut {
    /// `None`: it is worth nothing to Google.
    pub(super) fn of(seal: &Seal<'_>) -> Option<Self> {
        match seal {
            Seal::Google(seal) => {
                Some(Self { google: GoogleOut { thought_signature: seal.to_string() } })
            }
            Seal::Anthropic(_) | Seal::AnthropicHidden(_) => None,
        }
    }
}
