//! What a password may be.

use std::collections::BTreeSet;

/// Fewest characters.
pub const CHARS_MIN: usize = 12;
/// Most characters.
pub const CHARS_MAX: usize = 256;
/// Fewer different characters than these are a pattern, and no secret.
const DISTINCT_MIN: usize = 5;

/// What is tried first, of those that are long enough; in lower case, without what was put at the end.
#[rustfmt::skip]
const COMMON: [&str; 34] = [
    "password", "passwordpassword", "passw0rd", "p@ssword", "p@ssw0rd", "changeme", "changemenow",
    "letmein", "letmeinplease", "welcome", "welcometo", "administrator", "adminadmin", "rootroot",
    "qwerty", "qwertyuiop", "qwertyqwerty", "qwertyuiopasdf", "qwertyuiopasdfghjkl", "asdfghjkl",
    "zxcvbnm", "1q2w3e4r5t", "1q2w3e4r5t6y", "1qaz2wsx", "1qaz2wsx3edc", "abcdefghijkl", "abcdef",
    "iloveyou", "doorward", "doorwarddoorward", "correcthorsebatterystaple", "testtesttest", "secret",
    "supersecret",
];

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error("must have {CHARS_MIN} to {CHARS_MAX} characters")]
    Length,
    /// It is among those that everybody tries.
    #[error("is one of those that are tried first: take a longer, stranger one")]
    Common,
    /// It is, or repeats, the user's name or e-mail address.
    #[error("must not be your name or e-mail address")]
    Own,
}

/// Checks a new password. `own` are the texts that everybody knows of the user. Its bytes are kept as
/// they are: no character is another one.
pub fn check_password(text: &str, own: &[&str]) -> Result<(), WeakPassword> {
    if !(CHARS_MIN..=CHARS_MAX).contains(&text.chars().count()) {
        return Err(WeakPassword::Length);
    }
    let folded = text.to_lowercase();
    if is_common(&folded) {
        return Err(WeakPassword::Common);
    }
    let is_own = |known: &&str| known.len() > 3 && rest_is_short(&folded, &known.to_lowercase());
    if own.iter().any(is_own) { Err(WeakPassword::Own) } else { Ok(()) }
}

fn is_common(folded: &str) -> bool {
    let distinct: BTreeSet<char> = folded.chars().collect();
    let stem = folded.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    distinct.len() < DISTINCT_MIN
        || is_run(folded)
        || stem.is_empty()
        || COMMON.contains(&stem)
        || COMMON.contains(&folded)
}

/// Whether each character follows the one before it: `abcdefghijklm`, `987654321098`.
fn is_run(text: &str) -> bool {
    let follows =
        |(one, next): (u8, u8)| matches!(i16::from(next) - i16::from(one), -1 | 1 | 9 | -9);
    text.bytes().zip(text.bytes().skip(1)).all(follows)
}

/// Whether what is left of a password without what everybody knows is no secret.
fn rest_is_short(folded: &str, known: &str) -> bool {
    folded.contains(known) && folded.replace(known, "").chars().count() < CHARS_MIN / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn what_everybody_tries_is_refused() {
        use WeakPassword::{Common, Length, Own};
        let (longest, too_long) = ("ab3$x".repeat(51) + "y", "ab3$x".repeat(51) + "yz");
        let cases = [
            ("correct horse battery", Ok(())),
            ("Tr0ub4dor&3 again",     Ok(())),
            ("\u{fc}nd noch ein Wort", Ok(())),
            (longest.as_str(),        Ok(())),
            (too_long.as_str(),       Err(Length)),
            ("elevenchars",           Err(Length)),
            ("",                      Err(Length)),
            ("password1234",          Err(Common)),
            ("Password2026!",         Err(Common)),
            ("123456789012",          Err(Common)),
            ("987654321098",          Err(Common)),
            ("192837465019",          Err(Common)), // digits only
            ("aaaaaaaaaaaaaaaa",      Err(Common)),
            ("abababababababab",      Err(Common)),
            ("abcdefghijklmnop",      Err(Common)),
            ("QwertyUiop123",         Err(Common)),
            ("ada@example.com",       Err(Own)),
            ("ADA@example.com1",      Err(Own)),
            ("Ada Lovelace1",         Err(Own)),
            ("Ada Lovelace and the engine", Ok(())),
        ];
        for (text, expected) in cases {
            assert_eq!(check_password(text, &["ada@example.com", "Ada Lovelace"]), expected, "{text}");
        }
    }
}
