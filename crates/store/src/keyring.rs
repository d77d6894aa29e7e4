//! The master key and the keyring that it wraps.
//!
//! Every purpose has random keys of its own, each with a version, wrapped by the master key. So the
//! master key can change without touching a row, and no key ever serves two purposes.

pub(crate) mod aead;
pub(crate) mod carried;
mod token_keys;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_domain::audit::AuditKey;
use doorward_domain::credential::Pepper;
use doorward_domain::id::OrganizationId;
use doorward_domain::recovery_code;
use doorward_domain::sign_in_token::SignInToken;
use hkdf::Hkdf;
use jiff::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::db::{Db, Pool, on};
use crate::{OpenError, StoreError};

pub(crate) use token_keys::TokenKeys;
pub use token_keys::TokenPublicKey;

/// What a key of the keyring is for. The text is stored and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    KeyDigest,
    Vault,
    Audit,
    Session,
    Webhook,
    Token,
    Password,
    Prompt,
}

impl Purpose {
    /// Every data ever written has a key for each of these: one that is not there was lost.
    const FIRST: [Self; 7] = [
        Self::KeyDigest,
        Self::Vault,
        Self::Audit,
        Self::Session,
        Self::Webhook,
        Self::Token,
        Self::Password,
    ];
    /// Those of this version. One that is not among the first is made where it is not there yet, for
    /// data of an earlier version has none.
    const ALL: [Self; 8] = [
        Self::KeyDigest,
        Self::Vault,
        Self::Audit,
        Self::Session,
        Self::Webhook,
        Self::Token,
        Self::Password,
        Self::Prompt,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::KeyDigest => "key_digest",
            Self::Vault => "vault",
            Self::Audit => "audit",
            Self::Session => "session",
            Self::Webhook => "webhook",
            Self::Token => "token",
            Self::Password => "password",
            Self::Prompt => "prompt",
        }
    }
}

type KeyBytes = Zeroizing<[u8; 32]>;

/// The key that wraps the keyring: 32 bytes.
#[derive(Clone)]
pub struct MasterKey(KeyBytes);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

impl MasterKey {
    /// Reads 32 bytes in base64, as `DOORWARD_MASTER_KEY` and `master.key` carry them; `source`
    /// names the place in an error.
    pub fn parse(text: &str, source: &str) -> Result<Self, OpenError> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).ok();
        let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        key.map(|key| Self(Zeroizing::new(key)))
            .ok_or_else(|| OpenError::MasterKeyMalformed(source.to_owned()))
    }

    /// A new key from the operating system's generator.
    pub(crate) fn generate() -> Result<Self, StoreError> {
        random_key().map(Self)
    }

    /// The text that [`parse`](Self::parse) reads.
    pub(crate) fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }
}

/// What a ciphertext belongs to. It opens only there: not in another row, not in another
/// organization.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedFor<'a> {
    pub(crate) organization: OrganizationId,
    pub(crate) row: &'a str,
    pub(crate) field: &'static str,
}

impl SealedFor<'_> {
    /// Each part is preceded by its length, so that no two places have the same bytes.
    fn bytes(&self, version: u32) -> Vec<u8> {
        let mut bytes = version.to_be_bytes().to_vec();
        for part in [self.organization.to_string().as_str(), self.row, self.field] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// The open keyring.
pub(crate) struct Keyring {
    peppers: BTreeMap<u32, Pepper>,
    pepper: Pepper,
    vault: BTreeMap<u32, KeyBytes>,
    sessions: BTreeMap<u32, KeyBytes>,
    passwords: BTreeMap<u32, KeyBytes>,
    webhooks: BTreeMap<u32, KeyBytes>,
    prompts: BTreeMap<u32, KeyBytes>,
    audit: AuditKey,
    tokens: TokenKeys,
    /// For what only a backup needs: the keys that are not opened here.
    master: MasterKey,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring([REDACTED])")
    }
}

/// One stored key: its purpose, its version, and its bytes under the master key.
pub(crate) type Wrapped = (String, i64, Vec<u8>);

/// The keyring as it is stored.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    keys: Vec<Wrapped>,
    /// Whether anything was ever made under it.
    has_data: bool,
}

