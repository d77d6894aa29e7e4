//! A form as clients send files in: `multipart/form-data`, read where it stands.
//!
//! What differs for a deployment is put into the client's own bytes, so each part's place is needed,
//! which no library at hand tells. Accepts less than servers do and reads it the same way: what two
//! readers could read differently is refused. Sources: RFC 2046, section 5.1.1; RFC 7578.

use std::ops::Range;

use http::{HeaderMap, header};
use memchr::memmem::Finder;

use crate::error::ProxyError;

/// The most parts of a form; those of transcriptions have some ten.
const PARTS_MAX: usize = 64;
/// Bytes of the head of a part.
const HEAD_BYTES_MAX: usize = 4 * 1024;
/// Characters of a boundary (RFC 2046).
const BOUNDARY_MAX: usize = 70;
/// Bytes of `content-type`, which goes on as it is.
const TYPE_BYTES_MAX: usize = 256;

/// One part, and where it stands in the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    /// Under which name, where it is a file.
    pub(super) file_name: Option<&'a str>,
    pub(super) content: Range<usize>,
    /// Where the part itself says how long it is.
    pub(super) length: Option<Range<usize>>,
}

/// What the head of a part says.
#[derive(Default)]
struct Head<'a> {
    name: Option<&'a str>,
    file_name: Option<&'a str>,
    length: Option<Range<usize>>,
}

/// The boundary that a request says its parts have between them.
pub(crate) fn boundary(headers: &HeaderMap) -> Result<&str, ProxyError> {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") || kinds.next().is_some() {
        return Err(ProxyError::WrongType("multipart/form-data"));
    }
    if parameters.len() > TYPE_BYTES_MAX {
        return Err(bad_boundary());
    }
    let mut all = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let mut own = all.by_ref().filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    let (first, second) = (own.next(), own.next());
    let value = first.filter(|_| second.is_none()).map(|(_, value)| value.trim());
    let value = value.map(|value| {
        value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
    });
    value.filter(|value| is_boundary(value)).ok_or_else(bad_boundary)
}

/// The characters of RFC 2046, but for the space, which some readers trim.
fn is_boundary(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    (1..=BOUNDARY_MAX).contains(&text.len()) && text.bytes().all(is_known)
}

/// The parts of a form. Errors name what is wrong, never what stands there.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, ProxyError> {
    let mark = format!("--{boundary}");
    let mut rest = Rest { body, at: 0, finder: Finder::new(&mark), mark: mark.len() };
    if !body.starts_with(mark.as_bytes()) {
        return Err(malformed("it does not begin with its boundary"));
    }
    rest.at = rest.mark;
    let mut parts = Vec::new();
    while !rest.is_over()? {
        if parts.len() == PARTS_MAX {
            return Err(malformed(&format!("it has more than {PARTS_MAX} parts")));
        }
        let Head { name, file_name, length } = rest.head()?;
        let name = name.ok_or_else(|| malformed("a part has no name"))?;
        let content = rest.content(name)?;
        parts.push(Part { name, file_name, content, length });
    }
    Ok(parts)
}

/// What is still to be read.
struct Rest<'a, 'm> {
    body: &'a [u8],
    at: usize,
    finder: Finder<'m>,
    /// Bytes of a boundary, with its two hyphens.
    mark: usize,
}

