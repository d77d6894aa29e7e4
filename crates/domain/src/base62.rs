//! Base62 text (`0-9A-Za-z`), the alphabet of credentials: safe in URLs, headers and shells.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes at or above this bound are rejected when sampling, so that every character is equally
/// likely: 248 is the largest multiple of 62 that fits a byte.
const UNBIASED_MAX: u8 = 248;

/// Whether every byte is a base62 character. Empty text is.
pub fn is_base62(bytes: &[u8]) -> bool {
    // To the end in any case: the compiler looks at many bytes at once then.
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}

/// Maps one random byte to a character, or `None` where taking it would favour some characters.
fn sample(byte: u8) -> Option<u8> {
    (byte < UNBIASED_MAX).then(|| digit(u32::from(byte)))
}

fn digit(value: u32) -> u8 {
    ALPHABET.iter().copied().nth((value % 62) as usize).unwrap_or(b'0')
}

/// Fills `out` with uniformly distributed characters, drawing bytes from `random` as needed.
pub fn fill_random(out: &mut [u8], random: &mut impl FnMut() -> u8) {
    for slot in out {
        *slot = loop {
            if let Some(character) = sample(random()) {
                break character;
            }
        };
    }
}

/// Writes a 32-bit value as exactly six characters, most significant first (62^6 > 2^32).
pub fn encode_u32(mut value: u32) -> [u8; 6] {
    let mut out = [b'0'; 6];
    for slot in out.iter_mut().rev() {
        *slot = digit(value);
        value /= 62;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_character_is_equally_likely() {
        for wanted in ALPHABET {
            let bytes = (0..=u8::MAX).filter(|byte| sample(*byte) == Some(*wanted));
            assert_eq!(bytes.count(), 4, "{}", char::from(*wanted));
        }
    }

    #[test]
    fn bytes_that_would_favour_some_characters_are_drawn_again() {
        let mut bytes = [255, 248, 61, 249, 0].into_iter();
        let mut out = [0; 2];
        fill_random(&mut out, &mut || bytes.next().unwrap());
        assert_eq!(&out, b"z0");
    }

    proptest! {
        #[test]
        fn an_encoded_number_can_be_read_back(value: u32) {
            let text = encode_u32(value);
            let read = text.iter().fold(0_u64, |sum, byte| {
                sum * 62 + ALPHABET.iter().position(|c| c == byte).unwrap() as u64
            });
            prop_assert!(is_base62(&text));
            prop_assert_eq!(read, u64::from(value));
        }
    }
}
