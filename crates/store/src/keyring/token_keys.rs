//! The keys that tokens are signed with, and those before them as long as their tokens may live.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_domain::token::{BearerToken, Claims, MalformedToken, Parts, TOKEN_LIFE_MAX, header};
use jiff::{SignedDuration, Timestamp};

use super::{MasterKey, Purpose, Wrapped, aead, keys_of, random_key, wrap_place};
use crate::db::{Db, on, timestamp};
use crate::{OpenError, StoreError};

/// How long a key signs. The next start after that makes a new one.
const SIGNS_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a key is still good for checking: an hour for its last token, and some for clocks.
const CHECKS_FOR: SignedDuration = SignedDuration::from_secs(TOKEN_LIFE_MAX.as_secs() + 60);

/// The public half of a key that tokens are signed with, for whoever checks them elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPublicKey {
    /// Its `kid`: the thumbprint of RFC 7638.
    pub id: String,
    /// The 32 bytes in base64url, the `x` of its JWK.
    pub x: String,
}

/// All of them, newest first: that one signs.
pub(crate) struct TokenKeys(Vec<TokenKey>);

struct TokenKey {
    public: TokenPublicKey,
    pair: Ed25519KeyPair,
    verifier: ParsedPublicKey,
    /// What a token says in front that was signed with this key.
    header: String,
    /// `None`: it is the newest.
    retired_at: Option<Timestamp>,
}

impl TokenKey {
    /// Every 32 random bytes are the seed of a key.
    fn new(seed: &[u8; 32], retired_at: Option<Timestamp>) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt("key for tokens".to_owned());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| corrupt())?;
        let bytes = pair.public_key().as_ref();
        let verifier = ParsedPublicKey::new(&ED25519, bytes).map_err(|_| corrupt())?;
        let x = URL_SAFE_NO_PAD.encode(bytes);
        let id = thumbprint(&x);
        let header = header(&id);
        Ok(Self { public: TokenPublicKey { id, x }, pair, verifier, header, retired_at })
    }

    fn checks_at(&self, now: Timestamp) -> bool {
        self.retired_at.is_none_or(|at| now.duration_since(at) < CHECKS_FOR)
    }
}

/// RFC 7638: SHA-256 of the required members in their order.
fn thumbprint(x: &str) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes()))
}

impl TokenKeys {
    /// Opens those that are stored; before that, makes a new one where the newest has signed for long
    /// enough.
    pub(super) async fn open(
        db: &Db,
        master: &MasterKey,
        stored: &[Wrapped],
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let ages = ages(db).await?;
        let mut keys = Vec::new();
        for (version, seed) in keys_of(stored, master, Purpose::Token)?.into_iter().rev() {
            let age = ages.iter().find(|age| age.0 == i64::from(version));
            let retired_at = age.and_then(|age| age.2).map(timestamp).transpose()?;
            keys.push(TokenKey::new(&seed, retired_at)?);
        }
        Ok(Self(keys.into_iter().filter(|key| key.checks_at(now)).collect()))
    }

    /// Signs what a token says.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<BearerToken, MalformedToken> {
        let key = self.0.first().ok_or(MalformedToken)?;
        let signed = claims.signed(&key.header)?;
        BearerToken::new(&signed, key.pair.sign(signed.as_bytes()).as_ref())
    }

    /// What a token says that one of these keys signed. The header is compared as a whole: there is
    /// one algorithm, one type and no other word that it could hold.
    pub(crate) fn verify(&self, token: &BearerToken, now: Timestamp) -> Option<Claims> {
        let parts: Parts<'_> = token.parts()?;
        let is_signer = |key: &&TokenKey| key.header == parts.header && key.checks_at(now);
        let key = self.0.iter().find(is_signer)?;
        let signature = parts.signature().ok()?;
        key.verifier.verify_sig(parts.signed.as_bytes(), &signature).ok()?;
        parts.claims().ok()
    }

    /// Those that a token which lives now may have been signed with.
    pub(crate) fn public(&self, now: Timestamp) -> Vec<TokenPublicKey> {
        self.0.iter().filter(|key| key.checks_at(now)).map(|key| key.public.clone()).collect()
    }
}

/// A version, when it was made and when the next one took its place.
type Age = (i64, i64, Option<i64>);

async fn ages(db: &Db) -> Result<Vec<Age>, StoreError> {
    const SQL: &str = "
        SELECT version, created_at_us, retired_at_us FROM keyring
        WHERE purpose = $1 ORDER BY version DESC";
    Ok(on!(db.read, |pool| {
        sqlx::query_as(SQL).bind(Purpose::Token.as_str()).fetch_all(pool).await?
    }))
}

