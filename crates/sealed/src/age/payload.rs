//! What follows the header: chunks of 64 KiB, each sealed with its number, the last one as the last:
//! none can be changed, moved, left out or cut off.

use std::fmt;
use std::io::Read;

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

use super::{AgeError, FileKey, Passphrase, SealError};

const CHUNK_BYTES: usize = 64 << 10;
const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 16;

/// Seals what is pushed into it.
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    number: u64,
    /// What was pushed and is not sealed: the last chunk is known only at the end.
    chunk: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer([REDACTED])")
    }
}

impl Sealer {
    /// Writes the header to `out`. Takes about half a second of work.
    pub fn new(passphrase: &Passphrase, out: &mut Vec<u8>) -> Result<Self, SealError> {
        let (key, header) = FileKey::generate(passphrase)?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        out.extend(header);
        out.extend(nonce);
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
        Ok(Self { cipher: key.payload(&nonce)?, number: 0, chunk })
    }

    /// Takes more of the plain text; what is sealed of it goes to `out`.
    pub fn push(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        while !plain.is_empty() {
            if self.chunk.len() == CHUNK_BYTES {
                self.seal(false, out)?;
            }
            let (now, later) = plain.split_at(plain.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            plain = later;
        }
        Ok(())
    }

    /// Writes the rest.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        self.seal(true, out)
    }

    fn seal(&mut self, is_last: bool, out: &mut Vec<u8>) -> Result<(), SealError> {
        let sealed = self.cipher.encrypt(&nonce(self.number, is_last), self.chunk.as_slice());
        out.extend(sealed.map_err(|_| SealError::Cipher)?);
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }
}

/// Opens a sealed text, chunk by chunk.
pub struct Opener<R> {
    reader: R,
    cipher: ChaCha20Poly1305,
    number: u64,
    /// The chunk that was read and is not opened: whether it is the last shows by what follows.
    /// `None`: the end was reached.
    ahead: Option<Vec<u8>>,
}

impl<R> fmt::Debug for Opener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener([REDACTED])")
    }
}

impl<R: Read> Opener<R> {
    /// Reads the header. Takes about half a second of work.
    pub fn new(mut reader: R, passphrase: &Passphrase) -> Result<Self, AgeError> {
        let key = FileKey::read(&mut reader, passphrase)?;
        let mut nonce = [0; NONCE_BYTES];
        if read_up_to(&mut reader, &mut nonce)? < NONCE_BYTES {
            return Err(AgeError::Damaged);
        }
        let cipher = key.payload(&nonce)?;
        let ahead = Some(read_chunk(&mut reader)?);
        Ok(Self { reader, cipher, number: 0, ahead })
    }

    /// The next chunk of the plain text; `None` after the last one, which is known to be that.
    pub fn next_chunk(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AgeError> {
        let Some(sealed) = self.ahead.take() else { return Ok(None) };
        let following = read_chunk(&mut self.reader)?;
        let is_last = following.is_empty();
        let plain = self.cipher.decrypt(&nonce(self.number, is_last), sealed.as_slice());
        let plain = Zeroizing::new(plain.map_err(|_| AgeError::Damaged)?);
        if plain.is_empty() && self.number > 0 {
            return Err(AgeError::Damaged);
        }
        self.number += 1;
        self.ahead = (!is_last).then_some(following);
        Ok(Some(plain))
    }
}

fn read_chunk(reader: &mut impl Read) -> Result<Vec<u8>, AgeError> {
    let mut chunk = vec![0; CHUNK_BYTES + TAG_BYTES];
    let length = read_up_to(reader, &mut chunk)?;
    chunk.truncate(length);
    Ok(chunk)
}

/// Fills the buffer as far as there is something to read.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The chunk's number in eleven bytes, then whether it is the last.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; 12];
    let (front, last) = bytes.split_at_mut(11);
    if let Some((_, low)) = front.split_last_chunk_mut::<8>() {
        *low = number.to_be_bytes();
    }
    last.fill(u8::from(is_last));
    Nonce::from(bytes)
}
