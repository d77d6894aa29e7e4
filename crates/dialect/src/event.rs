//! An answer in pieces, in no dialect.

use doorward_domain::usage::Usage;

use crate::Text;
use crate::answer::Finish;
use crate::fault::Fault;
use crate::request::Seal;

/// One piece of an answer. `choice` counts the answers from 0.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The answer begins: the provider's name of it, which may be empty. Comes first, and once.
    Start { id: Text<'a> },
    /// More of a text. Never empty.
    Text { choice: usize, text: Text<'a> },
    /// More of a refusal. Never empty.
    Refusal { choice: usize, text: Text<'a> },
    /// More of a thought. Never empty.
    Thought { choice: usize, text: Text<'a> },
    /// What belongs to the thought or the text that was just said, or is a thought by itself.
    Seal { choice: usize, seal: Seal<'a> },
    /// A call begins. `call` counts the calls of its choice from 0, without gaps.
    Call { choice: usize, call: usize, id: Text<'a>, name: Text<'a>, seal: Option<Seal<'a>> },
    /// More of the JSON of a call's arguments; none at all stands for `{}`.
    Arguments { choice: usize, call: usize, json: Text<'a> },
    /// One of the answers has ended. Comes once for each of them.
    Finish { choice: usize, finish: Finish<'a> },
    /// What the answer has cost until now: each replaces the one before.
    Usage(Usage),
    /// The provider says that something went wrong. Nothing follows.
    Fault(Fault<'a>),
    /// The provider has said all. Without it the answer was cut.
    End,
}
