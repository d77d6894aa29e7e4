//! What one dialect can say and another cannot.

use crate::{Client, Text};

/// Something that was read and has no place in the form between the dialects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Where it stands in the client's body: `logit_bias`, `messages[2].name`.
    pub path: String,
}

/// Why a body cannot be read: it is not what its dialect says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The field `{path}` {why}.")]
pub struct Malformed {
    /// Where it stands in the body.
    pub path: String,
    /// `must be a list`.
    pub why: Text<'static>,
}

/// Something that the provider's dialect cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Several answers.
    Answers,
    /// Sounds in the conversation.
    Audio,
    /// Pictures that the provider cannot take, by their form or place.
    Image,
    /// Files that the provider cannot take, by their form or place.
    Document,
    /// Data that are with another provider.
    File,
    /// Instructions in the middle of the conversation.
    SystemTurn,
    /// JSON without a schema.
    JsonFormat,
    /// JSON by a schema.
    SchemaFormat,
    /// At most one call in an answer.
    OneCallOnly,
    /// A choice among some of the tools.
    ToolsAmong,
    /// That none of the tools may be called.
    NoCalls,
    /// Drawing from so much of the probability.
    TopP,
    /// Drawing from so many tokens.
    TopK,
    /// A number to draw by.
    Seed,
    /// Penalties on what was said.
    FrequencyPenalty,
    /// The same on what was said at all.
    PresencePenalty,
    /// A temperature that is too high there.
    Temperature,
    /// Functions with a name that is none there.
    ToolName,
    /// Texts that end the answer: too many, or ones that are none there.
    Stop,
    /// How hard the model thinks, or whether it does.
    Thinking,
}

/// Why a request is not translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    /// It is not what its dialect says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The provider's dialect cannot say it.
    #[error("The provider of this model cannot do what `{0}` asks for.")]
    Unsupported(String),
}

/// The most fields that are left out of one request, and the most that a client can name.
pub const LEFT_MAX: usize = 64;

/// What the client lets us leave out, and what was left out.
#[derive(Debug, Clone, Default)]
pub struct Leave {
    allowed: Allowed,
    left: Vec<String>,
}

/// What may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Allowed {
    /// Nothing: what cannot be said is refused.
    #[default]
    Nothing,
    /// Whatever cannot be said.
    All,
    /// Only fields with these paths; of a path with positions, the one without (`messages[].name`).
    Named(Vec<String>),
}

impl Leave {
    /// Nothing was left out yet.
    pub const fn new(allowed: Allowed) -> Self {
        Self { allowed, left: Vec::new() }
    }

    /// Leaves out what stands at `path`, if the client allows it; else [`Untranslatable::Unsupported`].
    pub fn out(&mut self, path: &str) -> Result<(), Untranslatable> {
        let is_allowed = match &self.allowed {
            Allowed::Nothing => false,
            Allowed::All => true,
            Allowed::Named(paths) => {
                let plain = without_positions(path);
                paths.iter().any(|allowed| *allowed == path || *allowed == plain)
            }
        };
        if !is_allowed {
            return Err(Untranslatable::Unsupported(path.to_owned()));
        }
        if self.left.iter().any(|left| left == path) {
            return Ok(());
        }
        if self.left.len() == LEFT_MAX {
            let why = format!("is one more than the {LEFT_MAX} that can be left out");
            return Err(Malformed { path: path.to_owned(), why: why.into() }.into());
        }
        self.left.push(path.to_owned());
        Ok(())
    }

    /// The same for what a client of this dialect asks for: `at` is the turn, where it is in one.
    pub fn feature(
        &mut self,
        feature: Feature,
        at: Option<usize>,
        from: Client,
    ) -> Result<(), Untranslatable> {
        match at {
            Some(at) => self.out(&format!("{}[{at}].{}", from.turns(), from.name_of(feature))),
            None => self.out(from.name_of(feature)),
        }
    }

    /// The paths of what was left out, each once, in their order.
    pub fn left(&self) -> &[String] {
        &self.left
    }
}

/// `messages[2].content[0].x` without its positions: `messages[].content[].x`.
pub(crate) fn without_positions(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut is_inside = false;
    for letter in path.chars() {
        is_inside = (is_inside || letter == '[') && letter != ']';
        if !is_inside || letter == '[' {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_client_allows_is_left_out_and_told_once() {
        let mut nothing = Leave::new(Allowed::Nothing);
        assert_eq!(nothing.out("seed"), Err(Untranslatable::Unsupported("seed".to_owned())));
        let mut all = Leave::new(Allowed::All);
        for path in ["seed", "messages[2].name", "seed"] {
            all.out(path).unwrap();
        }
        assert_eq!(all.left(), ["seed", "messages[2].name"]);
        let named = Allowed::Named(vec!["seed".to_owned(), "messages[].name".to_owned()]);
        let mut named = Leave::new(named);
        named.out("messages[12].name").unwrap();
        let mut many = Leave::new(Allowed::All);
        (0..LEFT_MAX).for_each(|n| many.out(&format!("a{n}")).unwrap());
        many.out("a0").unwrap();
        assert!(matches!(many.out("b"), Err(Untranslatable::Malformed(_))));
        assert!(named.out("top_k").is_err());
        assert_eq!(named.left(), ["messages[12].name"]);
    }
}
