//! Keeping a provider's credential out of what that provider says.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

/// Shorter credentials are searched for in errors only: they are words such as `ollama` or `EMPTY`,
/// which local servers want to be sent and which good answers may well contain.
const ANSWER_BYTES_MIN: usize = 12;

/// A provider's credential, made ready to be searched for.
pub(crate) struct Needle(Finder<'static>);

impl std::fmt::Debug for Needle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl Needle {
    /// `None`: nothing cannot be searched for.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        (!secret.is_empty()).then(|| Self(Finder::new(secret).into_owned()))
    }

    /// Whether good answers are searched too.
    pub(crate) fn is_for_answers(&self) -> bool {
        self.0.needle().len() >= ANSWER_BYTES_MIN
    }

    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.0.find(text).is_some()
    }

    /// Cuts the credential out of a text.
    pub(crate) fn redact(&self, text: &[u8]) -> Bytes {
        self.replace(text, b"[REDACTED]")
    }

    /// The same for a text that was cut off and may end within the credential.
    pub(crate) fn redact_cut(&self, text: &[u8]) -> Bytes {
        let mut clean = self.redact(text);
        clean.truncate(clean.len() - self.open_end(&clean));
        clean
    }

    /// Covers the credential up, so that the text keeps its length.
    fn mask(&self, text: &[u8]) -> Bytes {
        self.replace(text, &vec![b'*'; self.0.needle().len()])
    }

    fn replace(&self, text: &[u8], with: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(text.len());
        let mut at = 0;
        for found in self.0.find_iter(text) {
            out.extend_from_slice(text.get(at..found).unwrap_or_default());
            out.extend_from_slice(with);
            at = found + self.0.needle().len();
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        out.freeze()
    }

    /// Bytes at the end of a text that the credential may begin with.
    fn open_end(&self, text: &[u8]) -> usize {
        let needle = self.0.needle();
        let longest = (needle.len() - 1).min(text.len());
        let end = text.get(text.len() - longest..).unwrap_or_default();
        let mut starts = memchr::memchr_iter(needle.first().copied().unwrap_or_default(), end);
        let open = |at: &usize| end.get(*at..).is_some_and(|rest| needle.starts_with(rest));
        starts.find(open).map_or(0, |at| end.len() - at)
    }
}

/// Covers a credential up in a text that passes piece by piece, wherever it is cut. The whole keeps
/// its length, which the client was told before.
#[derive(Debug)]
pub(crate) struct Mask {
    needle: Option<Arc<Needle>>,
    /// The end of the last piece, as far as the credential may begin with it.
    held: Bytes,
}

impl Mask {
    pub(crate) fn new(needle: Option<&Arc<Needle>>) -> Self {
        let needle = needle.filter(|needle| needle.is_for_answers()).map(Arc::clone);
        Self { needle, held: Bytes::new() }
    }

    /// Takes the next piece and gives what may go on now, nearly always that very piece.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        let Some(needle) = &self.needle else { return piece };
        let text = if self.held.is_empty() { piece } else { [&*self.held, &piece].concat().into() };
        let mut text = if needle.is_in(&text) { needle.mask(&text) } else { text };
        self.held = text.split_off(text.len() - needle.open_end(&text));
        text
    }

    /// What was held back, once nothing can follow it.
    pub(crate) fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &[u8] = b"sk-sk-canary-123";

    fn needle(secret: &[u8]) -> Arc<Needle> {
        Arc::new(Needle::new(secret).unwrap())
    }

    fn masked(secret: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
        let mut mask = Mask::new(Some(&needle(secret)));
        let mut out: Vec<u8> =
            pieces.iter().flat_map(|piece| mask.push(Bytes::copy_from_slice(piece))).collect();
        out.extend_from_slice(&mask.finish());
        out
    }

    #[test]
    fn a_credential_is_cut_out_each_time_it_stands() {
        let needle = needle(b"sk-1");
        assert_eq!(needle.redact(b"a sk-1 b sk-1"), "a [REDACTED] b [REDACTED]");
        assert_eq!(needle.redact(b"nothing"), "nothing");
        assert!(Needle::new(b"").is_none());
    }

    #[test]
    fn a_text_that_was_cut_within_a_credential_loses_the_beginning_too() {
        let text = b"bad keys sk-sk-canary-123 and sk-sk-canary-123";
        for end in 31..text.len() {
            let expected = "bad keys [REDACTED] and ";
            assert_eq!(needle(SECRET).redact_cut(&text[..end]), expected, "cut at {end}");
        }
        assert_eq!(needle(SECRET).redact_cut(b"bad ask"), "bad a");
    }

    #[test]
    fn a_credential_is_covered_up_wherever_it_is_cut() {
        let text = b"{\"a\":\"sk-sk-sk-canary-123\",\"b\":\"sk-sk-canary-12\"}";
        let expected = b"{\"a\":\"sk-****************\",\"b\":\"sk-sk-canary-12\"}";
        for cut in 0..=text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(masked(SECRET, &[head, tail]), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(masked(SECRET, &single), expected);
    }

    #[test]
    fn a_credential_that_ends_as_it_begins_does_not_slip_through() {
        let secret = b"abcabcabcabcabc";
        assert_eq!(masked(secret, &[secret, b"!"]), b"***************!");
    }

    #[test]
    fn a_clean_piece_goes_on_as_the_same_buffer() {
        let piece = Bytes::from_static(b"{\"text\":\"sk-sk\"}");
        let out = Mask::new(Some(&needle(SECRET))).push(piece.clone());
        assert_eq!((out.as_ptr(), out.len()), (piece.as_ptr(), piece.len()));
    }

    #[test]
    fn a_word_that_is_hardly_a_secret_may_be_said() {
        assert_eq!(masked(b"ollama", &[b"ask ollama"]), b"ask ollama");
    }

    proptest! {
        /// Whatever the pieces, the credential is nowhere in the whole, whose length stays.
        #[test]
        fn no_cut_lets_a_credential_through(pieces in prop::collection::vec("[ab]{0,9}", 0..40)) {
            let secret = b"abaababaabaab";
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let out = masked(secret, &pieces);
            prop_assert_eq!(out.len(), pieces.concat().len());
            prop_assert!(!needle(secret).is_in(&out));
        }
    }
}
