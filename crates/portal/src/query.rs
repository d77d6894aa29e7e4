//! The query of a page.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::portal::Portal;

/// Parameters as they came. A page takes those that it knows; a link that is too old or too new still leads
/// somewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(parts: &Parts) -> Self {
        let text = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// A parameter that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The same, for templates: empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether any of these is there.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }

    /// All but one parameter.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// A path with those of these parameters that are there, and more.
    pub(crate) fn path(&self, path: &str, names: &[&str], more: &[(&str, &str)]) -> String {
        let own = names.iter().filter_map(|name| Some((*name, self.get(name)?)));
        with_query(path, own.chain(more.iter().copied()))
    }
}

/// A path with a query.
pub(crate) fn with_query<'a>(
    path: &str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// What means nothing but itself wherever it stands stays as people wrote it.
const SPECIAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One segment of a path. A segment of dots alone would lead up: its dots are escaped.
pub(crate) fn segment(text: &str) -> String {
    let leads_up = text.bytes().all(|byte| byte == b'.');
    utf8_percent_encode(text, if leads_up { NON_ALPHANUMERIC } else { SPECIAL }).to_string()
}

/// The rest of a path: a name whose slashes stay what they are.
pub(crate) fn segments(name: &str) -> String {
    name.split('/').map(segment).collect::<Vec<_>>().join("/")
}

impl FromRequestParts<Portal> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Portal) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
