//! The second filter, over the parsed request: what the scanner cannot see, and HTTP/2.

use http::{HeaderMap, Method, Request, Version, header};

use super::head::is_host;
use super::refusal::Refusal;

/// Refuses what two readers of one request could understand differently.
pub(super) fn check<T>(request: &Request<T>) -> Result<(), Refusal> {
    if let Some(refusal) = Refusal::of_stand_in(request.uri()) {
        return Err(refusal);
    }
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Err(Refusal::Method);
    }
    if request.version() == Version::HTTP_2 {
        check_http2(request)?;
    }
    let target = request.uri().path_and_query().ok_or(Refusal::Target)?;
    let is_plain = target.as_str().is_ascii() && is_plain_target(target.path());
    if is_plain { Ok(()) } else { Err(Refusal::Path) }
}

/// The rules that the scanner applies to the head of an HTTP/1 request.
fn check_http2<T>(request: &Request<T>) -> Result<(), Refusal> {
    check_authority(request)?;
    let headers = request.headers();
    if has_two(headers, &header::AUTHORIZATION) {
        return Err(Refusal::Authorization);
    }
    if has_two(headers, &header::CONTENT_LENGTH) {
        return Err(Refusal::Framing);
    }
    let is_text = |bytes: &[u8]| bytes.is_ascii() || std::str::from_utf8(bytes).is_ok();
    if headers.values().all(|value| is_text(value.as_bytes())) {
        Ok(())
    } else {
        Err(Refusal::Encoding)
    }
}

/// One host, however it is spelled: `:authority`, `host`, or both alike.
fn check_authority<T>(request: &Request<T>) -> Result<(), Refusal> {
    if has_two(request.headers(), &header::HOST) {
        return Err(Refusal::Host);
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = request.headers().get(header::HOST).map(http::HeaderValue::as_bytes);
    let named = match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => None,
        (Some(name), _) | (None, Some(name)) => Some(name),
        (None, None) => None,
    };
    named.filter(|name| is_host(name)).map(|_| ()).ok_or(Refusal::Host)
}

fn has_two(headers: &HeaderMap, name: &header::HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

/// Names of models may hold slashes, and client libraries encode those. What follows this is a name
/// to every reader of ours.
const MODELS: [&str; 2] = ["/v1/models/", "/v1beta/models/"];

fn is_plain_target(path: &str) -> bool {
    if MODELS.iter().any(|models| path.starts_with(models)) && path.contains('%') {
        // Judged as it is read: an encoded way upwards is one all the same.
        is_plain_path(&path.replace("%2F", "/").replace("%2f", "/"))
    } else {
        is_plain_path(path)
    }
}

/// Whether the path means the same to whoever decodes or normalizes it and to whoever does not.
fn is_plain_path(path: &str) -> bool {
    if path == "*" {
        return true;
    }
    let mut before = 0;
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        let is_plain = match byte {
            b'/' => before != b'/',
            b'.' => before != b'/' || !is_dot_segment(after),
            b'%' => is_harmless_escape(after),
            b';' | b'\\' => false,
            _ => true,
        };
        if !is_plain {
            return false;
        }
        before = *byte;
        rest = after;
    }
    path.starts_with('/')
}

/// Whether the segment that began with a dot ends here, or after one more dot.
fn is_dot_segment(after: &[u8]) -> bool {
    matches!(after, [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..])
}

/// Whether an escape is whole and hides no separator, dot, or control character.
fn is_harmless_escape(after: &[u8]) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low, ..] = after else { return false };
    let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return false };
    let byte = high * 16 + low;
    byte >= 0x20 && byte != 0x7f && ![0x2e, 0x2f, 0x3b, 0x5c].contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_two_readers_may_resolve_differently_is_refused() {
        #[rustfmt::skip]
        let cases = [
            // path                       is plain
            ("/",                         true),
            ("/v1/models/meta/llama-3.1", true),
            ("/v1/models/a:b@c,d~e",      true),
            ("/v1/.well-known",           true),
            ("/v1/...",                   true),
            ("/v1/a..b/..c/d..",          true),
            ("/v1/%20a%c3%a9",            true),
            ("*",                         true),
            ("",                          false),
            ("v1",                        false),
            ("/v1/../admin",              false),
            ("/..",                       false),
            ("/.",                        false),
            ("/v1/./models",              false),
            ("//v1",                      false),
            ("/v1//models",               false),
            ("/v1/%2e%2e%2fadmin",        false),
            ("/v1/%2E/models",            false),
            ("/v1/..%2fadmin",            false),
            ("/v1%5cadmin",               false),
            ("/v1\\admin",                false),
            ("/v1%00",                    false),
            ("/v1%0d%0a",                 false),
            ("/v1%7f",                    false),
            ("/v1;x=1",                   false),
            ("/v1%3Bx=1",                 false),
            ("/v1%",                      false),
            ("/v1%2",                     false),
            ("/v1/models/a%2Fb%2fc",      true),
            ("/v1/models/a%2F%2Fb",       false),
            ("/v1/models/..%2fapi-keys",  false),
            ("/v1/models/a%2f..%2f..",    false),
            ("/v1/models/a%2e%2e%2fb",    false),
            ("/v1/models%2fa",            false),
            ("/v1/api-keys/a%2fb",        false),
            ("/v1%zz",                    false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_plain_target(path), expected, "{path:?}");
        }
    }

    type Headers<'a> = &'a [(&'a str, &'a [u8])];

    fn http2(uri: &str, headers: Headers) -> Request<()> {
        let mut request = Request::get(uri).version(Version::HTTP_2);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn http2_requests_meet_the_rules_of_http1_heads() {
        let uri = "https://a.example/v1/models";
        #[rustfmt::skip]
        let cases: [(_, Headers, _); 12] = [
            (uri,             &[],                                                 Ok(())),
            (uri,             &[("host", b"A.example")],                           Ok(())),
            ("/v1/models",    &[("host", b"a.example:443")],                       Ok(())),
            (uri,             &[("x-title", "\u{e9}".as_bytes())],                 Ok(())),
            (uri,             &[("host", b"b.example")],                           Err(Refusal::Host)),
            (uri,             &[("host", b"a.example"), ("host", b"a.example")],   Err(Refusal::Host)),
            ("/v1/models",    &[],                                                 Err(Refusal::Host)),
            ("/v1/models",    &[("host", b"x/?")],                                 Err(Refusal::Host)),
            ("https://u@a/",  &[],                                                 Err(Refusal::Host)),
            (uri,             &[("authorization", b"x"), ("authorization", b"x")], Err(Refusal::Authorization)),
            (uri,             &[("x-org", b"\xff")],                               Err(Refusal::Encoding)),
            ("https://a/../b", &[],                                                Err(Refusal::Path)),
        ];
        for (uri, headers, expected) in cases {
            assert_eq!(check(&http2(uri, headers)), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn every_stand_in_is_recognized() {
        let text = String::from_utf8(Refusal::HeadTooLarge.stand_in()).unwrap();
        let uri: http::Uri = text.split(' ').nth(1).unwrap().parse().unwrap();
        let request = Request::get(uri).body(()).unwrap();
        assert_eq!(check(&request), Err(Refusal::HeadTooLarge));
    }
}
