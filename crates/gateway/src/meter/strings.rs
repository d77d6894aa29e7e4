//! Strings in JSON text: where they begin and where they end.

/// Most strings are so short that setting a search up costs more than the search: so many bytes are
/// looked at word by word.
const SHORT_BYTES: usize = 32;
const WORD_BYTES: usize = size_of::<u64>();

/// The first string in `text`: what stands between its quotes, as it is written, and what comes
/// behind it. `None`: there is none that ends here.
pub(super) fn first_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let begun = text.get(find(text, [b'"'; 2])? + 1..)?;
    let (string, rest) = begun.split_at_checked(string_end(begun)?)?;
    Some((string, rest.get(1..)?))
}

/// Where the closing quote of a string stands; `None`: not here.
pub(super) fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += find(text.get(at..)?, [b'"', b'\\'])?;
        match text.get(at)? {
            b'"' => return Some(at),
            _escape => at += 2,
        }
    }
}

/// Where the plain text of a string ends: at a quote, an escape, or the end of what is here.
pub(super) fn text_end(text: &[u8]) -> usize {
    find(text, [b'"', b'\\']).unwrap_or(text.len())
}

/// Where one of these bytes stands first.
#[inline]
fn find(text: &[u8], bytes: [u8; 2]) -> Option<usize> {
    let [one, other] = bytes.map(|byte| u64::from_ne_bytes([byte; WORD_BYTES]));
    let (mut rest, mut at) = (text, 0);
    while at < SHORT_BYTES
        && let Some((word, behind)) = rest.split_first_chunk()
    {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ one) | zero_bytes(word ^ other);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        (rest, at) = (behind, at + WORD_BYTES);
    }
    memchr::memchr2(bytes[0], bytes[1], rest).map(|found| at + found)
}

/// The bytes that are zero, as their highest bit; what is set above the lowest of them may be wrong.
const fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x01; WORD_BYTES]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; WORD_BYTES]);
    word.wrapping_sub(LOW) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_string_ends_at_the_quote_that_no_escape_holds() {
        let long = "x".repeat(100);
        let behind_long = format!("{long}\\\\\"");
        #[rustfmt::skip]
        let cases = [
            ("",                      None),
            ("abc",                   None),
            ("\"",                    Some(0)),
            ("abc\" , \"",            Some(3)),
            ("\\\"\"",                Some(2)),
            ("\\\\\"\"",              Some(2)),
            ("\\",                    None),
            (behind_long.as_str(),    Some(102)),
        ];
        for (text, expected) in cases {
            assert_eq!(string_end(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(first_string(br#" {"a":"b"}"#), Some((&b"a"[..], &br#":"b"}"#[..])));
        assert_eq!(first_string(br#"{"a"#), None);
    }

    proptest! {
        /// Word by word, byte by byte and from afar, the same byte is found.
        #[test]
        fn the_first_one_is_found(
            text in prop::collection::vec(prop::sample::select(&b"\"\\!#[]\x00\x7f\xa2\xdc\xffa"[..]), 0..80),
            plain in 0_usize..64,
        ) {
            let text = [vec![b'x'; plain], text].concat();
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(find(&text, [b'"', b'\\']), expected);
        }
    }
}