impl<'a> Rest<'a, '_> {
    fn left(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// Behind a boundary: whether it was the last one; else the next part begins.
    fn is_over(&mut self) -> Result<bool, ProxyError> {
        match self.left() {
            b"--" | b"--\r\n" => Ok(true),
            [b'\r', b'\n', ..] => {
                self.at += 2;
                Ok(false)
            }
            _ => Err(malformed("something stands behind a boundary")),
        }
    }

    /// The lines up to the empty one.
    fn head(&mut self) -> Result<Head<'a>, ProxyError> {
        let (start, mut head) = (self.at, Head::default());
        let mut has_disposition = false;
        loop {
            let left = self.left();
            let end = memchr::memchr2(b'\r', b'\n', left);
            let line = end.and_then(|end| left.get(..end));
            let line = line.filter(|line| left.get(line.len()..).is_some_and(is_line_end));
            let line = line.ok_or_else(|| malformed("the head of a part has no end"))?;
            let line_start = self.at;
            self.at += line.len() + 2;
            if self.at - start > HEAD_BYTES_MAX {
                return Err(malformed("the head of a part is too large"));
            }
            if line.is_empty() {
                return Ok(head);
            }
            let text = std::str::from_utf8(line).map_err(|_| malformed("a head is not UTF-8"))?;
            let (name, value) =
                text.split_once(':').ok_or_else(|| malformed("a line of a head has no colon"))?;
            // Some readers add a line that begins with a blank to the one before it.
            if !is_token(name) {
                return Err(malformed("a line of a head begins with no name"));
            }
            if name.eq_ignore_ascii_case("content-disposition") {
                if std::mem::replace(&mut has_disposition, true) {
                    return Err(malformed("a part has two dispositions"));
                }
                (head.name, head.file_name) = disposition(value)?;
            } else if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(length_at(value, line_start + line.len()));
            } else if name.eq_ignore_ascii_case("content-transfer-encoding") && !is_plain(value) {
                return Err(malformed("a part is encoded"));
            }
        }
    }

    /// From here to the next boundary, which is passed.
    fn content(&mut self, name: &str) -> Result<Range<usize>, ProxyError> {
        let start = self.at;
        loop {
            let found = self.finder.find(self.left());
            let found = found.map(|found| self.at + found);
            let found = found.ok_or_else(|| malformed(&format!("the part `{name}` has no end")))?;
            self.at = found + self.mark;
            match self.body.get(start..found) {
                Some([content @ .., b'\r', b'\n']) => return Ok(start..start + content.len()),
                // Some take the line break that ends the head for the one before the boundary, too.
                Some([] | [.., b'\n' | b'\r']) => {
                    return Err(malformed(&format!(
                        "no line break of its own ends the part `{name}`"
                    )));
                }
                // In the middle of a line it is content.
                Some(_) | None => {}
            }
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_known)
}

fn is_line_end(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\r\n")
}

/// Where a length stands whose line ends at `end`.
fn length_at(value: &str, end: usize) -> Range<usize> {
    let (behind, text) = (value.len() - value.trim_end().len(), value.trim());
    end - behind - text.len()..end - behind
}

fn is_plain(encoding: &str) -> bool {
    ["binary", "8bit", "7bit"].iter().any(|plain| encoding.trim().eq_ignore_ascii_case(plain))
}

/// The name of a part, and that of its file.
fn disposition(value: &str) -> Result<(Option<&str>, Option<&str>), ProxyError> {
    let (kind, mut rest) = value.split_once(';').unwrap_or((value, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(malformed("a part is no form data"));
    }
    let (mut name, mut file) = (None, None);
    while let Some((key, value, behind)) = parameter(rest)? {
        rest = behind;
        let slot = match key.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut file,
            // The other spelling of the file's name changes nothing here; that of the part's name would.
            "filename*" => continue,
            _ => return Err(malformed("a disposition says more than names")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("a part has two names"));
        }
    }
    // Escapes are read in different ways, and no part that a route has needs one.
    let name = name.filter(|name| !name.contains(['\\', '%', '"']));
    Ok((name, file))
}

/// The first parameter of a disposition, and what stands behind it.
fn parameter(text: &str) -> Result<Option<(&str, &str, &str)>, ProxyError> {
    let text = text.trim_start();
    if text.is_empty() {
        return Ok(None);
    }
    let broken = || malformed("a disposition cannot be read");
    let (key, value) = text.split_once('=').ok_or_else(broken)?;
    let (value, behind) = if let Some(quoted) = value.strip_prefix('"') {
        let end = quote_end(quoted).ok_or_else(broken)?;
        (quoted.get(..end).unwrap_or_default(), quoted.get(end + 1..).unwrap_or_default())
    } else {
        let (value, behind) = value.split_at(value.find(';').unwrap_or(value.len()));
        (value.trim_end(), behind)
    };
    let behind = behind.trim_start();
    let next = behind.strip_prefix(';').or(behind.is_empty().then_some(""));
    Ok(Some((key.trim(), value, next.ok_or_else(broken)?)))
}

