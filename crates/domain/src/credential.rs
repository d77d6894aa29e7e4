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
use zeroize::{Zeroize, Zeroizing};

use crate::base62;

/// Characters of the public part.
pub const ACCESS_LEN: usize = 16;
/// Random characters of the secret part, before its checksum.
pub(crate) const ENTROPY_LEN: usize = 43;
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
        Ok(Self::joined(prefix, access))
    }

    /// Joins parts that were checked.
    fn joined(prefix: &[u8], access: &[u8]) -> Self {
        let mut id = Self { bytes: [0; ID_LEN_MAX], len: 0 };
        for part in [prefix, b"_", access] {
            let (start, end) = (usize::from(id.len), usize::from(id.len) + part.len());
            if let (Some(place), Ok(len)) = (id.bytes.get_mut(start..end), end.try_into()) {
                place.copy_from_slice(part);
                id.len = len;
            }
        }
        id
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
        Self::mint_secret(KeyId::joined(prefix.as_str().as_bytes(), &access), random)
    }

    /// Makes a new secret for a key that there is already.
    pub fn mint_secret(id: KeyId, mut random: impl FnMut() -> u8) -> Self {
        let mut secret = [0; SECRET_LEN];
        let (entropy, checksum) = secret.split_at_mut(ENTROPY_LEN);
        base62::fill_random(entropy, &mut random);
        checksum.copy_from_slice(&checksum_of(id.access(), entropy));
        Self { id, secret }
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

    /// HMAC-SHA-256 under the secret: what nobody can make or check who does not have the key.
    /// Each part is preceded by its length, so that no two lists of parts are the same bytes.
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        mac_of_parts(&self.secret, purpose, parts)
    }

    /// Whether both are the same key, in constant time: two places of one request may repeat it.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && bool::from(self.secret.ct_eq(&other.secret))
    }
}

pub(crate) fn checksum_of(access: &[u8], entropy: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(access);
    crc.update(entropy);
    base62::encode_u32(crc.finalize())
}

/// HMAC-SHA-256 under a key of at most 64 bytes, which fills its block with zeros (RFC 2104,
/// section 2).
pub(crate) fn keyed_hmac(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mac = Hmac::new(&block.into());
    block.zeroize();
    mac
}

