//! Which names of models an entry of the table is about.

use regex::Regex;
use serde::Deserialize;

use super::MalformedPrices;

/// A rule about a name.
#[derive(Debug)]
pub(super) enum Matcher {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(Regex),
    Not(Regex),
    All(Vec<Matcher>),
}

/// `[kind, text]`, or `["and", rule, …]`.
#[derive(Debug, Deserialize)]
pub(super) struct RawMatch(Vec<RawPart>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawPart {
    Text(String),
    Rule(RawMatch),
}

impl Matcher {
    pub(super) fn matches(&self, model: &str) -> bool {
        match self {
            Self::Equals(text) => model == text,
            Self::StartsWith(text) => model.starts_with(text.as_str()),
            Self::EndsWith(text) => model.ends_with(text.as_str()),
            Self::Contains(text) => model.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(model),
            Self::Not(regex) => !regex.is_match(model),
            Self::All(matchers) => matchers.iter().all(|m| m.matches(model)),
        }
    }

    /// Whether it is about this name and no other one.
    pub(super) fn is_exactly(&self, model: &str) -> bool {
        matches!(self, Self::Equals(text) if text == model)
    }

    pub(super) fn read(rule: &RawMatch) -> Result<Self, MalformedPrices> {
        match rule.0.as_slice() {
            [RawPart::Text(kind), RawPart::Text(text)] => Self::read_text(kind, text),
            [RawPart::Text(kind), rules @ ..] if kind == "and" && !rules.is_empty() => {
                rules.iter().map(Self::read_part).collect::<Result<_, _>>().map(Self::All)
            }
            _ => Err(MalformedPrices("a match is [kind, text] or [\"and\", rule, …]".to_owned())),
        }
    }

    fn read_part(part: &RawPart) -> Result<Self, MalformedPrices> {
        match part {
            RawPart::Rule(rule) => Self::read(rule),
            RawPart::Text(text) => Err(MalformedPrices(format!("`{text}` stands for a rule"))),
        }
    }

    fn read_text(kind: &str, text: &str) -> Result<Self, MalformedPrices> {
        match kind {
            "equals" => Ok(Self::Equals(text.to_owned())),
            "starts_with" => Ok(Self::StartsWith(text.to_owned())),
            "ends_with" => Ok(Self::EndsWith(text.to_owned())),
            "contains" => Ok(Self::Contains(text.to_owned())),
            "regex" => Self::read_regex(text).map_err(|e| MalformedPrices(e.to_string())),
            other => Err(MalformedPrices(format!("unknown match `{other}`"))),
        }
    }

    /// The table says "not" by a negative look-ahead over the whole name, `^(?!…)`; the engine,
    /// which is linear in time, has no look-ahead.
    fn read_regex(text: &str) -> Result<Self, regex::Error> {
        match text.strip_prefix("^(?!").and_then(|rest| rest.strip_suffix(')')) {
            Some(body) => {
                Regex::new(body).and_then(|_| Regex::new(&format!("^(?:{body})"))).map(Self::Not)
            }
            None => Regex::new(text).map(Self::Regex),
        }
    }
}
