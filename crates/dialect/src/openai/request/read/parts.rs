//! The pieces of a message: a string, or a list of parts.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::Text;
use crate::openai::fields::{Object, Path, begins_with, objects, text};
use crate::openai::request::harmless;
use crate::request::{Content, Keep, Part, Source};
use crate::unsupported::{Extra, Malformed};

/// Whose message it is: who may say what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sayer {
    System,
    User,
    Assistant,
    Tool,
}

impl Sayer {
    /// Tools return pictures only to servers that take them from OpenAI's dialect further than OpenAI does.
    fn may_say(self, kind: &str) -> bool {
        match (self, kind) {
            (_, "text")
            | (Self::Assistant, "refusal")
            | (Self::User, "image_url" | "input_audio" | "file")
            | (Self::Tool, "image_url") => true,
            (Self::System | Self::User | Self::Assistant | Self::Tool, _) => false,
        }
    }
}

/// The pieces of `content`, without those that say nothing.
pub(super) fn read<'a>(
    json: &'a RawValue,
    path: Path<'_>,
    sayer: Sayer,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part<'a>>, Malformed> {
    if begins_with(json, '"') {
        let text = text(json, path)?;
        return Ok(filled(Content::Text(text), None).into_iter().collect());
    }
    if !begins_with(json, '[') {
        return Err(path.malformed("must be a string or a list of parts"));
    }
    let mut parts = Vec::new();
    for (position, fields) in objects(json, path)?.into_iter().enumerate() {
        let object = Object::of(fields, path.item(position));
        parts.extend(part(object, sayer, extras)?);
    }
    Ok(parts)
}

pub(in crate::openai) fn filled(content: Content<'_>, cache: Option<Keep>) -> Option<Part<'_>> {
    match &content {
        Content::Text(text) | Content::Refusal(text) if text.is_empty() => None,
        Content::Text(_)
        | Content::Refusal(_)
        | Content::Image(_)
        | Content::Audio(_)
        | Content::Document { .. }
        | Content::Call(_)
        | Content::Outcome(_)
        | Content::Thought(_) => Some(Part { content, cache }),
    }
}

fn part<'a>(
    mut part: Object<'a, '_>,
    sayer: Sayer,
    extras: &mut Vec<Extra>,
) -> Result<Option<Part<'a>>, Malformed> {
    let kind = part.name("type")?;
    if !sayer.may_say(&kind) {
        return Err(part
            .path
            .field("type")
            .malformed("is no kind of part that such a message may have"));
    }
    let content = match kind.as_ref() {
        "image_url" => image(&mut part, extras)?,
        "input_audio" => audio(&mut part, extras)?,
        "file" => file(&mut part, extras)?,
        "refusal" => {
            let text = part.text("refusal")?;
            Content::Refusal(part.must("refusal", text)?)
        }
        _ => {
            let text = part.text("text")?;
            Content::Text(part.must("text", text)?)
        }
    };
    let cache = cache(&mut part, extras)?;
    part.rest(extras);
    Ok(filled(content, cache))
}

/// A mark that the provider is to keep everything up to here: OpenAI's own, or Anthropic's, which many
/// clients of this dialect write for whatever model stands behind it.
pub(in crate::openai) fn cache(
    part: &mut Object<'_, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Option<Keep>, Malformed> {
    let own = mark(part, ("prompt_cache_breakpoint", "mode", "\"explicit\""), extras)?;
    let other = mark(part, ("cache_control", "type", "\"ephemeral\""), extras)?;
    Ok(own.or(other))
}

/// `kind` is the field that says what mark it is, and `usual` all that it can say.
fn mark(
    part: &mut Object<'_, '_>,
    (name, kind, usual): (&str, &str, &str),
    extras: &mut Vec<Extra>,
) -> Result<Option<Keep>, Malformed> {
    let outer = part.path;
    let path = outer.field(name);
    let Some(json) = part.take(name) else { return Ok(None) };
    let mut mark = Object::read(json, path)?;
    mark.skip_default(kind, &[usual]);
    let keep = match mark.text("ttl")?.as_deref() {
        None | Some("5m") => Keep::Short,
        Some(_) => Keep::Long,
    };
    mark.rest(extras);
    Ok(Some(keep))
}

fn image<'a>(part: &mut Object<'a, '_>, extras: &mut Vec<Extra>) -> Result<Content<'a>, Malformed> {
    let outer = part.path;
    let path = outer.field("image_url");
    let json = part.take("image_url");
    let json = part.must("image_url", json)?;
    let url = if begins_with(json, '"') {
        text(json, path)?
    } else {
        let mut image = Object::read(json, path)?;
        let url = image.name("url")?;
        image.skip(&harmless::IMAGE);
        image.rest(extras);
        url
    };
    picture(url, path.field("url"))
}

