//! One-time codes by time: RFC 6238 with HMAC-SHA-1, 30 seconds and six digits, which is what every
//! authenticator app takes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::SecretString;
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a secret: as many as the hash has, RFC 4226 section 4.
pub const SECRET_BYTES: usize = 20;
const STEP_SECONDS: i64 = 30;
/// Clocks of phones may be so many steps off, either way.
const SKEW_STEPS: i64 = 1;
const DIGITS: usize = 6;
/// The name under which authenticator apps show the code.
const ISSUER: &str = "Doorward";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that an authenticator app and we share. Wiped when dropped.
pub struct TotpSecret([u8; SECRET_BYTES]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret([REDACTED])")
    }
}

impl Drop for TotpSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl TotpSecret {
    /// Takes random bytes of the operating system's generator.
    pub const fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sealed.
    pub const fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The step whose code this is: the present one or one beside it, and later than `last_step`, so
    /// that no code is taken twice.
    pub fn find_step(&self, code: &str, now: Timestamp, last_step: i64) -> Option<i64> {
        let present = now.as_second().div_euclid(STEP_SECONDS);
        let steps = present - SKEW_STEPS..=present + SKEW_STEPS;
        let is_it = |step: &i64| bool::from(self.code(*step).as_bytes().ct_eq(code.as_bytes()));
        steps.filter(is_it).find(|step| *step > last_step)
    }

    /// The code that an app shows at this instant.
    pub fn code_at(&self, at: Timestamp) -> Zeroizing<String> {
        self.code(at.as_second().div_euclid(STEP_SECONDS))
    }

    /// The code of a step.
    fn code(&self, step: i64) -> Zeroizing<String> {
        let mut block = Zeroizing::new([0; 64]);
        for (slot, byte) in block.iter_mut().zip(self.0) {
            *slot = byte;
        }
        let mut mac: Hmac<Sha1> = Hmac::new(&(*block).into());
        mac.update(&step.to_be_bytes());
        let hash: [u8; 20] = mac.finalize().into_bytes().into();
        // Four bytes from a place that the last byte names, RFC 4226 section 5.3.
        let start = usize::from(hash.last().copied().unwrap_or_default() & 0xf);
        let four = hash.iter().skip(start).take(4);
        let number = four.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
        Zeroizing::new(format!("{:0DIGITS$}", number % 1_000_000))
    }

    /// The secret as people type it into an app.
    pub fn base32(&self) -> SecretString {
        let mut text = String::with_capacity(32);
        for chunk in self.0.chunks(5) {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for at in (0..8).rev() {
                let digit = usize::try_from(bits >> (5 * at) & 31).unwrap_or_default();
                text.push(char::from(BASE32.get(digit).copied().unwrap_or_default()));
            }
        }
        text.into()
    }

    /// The address that an app reads, mostly as a picture.
    pub fn url(&self, account: &str) -> SecretString {
        use secrecy::ExposeSecret;
        let (secret, account) = (self.base32(), percent_encoded(account));
        let secret = secret.expose_secret();
        format!(
            "otpauth://totp/{ISSUER}:{account}?secret={secret}&issuer={ISSUER}\
             &algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        )
        .into()
    }
}

/// Whether a text has the shape of a code.
pub fn is_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn rfc() -> TotpSecret {
        TotpSecret::new(*b"12345678901234567890")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// RFC 6238 appendix B, of which six digits are the last of eight.
    #[test]
    #[rustfmt::skip]
    fn the_vectors_of_the_standard() {
        let cases = [
            (59,             "287082"),
            (1_111_111_109,  "081804"),
            (1_111_111_111,  "050471"),
            (1_234_567_890,  "005924"),
            (2_000_000_000,  "279037"),
            (20_000_000_000, "353130"),
        ];
        for (second, code) in cases {
            assert_eq!(rfc().code_at(at(second)).as_str(), code);
            assert_eq!(rfc().find_step(code, at(second), 0), Some(second / 30));
        }
    }

    #[test]
    fn a_code_works_one_step_around_its_own_and_once() {
        let secret = rfc();
        let code = secret.code(100);
        for (step, expected) in
            [(98, None), (99, Some(100)), (100, Some(100)), (101, Some(100)), (102, None)]
        {
            assert_eq!(secret.find_step(&code, at(step * 30), 0), expected, "{step}");
        }
        assert_eq!(secret.find_step(&code, at(3_000), 99), Some(100));
        assert_eq!(secret.find_step(&code, at(3_000), 100), None);
        for wrong in ["", "00000", "0000000", "abcdef", "12345\u{660}"] {
            assert_eq!(secret.find_step(wrong, at(3_000), 0), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_app_reads_its_address() {
        let url = rfc().url("ada+x@example.com");
        assert_eq!(
            url.expose_secret(),
            "otpauth://totp/Doorward:ada%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Doorward&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(format!("{:?}", rfc()), "TotpSecret([REDACTED])");
    }
}
