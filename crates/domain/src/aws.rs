//! How Amazon's services are reached: by which credential, and in which region.

use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

/// A credential for Amazon Bedrock, told apart by its spelling.
#[derive(Debug)]
pub enum AwsCredential {
    /// `<access key id>:<secret access key>[:<session token>]`: each request is signed.
    Keys {
        /// Who signs; no secret, but it names the account.
        access_key_id: String,
        /// What is signed with, and never sent.
        secret_access_key: SecretString,
        /// What temporary keys are sent with.
        session_token: Option<SecretString>,
    },
    /// A Bedrock API key, which is sent as it is.
    ApiKey(SecretString),
}

/// A text that is spelled like none of them. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `<access key id>:<secret access key>`, with `:<session token>` behind it where the id begins \
     with ASIA, or a Bedrock API key"
)]
pub struct UnknownCredential;

/// How the API keys of Bedrock begin: those for hours, and those for days.
const API_KEYS: [&str; 2] = ["bedrock-api-key-", "ABSK"];
/// How the ids of access keys begin: lasting ones, and temporary ones, which have a token.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>.
const LASTING: &str = "AKIA";
const TEMPORARY: &str = "ASIA";
/// Lengths of an access key's id.
const ID_BYTES: std::ops::RangeInclusive<usize> = 16..=128;
/// Letters of every secret access key.
const SECRET_BYTES: usize = 40;

impl AwsCredential {
    /// Reads a credential as an administrator enters it.
    pub fn parse(text: &SecretString) -> Result<Self, UnknownCredential> {
        let text = text.expose_secret();
        let is_api_key = API_KEYS.iter().any(|start| {
            text.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && is_base64(rest))
        });
        if is_api_key {
            return Ok(Self::ApiKey(text.into()));
        }
        let mut parts = text.splitn(3, ':');
        let (id, secret, token) = (parts.next(), parts.next(), parts.next());
        let id = id.filter(|id| is_id(id)).ok_or(UnknownCredential)?;
        let secret = secret.filter(|secret| secret.len() == SECRET_BYTES && is_base64(secret));
        let is_temporary = id.starts_with(TEMPORARY);
        if token.is_some() != is_temporary || !token.is_none_or(is_base64) {
            return Err(UnknownCredential);
        }
        Ok(Self::Keys {
            access_key_id: id.to_owned(),
            secret_access_key: secret.ok_or(UnknownCredential)?.into(),
            session_token: token.map(SecretString::from),
        })
    }
}

fn is_id(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let begins = [LASTING, TEMPORARY].iter().any(|start| text.starts_with(start));
    begins && ID_BYTES.contains(&text.len()) && text.bytes().all(is_letter)
}

