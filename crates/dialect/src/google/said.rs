//! What is said, as it is written: the pieces of a content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Text;
use crate::request::{Call, Content, Part, Seal, Source, Thought};

/// A content: whose, and its pieces.
#[derive(Debug, Serialize)]
pub(super) struct Said<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Piece<'r>>,
}

/// A piece. One of its kinds of data is there.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'r str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<Blob<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<File<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCall<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'r str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'r> {
    mime_type: &'r str,
    data: Text<'r>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<&'r str>,
    pub(super) file_uri: &'r str,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionCall<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'r str,
    pub(super) name: &'r str,
    pub(super) args: &'r RawValue,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionResponse<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'r str,
    pub(super) name: &'r str,
    pub(super) response: Response<'r>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Piece<'r>>,
}

/// What a function returned.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Response<'r> {
    Output(Text<'r>),
    Error(Text<'r>),
}

impl<'r> Piece<'r> {
    pub(super) fn text(text: &'r str) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    pub(super) fn thought(text: &'r str, seal: Option<&'r str>) -> Self {
        Self { text: Some(text), thought: true, thought_signature: seal, ..Self::default() }
    }

    /// A seal that belongs to no other piece.
    pub(super) fn seal(seal: &'r str) -> Self {
        Self { text: Some(""), thought_signature: Some(seal), ..Self::default() }
    }

    fn call(call: &'r Call<'_>) -> Self {
        let function_call = FunctionCall { id: &call.id, name: &call.name, args: &call.arguments };
        Self { function_call: Some(function_call), ..Self::default() }
    }

    /// Data that stand here. `None`: they stand elsewhere.
    pub(super) fn inline(source: &'r Source<'_>) -> Option<Self> {
        let blob = match source {
            Source::Inline { media_type, data } => {
                Blob { mime_type: media_type, data: borrowed(data) }
            }
            Source::Plain(text) => {
                Blob { mime_type: "text/plain", data: STANDARD.encode(text.as_bytes()).into() }
            }
            Source::Url { .. } | Source::File(_) => return None,
        };
        Some(Self { inline_data: Some(blob), ..Self::default() })
    }
}

fn borrowed<'r>(text: &'r Text<'_>) -> Text<'r> {
    Text::Borrowed(text)
}

/// Google's own seal; another provider's means nothing here.
pub(super) const fn own<'r>(seal: Option<&'r Seal<'_>>) -> Option<&'r str> {
    match seal {
        Some(Seal::Google(seal)) => match seal {
            Text::Borrowed(seal) => Some(seal),
            Text::Owned(seal) => Some(seal.as_str()),
        },
        Some(Seal::Anthropic(_) | Seal::AnthropicHidden(_)) | None => None,
    }
}

/// The pieces of what a model said. `other` writes what is neither text, thought nor call; `None` leaves
/// it out.
///
/// A seal that stands by itself belongs to the text or the call that follows it; a call that has its own
/// keeps that.
pub(super) fn by_model<'r, E>(
    parts: &'r [Part<'_>],
    mut other: impl FnMut(&'r Content<'_>) -> Result<Option<Piece<'r>>, E>,
) -> Result<Vec<Piece<'r>>, E> {
    let mut pieces = Pieces { pieces: Vec::with_capacity(parts.len()), seal: None };
    for part in parts {
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => pieces.sealed(Piece::text(text)),
            Content::Thought(thought) => pieces.thought(thought),
            Content::Call(call) => pieces.call(call),
            content @ (Content::Image(_)
            | Content::Audio(_)
            | Content::Document { .. }
            | Content::Outcome(_)) => {
                if let Some(piece) = other(content)? {
                    pieces.sealed(piece);
                }
            }
        }
    }
    pieces.seal_alone();
    Ok(pieces.pieces)
}

struct Pieces<'r> {
    pieces: Vec<Piece<'r>>,
    /// A seal that waits for what it belongs to.
    seal: Option<&'r str>,
}

impl<'r> Pieces<'r> {
    fn seal_alone(&mut self) {
        self.pieces.extend(self.seal.take().map(Piece::seal));
    }

    fn sealed(&mut self, piece: Piece<'r>) {
        self.pieces.push(Piece { thought_signature: self.seal.take(), ..piece });
    }

    fn thought(&mut self, thought: &'r Thought<'_>) {
        self.seal_alone();
        let seal = own(thought.seal.as_ref());
        if thought.text.is_empty() {
            self.seal = seal;
        } else {
            self.pieces.push(Piece::thought(&thought.text, seal));
        }
    }

    fn call(&mut self, call: &'r Call<'_>) {
        let seal = own(call.seal.as_ref());
        if seal.is_some() {
            self.seal_alone();
            self.seal = seal;
        }
        self.sealed(Piece::call(call));
    }
}
