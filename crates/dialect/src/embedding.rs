//! Texts as vectors, in no dialect. Anthropic has none.

use doorward_domain::usage::Usage;

use crate::unsupported::Extra;
use crate::{Json, Text};

/// A request for a vector of each text.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The model, as the client names it.
    pub model: Text<'a>,
    /// The texts, at least one, none of them empty.
    pub inputs: Vec<Text<'a>>,
    /// How many numbers a vector has. `None`: as many as the model gives.
    pub dimensions: Option<u64>,
    /// Who is served, in the client's own words.
    pub end_user: Option<Text<'a>>,
    /// How the client wants the answer.
    pub shape: Shape,
    /// What no other dialect can say, of what was read.
    pub extras: Vec<Extra>,
}

/// How a client wants vectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// A list of vectors, which are lists of numbers.
    #[default]
    Lists,
    /// OpenAI dialect: a list of vectors, which are numbers of 32 bits in base64, the lowest byte first.
    Base64,
    /// Google dialect: one vector, not in a list.
    One,
}

/// The vectors.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// One for each text, in their order; the JSON of a list of numbers.
    pub vectors: Vec<Json<'a>>,
    /// What it cost. `None`: the provider does not say.
    pub usage: Option<Usage>,
}
