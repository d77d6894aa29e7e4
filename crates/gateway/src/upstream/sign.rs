//! Signing requests for AWS: each attempt by itself, for its time is part of what is signed.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use doorward_domain::aws::AwsRegion;
use http::{HeaderName, HeaderValue, Uri};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::answer::Headers;

/// What requests to Bedrock are signed for.
const SERVICE: &str = "bedrock";
/// Who provides the credentials, for the library's own log, where they are not told.
const SOURCE: &str = "doorward";

/// Signs requests with one pair of keys, for one region.
pub(crate) struct Signer {
    /// It prints no secret and wipes itself when it is dropped.
    credentials: Credentials,
    region: AwsRegion,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A request that cannot be signed: its address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be signed")]
pub(crate) struct Unsignable;

impl Signer {
    pub(crate) fn new(
        (id, secret): (&str, &SecretString),
        session_token: Option<&SecretString>,
        region: AwsRegion,
    ) -> Self {
        let token = session_token.map(|token| token.expose_secret().to_owned());
        let credentials = Credentials::new(id, secret.expose_secret(), token, None, SOURCE);
        Self { credentials, region }
    }

    /// The headers that make a `POST` of this body a signed one, those with a secret marked sensitive.
    pub(crate) fn sign(
        &self,
        uri: &Uri,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Headers, Unsignable> {
        self.signed((SERVICE, "POST"), uri, body, now)
    }

    fn signed(
        &self,
        (service, method): (&str, &str),
        uri: &Uri,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Headers, Unsignable> {
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_str())
            .name(service)
            .time(system_time(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| Unsignable)?;
        let uri = uri.to_string();
        let request =
            SignableRequest::new(method, &uri, std::iter::empty(), SignableBody::Bytes(body))
                .map_err(|_| Unsignable)?;
        let signed = http_request::sign(request, &parameters.into()).map_err(|_| Unsignable)?;
        let (instructions, _) = signed.into_parts();
        instructions.headers().map(|(name, value)| header(name, value)).collect()
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Unsignable> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unsignable)?;
    let mut value = HeaderValue::from_str(value).map_err(|_| Unsignable)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Whole seconds, which is what a signature has.
fn system_time(now: Timestamp) -> SystemTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn signer(token: Option<&str>) -> Signer {
        let token = token.map(SecretString::from);
        Signer::new((ID, &SECRET.into()), token.as_ref(), "us-east-1".parse().unwrap())
    }

    fn authorization(path: &str, method: &str) -> String {
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let uri = format!("https://example.amazonaws.com{path}").parse().unwrap();
        let signed = signer(None).signed(("service", method), &uri, b"", now).unwrap();
        let found = |wanted: &str| {
            let (_, value) = signed.iter().find(|(name, _)| name == wanted).unwrap();
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(found("x-amz-date"), "20150830T123600Z");
        found("authorization")
    }

    /// From the suite that AWS publishes for its signatures: `get-vanilla` and `post-vanilla`. What is encoded in a
    /// path is so once more in what is signed; the suite has no such case, so the last one was made by the
    /// published steps, with other code that gives the suite's signatures, too.
    #[test]
    fn signatures_are_those_that_aws_publishes() {
        #[rustfmt::skip]
        let cases = [
            ("GET",  "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            ("POST", "/model/arn%3Aaws%3Abedrock%2Fa-v1%3A0/converse", "28117b81ed3c023d693f8673e7088882d41b6c7307d2527fa3e4991df0a46831"),
        ];
        for (method, path, signature) in cases {
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(authorization(path, method), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_signature_is_of_the_body_the_path_and_the_time_and_nothing_secret_is_printed() {
        let uri = |model| {
            let uri =
                format!("https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/converse");
            uri.parse::<Uri>().unwrap()
        };
        let signer = signer(Some("canary-token"));
        let at = |seconds: i64| Timestamp::from_second(1_795_000_000 + seconds).unwrap();
        let first = signer.sign(&uri("a"), b"{}", at(0)).unwrap();
        assert_eq!(signer.sign(&uri("a"), b"{}", at(0)).unwrap(), first);
        for other in [
            signer.sign(&uri("b"), b"{}", at(0)),
            signer.sign(&uri("a"), b"{} ", at(0)),
            signer.sign(&uri("a"), b"{}", at(1)),
        ] {
            assert_ne!(other.unwrap(), first);
        }
        let token = first.iter().find(|(name, _)| name == "x-amz-security-token").unwrap();
        assert_eq!(token.1, "canary-token");
        let printed = format!("{first:?} {signer:?}");
        assert!(!printed.contains("canary") && !printed.contains("wJalr"), "{printed}");
    }
}
