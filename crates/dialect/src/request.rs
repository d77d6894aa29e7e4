//! What a client asks of a model, in no dialect.

use crate::unsupported::Extra;
use crate::{Json, Text};

/// A request for one answer, or for several to the same conversation.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The model, as the client names it.
    pub model: Text<'a>,
    /// Instructions that stand before the conversation.
    pub system: Vec<Part<'a>>,
    /// The conversation, oldest first. Neighbours may have the same role.
    pub turns: Vec<Turn<'a>>,
    /// Functions that the model may call; the client runs them.
    pub tools: Vec<Tool<'a>>,
    /// Whether it must call one, and which.
    pub tool_choice: ToolChoice<'a>,
    /// It calls at most one function in an answer.
    pub is_one_call_only: bool,
    /// What the text of the answer must be.
    pub format: Format<'a>,
    /// The most output tokens of one answer, reasoning included.
    pub output_tokens_max: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts before which an answer ends.
    pub stop: Vec<Text<'a>>,
    /// How much the model reasons before it answers.
    pub thinking: Thinking,
    /// How many answers; `None`: one, unsaid.
    pub answers: Option<u64>,
    /// Who is served, in the client's own words.
    pub end_user: Option<Text<'a>>,
    /// How the answer comes.
    pub delivery: Delivery,
    /// What no other dialect can say, of what was read.
    pub extras: Vec<Extra>,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// At once.
    #[default]
    Whole,
    /// In pieces.
    Stream {
        /// An OpenAI client wants to be told the usage at the end; the other dialects always tell it.
        wants_usage: bool,
    },
}

/// What one side said.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Its position in the client's own list, from 0: where to point if it cannot be carried over.
    pub at: usize,
    /// Who said it.
    pub role: Role,
    /// What. The results of calls stand first in a [`Role::User`] turn, all of one assistant turn in one.
    pub parts: Vec<Part<'a>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client, and whatever answers calls for it.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of the conversation.
    System,
}

/// One piece of what was said.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The piece.
    pub content: Content<'a>,
    /// Everything up to its end is to be kept for the next request.
    pub cache: Option<Keep>,
}

/// How long a provider is to keep what it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Unsaid, or five minutes.
    Short,
    /// Half an hour or more.
    Long,
}

/// What a piece is.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// Text. Never empty after reading.
    Text(Text<'a>),
    /// The model's own words for not answering.
    Refusal(Text<'a>),
    /// A picture.
    Image(Source<'a>),
    /// A sound.
    Audio(Source<'a>),
    /// A file, such as a PDF.
    Document {
        /// Where it is.
        source: Source<'a>,
        /// What it is called.
        title: Option<Text<'a>>,
    },
    /// The model calls a function.
    Call(Call<'a>),
    /// What a function returned.
    Outcome(Outcome<'a>),
    /// What the model thought.
    Thought(Thought<'a>),
}

/// Where data are.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// Here, in base64 with padding.
    Inline {
        /// `image/png`, in lower case and without parameters.
        media_type: Text<'a>,
        /// The base64.
        data: Text<'a>,
    },
    /// Here, as plain text.
    Plain(Text<'a>),
    /// At an `http` or `https` address, which the provider fetches.
    Url {
        /// The address.
        url: Text<'a>,
        /// What is there, where the client says so.
        media_type: Option<Text<'a>>,
    },
    /// With the provider, under an id that no other one knows.
    File(Text<'a>),
}

/// A call of a function.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What its outcome refers to. Made by the reader where its dialect has none, from the position.
    pub id: Text<'a>,
    /// The function.
    pub name: Text<'a>,
    /// A JSON object.
    pub arguments: Json<'a>,
    /// What the provider wants to see again with it.
    pub seal: Option<Seal<'a>>,
}

/// What a function returned.
#[derive(Debug, Clone)]
pub struct Outcome<'a> {
    /// The id of the call.
    pub call: Text<'a>,
    /// The function, which the reader finds by the call.
    pub name: Text<'a>,
    /// What it returned: text, images, documents; nothing at all, too.
    pub parts: Vec<Part<'a>>,
    /// Whether it failed. `None`: unsaid.
    pub is_error: Option<bool>,
}

/// What a model thought.
#[derive(Debug, Clone)]
pub struct Thought<'a> {
    /// The words; empty where they are hidden.
    pub text: Text<'a>,
    /// What its provider wants to see again with it.
    pub seal: Option<Seal<'a>>,
}

/// Opaque data by which a provider knows its own words again. It is worth something only where it came
/// from; a writer of another dialect leaves it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal<'a> {
    /// Anthropic's `signature` of a thought.
    Anthropic(Text<'a>),
    /// Anthropic's `data` of a thought that is hidden.
    AnthropicHidden(Text<'a>),
    /// Google's `thoughtSignature`, of a thought, a text or a call.
    Google(Text<'a>),
}

/// A function that the model may call.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// Its arguments, as JSON Schema of an object. `None`: it takes none.
    pub schema: Option<Json<'a>>,
    /// Whether calls must match the schema exactly.
    pub is_strict: Option<bool>,
    /// All tools up to this one are to be kept for the next request.
    pub cache: Option<Keep>,
}

/// Whether functions must be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// Unsaid.
    #[default]
    Unset,
    /// As the model likes.
    Auto,
    /// None may be called.
    Never,
    /// At least one must be called.
    Required,
    /// This one must be called.
    Named(Text<'a>),
    /// Only these may be called.
    Among {
        /// Their names.
        names: Vec<Text<'a>>,
        /// Whether one of them must be.
        is_required: bool,
    },
}

/// What the text of an answer must be.
#[derive(Debug, Clone, Default)]
pub enum Format<'a> {
    /// Anything.
    #[default]
    Text,
    /// JSON.
    Json,
    /// JSON that a schema describes.
    Schema {
        /// What it is called.
        name: Option<Text<'a>>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// JSON Schema.
        schema: Json<'a>,
        /// Whether the answer must match it exactly. `None`: unsaid.
        is_strict: Option<bool>,
    },
}

/// How tokens are drawn. `None`: as the provider does by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sampling {
    /// 0 and more.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// From how many tokens one is drawn.
    pub top_k: Option<u64>,
    /// The same number draws the same tokens, as far as the provider can.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
}

/// How much a model reasons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinking {
    /// Whether it does.
    pub mode: ThinkingMode,
    /// How hard.
    pub effort: Option<Effort>,
    /// The most tokens that it may spend on it.
    pub tokens_max: Option<u64>,
    /// Whether the client is shown the thoughts. `None`: unsaid.
    pub is_shown: Option<bool>,
}

/// Whether a model reasons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThinkingMode {
    /// Unsaid.
    #[default]
    Unset,
    /// It does not.
    Off,
    /// It decides by itself.
    Adaptive,
    /// It does.
    On,
}

/// How hard a model thinks, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    Higher,
    /// As much as it can.
    Max,
}
