//! The conversation: turns that alternate, and the instructions before it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::documents::{self, Media, Names};
use super::model::Model;
use crate::anthropic::ids::Ids;
use crate::request::{Call, Content, Keep, Outcome, Part, Request, Role, Seal, Source, Thought};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Client, Target, Text};

/// Stands before what a function returned where nothing else says that it failed.
const FAILED: &str = "Error:";
/// Stands beside documents that came without a word: Converse takes none alone.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>.
const BESIDE_DOCUMENTS: &str = "See what is attached.";

#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// One piece: an object with one member, which says what it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Text<'a>),
    Image(Media<'a>),
    Document(Media<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    ReasoningContent(Reasoning<'a>),
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
pub(super) struct ToolUse<'a> {
    #[serde(rename = "toolUseId")]
    id: Text<'a>,
    name: &'a str,
    input: &'a RawValue,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'a> {
    tool_use_id: Text<'a>,
    content: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText { text: &'a str, signature: &'a str },
    RedactedContent(&'a str),
}

/// What stands before it is to be kept for the next request.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<Keep> for CachePoint {
    fn from(keep: Keep) -> Self {
        let ttl = match keep {
            Keep::Short => None,
            Keep::Long => Some("1h"),
        };
        Self { kind: "default", ttl }
    }
}

/// Writes the instructions and the conversation. Instructions in the middle of it lose their place: they go
/// before it.
pub(super) fn write<'a>(
    request: &'a Request<'a>,
    (to, model): (&Target<'_>, Model),
    leave: &mut Leave,
) -> Result<(Vec<Block<'a>>, Vec<Message<'a>>), Untranslatable> {
    let (ids, names) = (Ids::default(), Names::default());
    let mut writer = Writer { leave, from: to.from, model, ids, names, at: None };
    let mut system = writer.blocks(&request.system)?;
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        writer.at = Some(turn.at);
        let mut content = writer.blocks(&turn.parts)?;
        let role = match turn.role {
            _ if content.is_empty() => continue,
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => {
                writer.leave.feature(Feature::SystemTurn, writer.at, to.from)?;
                system.append(&mut content);
                continue;
            }
        };
        match messages.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.append(&mut content),
            None => messages.push(Message { role, content }),
        }
    }
    messages.iter_mut().for_each(Message::introduce_documents);
    Ok((system, messages))
}

impl Message<'_> {
    fn introduce_documents(&mut self) {
        let is_any = |is_it: fn(&Block<'_>) -> bool| self.content.iter().any(is_it);
        let has_text = is_any(|block| matches!(block, Block::Text(_)));
        if !has_text && is_any(|block| matches!(block, Block::Document(_))) {
            self.content.push(Block::Text(Text::Borrowed(BESIDE_DOCUMENTS)));
        }
    }
}

struct Writer<'w, 'a> {
    leave: &'w mut Leave,
    from: Client,
    model: Model,
    ids: Ids<'a>,
    names: Names,
    /// The turn, where it is one.
    at: Option<usize>,
}

impl<'a> Writer<'_, 'a> {
    /// Writes pieces in their order, only outcomes first.
    ///
    /// Text of nothing but white space is refused by Bedrock, so it goes to a text beside it.
    fn blocks(&mut self, parts: &'a [Part<'a>]) -> Result<Vec<Block<'a>>, Untranslatable> {
        let mut blocks = Vec::with_capacity(parts.len());
        let mut blank = String::new();
        let is_outcome = |part: &&Part<'_>| matches!(part.content, Content::Outcome(_));
        let outcomes = parts.iter().filter(is_outcome);
        for part in outcomes.chain(parts.iter().filter(|part| !is_outcome(part))) {
            let before = blocks.len();
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => {
                    write_text(&mut blocks, &mut blank, text);
                }
                content @ (Content::Image(_)
                | Content::Audio(_)
                | Content::Document { .. }
                | Content::Call(_)
                | Content::Outcome(_)
                | Content::Thought(_)) => blocks.extend(self.block(content)?),
            }
            let mark = self.model.mark(part.cache).filter(|_| blocks.len() > before);
            blocks.extend(mark.map(|keep| Block::CachePoint(keep.into())));
        }
        Ok(blocks)
    }

    fn block(&mut self, content: &'a Content<'a>) -> Result<Option<Block<'a>>, Untranslatable> {
        Ok(match content {
            Content::Text(text) | Content::Refusal(text) => Some(Block::Text(Text::Borrowed(text))),
            Content::Image(source) => match documents::image(source) {
                Some(image) => Some(Block::Image(image)),
                None => self.leave_media(source, Feature::Image)?,
            },
            Content::Document { source, title } => {
                match self.names.document(source, title.as_deref()) {
                    Some(document) => Some(Block::Document(document)),
                    None => self.leave_media(source, Feature::Document)?,
                }
            }
            Content::Audio(_) => self.leave(Feature::Audio)?,
            Content::Call(call) => Some(Block::ToolUse(self.call(call))),
            Content::Outcome(outcome) => Some(Block::ToolResult(self.outcome(outcome)?)),
            Content::Thought(thought) if self.model.is_anthropic => {
                known_thought(thought).map(Block::ReasoningContent)
            }
            Content::Thought(_) => None,
        })
    }

    fn leave<T>(&mut self, feature: Feature) -> Result<Option<T>, Untranslatable> {
        self.leave.feature(feature, self.at, self.from)?;
        Ok(None)
    }

    /// Another provider does not have the file, and nobody there fetches an address.
    fn leave_media<T>(
        &mut self,
        source: &Source<'_>,
        feature: Feature,
    ) -> Result<Option<T>, Untranslatable> {
        match source {
            Source::File(_) => self.leave(Feature::File),
            Source::Inline { .. } | Source::Plain(_) | Source::Url { .. } => self.leave(feature),
        }
    }

    fn call(&mut self, call: &'a Call<'a>) -> ToolUse<'a> {
        let id = self.ids.call(Text::Borrowed(&call.id));
        ToolUse { id, name: &call.name, input: &call.arguments }
    }

    fn outcome(&mut self, outcome: &'a Outcome<'a>) -> Result<ToolResult<'a>, Untranslatable> {
        let tool_use_id = self.ids.outcome(&outcome.call);
        let mut content = self.blocks(&outcome.parts)?;
        // A mark has no place inside of what a function returned.
        content.retain(|block| !matches!(block, Block::CachePoint(_)));
        let has_failed = outcome.is_error == Some(true);
        if has_failed && !self.model.knows_failures() {
            content.insert(0, Block::Text(Text::Borrowed(FAILED)));
        }
        let status = (has_failed && self.model.knows_failures()).then_some("error");
        Ok(ToolResult { tool_use_id, content, status })
    }
}

/// A thought goes back only to a model of whom it came from: nobody else can check it. Anthropic's models know
/// theirs again wherever they run.
fn known_thought<'a>(thought: &'a Thought<'a>) -> Option<Reasoning<'a>> {
    match thought.seal.as_ref()? {
        Seal::Anthropic(signature) => {
            Some(Reasoning::ReasoningText { text: &thought.text, signature })
        }
        Seal::AnthropicHidden(data) => Some(Reasoning::RedactedContent(data)),
        Seal::Google(_) => None,
    }
}

/// Writes a text. `blank` is the white space before it that has no text of its own yet.
fn write_text<'a>(blocks: &mut Vec<Block<'a>>, blank: &mut String, text: &'a str) {
    if !text.trim().is_empty() {
        let text = if blank.is_empty() {
            Text::Borrowed(text)
        } else {
            Text::Owned(std::mem::take(blank) + text)
        };
        blocks.push(Block::Text(text));
    } else if let Some(Block::Text(before)) = blocks.last_mut() {
        before.to_mut().push_str(text);
    } else {
        blank.push_str(text);
    }
}
