//! Writes the pieces of what was said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::blocks::{IMAGES, PDF};
use crate::anthropic::ids::Ids;
use crate::request::{Call, Content, Keep, Outcome, Part, Role, Seal, Source, Thought};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Client, Dialect, Text};

/// One piece, as it is written in a request or in an answer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::anthropic) enum Block<'a> {
    Text {
        text: Text<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheMark>,
    },
    Image {
        source: WireSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheMark>,
    },
    Document {
        source: WireSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheMark>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Text<'a>,
        name: &'a str,
        input: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheMark>,
    },
    ToolResult {
        tool_use_id: Text<'a>,
        #[serde(skip_serializing_if = "Words::is_empty")]
        content: Words<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheMark>,
    },
}

/// Where data are.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::anthropic) enum WireSource<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'static str, data: Text<'a> },
    Url { url: &'a str },
    File { file_id: &'a str },
}

/// Pieces, or their text where they are only one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::anthropic) enum Words<'a> {
    Text(Text<'a>),
    Blocks(Vec<Block<'a>>),
}

impl<'a> Words<'a> {
    /// Writes a single text without a mark as a text.
    pub(super) fn of(mut blocks: Vec<Block<'a>>) -> Self {
        match blocks.as_mut_slice() {
            [Block::Text { text, cache_control: None }] => Self::Text(std::mem::take(text)),
            _ => Self::Blocks(blocks),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Blocks(blocks) if blocks.is_empty())
    }
}

/// What stands before it is to be kept for the next request.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in crate::anthropic) struct CacheMark {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<Keep> for CacheMark {
    fn from(keep: Keep) -> Self {
        let ttl = match keep {
            Keep::Short => None,
            Keep::Long => Some("1h"),
        };
        Self { kind: "ephemeral", ttl }
    }
}

/// Writes the pieces of a turn, or of what a function returned in it.
pub(super) struct Writer<'w, 'a> {
    pub(super) leave: &'w mut Leave,
    pub(super) from: Client,
    pub(super) ids: &'w mut Ids<'a>,
    /// The turn, where it is one.
    pub(super) at: Option<usize>,
    pub(super) role: Role,
}

impl<'a> Writer<'_, 'a> {
    /// Writes pieces in their order, only outcomes first.
    ///
    /// Text of nothing but white space is refused by providers, so it goes to a text beside it.
    pub(super) fn blocks(
        &mut self,
        parts: &'a [Part<'a>],
    ) -> Result<Vec<Block<'a>>, Untranslatable> {
        let mut blocks = Vec::with_capacity(parts.len());
        let mut blank = String::new();
        let is_outcome = |part: &&Part<'_>| matches!(part.content, Content::Outcome(_));
        let outcomes = parts.iter().filter(is_outcome);
        for part in outcomes.chain(parts.iter().filter(|part| !is_outcome(part))) {
            let mark = part.cache.map(CacheMark::from);
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => {
                    write_text(&mut blocks, &mut blank, text, mark);
                }
                content @ (Content::Image(_)
                | Content::Audio(_)
                | Content::Document { .. }
                | Content::Call(_)
                | Content::Outcome(_)
                | Content::Thought(_)) => {
                    blank.clear();
                    blocks.extend(self.block(content, mark)?);
                }
            }
        }
        Ok(blocks)
    }

    fn block(
        &mut self,
        content: &'a Content<'a>,
        cache_control: Option<CacheMark>,
    ) -> Result<Option<Block<'a>>, Untranslatable> {
        Ok(match content {
            Content::Image(source) => {
                self.image(source)?.map(|source| Block::Image { source, cache_control })
            }
            Content::Document { source, title } => self
                .document(source)?
                .map(|source| Block::Document { source, title: title.as_deref(), cache_control }),
            Content::Audio(_) => self.leave(Feature::Audio)?,
            Content::Call(call) => Some(self.call(call, cache_control)),
            Content::Outcome(outcome) => Some(self.outcome(outcome, cache_control)?),
            Content::Thought(thought) => known_thought(thought),
            // Texts are written by whom this is called by.
            Content::Text(_) | Content::Refusal(_) => None,
        })
    }

    fn leave<T>(&mut self, feature: Feature) -> Result<Option<T>, Untranslatable> {
        self.leave.feature(feature, self.at, self.from)?;
        Ok(None)
    }

    fn image(&mut self, source: &'a Source<'a>) -> Result<Option<WireSource<'a>>, Untranslatable> {
        match source {
            _ if self.role != Role::User => self.leave(Feature::Image),
            Source::Inline { media_type, data } if IMAGES.contains(&&**media_type) => {
                Ok(Some(WireSource::Base64 { media_type, data }))
            }
            Source::Url { url, .. } => Ok(Some(WireSource::Url { url })),
            Source::File(id) => self.file(id),
            Source::Inline { .. } | Source::Plain(_) => self.leave(Feature::Image),
        }
    }

    fn document(
        &mut self,
        source: &'a Source<'a>,
    ) -> Result<Option<WireSource<'a>>, Untranslatable> {
        match source {
            _ if self.role != Role::User => self.leave(Feature::Document),
            Source::Inline { media_type, data } if *media_type == PDF => {
                Ok(Some(WireSource::Base64 { media_type, data }))
            }
            Source::Inline { media_type, data } if *media_type == "text/plain" => {
                match decoded(data) {
                    Some(text) => Ok(Some(plain(Text::Owned(text)))),
                    None => self.leave(Feature::Document),
                }
            }
            Source::Plain(text) => Ok(Some(plain(Text::Borrowed(text)))),
            Source::Url { url, media_type }
                if media_type.as_ref().is_none_or(|kind| kind == PDF) =>
            {
                Ok(Some(WireSource::Url { url }))
            }
            Source::File(id) => self.file(id),
            Source::Inline { .. } | Source::Url { .. } => self.leave(Feature::Document),
        }
    }

    /// Another provider does not have the file.
    fn file(&mut self, file_id: &'a str) -> Result<Option<WireSource<'a>>, Untranslatable> {
        match self.from {
            Client::Dialect(Dialect::Anthropic) => Ok(Some(WireSource::File { file_id })),
            Client::Dialect(Dialect::OpenAi | Dialect::Google)
            | Client::Responses
            | Client::Inference => self.leave(Feature::File),
        }
    }

    fn call(&mut self, call: &'a Call<'a>, cache_control: Option<CacheMark>) -> Block<'a> {
        let id = self.ids.call(Text::Borrowed(&call.id));
        Block::ToolUse { id, name: &call.name, input: &call.arguments, cache_control }
    }

    fn outcome(
        &mut self,
        outcome: &'a Outcome<'a>,
        cache_control: Option<CacheMark>,
    ) -> Result<Block<'a>, Untranslatable> {
        let tool_use_id = self.ids.outcome(&outcome.call);
        let content = Words::of(self.blocks(&outcome.parts)?);
        Ok(Block::ToolResult { tool_use_id, content, is_error: outcome.is_error, cache_control })
    }
}

