//! `:embedContent` and `:batchEmbedContents`. Source: <https://ai.google.dev/api/embeddings>.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::read::malformed;
use super::fields::{Field, Object, Path};
use super::said::{Piece, Said};
use super::{Place, tree, usage};
use crate::embedding::{Answer, Request, Shape};
use crate::unsupported::{Extra, Leave, Malformed, Untranslatable};
use crate::{Json, Target, Text};

/// Reads the request of `:embedContent`: one text. For what it is meant to be used (`taskType`), no other
/// dialect can say.
pub fn read_request<'a>(body: &'a [u8], place: Place<'a>) -> Result<Request<'a>, Malformed> {
    let mut request =
        Request { model: place.model.into(), shape: Shape::One, ..Request::default() };
    let object = Object::open(&Path::ROOT, tree::parse(body)?)?;
    request.dimensions = one(object, &mut request.inputs, &mut request.extras)?;
    Ok(request)
}

/// Reads the request of `:batchEmbedContents`: several such requests, which must be alike.
pub fn read_batch_request<'a>(body: &'a [u8], place: Place<'a>) -> Result<Request<'a>, Malformed> {
    let mut request = Request { model: place.model.into(), ..Request::default() };
    let mut object = Object::open(&Path::ROOT, tree::parse(body)?)?;
    let list = object.take("requests")?.ok_or_else(|| object.path.missing("requests"))?;
    let path = list.path.clone();
    let mut dimensions = Vec::new();
    list.each(|_, field| {
        let one_object = Object::open(&field.path, field.node)?;
        dimensions.push(one(one_object, &mut request.inputs, &mut request.extras)?);
        Ok(())
    })?;
    let Some(first) = dimensions.first() else { return Err(path.malformed("must not be empty")) };
    if dimensions.iter().any(|other| other != first) {
        return Err(path.malformed("must have the same `outputDimensionality`"));
    }
    request.dimensions = *first;
    object.finish(&mut request.extras);
    Ok(request)
}

/// Reads one request, and tells its dimensions. The model is named by the path.
fn one<'a>(
    mut object: Object<'_, 'a>,
    inputs: &mut Vec<Text<'a>>,
    extras: &mut Vec<Extra>,
) -> Result<Option<u64>, Malformed> {
    object.skip(&["model"]);
    object.skip_word("taskType", &["TASK_TYPE_UNSPECIFIED"]);
    object.skip_zero("autoTruncate");
    let content = object.take("content")?.ok_or_else(|| object.path.missing("content"))?;
    inputs.push(text(content, extras)?);
    let dimensions = object.count("outputDimensionality")?;
    object.finish(extras);
    Ok(dimensions)
}

/// The words of a content, which are one text.
fn text<'a>(content: Field<'_, 'a>, extras: &mut Vec<Extra>) -> Result<Text<'a>, Malformed> {
    let mut object = Object::open(&content.path, content.node)?;
    object.skip(&["role"]);
    let parts = object.take("parts")?.ok_or_else(|| object.path.missing("parts"))?;
    let path = parts.path.clone();
    let mut texts = Vec::new();
    parts.each(|_, part| {
        let mut part = Object::open(&part.path, part.node)?;
        texts.extend(part.text("text")?);
        part.finish(extras);
        Ok(())
    })?;
    object.finish(extras);
    let text = match texts.as_mut_slice() {
        [text] => std::mem::take(text),
        texts => texts.concat().into(),
    };
    if text.is_empty() && extras.is_empty() {
        return Err(path.malformed("must hold a text"));
    }
    Ok(text)
}

#[derive(Serialize)]
struct Batch<'r> {
    requests: Vec<One<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'r> {
    model: &'r str,
    content: Said<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

/// Writes the request of `:batchEmbedContents`, however many texts there are. The end user has no place there.
pub fn write_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    for extra in &request.extras {
        leave.out(&extra.path)?;
    }
    if request.inputs.is_empty() {
        let path = "requests".to_owned();
        return Err(Malformed { path, why: "must hold a text".into() }.into());
    }
    let is_full = to.model.contains('/');
    let model = if is_full { to.model.to_owned() } else { format!("models/{}", to.model) };
    let one = |text| One {
        model: &model,
        content: Said { role: None, parts: vec![Piece::text(text)] },
        output_dimensionality: request.dimensions,
    };
    let requests = request.inputs.iter().map(|text| one(text)).collect();
    // Texts and numbers are all that is in it, so it cannot fail.
    Ok(serde_json::to_vec(&Batch { requests }).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read<'a> {
    #[serde(borrow)]
    embedding: Option<ReadVector<'a>>,
    #[serde(borrow)]
    embeddings: Option<Vec<ReadVector<'a>>>,
    #[serde(alias = "usage_metadata")]
    usage_metadata: Option<usage::Said>,
}

#[derive(Deserialize)]
struct ReadVector<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

/// Reads one vector or several.
pub fn read_answer(body: &[u8]) -> Result<Answer<'_>, Malformed> {
    let read: Result<Read<'_>, _> = serde_json::from_slice(body);
    let read = read.map_err(|_| malformed("body", "is no answer of this dialect"))?;
    let vectors = read.embeddings.unwrap_or_default().into_iter().chain(read.embedding);
    let vectors: Vec<_> = vectors.map(|vector| Json::Borrowed(vector.values)).collect();
    if vectors.is_empty() {
        return Err(malformed("embeddings", "is missing"));
    }
    if vectors.iter().any(|vector| !vector.get().starts_with('[')) {
        return Err(malformed("embeddings[].values", "must be a list"));
    }
    Ok(Answer { vectors, usage: read.usage_metadata.and_then(usage::Said::into_usage) })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<Vector<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    embeddings: Vec<Vector<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<UsageOut>,
}

#[derive(Serialize)]
struct Vector<'r> {
    values: &'r RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageOut {
    prompt_token_count: u64,
    total_token_count: u64,
}

/// Writes one vector by itself or all in a list, as it was asked for.
pub fn write_answer(answer: &Answer<'_>, shape: Shape) -> Vec<u8> {
    let mut embeddings: Vec<_> = answer.vectors.iter().map(|values| Vector { values }).collect();
    let embedding = if shape == Shape::One { embeddings.pop() } else { None };
    embeddings.retain(|_| shape != Shape::One);
    let usage_metadata = answer.usage.map(|usage| UsageOut {
        prompt_token_count: usage.input_tokens,
        total_token_count: usage.input_tokens,
    });
    // Numbers and JSON that was read are all that is in it, so it cannot fail.
    serde_json::to_vec(&Written { embedding, embeddings, usage_metadata }).unwrap_or_default()
}
