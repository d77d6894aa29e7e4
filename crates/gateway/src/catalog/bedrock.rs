//! Where and how to send what Amazon Bedrock is asked.

use doorward_domain::aws::{AwsCredential, AwsRegion};
use doorward_domain::catalog::{Provider, ProviderKind};
use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Unusable;
use super::http_target::{Presented, credential};
use crate::redact::Needle;
use crate::upstream::Signer;

/// What the name of a model has encoded in a path: all that is not unreserved (RFC 3986, section 2.3). Those of
/// inference profiles have colons and slashes.
const IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a call below a provider's base URL.
pub(super) fn uri(base: &Url, model: &str, verb: &str) -> Result<Uri, Unusable> {
    let mut url = base.clone();
    let before = base.path().trim_end_matches('/');
    url.set_path(&format!("{before}/model/{}/{verb}", utf8_percent_encode(model, &IN_PATH)));
    url.as_str().parse().map_err(|_| Unusable::Address)
}

/// An API key goes out as it is; with a pair of keys each request is signed. What Bedrock might say back is
/// what it was sent: of a pair, the token or the id.
pub(super) fn presented(
    provider: &Provider,
    base: &Url,
    secret: &SecretString,
) -> Result<Presented, Unusable> {
    match AwsCredential::parse(secret).map_err(|_| Unusable::Credential)? {
        AwsCredential::ApiKey(key) => Ok(Presented {
            auth: Some(credential(ProviderKind::Bedrock, &key)?),
            signer: None,
            needle: Needle::new(key.expose_secret().as_bytes()),
        }),
        AwsCredential::Keys { access_key_id, secret_access_key, session_token } => {
            let region = region(provider, base).ok_or(Unusable::Address)?;
            let sent =
                session_token.as_ref().map_or(&*access_key_id, |token| token.expose_secret());
            let needle = Needle::new(sent.as_bytes());
            let keys = (&*access_key_id, &secret_access_key);
            let signer = Some(Signer::new(keys, session_token.as_ref(), region));
            Ok(Presented { auth: None, signer, needle })
        }
    }
}

/// The region that the provider names, or that its host does.
fn region(provider: &Provider, base: &Url) -> Option<AwsRegion> {
    provider.region.clone().or_else(|| AwsRegion::of_host(base.host_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_one_encoded_segment_of_the_path() {
        #[rustfmt::skip]
        let cases = [
            ("https://bedrock-runtime.us-east-1.amazonaws.com", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
             "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"),
            ("http://127.0.0.1:80/a/",  "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x_y~z",
             "http://127.0.0.1/a/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x_y~z/converse"),
            ("http://h.example",        "../x%2f?#",
             "http://h.example/model/..%2Fx%252f%3F%23/converse"),
        ];
        for (base, model, expected) in cases {
            let uri = uri(&Url::parse(base).unwrap(), model, "converse").unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }
}