impl Stored {
    /// Reads the keyring; there is none where nobody wrote yet.
    pub(crate) async fn read(pool: &Pool) -> Result<Self, StoreError> {
        const KEYS: &str = "SELECT purpose, version, wrapped FROM keyring";
        const DATA: &str = "SELECT 1 FROM organizations LIMIT 1";
        if !pool.has_schema().await? {
            return Ok(Self::default());
        }
        on!(*pool, |pool| {
            let keys = sqlx::query_as(KEYS).fetch_all(pool).await?;
            let data: Option<(i32,)> = sqlx::query_as(DATA).fetch_optional(pool).await?;
            Ok(Self { keys, has_data: data.is_some() })
        })
    }

    /// Whether a new master key can be made: there is nothing that another one could have wrapped.
    pub(crate) fn is_new(&self) -> bool {
        self.keys.is_empty() && !self.has_data
    }

    /// Opens every stored key; one that does not open means that this is not the master key.
    pub(crate) fn unwrap(&self, master: &MasterKey) -> Result<(), OpenError> {
        for (purpose, version, wrapped) in &self.keys {
            unwrap(master, purpose, *version, wrapped)?;
        }
        Ok(())
    }

    /// Refuses a keyring that has lost keys which data was made under: new ones in their place would
    /// make every key unknown, every secret unreadable and the audit chain broken, for ever.
    pub(crate) fn check_whole(&self) -> Result<(), OpenError> {
        self.to_make(&Purpose::FIRST, &[]).map(drop)
    }

    /// The purposes that are to get their first key.
    fn to_make(&self, first: &[Purpose], later: &[Purpose]) -> Result<Vec<Purpose>, OpenError> {
        let has = |purpose: &Purpose| self.keys.iter().any(|(name, ..)| name == purpose.as_str());
        let lost: Vec<_> = first.iter().copied().filter(|purpose| !has(purpose)).collect();
        if self.has_data && !lost.is_empty() {
            let names: Vec<_> = lost.into_iter().map(Purpose::as_str).collect();
            return Err(OpenError::KeyringLost { missing: names.join(", ") });
        }
        let later = later.iter().copied().filter(|purpose| !lost.contains(purpose));
        let later: Vec<_> = later.filter(|purpose| !has(purpose)).collect();
        Ok([lost, later].concat())
    }
}

impl Keyring {
    /// Opens the keyring, after making the keys that it is to have and has not.
    pub(crate) async fn open(
        db: &Db,
        master: &MasterKey,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let to_make = Stored::read(&db.read).await?.to_make(&Purpose::FIRST, &Purpose::ALL)?;
        if !to_make.is_empty() {
            add_keys(db, master, &to_make, now.as_microsecond()).await?;
        }
        token_keys::renew(db, master, now).await?;
        let stored = Stored::read(&db.read).await?.keys;
        let peppers: BTreeMap<u32, Pepper> = keys_of(&stored, master, Purpose::KeyDigest)?
            .into_iter()
            .map(|(version, key)| (version, Pepper::new(version, &key)))
            .collect();
        let missing = || OpenError::Store(StoreError::Corrupt("keyring".to_owned()));
        let audit = keys_of(&stored, master, Purpose::Audit)?;
        Ok(Self {
            pepper: peppers
                .last_key_value()
                .map(|(_, pepper)| pepper.clone())
                .ok_or_else(missing)?,
            peppers,
            vault: keys_of(&stored, master, Purpose::Vault)?,
            sessions: keys_of(&stored, master, Purpose::Session)?,
            passwords: keys_of(&stored, master, Purpose::Password)?,
            webhooks: keys_of(&stored, master, Purpose::Webhook)?,
            prompts: keys_of(&stored, master, Purpose::Prompt)?,
            audit: audit.last_key_value().map(|(_, key)| AuditKey::new(key)).ok_or_else(missing)?,
            tokens: TokenKeys::open(db, master, &stored, now).await?,
            master: master.clone(),
        })
    }

    /// The newest pepper: new digests are made under it.
    pub(crate) fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// The pepper that a stored digest names.
    pub(crate) fn pepper_version(&self, version: u32) -> Option<&Pepper> {
        self.peppers.get(&version)
    }