/// Letters of base64 in either alphabet, and what stands at its end.
fn is_base64(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// A region of AWS, such as `eu-central-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRegion(String);

/// A text that cannot name a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a region such as us-east-1")]
pub struct MalformedRegion;

/// The longest name of a region.
const REGION_BYTES_MAX: usize = 32;
/// The label in front of a region in the name of a host.
const RUNTIMES: [&str; 2] = ["bedrock-runtime", "bedrock-runtime-fips"];
/// How the names of Amazon's hosts end, and of those in China.
const DOMAIN: &str = ".amazonaws.com";
const DOMAIN_OF_CHINA: &str = ".amazonaws.com.cn";

impl FromStr for AwsRegion {
    type Err = MalformedRegion;

    /// Small words and a number, with hyphens between them.
    fn from_str(text: &str) -> Result<Self, MalformedRegion> {
        let mut words = text.split('-');
        let number = words.next_back().unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let (mut count, mut are_words) = (0, true);
        for word in words {
            count += 1;
            are_words &= is_word(word);
        }
        let fits = text.len() <= REGION_BYTES_MAX && is_number && are_words && count >= 2;
        fits.then(|| Self(text.to_owned())).ok_or(MalformedRegion)
    }
}

impl AwsRegion {
    /// The region that the name of one of Bedrock's own hosts says; `None`: it is none of them.
    pub fn of_host(host: &str) -> Option<Self> {
        let own = host.strip_suffix(DOMAIN_OF_CHINA).or_else(|| host.strip_suffix(DOMAIN))?;
        let mut labels = own.split('.');
        labels.find(|label| RUNTIMES.contains(label))?;
        labels.next()?.parse().ok()
    }

    /// Where Bedrock answers in this region, without a slash at the end.
    pub fn base_url(&self) -> String {
        let domain = if self.0.starts_with("cn-") { DOMAIN_OF_CHINA } else { DOMAIN };
        format!("https://bedrock-runtime.{}{domain}", self.0)
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn a_credential_is_known_by_its_spelling_alone() {
        let temporary = ID.replace("AKIA", "ASIA");
        #[rustfmt::skip]
        let cases = [
            (format!("{ID}:{SECRET}"),                   Some("keys")),
            (format!("{temporary}:{SECRET}:FwoGZXIvYX="), Some("temporary keys")),
            ("bedrock-api-key-YmVkcm9jay5hbWF6b25=".to_owned(), Some("API key")),
            ("ABSKQmVkcm9ja0FQSUtleS1hYmNk=".to_owned(), Some("API key")),
            (format!("{ID}:{SECRET}:FwoGZXIvYX="),       None), // lasting keys have no token
            (format!("{temporary}:{SECRET}"),            None), // temporary ones have
            (format!("{temporary}:{SECRET}:"),           None),
            (format!("{ID}:{}", &SECRET[1..]),           None),
            (format!("{ID}:{SECRET}x"),                  None),
            (format!("{ID}{SECRET}"),                    None),
            (format!("{}:{SECRET}", ID.to_lowercase()),  None),
            (format!("AIDA{}:{SECRET}", &ID[4..]),       None),
            (format!("{temporary}:{SECRET}:a:b"),        None),
            ("bedrock-api-key-".to_owned(),              None),
            ("bedrock-api-key-a b".to_owned(),           None),
            ("ABSK".to_owned(),                          None),
            ("sk-proj-123".to_owned(),                   None),
            (String::new(),                              None),
        ];
        for (text, expected) in cases {
            let found = match AwsCredential::parse(&text.as_str().into()) {
                Ok(AwsCredential::Keys { session_token: None, .. }) => Some("keys"),
                Ok(AwsCredential::Keys { .. }) => Some("temporary keys"),
                Ok(AwsCredential::ApiKey(_)) => Some("API key"),
                Err(UnknownCredential) => None,
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_credential_is_never_printed() {
        for text in [format!("{ID}:{SECRET}"), "ABSKcanary".to_owned()] {
            let credential = AwsCredential::parse(&text.as_str().into()).unwrap();
            let printed = format!("{credential:?}");
            assert!(!printed.contains("wJalr") && !printed.contains("canary"), "{printed}");
        }
    }

    #[test]
    fn a_host_of_bedrock_says_its_region_and_no_other_one_does() {
        #[rustfmt::skip]
        let cases = [
            ("bedrock-runtime.us-east-1.amazonaws.com",         Some("us-east-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn",     Some("cn-north-1")),
            ("vpce-1-a.bedrock-runtime.eu-west-3.vpce.amazonaws.com", Some("eu-west-3")),
            ("bedrock-runtime.amazonaws.com",                   None),
            ("bedrock-runtime.us-east-1.example.com",           None),
            ("bedrock-runtime.us-east-1.amazonaws.com.evil.example", None),
            ("bedrock-runtime.us-east-1.evil-amazonaws.com",    None),
            ("proxy.example.com",                               None),
            ("127.0.0.1",                                       None),
        ];
        for (host, expected) in cases {
            let found = AwsRegion::of_host(host);
            assert_eq!(found.as_ref().map(AwsRegion::as_str), expected, "{host}");
        }
        for region in ["ap-southeast-2", "cn-north-1"] {
            let region: AwsRegion = region.parse().unwrap();
            let url = region.base_url();
            assert_eq!(AwsRegion::of_host(url.trim_start_matches("https://")), Some(region));
        }
        let china: AwsRegion = "cn-north-1".parse().unwrap();
        assert_eq!(china.base_url(), "https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
        for bad in ["", "us-east", "us", "-1", "us--1", "US-EAST-1", "us-east-1/x", "a.b-c-1"] {
            assert_eq!(bad.parse::<AwsRegion>(), Err(MalformedRegion), "{bad}");
        }
    }
}
