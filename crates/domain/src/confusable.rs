//! Names that look like others: letters of several scripts in one word, and letters that look alike.

use unicode_script::{Script, UnicodeScript};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::skeleton;

/// Whether a name mixes scripts in a way that no language does, as `pаypal` with a Cyrillic `а` does.
/// Chinese, Japanese and Korean are written with Latin letters among theirs: that is no mixture.
pub(crate) fn is_mixed(name: &str) -> bool {
    let is_latin = |c: char| c.script() == Script::Latin;
    let mut others = AugmentedScriptSet::default();
    for character in name.chars().filter(|c| !is_latin(*c)) {
        others.intersect_with(character.into());
    }
    // Of the sets, only those of the three languages are left when Latin has been looked at apart.
    let is_east_asian = others.hanb || others.jpan || others.kore;
    others.is_empty() || (name.chars().any(is_latin) && !others.is_all() && !is_east_asian)
}

/// What a name looks like: two names with one look cannot be told apart by eye.
///
/// It is for comparing only. After <https://www.unicode.org/reports/tr39/#Confusable_Detection>.
pub fn look(name: &str) -> String {
    skeleton(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_mixed_only_as_languages_mix_them() {
        #[rustfmt::skip]
        let cases = [
            // name                 mixed
            ("",                    false),
            ("build-7",             false),
            ("42 %$#",              false),
            ("über naïve",          false),
            ("сервер 7",            false), // Cyrillic alone
            ("Διακομιστής",         false),
            ("日本語 server",        false),
            ("ひらがなカタカナ漢字",     false),
            ("한국어 server",         false),
            ("المفتاح",             false),
            ("5 µs",                false), // the micro sign belongs to no script
            ("p\u{430}ypal",        true),  // Cyrillic а
            ("\u{3bf}pen",          true),  // Greek ο
            ("с\u{3bf}",            true),  // Cyrillic and Greek
            ("한ひ",                 true),
            ("a\u{5d0}",            true),  // Hebrew
        ];
        for (name, expected) in cases {
            assert_eq!(is_mixed(name), expected, "{name:?}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_look() {
        #[rustfmt::skip]
        let cases = [
            // one            other                  alike
            ("scope",         "\u{455}\u{441}\u{43e}\u{440}\u{435}", true), // all Cyrillic
            ("prod-1",        "prod-l",              true),
            ("I0",            "lO",                  true),
            ("caf\u{e9}",     "cafe\u{301}",         true),
            ("prod",          "prod-2",              false),
            ("prod",          "Prod",                false),
            ("prod-2",        "prod-3",              false),
        ];
        for (one, other, expected) in cases {
            assert_eq!(look(one) == look(other), expected, "{one} / {other}");
        }
    }

    #[test]
    fn the_ten_digits_look_different() {
        let looks: std::collections::BTreeSet<_> =
            ('0'..='9').map(|d| look(&d.to_string())).collect();
        assert_eq!(looks.len(), 10);
    }
}
