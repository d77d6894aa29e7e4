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

    /// Whether everything that `other` allows is allowed here. Never says yes wrongly; it may say
    /// no where only several patterns together would cover one of the other's.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(mine), Self::Only(theirs)) => {
                theirs.iter().all(|theirs| mine.iter().any(|mine| mine.covers(theirs)))
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
