//! Names that people give to keys, models, providers: what may stand in them.

use std::fmt;

use crate::confusable::is_mixed;

/// Longest name of a key, project, provider or provider key, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 500;

/// A name that is refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Too long.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// White space at an end cannot be seen.
    #[error("must not begin or end with white space")]
    Padded,
    /// Control, direction and zero-width characters make one name look like another.
    #[error("must not contain control, direction or zero-width characters")]
    Invisible,
    /// A letter of another script looks like one of this, and the name like another.
    #[error("must not mix letters of several scripts, such as Latin and Cyrillic")]
    MixedScripts,
}

/// Checks a name as it is shown in lists, logs and audit entries.
pub fn check_name(text: &str) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.trim() != text {
        return Err(BadName::Padded);
    }
    check_text(text, NAME_CHARS_MAX)?;
    if is_mixed(text) { Err(BadName::MixedScripts) } else { Ok(()) }
}

/// Checks a description: may be empty, may have line ends (as forms send them, too) and tabs.
pub fn check_description(text: &str) -> Result<(), BadName> {
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(BadName::TooLong(DESCRIPTION_CHARS_MAX));
    }
    let is_bad = |c: char| is_invisible(c) && !matches!(c, '\n' | '\t');
    if text.replace("\r\n", "\n").chars().any(is_bad) { Err(BadName::Invisible) } else { Ok(()) }
}

fn check_text(text: &str, chars_max: usize) -> Result<(), BadName> {
    if text.chars().count() > chars_max {
        return Err(BadName::TooLong(chars_max));
    }
    if text.chars().any(is_invisible) { Err(BadName::Invisible) } else { Ok(()) }
}

/// Controls, bidirectional overrides and isolates, zero-width characters, blank fillers, line
/// separators and the byte-order mark: none of them shows, all of them mislead.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{3164}' | '\u{ffa0}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What hides, for regular expressions in any dialect: without the tags, which lie beyond the first
/// 65 536 characters and cannot be named in all of them.
const HIDDEN: &str = r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\uffa0\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb";

/// A regular expression for what [`check_name`] takes, but for its length, for tags and for letters of
/// several scripts.
pub fn name_pattern() -> String {
    let hidden = format!(r"\u0000-\u001f\u007f-\u009f{HIDDEN}");
    format!(r"^[^\s{hidden}]([^{hidden}]*[^\s{hidden}])?$")
}

/// A regular expression for what [`check_description`] takes, likewise.
pub fn description_pattern() -> String {
    format!(r"^([^\u0000-\u0008\u000b-\u001f\u007f-\u009f{HIDDEN}]|\r\n)*$")
}

/// A provider's secret for display: first and last three characters, all hidden when under twelve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked(String);

impl Masked {
    /// Masks a secret.
    pub fn of(secret: &str) -> Self {
        let chars: Vec<char> = secret.chars().collect();
        let (Some(first), Some(last)) = (chars.first_chunk::<3>(), chars.last_chunk::<3>()) else {
            return Self("…".to_owned());
        };
        if chars.len() < 12 {
            return Self("…".to_owned());
        }
        Self(first.iter().chain(&['…']).chain(last).collect())
    }

