//! The cookies of the portal: the session, and the theme.

use http::header::{COOKIE, HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Uri};
use url::Url;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The cookie of a session. Browsers take one of this name only from this very host, over TLS.
const SESSION: &str = "__Host-doorward";
/// The same on this machine without TLS, where browsers would not take the other.
const SESSION_LOCAL: &str = "doorward";
/// Light or dark; without it, as the system says.
const THEME: &str = "doorward-theme";
/// How long a choice of theme is kept: a year.
const THEME_SECONDS: i64 = 365 * 24 * 60 * 60;
/// Far above all cookies of one host.
const COOKIES_BYTES_MAX: usize = 16 << 10;

/// The token of the session, if a request has one: from the cookie that only this very host can have
/// set, else, on this machine, from the one without TLS.
pub(crate) fn session(parts: &Parts) -> Option<&[u8]> {
    let is_local = host(&parts.headers, &parts.uri).is_some_and(is_loopback);
    let local = || named(&parts.headers, SESSION_LOCAL).filter(|_| is_local);
    named(&parts.headers, SESSION).or_else(local)
}

/// The theme that was chosen: `light` or `dark`.
pub(crate) fn theme(headers: &HeaderMap) -> Option<&'static str> {
    match named(headers, THEME)? {
        b"light" => Some("light"),
        b"dark" => Some("dark"),
        _ => None,
    }
}

/// Has a browser keep a session. Not for scripts, not with what other sites send but a click on a link,
/// for this host only.
pub(crate) fn keep_session(parts: &Parts, token: &str, seconds: i64) -> Option<HeaderValue> {
    sensitive(&set(session_name(parts), token, seconds))
}

/// Has a browser forget the session, whichever name it has.
pub(crate) fn forget_session() -> impl Iterator<Item = HeaderValue> {
    [SESSION, SESSION_LOCAL].into_iter().filter_map(|name| sensitive(&set(name, "", 0)))
}

/// Has a browser keep a theme; `None`: forget it.
pub(crate) fn keep_theme(theme: Option<&str>) -> Option<HeaderValue> {
    let seconds = if theme.is_some() { THEME_SECONDS } else { 0 };
    let theme = theme.unwrap_or_default();
    let text = format!("{THEME}={theme}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).ok()
}

fn set(name: &str, value: &str, seconds: i64) -> String {
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The value of the first cookie of this name.
fn named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let values = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = values
        .filter(|value| value.len() <= COOKIES_BYTES_MAX)
        .flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    })
}

/// The session's cookie by the host that is asked. The one without `__Host-` could be planted by another
/// host of the same site, and counts on this machine only.
fn session_name(parts: &Parts) -> &'static str {
    let is_tls =
        parts.headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"));
    if !is_tls && host(&parts.headers, &parts.uri).is_some_and(is_loopback) {
        SESSION_LOCAL
    } else {
        SESSION
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
pub(crate) fn is_same_origin(parts: &Parts) -> bool {
    let headers = &parts.headers;
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site.as_bytes() == b"same-origin";
    }
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = origin.and_then(|origin| origin.split_once("://"));
    let (Some((scheme, of)), Some(host)) = (origin, host(headers, &parts.uri)) else {
        return false;
    };
    matches!(scheme, "http" | "https") && of.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method("POST").uri("/keys");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_cookie_is_bound_to_its_host_and_kept_from_scripts() {
        assert_eq!(
            set(SESSION, "v", 5),
            "__Host-doorward=v; Path=/; Max-Age=5; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            set(SESSION_LOCAL, "v", 5),
            "doorward=v; Path=/; Max-Age=5; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    #[rustfmt::skip]
    fn the_cookie_without_tls_is_of_this_machine_only() {
        let cases = [
            // host,               origin,                     name
            ("127.0.0.1:8440",     None,                       SESSION_LOCAL),
            ("localhost",          Some("http://localhost"),   SESSION_LOCAL),
            ("[::1]:8440",         None,                       SESSION_LOCAL),
            ("a.localhost:1",      None,                       SESSION_LOCAL),
            ("localhost",          Some("https://localhost"),  SESSION),
            ("192.0.2.1",          None,                       SESSION),
            ("door.example.com",   None,                       SESSION),
            ("localhost.evil.com", None,                       SESSION),
            ("127.0.0.1.evil.com", None,                       SESSION),
            ("127.0.0.1@evil.com", None,                       SESSION),
            ("",                   None,                       SESSION),
        ];
        for (host, origin, expected) in cases {
            let mut headers = vec![("host", host)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            assert_eq!(session_name(&parts(&headers)), expected, "{host}");
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
            assert_eq!(is_same_origin(&parts(&headers)), expected, "{headers:?}");
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
            let parts = parts(&[("host", host), ("cookie", cookies)]);
            assert_eq!(session(&parts), expected.map(str::as_bytes), "{host} {cookies}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let all = parts(&[("cookie", "a=1; xdoorward=2;doorward=3; doorward=4")]);
        assert_eq!(named(&all.headers, "doorward"), Some(b"3".as_slice()));
        assert_eq!(named(&all.headers, "door"), None);
    }

    #[test]
    fn a_theme_is_one_that_there_is() {
        for (cookie, expected) in [
            ("doorward-theme=dark", Some("dark")),
            ("doorward-theme=light", Some("light")),
            ("doorward-theme=\"><script>", None),
            ("doorward-theme=", None),
            ("", None),
        ] {
            assert_eq!(theme(&parts(&[("cookie", cookie)]).headers), expected, "{cookie}");
        }
    }
}
