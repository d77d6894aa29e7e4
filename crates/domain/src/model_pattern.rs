//! Which models a key may call: patterns with `*`.

use std::fmt;
use std::str::FromStr;

/// Longest pattern and longest model name, in bytes.
pub const MODEL_NAME_BYTES_MAX: usize = 200;

/// A model name in which `*` stands for any text, also none. Case-sensitive, as providers are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelPattern(String);

/// A text that is not a model pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a model pattern has 1 to {MODEL_NAME_BYTES_MAX} printable ASCII characters, no spaces")]
pub struct MalformedPattern;

impl ModelPattern {
    /// Whether a model of this name is meant.
    pub fn matches(&self, model: &str) -> bool {
        glob(self.0.as_bytes(), model.as_bytes())
    }

    /// Whether every model that `other` means is meant by this one too.
    ///
    /// A `*` in `other` can stand for anything, so only a `*` here can answer it; reading `other`
    /// as a name, in which its `*` is a character that nothing else equals, decides exactly that.
    pub fn covers(&self, other: &Self) -> bool {
        glob(self.0.as_bytes(), other.0.as_bytes())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Matches with one remembered `*`: linear in practice, never worse than pattern times text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == byte => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

impl FromStr for ModelPattern {
    type Err = MalformedPattern;

    fn from_str(text: &str) -> Result<Self, MalformedPattern> {
        let fits = (1..=MODEL_NAME_BYTES_MAX).contains(&text.len());
        let is_printable = text.bytes().all(|b| b.is_ascii_graphic());
        if fits && is_printable { Ok(Self(text.to_owned())) } else { Err(MalformedPattern) }
    }
}

impl TryFrom<String> for ModelPattern {
    type Error = MalformedPattern;

    fn try_from(text: String) -> Result<Self, MalformedPattern> {
        text.parse()
    }
}

impl From<ModelPattern> for String {
    fn from(pattern: ModelPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The models of a key: all that its project has, or a list of patterns (an empty list: none).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Option<Vec<ModelPattern>>", into = "Option<Vec<ModelPattern>>")]
pub enum ModelRule {
    /// Every model of the project.
    All,
    /// Only what one of the patterns means.
    Only(Vec<ModelPattern>),
}

impl ModelRule {
    /// Whether a model of this name may be called.
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|p| p.matches(model)),
        }
    }

    /// The first pattern that means this model. `None`: there is none, or no patterns at all.
    pub fn pattern_for(&self, model: &str) -> Option<&ModelPattern> {
        match self {
            Self::All => None,
            Self::Only(patterns) => patterns.iter().find(|pattern| pattern.matches(model)),
        }
    }

    /// Whether everything that `other` allows is allowed here. Never says yes wrongly; it may say
    /// no where only several patterns together would cover one of the other's.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(_), Self::Only(theirs)) => theirs.iter().all(|p| self.covers_pattern(p)),
        }
    }

    /// The same for one pattern.
    pub fn covers_pattern(&self, other: &ModelPattern) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|mine| mine.covers(other)),
        }
    }

    /// What both allow, as a rule. Never allows what one of them does not; where patterns merely
    /// overlap, it leaves out what they share.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, rule) | (rule, Self::All) => rule.clone(),
            (Self::Only(mine), Self::Only(theirs)) => {
                let shared = theirs.iter().filter(|pattern| self.covers_pattern(pattern));
                let mut shared: Vec<ModelPattern> = shared.cloned().collect();
                let rest = mine.iter().filter(|p| other.covers_pattern(p) && !shared.contains(p));
                let rest: Vec<ModelPattern> = rest.cloned().collect();
                shared.extend(rest);
                Self::Only(shared)
            }
        }
    }
}

impl From<Option<Vec<ModelPattern>>> for ModelRule {
    fn from(list: Option<Vec<ModelPattern>>) -> Self {
        list.map_or(Self::All, Self::Only)
    }
}

impl From<ModelRule> for Option<Vec<ModelPattern>> {
    fn from(rule: ModelRule) -> Self {
        match rule {
            ModelRule::All => None,
            ModelRule::Only(patterns) => Some(patterns),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few letters, so that random patterns and names often meet.
    pub(crate) fn any_pattern() -> impl Strategy<Value = ModelPattern> {
        "[ab*]{1,6}".prop_map(|text| text.parse().unwrap())
    }

    pub(crate) fn any_rule() -> impl Strategy<Value = ModelRule> {
        prop_oneof![
            1 => Just(ModelRule::All),
            4 => prop::collection::vec(any_pattern(), 0..4).prop_map(ModelRule::Only),
        ]
    }

    pub(crate) fn any_name() -> impl Strategy<Value = String> {
        "[ab]{0,8}"
    }

    fn pattern(text: &str) -> ModelPattern {
        text.parse().unwrap()
    }

    /// The definition, without cleverness.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            ([wanted, rest @ ..], [byte, tail @ ..]) => wanted == byte && naive(rest, tail),
            ([_, ..], []) => false,
        }
    }