/// A picture at a public address, or in one.
pub(in crate::openai) fn picture<'a>(
    url: Text<'a>,
    path: Path<'_>,
) -> Result<Content<'a>, Malformed> {
    let is_public = has_scheme(&url, "https://") || has_scheme(&url, "http://");
    if is_public {
        return Ok(Content::Image(Source::Url { url, media_type: None }));
    }
    match data_url(url) {
        Some((media_type, data)) if media_type.starts_with("image/") => {
            Ok(Content::Image(Source::Inline { media_type, data }))
        }
        Some(_) | None => {
            let why = "must be an address with http or https, or a picture as `data:…;base64,…`";
            Err(path.malformed(why))
        }
    }
}

pub(in crate::openai) fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

pub(in crate::openai) fn audio<'a>(
    part: &mut Object<'a, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Content<'a>, Malformed> {
    let outer = part.path;
    let path = outer.field("input_audio");
    let json = part.take("input_audio");
    let json = part.must("input_audio", json)?;
    let mut audio = Object::read(json, path)?;
    let media_type = match audio.name("format")?.as_ref() {
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        _ => return Err(path.field("format").malformed("must be `wav` or `mp3`")),
    };
    let data = padded(audio.name("data")?);
    audio.rest(extras);
    Ok(Content::Audio(Source::Inline { media_type: media_type.into(), data }))
}

fn file<'a>(part: &mut Object<'a, '_>, extras: &mut Vec<Extra>) -> Result<Content<'a>, Malformed> {
    let outer = part.path;
    let path = outer.field("file");
    let json = part.take("file");
    let json = part.must("file", json)?;
    let mut file = Object::read(json, path)?;
    let title = file.text("filename")?.filter(|title| !title.is_empty());
    let source = match file.text("file_data")? {
        Some(url) => file_data(url, path.field("file_data"))?,
        None => Source::File(file.name("file_id")?),
    };
    file.rest(extras);
    Ok(Content::Document { source, title })
}

pub(in crate::openai) fn file_data<'a>(
    url: Text<'a>,
    path: Path<'_>,
) -> Result<Source<'a>, Malformed> {
    let Some((media_type, data)) = data_url(url) else {
        return Err(path.malformed("must be a file as `data:…;base64,…`"));
    };
    if media_type == "text/plain"
        && let Some(text) = plain(&data)
    {
        return Ok(Source::Plain(text.into()));
    }
    Ok(Source::Inline { media_type, data })
}

fn plain(data: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// The media type, in lower case and without parameters, and the base64 of a `data:` address.
fn data_url(url: Text<'_>) -> Option<(Text<'_>, Text<'_>)> {
    match url {
        Cow::Borrowed(url) => {
            let (media_type, data) = split_data_url(url)?;
            Some((lower(media_type), padded(Cow::Borrowed(data))))
        }
        Cow::Owned(url) => {
            let (media_type, data) = split_data_url(&url)?;
            let media_type = lower(media_type).into_owned();
            Some((Cow::Owned(media_type), Cow::Owned(padded(data.into()).into_owned())))
        }
    }
}

fn split_data_url(url: &str) -> Option<(&str, &str)> {
    if !has_scheme(url, "data:") {
        return None;
    }
    let (head, data) = url.get("data:".len()..)?.split_once(',')?;
    let (kind, encoding) = head.rsplit_once(';')?;
    let media_type = kind.split(';').next().unwrap_or_default().trim();
    let is_sound = encoding.trim().eq_ignore_ascii_case("base64")
        && media_type.contains('/')
        && !data.is_empty();
    is_sound.then_some((media_type, data))
}

fn lower(media_type: &str) -> Text<'_> {
    if media_type.bytes().any(|letter| letter.is_ascii_uppercase()) {
        return Cow::Owned(media_type.to_ascii_lowercase());
    }
    Cow::Borrowed(media_type)
}

/// Some clients leave the padding away.
fn padded(data: Text<'_>) -> Text<'_> {
    match data.len() % 4 {
        2 => Cow::Owned(format!("{data}==")),
        3 => Cow::Owned(format!("{data}=")),
        _ => data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_address_is_a_media_type_and_padded_base64() {
        #[rustfmt::skip]
        let cases = [
            ("data:image/png;base64,QUJD",               Some(("image/png", "QUJD"))),
            ("DATA:Image/PNG;charset=x;BASE64,QUI",      Some(("image/png", "QUI="))),
            ("data:text/plain;charset=utf-8;base64,QQ",  Some(("text/plain", "QQ=="))),
            ("data:image/png,QUJD",                      None),
            ("data:;base64,QUJD",                        None),
            ("data:image/png;base64,",                   None),
            ("data",                                     None),
            ("ftp://a/b",                                None),
        ];
        for (url, expected) in cases {
            for url in [Cow::Borrowed(url), Cow::Owned(url.to_owned())] {
                let found = data_url(url);
                let found = found.as_ref().map(|(kind, data)| (kind.as_ref(), data.as_ref()));
                assert_eq!(found, expected);
            }
        }
    }
}
