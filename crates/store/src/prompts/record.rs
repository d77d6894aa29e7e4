//! One call's texts, on their way to the database.

use std::fmt;

use doorward_domain::id::{CallId, OrganizationId, ProjectId};
use doorward_domain::prompts::PromptPolicy;
use doorward_domain::redaction::{Redaction, redact};
use jiff::Timestamp;

use super::read::KeptText;

/// The most that is kept of a text, in bytes before anything is taken out of it.
pub(super) const KEPT_BYTES_MAX: usize = 64 * 1024;
/// What is read beyond that, and never kept: of what is to be taken out, nothing is left over because the
/// text was cut in the middle of it. More than the longest of it, each character as an escape.
const BEYOND_BYTES: usize = 2 * 1024;

/// The beginning of a text that is gathered as it passes.
#[derive(Default)]
pub struct Excerpt {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// How long it is; never what it says.
impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Excerpt({} bytes)", self.bytes.len())
    }
}

impl Excerpt {
    /// Begins with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut excerpt = Self::default();
        excerpt.push(bytes);
        excerpt
    }

    /// Takes more of the text, as far as there is room.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = KEPT_BYTES_MAX + BEYOND_BYTES - self.bytes.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(taken);
        self.is_cut |= taken.len() < bytes.len() || self.bytes.len() > KEPT_BYTES_MAX;
    }

    /// Notes that it is not the whole text.
    pub const fn cut(&mut self) {
        self.is_cut = true;
    }

    /// What was gathered.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is kept of it. Bytes that are no text are replaced by `U+FFFD`.
    fn into_kept(self, what: Redaction) -> KeptText {
        let mut text = redact(&String::from_utf8_lossy(&self.bytes), what);
        if self.is_cut {
            text.truncate(text.floor_char_boundary(text.len().saturating_sub(BEYOND_BYTES)));
        }
        KeptText { text, is_cut: self.is_cut }
    }
}

/// What was asked and answered in one call.
#[derive(Debug)]
pub struct PromptRecord {
    /// The call.
    pub call: CallId,
    /// Whose.
    pub organization: OrganizationId,
    /// Of which project.
    pub project: ProjectId,
    /// How the project wants it kept.
    pub policy: PromptPolicy,
    /// When it began.
    pub at: Timestamp,
    /// What the client asked. `None`: it sent a form with a file.
    pub request: Option<Excerpt>,
    /// What the client was answered. `None`: a file.
    pub answer: Option<Excerpt>,
}

impl PromptRecord {
    /// How much memory it takes, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.request, &self.answer].into_iter().flatten();
        size_of::<Self>() + texts.map(|text| text.bytes.capacity()).sum::<usize>()
    }

    /// What is kept of its two texts.
    pub(super) fn into_kept(self) -> [Option<KeptText>; 2] {
        let what = if self.policy.redact { Redaction::All } else { Redaction::Keys };
        [self.request, self.answer].map(|text| text.map(|text| text.into_kept(what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> KeptText {
        Excerpt::of(text.as_bytes()).into_kept(Redaction::All)
    }

    #[test]
    fn a_text_is_cut_where_it_is_longer_than_what_is_kept() {
        for (bytes, kept_bytes, is_cut) in [
            (0, 0, false),
            (10, 10, false),
            (KEPT_BYTES_MAX, KEPT_BYTES_MAX, false),
            (KEPT_BYTES_MAX + 1, KEPT_BYTES_MAX + 1 - BEYOND_BYTES, true),
            (KEPT_BYTES_MAX + BEYOND_BYTES, KEPT_BYTES_MAX, true),
            (KEPT_BYTES_MAX * 3, KEPT_BYTES_MAX, true),
        ] {
            let text = kept(&"é ".repeat(bytes).chars().take(bytes).collect::<String>());
            let ascii = kept(&"x ".repeat(bytes)[..bytes]);
            assert_eq!((ascii.text.len(), ascii.is_cut), (kept_bytes, is_cut), "{bytes}");
            assert!(text.text.len() <= KEPT_BYTES_MAX && !text.text.contains('\u{fffd}'));
        }
    }

    #[test]
    fn gathered_in_pieces_it_is_the_same() {
        let text = "0123456789 ".repeat(8_000);
        let mut excerpt = Excerpt::default();
        for piece in text.as_bytes().chunks(7) {
            excerpt.push(piece);
        }
        let (whole, pieces) = (kept(&text), excerpt.into_kept(Redaction::All));
        assert_eq!((whole.text, whole.is_cut), (pieces.text, pieces.is_cut));
    }

    /// Wherever the text is cut, nothing of what is to be taken out is left.
    #[test]
    fn nothing_is_left_over_where_a_text_is_cut_in_the_middle_of_a_secret() {
        let key = format!("sk-{}", "a1B2".repeat(12));
        let email = format!("{}@mail.example.com", "a".repeat(60));
        let ends = [KEPT_BYTES_MAX, KEPT_BYTES_MAX + BEYOND_BYTES];
        for secret in [key, email, "4111 1111 1111 1111".to_owned()] {
            for at in ends.into_iter().flat_map(|end| (end - 80..end + 2).step_by(9)) {
                let text = format!("{}{secret} {}", ". ".repeat(at / 2), "z ".repeat(4_000));
                assert!(!kept(&text).text.contains(&secret[..6]), "{secret} at {at}");
            }
        }
    }
}
