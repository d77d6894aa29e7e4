//! What a call asks for that is not, or not only, told by the length of its text.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fields::{Field, Fields};
use super::sound::Length;
use super::{ANSWERS_MAX, bad, not_json, number, string};
use crate::error::ProxyError;
use crate::route::Work;

/// What a call will use by its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    /// Tokens of text, and nothing else.
    Text,
    /// Characters to be spoken.
    Characters(u64),
    /// Sound to be written down.
    Sound(Length),
    /// Pictures to be made, each of so many tokens at most.
    Pictures { count: u64, tokens: u64 },
    /// What a ranking is sold by.
    RankingUnits(u64),
}

/// The most documents of which a ranking is one unit, as Cohere sells it.
const DOCUMENTS_PER_UNIT: u64 = 100;

/// The most tokens of one picture by its quality, and of each preview of it.
/// Source: <https://platform.openai.com/docs/guides/image-generation>, "Cost and latency".
const LOW_TOKENS: u64 = 408;
const MEDIUM_TOKENS: u64 = 1_584;
const HIGH_TOKENS: u64 = 6_240;
const PREVIEW_TOKENS: u64 = 100;
/// The most previews of a picture.
const PREVIEWS_MAX: u64 = 3;

impl Units {
    /// Reads them from a body of JSON. Errors name the field.
    pub(super) fn read(work: Work, text: &str, fields: &Fields<'_>) -> Result<Self, ProxyError> {
        match work {
            Work::Speech => characters(fields.get(Field::Input)),
            Work::Picture => pictures(text, fields),
            Work::Ranking => ranking_units(text),
            Work::Chat
            | Work::Completion
            | Work::Response
            | Work::Prompt
            | Work::Embedding
            | Work::Moderation
            | Work::Transcript
            | Work::Count => Ok(Self::Text),
        }
    }
}

fn characters(input: Option<&RawValue>) -> Result<Units, ProxyError> {
    let input = input.ok_or_else(|| bad("input", "is required"))?;
    let text = string(input.get()).ok_or_else(|| bad("input", "must be a string"))?;
    Ok(Units::Characters(text.chars().count() as u64))
}

#[derive(Deserialize)]
struct Picture<'a> {
    #[serde(borrow)]
    quality: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_images: Option<&'a RawValue>,
}

fn pictures(text: &str, fields: &Fields<'_>) -> Result<Units, ProxyError> {
    let count = number(Field::N, fields, ANSWERS_MAX)?.unwrap_or(1);
    let picture: Picture<'_> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let previews = picture.partial_images.map_or("0", RawValue::get);
    let previews = if previews == "null" { Some(0) } else { previews.parse::<u64>().ok() };
    let previews = previews.filter(|previews| *previews <= PREVIEWS_MAX).ok_or_else(|| {
        bad("partial_images", &format!("must be a whole number from 0 to {PREVIEWS_MAX}"))
    })?;
    let tokens = match picture.quality.map(RawValue::get) {
        Some(r#""low""#) => LOW_TOKENS,
        Some(r#""medium""#) => MEDIUM_TOKENS,
        // Without a word, and with `auto`, the model chooses.
        Some(_) | None => HIGH_TOKENS,
    };
    Ok(Units::Pictures { count, tokens: tokens + previews * PREVIEW_TOKENS })
}

#[derive(Deserialize)]
struct Ranking {
    documents: Vec<IgnoredAny>,
}

fn ranking_units(text: &str) -> Result<Units, ProxyError> {
    let ranking: Ranking = serde_json::from_str(text)
        .map_err(|_| bad("documents", "is required, and must be a list"))?;
    Ok(Units::RankingUnits((ranking.documents.len() as u64).div_ceil(DOCUMENTS_PER_UNIT).max(1)))
}

#[cfg(test)]
mod tests {
    use crate::ask::Ask;
    use crate::route::Call;

    use super::*;

    #[test]
    fn what_is_sold_otherwise_than_by_the_token_is_known_beforehand() {
        let documents =
            |count: usize| format!(r#""documents":[{}]"#, vec!["\"a\""; count].join(","));
        let pictures = |count, tokens| Ok(Units::Pictures { count, tokens });
        #[rustfmt::skip]
        let cases: Vec<(Call, String, Result<Units, &str>)> = vec![
            (Call::Speech, r#""input":"Grüße, \u00e4 👋""#.into(),       Ok(Units::Characters(10))),
            (Call::Speech, r#""input":"""#.into(),                       Ok(Units::Characters(0))),
            (Call::Speech, r#""input":["a"]"#.into(),                    Err("`input` must be a string")),
            (Call::Speech, r#""text":"a""#.into(),                       Err("`input` is required")),
            (Call::Images, r#""prompt":"a""#.into(),                     pictures(1, 6_240)),
            (Call::Images, r#""n":4,"quality":"low""#.into(),            pictures(4, 408)),
            (Call::Images, r#""quality":"medium","partial_images":2"#.into(), pictures(1, 1_784)),
            (Call::Images, r#""quality":"hd","partial_images":null,"n":null"#.into(), pictures(1, 6_240)),
            (Call::Images, r#""partial_images":4"#.into(),               Err("`partial_images`")),
            (Call::Images, r#""partial_images":"2""#.into(),             Err("`partial_images`")),
            (Call::Images, r#""n":0"#.into(),                            Err("`n`")),
            (Call::Images, r#""n":1000"#.into(),                         Err("`n`")),
            (Call::Rerank, documents(1),                                 Ok(Units::RankingUnits(1))),
            (Call::Rerank, documents(0),                                 Ok(Units::RankingUnits(1))),
            (Call::Rerank, documents(101),                               Ok(Units::RankingUnits(2))),
            (Call::Rerank, r#""documents":"a""#.into(),                  Err("`documents`")),
            (Call::Rerank, r#""query":"a""#.into(),                      Err("`documents`")),
            (Call::Moderations, r#""input":["a"]"#.into(),               Ok(Units::Text)),
        ];
        for (call, members, expected) in cases {
            let body = format!(r#"{{"model":"m",{members}}}"#);
            let ask = Ask::parse(call, None, body.as_bytes()).map(|ask| ask.units);
            match expected {
                Ok(units) => assert_eq!(ask.unwrap(), units, "{body}"),
                Err(says) => {
                    let error = ask.unwrap_err().to_string();
                    assert!(error.contains(says), "{body}: {error}");
                }
            }
        }
    }
}
