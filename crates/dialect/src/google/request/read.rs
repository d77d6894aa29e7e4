//! A request as a client of Google's dialect writes it.

use crate::google::Place;
use crate::google::fields::{Field, Object, Path};
use crate::google::request::{contents, generation, tools};
use crate::google::tree;
use crate::request::{Content, Delivery, Part, Request};
use crate::unsupported::{Extra, Malformed};

/// What changes nothing of the answer's meaning, and is left out wherever it stands at the top:
/// `labels` are for the client's own bill, and `model` is what the path says, too.
const HARMLESS: [&str; 2] = ["labels", "model"];

/// Reads a request. The model and whether it streams are in the path, not in the body.
pub fn read_request<'a>(body: &'a [u8], place: Place<'a>) -> Result<Request<'a>, Malformed> {
    let object = Object::open(&Path::ROOT, tree::parse(body)?)?;
    read(object, place)
}

/// Reads the request of `:countTokens`: the conversation alone, or a whole request in
/// `generateContentRequest`. Source: <https://ai.google.dev/api/tokens>.
pub fn read_count_request<'a>(body: &'a [u8], place: Place<'a>) -> Result<Request<'a>, Malformed> {
    let mut object = Object::open(&Path::ROOT, tree::parse(body)?)?;
    let Some(whole) = object.take("generateContentRequest")? else { return read(object, place) };
    let mut request = read(Object::open(&whole.path, whole.node)?, place)?;
    object.skip(&HARMLESS);
    object.finish(&mut request.extras);
    Ok(request)
}

fn read<'a>(mut object: Object<'_, 'a>, place: Place<'a>) -> Result<Request<'a>, Malformed> {
    let delivery =
        if place.is_stream { Delivery::Stream { wants_usage: true } } else { Delivery::Whole };
    let mut request = Request { model: place.model.into(), delivery, ..Request::default() };
    if let Some(system) = object.take("systemInstruction")? {
        request.system = instructions(system, &mut request.extras)?;
    }
    let conversation = object.take("contents")?.ok_or_else(|| object.path.missing("contents"))?;
    request.turns = contents::read(conversation, &mut request.extras)?;
    if let Some(list) = object.take("tools")? {
        request.tools = tools::read(list, &mut request.extras)?;
    }
    if let Some(choice) = object.take("toolConfig")? {
        tools::read_choice(choice, &mut request)?;
    }
    if let Some(config) = object.take("generationConfig")? {
        generation::read(config, &mut request)?;
    }
    finish(object, &mut request.extras)?;
    Ok(request)
}

fn finish(mut object: Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<(), Malformed> {
    object.skip(&HARMLESS);
    object.skip_word("serviceTier", &["unspecified", "standard"]);
    object.skip_word("cachedContent", &[""]);
    object.skip_zero("store");
    if let Some(settings) = object.take("safetySettings")? {
        safety(settings, extras)?;
    }
    object.finish(extras);
    Ok(())
}

/// Google's own filters. Other providers have none that could be set; that they are off asks for nothing.
fn safety(settings: Field<'_, '_>, extras: &mut Vec<Extra>) -> Result<(), Malformed> {
    settings.each(|_, setting| {
        let mut object = Object::open(&setting.path, setting.node)?;
        let threshold = object.text("threshold")?;
        let is_off = threshold.is_none_or(|word| {
            ["OFF", "BLOCK_NONE", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"].contains(&&*word)
        });
        if !is_off {
            extras.push(setting.path.extra());
        }
        Ok(())
    })
}

/// `systemInstruction`: texts. Its role says nothing. A text by itself is taken, too, as the clients of
/// Google do.
fn instructions<'a>(
    field: Field<'_, 'a>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part<'a>>, Malformed> {
    if let tree::Node::Text(text) = field.node {
        let part = (!text.is_empty()).then_some(Part { content: Content::Text(text), cache: None });
        return Ok(part.into_iter().collect());
    }
    let mut object = Object::open(&field.path, field.node)?;
    object.skip(&["role"]);
    let mut parts = Vec::new();
    if let Some(list) = object.take("parts")? {
        list.each(|_, part| {
            let mut part = Object::open(&part.path, part.node)?;
            let text = part.need_text("text")?;
            part.skip_zero("thought");
            part.finish(extras);
            if !text.is_empty() {
                parts.push(Part { content: Content::Text(text), cache: None });
            }
            Ok(())
        })?;
    }
    object.finish(extras);
    Ok(parts)
}
