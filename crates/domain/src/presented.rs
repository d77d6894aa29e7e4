//! Finding the one credential of a request among the places where clients put it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::credential::{MalformedKey, PlainKey};
use crate::token::BearerToken;

/// Longest value that is looked at for a key; a real one is far shorter.
const VALUE_BYTES_MAX: usize = 512;

/// The credential of a request.
#[derive(Debug)]
pub enum Presented {
    /// A key.
    Key(PlainKey),
    /// A token that stands for one.
    Token(BearerToken),
}

impl Presented {
    /// Whether both are the same credential.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Key(one), Self::Key(other)) => one.is_same(other),
            (Self::Token(one), Self::Token(other)) => one.is_same(other),
            (Self::Key(_), Self::Token(_)) | (Self::Token(_), Self::Key(_)) => false,
        }
    }

    /// HMAC-SHA-256 under the credential: what nobody can make or check who does not have it.
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Key(key) => key.mac(purpose, parts),
            Self::Token(token) => token.mac(purpose, parts),
        }
    }
}

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
/// The same credential in several places counts once. Two different ones, or one good and one bad
/// value, are [`NoCredential::Ambiguous`]; where no value is one, there is nothing to choose from.
pub fn credential<'a>(
    values: impl Iterator<Item = (Place, &'a [u8])>,
) -> Result<Presented, NoCredential> {
    let mut found: Option<Result<Presented, MalformedKey>> = None;
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

fn parse(place: Place, value: &[u8]) -> Result<Presented, MalformedKey> {
    match place {
        Place::Header => parse_one(value),
        Place::Authorization => parse_authorization(value.trim_ascii()),
    }
}

/// Reads a key or a token.
pub fn parse_one(value: &[u8]) -> Result<Presented, MalformedKey> {
    let text = value.trim_ascii();
    if BearerToken::is_meant(text) {
        return BearerToken::parse(text).map(Presented::Token).map_err(|_| MalformedKey);
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(MalformedKey);
    }
    PlainKey::parse(text).map(Presented::Key)
}

fn parse_authorization(value: &[u8]) -> Result<Presented, MalformedKey> {
    let cut = value.iter().position(|b| *b == b' ').ok_or(MalformedKey)?;
    let (scheme, rest) = value.split_at_checked(cut).ok_or(MalformedKey)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        parse_one(rest)
    } else if scheme.eq_ignore_ascii_case(b"basic") && rest.len() <= VALUE_BYTES_MAX {
        parse_basic(rest).map(Presented::Key)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::tests::minted;

    use Place::{Authorization, Header};

    fn read(values: &[(Place, String)]) -> Result<String, NoCredential> {
        let found = credential(values.iter().map(|(place, text)| (*place, text.as_bytes())));
        found.map(|presented| match presented {
            Presented::Key(key) => key.expose(),
            Presented::Token(token) => token.expose().to_owned(),
        })
    }

    fn basic(engine: &impl base64::Engine, text: &str) -> (Place, String) {
        (Authorization, format!("Basic {}", engine.encode(text)))
    }

    /// One key in each spelling and place; the prefix gives base64 that needs one, two, no `=`.
    fn all_spellings(key: &PlainKey) -> Vec<(Place, String)> {
        let (id, secret, whole) = (key.id(), key.expose_secret_key(), key.expose());
        let pair = format!("{id}:{secret}");
        vec![
            (Authorization, format!("Bearer {whole}")),
            (Authorization, format!("Bearer {pair}")),
            (Authorization, format!("bearer {whole}")),
            (Authorization, format!("BEARER   {whole} ")),
            (Authorization, format!("bAsIc {}", STANDARD.encode(&pair))),
            basic(&STANDARD, &pair),
            basic(&STANDARD_NO_PAD, &pair),
            basic(&URL_SAFE, &pair),
            basic(&URL_SAFE_NO_PAD, &pair),
            (Header, whole.clone()),
            (Header, format!(" {whole}\t")),
            (Header, pair),
        ]
    }

    #[test]
    fn every_spelling_in_every_place_is_read() {
        for prefix in ["dw", "skk", "acme", "sk-acme"] {
            let key = minted(prefix, 1);
            for value in all_spellings(&key) {
                assert_eq!(read(std::slice::from_ref(&value)), Ok(key.expose()), "{value:?}");
            }
        }
    }

    #[test]
    fn the_same_key_in_any_two_places_counts_once() {
        let key = minted("acme", 1);
        for first in all_spellings(&key) {
            for second in all_spellings(&key) {
                assert_eq!(read(&[first.clone(), second]), Ok(key.expose()));
            }
        }
    }

    #[test]
    fn the_same_key_in_every_place_at_once_counts_once() {
        let key = minted("dw", 1);
        assert_eq!(read(&all_spellings(&key)), Ok(key.expose()));
    }

    fn token(signature: u8) -> String {
        BearerToken::new("eyJ.eyJ", &[signature; 64]).unwrap().expose().to_owned()
    }

    #[test]
    fn a_token_is_read_wherever_a_key_is_but_as_a_password() {
        let places = |token: &str| {
            vec![
                (Authorization, format!("Bearer {token}")),
                (Authorization, format!("bearer  {token} ")),
                (Header, token.to_owned()),
                (Header, format!(" {token}")),
            ]
        };
        for value in places(&token(1)) {
            assert_eq!(read(std::slice::from_ref(&value)), Ok(token(1)), "{value:?}");
            for second in places(&token(1)) {
                assert_eq!(read(&[value.clone(), second]), Ok(token(1)));
            }
            for second in places(&token(2)).into_iter().chain(all_spellings(&minted("dw", 1))) {
                assert_eq!(read(&[value.clone(), second]), Err(NoCredential::Ambiguous));
            }
        }
        let password = basic(&STANDARD, &format!("dw_0123456789abcdef:{}", token(1)));
        for value in [password, (Authorization, token(1)), (Header, format!("{}.", token(1)))] {
            assert_eq!(read(std::slice::from_ref(&value)), Err(NoCredential::Malformed));
        }
    }

    #[test]
    fn two_different_keys_are_ambiguous() {
        for first in all_spellings(&minted("dw", 1)) {
            for second in all_spellings(&minted("dw", 2)) {
                assert_eq!(read(&[first.clone(), second]), Err(NoCredential::Ambiguous));
            }
        }
    }

    #[test]
    fn a_good_and_a_bad_value_are_ambiguous_in_either_order() {
        let good = || (Header, minted("dw", 1).expose());
        for bad in ["", "Bearer", "Bearer garbage", "Basic !", "Digest a=b"] {
            let bad = || (Authorization, bad.to_owned());
            for values in [vec![good(), bad()], vec![bad(), good()], vec![bad(), bad(), good()]] {
                assert_eq!(read(&values), Err(NoCredential::Ambiguous), "{values:?}");
            }
        }
    }

    #[test]
    fn the_same_wrong_key_in_two_places_is_malformed() {
        let values =
            [(Authorization, "Bearer sk-wrong".to_owned()), (Header, "sk-wrong".to_owned())];
        assert_eq!(read(&values), Err(NoCredential::Malformed));
    }

    #[test]
    fn no_value_at_all_is_missing() {
        assert_eq!(read(&[]), Err(NoCredential::Missing));
    }

    #[test]
    fn what_is_no_credential_of_ours_is_malformed() {
        let key = minted("dw", 1);
        let (id, secret, whole) = (key.id(), key.expose_secret_key(), key.expose());
        let cases = [
            (Authorization, String::new()),
            (Authorization, "Bearer".to_owned()),
            (Authorization, "Bearer ".to_owned()),
            (Authorization, whole.clone()), // no scheme
            (Authorization, format!("Bearer\t{whole}")),
            (Authorization, format!("Bearer{whole}")),
            (Authorization, format!("Bearer {whole} {whole}")),
            (Authorization, format!("Bearer {id} {secret}")),
            (Authorization, format!("Token {whole}")),
            (Authorization, format!("Basic {whole}")),
            (Authorization, "Basic ".to_owned()),
            (Authorization, "Basic ====".to_owned()),
            basic(&STANDARD, &whole), // no colon
            basic(&STANDARD, &format!("{whole}:")),
            basic(&STANDARD, &format!(":{secret}")),
            basic(&STANDARD, &format!("{id}:")),
            basic(&STANDARD, &format!("{id}:{secret}:")),
            basic(&STANDARD, &format!("{secret}:{id}")),
            (Header, String::new()),
            (Header, " ".to_owned()),
            (Header, format!("Bearer {whole}")),
            (Header, format!("{whole},{whole}")),
            (Header, format!("\"{whole}\"")),
            (Header, "sk-proj-0123456789abcdef".to_owned()),
        ];
        for value in cases {
            assert_eq!(
                read(std::slice::from_ref(&value)),
                Err(NoCredential::Malformed),
                "{value:?}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_malformed() {
        let value = [0xff; 69];
        let found = credential([(Header, value.as_slice())].into_iter());
        assert_eq!(found.err(), Some(NoCredential::Malformed));
    }

    #[test]
    fn a_value_beyond_the_bound_is_malformed_even_around_a_good_key() {
        let whole = minted("dw", 1).expose();
        let padded = |bytes: usize| (Header, format!("{whole:<bytes$}"));
        assert_eq!(read(&[padded(VALUE_BYTES_MAX)]), Ok(whole.clone()));
        assert_eq!(read(&[padded(VALUE_BYTES_MAX + 1)]), Err(NoCredential::Malformed));
    }
}
