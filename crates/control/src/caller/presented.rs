//! Where a request carries its credential: a key, or a token in its place, in a header, the token of a session in a header or in
//! a cookie.

use axum::extract::Request;
use doorward_domain::presented::{NoCredential, Place, Presented, credential};
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};
use url::Url;
use zeroize::Zeroizing;

use crate::problem::ApiError;
use crate::sign_in_refusal::SignInRefusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The cookie of a session. Browsers take one of this name only from this very host, over TLS.
const COOKIE_NAME: &str = "__Host-doorward";
/// The same on this machine without TLS, where browsers would not take the other.
const COOKIE_NAME_LOCAL: &str = "doorward";
/// Both.
pub(crate) const COOKIE_NAMES: [&str; 2] = [COOKIE_NAME, COOKIE_NAME_LOCAL];
/// Far above all cookies of one host.
const COOKIES_BYTES_MAX: usize = 16 << 10;

/// What a request presents.
#[derive(Debug)]
pub(crate) enum Proof {
    /// A key, or an access token that stands for one.
    Key(Presented),
    Session(SignInToken),
}

impl Proof {
    /// HMAC-SHA-256 under the secret that was presented.
    pub(crate) fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Key(key) => key.mac(purpose, parts),
            Self::Session(token) => token.mac(purpose, parts),
        }
    }
}

/// Reads the credential. A cookie counts only where nothing else is presented: browsers send it
/// unasked, so it is no second credential beside one that was meant.
pub(super) fn presented(request: &Request) -> Result<Proof, ApiError> {
    let headers = request.headers();
    let mut values = values(headers);
    if let Some(text) = bearer_session(headers) {
        // One value, and it is this one.
        return match (values.next(), values.next()) {
            (Some(_), None) => read_session(text),
            (Some(_) | None, _) => Err(ApiError::NoCredential(NoCredential::Ambiguous)),
        };
    }
    match credential(values) {
        Ok(key) => Ok(Proof::Key(key)),
        Err(NoCredential::Missing) => cookie_session(request),
        Err(other @ (NoCredential::Malformed | NoCredential::Ambiguous)) => {
            Err(ApiError::NoCredential(other))
        }
    }
}

/// The one key or token in the headers of a request.
pub(crate) fn api_credential(headers: &HeaderMap) -> Result<Presented, NoCredential> {
    credential(values(headers))
}

/// Every header in which a credential may be.
fn values(headers: &HeaderMap) -> impl Iterator<Item = (Place, &[u8])> {
    const PLACES: [(Place, &str); 4] = [
        (Place::Authorization, "authorization"),
        (Place::Header, "x-api-key"),
        (Place::Header, "api-key"),
        (Place::Header, "x-goog-api-key"),
    ];
    PLACES
        .into_iter()
        .flat_map(|(place, name)| headers.get_all(name).iter().map(move |v| (place, v.as_bytes())))
}

/// The token of a session in the header `authorization`.
fn bearer_session(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, rest) = value.as_bytes().trim_ascii().split_at_checked(7)?;
        let token = rest.trim_ascii();
        let is_session = scheme.eq_ignore_ascii_case(b"bearer ")
            && SignInToken::is_meant(TokenKind::Session, token);
        is_session.then_some(token)
    })
}

fn read_session(text: &[u8]) -> Result<Proof, ApiError> {
    let token = SignInToken::parse(TokenKind::Session, text);
    token.map(Proof::Session).map_err(|_| SignInRefusal::SessionOver.into())
}

fn cookie_session(request: &Request) -> Result<Proof, ApiError> {
    let headers = request.headers();
    let token = session_cookie(headers, request.uri());
    let token = token.ok_or(ApiError::NoCredential(NoCredential::Missing))?;
    if !request.method().is_safe() && !is_same_origin(headers, request.uri()) {
        return Err(SignInRefusal::CrossSite.into());
    }
    read_session(token)
}

/// The cookie that only this very host can have set, else, on this machine, the one without TLS: a
/// request says nothing of TLS that could be relied on.
fn session_cookie<'a>(headers: &'a HeaderMap, uri: &Uri) -> Option<&'a [u8]> {
    let is_local = host(headers, uri).is_some_and(is_loopback);
    let local = || cookie(headers, COOKIE_NAME_LOCAL).filter(|_| is_local);
    cookie(headers, COOKIE_NAME).or_else(local)
}