/// Makes the next key where the newest has signed for long enough. What it signed stays good.
pub(super) async fn renew(db: &Db, master: &MasterKey, now: Timestamp) -> Result<(), OpenError> {
    const RETIRE: &str = "
        UPDATE keyring SET retired_at_us = $2 WHERE purpose = $1 AND retired_at_us IS NULL";
    const INSERT: &str = "
        INSERT INTO keyring (purpose, version, wrapped, created_at_us) VALUES ($1, $2, $3, $4)";
    let Some((version, created_at_us, _)) = ages(db).await?.into_iter().next() else {
        return Ok(());
    };
    if now.duration_since(timestamp(created_at_us)?) < SIGNS_FOR {
        return Ok(());
    }
    let (purpose, next, now_us) = (Purpose::Token.as_str(), version + 1, now.as_microsecond());
    let key = random_key()?;
    let wrapped = aead::seal(&master.0, &wrap_place(purpose, next), key.as_slice())?;
    on!(db.write, |pool| {
        let mut tx = pool.begin().await?;
        sqlx::query(RETIRE).bind(purpose).bind(now_us).execute(&mut *tx).await?;
        let insert = sqlx::query(INSERT).bind(purpose).bind(next).bind(wrapped.as_slice());
        insert.bind(now_us).execute(&mut *tx).await?;
        tx.commit().await?;
    });
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use doorward_domain::id::{TokenId, UserId};
    use doorward_domain::key::Owner;
    use doorward_domain::model_pattern::ModelRule;
    use doorward_domain::narrowing::Narrowing;
    use doorward_domain::rotation::SecretNumber;
    use doorward_domain::scope::ScopeSet;

    use super::*;

    pub(in super::super) fn keys(seeds: &[u8]) -> TokenKeys {
        let key = |seed: &u8| TokenKey::new(&[*seed; 32], None).unwrap();
        TokenKeys(seeds.iter().map(key).collect())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            issuer: "https://a.example".to_owned(),
            audience: "https://a.example".to_owned(),
            owner: Owner::User(UserId::new(1, 1)),
            key: "dw_0123456789abcdef".parse().unwrap(),
            secret: SecretNumber::FIRST,
            id: TokenId::new(1, 1),
            issued_at: at(0),
            expires_at: at(3_600),
            narrowing: Narrowing { scopes: ScopeSet::ALL, models: ModelRule::All },
            salt: 1,
        }
    }

    /// The example of RFC 8037, appendix A.
    #[test]
    fn a_key_has_the_public_half_and_the_thumbprint_of_the_standard() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = TokenKey::new(&seed.try_into().unwrap(), None).unwrap();
        assert_eq!(key.public.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.public.id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_token_is_checked_by_the_key_that_signed_it_and_no_other() {
        let (mine, other) = (keys(&[1]), keys(&[2]));
        let token = mine.sign(&claims()).unwrap();
        assert_eq!(mine.verify(&token, at(1)), Some(claims()));
        assert_eq!(other.verify(&token, at(1)), None);
        assert_eq!(keys(&[2, 1]).verify(&token, at(1)), Some(claims()));
    }

    fn token(text: &str) -> Option<BearerToken> {
        BearerToken::parse(text.as_bytes()).ok()
    }

    fn hmac(secret: &[u8], signed: &str) -> Vec<u8> {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
    }

    /// Every other header than our own is refused, whatever signature stands under it.
    #[test]
    fn nothing_but_our_own_header_is_looked_at() {
        let keys = keys(&[1]);
        let id = keys.0[0].public.id.clone();
        let public = keys.0[0].pair.public_key().as_ref().to_vec();
        let headers = [
            r#"{"alg":"none","typ":"at+jwt"}"#.to_owned(),
            format!(r#"{{"alg":"none","kid":"{id}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{id}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"ES256","kid":"{id}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"JWT"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"id_token+jwt"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{id}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt","jku":"https://e.example"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt","crit":["x"]}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt"}} "#),
            r#"{"alg":"EdDSA","kid":"../../dev/null","typ":"at+jwt"}"#.to_owned(),
            r#"{"alg":"EdDSA","kid":"' OR '1'='1","typ":"at+jwt"}"#.to_owned(),
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#.to_owned(),
            r"{}".to_owned(),
        ];
        for header in headers {
            let signed = claims().signed(&URL_SAFE_NO_PAD.encode(&header)).unwrap();
            let ours = keys.0[0].pair.sign(signed.as_bytes());
            for signature in [ours.as_ref(), &hmac(&public, &signed), &hmac(b"", &signed), &[]] {
                let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
                let read = token(&forged).and_then(|token| keys.verify(&token, at(1)));
                assert_eq!(read, None, "{header}");
            }
        }
    }

    #[test]
    fn no_single_change_of_a_character_leaves_a_token_good() {
        let keys = keys(&[1]);
        let good = keys.sign(&claims()).unwrap().expose().to_owned();
        for at_byte in 0..good.len() {
            for other in [b'A', b'B', b'-', b'.'] {
                let mut bytes = good.clone().into_bytes();
                if bytes[at_byte] == other {
                    continue;
                }
                bytes[at_byte] = other;
                let forged = BearerToken::parse(&bytes).ok();
                assert_eq!(forged.and_then(|t| keys.verify(&t, at(1))), None, "{at_byte}");
            }
        }
    }

    #[test]
    fn a_retired_key_checks_as_long_as_its_tokens_may_live() {
        let mut keys = keys(&[2, 1]);
        keys.0[1].retired_at = Some(at(1_000));
        let old = TokenKeys(vec![TokenKey::new(&[1; 32], None).unwrap()]);
        let token = old.sign(&claims()).unwrap();
        let last = at(1_000 + CHECKS_FOR.as_secs() - 1);
        assert!(keys.verify(&token, last).is_some());
        assert_eq!(keys.public(last).len(), 2);
        let after = at(1_000 + CHECKS_FOR.as_secs());
        assert!(keys.verify(&token, after).is_none());
        assert_eq!(keys.public(after), [keys.0[0].public.clone()]);
        assert!(old.verify(&keys.sign(&claims()).unwrap(), at(1)).is_none(), "the newest signs");
    }
}
