//! What a call asks for that is not, or not only, told by the length of its text.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fields::{Field, Fields};
use super::sound::Length;
use super::{ANSWERS_MAX, bad, number, string};
use crate::error::ProxyError;
use crate::route::Work;

/// What a call will use by its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    /// Tokens of text, and nothing else.
    Text,
    /// Characters to be spoken, all of them of so many tokens at most.
    Characters { count: u64, tokens: u64 },
    /// Sound to be written down.
    Sound(Length),
    /// Pictures to be made, each of so many tokens at most.
    Pictures { count: u64, tokens: u64 },
    /// What a ranking is sold by.
    Ranking(u64),
}

/// The most documents of which a ranking is one unit, as Cohere sells it.
const DOCUMENTS_PER_UNIT: u64 = 100;
/// Documents of more than 500 tokens count once more for every 500, which are no fewer bytes than these.
const BYTES_PER_DOCUMENT: u64 = 1_500;

/// Sound that comes out is some twenty tokens a second, in which four letters are said by whoever speaks
/// slowly.
const TOKENS_PER_LETTER: u64 = 5;
/// Digits, signs and the characters of other scripts are read as words.
const TOKENS_PER_SIGN: u64 = 20;

/// The most tokens of one picture by its quality, and of each preview of it.
/// Source: <https://platform.openai.com/docs/guides/image-generation>, "Cost and latency".
const LOW_TOKENS: u64 = 408;
const MEDIUM_TOKENS: u64 = 1_584;
const HIGH_TOKENS: u64 = 6_240;
const PREVIEW_TOKENS: u64 = 100;
/// The pixels of such a picture, 1024×1536, and of the largest that is made, 3840×2160. Tokens grow as they
/// do.
const PIXELS: u64 = 1_024 * 1_536;
const PIXELS_MAX: u64 = 3_840 * 2_160;
/// The most previews of a picture.
const PREVIEWS_MAX: u64 = 3;

