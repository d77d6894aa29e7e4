//! Reads the pieces of what was said.

use super::harmless::Extras;
use super::settings::{keep, kind};
use super::wire::{Block, Citations, Source};
use crate::anthropic::json::{self, Fields, Path, Str, TextOr};
use crate::request::{self, Call, Content, Outcome, Part, Seal, Thought};
use crate::unsupported::Malformed;
use crate::{Json, Text};

/// Where a piece stands, which says what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Instructions.
    System,
    /// What the client says.
    User,
    /// What the model said.
    Assistant,
    /// What a function returned.
    Outcome,
}

/// The kinds of picture there are.
pub(super) const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
/// The only kind of file there is besides plain text.
pub(super) const PDF: &str = "application/pdf";

/// Kinds of pieces that only this dialect has: of tools that the provider runs, and of searches.
const FOREIGN: [&str; 9] = [
    "search_result",
    "container_upload",
    "server_tool_use",
    "mcp_tool_use",
    "mcp_tool_result",
    "tool_reference",
    "browser_state",
    "compaction",
    "fallback",
];

fn is_foreign(kind: &str) -> bool {
    FOREIGN.contains(&kind) || (kind != "tool_result" && kind.ends_with("_tool_result"))
}

/// Reads a text or a list of pieces.
pub(super) fn parts<'a>(
    content: TextOr<'a, Block<'a>>,
    at: &Path<'_>,
    place: Place,
    extras: &mut Extras,
) -> Result<Vec<Part<'a>>, Malformed> {
    let blocks = match content {
        TextOr::Text(text) if text.is_empty() => return Ok(Vec::new()),
        TextOr::Text(text) => return Ok(vec![Part { content: Content::Text(text), cache: None }]),
        TextOr::List(blocks) => blocks,
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for (position, block) in blocks.into_iter().enumerate() {
        parts.extend(part(block, &at.item(position), place, extras)?);
    }
    Ok(parts)
}

/// Reads one piece; `None`: it says nothing, or nothing that can be carried over.
pub(super) fn part<'a>(
    mut block: Block<'a>,
    at: &Path<'_>,
    place: Place,
    extras: &mut Extras,
) -> Result<Option<Part<'a>>, Malformed> {
    let kind = kind(block.kind.take(), at)?;
    if is_foreign(&kind) {
        extras.add(at.field("type"));
        return Ok(None);
    }
    let content = match (&*kind, place) {
        ("text", _) => text(&mut block, at)?,
        ("image", Place::User | Place::Outcome) => image(&mut block, at, extras)?,
        ("document", Place::User | Place::Outcome) => document(&mut block, at, extras)?,
        ("tool_use", Place::Assistant) => Some(Content::Call(call(&mut block, at, extras)?)),
        ("tool_result", Place::User) => Some(Content::Outcome(outcome(&mut block, at, extras)?)),
        ("thinking", Place::Assistant) => thought(&mut block, at)?,
        ("redacted_thinking", Place::Assistant) => hidden_thought(&mut block, at)?,
        _ => return Err(at.field("type").malformed("names nothing that may stand here")),
    };
    let cache = keep(block.cache_control.take().map(|mark| *mark), at, extras)?;
    extras.add_left(&block, at);
    Ok(content.map(|content| Part { content, cache }))
}

/// Empty texts are left out: they say nothing, and no provider takes them.
fn text<'a>(block: &mut Block<'a>, at: &Path<'_>) -> Result<Option<Content<'a>>, Malformed> {
    let text = required(block.text.take(), at, "text")?;
    block.citations.take_if(|citations| citations.get() == "[]");
    Ok(Some(text).filter(|text| !text.is_empty()).map(Content::Text))
}

fn image<'a>(
    block: &mut Block<'a>,
    at: &Path<'_>,
    extras: &mut Extras,
) -> Result<Option<Content<'a>>, Malformed> {
    let path = at.field("source");
    let mut source = block.source.take().ok_or_else(|| path.missing())?;
    let read = match &*kind(source.kind.take(), &path)? {
        "base64" => inline(&mut source, &path, &IMAGES)?,
        "url" => url(&mut source, &path, None)?,
        "file" => file(&mut source, &path)?,
        _ => return Err(path.field("type").malformed("names no source of pictures")),
    };
    extras.add_left(&*source, &path);
    Ok(Some(Content::Image(read)))
}

