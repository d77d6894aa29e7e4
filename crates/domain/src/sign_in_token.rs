//! Random texts that stand for a user: the token of a session, and that of a one-time link.
//!
//! One is `dws_<secret>` or `dwl_<secret>`, where `<secret>` is as that of an API key: 43 random
//! base62 characters (256 bits) and 6 of CRC-32. There is no second `_`, so none is an API key.

use std::fmt;

use secrecy::SecretString;
use zeroize::{Zeroize, Zeroizing};

use crate::base62;
use crate::credential::{ENTROPY_LEN, SECRET_LEN, checksum_of, mac_of_parts};

/// What a token is for; neither can stand in for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A user who is signed in.
    Session,
    /// A link that sets a password, once.
    Link,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "dws_",
            Self::Link => "dwl_",
        }
    }
}

/// A text that is no such token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed token")]
pub struct MalformedToken;

/// A token in the clear. It exists twice: in the answer that makes it and in the request that presents
/// it. No `Clone`, `Display` or `Serialize`; wiped when dropped.
pub struct SignInToken {
    kind: TokenKind,
    secret: [u8; SECRET_LEN],
}

impl fmt::Debug for SignInToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignInToken({:?}, [REDACTED])", self.kind)
    }
}

impl Drop for SignInToken {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl SignInToken {
    /// Makes a token from `random`, which must be the operating system's generator: one call gives
    /// one byte.
    pub fn mint(kind: TokenKind, mut random: impl FnMut() -> u8) -> Self {
        let mut secret = [0; SECRET_LEN];
        let (entropy, checksum) = secret.split_at_mut(ENTROPY_LEN);
        base62::fill_random(entropy, &mut random);
        checksum.copy_from_slice(&checksum_of(kind.prefix().as_bytes(), entropy));
        Self { kind, secret }
    }

    /// Reads a token of this kind. Shape and checksum are checked, so that what is none never reaches
    /// the database.
    pub fn parse(kind: TokenKind, text: &[u8]) -> Result<Self, MalformedToken> {
        let secret = text.strip_prefix(kind.prefix().as_bytes()).ok_or(MalformedToken)?;
        let secret = <[u8; SECRET_LEN]>::try_from(secret).map_err(|_| MalformedToken)?;
        let token = Self { kind, secret };
        let (entropy, checksum) = token.secret.split_at(ENTROPY_LEN);
        let is_whole = base62::is_base62(&token.secret)
            && checksum_of(kind.prefix().as_bytes(), entropy) == checksum;
        if is_whole { Ok(token) } else { Err(MalformedToken) }
    }

    /// Whether a text says of itself that it is a token of this kind.
    pub fn is_meant(kind: TokenKind, text: &[u8]) -> bool {
        text.starts_with(kind.prefix().as_bytes()) && !text.contains(&b':')
    }

    /// The token in the clear, for the answer that makes it.
    pub fn expose(&self) -> SecretString {
        let secret = std::str::from_utf8(&self.secret).unwrap_or_default();
        format!("{}{secret}", self.kind.prefix()).into()
    }

    /// The only form that is stored: HMAC-SHA-256 under a key of the keyring.
    pub fn digest(&self, key: &[u8; 32]) -> [u8; 32] {
        *mac_of_parts(key, self.kind.prefix(), &[&self.secret])
    }

    /// HMAC-SHA-256 under the token: what nobody can make or check who does not have it.
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        mac_of_parts(&self.secret, purpose, parts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::credential::PlainKey;

    const KINDS: [TokenKind; 2] = [TokenKind::Session, TokenKind::Link];

    fn minted(kind: TokenKind, seed: u64) -> SignInToken {
        let mut state = seed;
        SignInToken::mint(kind, move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let token = minted(TokenKind::Session, 1);
        assert_eq!(format!("{token:?}"), "SignInToken(Session, [REDACTED])");
    }

    proptest! {
        #[test]
        fn a_token_reads_as_its_own_kind_and_as_no_key(seed: u64) {
            for kind in KINDS {
                let text = minted(kind, seed).expose();
                let text = text.expose_secret().as_bytes();
                prop_assert!(PlainKey::parse(text).is_err());
                for other in KINDS {
                    prop_assert_eq!(SignInToken::parse(other, text).is_ok(), other == kind);
                    prop_assert_eq!(SignInToken::is_meant(other, text), other == kind);
                }
            }
        }

        #[test]
        fn any_other_character_makes_it_malformed(seed: u64, at in 0_usize..53, byte in 0_u8..128) {
            let mut text = minted(TokenKind::Link, seed).expose().expose_secret().as_bytes().to_vec();
            let is_changed = text[at] != byte;
            text[at] = byte;
            prop_assert_eq!(SignInToken::parse(TokenKind::Link, &text).is_err(), is_changed);
            text.push(b'0');
            prop_assert!(SignInToken::parse(TokenKind::Link, &text).is_err());
        }

        #[test]
        fn two_kinds_two_tokens_and_two_keys_have_digests_of_their_own(seed: u64) {
            let of = |kind, seed, key: u8| minted(kind, seed).digest(&[key; 32]);
            let one = of(TokenKind::Session, seed, 1);
            prop_assert_eq!(one, of(TokenKind::Session, seed, 1));
            prop_assert_ne!(one, of(TokenKind::Session, seed.wrapping_add(1), 1));
            prop_assert_ne!(one, of(TokenKind::Link, seed, 1));
            prop_assert_ne!(one, of(TokenKind::Session, seed, 2));
        }
    }
}
