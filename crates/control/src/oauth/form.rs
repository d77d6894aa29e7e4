//! The form-encoded body of a request.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use zeroize::Zeroizing;

use super::error::OauthError;
use crate::request::read_body;

/// The fields of a form. Several of them are secrets: it is wiped when dropped, and has no `Debug`.
pub(super) struct Form(BTreeMap<String, Zeroizing<String>>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OauthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OauthError> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
        if !essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("The body must be application/x-www-form-urlencoded."));
        }
        let body = read_body(request, state).await;
        let body = body.map_err(|_| invalid("The body is too large or incomplete."))?;
        Self::read(&body)
    }
}

fn invalid(text: &str) -> OauthError {
    OauthError::InvalidRequest(text.to_owned())
}

impl Form {
    /// A field without a value counts as left out, one that is given twice is refused (RFC 6749,
    /// section 3.2).
    fn read(body: &[u8]) -> Result<Self, OauthError> {
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if value.is_empty() {
                continue;
            }
            let name: String = name.chars().take(100).collect();
            let value = Zeroizing::new(value.into_owned());
            if fields.insert(name.clone(), value).is_some() {
                return Err(OauthError::InvalidRequest(format!("{name} is given twice.")));
            }
        }
        Ok(Self(fields))
    }

    /// A field, once.
    pub(super) fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        self.0.remove(name)
    }

    /// The same for one that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<Zeroizing<String>, OauthError> {
        let missing = || OauthError::InvalidRequest(format!("{name} is missing."));
        self.take(name).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_given_once_and_an_empty_one_not_at_all() {
        let mut form = Form::read(b"a=1&b=&c=x%20y+z&b=2").ok().unwrap();
        let mut take = |name| form.take(name).map(|value| value.to_string());
        assert_eq!(take("a"), Some("1".to_owned()));
        assert_eq!(take("a"), None);
        assert_eq!(take("b"), Some("2".to_owned()));
        assert_eq!(take("c"), Some("x y z".to_owned()));
        let twice = Form::read(b"a=1&a=1").err().unwrap().to_string();
        assert_eq!(twice, "a is given twice.");
    }
}
