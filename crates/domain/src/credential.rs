//! The credential that Doorward issues: its shape, its checksum, its digest.
//!
//! One string is `<prefix>_<access>_<secret>`: `<access>` is 16 base62 characters and public,
//! `<secret>` is 43 random base62 characters (256 bits) followed by 6 characters of CRC-32 over
//! `<access>` and the 43. A typo or a random string is refused without a look-up.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::base62;

/// Characters of the public part.
pub const ACCESS_LEN: usize = 16;
/// Random characters of the secret part, before its checksum.
const ENTROPY_LEN: usize = 43;
/// Characters of the checksum.
const CHECKSUM_LEN: usize = 6;
/// Characters of the secret part, checksum included.
pub const SECRET_LEN: usize = ENTROPY_LEN + CHECKSUM_LEN;
/// The longest prefix: one letter and eleven more characters.
pub const PREFIX_LEN_MAX: usize = 12;
const ID_LEN_MAX: usize = PREFIX_LEN_MAX + 1 + ACCESS_LEN;

/// A text that does not have the shape of a credential, or whose checksum is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed API key")]
pub struct MalformedKey;

/// The brand in front of a key: `[a-z][a-z0-9-]{1,11}`, `dw` unless the operator sets another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &[u8]) -> bool {
        (2..=PREFIX_LEN_MAX).contains(&text.len())
            && text.first().is_some_and(u8::is_ascii_lowercase)
            && text.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    }
}

impl FromStr for KeyPrefix {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        Self::is_valid(text.as_bytes()).then(|| Self(text.to_owned())).ok_or(MalformedKey)
    }
}

/// Identifies one API key, `<prefix>_<access>`. Public: in URLs, lists, logs and audit entries.
///
/// Held inline, so that the hot path looks a key up without allocating.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    bytes: [u8; ID_LEN_MAX],
    len: u8,
}

impl KeyId {
    fn new(prefix: &[u8], access: &[u8]) -> Result<Self, MalformedKey> {
        if !KeyPrefix::is_valid(prefix) || access.len() != ACCESS_LEN || !base62::is_base62(access)
        {
            return Err(MalformedKey);
        }
        let mut bytes = [0; ID_LEN_MAX];
        let text = prefix.iter().chain(b"_").chain(access);
        for (slot, byte) in bytes.iter_mut().zip(text) {
            *slot = *byte;
        }
        let len = u8::try_from(prefix.len() + 1 + ACCESS_LEN).map_err(|_| MalformedKey)?;
        Ok(Self { bytes, len })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn access(&self) -> &[u8] {
        let start = self.as_bytes().len().saturating_sub(ACCESS_LEN);
        self.as_bytes().get(start..).unwrap_or_default()
    }
}

impl FromStr for KeyId {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let (prefix, access) = text.split_once('_').ok_or(MalformedKey)?;
        Self::new(prefix.as_bytes(), access.as_bytes())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A key in the clear, 256 random bits. It exists twice: in the answer that creates it and in the
/// request that presents it. No `Clone`, `Display` or `Serialize`; wiped when dropped.
pub struct PlainKey {
    id: KeyId,
    secret: [u8; SECRET_LEN],
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainKey({}, [REDACTED])", self.id)
    }
}

impl Drop for PlainKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl PlainKey {
    /// Makes a new key from `random`, which must be the operating system's generator: one call
    /// gives one byte.
    pub fn mint(prefix: &KeyPrefix, mut random: impl FnMut() -> u8) -> Self {
        let mut access = [0; ACCESS_LEN];
        base62::fill_random(&mut access, &mut random);
        let mut secret = [0; SECRET_LEN];
        let (entropy, checksum) = secret.split_at_mut(ENTROPY_LEN);
        base62::fill_random(entropy, &mut random);
        checksum.copy_from_slice(&checksum_of(&access, entropy));
        let mut bytes = [0; ID_LEN_MAX];
        let prefix = prefix.as_str().as_bytes();
        for (slot, byte) in bytes.iter_mut().zip(prefix.iter().chain(b"_").chain(&access)) {
            *slot = *byte;
        }
        let len = u8::try_from(prefix.len() + 1 + ACCESS_LEN).unwrap_or_default();
        Self { id: KeyId { bytes, len }, secret }
    }

