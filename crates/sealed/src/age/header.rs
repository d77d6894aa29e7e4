//! The first four lines: which work unwraps the key of the file, and the proof that they are whole.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{AgeError, Passphrase, SealError, WORK_LOG2, WORK_LOG2_MAX, read_line};

pub(super) const VERSION_LINE: &str = "age-encryption.org/v1\n";
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 16;
/// Longest line: what is longer is no header for a passphrase.
const LINE_BYTES_MAX: usize = 80;

/// The key of one file: its header and its payload have keys of their own, made from this.
pub(super) struct FileKey(Zeroizing<[u8; KEY_BYTES]>);

impl FileKey {
    /// A new one, and the header that gives it to whoever knows the passphrase.
    pub(super) fn generate(passphrase: &Passphrase) -> Result<(Self, Vec<u8>), SealError> {
        let mut key = Self(Zeroizing::default());
        let mut salt = [0; SALT_BYTES];
        for bytes in [key.0.as_mut_slice(), &mut salt] {
            getrandom::fill(bytes).map_err(|_| SealError::NoRandomness)?;
        }
        let wrap = wrap_cipher(passphrase, &salt, WORK_LOG2)?;
        let body = wrap.encrypt(&Nonce::default(), key.0.as_slice());
        let body = STANDARD_NO_PAD.encode(body.map_err(|_| SealError::Cipher)?);
        let salt = STANDARD_NO_PAD.encode(salt);
        let head = format!("{VERSION_LINE}-> scrypt {salt} {WORK_LOG2}\n{body}\n---");
        let mac = STANDARD_NO_PAD.encode(key.mac(&head)?.finalize().into_bytes());
        Ok((key, format!("{head} {mac}\n").into_bytes()))
    }

    /// Reads the header and unwraps the key.
    pub(super) fn read(reader: &mut impl Read, passphrase: &Passphrase) -> Result<Self, AgeError> {
        let mut line = || read_line(reader, LINE_BYTES_MAX);
        let (version, stanza, body, end) = (line()?, line()?, line()?, line()?);
        let mut words = stanza.split(' ');
        let is_ours = format!("{version}\n") == VERSION_LINE
            && (words.next(), words.next()) == (Some("->"), Some("scrypt"));
        let (Some(salt), Some(work), None, true) =
            (words.next(), words.next(), words.next(), is_ours)
        else {
            return Err(AgeError::NotAge);
        };
        let work = read_work(work)?;
        let salt: [u8; SALT_BYTES] = decode(salt)?.try_into().map_err(|_| AgeError::NotAge)?;
        let mac = end.strip_prefix("--- ").ok_or(AgeError::NotAge).and_then(decode)?;
        let key = wrap_cipher(passphrase, &salt, work)?
            .decrypt(&Nonce::default(), decode(&body)?.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| AgeError::WrongPassphrase)?;
        let key: [u8; KEY_BYTES] = key.as_slice().try_into().map_err(|_| AgeError::Damaged)?;
        let key = Self(Zeroizing::new(key));
        let head = format!("{VERSION_LINE}{stanza}\n{body}\n---");
        key.mac(&head)?.verify_slice(&mac).map_err(|_| AgeError::Damaged)?;
        Ok(key)
    }

    /// The cipher of the payload that begins with this nonce.
    pub(super) fn payload(&self, nonce: &[u8]) -> Result<ChaCha20Poly1305, SealError> {
        let key = self.derive(Some(nonce), b"payload")?;
        Ok(ChaCha20Poly1305::new((&*key).into()))
    }

    fn mac(&self, head: &str) -> Result<Hmac<Sha256>, SealError> {
        let key = self.derive(None, b"header")?;
        let mac = Hmac::<Sha256>::new_from_slice(key.as_slice());
        Ok(mac.map_err(|_| SealError::Cipher)?.chain_update(head))
    }

    fn derive(&self, salt: Option<&[u8]>, use_of: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        let derived = Hkdf::<Sha256>::new(salt, self.0.as_slice()).expand(use_of, key.as_mut());
        derived.map_err(|_| SealError::Cipher)?;
        Ok(key)
    }
}

/// The work in decimals, without a sign or a zero in front.
fn read_work(text: &str) -> Result<u8, AgeError> {
    let work: u8 = text.parse().map_err(|_| AgeError::NotAge)?;
    if work == 0 || work.to_string() != text {
        return Err(AgeError::NotAge);
    }
    if work > WORK_LOG2_MAX { Err(AgeError::TooMuchWork) } else { Ok(work) }
}

fn decode(text: &str) -> Result<Vec<u8>, AgeError> {
    STANDARD_NO_PAD.decode(text).map_err(|_| AgeError::NotAge)
}

fn wrap_cipher(
    passphrase: &Passphrase,
    salt: &[u8; SALT_BYTES],
    work: u8,
) -> Result<ChaCha20Poly1305, SealError> {
    let params = scrypt::Params::new(work, 8, 1).map_err(|_| SealError::Cipher)?;
    let salt = [SALT_LABEL, salt].concat();
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.0.expose_secret().as_bytes(), &salt, &params, key.as_mut())
        .map_err(|_| SealError::Cipher)?;
    Ok(ChaCha20Poly1305::new((&*key).into()))
}
