//! The head of an upstream's answer.
//! Source: RFC 9112, sections 4 to 6.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};

use super::http1::{Fault, Framing};
use crate::answer::{self, Headers};
use crate::chunks::Chunks;

/// Bytes of a head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of a head.
const HEADERS_MAX: usize = 100;

/// Interim answers (103) before the one that counts.
const INTERIM_MAX: usize = 8;

/// How far the reading of an answer's head is.
#[derive(Debug, Default)]
pub(super) struct Reading {
    interims: usize,
    /// The bytes of the input that are known to be no whole head.
    seen: usize,
}

/// What the head says.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// Only those that the gateway reads or passes on.
    pub(super) headers: Headers,
    pub(super) framing: Framing,
    /// Whether the upstream means to keep the connection open.
    pub(super) is_persistent: bool,
}

/// The headers that say how the message is framed.
#[derive(Debug, Default)]
struct Frame {
    length: Option<u64>,
    is_chunked: bool,
    is_closing: bool,
}

impl Reading {
    /// Takes the head of the answer that counts from the front of the input; `None`: it is not all
    /// there yet.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Head>, Fault> {
        while self.is_worth_parsing(input) {
            match parse(input)? {
                Some(head) if head.status.is_informational() => self.interims += 1,
                Some(head) => return Ok(Some(head)),
                None => {
                    self.seen = input.len();
                    break;
                }
            }
            self.seen = 0;
            if self.interims > INTERIM_MAX {
                return Err(Fault::Malformed("it does not stop to send interim answers"));
            }
        }
        Ok(None)
    }

    /// The first bytes show what is no head at all; after them only its end is worth another look,
    /// else one that comes byte by byte costs the square of its length.
    fn is_worth_parsing(&mut self, input: &[u8]) -> bool {
        if self.seen == 0 {
            return !input.is_empty();
        }
        let unseen = input.get(self.seen.saturating_sub(2)..).unwrap_or_default();
        let mut lines = memchr::memchr_iter(b'\n', unseen).filter_map(|at| unseen.get(at + 1..));
        let has_end = lines.any(|line| line.starts_with(b"\n") || line.starts_with(b"\r\n"));
        self.seen = input.len();
        has_end || input.len() > HEAD_BYTES_MAX
    }
}

