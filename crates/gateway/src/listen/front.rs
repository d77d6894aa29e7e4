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
    let is_plain = target.as_str().is_ascii() && is_plain_path(target.path());
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
