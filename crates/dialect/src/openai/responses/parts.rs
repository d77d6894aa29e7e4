//! The pieces of an item: a string, or a list of parts.

use serde_json::value::RawValue;

use crate::openai::fields::{Object, Path, begins_with, objects, text};
use crate::openai::request::read::parts::{audio, cache, file_data, filled, has_scheme, picture};
use crate::request::{Content, Part, Source};
use crate::unsupported::{Extra, Malformed};

/// What an answer says of its own texts; it comes back in the history.
const HARMLESS: [&str; 2] = ["annotations", "logprobs"];

/// Whose item it is: who may say what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sayer {
    System,
    User,
    Assistant,
    Function,
}

impl Sayer {
    fn may_say(self, kind: &str) -> bool {
        match (self, kind) {
            (_, "input_text" | "output_text")
            | (Self::Assistant, "refusal")
            | (Self::User, "input_audio")
            | (Self::User | Self::Function, "input_image" | "input_file") => true,
            (Self::System | Self::User | Self::Assistant | Self::Function, _) => false,
        }
    }
}

/// The pieces, without those that say nothing.
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

fn part<'a>(
    mut part: Object<'a, '_>,
    sayer: Sayer,
    extras: &mut Vec<Extra>,
) -> Result<Option<Part<'a>>, Malformed> {
    let kind = part.name("type")?;
    if !sayer.may_say(&kind) {
        let why = "is no kind of part that such an item may have";
        return Err(part.path.field("type").malformed(why));
    }
    let content = match kind.as_ref() {
        "input_image" => image(&mut part)?,
        "input_audio" => audio(&mut part, extras)?,
        "input_file" => file(&mut part)?,
        "refusal" => {
            let text = part.text("refusal")?;
            Content::Refusal(part.must("refusal", text)?)
        }
        _ => {
            let text = part.text("text")?;
            part.skip(&HARMLESS);
            Content::Text(part.must("text", text)?)
        }
    };
    let cache = cache(&mut part, extras)?;
    part.rest(extras);
    Ok(filled(content, cache))
}

/// How closely the model is to look changes nothing of what it is shown.
fn image<'a>(part: &mut Object<'a, '_>) -> Result<Content<'a>, Malformed> {
    part.skip(&["detail"]);
    match part.text("image_url")? {
        Some(url) => picture(url, part.path.field("image_url")),
        None => Ok(Content::Image(Source::File(part.name("file_id")?))),
    }
}

fn file<'a>(part: &mut Object<'a, '_>) -> Result<Content<'a>, Malformed> {
    part.skip(&["detail"]);
    let title = part.text("filename")?.filter(|title| !title.is_empty());
    let source = match (part.text("file_data")?, part.text("file_url")?) {
        (Some(data), _) => file_data(data, part.path.field("file_data"))?,
        (None, Some(url)) if has_scheme(&url, "https://") || has_scheme(&url, "http://") => {
            Source::Url { url, media_type: None }
        }
        (None, Some(_)) => {
            let why = "must be an address with http or https";
            return Err(part.path.field("file_url").malformed(why));
        }
        (None, None) => Source::File(part.name("file_id")?),
    };
    Ok(Content::Document { source, title })
}
