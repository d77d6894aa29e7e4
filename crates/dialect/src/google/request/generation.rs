//! `generationConfig`. Source: <https://ai.google.dev/api/generate-content#generationconfig>.

use crate::Json;
use crate::google::fields::{Field, Object};
use crate::google::schema;
use crate::request::{Effort, Format, Request, Thinking, ThinkingMode};
use crate::unsupported::{Extra, Malformed};

/// How finely pictures are read is a hint on costs; other dialects leave theirs out as well.
const HARMLESS: [&str; 1] = ["mediaResolution"];

pub(super) fn read<'a>(config: Field<'_, 'a>, request: &mut Request<'a>) -> Result<(), Malformed> {
    let mut object = Object::open(&config.path, config.node)?;
    request.format = format(&mut object, &mut request.extras)?;
    request.output_tokens_max = object.count("maxOutputTokens")?;
    request.answers = answers(&mut object)?;
    sampling(&mut object, request)?;
    if let Some(stop) = object.take("stopSequences")? {
        request.stop = stop.texts()?;
    }
    if let Some(config) = object.take("thinkingConfig")? {
        request.thinking = thinking(config, request)?;
    }
    object.skip(&HARMLESS);
    for name in ["responseLogprobs", "logprobs", "enableEnhancedCivicAnswers"] {
        object.skip_zero(name);
    }
    if let Some(kinds) = object.take("responseModalities")? {
        let path = kinds.path.clone();
        if !kinds.texts()?.iter().all(|kind| kind.eq_ignore_ascii_case("TEXT")) {
            request.extras.push(path.extra());
        }
    }
    object.finish(&mut request.extras);
    Ok(())
}

fn answers(object: &mut Object<'_, '_>) -> Result<Option<u64>, Malformed> {
    let answers = object.count("candidateCount")?;
    if answers == Some(0) {
        return Err(object.path.name("candidateCount".into()).malformed("must be at least 1"));
    }
    Ok(answers)
}

fn sampling(object: &mut Object<'_, '_>, request: &mut Request<'_>) -> Result<(), Malformed> {
    let sampling = &mut request.sampling;
    sampling.temperature = object.number("temperature")?;
    sampling.top_p = object.number("topP")?;
    sampling.top_k = object.count("topK")?;
    sampling.seed = object.take("seed")?.map(Field::whole).transpose()?;
    sampling.frequency_penalty = object.number("frequencyPenalty")?;
    sampling.presence_penalty = object.number("presencePenalty")?;
    Ok(())
}

/// `responseMimeType` and either of the two schemas. A kind that is neither text nor JSON stays where it
/// is, with its schema, and so is told of as what is not read.
fn format<'a>(
    object: &mut Object<'_, 'a>,
    extras: &mut Vec<Extra>,
) -> Result<Format<'a>, Malformed> {
    object.skip_word("responseMimeType", &["", "text/plain"]);
    let Some(kind) = object.take("responseMimeType")? else {
        return match schema(object)? {
            Some(_) => Err(object
                .path
                .name("responseMimeType".into())
                .malformed("must be `application/json` where there is a schema")),
            None => Ok(Format::Text),
        };
    };
    let path = kind.path.clone();
    if !kind.text()?.eq_ignore_ascii_case("application/json") {
        extras.push(path.extra());
        return Ok(Format::Text);
    }
    Ok(schema(object)?.map_or(Format::Json, |schema| Format::Schema {
        name: None,
        description: None,
        schema,
        is_strict: None,
    }))
}

fn schema<'a>(object: &mut Object<'_, 'a>) -> Result<Option<Json<'a>>, Malformed> {
    let json = object.take("responseJsonSchema")?;
    match (object.take("responseSchema")?, json) {
        (Some(open), Some(_)) => {
            Err(open.path.malformed("must not stand beside `responseJsonSchema`"))
        }
        (Some(open), None) => schema::into_json_schema(open).map(Some),
        (None, json) => Ok(json.map(Field::raw_object).transpose()?.map(Json::Borrowed)),
    }
}

/// `thinkingConfig`: either a number of tokens or a word says how hard. 0 tokens: not at all; -1: as many
/// as the model likes.
fn thinking(config: Field<'_, '_>, request: &mut Request<'_>) -> Result<Thinking, Malformed> {
    let mut object = Object::open(&config.path, config.node)?;
    let is_shown = object.take("includeThoughts")?.map(Field::flag).transpose()?;
    object.skip_word("thinkingLevel", &["THINKING_LEVEL_UNSPECIFIED"]);
    let level = object.take("thinkingLevel")?;
    let mut thinking = Thinking { is_shown, ..Thinking::default() };
    if let Some(budget) = object.take("thinkingBudget")? {
        if level.is_some() {
            return Err(budget.path.malformed("must not stand beside `thinkingLevel`"));
        }
        let path = budget.path.clone();
        (thinking.mode, thinking.tokens_max) = match budget.whole()? {
            0 => (ThinkingMode::Off, None),
            -1 => (ThinkingMode::Adaptive, None),
            tokens => match u64::try_from(tokens) {
                Ok(tokens) => (ThinkingMode::On, Some(tokens)),
                Err(_) => return Err(path.malformed("must be -1, 0 or more")),
            },
        };
    }
    thinking.effort = level.map(effort).transpose()?;
    object.finish(&mut request.extras);
    Ok(thinking)
}

fn effort(level: Field<'_, '_>) -> Result<Effort, Malformed> {
    let path = level.path.clone();
    match level.text()?.to_ascii_uppercase().as_str() {
        "MINIMAL" => Ok(Effort::Minimal),
        "LOW" => Ok(Effort::Low),
        "MEDIUM" => Ok(Effort::Medium),
        "HIGH" => Ok(Effort::High),
        "XHIGH" => Ok(Effort::Higher),
        _ => Err(path.malformed("must be `MINIMAL`, `LOW`, `MEDIUM`, `HIGH` or `XHIGH`")),
    }
}