    /// What a session's or link's token is stored as, under the newest key first.
    pub(crate) fn sign_in_digests(&self, token: &SignInToken) -> Vec<[u8; 32]> {
        self.sessions.values().rev().map(|key| token.digest(key)).collect()
    }

    /// The pepper that a stored password names.
    pub(crate) fn password_pepper(&self, version: u32) -> Option<KeyBytes> {
        self.passwords.get(&version).cloned()
    }

    /// The newest pepper of passwords, and its version.
    pub(crate) fn newest_password_pepper(&self) -> Option<(u32, KeyBytes)> {
        self.passwords.last_key_value().map(|(version, key)| (*version, key.clone()))
    }

    /// What a recovery code of a user is stored as, under the newest key first.
    pub(crate) fn recovery_digests(&self, user: &str, code: &str) -> Vec<[u8; 32]> {
        let keys = self.sessions.values().rev();
        keys.map(|key| recovery_code::digest(key, user, code)).collect()
    }

    /// What tokens are signed and checked with.
    pub(crate) fn token_keys(&self) -> &TokenKeys {
        &self.tokens
    }

    /// The key of the audit chain.
    pub(crate) fn audit_key(&self) -> &AuditKey {
        &self.audit
    }

    /// Encrypts for one place in the vault.
    pub(crate) fn seal(&self, place: &SealedFor<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal(&self.vault, place, plain)
    }

    /// Decrypts what [`seal`](Self::seal) made for the same place.
    pub(crate) fn open_sealed(
        &self,
        place: &SealedFor<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        open(&self.vault, place, sealed)
    }

    /// Encrypts the secret of a webhook, under a key that nothing else is encrypted under.
    pub(crate) fn seal_webhook(
        &self,
        place: &SealedFor<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        seal(&self.webhooks, place, plain)
    }

    /// Decrypts what [`seal_webhook`](Self::seal_webhook) made for the same place.
    pub(crate) fn open_webhook(
        &self,
        place: &SealedFor<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        open(&self.webhooks, place, sealed)
    }

    /// Encrypts the texts of a call, under a key of that place's own: there may be more calls than one key
    /// may encrypt under random nonces.
    pub(crate) fn seal_prompt(
        &self,
        place: &SealedFor<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        seal(&keys_for(&self.prompts, place)?, place, plain)
    }

    /// Decrypts what [`seal_prompt`](Self::seal_prompt) made for the same place.
    pub(crate) fn open_prompt(
        &self,
        place: &SealedFor<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        open(&keys_for(&self.prompts, place)?, place, sealed)
    }
}

/// A key of one place's own for each version, RFC 5869.
fn keys_for(
    keys: &BTreeMap<u32, KeyBytes>,
    place: &SealedFor<'_>,
) -> Result<BTreeMap<u32, KeyBytes>, StoreError> {
    let derive = |(version, key): (&u32, &KeyBytes)| {
        let mut derived = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(None, key.as_slice());
        let filled = hkdf.expand(&place.bytes(*version), derived.as_mut_slice());
        filled.map(|()| (*version, derived)).map_err(|_| StoreError::Integrity)
    };
    keys.iter().map(derive).collect()
}

/// Encrypts under the newest key. Its version stands in front.
fn seal(
    keys: &BTreeMap<u32, KeyBytes>,
    place: &SealedFor<'_>,
    plain: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let (version, key) = keys.last_key_value().ok_or(StoreError::Integrity)?;
    let mut sealed = version.to_be_bytes().to_vec();
    sealed.extend(aead::seal(key, &place.bytes(*version), plain)?);
    Ok(sealed)
}

fn open(
    keys: &BTreeMap<u32, KeyBytes>,
    place: &SealedFor<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (version, sealed) = sealed.split_first_chunk::<4>().ok_or(StoreError::Integrity)?;
    let version = u32::from_be_bytes(*version);
    let key = keys.get(&version).ok_or(StoreError::Integrity)?;
    aead::open(key, &place.bytes(version), sealed)
}

