//! Access tokens: short-lived credentials that stand for a key, narrowed (RFC 9068).
//!
//! A token is a JWT, and of all that a JWT can be, one form only: what stands in its header is decided
//! by us and compared as text, so that there is no algorithm to choose and nothing to confuse. Who
//! signs is the store's matter; what a token says, and when it holds, is decided here.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::credential::{KeyId, keyed_hmac};
use crate::id::{MalformedId, ServiceAccountId, TokenId, UserId};
use crate::key::Owner;
use crate::model_pattern::ModelPattern;
use crate::narrowing::Narrowing;
use crate::rotation::SecretNumber;
use crate::scope::{Scope, ScopeSet};

use hmac::Mac as _;

/// The longest life of a token.
pub const TOKEN_LIFE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How far the clock may have been set back since a token was made.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(60);
/// The longest token: it fits a header of any client and proxy.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// A text that is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed access token")]
pub struct MalformedToken;

/// A token in the clear: whoever has it may use it. Wiped when dropped.
pub struct BearerToken(Zeroizing<String>);

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([REDACTED])")
    }
}

/// The three parts of a token as they are written.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// What was signed: header and claims.
    pub signed: &'a str,
    /// The header alone.
    pub header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts([REDACTED])")
    }
}

impl BearerToken {
    /// Whether this is to be read as a token: every JSON object in base64 begins with `ey`, and no API
    /// key has a dot. One look at a byte or two for whatever is none.
    pub fn is_meant(text: &[u8]) -> bool {
        text.starts_with(b"ey") && text.contains(&b'.')
    }

    /// Reads the shape: three parts in the alphabet of base64url, not too long.
    pub fn parse(text: &[u8]) -> Result<Self, MalformedToken> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let mut parts = text.split(|byte| *byte == b'.');
        let is_shaped = parts.clone().count() == 3 && parts.all(|part| part.iter().all(is_part));
        if !Self::is_meant(text) || text.len() > TOKEN_BYTES_MAX || !is_shaped {
            return Err(MalformedToken);
        }
        let text = std::str::from_utf8(text).map_err(|_| MalformedToken)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Puts a new token together.
    pub fn new(signed: &str, signature: &[u8]) -> Result<Self, MalformedToken> {
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        Self::parse(text.as_bytes())
    }

    /// The token as text, for the answer that issues it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of it, under which it can be remembered.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// HMAC-SHA-256 under the token: what nobody can make or check who does not have it.
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut mac = keyed_hmac(&self.fingerprint());
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// Whether both are the same token.
    pub fn is_same(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// Its parts.
    pub fn parts(&self) -> Option<Parts<'_>> {
        let (signed, signature) = self.0.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Parts { signed, header, claims, signature })
    }
}

impl Parts<'_> {
    /// The signature's bytes.
    pub fn signature(&self) -> Result<Vec<u8>, MalformedToken> {
        URL_SAFE_NO_PAD.decode(self.signature).map_err(|_| MalformedToken)
    }

    /// What the token says. Only to be believed once the signature was checked.
    pub fn claims(&self) -> Result<Claims, MalformedToken> {
        let json = URL_SAFE_NO_PAD.decode(self.claims).map_err(|_| MalformedToken)?;
        let wire: Wire = serde_json::from_slice(&json).map_err(|_| MalformedToken)?;
        wire.parse()
    }
}

/// The one header that tokens signed by the key of this id have.
pub fn header(key_id: &str) -> String {
    let json = format!(r#"{{"alg":"EdDSA","kid":"{key_id}","typ":"at+jwt"}}"#);
    URL_SAFE_NO_PAD.encode(json)
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who issued it: the public URL of a Doorward.
    pub issuer: String,
    /// Where it may be used.
    pub audience: String,
    /// As whom its key acts.
    pub owner: Owner,
    /// The key that it stands for.
    pub key: KeyId,
    /// The secret of the key that asked for it: with that, the token ends.
    pub secret: SecretNumber,
    /// Which token this is.
    pub id: TokenId,
    /// When it was made, in whole seconds.
    pub issued_at: Timestamp,
    /// When it ends, in whole seconds.
    pub expires_at: Timestamp,
    /// What it leaves of the key's rights.
    pub narrowing: Narrowing,
    /// Random bits that stand nowhere but in the token: without them, whoever has the signing key and
    /// the audit log could make the same token again.
    pub salt: u64,
}

/// The claims as JSON has them (RFC 9068, section 2.2). Times are whole numbers, never text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    iss: String,
    sub: String,
    client_id: KeyId,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: TokenId,
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    models: Option<Vec<ModelPattern>>,
    secret_number: u32,
    salt: u64,
}