impl Units {
    /// Reads them from a body of JSON. Errors name the field.
    pub(super) fn read(work: Work, body: &[u8], fields: &Fields<'_>) -> Result<Self, ProxyError> {
        match work {
            Work::Speech => characters(fields.get(Field::Input)),
            Work::Picture => pictures(fields),
            Work::Ranking => ranking_units(body, fields.get(Field::Documents)),
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
    let count = text.chars().count() as u64;
    let letters = text.chars().filter(|c| is_letter(*c)).count() as u64;
    let tokens = letters * TOKENS_PER_LETTER + (count - letters) * TOKENS_PER_SIGN;
    Ok(Units::Characters { count, tokens })
}

/// Whether it is said no slower than a letter. Scripts that write syllables or words need three bytes.
fn is_letter(c: char) -> bool {
    c.is_whitespace() || (c.is_alphabetic() && c.len_utf8() < 3)
}

fn pictures(fields: &Fields<'_>) -> Result<Units, ProxyError> {
    let count = number(Field::N, fields, ANSWERS_MAX)?.unwrap_or(1);
    let text = |field| fields.get(field).map(RawValue::get);
    let previews = match text(Field::PartialImages) {
        None | Some("null") => Some(0),
        Some(previews) => previews.parse::<u64>().ok(),
    };
    let previews = previews.filter(|previews| *previews <= PREVIEWS_MAX).ok_or_else(|| {
        bad("partial_images", &format!("must be a whole number from 0 to {PREVIEWS_MAX}"))
    })?;
    let tokens = match text(Field::Quality) {
        Some(r#""low""#) => LOW_TOKENS,
        Some(r#""medium""#) => MEDIUM_TOKENS,
        // Without a word, and with `auto`, the model chooses.
        Some(_) | None => HIGH_TOKENS,
    };
    // A model that chooses the size may choose the largest.
    let pixels = text(Field::Size).and_then(pixels).unwrap_or(PIXELS_MAX).max(PIXELS);
    let tokens = (tokens * pixels).div_ceil(PIXELS);
    Ok(Units::Pictures { count, tokens: tokens + previews * PREVIEW_TOKENS })
}

/// Of a size as it is written, `"1024x1536"`. `None`: it names none that is made.
fn pixels(size: &str) -> Option<u64> {
    let (width, height) = size.trim_matches('"').split_once('x')?;
    let pixels = width.parse::<u64>().ok()?.checked_mul(height.parse().ok()?)?;
    (pixels <= PIXELS_MAX).then_some(pixels)
}

fn ranking_units(body: &[u8], documents: Option<&RawValue>) -> Result<Units, ProxyError> {
    let documents: Option<Vec<IgnoredAny>> =
        documents.and_then(|documents| serde_json::from_str(documents.get()).ok());
    let documents =
        documents.ok_or_else(|| bad("documents", "is required, and must be a list"))?.len() as u64;
    let documents = documents.max(body.len() as u64 / BYTES_PER_DOCUMENT);
    Ok(Units::Ranking(documents.div_ceil(DOCUMENTS_PER_UNIT).max(1)))
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
        let long = |bytes: usize| format!(r#""documents":["{}"]"#, "a".repeat(bytes));
        let pictures = |count, tokens| Ok(Units::Pictures { count, tokens });
        let spoken = |count, tokens| Ok(Units::Characters { count, tokens });
        #[rustfmt::skip]
        let cases: Vec<(Call, String, Result<Units, &str>)> = vec![
            (Call::Speech, r#""input":"Grüße, \u00e4 👋""#.into(),       spoken(10, 8 * 5 + 2 * 20)),
            (Call::Speech, r#""input":"1 000 000""#.into(),              spoken(9, 2 * 5 + 7 * 20)),
            (Call::Speech, r#""input":"音 Дом""#.into(),                 spoken(5, 4 * 5 + 20)),
            (Call::Speech, r#""input":"""#.into(),                       spoken(0, 0)),
            (Call::Speech, r#""input":["a"]"#.into(),                    Err("`input` must be a string")),
            (Call::Speech, r#""text":"a""#.into(),                       Err("`input` is required")),
            (Call::Images, r#""prompt":"a""#.into(),                     pictures(1, 32_907)),
            (Call::Images, r#""size":"1024x1536""#.into(),               pictures(1, 6_240)),
            (Call::Images, r#""size":"256x256","quality":"low","n":4"#.into(), pictures(4, 408)),
            (Call::Images, r#""size":"2048x1536","quality":"low""#.into(), pictures(1, 816)),
            (Call::Images, r#""size":"3840x2160","quality":"hd""#.into(), pictures(1, 32_907)),
            (Call::Images, r#""size":"auto","quality":"low""#.into(),    pictures(1, 2_152)),
            (Call::Images, r#""size":"9999999999x9999999999","quality":"low""#.into(), pictures(1, 2_152)),
            (Call::Images, r#""size":"8192x8192","quality":"low""#.into(), pictures(1, 2_152)),
            (Call::Images, r#""size":"1536x1024","quality":"medium","partial_images":2"#.into(), pictures(1, 1_784)),
            (Call::Images, r#""size":"1024x1024","partial_images":null,"n":null"#.into(), pictures(1, 6_240)),
            (Call::Images, r#""quality":"low","Quality":"high""#.into(), Err("`quality` must be spelled")),
            (Call::Images, r#""quality":"low","quality":"high""#.into(), Err("duplicate field `quality`")),
            (Call::Images, r#""partialImages":3"#.into(),                Err("`partial_images` must be spelled")),
            (Call::Images, r#""partial_images":4"#.into(),               Err("`partial_images`")),
            (Call::Images, r#""partial_images":"2""#.into(),             Err("`partial_images`")),
            (Call::Images, r#""n":0"#.into(),                            Err("`n`")),
            (Call::Images, r#""n":1000"#.into(),                         Err("`n`")),
            (Call::Rerank, documents(1),                                 Ok(Units::Ranking(1))),
            (Call::Rerank, documents(0),                                 Ok(Units::Ranking(1))),
            (Call::Rerank, documents(101),                               Ok(Units::Ranking(2))),
            (Call::Rerank, long(299_900),                                Ok(Units::Ranking(2))),
            (Call::Rerank, long(303_000),                                Ok(Units::Ranking(3))),
            (Call::Rerank, r#""documents":["a"],"DOCUMENTS":[]"#.into(), Err("`documents` must be spelled")),
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