fn keys_of(
    stored: &[Wrapped],
    master: &MasterKey,
    purpose: Purpose,
) -> Result<BTreeMap<u32, KeyBytes>, OpenError> {
    let of_purpose = stored.iter().filter(|(name, _, _)| name == purpose.as_str());
    of_purpose
        .map(|(name, version, wrapped)| {
            let key = unwrap(master, name, *version, wrapped)?;
            let number = u32::try_from(*version);
            let corrupt = |_| OpenError::Store(StoreError::Corrupt("keyring version".to_owned()));
            Ok((number.map_err(corrupt)?, key))
        })
        .collect()
}

fn unwrap(
    master: &MasterKey,
    purpose: &str,
    version: i64,
    wrapped: &[u8],
) -> Result<KeyBytes, OpenError> {
    let opened = aead::open(&master.0, &wrap_place(purpose, version), wrapped);
    let opened = opened.map_err(|_| OpenError::MasterKeyWrong)?;
    let key = <[u8; 32]>::try_from(opened.as_slice());
    key.map(Zeroizing::new).map_err(|_| OpenError::MasterKeyWrong)
}

/// A wrapped key opens only as what it was wrapped for.
fn wrap_place(purpose: &str, version: i64) -> Vec<u8> {
    format!("doorward keyring {purpose} {version}").into_bytes()
}