/// The value of the first cookie of this name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let values = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = values
        .filter(|value| value.len() <= COOKIES_BYTES_MAX)
        .flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    })
}

/// The cookie's name, by the host that is asked. The one without `__Host-` could be planted by another
/// host of the same site, and counts on this machine only.
pub(crate) fn cookie_name(headers: &HeaderMap, uri: &Uri) -> &'static str {
    let is_tls = headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"));
    if !is_tls && host(headers, uri).is_some_and(is_loopback) {
        COOKIE_NAME_LOCAL
    } else {
        COOKIE_NAME
    }
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| uri.authority().map(http::uri::Authority::as_str))
}

fn is_loopback(host: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a browser says that a page of this very origin sent the request. A page of another site can
/// make a browser send its cookie, but not make it say this.
pub(crate) fn is_same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site.as_bytes() == b"same-origin";
    }
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = origin.and_then(|origin| origin.split_once("://"));
    let (Some((scheme, of)), Some(host)) = (origin, host(headers, uri)) else { return false };
    matches!(scheme, "http" | "https") && of.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = http::Request::builder().method(method).uri("/v1/sessions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn the_cookie_without_tls_is_of_this_machine_only() {
        let cases = [
            // host,               origin,                     name
            ("127.0.0.1:8440",     None,                       COOKIE_NAME_LOCAL),
            ("localhost",          Some("http://localhost"),   COOKIE_NAME_LOCAL),
            ("[::1]:8440",         None,                       COOKIE_NAME_LOCAL),
            ("a.localhost:1",      None,                       COOKIE_NAME_LOCAL),
            ("localhost",          Some("https://localhost"),  COOKIE_NAME),
            ("192.0.2.1",          None,                       COOKIE_NAME),
            ("door.example.com",   None,                       COOKIE_NAME),
            ("localhost.evil.com", None,                       COOKIE_NAME),
            ("127.0.0.1.evil.com", None,                       COOKIE_NAME),
            ("127.0.0.1@evil.com", None,                       COOKIE_NAME),
            ("",                   None,                       COOKIE_NAME),
        ];
        for (host, origin, expected) in cases {
            let mut headers = vec![("host", host)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let request = request("GET", &headers);
            assert_eq!(cookie_name(request.headers(), request.uri()), expected, "{host}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn only_a_page_of_this_origin_is_of_this_origin() {
        let cases = [
            // sec-fetch-site,    origin,                      same
            (Some("same-origin"), None,                        true),
            (Some("same-origin"), Some("https://evil.com"),    true), // a browser never says both
            (Some("same-site"),   Some("https://door.test"),   false),
            (Some("cross-site"),  None,                        false),
            (Some("none"),        None,                        false),
            (None,                Some("https://door.test"),   true),
            (None,                Some("https://DOOR.test"),   true),
            (None,                Some("https://a.door.test"), false),
            (None,                Some("https://door.test:1"), false),
            (None,                Some("null"),                false),
            (None,                Some("file://door.test"),    false),
            (None,                None,                        false),
        ];
        for (site, origin, expected) in cases {
            let mut headers = vec![("host", "door.test")];
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            headers.extend(origin.map(|origin| ("origin", origin)));
            let request = request("POST", &headers);
            assert_eq!(is_same_origin(request.headers(), request.uri()), expected, "{headers:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_session_is_read_from_the_safer_cookie_first() {
        let cases = [
            ("127.0.0.1:8440",   "doorward=1",                   Some("1")),
            ("localhost:8443",   "__Host-doorward=2",            Some("2")),
            ("localhost:8443",   "doorward=1; __Host-doorward=2", Some("2")),
            ("door.example.com", "doorward=1",                   None),
            ("door.example.com", "__Host-doorward=2",            Some("2")),
        ];
        for (host, cookies, expected) in cases {
            let request = request("GET", &[("host", host), ("cookie", cookies)]);
            let found = session_cookie(request.headers(), request.uri());
            assert_eq!(found, expected.map(str::as_bytes), "{host} {cookies}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let all = request("GET", &[("cookie", "a=1; xdoorward=2;doorward=3; doorward=4")]);
        assert_eq!(cookie(all.headers(), "doorward"), Some(b"3".as_slice()));
        assert_eq!(cookie(all.headers(), "door"), None);
    }
}
