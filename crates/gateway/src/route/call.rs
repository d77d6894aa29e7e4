//! Each call that a provider answers: where it stands, how its client speaks, what it is about, and who can
//! be asked for it.

use doorward_dialect::{Client, Dialect};
use doorward_domain::catalog::ProviderKind;
use doorward_domain::scope::Scope;

/// A call that a provider answers: what it is about, in one dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/inference`: no provider is asked so.
    Inference,
    /// `POST /v1/moderations`.
    Moderations,
    /// `POST /v1/images/generations`.
    Images,
    /// `POST /v1/audio/speech`.
    Speech,
    /// `POST /v1/audio/transcriptions`.
    Transcriptions,
    /// `POST /v1/audio/translations`.
    Translations,
    /// `POST /v1/rerank`.
    Rerank,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    MessageTokens,
    /// `POST /v1beta/models/{model}:generateContent`.
    GenerateContent,
    /// `POST /v1beta/models/{model}:streamGenerateContent`.
    StreamGenerateContent,
    /// `POST /v1beta/models/{model}:countTokens`.
    ContentTokens,
    /// `POST /v1beta/models/{model}:embedContent`.
    EmbedContent,
    /// `POST /v1beta/models/{model}:batchEmbedContents`.
    BatchEmbedContents,
}

/// What a call is about, whichever dialect it is said in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A turn of a conversation.
    Chat,
    /// The continuation of a text.
    Completion,
    /// A turn with what OpenAI adds to conversations.
    Response,
    /// One prompt, and what the model says to it.
    Prompt,
    /// Texts as vectors.
    Embedding,
    /// Whether a text or a picture is harmful.
    Moderation,
    /// Pictures, made of a text.
    Picture,
    /// A text, spoken.
    Speech,
    /// Speech, written down.
    Transcript,
    /// Documents in the order in which they fit a question.
    Ranking,
    /// How many tokens a request has: asked before the call, and free of charge.
    Count,
}