fn plain(data: Text<'_>) -> WireSource<'_> {
    WireSource::Text { media_type: "text/plain", data }
}

fn decoded(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

/// A thought goes back only to whom it came from: nobody else can check it.
fn known_thought<'a>(thought: &'a Thought<'a>) -> Option<Block<'a>> {
    match thought.seal.as_ref()? {
        Seal::Anthropic(signature) => Some(Block::Thinking { thinking: &thought.text, signature }),
        Seal::AnthropicHidden(data) => Some(Block::RedactedThinking { data }),
        Seal::Google(_) => None,
    }
}

/// Writes a text. `blank` is the white space before it that has no text of its own yet.
fn write_text<'a>(
    blocks: &mut Vec<Block<'a>>,
    blank: &mut String,
    text: &'a str,
    mark: Option<CacheMark>,
) {
    if text.trim().is_empty() {
        match blocks.last_mut() {
            Some(Block::Text { text: before, cache_control }) => {
                before.to_mut().push_str(text);
                *cache_control = mark.or(*cache_control);
            }
            _ => blank.push_str(text),
        }
        return;
    }
    let text = if blank.is_empty() {
        Text::Borrowed(text)
    } else {
        Text::Owned(std::mem::take(blank) + text)
    };
    blocks.push(Block::Text { text, cache_control: mark });
}