    /// Reads one string, `<prefix>_<access>_<secret>`, or the bearer form that joins access key and
    /// secret key by a colon. Checks shape and checksum, so that typos and scanner noise never
    /// reach the database.
    pub fn parse(text: &[u8]) -> Result<Self, MalformedKey> {
        let cut = text.len().checked_sub(SECRET_LEN + 1).ok_or(MalformedKey)?;
        let (access_key, rest) = text.split_at_checked(cut).ok_or(MalformedKey)?;
        match rest.split_first() {
            Some((b'_' | b':', secret)) => Self::from_parts(access_key, secret),
            Some(_) | None => Err(MalformedKey),
        }
    }

    /// Reads an access key, `<prefix>_<access>`, and its secret key, as HTTP Basic carries them.
    pub fn from_parts(access_key: &[u8], secret: &[u8]) -> Result<Self, MalformedKey> {
        let cut = access_key.len().checked_sub(ACCESS_LEN + 1).ok_or(MalformedKey)?;
        let (prefix, rest) = access_key.split_at_checked(cut).ok_or(MalformedKey)?;
        let access = rest.strip_prefix(b"_").ok_or(MalformedKey)?;
        let secret: [u8; SECRET_LEN] = secret.try_into().map_err(|_| MalformedKey)?;
        let (entropy, checksum) = secret.split_at(ENTROPY_LEN);
        if !base62::is_base62(entropy) || checksum != checksum_of(access, entropy) {
            return Err(MalformedKey);
        }
        Ok(Self { id: KeyId::new(prefix, access)?, secret })
    }

    /// The public id inside the key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The secret part alone, for the answer that creates the key.
    pub fn expose_secret_key(&self) -> String {
        String::from_utf8_lossy(&self.secret).into_owned()
    }

    /// The whole key as one string, for the answer that creates it.
    pub fn expose(&self) -> String {
        format!("{}_{}", self.id, String::from_utf8_lossy(&self.secret))
    }

    /// The last four characters, all that is kept of the secret for lists.
    pub fn tail(&self) -> String {
        String::from_utf8_lossy(self.secret.get(SECRET_LEN - 4..).unwrap_or_default()).into_owned()
    }

    /// Whether both are the same key, in constant time: two places of one request may repeat it.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && bool::from(self.secret.ct_eq(&other.secret))
    }
}

fn checksum_of(access: &[u8], entropy: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(access);
    crc.update(entropy);
    base62::encode_u32(crc.finalize())
}

/// HMAC-SHA-256 under a 32-byte key, which fills its 64-byte block with zeros (RFC 2104, section 2).
pub(crate) fn keyed_hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mac = Hmac::new(&block.into());
    block.zeroize();
    mac
}

/// The key of the digests, one version of it. It lives in the keyring; losing it ends every key.
#[derive(Clone)]
pub struct Pepper {
    version: u32,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper(version {}, [REDACTED])", self.version)
    }
}

impl Pepper {
    /// Takes 32 random bytes of the keyring and their version.
    pub fn new(version: u32, key: &[u8; 32]) -> Self {
        Self { version, mac: keyed_hmac(key) }
    }

    /// Which version of the keyring's key this is; a stored digest names it.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Digests a key.
    pub fn digest(&self, key: &PlainKey) -> KeyDigest {
        let mut mac = self.mac.clone();
        mac.update(key.id.as_bytes());
        mac.update(b"_");
        mac.update(&key.secret);
        KeyDigest(mac.finalize().into_bytes().into())
    }
}

/// HMAC-SHA-256 of a [`PlainKey`] under a [`Pepper`], the only form that is stored.
///
/// A slow hash would buy nothing: the input is 256 random bits, not a password. The pepper keeps
/// somebody who can write to the database from planting a key of their own making.
/// No `PartialEq`: comparing is [`matches`](Self::matches), in constant time.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest([REDACTED])")
    }
}

impl KeyDigest {
    /// Whether both digests are equal, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl KeyId {
    /// What lists show of a key whose last four characters are `tail`.
    pub fn fingerprint(&self, tail: &str) -> String {
        format!("{self}…{tail}")
    }

    /// The public part without its prefix.
    pub fn access_key(&self) -> String {
        String::from_utf8_lossy(self.access()).into_owned()
    }
}
