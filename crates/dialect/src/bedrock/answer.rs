//! A whole answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::finish::{self, Said};
use super::usage;
use crate::answer::{Answer, Choice};
use crate::path::Path;
use crate::request::{Call, Content, Part, Seal, Thought};
use crate::unsupported::Malformed;
use crate::{Json, Text};

/// A text that is borrowed where it can be; serde does so only in a type of its own.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Words<'a>(#[serde(borrow)] pub(super) Text<'a>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Words<'a>>,
    usage: Option<usage::Read>,
}

#[derive(Debug, Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
}

/// A piece, of whatever kind: the one member that is there says which.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<Words<'a>>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Reasoning<'a>>,
}

#[derive(Debug, Deserialize)]
struct ToolUse<'a> {
    #[serde(borrow, rename = "toolUseId")]
    id: Option<Words<'a>>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow)]
    reasoning_text: Option<ReasoningText<'a>>,
    #[serde(borrow)]
    redacted_content: Option<Words<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct ReasoningText<'a> {
    #[serde(borrow)]
    text: Option<Words<'a>>,
    #[serde(borrow)]
    signature: Option<Words<'a>>,
}

/// Reads the answer of `POST /model/{model}/converse`. Pieces of kinds that nobody asked for are skipped.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let wrong = |_| Path::Body.malformed("is no answer of this dialect");
    let body: Body<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let output = Path::Body.field("output");
    let place = output.field("message");
    let list = place.field("content");
    let message = body.output.and_then(|output| output.message);
    let blocks = message.and_then(|message| message.content).ok_or_else(|| list.missing())?;
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        let content = block.into_content(&list.item(at))?;
        parts.extend(content.map(|content| Part { content, cache: None }));
    }
    let said = Said {
        is_something: !parts.is_empty(),
        is_calls: parts.iter().any(|part| matches!(part.content, Content::Call(_))),
    };
    let finish = finish::read(&body.stop_reason.unwrap_or_default().0, said);
    let usage = body.usage.and_then(usage::Read::into_usage);
    Ok(Answer { id: Text::default(), choices: vec![Choice { parts, finish }], usage })
}

impl<'a> Block<'a> {
    fn into_content(self, at: &Path<'_>) -> Result<Option<Content<'a>>, Malformed> {
        if let Some(call) = self.tool_use {
            return Ok(Some(Content::Call(call.into_call(&at.field("toolUse"))?)));
        }
        if let Some(thought) = self.reasoning_content {
            return Ok(thought.into_thought().map(Content::Thought));
        }
        Ok(said(self.text).map(Content::Text))
    }
}

impl<'a> ToolUse<'a> {
    fn into_call(self, at: &Path<'_>) -> Result<Call<'a>, Malformed> {
        let id = said(self.id).ok_or_else(|| at.field("toolUseId").missing())?;
        let name = said(self.name).ok_or_else(|| at.field("name").missing())?;
        let input = self.input.ok_or_else(|| at.field("input").missing())?;
        if !input.get().starts_with('{') {
            return Err(at.field("input").malformed("must be an object"));
        }
        Ok(Call { id, name, arguments: Json::Borrowed(input), seal: None })
    }
}

impl<'a> Reasoning<'a> {
    fn into_thought(self) -> Option<Thought<'a>> {
        if let Some(data) = said(self.redacted_content) {
            return Some(Thought { text: "".into(), seal: Some(Seal::AnthropicHidden(data)) });
        }
        let told = self.reasoning_text.unwrap_or_default();
        let (text, signature) = (said(told.text), said(told.signature));
        if text.is_none() && signature.is_none() {
            return None;
        }
        let seal = signature.map(Seal::Anthropic);
        Some(Thought { text: text.unwrap_or_default(), seal })
    }
}

/// Nothing is no text.
pub(super) fn said(words: Option<Words<'_>>) -> Option<Text<'_>> {
    words.map(|words| words.0).filter(|text| !text.is_empty())
}