/// HMAC-SHA-256 of a purpose and parts under a key of at most 64 bytes. Each part is preceded by its
/// length, so that no two lists of parts are the same bytes.
pub(crate) fn mac_of_parts(key: &[u8], purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = keyed_hmac(key);
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key made from repeatable bytes (splitmix64).
    pub(crate) fn minted(prefix: &str, mut seed: u64) -> PlainKey {
        let random = move || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)).to_be_bytes()[7]
        };
        PlainKey::mint(&prefix.parse().unwrap(), random)
    }

    fn any_prefix() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9-]{1,11}"
    }

    fn any_key() -> impl Strategy<Value = PlainKey> {
        (any_prefix(), any::<u64>()).prop_map(|(prefix, seed)| minted(&prefix, seed))
    }

    fn access_key_of(key: &PlainKey) -> String {
        key.id().to_string()
    }

    #[test]
    fn prefixes_are_two_to_twelve_lower_case_characters() {
        #[rustfmt::skip]
        let cases = [
            // prefix         valid
            ("dw",            true),
            ("sk",            true),
            ("sk-acme",       true),
            ("a1",            true),
            ("a-",            true),
            ("abcdefghijkl",  true),  // 12
            ("abcdefghijklm", false), // 13
            ("",              false),
            ("d",             false),
            ("1a",            false),
            ("-a",            false),
            ("Dw",            false),
            ("dW",            false),
            ("d_w",           false), // the separator
            ("d w",           false),
            ("d:w",           false),
            ("dé",            false),
            ("dw\n",          false),
        ];
        for (prefix, is_valid) in cases {
            let parsed = prefix.parse::<KeyPrefix>();
            assert_eq!(parsed.is_ok(), is_valid, "{prefix:?}");
            assert!(parsed.is_err() || parsed.unwrap().as_str() == prefix);
        }
    }

    #[test]
    fn key_ids_have_one_spelling() {
        #[rustfmt::skip]
        let cases = [
            // text                     valid
            ("dw_0123456789ABCDef",     true),
            ("sk-acme_zzzzzzzzzzzzzzzz", true),
            ("dw_0123456789ABCDe",      false), // 15
            ("dw_0123456789ABCDefg",    false), // 17
            ("dw_0123456789ABCD-f",     false),
            ("dw_0123456789ABC_ef",     false),
            ("dw_0123456789ABCDé",      false),
            ("0123456789ABCDef",        false),
            ("_0123456789ABCDef",       false),
            ("DW_0123456789ABCDef",     false),
            (" dw_0123456789ABCDef",    false),
            ("dw_0123456789ABCDef\n",   false),
            ("dw__0123456789ABCDef",    false),
            ("",                        false),
        ];
        for (text, is_valid) in cases {
            let parsed = text.parse::<KeyId>();
            assert_eq!(parsed.is_ok(), is_valid, "{text:?}");
            assert!(parsed.is_err() || parsed.unwrap().to_string() == text);
        }
    }

    #[test]
    fn the_checksum_is_crc_32_in_base_62() {
        // The check value of CRC-32 is 0xcbf43926 for "123456789".
        assert_eq!(checksum_of(b"1234", b"56789"), base62::encode_u32(0xcbf4_3926));
    }

    #[test]
    fn a_keyed_hmac_is_the_one_of_rfc_4231() {
        let mut key = [0; 32]; // Test case 1: twenty bytes 0x0b; zeros behind a key change nothing.
        key[..20].fill(0x0b);
        let mut mac = keyed_hmac(&key);
        mac.update(b"Hi There");
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let hex = digest.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let key = minted("dw", 7);
        let pepper = Pepper::new(3, b"0123456789abcdef0123456789abcdef");
        let digest = pepper.digest(&key);
        assert_eq!(format!("{key:?}"), format!("PlainKey({}, [REDACTED])", key.id()));
        assert_eq!(format!("{pepper:?}"), "Pepper(version 3, [REDACTED])");
        assert_eq!(format!("{digest:?}"), "KeyDigest([REDACTED])");
    }

    #[test]
    fn lists_show_the_id_and_the_last_four_characters() {
        let key = minted("dw", 7);
        let secret = key.expose_secret_key();
        let shown = format!("{}…{}", key.id(), &secret[SECRET_LEN - 4..]);
        assert_eq!(key.tail(), &secret[SECRET_LEN - 4..]);
        assert_eq!(key.id().fingerprint(&secret[SECRET_LEN - 4..]), shown);
    }

    #[test]
    fn the_same_key_under_another_brand_is_another_key() {
        let (ours, theirs) = (minted("dw", 7), minted("sk", 7));
        let pepper = Pepper::new(1, &[1; 32]);
        assert_eq!(ours.expose_secret_key(), theirs.expose_secret_key());
        assert!(!ours.is_same(&theirs));
        assert!(!pepper.digest(&ours).matches(&pepper.digest(&theirs)));
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_minted_key_is_that_key(key in any_key()) {
            let (access_key, secret) = (access_key_of(&key), key.expose_secret_key());
            let one_string = PlainKey::parse(key.expose().as_bytes()).unwrap();
            let joined = PlainKey::parse(format!("{access_key}:{secret}").as_bytes()).unwrap();
            let parts = PlainKey::from_parts(access_key.as_bytes(), secret.as_bytes()).unwrap();
            for read in [one_string, joined, parts] {
                prop_assert!(read.is_same(&key));
                prop_assert_eq!(read.expose(), key.expose());
                prop_assert_eq!(read.id(), key.id());
            }
            prop_assert_eq!(key.expose(), format!("{access_key}_{secret}"));
        }

        #[test]
        fn a_minted_key_has_the_shape_that_scanners_look_for(
            prefix in any_prefix(),
            seed: u64,
        ) {
            let key = minted(&prefix, seed).expose();
            let rest = key.strip_prefix(&format!("{prefix}_")).unwrap();
            let (access, secret) = rest.split_once('_').unwrap();
            prop_assert_eq!((access.len(), secret.len()), (16, 49));
            prop_assert!(base62::is_base62(access.as_bytes()));
            prop_assert!(base62::is_base62(secret.as_bytes()));
        }

        #[test]
        fn a_key_id_prints_what_it_reads(key in any_key()) {
            let id = key.id();
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{id}\""));
            prop_assert_eq!(serde_json::from_str::<KeyId>(&json).unwrap(), id);
            let tail = format!("_{}", id.access_key());
            prop_assert!(id.to_string().ends_with(&tail));
        }

        #[test]
        fn random_bytes_are_no_key(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(PlainKey::parse(&bytes).err(), Some(MalformedKey));
        }

        #[test]
        fn what_only_looks_like_a_key_is_no_key(
            text in "dw_[0-9A-Za-z]{16}[_:][0-9A-Za-z]{49}",
        ) {
            prop_assert_eq!(PlainKey::parse(text.as_bytes()).err(), Some(MalformedKey));
        }

        #[test]
        fn a_digest_matches_only_its_own_key_under_its_own_pepper(
            seeds: (u64, u64),
            peppers: ([u8; 32], [u8; 32]),
        ) {
            prop_assume!(seeds.0 != seeds.1 && peppers.0 != peppers.1);
            let (key, other) = (minted("dw", seeds.0), minted("dw", seeds.1));
            let (old, new) = (Pepper::new(1, &peppers.0), Pepper::new(2, &peppers.1));
            let digest = old.digest(&key);
            let read_again = PlainKey::parse(key.expose().as_bytes()).unwrap();
            prop_assert!(old.digest(&read_again).matches(&digest));
            prop_assert!(KeyDigest::from_bytes(*digest.as_bytes()).matches(&digest));
            prop_assert!(!old.digest(&other).matches(&digest));
            prop_assert!(!new.digest(&key).matches(&digest));
            prop_assert_eq!((old.version(), new.version()), (1, 2));
        }
    }

    /// Whether `bytes` is refused, or is a key that is not `key`.
    fn is_no_spelling_of(key: &PlainKey, bytes: &[u8]) -> bool {
        PlainKey::parse(bytes).map_or(true, |read| !read.is_same(key))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn no_single_change_of_a_character_leaves_the_key_intact(key in any_key()) {
            let text = key.expose().into_bytes();
            let separator = text.len() - SECRET_LEN - 1;
            for position in 0..text.len() {
                for byte in (0..=u8::MAX).filter(|byte| *byte != text[position]) {
                    let mut changed = text.clone();
                    changed[position] = byte;
                    let is_other_spelling = position == separator && byte == b':';
                    prop_assert_eq!(!is_no_spelling_of(&key, &changed), is_other_spelling);
                }
            }
        }

        #[test]
        fn a_change_behind_the_prefix_is_refused_outright(key in any_key()) {
            let text = key.expose().into_bytes();
            let access = text.len() - SECRET_LEN - 1 - ACCESS_LEN;
            for position in (access..text.len()).filter(|p| *p != text.len() - SECRET_LEN - 1) {
                for byte in (0..=u8::MAX).filter(|byte| *byte != text[position]) {
                    let mut changed = text.clone();
                    changed[position] = byte;
                    prop_assert!(PlainKey::parse(&changed).is_err());
                }
            }
        }

        #[test]
        fn no_lost_doubled_or_swapped_character_leaves_the_key_intact(key in any_key()) {
            let text = key.expose().into_bytes();
            for position in 0..text.len() {
                let mut shorter = text.clone();
                shorter.remove(position);
                prop_assert!(is_no_spelling_of(&key, &shorter));
                let mut longer = text.clone();
                longer.insert(position, text[position]);
                prop_assert!(is_no_spelling_of(&key, &longer));
                let mut swapped = text.clone();
                swapped.swap(position, (position + 1) % text.len());
                prop_assert!(swapped == text || is_no_spelling_of(&key, &swapped));
            }
        }
    }

    #[test]
    fn a_mac_is_of_one_key_one_purpose_and_one_list_of_parts() {
        let key = minted("dw", 1);
        let macs = [
            key.mac("a", &[b"b", b"c"]),
            key.mac("a", &[b"bc"]),
            key.mac("a", &[b"b", b"c", b""]),
            key.mac("ab", &[b"c"]),
            minted("dw", 2).mac("a", &[b"b", b"c"]),
        ];
        for (index, mac) in macs.iter().enumerate() {
            assert!(macs.iter().skip(index + 1).all(|other| other != mac), "{index}");
        }
        assert_eq!(key.mac("a", &[b"b", b"c"]), macs[0]);
    }
}
