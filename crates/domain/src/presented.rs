//! Finding the one credential of a request among the places where clients put it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::credential::{MalformedKey, PlainKey};

/// Longest value that is looked at; a real credential is far shorter.
const VALUE_BYTES_MAX: usize = 512;

/// Where a credential may stand. Headers only; never the query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer …` or `Authorization: Basic …`.
    Authorization,
    /// `x-api-key`, `api-key` or `x-goog-api-key`: the key alone.
    Header,
}

/// Why a request has no usable credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCredential {
    /// No place holds anything.
    #[error("You did not provide an API key.")]
    Missing,
    /// What stands there is not a key of ours.
    #[error("The API key is malformed.")]
    Malformed,
    /// Two places hold different credentials: which one is meant must not be guessed.
    #[error("The request carries more than one credential.")]
    Ambiguous,
}

/// Reads the credential of a request from all the places that hold a value.
///
/// The same key in several places counts once. Two different keys, or one good and one bad value,
/// are [`NoCredential::Ambiguous`]; where no value is a key, there is nothing to choose from.
pub fn credential<'a>(
    values: impl Iterator<Item = (Place, &'a [u8])>,
) -> Result<PlainKey, NoCredential> {
    let mut found: Option<Result<PlainKey, MalformedKey>> = None;
    for (place, value) in values {
        let next = parse(place, value);
        found = Some(match (found, next) {
            (None, next) => next,
            (Some(Ok(first)), Ok(next)) if first.is_same(&next) => Ok(first),
            (Some(Err(MalformedKey)), Err(MalformedKey)) => Err(MalformedKey),
            (Some(_), _) => return Err(NoCredential::Ambiguous),
        });
    }
    found.ok_or(NoCredential::Missing)?.map_err(|MalformedKey| NoCredential::Malformed)
}

fn parse(place: Place, value: &[u8]) -> Result<PlainKey, MalformedKey> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(MalformedKey);
    }
    match place {
        Place::Header => PlainKey::parse(value.trim_ascii()),
        Place::Authorization => parse_authorization(value.trim_ascii()),
    }
}

fn parse_authorization(value: &[u8]) -> Result<PlainKey, MalformedKey> {
    let cut = value.iter().position(|b| *b == b' ').ok_or(MalformedKey)?;
    let (scheme, rest) = value.split_at_checked(cut).ok_or(MalformedKey)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        PlainKey::parse(rest)
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        parse_basic(rest)
    } else {
        Err(MalformedKey)
    }
}

/// Clients write base64 in both alphabets, padded and not; each is unambiguous for a given text.
fn parse_basic(value: &[u8]) -> Result<PlainKey, MalformedKey> {
    let decoded = [&STANDARD, &URL_SAFE, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
        .into_iter()
        .find_map(|engine| engine.decode(value).ok())
        .map(Zeroizing::new)
        .ok_or(MalformedKey)?;
    let cut = decoded.iter().position(|b| *b == b':').ok_or(MalformedKey)?;
    let (user, rest) = decoded.split_at_checked(cut).ok_or(MalformedKey)?;
    PlainKey::from_parts(user, rest.strip_prefix(b":").ok_or(MalformedKey)?)
}