/// Makes the first key of each purpose, all or none: part of a keyring is no keyring.
async fn add_keys(
    db: &Db,
    master: &MasterKey,
    purposes: &[Purpose],
    now_us: i64,
) -> Result<(), OpenError> {
    const SQL: &str = "
        INSERT INTO keyring (purpose, version, wrapped, created_at_us) VALUES ($1, 1, $2, $3)";
    on!(db.write, |pool| {
        let mut tx = pool.begin().await?;
        for purpose in purposes {
            let (place, key) = (wrap_place(purpose.as_str(), 1), random_key()?);
            let wrapped = aead::seal(&master.0, &place, key.as_slice())?;
            sqlx::query(SQL)
                .bind(purpose.as_str())
                .bind(wrapped.as_slice())
                .bind(now_us)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    });
    Ok(())
}

fn random_key() -> Result<KeyBytes, StoreError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| StoreError::NoRandomness)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        let pepper = Pepper::new(1, &[1; 32]);
        Keyring {
            peppers: BTreeMap::from([(1, pepper.clone())]),
            pepper,
            vault: BTreeMap::from([(1, Zeroizing::new([2; 32])), (2, Zeroizing::new([3; 32]))]),
            sessions: BTreeMap::new(),
            passwords: BTreeMap::new(),
            webhooks: BTreeMap::from([(1, Zeroizing::new([5; 32]))]),
            prompts: BTreeMap::from([(1, Zeroizing::new([6; 32]))]),
            audit: AuditKey::new(&[4; 32]),
            tokens: token_keys::tests::keys(&[5]),
            master: MasterKey(Zeroizing::new([5; 32])),
        }
    }

    #[test]
    fn a_ciphertext_opens_only_in_its_own_place() {
        let keyring = keyring();
        let (mine, other) = (OrganizationId::new(1, 1), OrganizationId::new(1, 2));
        let place = SealedFor { organization: mine, row: "pvk_1", field: "value" };
        let sealed = keyring.seal(&place, b"sk-secret").unwrap();
        assert_eq!(keyring.open_sealed(&place, &sealed).unwrap().as_slice(), b"sk-secret");
        for wrong in [
            SealedFor { organization: other, ..place },
            SealedFor { row: "pvk_2", ..place },
            SealedFor { field: "note", ..place },
        ] {
            assert!(keyring.open_sealed(&wrong, &sealed).is_err(), "{wrong:?}");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keyring.open_sealed(&place, &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_older_version_opens_what_was_sealed_under_it() {
        let mut old = keyring();
        old.vault.remove(&2);
        let place = SealedFor { organization: OrganizationId::new(1, 1), row: "r", field: "f" };
        let sealed = old.seal(&place, b"secret").unwrap();
        assert_eq!(keyring().open_sealed(&place, &sealed).unwrap().as_slice(), b"secret");
        let sealed = keyring().seal(&place, b"secret").unwrap();
        assert!(matches!(old.open_sealed(&place, &sealed), Err(StoreError::Integrity)));
    }

    #[test]
    fn sealing_twice_gives_two_ciphertexts_and_none_opens_shortened() {
        let (keyring, organization) = (keyring(), OrganizationId::new(1, 1));
        let place = SealedFor { organization, row: "r", field: "f" };
        let sealed = keyring.seal(&place, b"secret").unwrap();
        assert_ne!(sealed, keyring.seal(&place, b"secret").unwrap());
        for len in 0..sealed.len() {
            assert!(keyring.open_sealed(&place, &sealed[..len]).is_err(), "first {len} bytes");
        }
        let moved = SealedFor { row: "", field: "rf", ..place };
        assert!(keyring.open_sealed(&moved, &sealed).is_err());
    }

    #[test]
    fn the_secret_of_a_webhook_is_not_sealed_under_the_vault_key() {
        let keyring = keyring();
        let place = SealedFor { organization: OrganizationId::new(1, 1), row: "r", field: "f" };
        let sealed = keyring.seal_webhook(&place, b"secret").unwrap();
        assert_eq!(keyring.open_webhook(&place, &sealed).unwrap().as_slice(), b"secret");
        assert!(keyring.open_sealed(&place, &sealed).is_err());
        let sealed = keyring.seal(&place, b"secret").unwrap();
        assert!(keyring.open_webhook(&place, &sealed).is_err());
    }

    #[test]
    fn the_texts_of_each_call_are_sealed_under_a_key_of_their_own() {
        let keyring = keyring();
        let organization = OrganizationId::new(1, 1);
        let place = SealedFor { organization, row: "req_1", field: "prompt" };
        let sealed = keyring.seal_prompt(&place, b"secret").unwrap();
        assert_eq!(keyring.open_prompt(&place, &sealed).unwrap().as_slice(), b"secret");
        let other = SealedFor { row: "req_2", ..place };
        assert!(keyring.open_prompt(&other, &sealed).is_err());
        assert!(open(&keyring.prompts, &place, &sealed).is_err(), "not under the keyring's own");
        let derived = |place| keys_for(&keyring.prompts, &place).unwrap();
        assert_ne!(derived(place), derived(other));
    }

    fn stored(purposes: &[Purpose], has_data: bool) -> Stored {
        let key = |purpose: &Purpose| (purpose.as_str().to_owned(), 1, Vec::new());
        Stored { keys: purposes.iter().map(key).collect(), has_data }
    }

    #[test]
    fn a_key_that_data_needs_is_never_made_anew() {
        for lost in 0..Purpose::FIRST.len() {
            let mut rest = Purpose::FIRST.to_vec();
            let gone = rest.remove(lost);
            match stored(&rest, true).check_whole() {
                Err(OpenError::KeyringLost { missing }) => assert_eq!(missing, gone.as_str()),
                other => panic!("{other:?}"),
            }
            let made = stored(&rest, false).to_make(&Purpose::FIRST, &Purpose::ALL).unwrap();
            assert_eq!(made, [gone, Purpose::Prompt], "a first start that was broken off");
        }
        let all = stored(&Purpose::ALL, true);
        assert!(all.to_make(&Purpose::FIRST, &Purpose::ALL).unwrap().is_empty());
        assert!(!stored(&[], true).is_new());
    }

    #[test]
    fn a_purpose_of_a_later_version_gets_its_key_where_the_others_are_whole() {
        let (first, all) = (&Purpose::FIRST, &Purpose::ALL);
        assert_eq!(stored(first, true).to_make(first, all).unwrap(), [Purpose::Prompt]);
        let broken = stored(&first[1..], true).to_make(first, all);
        assert!(matches!(broken, Err(OpenError::KeyringLost { .. })));
        assert_eq!(stored(&[], false).to_make(first, all).unwrap(), Purpose::ALL);
    }

    #[test]
    fn a_master_key_is_32_bytes_in_base64() {
        let key = MasterKey::generate().unwrap();
        assert!(MasterKey::parse(&format!(" {}\n", key.expose().as_str()), "here").is_ok());
        for text in ["", "short", "AAAA", "!!!!"] {
            let error = MasterKey::parse(text, "here").unwrap_err();
            assert!(matches!(error, OpenError::MasterKeyMalformed(_)), "{text}");
        }
        assert_eq!(format!("{key:?}"), "MasterKey([REDACTED])");
    }
}
