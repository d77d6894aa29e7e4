//! Files with one key in them: the lines of an environment, or an object; the object may be sealed.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use crate::age::{self, Passphrase, SealError};

/// The variable that this program's own commands read.
pub const KEY_VARIABLE: &str = "DOORWARD_API_KEY";
/// The variable by which clients find the endpoint.
pub const URL_VARIABLE: &str = "OPENAI_BASE_URL";

/// What a file tells of a key.
#[derive(Debug)]
pub struct KeyFile<'a> {
    /// The one string.
    pub key: &'a SecretString,
    /// Its public half.
    pub access_key: &'a str,
    /// Its secret half.
    pub secret_key: &'a SecretString,
    /// The base URL of clients, `/v1` included.
    pub endpoint: &'a str,
    /// The key's name.
    pub name: &'a str,
    /// When it ends, as RFC 3339 says it. `None`: never.
    pub expires_at: Option<&'a str>,
}

impl KeyFile<'_> {
    /// Lines that a shell reads as they are meant, whatever the key and the address hold.
    pub fn env(&self) -> Zeroizing<String> {
        let key = self.key.expose_secret();
        let lines = [(KEY_VARIABLE, key), ("OPENAI_API_KEY", key), (URL_VARIABLE, self.endpoint)];
        let lines = lines.map(|(name, value)| format!("{name}={}\n", shell_word(value)));
        Zeroizing::new(lines.concat())
    }

    /// The object, as JSON text.
    pub fn json(&self) -> Zeroizing<String> {
        let object = json!({
            "key": self.key.expose_secret(),
            "access_key": self.access_key,
            "secret_key": self.secret_key.expose_secret(),
            "endpoint": self.endpoint,
            "name": self.name,
            "expires_at": self.expires_at,
        });
        Zeroizing::new(format!("{object:#}\n"))
    }

    /// The object, sealed. Takes about half a second of work.
    pub fn pak(&self, passphrase: &Passphrase) -> Result<Vec<u8>, SealError> {
        age::seal(passphrase, self.json().as_bytes())
    }
}

/// A word that a shell reads as it is, without quotes where none are needed.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,".contains(c);
    let needs_none = !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain);
    if needs_none { text.to_owned() } else { shell_quoted(text) }
}

/// The same, with quotes in any case.
pub fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_lines_as_they_are_meant() {
        let key = SecretString::from("dw_0123456789abcdef_SECRET");
        let endpoint = "http://[::1]:8440/it's $(touch here)";
        let file = KeyFile {
            key: &key,
            access_key: "dw_0123456789abcdef",
            secret_key: &SecretString::from("SECRET"),
            endpoint,
            name: "it's <ci>",
            expires_at: None,
        };
        let script = format!(
            "set -a; {}\nprintf '%s %s %s' \"$DOORWARD_API_KEY\" \"$OPENAI_API_KEY\" \"$OPENAI_BASE_URL\"",
            *file.env()
        );
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let key = key.expose_secret();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), format!("{key} {key} {endpoint}"));
        let object: serde_json::Value = serde_json::from_str(&file.json()).unwrap();
        assert_eq!(
            (&object["name"], &object["secret_key"]),
            (&json!("it's <ci>"), &json!("SECRET"))
        );
        let passphrase = Passphrase::new(SecretString::from("correct horse battery")).unwrap();
        let sealed = file.pak(&passphrase).unwrap();
        let opened = age::open(&passphrase, &sealed, 1 << 16).unwrap();
        assert_eq!(*opened, file.json().as_bytes());
    }

    #[test]
    #[rustfmt::skip]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        for (text, expected) in [
            ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
            ("",                         "''"),
            ("-x",                       "'-x'"),
            ("a b",                      "'a b'"),
            ("it's",                     r"'it'\''s'"),
        ] {
            assert_eq!(shell_word(text), expected);
        }
    }
}
