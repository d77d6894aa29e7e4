//! What is asked of a new token: how much of the rights, where, for how long.

use doorward_domain::model_pattern::ModelPattern;
use doorward_domain::narrowing::Wanted;
use doorward_domain::scope::Scope;
use url::Url;

use super::error::OauthError;
use super::form::Form;

/// Longest name of a place where a token is used.
const RESOURCE_BYTES_MAX: usize = 500;

/// The fields of a request for a token.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) wanted: Wanted,
    /// Where it is to be used. `None`: here.
    pub(super) resource: Option<String>,
    /// For so long at most.
    pub(super) seconds: Option<u32>,
}

impl Wish {
    pub(super) fn read(form: &mut Form) -> Result<Self, OauthError> {
        if form.take("audience").is_some() {
            return Err(OauthError::InvalidTarget("Name the target by its URI, as resource."));
        }
        let scopes = form.take("scope").map(|text| words(&text, scope)).transpose()?;
        let models = form.take("models").map(|text| words(&text, pattern)).transpose()?;
        let resource = form.take("resource").map(|text| resource(&text)).transpose()?;
        let seconds = form.take("expires_in").map(|text| seconds(&text)).transpose()?;
        Ok(Self { wanted: Wanted { scopes, models }, resource, seconds })
    }
}

fn words<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, OauthError>,
) -> Result<Vec<T>, OauthError> {
    text.split(' ').filter(|word| !word.is_empty()).map(parse).collect()
}

fn scope(name: &str) -> Result<Scope, OauthError> {
    name.parse().map_err(|_| {
        let name: String = name.chars().take(40).collect();
        OauthError::InvalidScope(format!("there is no scope {name}"))
    })
}

fn pattern(text: &str) -> Result<ModelPattern, OauthError> {
    let malformed = |error| OauthError::InvalidScope(format!("models: {error}"));
    text.parse().map_err(malformed)
}

/// An absolute URI without a fragment (RFC 8707, section 2).
fn resource(text: &str) -> Result<String, OauthError> {
    let is_whole = Url::parse(text).is_ok_and(|url| url.fragment().is_none());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_whole && is_plain && text.len() <= RESOURCE_BYTES_MAX {
        return Ok(text.to_owned());
    }
    Err(OauthError::InvalidTarget("resource must be one absolute URI without a fragment."))
}

fn seconds(text: &str) -> Result<u32, OauthError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let too_large = is_number.then_some(u32::MAX);
    text.parse().ok().or(too_large).filter(|seconds| *seconds > 0).ok_or_else(|| {
        OauthError::InvalidRequest("expires_in must be a whole number of seconds.".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_resource_is_an_absolute_uri_without_a_fragment() {
        let cases = [
            ("https://files.example",        true),
            ("https://files.example/a?b=c",  true),
            ("urn:example:files",            true),
            ("https://files.example/#top",   false),
            ("https://files.example/#",      false),
            ("/files",                       false),
            ("files.example",                false),
            ("https://files.example/ x",     false),
            ("https://files.example/ü",      false),
            ("",                             false),
        ];
        for (text, is_good) in cases {
            assert_eq!(resource(text).is_ok(), is_good, "{text}");
        }
        let long = format!("https://a.example/{}", "a".repeat(RESOURCE_BYTES_MAX));
        assert!(resource(&long).is_err());
    }

    #[test]
    fn a_life_is_a_number_of_seconds_however_large() {
        let cases = [("60", Some(60)), ("99999999999999999999", Some(u32::MAX)), ("0", None)];
        for (text, expected) in cases {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for text in ["-1", "1.5", "1h", "+5x", "never"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