fn document<'a>(
    block: &mut Block<'a>,
    at: &Path<'_>,
    extras: &mut Extras,
) -> Result<Option<Content<'a>>, Malformed> {
    let path = at.field("source");
    let title = block.title.take().map(|title| title.0);
    block.citations.take_if(|citations| are_uncited(citations.get()));
    let mut source = block.source.take().ok_or_else(|| path.missing())?;
    let read = match &*kind(source.kind.take(), &path)? {
        "base64" => inline(&mut source, &path, &[PDF])?,
        "text" => plain(&mut source, &path)?,
        "url" => url(&mut source, &path, Some(PDF))?,
        "file" => file(&mut source, &path)?,
        "content" => match source.content.take().ok_or_else(|| path.field("content").missing())? {
            TextOr::Text(text) => request::Source::Plain(text),
            TextOr::List(_) => {
                extras.add(path);
                return Ok(None);
            }
        },
        _ => return Err(path.field("type").malformed("names no source of documents")),
    };
    extras.add_left(&*source, &path);
    Ok(Some(Content::Document { source: read, title }))
}

/// Whether `citations` of a document say that it is not to be cited, which is the default.
fn are_uncited(citations: &str) -> bool {
    let Ok(mut citations) = serde_json::from_str::<Citations<'_>>(citations) else {
        return false;
    };
    let mut is_plain = citations.enabled.take() != Some(true);
    citations.left(&mut |_| is_plain = false);
    is_plain
}

fn inline<'a>(
    source: &mut Source<'a>,
    path: &Path<'_>,
    kinds: &[&str],
) -> Result<request::Source<'a>, Malformed> {
    let media_type = required(source.media_type.take(), path, "media_type")?;
    if !kinds.contains(&&*media_type) {
        return Err(path.field("media_type").malformed("names nothing that may stand here"));
    }
    Ok(request::Source::Inline { media_type, data: required(source.data.take(), path, "data")? })
}

fn plain<'a>(source: &mut Source<'a>, path: &Path<'_>) -> Result<request::Source<'a>, Malformed> {
    if source.media_type.take().is_some_and(|media_type| media_type.0 != "text/plain") {
        return Err(path.field("media_type").malformed("must be `text/plain`"));
    }
    Ok(request::Source::Plain(required(source.data.take(), path, "data")?))
}

fn url<'a>(
    source: &mut Source<'a>,
    path: &Path<'_>,
    media_type: Option<&'static str>,
) -> Result<request::Source<'a>, Malformed> {
    let url = required(source.url.take(), path, "url")?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(path.field("url").malformed("must be an `https` address"));
    }
    Ok(request::Source::Url { url, media_type: media_type.map(Text::Borrowed) })
}

fn file<'a>(source: &mut Source<'a>, path: &Path<'_>) -> Result<request::Source<'a>, Malformed> {
    Ok(request::Source::File(required(source.file_id.take(), path, "file_id")?))
}

fn call<'a>(
    block: &mut Block<'a>,
    at: &Path<'_>,
    extras: &mut Extras,
) -> Result<Call<'a>, Malformed> {
    let id = required(block.id.take(), at, "id")?;
    let name = required(block.name.take(), at, "name")?;
    let arguments = block.input.take().ok_or_else(|| at.field("input").missing())?;
    if !json::is_object(arguments) {
        return Err(at.field("input").malformed("must be an object"));
    }
    if let Some(mut caller) = block.caller.take() {
        caller.kind.take_if(|kind| kind.0 == "direct");
        extras.add_left(&*caller, &at.field("caller"));
    }
    Ok(Call { id, name, arguments: Json::Borrowed(arguments), seal: None })
}

/// The name of the function is found later, by the call.
fn outcome<'a>(
    block: &mut Block<'a>,
    at: &Path<'_>,
    extras: &mut Extras,
) -> Result<Outcome<'a>, Malformed> {
    let call = required(block.tool_use_id.take(), at, "tool_use_id")?;
    let parts = match block.content.take() {
        Some(content) => parts(content, &at.field("content"), Place::Outcome, extras)?,
        None => Vec::new(),
    };
    Ok(Outcome { call, name: Text::default(), parts, is_error: block.is_error.take() })
}

/// Without a signature a thought came from another provider.
fn thought<'a>(block: &mut Block<'a>, at: &Path<'_>) -> Result<Option<Content<'a>>, Malformed> {
    let text = required(block.thinking.take(), at, "thinking")?;
    let signature = required(block.signature.take(), at, "signature")?;
    let seal = Some(signature).filter(|signature| !signature.is_empty()).map(Seal::Anthropic);
    if text.is_empty() && seal.is_none() {
        return Ok(None);
    }
    Ok(Some(Content::Thought(Thought { text, seal })))
}

fn hidden_thought<'a>(
    block: &mut Block<'a>,
    at: &Path<'_>,
) -> Result<Option<Content<'a>>, Malformed> {
    let seal = Seal::AnthropicHidden(required(block.data.take(), at, "data")?);
    Ok(Some(Content::Thought(Thought { text: Text::default(), seal: Some(seal) })))
}

fn required<'a>(text: Option<Str<'a>>, at: &Path<'_>, name: &str) -> Result<Text<'a>, Malformed> {
    text.map(|text| text.0).ok_or_else(|| at.field(name).missing())
}
