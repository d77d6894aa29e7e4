//! Recovery codes: what stands in for a second factor that was lost, each once.

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::credential::mac_of_parts;

/// As many as a user gets at a time.
pub const CODES: usize = 10;
/// Characters of a code without its hyphens: 75 bits.
const LEN: usize = 15;
/// Without what looks alike; 32 characters, so that each byte's low bits choose one evenly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Makes a code from `random`, which must be the operating system's generator.
pub fn mint(mut random: impl FnMut() -> u8) -> SecretString {
    let mut text = String::with_capacity(LEN + 2);
    for at in 0..LEN {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        let index = usize::from(random() & 31);
        text.push(char::from(ALPHABET.get(index).copied().unwrap_or_default()));
    }
    text.into()
}

/// A code as it was typed, in the one form that is digested; `None`: it is none.
pub fn normalized(text: &str) -> Option<Zeroizing<String>> {
    if text.len() > 4 * LEN {
        return None;
    }
    let kept = text.chars().filter(|c| !matches!(c, '-' | ' '));
    let code = Zeroizing::new(kept.collect::<String>().to_ascii_lowercase());
    let fits = code.len() == LEN && code.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then_some(code)
}

/// The only form that is stored: HMAC-SHA-256 of whose it is and the code, under a key of the keyring.
pub fn digest(key: &[u8; 32], user: &str, code: &str) -> [u8; 32] {
    *mac_of_parts(key, "recovery code", &[user.as_bytes(), code.as_bytes()])
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let mut byte = 0_u8;
        let code = mint(|| {
            byte = byte.wrapping_add(7);
            byte
        });
        let code = code.expose_secret();
        assert_eq!(code.len(), 17);
        let plain = normalized(code).unwrap();
        for typed in [code.to_uppercase(), code.replace('-', " "), format!(" {code} ")] {
            assert_eq!(normalized(&typed).unwrap(), plain);
        }
        for wrong in ["", "123456", &code[1..], &format!("{code}a"), &"a".repeat(100)] {
            assert!(normalized(wrong).is_none(), "{wrong}");
        }
        assert_ne!(digest(&[1; 32], "a", &plain), digest(&[1; 32], "b", &plain));
    }
}
