//! Signatures of webhooks, as the Standard Webhooks specification has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use zeroize::Zeroizing;

use crate::credential::keyed_hmac;

const PREFIX: &str = "whsec_";
/// Bytes of a secret that is made here.
pub const SECRET_BYTES: usize = 32;

/// The secret that a webhook's receiver shares with us: 32 random bytes. Its text form, `whsec_` and
/// base64, exists in the answer that makes it, and in the receiver's own configuration.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret([REDACTED])")
    }
}

impl WebhookSecret {
    /// Takes random bytes.
    pub fn new(bytes: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The text that the receiver is given.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(self.0.as_slice())))
    }

    /// The signature of one message at `at_second`, as `webhook-signature` carries it.
    pub fn sign(&self, id: &str, at_second: i64, body: &[u8]) -> String {
        sign(self.0.as_slice(), id, at_second, body)
    }
}

fn sign(secret: &[u8], id: &str, at_second: i64, body: &[u8]) -> String {
    let mut mac = keyed_hmac(secret);
    mac.update(format!("{id}.{at_second}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_of_a_message_is_signed() {
        let secret = WebhookSecret::new(Zeroizing::new([7; 32]));
        let other = WebhookSecret::new(Zeroizing::new([8; 32]));
        let signed = [
            secret.sign("a", 1, b"x"),
            secret.sign("b", 1, b"x"),
            secret.sign("a", 2, b"x"),
            secret.sign("a", 1, b"y"),
            other.sign("a", 1, b"x"),
        ];
        for (n, one) in signed.iter().enumerate() {
            assert!(!signed[..n].contains(one), "{n}");
        }
    }

    #[test]
    fn a_secret_is_shown_by_its_text_only() {
        let secret = WebhookSecret::new(Zeroizing::new([0xff; 32]));
        assert_eq!(format!("{secret:?}"), "WebhookSecret([REDACTED])");
        let text = secret.expose();
        assert!(text.starts_with("whsec_") && text.len() == 6 + 44);
    }
}