/// Takes a head from the front of the input; `None`: it is not all there yet.
fn parse(input: &mut BytesMut) -> Result<Option<Head>, Fault> {
    let mut space = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let head_bytes = match parser.parse_response_with_uninit_headers(&mut parsed, input, &mut space)
    {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if input.len() > HEAD_BYTES_MAX => {
            return Err(Fault::Malformed("its head is too large"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Fault::Malformed("its head cannot be read")),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Fault::Malformed("its status is none"))?;
    let mut frame = Frame { is_closing: parsed.version != Some(1), ..Frame::default() };
    let mut kept = smallvec::SmallVec::<[(HeaderName, std::ops::Range<usize>); 2]>::new();
    for header in parsed.headers.iter() {
        if let Some(name) = answer::kept(header.name.as_bytes()) {
            let start = (header.value.as_ptr() as usize).saturating_sub(input.as_ptr() as usize);
            kept.push((name, start..start + header.value.len()));
        } else {
            frame.read(header)?;
        }
    }
    let text = input.split_to(head_bytes).freeze();
    let is_persistent = !frame.is_closing;
    Ok(Some(Head {
        status,
        headers: headers(&text, kept),
        framing: frame.of(status)?,
        is_persistent,
    }))
}

/// The values stay where they were read.
fn headers(
    text: &Bytes,
    kept: impl IntoIterator<Item = (HeaderName, std::ops::Range<usize>)>,
) -> Headers {
    let value = |range| HeaderValue::from_maybe_shared(text.slice(range)).ok();
    kept.into_iter().filter_map(|(name, range)| Some((name, value(range)?))).collect()
}

impl Frame {
    fn read(&mut self, header: &httparse::Header<'_>) -> Result<(), Fault> {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = decimal(value).ok_or(Fault::Malformed("its length is not a number"))?;
            if self.length.is_some_and(|known| known != length) {
                return Err(Fault::Malformed("it has two lengths"));
            }
            self.length = Some(length);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Malformed("its transfer coding is unknown"));
            }
            self.is_chunked = true;
        } else if header.name.eq_ignore_ascii_case("connection") {
            let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.is_closing |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
        }
        Ok(())
    }

    fn of(self, status: StatusCode) -> Result<Framing, Fault> {
        let has_none = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match (self.length, self.is_chunked) {
            _ if has_none => Ok(Framing::Length(0)),
            // Two readers might take either for the body's end.
            (Some(_), true) => Err(Fault::Malformed("it is framed in two ways")),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, true) => Ok(Framing::Chunked(Chunks::new())),
            (None, false) => Ok(Framing::Close),
        }
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Head>, Fault> {
        parse(&mut BytesMut::from(text))
    }

    /// The status, the framing and whether the connection stays.
    fn frame(lines: &str) -> Result<(u16, Framing, bool), String> {
        match read(&format!("HTTP/1.1 {lines}\r\n\r\n")) {
            Ok(Some(head)) => Ok((head.status.as_u16(), head.framing, head.is_persistent)),
            Ok(None) => Err("partial".to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn a_body_ends_where_the_head_says() {
        use Framing::{Chunked, Close, Length};
        #[rustfmt::skip]
        let cases = [
            ("200 OK\r\nContent-Length: 5",                                  (200, Length(5), true)),
            ("200 OK\r\ncontent-length: 5\r\nContent-Length:  5 ",           (200, Length(5), true)),
            ("200\r\nContent-Length: 0",                                     (200, Length(0), true)),
            ("200 OK\r\nTransfer-Encoding: Chunked",                         (200, Chunked(Chunks::new()), true)),
            ("200 OK",                                                       (200, Close, true)),
            ("204 No Content\r\nContent-Length: 5",                          (204, Length(0), true)),
            ("304 Not Modified",                                             (304, Length(0), true)),
            ("103 Early Hints\r\nlink: </a>",                                (103, Length(0), true)),
            ("429 \r\nContent-Length: 1\r\nConnection: close",               (429, Length(1), false)),
            ("200 OK\r\nContent-Length: 1\r\nConnection: x, CLOSE",          (200, Length(1), false)),
            ("200 OK\r\nContent-Length: 1\r\nConnection: keep-alive",        (200, Length(1), true)),
        ];
        for (lines, expected) in cases {
            assert_eq!(frame(lines), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_head_that_two_readers_may_read_differently_is_refused() {
        #[rustfmt::skip]
        let cases = [
            ("200 OK\r\nContent-Length: 5\r\nContent-Length: 6",             "two lengths"),
            ("200 OK\r\nContent-Length: 5, 5",                               "not a number"),
            ("200 OK\r\nContent-Length: +5",                                 "not a number"),
            ("200 OK\r\nContent-Length: -5",                                 "not a number"),
            ("200 OK\r\nContent-Length:",                                    "not a number"),
            ("200 OK\r\nContent-Length: 99999999999999999999",               "not a number"),
            ("200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",    "framed in two ways"),
            ("200 OK\r\nTransfer-Encoding: gzip, chunked",                   "transfer coding"),
            ("200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "transfer coding"),
            ("200 OK\r\nContent-Length : 5",                                 "cannot be read"),
            ("200 OK\r\n folded: x",                                         "cannot be read"),
            ("200 OK\r\nx: a\0b",                                            "cannot be read"),
            ("20 OK",                                                        "cannot be read"),
        ];
        for (lines, expected) in cases {
            let fault = frame(lines).unwrap_err();
            assert!(fault.contains(expected), "{lines:?}: {fault}");
        }
        for text in ["garbage\r\n\r\n", "HTTP/2 200\r\n\r\n", "SSH-2.0-x\r\n", "<html>"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_head_is_taken_when_it_is_whole_and_nothing_behind_it() {
        let text = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\nx-request-id: theirs\r\n\r\n";
        for cut in 0..text.len() {
            let mut input = BytesMut::from(&text[..cut]);
            assert!(parse(&mut input).unwrap().is_none(), "cut at {cut}");
            assert_eq!(input, &text[..cut]);
        }
        let mut input = BytesMut::from(format!("{text}body").as_str());
        let head = parse(&mut input).unwrap().unwrap();
        assert_eq!(input, "body");
        assert!(!head.is_persistent, "HTTP/1.0 closes");
        let names: Vec<_> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type"]);
    }

    #[test]
    fn an_endless_head_is_refused() {
        let text = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(HEAD_BYTES_MAX));
        assert!(read(&text).unwrap_err().to_string().contains("too large"));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(HEADERS_MAX + 1));
        assert!(read(&many).is_err());
    }

    #[test]
    fn a_head_is_found_wherever_it_is_cut_and_looked_at_only_when_it_may_be_whole() {
        for text in ["HTTP/1.1 200 OK\r\nx: y\r\n\r\n", "HTTP/1.1 200 OK\nx: y\n\n"] {
            let (mut reading, mut input) = (Reading::default(), BytesMut::new());
            for (count, byte) in (1..).zip(text.bytes()) {
                input.extend_from_slice(&[byte]);
                let head = reading.take(&mut input).unwrap();
                assert_eq!(head.is_some(), count == text.len(), "{count} of {text:?}");
            }
        }
        let (mut reading, mut input) = (Reading::default(), BytesMut::from("HTTP/1.1 200 OK\r\n"));
        assert!(reading.take(&mut input).unwrap().is_none());
        input.extend_from_slice(b"x: y\r\n");
        assert!(!reading.is_worth_parsing(&input), "no end is in sight");
        input.extend_from_slice(b"\r\n");
        assert!(reading.is_worth_parsing(&input));
    }
}
