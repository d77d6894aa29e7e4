//! Judges the head of an HTTP/1 request, line by line.

use memchr::{memchr, memchr2, memchr3};

use super::refusal::Refusal;

/// Header lines in one head; hyper's own array holds no more.
const LINES_MAX: u16 = 100;

/// How the bytes after a head are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Exactly so many bytes, then the next head.
    Length(u64),
    /// Chunks, then trailers, then the next head.
    Chunked,
}

/// A head that came to its end and broke no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Complete {
    /// Bytes of the head with its last line end.
    pub(super) bytes: usize,
    pub(super) framing: Framing,
}

/// A head in the making. Verdicts fall at the first offending line, so where the network cut the
/// bytes never changes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Head {
    /// Where the first line not yet judged begins.
    at: usize,
    /// Lines judged, the request line among them.
    lines: u16,
    skipped_empty_line: bool,
    version: Version,
    seen: Seen,
    is_chunked: bool,
    length: Option<u64>,
}

/// Headers that may come once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    host: bool,
    authorization: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Version {
    Http10,
    #[default]
    Http11,
}

impl Head {
    /// Goes on judging. `head` is all of it that has arrived, from its first byte on, and what
    /// follows it; `None` asks for more.
    pub(super) fn advance(
        &mut self,
        head: &[u8],
        bytes_max: usize,
    ) -> Result<Option<Complete>, Refusal> {
        let window = head.get(..bytes_max).unwrap_or(head);
        while let Some(line) = self.next_line(window)? {
            match (line.is_empty(), self.lines) {
                (false, 0) => self.judge_request_line(line)?,
                (false, _) => self.judge_header_line(line)?,
                (true, 0) => self.skip_empty_line()?,
                (true, _) => return self.finish(window).map(Some),
            }
        }
        if head.len() > bytes_max { Err(Refusal::HeadTooLarge) } else { Ok(None) }
    }

    /// The next whole line without its end. Only CRLF ends a line: who takes a bare LF or CR for an
    /// end sees other headers than who does not, which is how requests are smuggled.
    fn next_line<'h>(&mut self, window: &'h [u8]) -> Result<Option<&'h [u8]>, Refusal> {
        let rest = window.get(self.at..).unwrap_or_default();
        let Some(end) = memchr3(b'\r', b'\n', 0, rest) else { return Ok(None) };
        let (line, after) = rest.split_at(end);
        match after {
            [b'\r', b'\n', ..] => {
                self.at += end + 2;
                Ok(Some(line))
            }
            [b'\r'] => Ok(None),
            _ => Err(Refusal::LineEnd),
        }
    }

    /// One empty line before a request is an old client's habit (RFC 9112 §2.2); more is noise.
    fn skip_empty_line(&mut self) -> Result<(), Refusal> {
        if self.skipped_empty_line {
            return Err(Refusal::RequestLine);
        }
        self.skipped_empty_line = true;
        Ok(())
    }

    fn judge_request_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let space = memchr(b' ', line).ok_or(Refusal::RequestLine)?;
        let (method, rest) = line.split_at(space);
        let target_end = rest.len().checked_sub(9).ok_or(Refusal::RequestLine)?;
        let (target, version) = rest.split_at(target_end);
        self.version = match version {
            b" HTTP/1.1" => Version::Http11,
            b" HTTP/1.0" => Version::Http10,
            _ => return Err(Refusal::RequestLine),
        };
        self.lines = 1;
        judge_target(method, target.get(1..).ok_or(Refusal::RequestLine)?)
    }

    fn judge_header_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if self.lines > LINES_MAX {
            return Err(Refusal::HeaderCount);
        }
        self.lines += 1;
        let colon = memchr(b':', line).ok_or(Refusal::HeaderLine)?;
        let (name, value) = line.split_at(colon);
        // A leading blank is a folded line, a trailing one hides the name from stricter readers.
        match name {
            [] | [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => return Err(Refusal::HeaderLine),
            _ => {}
        }
        self.judge_header(name, value.get(1..).unwrap_or_default())
    }

    fn judge_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.judge_host(value),
            13 if name.eq_ignore_ascii_case(b"authorization") => {
                once(&mut self.seen.authorization, Refusal::Authorization)
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.judge_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.judge_encoding(value),
            _ => Ok(()),
        }
    }

    fn judge_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        once(&mut self.seen.host, Refusal::Host)?;
        if is_host(trim(value)) { Ok(()) } else { Err(Refusal::Host) }
    }

    /// Equal duplicates are refused too: a proxy before us may have read the other one.
    fn judge_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::Framing);
        }
        self.length = Some(parse_length(trim(value)).ok_or(Refusal::Framing)?);
        Ok(())
    }

    fn judge_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        once(&mut self.is_chunked, Refusal::Framing)?;
        if trim(value).eq_ignore_ascii_case(b"chunked") { Ok(()) } else { Err(Refusal::Framing) }
    }

    fn finish(&self, window: &[u8]) -> Result<Complete, Refusal> {
        let head = window.get(..self.at).unwrap_or(window);
        if !head.is_ascii() && std::str::from_utf8(head).is_err() {
            return Err(Refusal::Encoding);
        }
        let framing = match (self.version, self.is_chunked, self.length) {
            (Version::Http11, _, _) if !self.seen.host => return Err(Refusal::Host),
            (Version::Http11, true, None) => Framing::Chunked,
            (_, true, _) => return Err(Refusal::Framing),
            (_, false, length) => Framing::Length(length.unwrap_or(0)),
        };
        Ok(Complete { bytes: self.at, framing })
    }
}

