//! Files that open under a passphrase, in the age format (age-encryption.org/v1, its `scrypt`
//! recipient): the standard tool `age -d` opens them too.
//!
//! The primitives are libraries; only the framing is ours, because the crate `age` (0.12, without any
//! of its features) adds eighty more for translations and recipients that nothing here uses. Its makers'
//! tool opens what is sealed here, and the other way round: a test has it do so.

mod header;
mod payload;

use std::fmt;
use std::io::{self, Read};

use secrecy::{ExposeSecret as _, SecretString};

use header::FileKey;
pub use payload::{Opener, Sealer};

/// What one guess costs whoever has the file: 128 MiB and half a second; here in tests less.
const WORK_LOG2: u8 = if cfg!(test) { 10 } else { 17 };
/// As much work as a file may ask of us: 1 GiB of memory.
const WORK_LOG2_MAX: u8 = 20;

/// What a person remembers, or keeps in a safe.
pub struct Passphrase(SecretString);

/// A passphrase that is too short to protect a file that anybody may copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a passphrase has at least {} and at most {} characters",
    Passphrase::CHARS_MIN,
    Passphrase::CHARS_MAX
)]
pub struct UnfitPassphrase;

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase([REDACTED])")
    }
}

impl Passphrase {
    /// Fewer are guessed, whatever a guess costs.
    pub const CHARS_MIN: usize = 12;
    /// More is a mistake, such as a whole file.
    pub const CHARS_MAX: usize = 1_024;

    /// Takes a passphrase to seal with.
    pub fn new(text: SecretString) -> Result<Self, UnfitPassphrase> {
        let chars = text.expose_secret().chars().count();
        let fits = (Self::CHARS_MIN..=Self::CHARS_MAX).contains(&chars);
        if fits { Ok(Self(text)) } else { Err(UnfitPassphrase) }
    }

    /// The text, to be sent to the server that seals with it.
    pub fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }

    /// Takes one to open a file with, which another program may have sealed under less.
    pub fn given(text: SecretString) -> Self {
        Self(text)
    }
}

/// Why a file does not open.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// It is another kind of file.
    #[error("it is not a file in the age format that opens with a passphrase")]
    NotAge,
    /// It asks for more memory than any file of ours.
    #[error("its passphrase takes more work to check than is allowed")]
    TooMuchWork,
    /// The passphrase is another one, or the first lines are damaged.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// Something in it was changed, or its end is missing.
    #[error("it is damaged or cut off")]
    Damaged,
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// The key cannot be derived.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// A cipher does not take what it is given.
    #[error("a cipher does not take its key")]
    Cipher,
}

/// Seals a whole text.
pub fn seal(passphrase: &Passphrase, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(passphrase, &mut out)?;
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Opens what [`seal`] made, at most `bytes_max` of it.
pub fn open(
    passphrase: &Passphrase,
    sealed: &[u8],
    bytes_max: usize,
) -> Result<zeroize::Zeroizing<Vec<u8>>, AgeError> {
    let mut opener = Opener::new(sealed, passphrase)?;
    let mut plain = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) = opener.next_chunk()? {
        if plain.len() + chunk.len() > bytes_max {
            return Err(AgeError::Damaged);
        }
        plain.extend_from_slice(&chunk);
    }
    Ok(plain)
}

/// Whether a text begins as a file of this format does.
pub fn is_sealed(text: &[u8]) -> bool {
    text.starts_with(header::VERSION_LINE.as_bytes())
}

/// Reads one line of the header, without its end; lines are short.
fn read_line(reader: &mut impl Read, bytes_max: usize) -> Result<String, AgeError> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() <= bytes_max {
        match reader.read_exact(&mut byte) {
            Ok(()) if byte == [b'\n'] => {
                return String::from_utf8(line).map_err(|_| AgeError::NotAge);
            }
            Ok(()) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(AgeError::NotAge);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(AgeError::NotAge)
}

#[cfg(test)]
mod tests;
