//! The dialects in which models are called, and the form between them.
//!
//! A client and a provider that speak the same dialect get each other's bytes; nothing here is asked. For
//! any other pair, a reader of the one dialect and a writer of the other meet in a form that belongs to
//! neither: a [`Request`](request::Request), an [`Answer`](answer::Answer), a stream of
//! [`Event`](event::Event)s or a [`Fault`](fault::Fault). It holds what at least two dialects can say. What
//! only one can say is refused by name, or dropped where the client allows that
//! ([`Leave`](unsupported::Leave)); never silently.
//!
//! Clients have two forms more, in which no provider is asked ([`Client`]): responses, and prompts. Providers
//! have one in which no client asks ([`Provider`]): Amazon Bedrock's. Texts become vectors by a form of their
//! own ([`embedding`]).
//!
//! Everything here is a pure function of its input: providers keep what they have read of a conversation by
//! its exact bytes, so the same request is always translated into the same bytes.

pub mod answer;
pub mod anthropic;
pub mod bedrock;
mod client;
pub mod count;
pub mod embedding;
pub mod event;
pub mod fault;
pub mod google;
pub mod openai;
mod path;
mod provider;
pub mod request;
pub mod spoken;
pub mod unsupported;

pub use client::Client;
pub use provider::Provider;

use unsupported::Feature;

/// How clients and providers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST /v1/chat/completions`, as OpenAI has it.
    OpenAi,
    /// `POST /v1/messages`, as Anthropic has it.
    Anthropic,
    /// `POST /v1beta/models/{model}:generateContent`, as Google has it.
    Google,
}

impl Dialect {
    /// The field that holds the conversation.
    const fn turns(self) -> &'static str {
        match self {
            Self::OpenAi => openai::TURNS,
            Self::Anthropic => anthropic::TURNS,
            Self::Google => google::TURNS,
        }
    }

    /// What a client of this dialect calls a feature: a field of the body, or of a turn's piece.
    const fn name_of(self, feature: Feature) -> &'static str {
        match self {
            Self::OpenAi => openai::name_of(feature),
            Self::Anthropic => anthropic::name_of(feature),
            Self::Google => google::name_of(feature),
        }
    }
}

/// Whom a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    /// How the client speaks: what is refused is named in its words.
    pub from: Client,
    /// The most output tokens of one answer where the client says nothing and the dialect wants a figure.
    pub output_tokens_default: u64,
    /// What this deployment can do beyond its dialect, or cannot.
    pub knows: Knows,
}

/// What deployments of one dialect differ in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Knows {
    /// OpenAI dialect: `max_completion_tokens`; else `max_tokens`, which most compatible servers heed.
    pub completion_tokens: bool,
    /// OpenAI dialect: `top_k`, as vLLM and llama.cpp take it.
    pub top_k: bool,
    /// OpenAI dialect: the thoughts of earlier turns as `reasoning_content`.
    pub reasoning_content: bool,
    /// OpenAI dialect: `tool_choice` as an object. Without it (llama.cpp takes any object for `auto`) the
    /// model is told only of the functions among which it may choose.
    pub choice_objects: bool,
    /// OpenAI dialect: `prompt_cache_breakpoint` on parts.
    pub cache_marks: bool,
    /// Anthropic dialect: turns with the role `system`.
    pub system_turns: bool,
    /// Anthropic dialect: `temperature` and its like, which its newest models refuse.
    pub sampling: bool,
    /// Google dialect: `thinkingLevel`; else `thinkingBudget`, as models before Gemini 3 have it.
    pub thinking_level: bool,
    /// Google dialect: files at public addresses.
    pub file_urls: bool,
}

/// Text that is borrowed from what was read wherever it has no escapes.
pub type Text<'a> = std::borrow::Cow<'a, str>;

/// JSON that is passed on as it was written.
pub type Json<'a> = std::borrow::Cow<'a, serde_json::value::RawValue>;
