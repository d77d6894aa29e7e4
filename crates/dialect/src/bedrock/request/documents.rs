//! Pictures and files: by the short names of their formats, and files under names of their own.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::Text;
use crate::request::Source;

/// The longest name of a document.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html>.
const NAME_BYTES_MAX: usize = 200;
/// What is kept of a title: there must be room for a number.
const TITLE_BYTES_MAX: usize = NAME_BYTES_MAX - 24;

const IMAGES: [(&str, &str); 4] =
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/gif", "gif"), ("image/webp", "webp")];

const DOCUMENTS: [(&str, &str); 9] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

/// Data, and what they are.
#[derive(Debug, Serialize)]
pub(super) struct Media<'a> {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    source: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    bytes: Text<'a>,
}

/// A picture; `None`: it cannot be said.
pub(super) fn image<'a>(source: &'a Source<'a>) -> Option<Media<'a>> {
    match source {
        Source::Inline { media_type, data } => {
            let format = format(&IMAGES, media_type)?;
            Some(Media { format, name: None, source: Data { bytes: Text::Borrowed(data) } })
        }
        Source::Plain(_) | Source::Url { .. } | Source::File(_) => None,
    }
}

fn format(formats: &[(&str, &'static str)], media_type: &str) -> Option<&'static str> {
    formats.iter().find(|(known, _)| *known == media_type).map(|(_, format)| *format)
}

/// The names of a request's documents: each must have one, and each another.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The names that are taken, each with the number of the last one that was made of it.
    taken: HashMap<String, usize>,
}

impl Names {
    /// A file; `None`: it cannot be said.
    pub(super) fn document<'a>(
        &mut self,
        source: &'a Source<'a>,
        title: Option<&str>,
    ) -> Option<Media<'a>> {
        let (format, bytes) = match source {
            Source::Inline { media_type, data } => {
                (format(&DOCUMENTS, media_type)?, Text::Borrowed(&**data))
            }
            Source::Plain(text) => ("txt", STANDARD.encode(&**text).into()),
            Source::Url { .. } | Source::File(_) => return None,
        };
        let name = self.name(title.unwrap_or_default());
        Some(Media { format, name: Some(name), source: Data { bytes } })
    }

    fn name(&mut self, title: &str) -> String {
        let plain = plain(title);
        let Some(mut count) = self.taken.get(&plain).copied() else {
            self.taken.insert(plain.clone(), 1);
            return plain;
        };
        let name = loop {
            count += 1;
            let name = format!("{plain} ({count})");
            if !self.taken.contains_key(&name) {
                break name;
            }
        };
        self.taken.insert(plain, count);
        self.taken.insert(name.clone(), 1);
        name
    }
}

/// A title of the letters that a name may have: letters and digits of ASCII, hyphens, brackets and single
/// spaces.
fn plain(title: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
    let letters = title.chars().map(|letter| if is_plain(letter) { letter } else { ' ' });
    let letters: String = letters.take(TITLE_BYTES_MAX).collect();
    let words: Vec<&str> = letters.split_whitespace().collect();
    if words.is_empty() { "document".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_a_name_of_its_own_of_the_letters_that_are_allowed() {
        #[rustfmt::skip]
        let cases = [
            ("",                  "document"),
            ("",                  "document (2)"),
            ("report.pdf",        "report pdf"),
            ("  a__b \u{e9}\n c", "a b c"),
            ("report pdf",        "report pdf (2)"),
            ("[x] (y)-z",         "[x] (y)-z"),
            ("document (2)",      "document (2) (2)"),
            ("document (3)",      "document (3)"),
            ("",                  "document (4)"),
            ("",                  "document (5)"),
        ];
        let mut names = Names::default();
        for (title, expected) in cases {
            assert_eq!(names.name(title), expected);
        }
        assert!(names.name(&"x".repeat(10_000)).len() <= NAME_BYTES_MAX);
    }

    /// As many as a body has room for: were each counted anew, it would take minutes.
    #[test]
    fn many_documents_of_one_title_are_named_in_one_go() {
        let mut names = Names::default();
        let last = (0..200_000).map(|_| names.name("x")).last();
        assert_eq!(last.as_deref(), Some("x (200000)"));
    }
}
