//! What a model answers, in no dialect.

use doorward_domain::usage::Usage;

use crate::Text;
use crate::request::Part;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// The provider's name of the answer; may be empty.
    pub id: Text<'a>,
    /// The answers that were asked for, nearly always one.
    pub choices: Vec<Choice<'a>>,
    /// What it cost. `None`: the provider does not say.
    pub usage: Option<Usage>,
}

/// One of the answers.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// What was said, in its order: texts, thoughts, refusals and calls.
    pub parts: Vec<Part<'a>>,
    /// Why it ended.
    pub finish: Finish<'a>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish<'a> {
    /// The model was through.
    End,
    /// A text was reached before which it was to end: which one, where the provider says so.
    Stop(Option<Text<'a>>),
    /// It waits for the outcomes of its calls.
    Calls,
    /// It has as many tokens as it may.
    OutputFull,
    /// The model's window is full.
    ContextFull,
    /// The model refused; why, where it says so.
    Refused(Option<Text<'a>>),
    /// The provider's filter stopped it.
    Filtered,
    /// The model wrote something that its provider could not read: its own word for it. There is no good
    /// answer, so a writer makes an error of it.
    Broken(Text<'a>),
}

impl Finish<'_> {
    /// The same, kept beyond the event that tells it.
    pub fn owned(&self) -> Finish<'static> {
        let own = |text: &Text<'_>| Text::Owned(text.to_string());
        match self {
            Self::End => Finish::End,
            Self::Stop(text) => Finish::Stop(text.as_ref().map(own)),
            Self::Calls => Finish::Calls,
            Self::OutputFull => Finish::OutputFull,
            Self::ContextFull => Finish::ContextFull,
            Self::Refused(why) => Finish::Refused(why.as_ref().map(own)),
            Self::Filtered => Finish::Filtered,
            Self::Broken(word) => Finish::Broken(own(word)),
        }
    }
}

/// What a writer puts into an answer that the provider does not say, or must not.
#[derive(Debug, Clone, Copy)]
pub struct Face<'a> {
    /// The id of the call here, which names the answer where the provider gives no name.
    pub call: &'a str,
    /// The model, as the client named it.
    pub model: &'a str,
    /// Seconds since the Unix epoch.
    pub created_s: i64,
}