    #[test]
    fn a_star_stands_for_any_text_also_none() {
        #[rustfmt::skip]
        let cases = [
            // pattern         model                  matches
            ("gpt-4o",         "gpt-4o",              true),
            ("gpt-4o",         "gpt-4o-mini",         false),
            ("gpt-4o*",        "gpt-4o-mini",         true),
            ("GPT-4o",         "gpt-4o",              false), // case-sensitive, as providers are
            ("gpt-4o*",        "gpt-4o",              true),
            ("gpt-4o*",        "xgpt-4o",             false),
            ("*",              "anything/at:all",     true),
            ("*",              "",                    true),
            ("**",             "x",                   true),
            ("*mini",          "gpt-4o-mini",         true),
            ("*mini",          "gpt-4o-mini-audio",   false),
            ("gpt-*-mini",     "gpt-4o-mini",         true),
            ("gpt-*-mini",     "gpt-mini",            false), // the two dashes are two
            ("gpt-*-mini",     "gpt--mini",           true),
            ("*ab*ab",         "ab-ab-ab",            true),
            ("a*b*c",          "a-c-b",               false),
            ("meta/*/8b",      "meta/llama/3/8b",     true),  // a slash is a character like others
            ("gpt-4.1",        "gpt-4x1",             false), // a dot is a dot
            ("gpt-4?",         "gpt-4o",              false), // a question mark too
            ("[ab]",           "a",                   false),
            ("gpt-4o",         "",                    false),
            ("modèle*",        "modèle",              false), // never made: see below
        ];
        for (text, model, expected) in cases {
            let matches = text.parse::<ModelPattern>().is_ok_and(|p| p.matches(model));
            assert_eq!(matches, expected, "{text} / {model}");
        }
    }

    #[test]
    fn patterns_are_printable_ascii_of_bounded_length() {
        let (longest, too_long) = ("x".repeat(200), "x".repeat(201));
        #[rustfmt::skip]
        let cases = [
            // pattern             valid
            ("a",                  true),
            ("*",                  true),
            ("org/model:tag@v1",   true),
            (longest.as_str(),     true),
            (too_long.as_str(),    false),
            ("",                   false),
            (" ",                  false),
            ("gpt 4o",             false),
            ("gpt-4o\n",           false),
            ("gpt-4o\0",           false),
            ("modèle",             false),
        ];
        for (text, is_valid) in cases {
            let parsed = text.parse::<ModelPattern>();
            assert_eq!(parsed.is_ok(), is_valid, "{text:?}");
            assert!(parsed.is_err() || parsed.unwrap().to_string() == text);
        }
    }

    #[test]
    fn many_stars_over_a_long_name_come_to_an_end() {
        let stars = pattern(&"a*".repeat(100)).as_str().to_owned();
        let hopeless = pattern(&format!("{}b", &stars[..199]));
        assert!(!hopeless.matches(&"a".repeat(100_000)));
    }

    #[test]
    fn covering_is_meaning_at_least_as_much() {
        #[rustfmt::skip]
        let cases = [
            // wide       narrow         covers
            ("*",         "gpt-4o",      true),
            ("*",         "*",           true),
            ("*",         "**",          true),
            ("**",        "*",           true),
            ("gpt-*",     "gpt-4*",      true),
            ("gpt-4*",    "gpt-*",       false),
            ("gpt-4o",    "gpt-4o",      true),
            ("gpt-4o",    "gpt-4*",      false),
            ("gpt-4o",    "*",           false),
            ("*mini",     "gpt-*-mini",  true),
            ("*-*",       "a-*",         true),
            ("a*",        "*a",          false),
        ];
        for (wide, narrow, expected) in cases {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} / {narrow}");
        }
    }

    #[test]
    fn an_empty_list_means_no_model_and_no_list_means_all() {
        #[rustfmt::skip]
        let cases = [
            // json                  rule                                        allows gpt-4o
            ("null",                 Some(ModelRule::All),                       true),
            ("[]",                   Some(ModelRule::Only(vec![])),              false),
            (r#"["gpt-*"]"#,         Some(ModelRule::Only(vec![pattern("gpt-*")])), true),
            (r#"["claude-*"]"#,      Some(ModelRule::Only(vec![pattern("claude-*")])), false),
            (r#"["gpt 4o"]"#,        None,                                       false),
            (r#"[""]"#,              None,                                       false),
            (r#""gpt-4o""#,          None,                                       false),
        ];
        for (json, expected, is_allowed) in cases {
            let rule = serde_json::from_str::<ModelRule>(json).ok();
            assert_eq!(rule, expected, "{json}");
            assert_eq!(rule.is_some_and(|rule| rule.allows("gpt-4o")), is_allowed, "{json}");
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab*]{0,10}") {
            let expected = naive(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected);
        }

        #[test]
        fn a_covering_pattern_matches_every_name_that_the_other_matches(
            wide in any_pattern(),
            narrow in any_pattern(),
            fillings in prop::collection::vec("[abc]{0,3}", 7),
        ) {
            let mut name = String::new();
            let mut fillings = fillings.into_iter();
            for character in narrow.as_str().chars() {
                match character {
                    '*' => name.push_str(&fillings.next().unwrap()),
                    other => name.push(other),
                }
            }
            prop_assert!(narrow.matches(&name));
            prop_assert!(!wide.covers(&narrow) || wide.matches(&name), "{}", name);
        }

        #[test]
        fn a_pattern_that_does_not_cover_misses_some_name(
            wide in any_pattern(),
            narrow in any_pattern(),
        ) {
            let name = narrow.as_str().replace('*', "#");
            prop_assert!(narrow.matches(&name));
            prop_assert_eq!(wide.covers(&narrow), wide.matches(&name));
        }

        #[test]
        fn a_covering_rule_allows_every_name_that_the_other_allows(
            wide in any_rule(),
            narrow in any_rule(),
            name in any_name(),
        ) {
            prop_assert!(wide.covers(&wide) && ModelRule::All.covers(&wide));
            prop_assert!(wide.covers(&ModelRule::Only(vec![])));
            if wide.covers(&narrow) && narrow.allows(&name) {
                prop_assert!(wide.allows(&name));
            }
        }

        #[test]
        fn a_rule_is_written_as_it_is_read(rule in any_rule()) {
            let json = serde_json::to_string(&rule).unwrap();
            prop_assert_eq!(serde_json::from_str::<ModelRule>(&json).unwrap(), rule);
        }
    }
}