    /// Reads a mask that was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_take_what_the_checks_take() {
        let [name, description] =
            [name_pattern(), description_pattern()].map(|p| regex::Regex::new(&p).unwrap());
        for c in '\0'..='\u{ffff}' {
            for text in [c.to_string(), format!("a{c}b"), format!("{c}\nb"), format!("a\r{c}")] {
                // Which letters go together is no matter of one pattern.
                let is_good = matches!(check_name(&text), Ok(()) | Err(BadName::MixedScripts));
                assert_eq!(name.is_match(&text), is_good, "{text:?}");
                let is_good = check_description(&text).is_ok();
                assert_eq!(description.is_match(&text), is_good, "{text:?}");
            }
        }
    }

    #[test]
    fn names_are_short_and_show_all_that_is_in_them() {
        let (longest, too_long) = ("ü".repeat(NAME_CHARS_MAX), "x".repeat(NAME_CHARS_MAX + 1));
        let nasty = "x".repeat(10_000);
        #[rustfmt::skip]
        let cases = [
            // name                verdict
            ("ci",                 Ok(())),
            ("Build server 7",     Ok(())),
            ("日本語",              Ok(())),
            ("<script>alert(1)",   Ok(())), // escaped where it is shown
            ("'; DROP TABLE keys", Ok(())),
            (&longest,             Ok(())),
            ("",                   Err(BadName::Empty)),
            (&too_long,            Err(BadName::TooLong(NAME_CHARS_MAX))),
            (&nasty,               Err(BadName::TooLong(NAME_CHARS_MAX))),
            (" ci",                Err(BadName::Padded)),
            ("ci ",                Err(BadName::Padded)),
            (" ",                  Err(BadName::Padded)),
            ("ci\n",               Err(BadName::Padded)),
            ("ci\u{a0}",           Err(BadName::Padded)),
            ("\u{3000}ci",         Err(BadName::Padded)),
            ("c\0i",               Err(BadName::Invisible)),
            ("c\ti",               Err(BadName::Invisible)),
            ("c\ni",               Err(BadName::Invisible)),
            ("c\u{1b}[31mi",       Err(BadName::Invisible)), // a terminal would obey
            ("c\u{7f}i",           Err(BadName::Invisible)),
            ("c\u{85}i",           Err(BadName::Invisible)),
            ("c\u{ad}i",           Err(BadName::Invisible)), // soft hyphen
            ("c\u{200b}i",         Err(BadName::Invisible)), // zero-width space
            ("c\u{200d}i",         Err(BadName::Invisible)), // zero-width joiner
            ("c\u{202e}i",         Err(BadName::Invisible)), // right-to-left override
            ("c\u{2066}i",         Err(BadName::Invisible)), // isolate
            ("c\u{2028}i",         Err(BadName::Invisible)), // line separator
            ("\u{feff}ci",         Err(BadName::Invisible)), // byte-order mark
            ("ci\u{3164}",         Err(BadName::Invisible)), // blank filler
            ("ci\u{e0041}",        Err(BadName::Invisible)), // tag character
            ("p\u{430}ypal",       Err(BadName::MixedScripts)), // Cyrillic а
        ];
        for (name, expected) in cases {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn descriptions_may_be_empty_and_have_lines() {
        let longest = "é".repeat(DESCRIPTION_CHARS_MAX);
        let too_long = "x".repeat(DESCRIPTION_CHARS_MAX + 1);
        #[rustfmt::skip]
        let cases = [
            // description       verdict
            ("",                 Ok(())),
            (" padded ",         Ok(())),
            ("one\n\ttwo",       Ok(())),
            ("one\r\ntwo\r\n",   Ok(())), // as a form sends it
            (longest.as_str(),   Ok(())),
            (too_long.as_str(),  Err(BadName::TooLong(DESCRIPTION_CHARS_MAX))),
            ("one\rtwo",         Err(BadName::Invisible)), // overwrites the line in a terminal
            ("one\0two",         Err(BadName::Invisible)),
            ("one\u{202e}two",   Err(BadName::Invisible)),
            ("one\u{2028}two",   Err(BadName::Invisible)),
        ];
        for (description, expected) in cases {
            assert_eq!(check_description(description), expected, "{description:?}");
        }
    }

    #[test]
    fn a_mask_shows_three_characters_at_each_end_of_a_long_secret_only() {
        #[rustfmt::skip]
        let cases = [
            // secret                    mask
            ("",                         "…"),
            ("a",                        "…"),
            ("abcdef",                   "…"),
            ("abcdefghijk",              "…"), // 11
            ("abcdefghijkl",             "abc…jkl"),
            ("sk-proj-0123456789abcdef", "sk-…def"),
            ("äöüdefghijkß",             "äöü…jkß"),
        ];
        for (secret, mask) in cases {
            assert_eq!(Masked::of(secret).to_string(), mask, "{secret:?}");
        }
    }

    #[test]
    fn a_stored_mask_is_shown_as_it_is() {
        let mask = Masked::of("sk-proj-0123456789abcdef");
        assert_eq!(Masked::from_stored(mask.to_string()), mask);
    }
}