/// Only origin-form, and `*` for OPTIONS: a target that names another host invites routing by one
/// host and authorizing by the other. A fragment never belongs on the wire, and hyper drops it.
fn judge_target(method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    if matches!(method, b"TRACE" | b"CONNECT") {
        return Err(Refusal::Method);
    }
    match target {
        [b'/', ..] if memchr2(b' ', b'#', target).is_none() => Ok(()),
        b"*" if method == b"OPTIONS" => Ok(()),
        _ => Err(Refusal::Target),
    }
}

fn once(seen: &mut bool, refusal: Refusal) -> Result<(), Refusal> {
    if std::mem::replace(seen, true) { Err(refusal) } else { Ok(()) }
}

/// Up to 18 digits and nothing else, so the value always fits.
fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0, |length, digit| {
        digit.is_ascii_digit().then(|| length * 10 + u64::from(digit - b'0'))
    })
}

/// Without the blanks that may surround a value; other white space is part of it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether `text` is `host` or `host:port`: a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', inner @ ..] => match memchr(b']', inner) {
            Some(end) => {
                let (address, rest) = inner.split_at(end);
                return is_ipv6(address) && is_port_suffix(rest.get(1..).unwrap_or_default());
            }
            None => return false,
        },
        name => name.split_at(memchr(b':', name).unwrap_or(name.len())),
    };
    let is_name_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !host.is_empty() && host.iter().all(is_name_byte) && is_port_suffix(port)
}

fn is_ipv6(address: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    address.len() >= 2 && address.iter().all(is_part)
}

fn is_port_suffix(suffix: &[u8]) -> bool {
    match suffix {
        [] => true,
        [b':', digits @ ..] => {
            (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(head: &str) -> Result<Option<Complete>, Refusal> {
        Head::default().advance(head.as_bytes(), 16 * 1024)
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
        #[rustfmt::skip]
        let cases = [
            // text              is a host
            ("localhost",        true),
            ("api.example.com",  true),
            ("my_service:8440",  true),
            ("127.0.0.1:65535",  true),
            ("[::1]",            true),
            ("[2001:db8::1]:80", true),
            ("[::ffff:1.2.3.4]", true),
            ("",                 false),
            (":80",              false),
            ("a:",               false),
            ("a:123456",         false),
            ("a:b",              false),
            ("a:80:80",          false),
            ("a b",              false),
            ("a,b",              false),
            ("a/",               false),
            ("x/?",              false),
            ("x/#",              false),
            ("user@a",           false),
            ("a%2e",             false),
            ("http://a",         false),
            ("[::1",             false),
            ("[]",               false),
            ("[::1]80",          false),
            ("[fe80::1%25eth0]", false),
            ("\u{e9}.example",   false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_host(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn framing_is_read_from_the_one_header_that_gives_it() {
        let post = |headers: &str| judge(&format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        #[rustfmt::skip]
        let cases = [
            ("",                                                   Ok(Framing::Length(0))),
            ("Content-Length: 12\r\n",                             Ok(Framing::Length(12))),
            ("content-length:\t007 \r\n",                          Ok(Framing::Length(7))),
            ("Content-Length: 999999999999999999\r\n",             Ok(Framing::Length(999_999_999_999_999_999))),
            ("Transfer-Encoding: chunked\r\n",                     Ok(Framing::Chunked)),
            ("TE: trailers\r\n",                                   Ok(Framing::Length(0))),
            ("Content-Length: 9999999999999999999\r\n",            Err(Refusal::Framing)),
            ("Content-Length:\r\n",                                Err(Refusal::Framing)),
            ("Content-Length: +1\r\n",                             Err(Refusal::Framing)),
            ("Content-Length: 1, 1\r\n",                           Err(Refusal::Framing)),
            ("Content-Length: 0x1\r\n",                            Err(Refusal::Framing)),
            ("Content-Length: 1\r\nContent-Length: 1\r\n",         Err(Refusal::Framing)),
            ("Transfer-Encoding:\r\n",                             Err(Refusal::Framing)),
            ("Transfer-Encoding: chunked, chunked\r\n",            Err(Refusal::Framing)),
            ("Transfer-Encoding: \x0bchunked\r\n",                 Err(Refusal::Framing)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(Refusal::Framing)),
        ];
        for (headers, expected) in cases {
            let framing = post(headers).map(|complete| complete.unwrap().framing);
            assert_eq!(framing, expected, "{headers:?}");
        }
    }

    #[test]
    fn the_hundredth_header_passes_and_the_next_does_not() {
        let head = |count: usize| {
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(count - 1))
        };
        assert!(judge(&head(100)).unwrap().is_some());
        assert_eq!(judge(&head(101)), Err(Refusal::HeaderCount));
    }
}