impl Wire {
    fn parse(self) -> Result<Claims, MalformedToken> {
        let at = |second| Timestamp::from_second(second).map_err(|_| MalformedToken);
        if self.nbf != self.iat {
            return Err(MalformedToken);
        }
        Ok(Claims {
            issuer: self.iss,
            audience: self.aud,
            owner: owner(&self.sub).map_err(|_| MalformedToken)?,
            key: self.client_id,
            secret: SecretNumber(self.secret_number),
            id: self.jti,
            issued_at: at(self.iat)?,
            expires_at: at(self.exp)?,
            narrowing: Narrowing {
                scopes: scopes(&self.scope).ok_or(MalformedToken)?.into_iter().collect(),
                models: self.models.into(),
            },
            salt: self.salt,
        })
    }
}

fn owner(text: &str) -> Result<Owner, MalformedId> {
    let user = text.parse::<UserId>().map(Owner::User);
    user.or_else(|_| text.parse::<ServiceAccountId>().map(Owner::ServiceAccount))
}

fn scopes(text: &str) -> Option<Vec<Scope>> {
    text.split(' ').map(|name| name.parse().ok()).collect()
}

/// Scopes as OAuth writes them: names with a space between.
pub fn scope_text(scopes: ScopeSet) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

impl Claims {
    /// The part of the token that is signed.
    pub fn signed(&self, header: &str) -> Result<String, MalformedToken> {
        let wire = Wire {
            iss: self.issuer.clone(),
            sub: self.owner.to_string(),
            client_id: self.key,
            aud: self.audience.clone(),
            exp: self.expires_at.as_second(),
            nbf: self.issued_at.as_second(),
            iat: self.issued_at.as_second(),
            jti: self.id,
            scope: scope_text(self.narrowing.scopes),
            models: self.narrowing.models.clone().into(),
            secret_number: self.secret.0,
            salt: self.salt,
        };
        let json = serde_json::to_vec(&wire).map_err(|_| MalformedToken)?;
        Ok(format!("{header}.{}", URL_SAFE_NO_PAD.encode(json)))
    }

    /// Whether the token holds at `now`: it has begun, it has not ended, and it does not live longer
    /// than tokens may.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let has_begun = self.issued_at.duration_since(now) <= CLOCK_SLACK;
        let life = self.expires_at.duration_since(self.issued_at);
        has_begun
            && now < self.expires_at
            && (SignedDuration::ZERO..=TOKEN_LIFE_MAX).contains(&life)
    }

    /// Whether it may be used at its own issuer.
    pub fn is_for_issuer(&self) -> bool {
        self.audience == self.issuer
    }
}

/// When a token ends that was asked for at `now` for so many seconds: in whole seconds, within an
/// hour, and no later than any of `ends`. `None`: it would have no life at all.
pub fn end(
    asked_seconds: Option<u32>,
    now: Timestamp,
    ends: impl IntoIterator<Item = Timestamp>,
) -> Option<Timestamp> {
    let asked = asked_seconds.map_or(TOKEN_LIFE_MAX, |s| SignedDuration::from_secs(s.into()));
    let begun = whole_seconds(now);
    let wanted = begun.checked_add(asked.min(TOKEN_LIFE_MAX)).ok()?;
    let end = ends.into_iter().map(whole_seconds).fold(wanted, Timestamp::min);
    (end > now).then_some(end)
}

