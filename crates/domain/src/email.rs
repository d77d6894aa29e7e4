//! E-mail addresses: the plain ones that mail servers everywhere take.

use std::fmt;
use std::str::FromStr;

/// Longest address, RFC 5321 section 4.5.3.1.
const BYTES_MAX: usize = 254;
/// Longest part before the `@`.
const LOCAL_BYTES_MAX: usize = 64;
/// Longest part between two dots of the domain.
const LABEL_BYTES_MAX: usize = 63;

/// An e-mail address as it was typed.
///
/// Plain ASCII with a full domain: no quoted part, no comment, no address literal.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String, format = Email, max_length = 254)]
pub struct EmailAddress(String);

/// A text that is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as ada@example.com")]
pub struct MalformedEmail;

impl EmailAddress {
    /// The address as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which two addresses are the same: no mail server that people use tells upper
    /// from lower case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for EmailAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for EmailAddress {
    type Err = MalformedEmail;

    fn from_str(text: &str) -> Result<Self, MalformedEmail> {
        let (local, domain) = text.split_once('@').ok_or(MalformedEmail)?;
        let fits = text.len() <= BYTES_MAX && is_local(local) && is_domain(domain);
        if fits { Ok(Self(text.to_owned())) } else { Err(MalformedEmail) }
    }
}

/// Words of letters, digits and the signs that RFC 5322 calls `atext`, with dots between them.
fn is_local(text: &str) -> bool {
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= LOCAL_BYTES_MAX
        && text.split('.').all(|word| !word.is_empty() && word.bytes().all(is_atext))
}

/// At least two labels, the last of which is no number.
fn is_domain(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    text.contains('.')
        && text.split('.').all(is_label)
        && last.bytes().any(|b| b.is_ascii_alphabetic())
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_read_and_nothing_else() {
        let long = |local: usize, label: usize| {
            format!("{}@{}.example", "a".repeat(local), "b".repeat(label))
        };
        let too_long = format!("{}@{}com", "a".repeat(64), "bbbbbbbbbb.".repeat(18));
        let (longest, local, label) = (long(64, 63), long(65, 1), long(1, 64));
        #[rustfmt::skip]
        let cases = [
            ("ada@example.com",              true),
            ("Ada.Lovelace+ci@Example.COM",  true),
            ("o'hara@mail.example.co.uk",    true),
            ("a@1.example",                  true),
            ("a@xn--bcher-kva.example",      true),
            (longest.as_str(),               true),
            ("",                             false),
            ("ada",                          false),
            ("@example.com",                 false),
            ("ada@",                         false),
            ("ada@localhost",                false),
            ("ada@example.com.",             false),
            ("ada@.example.com",             false),
            ("ada@example..com",             false),
            ("ada@-example.com",             false),
            ("ada@example-.com",             false),
            ("ada@127.0.0.1",                false),
            ("ada@[127.0.0.1]",              false),
            ("ada@b@example.com",            false),
            (".ada@example.com",             false),
            ("ada.@example.com",             false),
            ("a..da@example.com",            false),
            ("a da@example.com",             false),
            (" ada@example.com",             false),
            ("ada@example.com ",             false),
            ("ada@example.com\r\nbcc: x",    false),
            ("ada@exa\0mple.com",            false),
            ("\"a\"@example.com",            false),
            ("Ada <ada@example.com>",        false),
            ("ad\u{e4}@example.com",         false),
            ("ada@ex\u{e4}mple.com",         false),
            (local.as_str(),                 false),
            (label.as_str(),                 false),
            (too_long.as_str(),              false),
        ];
        for (text, is_valid) in cases {
            assert_eq!(text.parse::<EmailAddress>().is_ok(), is_valid, "{text:?}");
        }
    }

    #[test]
    fn an_address_keeps_its_spelling_and_is_compared_without_case() {
        let address: EmailAddress = "Ada@Example.com".parse().unwrap();
        assert_eq!(address.to_string(), "Ada@Example.com");
        assert_eq!(address.folded(), "ada@example.com");
        assert_eq!(serde_json::to_string(&address).unwrap(), "\"Ada@Example.com\"");
    }
}
