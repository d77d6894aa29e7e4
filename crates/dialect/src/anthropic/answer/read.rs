//! Reads a whole answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::finish::{Details, Ended, Said};
use crate::answer::{Answer, Choice};
use crate::anthropic::json::{self, Path, Str};
use crate::anthropic::usage;
use crate::request::{Call, Content, Part, Seal, Thought};
use crate::unsupported::Malformed;
use crate::{Json, Text};

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(rename = "type", borrow, default)]
    kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    stop_reason: Option<Str<'a>>,
    #[serde(borrow, default)]
    stop_sequence: Option<Str<'a>>,
    #[serde(borrow, default)]
    stop_details: Option<Details<'a>>,
    #[serde(default)]
    usage: Option<usage::Read>,
}

#[derive(Debug, Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    signature: Option<Str<'a>>,
    #[serde(borrow, default)]
    data: Option<Str<'a>>,
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// Reads the answer of `POST /v1/messages`. Pieces of kinds that nobody asked for are skipped.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let message: Message<'_> = json::read(body)?;
    if message.kind.is_some_and(|kind| kind.0 == "error") {
        return Err(Path::Body.field("type").malformed("says that this is an error"));
    }
    let list = Path::Body.field("content");
    let blocks = message.content.ok_or_else(|| list.missing())?;
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        let content = block.into_content(&list.item(at))?;
        parts.extend(content.map(|content| Part { content, cache: None }));
    }
    let calls = parts.iter().any(|part| matches!(part.content, Content::Call(_)));
    let ended = Ended {
        reason: message.stop_reason,
        sequence: message.stop_sequence,
        details: message.stop_details,
    };
    let finish = ended.into_finish(Said { anything: !parts.is_empty(), calls });
    Ok(Answer {
        id: message.id.map(|id| id.0).unwrap_or_default(),
        choices: vec![Choice { parts, finish }],
        usage: usage::read(message.usage.as_ref()),
    })
}

impl<'a> Block<'a> {
    fn into_content(self, at: &Path<'_>) -> Result<Option<Content<'a>>, Malformed> {
        Ok(match self.kind.as_ref().map(|kind| &*kind.0) {
            Some("text") => said(self.text).map(Content::Text),
            Some("thinking") => thought(said(self.thinking), said(self.signature)),
            Some("redacted_thinking") => said(self.data).map(|data| {
                let seal = Some(Seal::AnthropicHidden(data));
                Content::Thought(Thought { text: Text::default(), seal })
            }),
            Some("tool_use") => Some(Content::Call(self.into_call(at)?)),
            Some(_) | None => None,
        })
    }

    fn into_call(self, at: &Path<'_>) -> Result<Call<'a>, Malformed> {
        let id = said(self.id).ok_or_else(|| at.field("id").missing())?;
        let name = said(self.name).ok_or_else(|| at.field("name").missing())?;
        let arguments = match self.input {
            Some(input) if !json::is_object(input) => {
                return Err(at.field("input").malformed("must be an object"));
            }
            Some(input) => Json::Borrowed(input),
            None => no_arguments(),
        };
        Ok(Call { id, name, arguments, seal: None })
    }
}

fn said(text: Option<Str<'_>>) -> Option<Text<'_>> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
}

fn thought<'a>(text: Option<Text<'a>>, signature: Option<Text<'a>>) -> Option<Content<'a>> {
    if text.is_none() && signature.is_none() {
        return None;
    }
    let seal = signature.map(Seal::Anthropic);
    Some(Content::Thought(Thought { text: text.unwrap_or_default(), seal }))
}

/// `{}`.
fn no_arguments() -> Json<'static> {
    RawValue::from_string("{}".to_owned())
        .map_or_else(|_| Json::Borrowed(RawValue::NULL), Json::Owned)
}