/// Where a quoted string ends, behind its opening quote; a backslash takes the next character with it.
fn quote_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

fn bad_boundary() -> ProxyError {
    ProxyError::BadRequest(
        "The `content-type` must name the `boundary` of the form, once, in 1 to 70 characters."
            .to_owned(),
    )
}

fn malformed(why: &str) -> ProxyError {
    ProxyError::BadRequest(format!("The request body is not a form that this route takes: {why}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A part as clients write it.
    fn written(disposition: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("content-disposition: form-data; {disposition}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    }

    fn form(parts: &[Vec<u8>]) -> Vec<u8> {
        let parts = parts.iter().map(|part| [b"--X\r\n", &part[..]].concat());
        [parts.collect::<Vec<_>>().concat(), b"--X--\r\n".to_vec()].concat()
    }

    fn read(body: &[u8]) -> Result<Vec<(String, bool, Vec<u8>)>, String> {
        let parts = parts(body, "X").map_err(|error| error.to_string())?;
        let told = |part: &Part<'_>| {
            (part.name.to_owned(), part.file_name.is_some(), body[part.content.clone()].to_vec())
        };
        Ok(parts.iter().map(told).collect())
    }

    #[test]
    fn parts_are_found_as_real_clients_write_them() {
        #[rustfmt::skip]
        let cases: [(&str, &str, bool); 6] = [
            (r#"name="model""#,                                        "model", false),
            ("name=model",                                             "model", false),
            (r#"name="file"; filename="a\"b;c.wav""#,                  "file",  true),
            (r#"filename="a.wav"; name="file""#,                       "file",  true),
            (r#"name="file"; filename="a"; filename*=UTF-8''a%20b"#,   "file",  true),
            (r#"name="timestamp_granularities[]""#,                    "timestamp_granularities[]", false),
        ];
        for (disposition, name, is_file) in cases {
            let read = read(&form(&[written(disposition, b"v")]));
            assert_eq!(read, Ok(vec![(name.to_owned(), is_file, b"v".to_vec())]), "{disposition}");
        }
        // OkHttp says the length of each part; others end without a line break.
        let body = b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Length:  12 \r\nContent-Transfer-Encoding: binary\r\n\r\nv\r\n--X--";
        let parts = parts(body, "X").unwrap();
        assert_eq!(&body[parts[0].length.clone().unwrap()], b"12");
        assert_eq!(read(b"--X--"), Ok(vec![]));
        assert_eq!(read(&form(&[written("name=a", b"")])).unwrap()[0].2, b"");
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let plain = |body: &str| body.as_bytes().to_vec();
        let head = |line: &str| plain(&format!("--X\r\n{line}\r\n\r\nv\r\n--X--"));
        let long = "x".repeat(5_000);
        #[rustfmt::skip]
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (plain(""),                                                          "begin with its boundary"),
            (plain("hello\r\n--X--"),                                            "begin with its boundary"),
            (plain("--Y--"),                                                     "begin with its boundary"),
            (plain("--X"),                                                       "behind a boundary"),
            (plain("--X "),                                                      "behind a boundary"),
            (plain("--X\n"),                                                     "behind a boundary"),
            (plain("--X--\r\nepilogue"),                                         "behind a boundary"),
            (plain("--X\r\n"),                                                   "no end"),
            (plain("--X\r\ncontent-disposition: form-data; name=a\n\nv\r\n--X--"), "no end"),
            (plain("--X\r\ncontent-disposition: form-data; name=a\r\n\r\nv"),    "`a` has no end"),
            (plain("--X\r\ncontent-disposition: form-data; name=a\r\n\r\nv\n--X--"), "line break"),
            (plain("--X\r\ncontent-disposition: form-data; name=a\r\n\r\n--X--"), "line break"),
            (plain("--X\r\ncontent-disposition: form-data; name=a\r\n\r\nv\r\n--XY\r\n"), "behind a boundary"),
            (head("content-type: text/plain"),                                   "no name"),
            (head("no colon"),                                                   "no colon"),
            (head("content-disposition: attachment; name=a"),                    "no form data"),
            (head("content-disposition: form-data; filename=a"),                 "no name"),
            (head("content-disposition: form-data; name=a; name=b"),             "two names"),
            (head("content-disposition: form-data; name=\"a"),                   "cannot be read"),
            (head("content-disposition: form-data; name=\"a\"b"),                "cannot be read"),
            (head("content-disposition: form-data; name*=UTF-8''a"),             "more than names"),
            (head("content-disposition: form-data; name=\"m%6fdel\""),           "no name"),
            (head("content-disposition: form-data; name=\"m\\odel\""),           "no name"),
            (head("content-disposition: form-data; name=a\r\ncontent-disposition: form-data; name=b"), "two dispositions"),
            (head("content-disposition: form-data; name=a\r\ncontent-transfer-encoding: base64"), "encoded"),
            (head("content-disposition: form-data; name=a\r\n x: filename=b"),   "begins with no name"),
            (head("content-disposition: form-data; name=a\r\n\tfilename:=b"),   "begins with no name"),
            (head("content-disposition : form-data; name=a"),                    "begins with no name"),
            (head(": form-data; name=a"),                                        "begins with no name"),
            (head(&format!("x: {long}")),                                        "too large"),
            (form(&vec![written("name=a", b"v"); PARTS_MAX + 1]),                "more than 64"),
        ];
        for (body, says) in cases {
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(read(&body).unwrap_err().contains(says), "{text:?}: {:?}", read(&body));
        }
    }

    #[test]
    fn a_boundary_is_named_once() {
        #[rustfmt::skip]
        let cases: [(&str, Result<&str, u16>); 12] = [
            ("multipart/form-data; boundary=abc",                 Ok("abc")),
            ("Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a'b\"", Ok("a'b")),
            ("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk", Ok("----WebKitFormBoundary7MA4YWxk")),
            ("multipart/form-data",                               Err(400)),
            ("multipart/form-data; boundary=",                    Err(400)),
            ("multipart/form-data; boundary=a b",                 Err(400)),
            ("multipart/form-data; boundary=\"a",                 Err(400)),
            ("multipart/form-data; boundary=a; boundary=b",       Err(400)),
            ("multipart/mixed; boundary=a",                       Err(415)),
            ("application/json",                                  Err(415)),
            ("",                                                  Err(415)),
            ("multipart/form-datax; boundary=a",                  Err(415)),
        ];
        for (kind, expected) in cases {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            let found = boundary(&headers).map_err(|error| error.status().as_u16());
            assert_eq!(found, expected, "{kind}");
        }
        assert_eq!(boundary(&HeaderMap::new()).unwrap_err().status(), 415);
        let twice = "multipart/form-data; boundary=a";
        let mut headers = HeaderMap::new();
        headers.append(header::CONTENT_TYPE, twice.parse().unwrap());
        headers.append(header::CONTENT_TYPE, twice.parse().unwrap());
        assert_eq!(boundary(&headers).unwrap_err().status(), 415);
    }

    proptest! {
        /// Whatever a file holds is found again, byte for byte.
        #[test]
        fn any_bytes_survive(
            contents in prop::collection::vec(
                prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\r\n-X"[..])], 0..200),
                0..6,
            ),
        ) {
            let boundary = "--no-such-bytes";
            let mut body = Vec::new();
            for (number, content) in contents.iter().enumerate() {
                let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{number}\"; filename=\"f\"\r\n\r\n");
                body.extend_from_slice(&[head.as_bytes(), content, b"\r\n"].concat());
            }
            body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
            let parts = parts(&body, boundary).unwrap();
            let found: Vec<&[u8]> = parts.iter().map(|part| &body[part.content.clone()]).collect();
            prop_assert_eq!(found, contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }

        /// Nothing that anybody sends does more than be refused.
        #[test]
        fn nonsense_is_read_or_refused(body in prop::collection::vec(prop::sample::select(&b"--X\r\n:;=\"ac"[..]), 0..300)) {
            let body = [b"--X\r\n", &body[..]].concat();
            if let Ok(parts) = parts(&body, "X") {
                prop_assert!(parts.iter().all(|part| part.content.end <= body.len()));
            }
        }
    }
}