/// Cuts an instant to what a token can say of it.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    let second = at.as_microsecond().div_euclid(1_000_000);
    Timestamp::from_second(second).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model_pattern::ModelRule;
    use crate::model_pattern::tests::any_rule;
    use crate::scope::tests::any_scopes;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sample() -> Claims {
        Claims {
            issuer: "https://models.example".to_owned(),
            audience: "https://models.example".to_owned(),
            owner: Owner::User(UserId::new(1, 2)),
            key: "dw_0123456789abcdef".parse().unwrap(),
            secret: SecretNumber(2),
            id: TokenId::new(3, 4),
            issued_at: at(1_000),
            expires_at: at(4_600),
            narrowing: Narrowing {
                scopes: [Scope::InferenceRead, Scope::KeysRead].into_iter().collect(),
                models: ModelRule::Only(vec!["gpt-*".parse().unwrap()]),
            },
            salt: 5,
        }
    }

    fn read(claims: &str) -> Result<Claims, MalformedToken> {
        let signed = format!("{}.{}", header("k"), URL_SAFE_NO_PAD.encode(claims));
        let token = BearerToken::new(&signed, &[7; 64])?;
        token.parts().ok_or(MalformedToken)?.claims()
    }

    fn json() -> String {
        let signed = sample().signed(&header("k")).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        String::from_utf8(claims).unwrap()
    }

    #[test]
    fn a_token_says_what_rfc_9068_asks_for() {
        let expected = r#"{"iss":"https://models.example","sub":"usr_00000000010000000000000002","client_id":"dw_0123456789abcdef","aud":"https://models.example","exp":4600,"nbf":1000,"iat":1000,"jti":"tok_00000000030000000000000004","scope":"inference:read keys:read","models":["gpt-*"],"secret_number":2,"salt":5}"#;
        assert_eq!(json(), expected);
        let header = URL_SAFE_NO_PAD.decode(header("k")).unwrap();
        assert_eq!(header, br#"{"alg":"EdDSA","kid":"k","typ":"at+jwt"}"#);
    }

    #[test]
    fn claims_that_we_never_write_are_refused() {
        assert_eq!(read(&json()), Ok(sample()));
        for (from, to) in [
            ("\"exp\":4600", "\"exp\":\"4600\""),
            ("\"exp\":4600", "\"exp\":4600.5"),
            ("\"exp\":4600", "\"exp\":99999999999999999999"),
            ("\"exp\":4600", "\"exp\":9223372036854775807"),
            ("\"exp\":4600,", ""),
            ("\"nbf\":1000", "\"nbf\":999"),
            ("\"nbf\":1000,", ""),
            ("\"iat\":1000,", ""),
            ("\"iss\":\"https://models.example\",", ""),
            ("\"aud\":\"https://models.example\",", ""),
            ("\"aud\":\"https://models.example\"", "\"aud\":[\"https://models.example\"]"),
            ("\"jti\":\"tok_00000000030000000000000004\",", ""),
            ("tok_", "usr_"),
            ("usr_", "org_"),
            ("dw_", "dw"),
            ("inference:read", "root"),
            ("inference:read keys:read", ""),
            ("gpt-*", ""),
            ("\"salt\":5", "\"salt\":5,\"jku\":\"https://evil.example\""),
            ("\"salt\":5", "\"salt\":5,\"exp\":99999999999"),
            ("}", "} {}"),
        ] {
            let changed = json().replace(from, to);
            assert_ne!(changed, json(), "{from}");
            assert_eq!(read(&changed), Err(MalformedToken), "{from} {to}");
        }
    }

    #[test]
    fn only_the_shape_of_a_token_is_one() {
        let good = BearerToken::new(&sample().signed(&header("k")).unwrap(), &[7; 64]).unwrap();
        let good = good.expose().to_owned();
        assert!(BearerToken::parse(good.as_bytes()).is_ok());
        let (signed, _) = good.rsplit_once('.').unwrap();
        let long = format!("ey.{}.a", "a".repeat(TOKEN_BYTES_MAX));
        for text in [
            signed,
            &format!("{good}."),
            &format!("{good}="),
            &format!("{good} "),
            &format!("a{good}"),
            &good.replace('.', "_"),
            &good.replacen('.', "+", 1),
            &long,
            "dw_0123456789abcdef_secret",
            "ey",
            "",
        ] {
            assert!(BearerToken::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(BearerToken::parse(b"ey\xff.a.b").is_err());
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let token = BearerToken::new("ey.a", &[7; 64]).unwrap();
        let text = token.expose().to_owned();
        assert_eq!(token.parts().unwrap().signature(), Ok(vec![7; 64]));
        // The last character holds bits of no byte: each other spelling of them is refused.
        let others = [b'x', b'y', b'z', b'B'].map(|last| {
            let mut text = text.clone().into_bytes();
            *text.last_mut().unwrap() = last;
            text
        });
        for other in others.iter().filter(|other| **other != text.as_bytes()) {
            let signature = BearerToken::parse(other).unwrap().parts().unwrap().signature();
            assert_ne!(signature, Ok(vec![7; 64]), "{other:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_token_holds_from_its_beginning_to_its_end() {
        let cases = [
            // issued  expires  now     live
            (1_000,    4_600,   1_000,  true),
            (1_000,    4_600,   4_599,  true),
            (1_000,    4_600,   4_600,  false), // at that instant
            (1_000,    4_600,   9_999,  false),
            (1_000,    4_600,     940,  true),  // the clock was set back a little
            (1_000,    4_600,     939,  false),
            (1_000,    4_601,   1_000,  false), // longer than any of ours
            (1_000,    1_000,   1_000,  false),
            (1_000,      999,     990,  false),
            (i64::from(i32::MIN), i64::from(i32::MAX), 0, false),
        ];
        for (issued, expires, now, is_live) in cases {
            let claims = Claims { issued_at: at(issued), expires_at: at(expires), ..sample() };
            assert_eq!(claims.is_live(at(now)), is_live, "{issued} {expires} {now}");
        }
    }

    #[test]
    fn a_token_never_outlives_what_it_stands_for() {
        let now = Timestamp::from_microsecond(1_000_900_000).unwrap();
        #[rustfmt::skip]
        let cases = [
            // asked for     other ends                  end
            (None,           vec![],                     Some(4_600)),
            (Some(60),       vec![],                     Some(1_060)),
            (Some(3_601),    vec![],                     Some(4_600)),
            (Some(u32::MAX), vec![],                     Some(4_600)),
            (None,           vec![at(2_000), at(3_000)], Some(2_000)),
            (Some(60),       vec![at(2_000)],            Some(1_060)),
            (None,           vec![at(1_001)],            Some(1_001)),
            (None,           vec![at(1_000)],            None),
            (Some(0),        vec![],                     None),
        ];
        for (asked, ends, expected) in cases {
            assert_eq!(end(asked, now, ends.clone()), expected.map(at), "{asked:?} {ends:?}");
        }
        assert_eq!(end(None, Timestamp::MAX, []), None);
    }

    #[test]
    fn debug_output_holds_no_token() {
        let token = BearerToken::new("ey.canary", &[7; 64]).unwrap();
        let text = format!("{token:?} {:?}", token.parts().unwrap());
        assert!(!text.contains("canary") && !text.contains("Bwc"), "{text}");
    }

    #[test]
    fn a_mac_is_of_one_token_one_purpose_and_one_list_of_parts() {
        let token = |signature: u8| BearerToken::new("ey.a", &[signature; 64]).unwrap();
        let macs = [
            token(1).mac("a", &[b"b", b"c"]),
            token(1).mac("a", &[b"bc"]),
            token(1).mac("ab", &[b"c"]),
            token(2).mac("a", &[b"b", b"c"]),
        ];
        for (index, mac) in macs.iter().enumerate() {
            assert!(macs.iter().skip(index + 1).all(|other| other != mac), "{index}");
        }
        assert!(token(1).is_same(&token(1)) && !token(1).is_same(&token(2)));
    }

    proptest! {
        #[test]
        fn a_token_reads_as_it_was_written(
            (scopes, models) in (any_scopes(), any_rule()),
            (issued, life) in (0..4_000_000_000_i64, 1..3_600_i64),
            (secret, salt) in any::<(u32, u64)>(),
            ids in any::<(u128, u128)>(),
            is_user in any::<bool>(),
        ) {
            prop_assume!(scopes != ScopeSet::NONE);
            let owner = if is_user {
                Owner::User(UserId::new(1, ids.0))
            } else {
                Owner::ServiceAccount(ServiceAccountId::new(1, ids.0))
            };
            let claims = Claims {
                owner,
                secret: SecretNumber(secret),
                id: TokenId::new(1, ids.1),
                issued_at: at(issued),
                expires_at: at(issued + life),
                narrowing: Narrowing { scopes, models },
                salt,
                ..sample()
            };
            let token = BearerToken::new(&claims.signed(&header("k")).unwrap(), &[7; 64]).unwrap();
            let again = BearerToken::parse(token.expose().as_bytes()).unwrap();
            prop_assert_eq!(again.parts().unwrap().header, header("k"));
            prop_assert_eq!(again.parts().unwrap().claims(), Ok(claims));
        }

        #[test]
        fn no_bytes_are_too_strange_to_be_looked_at(bytes: Vec<u8>) {
            let text = [b"ey".as_slice(), &bytes].concat();
            if let Ok(token) = BearerToken::parse(&text) {
                let parts = token.parts().unwrap();
                prop_assert!(parts.claims().is_err() || parts.signature().is_err());
            }
        }
    }
}