/// Where a call stands below a provider's base URL, and below the dialect's own here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The same for every model.
    Fixed(&'static str),
    /// A word behind the model and a colon.
    Verb(&'static str),
}

impl Call {
    /// What a key needs for any call.
    pub const SCOPE: Scope = Scope::InferenceWrite;

    /// Every call; the position is the index into a target's ways.
    pub const ALL: [Self; 18] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Inference,
        Self::Moderations,
        Self::Images,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Rerank,
        Self::Messages,
        Self::MessageTokens,
        Self::GenerateContent,
        Self::StreamGenerateContent,
        Self::ContentTokens,
        Self::EmbedContent,
        Self::BatchEmbedContents,
    ];

    /// Where it stands.
    pub const fn path(self) -> Path {
        match self {
            Self::ChatCompletions => Path::Fixed("/chat/completions"),
            Self::Completions => Path::Fixed("/completions"),
            Self::Embeddings => Path::Fixed("/embeddings"),
            Self::Responses => Path::Fixed("/responses"),
            Self::Inference => Path::Fixed("/inference"),
            Self::Moderations => Path::Fixed("/moderations"),
            Self::Images => Path::Fixed("/images/generations"),
            Self::Speech => Path::Fixed("/audio/speech"),
            Self::Transcriptions => Path::Fixed("/audio/transcriptions"),
            Self::Translations => Path::Fixed("/audio/translations"),
            Self::Rerank => Path::Fixed("/rerank"),
            Self::Messages => Path::Fixed("/messages"),
            Self::MessageTokens => Path::Fixed("/messages/count_tokens"),
            Self::GenerateContent => Path::Verb("generateContent"),
            Self::StreamGenerateContent => Path::Verb("streamGenerateContent"),
            Self::ContentTokens => Path::Verb("countTokens"),
            Self::EmbedContent => Path::Verb("embedContent"),
            Self::BatchEmbedContents => Path::Verb("batchEmbedContents"),
        }
    }

    /// How the client is told what went wrong, and whose provider may have the very route.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Responses
            | Self::Inference
            | Self::Moderations
            | Self::Images
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations
            | Self::Rerank => Dialect::OpenAi,
            Self::Messages | Self::MessageTokens => Dialect::Anthropic,
            Self::GenerateContent
            | Self::StreamGenerateContent
            | Self::ContentTokens
            | Self::EmbedContent
            | Self::BatchEmbedContents => Dialect::Google,
        }
    }

    /// How the client speaks.
    pub const fn client(self) -> Client {
        match self {
            Self::Responses => Client::Responses,
            Self::Inference => Client::Inference,
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::Images
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations
            | Self::Rerank
            | Self::Messages
            | Self::MessageTokens
            | Self::GenerateContent
            | Self::StreamGenerateContent
            | Self::ContentTokens
            | Self::EmbedContent
            | Self::BatchEmbedContents => Client::Dialect(self.dialect()),
        }
    }

    /// What it is about.
    pub const fn work(self) -> Work {
        match self {
            Self::ChatCompletions
            | Self::Messages
            | Self::GenerateContent
            | Self::StreamGenerateContent => Work::Chat,
            Self::Completions => Work::Completion,
            Self::Responses => Work::Response,
            Self::Inference => Work::Prompt,
            Self::Moderations => Work::Moderation,
            Self::Images => Work::Picture,
            Self::Speech => Work::Speech,
            Self::Transcriptions | Self::Translations => Work::Transcript,
            Self::Rerank => Work::Ranking,
            Self::Embeddings | Self::EmbedContent | Self::BatchEmbedContents => Work::Embedding,
            Self::MessageTokens | Self::ContentTokens => Work::Count,
        }
    }

    /// Whether providers of its dialect have such a route.
    pub const fn is_providers(self) -> bool {
        !matches!(self, Self::Inference)
    }

    /// Whether it comes as a form with a file in it, and not as JSON.
    pub const fn is_form(self) -> bool {
        matches!(self.work(), Work::Transcript)
    }

    /// Whether providers of this kind have the very route, if it is of their dialect. Of those that speak OpenAI's dialect, OpenAI
    /// itself ranks no documents, and Azure judges no texts by it.
    pub const fn is_of(self, kind: ProviderKind) -> bool {
        !matches!(
            (self, kind),
            (Self::Rerank, ProviderKind::OpenAi | ProviderKind::Azure)
                | (Self::Moderations, ProviderKind::Azure)
        )
    }

    /// The call that asks the same in another way, of a provider of this dialect. `None`: there is none.
    pub const fn said_in(self, dialect: Dialect, is_stream: bool) -> Option<Self> {
        match (self.work(), dialect) {
            (Work::Chat | Work::Response | Work::Prompt, Dialect::OpenAi) => {
                Some(Self::ChatCompletions)
            }
            (Work::Chat | Work::Response | Work::Prompt, Dialect::Anthropic) => {
                Some(Self::Messages)
            }
            (Work::Chat | Work::Response | Work::Prompt, Dialect::Google) => {
                Some(if is_stream { Self::StreamGenerateContent } else { Self::GenerateContent })
            }
            (Work::Embedding, Dialect::OpenAi) => Some(Self::Embeddings),
            (Work::Embedding, Dialect::Google) => Some(Self::BatchEmbedContents),
            (Work::Count, Dialect::Anthropic) => Some(Self::MessageTokens),
            (Work::Count, Dialect::Google) => Some(Self::ContentTokens),
            (Work::Embedding, Dialect::Anthropic)
            | (Work::Count, Dialect::OpenAi)
            | (
                Work::Completion
                | Work::Moderation
                | Work::Picture
                | Work::Speech
                | Work::Transcript
                | Work::Ranking,
                _,
            ) => None,
        }
    }
}

impl Work {
    /// Whether it produces output tokens, so that its output must be bounded and held.
    pub const fn has_output(self) -> bool {
        matches!(self, Self::Chat | Self::Completion | Self::Response | Self::Prompt)
    }

    /// Whether providers take nothing for it.
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_stand_where_openai_has_them() {
        #[rustfmt::skip]
        let cases = [
            (Call::Moderations,    "/moderations",          Work::Moderation, false),
            (Call::Images,         "/images/generations",   Work::Picture,    false),
            (Call::Speech,         "/audio/speech",         Work::Speech,     false),
            (Call::Transcriptions, "/audio/transcriptions", Work::Transcript, true),
            (Call::Translations,   "/audio/translations",   Work::Transcript, true),
            (Call::Rerank,         "/rerank",               Work::Ranking,    false),
        ];
        for (call, path, work, is_form) in cases {
            assert_eq!(
                (call.path(), call.work(), call.is_form()),
                (Path::Fixed(path), work, is_form)
            );
            assert_eq!(call.dialect(), Dialect::OpenAi);
            for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Google] {
                assert_eq!(call.said_in(dialect, true), None, "{call:?}: asked so, or not at all");
            }
        }
    }

    #[test]
    fn openai_ranks_nothing_and_azure_judges_nothing() {
        for kind in ProviderKind::ALL {
            let missing: Vec<Call> =
                Call::ALL.into_iter().filter(|call| !call.is_of(kind)).collect();
            let expected: &[Call] = match kind.as_str() {
                "openai" => &[Call::Rerank],
                "azure" => &[Call::Moderations, Call::Rerank],
                _ => &[],
            };
            assert_eq!(missing, expected, "{kind}");
        }
    }
}
