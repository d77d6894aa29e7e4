//! Finding rows by a part of their texts.
//!
//! A row that can be searched for holds its texts once more, folded. The engines do not agree on what
//! is a lower case of what, so it is done here, for the texts as for what is looked for.

use crate::db::{Pool, is_storable};

/// Between the texts of a row. None of them holds it, so nothing is found across two.
const SEPARATOR: &str = "\u{1f}";
/// No row holds a longer text. SQLite refuses patterns above 50 000 bytes.
const BYTES_MAX: usize = 10_000;

/// What is looked for, as an engine is quickest asked for it over many rows: SQLite's `LIKE` takes two
/// thirds of the time of its `instr`, PostgreSQL's `strpos` three quarters of the time of its `LIKE`.
#[derive(Debug)]
pub(crate) enum Holding {
    /// The pattern of the texts that fit.
    Like(String),
    /// The text that they contain.
    Strpos(String),
}

impl Holding {
    /// `None`: nothing contains this text.
    pub(crate) fn new(pool: &Pool, text: &str) -> Option<Self> {
        let pattern = pattern(text)?;
        Some(match pool {
            Pool::Sqlite(_) => Self::Like(pattern),
            Pool::Postgres(_) => Self::Strpos(text.to_lowercase()),
        })
    }
}

/// What a search looks into.
pub(crate) fn search_text(texts: &[&str]) -> String {
    texts.join(SEPARATOR).to_lowercase()
}

/// What a `search_text` that contains a text is `LIKE … ESCAPE '\'`. `None`: nothing contains it.
pub(crate) fn pattern(text: &str) -> Option<String> {
    if text.len() > BYTES_MAX || !is_storable(text) {
        return None;
    }
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_as_it_is() {
        let table = [
            ("Nightly", "%nightly%"),
            ("50%_\\", "%50\\%\\_\\\\%"),
            ("ÄÖ*?[a]", "%äö*?[a]%"),
            ("", "%%"),
        ];
        for (text, pattern) in table {
            assert_eq!(super::pattern(text).as_deref(), Some(pattern), "{text}");
        }
    }

    #[test]
    fn what_no_row_holds_is_not_looked_for() {
        assert_eq!(pattern("a\0b"), None);
        assert_eq!(pattern(&"a".repeat(BYTES_MAX + 1)), None);
    }

    #[test]
    fn no_pattern_is_longer_than_the_engines_take() {
        // Three bytes for two are the most that lower case can ask for; every other byte doubles.
        for letter in ["%", "\u{130}", "\u{23a}"] {
            let longest = letter.repeat(BYTES_MAX / letter.len());
            assert!(pattern(&longest).unwrap().len() < 50_000, "{letter}");
        }
    }
}
