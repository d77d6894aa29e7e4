//! Input that the text of the body does not tell: what it only names, and what is no text.

use memchr::memmem;

/// Whether the body names something that the provider fetches: the members `url`, `…_url`, `…uri` and
/// `file_id`, unless the data stand in them. It is read as text: better too much held than too little.
pub(super) fn is_named(body: &[u8]) -> bool {
    has_disguised_letter(body)
        || DOCUMENTS.iter().any(|mark| memmem::find(body, mark).is_some())
        || has_ending(body)
            && memchr::memchr_iter(b'"', body).any(|quote| is_reference(body, quote))
}

/// How the media type of a document ends, whose pages nobody sees in its length.
const DOCUMENTS: [&[u8]; 2] = [b"/pdf\"", b"/pdf;"];

/// What stands beside each picture, film or sound in a body, as the dialects write it.
const MEDIA: [&[u8]; 6] = [
    br#""data:"#,
    br#""base64""#,
    br#""inlineData""#,
    br#""inline_data""#,
    br#""input_audio""#,
    br#""file_data""#,
];

/// How many pictures, films and sounds stand in the body, at most. It is read as text, too.
pub(super) fn media(body: &[u8]) -> u64 {
    MEDIA.iter().map(|mark| memmem::find_iter(body, mark).count() as u64).sum()
}

/// Whether a string ends as such a member's name does. Written so that the compiler looks at many
/// bytes at once: most bodies have none, and are long.
fn has_ending(body: &[u8]) -> bool {
    let (Some(second), Some(third)) = (body.get(1..), body.get(2..)) else { return false };
    let ends = |((&a, &b), &c): ((&u8, &u8), &u8)| {
        matches!((a | 0x20, b | 0x20, c), (b'r', b'l' | b'i', b'"') | (b'i', b'd', b'"'))
    };
    body.iter().zip(second).zip(third).map(ends).fold(false, |any, one| any | one)
}

/// Whether a key that names a place ends at this quote, and a place stands behind it.
fn is_reference(body: &[u8], quote: usize) -> bool {
    let (key, behind) = body.split_at_checked(quote).unwrap_or_default();
    let ends_in = |name: &[u8]| {
        let end = key.len().checked_sub(name.len()).and_then(|start| key.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    if !ends_in(b"url") && !ends_in(b"uri") && !ends_in(b"file_id") {
        return false;
    }
    let value = behind.get(1..).unwrap_or_default().trim_ascii_start().strip_prefix(b":");
    let text = value.and_then(|value| value.trim_ascii_start().strip_prefix(b"\""));
    text.is_some_and(|text| !text.starts_with(b"data:"))
}

/// Whether a letter is written as an escape, which nobody needs and which could hide a key.
pub(super) fn has_disguised_letter(body: &[u8]) -> bool {
    let Some(first) = memchr::memchr(b'\\', body) else { return false };
    let body = body.get(first..).unwrap_or_default();
    let mut escapes = memmem::find_iter(body, br"\u00");
    escapes.any(|at| {
        let digits = body.get(at + 4..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        code.is_some_and(|code| code.is_ascii_alphabetic() || code == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_that_is_no_text_is_found() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"image_url":{"url":"data:image/png;base64,AAAA"}},{"url":"data:image/png;base64,AA"}"#, 2),
            (r#"{"type":"image","source":{"type" : "base64","data":"AAAA"}}"#,        1),
            (r#"{"inlineData":{"data":"AA"}},{"inline_data":{"data":"AA"}}"#,         2),
            (r#"{"content":"base64 data: input_audio"}"#,                             0),
        ];
        for (body, expected) in cases {
            assert_eq!(media(body.as_bytes()), expected, "{body}");
        }
        assert!(media(br#"{"type":"input_audio","input_audio":{"data":"AA"}}"#) >= 1);
    }

    #[test]
    fn what_the_provider_fetches_is_found_and_what_a_text_says_is_not() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"type":"image_url","image_url":{"url":"https://a/b.png"}}"#,         true),
            (r#"{"type":"image_url","image_url":{"detail":"low", "URL" : "http://a"}}"#, true),
            (r#"{"type":"input_image","image_url":"https://a/b.png"}"#,               true),
            (r#"{"type":"input_file","file_url": "https://a/b.pdf"}"#,                true),
            (r#"{"type":"input_file","file_id":"file-1"}"#,                           true),
            (r#"{"type":"input_file","fil\u0065_id":"file-1"}"#,                      true),
            (r#"{"fileData":{"mimeType":"video/mp4","fileUri":"https://a/b"}}"#,      true),
            (r#"{"file_data":{"file_uri":"gs://a/b"}}"#,                              true),
            (r#"{"image_url":{"url":"data:image/png;base64,AAAA"}}"#,                 false),
            (r#"{"image_url":"data:image/png;base64,AAAA"}"#,                         false),
            (r#"{"media_type":"application/pdf","data":"AA"}"#,                       true),
            (r#"{"file_data":"data:application\/pdf;base64,AA"}"#,                    true),
            (r#"{"type":"image_url"}"#,                                               false),
            (r#"{"properties":{"url":{"type":"string"}}}"#,                           false),
            (r#"{"content":"{\"file_id\":\"x\",\"url\":\"y\"} \u003cb\u003e \u00e9"}"#, false),
            (r#"{"content":"curl"}"#,                                                 false),
            (r#"{"file_id":null}"#,                                                   false),
            ("url\"",                                                                 false),
        ];
        for (body, expected) in cases {
            assert_eq!(is_named(body.as_bytes()), expected, "{body}");
        }
    }
}
