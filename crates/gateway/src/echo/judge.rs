//! Judging texts: nothing is harmful, and what has more words in common fits better.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Echo, bad, line, plain_text, read, words};
use crate::ask::Ask;
use crate::error::ProxyError;

/// The most texts of one call: each has an answer much longer than a short text is.
const TEXTS_MAX: usize = 1_000;

/// The kinds of harm that are told apart.
const HARMS: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

#[derive(Deserialize)]
struct Moderation {
    input: Value,
}

/// One verdict for each text.
pub(super) fn moderation(body: &[u8], ask: &Ask<'_>, id: &str) -> Result<Echo, ProxyError> {
    let Moderation { input } = read(body)?;
    let list = input.as_array().filter(|list| list.iter().all(Value::is_string));
    let texts = list.map_or(1, Vec::len);
    if texts > TEXTS_MAX {
        return Err(bad("input", &format!("must not have more than {TEXTS_MAX} texts")));
    }
    let of_each = |value: Value| HARMS.map(|harm| (harm.to_owned(), value.clone()));
    let verdict = json!({
        "flagged": false,
        "categories": Value::Object(of_each(false.into()).into_iter().collect()),
        "category_scores": Value::Object(of_each(0.0.into()).into_iter().collect()),
        "category_applied_input_types": Value::Object(of_each(json!(["text"])).into_iter().collect()),
    });
    let tokens = words(&plain_text(&input));
    Ok(Echo::Whole(line(&json!({
        "id": format!("modr-{id}"), "model": ask.model, "results": vec![verdict; texts],
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    }))))
}

#[derive(Deserialize)]
struct Ranking {
    query: String,
    documents: Vec<Value>,
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
}

/// How well a document fits is the share of the question's words that it has.
pub(super) fn ranking(body: &[u8], ask: &Ask<'_>, id: &str) -> Result<Echo, ProxyError> {
    let Ranking { query, documents, top_n, return_documents } = read(body)?;
    if documents.len() > TEXTS_MAX {
        return Err(bad("documents", &format!("must not have more than {TEXTS_MAX} texts")));
    }
    let wanted = vocabulary(&query);
    let texts: Vec<String> = documents.iter().map(plain_text).collect();
    let common = |text: &String| vocabulary(text).intersection(&wanted).count();
    let mut ranked: Vec<(usize, usize)> = texts.iter().map(common).enumerate().collect();
    ranked.sort_by_key(|(index, common)| (std::cmp::Reverse(*common), *index));
    ranked.truncate(top_n.unwrap_or(usize::MAX));
    let result = |(index, common): &(usize, usize)| {
        let score = share(*common, wanted.len());
        match texts.get(*index).filter(|_| return_documents) {
            Some(text) => {
                json!({ "index": index, "relevance_score": score, "document": { "text": text } })
            }
            None => json!({ "index": index, "relevance_score": score }),
        }
    };
    let results: Vec<Value> = ranked.iter().map(result).collect();
    let tokens = words(&query) + texts.iter().map(|text| words(text)).sum::<u64>();
    Ok(Echo::Whole(line(&json!({
        "id": format!("rerank-{id}"), "model": ask.model, "results": results,
        "usage": { "total_tokens": tokens },
    }))))
}

fn vocabulary(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// In thousandths, so that it is the same everywhere.
fn share(part: usize, whole: usize) -> f64 {
    let thousandths = u32::try_from(part * 1_000 / whole.max(1)).unwrap_or(1_000);
    f64::from(thousandths) / 1_000.0
}
