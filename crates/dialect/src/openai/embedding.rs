//! Embeddings. Source: <https://platform.openai.com/docs/api-reference/embeddings>.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fields::{Object, Path, begins_with, list, text};
use super::usage;
use crate::embedding::{Answer, Request, Shape};
use crate::fault::{Fault, FaultKind};
use crate::unsupported::{Extra, Leave, Malformed, Untranslatable};
use crate::{Json, Target, Text};

/// Reads the body of `POST /v1/embeddings`. Tokens instead of texts are those of one model, and no other
/// dialect has them.
pub fn read_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let wrong = |_| Path::Body.malformed("must be the JSON of an object");
    let mut body = Object::of(serde_json::from_slice(body).map_err(wrong)?, Path::Body);
    let mut request = Request {
        model: body.name("model")?,
        dimensions: body.whole("dimensions")?,
        end_user: body.text("user")?.filter(|user| !user.is_empty()),
        shape: shape(&mut body)?,
        ..Request::default()
    };
    let input = body.take("input");
    let input = body.must("input", input)?;
    request.inputs = inputs(input, &mut request.extras)?;
    body.skip(&["doorward_drop_unsupported"]);
    body.rest(&mut request.extras);
    Ok(request)
}

fn shape(body: &mut Object<'_, '_>) -> Result<Shape, Malformed> {
    match body.text("encoding_format")?.as_deref() {
        None | Some("float") => Ok(Shape::Lists),
        Some("base64") => Ok(Shape::Base64),
        Some(_) => Err(body.path.field("encoding_format").malformed("must be `float` or `base64`")),
    }
}

/// A text or a list of them.
fn inputs<'a>(json: &'a RawValue, extras: &mut Vec<Extra>) -> Result<Vec<Text<'a>>, Malformed> {
    let path = Path::Body.field("input");
    if begins_with(json, '"') {
        return Ok(vec![filled(text(json, path)?, path)?]);
    }
    if !begins_with(json, '[') {
        return Err(path.malformed("must be a string or a list of strings"));
    }
    let items = list(json, path)?;
    let Some(first) = items.first() else { return Err(path.malformed("must not be empty")) };
    if !begins_with(first, '"') {
        extras.push(path.extra());
        return Ok(Vec::new());
    }
    let items = items.into_iter().enumerate();
    items.map(|(at, json)| filled(text(json, path.item(at))?, path.item(at))).collect()
}

fn filled<'a>(text: Text<'a>, path: Path<'_>) -> Result<Text<'a>, Malformed> {
    if text.is_empty() { Err(path.malformed("must not be empty")) } else { Ok(text) }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [Text<'a>],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

/// Writes the body of `POST /v1/embeddings`. Vectors are asked for as lists, which every server has.
pub fn write_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    for extra in &request.extras {
        leave.out(&extra.path)?;
    }
    if request.inputs.is_empty() {
        let why = "must hold a text";
        return Err(Malformed { path: "input".to_owned(), why: why.into() }.into());
    }
    let body = Body {
        model: to.model,
        input: &request.inputs,
        encoding_format: "float",
        dimensions: request.dimensions,
        user: request.end_user.as_deref(),
    };
    // Texts and numbers are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    data: Vec<ReadVector<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadVector<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    #[serde(default)]
    index: crate::count::Count,
}

/// Reads the vectors, which a server may give in any order.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let read: Read<'_> = serde_json::from_slice(body)
        .map_err(|_| Path::Body.malformed("must be a list of embeddings"))?;
    let mut data: Vec<_> = read.data.into_iter().enumerate().collect();
    data.sort_by_key(|(at, vector)| vector.index.0.unwrap_or(*at as u64));
    let list = Path::Body.field("data");
    let vectors = data.into_iter().map(|(at, vector)| {
        let wrong = || list.item(at).field("embedding").malformed("must be a list of numbers");
        numbers(vector.embedding).ok_or_else(wrong)
    });
    Ok(Answer { vectors: vectors.collect::<Result<_, _>>()?, usage: usage::read(read.usage) })
}

/// The list of numbers, also of a server that writes base64 whatever it is asked for.
fn numbers(json: &RawValue) -> Option<Json<'_>> {
    if begins_with(json, '[') {
        return Some(Cow::Borrowed(json));
    }
    let bytes = STANDARD.decode(serde_json::from_str::<String>(json.get()).ok()?).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers: Vec<_> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let list = rest.is_empty().then(|| serde_json::value::to_raw_value(&numbers).ok())?;
    list.map(Cow::Owned)
}

#[derive(Serialize)]
struct Written<'a> {
    object: &'static str,
    data: Vec<Vector<'a>>,
    model: &'a str,
    usage: UsageOut,
}

#[derive(Serialize)]
struct Vector<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    List(&'a RawValue),
    Base64(String),
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Writes the vectors. `model` as the client named it. What nobody knows of the usage is 0, for clients want it.
pub fn write_answer(
    answer: &Answer<'_>,
    model: &str,
    shape: Shape,
) -> Result<Vec<u8>, Fault<'static>> {
    let data = answer.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = match shape {
            Shape::Lists | Shape::One => Numbers::List(vector),
            Shape::Base64 => Numbers::Base64(base64(vector)?),
        };
        Ok(Vector { object: "embedding", index, embedding })
    });
    let tokens = answer.usage.unwrap_or_default().input_tokens;
    let usage = UsageOut { prompt_tokens: tokens, total_tokens: tokens };
    let data = data.collect::<Result<_, Fault<'static>>>()?;
    let written = Written { object: "list", data, model, usage };
    // Texts, numbers and JSON that was read are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&written).unwrap_or_default())
}

fn base64(vector: &RawValue) -> Result<String, Fault<'static>> {
    let numbers: Vec<f32> = serde_json::from_str(vector.get()).map_err(|_| Fault {
        kind: FaultKind::Server,
        message: "The provider's embedding is no list of numbers.".into(),
        retry_after_s: None,
    })?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(STANDARD.encode(bytes))
}
